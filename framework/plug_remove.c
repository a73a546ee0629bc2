/* SPDX-License-Identifier: MIT */
/*
 * plug_remove.c: instances that go.  See plug.h.
 *
 *	asked	the guest, through unplug_request
 *	quiet	each of the family, consumers first: it finishes, and is then revoked and
 *		destroyed before its provider's turn comes
 *
 * Up to the first that is quiet the removal can be given up, and all is as before; after
 * it the instances go, whatever the others say.  An answer wakes the loop, which then
 * looks at all removals that wait; so does a timer at the deadline.
 */
#include <stdlib.h>
#include <string.h>

#include "plug.h"
#include "plug_parts.h"
#include "status.h"
#include "vm.h"

enum fw_plug_stage { FW_PLUG_ASKED = 1, FW_PLUG_QUIET = 2 };

/* A removal under way. */
struct fw_plug {
	struct fw_plug *next;
	struct lichen_vm *vm;
	struct fw_spec *spec; /* of the first of the family */
	struct fw_spec *family[FW_INSTANCES_MAX];
	uint32_t count;
	enum fw_plug_stage stage;
	uint32_t at;	  /* QUIET: which of the family */
	uint32_t waiting; /* for an answer */
	uint32_t force;
	uint64_t deadline, timeout_ns; /* host clock; for the sentence */
	struct fw_timer timer;
	fw_plug_done_fn done;
	void *context;
	struct ld_error error;
};

/* The instance's own sentence, or else what the status says. */
static void fw_plug_blame(struct lichen_instance *in, const char *what, lichen_status status,
			  struct ld_error *error)
{
	char said[LD_ERROR_SIZE / 2];

	pthread_mutex_lock(&in->error_lock);
	(void)snprintf(said, sizeof(said), "%.200s", in->error.text);
	in->error.text[0] = '\0';
	pthread_mutex_unlock(&in->error_lock);
	ld_error_set(error, "%s: %s: %s", in->spec->id, what,
		     said[0] ? said : fw_status_text(status));
}

static lichen_status fw_plug_late(const struct fw_plug *plug, const struct lichen_instance *in,
				  const char *what, struct ld_error *error)
{
	ld_error_set(error, "%s: %s within %llu ms", in->spec->id, what,
		     (unsigned long long)(plug->timeout_ns / 1000000));
	return -LICHEN_ETIMEDOUT;
}

static uint32_t fw_plug_operation(const struct fw_plug *plug)
{
	return plug->stage == FW_PLUG_ASKED ? LICHEN_OP_UNPLUG_REQUEST : LICHEN_OP_QUIESCE;
}

static struct lichen_instance *fw_plug_instance(const struct fw_plug *plug)
{
	return plug->family[plug->stage == FW_PLUG_ASKED ? 0 : plug->at]->instance;
}

/* Calls the callback of the stage; 0, an error or LICHEN_PENDING. */
static lichen_status fw_plug_call(struct fw_plug *plug)
{
	struct lichen_instance *in = fw_plug_instance(plug);
	const uint32_t operation = fw_plug_operation(plug);
	lichen_status (*call)(void *self) =
		plug->stage == FW_PLUG_ASKED ? in->class->unplug_request : in->class->quiesce;
	lichen_status status;

	if (!call)
		return plug->stage == FW_PLUG_ASKED ? -LICHEN_ENOTSUP : 0;
	fw_instance_begin(in);
	fw_operation_open(in, operation);
	fw_lock(in);
	status = call(in->self);
	fw_unlock(in);
	return fw_operation_returned(in, operation, status);
}

/*
 * What follows from the answer of the stage: 0: the next stage is to be entered; < 0: it
 * is given up, and plug->error says why.
 */
