/* SPDX-License-Identifier: MIT */
/* th.c: the life of an instance under the test host, from dlopen to dlclose. */
#include "th.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TH_PENDING_ROUNDS = 200 }; /* of 10 ms: how long a pending operation may take */

_Thread_local enum th_role th_role = TH_CONTROL;
_Thread_local uint32_t th_maps;
static pthread_mutex_t th_mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void th_lock(void)
{
	pthread_mutex_lock(&th_mutex);
}

void th_unlock(void)
{
	pthread_mutex_unlock(&th_mutex);
}

void th_fail(const struct th *th, const char *function, const char *format, ...)
{
	va_list args;

	printf("# test host: plugin %s: %s: ", th->name, function);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	if (th->doing)
		printf(" (in %s)", th->doing);
	putchar('\n');
	fflush(stdout);
	_exit(1);
}

struct th *th_guard(struct lichen_instance *in, const char *function, uint32_t states,
		    uint32_t roles)
{
	struct th *th;

	th_lock();
	if (!in || !in->th || in != &in->th->in) {
		printf("# test host: %s: called with an instance that is not one\n", function);
		fflush(stdout);
		_exit(1);
	}
	th = in->th;
	if (!(th->state & states))
		th_fail(th, function, "not allowed in the instance's state");
	if (!(th_role & roles))
		th_fail(th, function, "not allowed on this thread");
	return th;
}

void th_unguard(struct th **th)
{
	(void)th;
	th_unlock();
}

void th_begin(struct th *th, struct th_frame *frame, const char *name, enum th_role role)
{
	th_lock();
	*frame = (struct th_frame){ th->doing, th_role, th->entered, th_maps };
	th->doing = name;
	th->depth++;
	th_role = role;
}

void th_end(struct th *th, const struct th_frame *frame)
{
	if (th->entered != frame->entered)
		th_fail(th, "enter", "returned without leave");
	if (th_maps != frame->maps)
		th_fail(th, "memory_map", "returned without memory_unmap");
	th->doing = frame->outer;
	th_role = frame->role;
	th->depth--;
	th_unlock();
	if (th->depth == 0) {
		(void)th_banks_tell(th);
		th_links_deliver(th);
	}
}

struct th_object *th_object_new(struct th *th, const char *function, enum th_kind kind)
{
	for (uint32_t i = 0; i < TH_OBJECTS; i++) {
		struct th_object *o = &th->objects[i];

		if (o->kind != TH_FREE)
			continue;
		*o = (struct th_object){ .kind = kind, .trigger = -1, .resample = -1 };
		/* a serial number above the index: stale handles are told from live ones */
		o->handle = ++th->last_handle << 16 | (i + 1);
		return o;
	}
	th_fail(th, function, "more than %d handles are held", TH_OBJECTS);
}

struct th_object *th_object_of(struct th *th, const char *function, enum th_kind kind,
			       lichen_handle handle)
{
	const uint64_t i = (handle & 0xffff) - 1;

	if (i >= TH_OBJECTS || th->objects[i].kind != kind || th->objects[i].handle != handle)
		th_fail(th, function, "handle %#llx is not one that the instance holds",
			(unsigned long long)handle);
	return &th->objects[i];
}

struct th_object *th_object_next(struct th *th, enum th_kind kind, uint32_t *at)
{
	for (; *at < TH_OBJECTS; (*at)++)
		if (th->objects[*at].kind == kind)
			return &th->objects[(*at)++];
	return NULL;
}

void th_object_free(struct th_object *object)
{
	if (object->kind == TH_FREE)
		return;
	if (object->trigger >= 0)
		close(object->trigger);
	if (object->resample >= 0)
		close(object->resample);
	free(object->module);
	*object = (struct th_object){ .kind = TH_FREE };
}

struct th *th_create(const char *name)
{
	struct th *th = th_alloc(sizeof(*th));

	th->name = th_copy_text(name);
	th->state = TH_NEW;
	th->in.th = th;
	th->objects = th_alloc(sizeof(*th->objects) * TH_OBJECTS);
	th->irq = th_alloc(sizeof(*th->irq));
	th->events.last = &th->events.first;
	th->posted.last = &th->posted.first;
	th->cpus = 1;
	th->console_in = th->console_out = -1;
	th->empty_link = (struct lichen_link){ LICHEN_STRUCT(struct lichen_link) };
	th->clocks[LICHEN_CLOCK_GUEST] = th->clocks[LICHEN_CLOCK_HOST] = 1000000000u;
	th->clocks[LICHEN_CLOCK_WALL] = 1767323045u * 1000000000ull; /* 2026-01-02 03:04:05 */
	th->host = (struct lichen_host){ LICHEN_STRUCT(struct lichen_host),
					 .abi_minor = LICHEN_ABI_MINOR };
	th_host_fill(&th->host);
	th_window_fill(&th->host);
	th_bank_fill(&th->host);
	th_irq_fill(&th->host);
	th_memory_fill(&th->host);
	th_time_fill(&th->host);
	th_link_fill(&th->host);
	th_set_memory(th, TH_RAM_SIZE);
	th_open_plugin(th);
	th_values_init(th);
	th->windows = th_alloc(sizeof(*th->windows) * (th->class.windows.count + 1));
	return th;
}

/* What a step that may be pending came to. */
static lichen_status th_finish(struct th *th, uint32_t operation, const char *name,
			       lichen_status status)
{
	if (status != LICHEN_PENDING)
		return status;
	for (int i = 0; i < TH_PENDING_ROUNDS && th->pending & 1u << operation; i++) {
		th_advance(th, 10 * 1000 * 1000);
		th_poll(th, 10);
	}
	if (th->pending & 1u << operation)
		th_fail(th, name, "is still pending after %d ms", TH_PENDING_ROUNDS * 10);
	return th->completed;
}

/* Calls one of the class's plain callbacks. */
static lichen_status th_step(struct th *th, const char *name, lichen_status (*step)(void *))
{
	struct th_frame frame;
	lichen_status status;

	if (!step)
		return 0;
	th_begin(th, &frame, name, TH_CONTROL);
	status = step(th->self);
	th_end(th, &frame);
	return status;
}

static lichen_status th_long_step(struct th *th, uint32_t operation, const char *name,
				  lichen_status (*step)(void *))
{
	th->pending |= 1u << operation; /* complete() may come before the return */
	const lichen_status status = th_step(th, name, step);

	if (status != LICHEN_PENDING)
		th->pending &= ~(1u << operation);
	return th_finish(th, operation, name, status);
}

void th_resume(struct th *th)
{
	struct th_frame frame;

	th->state = TH_RUNNING;
	if (!th->class.resume)
		return;
	th_begin(th, &frame, "resume", TH_CONTROL);
	th->class.resume(th->self);
	th_end(th, &frame);
}

lichen_status th_pause(struct th *th)
{
	const lichen_status status =
		th_long_step(th, LICHEN_OP_PAUSE, "pause", th->class.pause);

	if (status >= 0)
		th->state = TH_PAUSED;
	return status;
}

/* Takes back what the instance holds; joins its threads. */
static void th_revoke(struct th *th)
{
	for (uint32_t i = 0; i < th->thread_count; i++)
		pthread_join(th->threads[i], NULL);
	th->thread_count = 0;
	for (uint32_t i = 0; i < TH_OBJECTS; i++)
		th_object_free(&th->objects[i]);
	th->listens = 0;
	for (uint32_t i = 0; i < th->class.windows.count; i++)
		th->windows[i].place = LICHEN_PLACE_LATER;
	th->reserved_count = 0;
	th->console_taken = th->irqchip = th->pit = 0;
	th->state = TH_DRAINED;
}

static void th_destroy_instance(struct th *th)
{
	struct th_frame frame;

	if (th->class.destroy) {
		th_begin(th, &frame, "destroy", TH_CONTROL);
		th->class.destroy(th->self);
		th_end(th, &frame);
	}
	th_values_close(th);
	th_banks_free(th);
	free(th->self);
	th->self = NULL;
	th->state = TH_NEW;
}

static lichen_status th_create_instance(struct th *th)
{
	lichen_status status;

	th->error[0] = '\0';
	th->asked = (struct th_asked){ .exit = 0 };
	memset(th->irq, 0, sizeof(*th->irq));
	th->cpu_set = 0;
	th->self = th_alloc(th->class.instance_size);
	th_banks_make(th);
	memcpy(th->self, &(struct lichen_dev){ &th->host, &th->in }, sizeof(struct lichen_dev));
	th_values_store(th);
	th_links_store(th);
	th->state = TH_CREATED;
	status = th_step(th, "create", th->class.create);
	if (status == 0)
		return 0;
	th_revoke(th); /* after a failure destroy is not called */
	th_values_close(th);
	th_banks_free(th);
	free(th->self);
	th->self = NULL;
	th->state = TH_NEW;
	return status > 0 ? -LICHEN_ENOTSUP : status;
}