static lichen_status fw_plug_judge(struct fw_plug *plug, lichen_status status)
{
	struct lichen_instance *in = fw_plug_instance(plug);

	if (plug->stage == FW_PLUG_ASKED) {
		if (status < 0 && status != -LICHEN_ENOTSUP) {
			fw_plug_blame(in, "the guest does not let go of it", status,
				      &plug->error);
			return status;
		}
		plug->stage = FW_PLUG_QUIET;
		return 0;
	}
	if (status < 0 && plug->at == 0 && !plug->force) {
		fw_plug_blame(in, "does not finish", status, &plug->error);
		return status;
	}
	in->quieted = 1;
	fw_instance_destroy(in);
	fw_plug_list(plug->vm);
	plug->at++;
	return 0;
}

/* Nobody waits for the answer any more. */
static lichen_status fw_plug_give_up(struct fw_plug *plug)
{
	struct lichen_instance *in = fw_plug_instance(plug);

	fw_operation_leave(in, fw_plug_operation(plug));
	if (plug->stage == FW_PLUG_ASKED)
		return fw_plug_late(plug, in, "the guest did not let go of it", &plug->error);
	if (plug->at == 0 && !plug->force)
		return fw_plug_late(plug, in, "it did not finish", &plug->error);
	return fw_plug_judge(plug, 0);
}

/* Goes on until an answer is to come: LICHEN_PENDING; else it has ended. */
static lichen_status fw_plug_go_on(struct fw_plug *plug)
{
	lichen_status status = 0;

	while (status == 0 && (plug->stage == FW_PLUG_ASKED || plug->at < plug->count)) {
		const int now = plug->force || fw_now_ns() >= plug->deadline;

		status = fw_plug_call(plug);
		if (status == LICHEN_PENDING && !now)
			return LICHEN_PENDING;
		status = status == LICHEN_PENDING ? fw_plug_give_up(plug)
						  : fw_plug_judge(plug, status);
	}
	return status;
}

static void fw_plug_mark(const struct fw_plug *plug, uint32_t going)
{
	for (uint32_t i = 0; i < plug->count; i++)
		if (plug->family[i]->instance)
			plug->family[i]->instance->going = going;
}

static lichen_status fw_plug_end(struct fw_plug *plug, lichen_status status)
{
	struct lichen_vm *vm = plug->vm;

	if (status < 0)
		fw_plug_mark(plug, 0);
	else if (fw_profile_shrink(vm->profile, plug->spec, &plug->error) < 0)
		fw_log(&vm->log, LICHEN_LOG_WARN, NULL, NULL, "%s", plug->error.text);
	return status;
}

/* --- waiting --- */

static void fw_plug_free(struct fw_plug *plug)
{
	struct fw_plug **at = &plug->vm->plugs;

	fw_timer_cancel(&plug->timer);
	while (*at && *at != plug)
		at = &(*at)->next;
	if (*at)
		*at = plug->next;
	free(plug);
}

static void fw_plug_tell(struct fw_plug *plug, lichen_status status)
{
	const fw_plug_done_fn done = plug->done;
	void *context = plug->context;
	struct ld_error error = plug->error;

	fw_plug_free(plug);
	if (done)
		done(context, status, error.text);
}

/* 1: it has ended, and is gone. */
static int fw_plug_look(struct fw_plug *plug)
{
	lichen_status status;

	if (fw_operation_answered(fw_plug_instance(plug), fw_plug_operation(plug), &status))
		status = fw_plug_judge(plug, status);
	else if (fw_now_ns() >= plug->deadline)
		status = fw_plug_give_up(plug);
	else
		return 0;
	if (status == 0)
		status = fw_plug_go_on(plug);
	if (status == LICHEN_PENDING)
		return 0;
	fw_plug_tell(plug, fw_plug_end(plug, status));
	return 1;
}

/* One at a time: what `done` does may end others. */
static void fw_plug_turn(void *context)
{
	struct lichen_vm *vm = context;
	struct fw_plug *plug = vm->plugs;

	/* Something walks the instances: its end wakes the loop. */
	if (vm->loop.waiting)
		return;
	while (plug)
		plug = fw_plug_look(plug) ? vm->plugs : plug->next;
}