lichen_status th_start(struct th *th)
{
	lichen_status status;

	if (th->state != TH_NEW)
		th_fail(th, "th_start", "the instance is started");
	status = th_create_instance(th);
	if (status < 0)
		return status;
	status = th_windows_place(th);
	if (status == 0)
		status = th_step(th, "realize", th->class.realize);
	if (status == 0) {
		th->state = TH_REALIZED;
		th_clients(th, 1);
		status = th_step(th, "publish", th->class.publish);
	}
	if (status == 0) {
		th_resume(th);
		return 0;
	}
	if (th->joined)
		th_clients(th, 0);
	th_revoke(th);
	th_destroy_instance(th);
	return status > 0 ? -LICHEN_ENOTSUP : status; /* pending: hosts of 0.1 refuse it */
}

static lichen_status th_reset_step(struct th *th, uint32_t kind)
{
	struct th_frame frame;
	lichen_status status;

	if (!th->class.reset)
		return 0;
	th->pending |= 1u << LICHEN_OP_RESET;
	th_begin(th, &frame, "reset", kind == LICHEN_RESET_FUNCTION ? TH_VCPU : TH_CONTROL);
	status = th->class.reset(th->self, kind);
	th_end(th, &frame);
	if (status != LICHEN_PENDING)
		th->pending &= ~(1u << LICHEN_OP_RESET);
	return th_finish(th, LICHEN_OP_RESET, "reset", status);
}

lichen_status th_reset(struct th *th, uint32_t kind)
{
	lichen_status status;

	if (th->state != TH_RUNNING)
		th_fail(th, "th_reset", "the instance does not run");
	th->asked.reset = 0;
	if (kind == LICHEN_RESET_FUNCTION)
		return th_reset_step(th, kind);
	status = th_pause(th);
	if (status < 0)
		return status;
	if (kind == LICHEN_RESET_POWER_ON)
		th_banks_zero(th);
	status = th_reset_step(th, kind);
	if (status == 0)
		status = th_step(th, "publish", th->class.publish);
	th_resume(th);
	return status;
}

lichen_status th_unplug(struct th *th)
{
	lichen_status status;

	if (!th->class.unplug_request)
		return -LICHEN_ENOTSUP;
	th->pending |= 1u << LICHEN_OP_UNPLUG_REQUEST;
	status = th_step(th, "unplug_request", th->class.unplug_request);
	if (status != LICHEN_PENDING)
		th->pending &= ~(1u << LICHEN_OP_UNPLUG_REQUEST);
	return status;
}

int th_unplug_ended(struct th *th, lichen_status *status)
{
	if (th->pending & 1u << LICHEN_OP_UNPLUG_REQUEST)
		return 0;
	*status = th->completed;
	return 1;
}

void th_unplug_cancel(struct th *th)
{
	struct th_frame frame;

	th->pending &= ~(1u << LICHEN_OP_UNPLUG_REQUEST);
	if (!th->class.cancel)
		return;
	th_begin(th, &frame, "cancel", TH_CONTROL);
	th->class.cancel(th->self, LICHEN_OP_UNPLUG_REQUEST);
	th_end(th, &frame);
}

void th_destroy(struct th *th)
{
	if (th->state == TH_RUNNING) {
		if (th_pause(th) < 0)
			th_fail(th, "pause", "failed: %s", th->error);
		th_clients(th, 0);
		th->state = TH_QUIESCING;
		if (th_long_step(th, LICHEN_OP_QUIESCE, "quiesce", th->class.quiesce) < 0)
			th_fail(th, "quiesce", "failed: %s", th->error);
		th_revoke(th);
		th_destroy_instance(th);
	}
	th_values_free(th);
	th_links_free(th);
	th_close_plugin(th);
	for (uint32_t i = 0; i < TH_CALLS; i++) {
		if (th->calls[i].token && !th->calls[i].answered)
			th_fail(th, "call", "an answer is owed");
		if (th->calls[i].token)
			free(th->calls[i].text);
	}
	munmap(th->ram, th->memory);
	free(th->windows);
	free(th->objects);
	free(th->irq);
	free(th->name);
	free(th);
}

void *th_self(struct th *th)
{
	return th->self;
}

const struct lichen_class *th_class(const struct th *th)
{
	return &th->class;
}

const char *th_error(const struct th *th)
{
	return th->error;
}

struct th_asked th_asked(const struct th *th)
{
	return th->asked;
}