static void fw_plug_due(struct fw_timer *timer)
{
	if (fw_timer_fired(timer))
		fw_loop_wake(timer->loop);
}

static void fw_plug_wait(struct fw_plug *plug)
{
	struct lichen_vm *vm = plug->vm;

	plug->timer.loop = &vm->loop;
	plug->timer.clock = LICHEN_CLOCK_HOST;
	plug->timer.due = fw_plug_due;
	plug->next = vm->plugs;
	vm->plugs = plug;
	vm->loop.turn = fw_plug_turn;
	vm->loop.turn_context = vm;
	fw_timer_arm(&plug->timer, plug->deadline);
}

void fw_plug_cancel(struct lichen_vm *vm)
{
	while (vm->plugs) {
		struct fw_plug *plug = vm->plugs;

		/* One that was told of left the list.
		 * NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		fw_operation_leave(fw_plug_instance(plug), fw_plug_operation(plug));
		fw_plug_mark(plug, 0);
		ld_error_set(&plug->error, "%s: the VM ends", plug->spec->id);
		fw_plug_tell(plug, -LICHEN_ECANCELED);
	}
}

/* --- asking --- */

static lichen_status fw_plug_may_go(struct lichen_vm *vm, struct lichen_instance *in,
				    uint32_t force, struct ld_error *error)
{
	const char *fixed = in->fixed;

	if (in->spec == vm->profile->memory)
		fixed = "the guest's memory is its own";
	if (in->spec == vm->profile->boot)
		fixed = "the VM starts the guest with it, after each reset";
	if (fixed) {
		ld_error_set(error, "%s: cannot go while the VM lives: %s", in->spec->id,
			     fixed);
		return -LICHEN_EPERM;
	}
	if (in->going) {
		ld_error_set(error, "%s: its removal is under way", in->spec->id);
		return -LICHEN_EBUSY;
	}
	if (fw_profile_needed(vm->profile, in->spec, error))
		return -LICHEN_EBUSY;
	if (!force && in->class->unplug_request && atomic_load(&in->state) == FW_PAUSED) {
		ld_error_set(error, "%s: the VM is paused, and the guest cannot be asked",
			     in->spec->id);
		return -LICHEN_EAGAIN;
	}
	return 0;
}

lichen_status fw_plug_remove(struct lichen_vm *vm, struct lichen_instance *in, uint32_t force,
			     uint64_t timeout_ns, fw_plug_done_fn done, void *context,
			     struct ld_error *error)
{
	const uint64_t now = fw_now_ns();
	lichen_status status = fw_plug_busy(vm, error);
	struct fw_plug *plug;

	if (status == 0)
		status = fw_plug_may_go(vm, in, force, error);
	if (status < 0)
		return status;
	plug = calloc(1, sizeof(*plug));
	if (!plug) {
		ld_error_set(error, "%s: out of memory", in->spec->id);
		return -LICHEN_ENOMEM;
	}
	plug->vm = vm;
	plug->spec = in->spec;
	plug->count = fw_profile_family(vm->profile, in->spec, plug->family);
	fw_plug_mark(plug, 1);
	plug->force = force;
	plug->timeout_ns = timeout_ns;
	plug->deadline = timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + timeout_ns;
	plug->done = done;
	plug->context = context;
	/* Whom nobody runs for has no guest to be asked. */
	plug->stage =
		!force && atomic_load(&in->state) == FW_RUNNING ? FW_PLUG_ASKED : FW_PLUG_QUIET;
	status = fw_plug_go_on(plug);
	if (status == LICHEN_PENDING) {
		fw_plug_wait(plug);
		return LICHEN_PENDING;
	}
	status = fw_plug_end(plug, status);
	*error = plug->error;
	free(plug);
	return status;
}
