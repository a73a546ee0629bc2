/* SPDX-License-Identifier: MIT */
/* instance.c: the life of an instance.  See instance.h. */
#include <stdlib.h>
#include <string.h>

#include "status.h"
#include "vm.h"

void fw_lock(struct lichen_instance *in)
{
	if (!fw_is_parallel(in))
		fw_mutex_lock(&in->lock);
}

void fw_unlock(struct lichen_instance *in)
{
	if (!fw_is_parallel(in))
		fw_mutex_unlock(&in->lock);
}

void fw_instance_begin(struct lichen_instance *in)
{
	pthread_mutex_lock(&in->error_lock);
	in->error.text[0] = '\0';
	pthread_mutex_unlock(&in->error_lock);
}

/* Where the profile has the parameter whose name `text` begins with; else the instance. */
static struct fw_mark fw_instance_mark(const struct fw_spec *spec, const char *text)
{
	const struct lichen_param *params = FW_ITEMS(struct lichen_param, spec->class->params);
	const size_t length = strcspn(text, " :");

	for (uint32_t i = 0; i < spec->class->params.count; i++)
		if (spec->values[i].mark.file && strlen(params[i].name) == length &&
		    strncmp(params[i].name, text, length) == 0)
			return spec->values[i].mark;
	return spec->mark;
}

void fw_instance_blame(struct lichen_instance *in, const char *what, lichen_status status,
		       struct fw_diags *diags)
{
	const struct fw_spec *spec = in->spec;

	pthread_mutex_lock(&in->error_lock);
	if (in->error.text[0])
		fw_diag(diags, fw_instance_mark(spec, in->error.text), "%s %s: %s", spec->path,
			spec->id, in->error.text);
	else
		fw_diag(diags, spec->mark, "%s %s: %s: %s", spec->path, spec->id, what,
			fw_status_text(status));
	in->error.text[0] = '\0';
	pthread_mutex_unlock(&in->error_lock);
}

void fw_instance_free(struct lichen_instance *in)
{
	pthread_cond_destroy(&in->started);
	pthread_cond_destroy(&in->ended);
	pthread_mutex_destroy(&in->start_lock);
	pthread_mutex_destroy(&in->error_lock);
	pthread_mutex_destroy(&in->ledger_lock);
	pthread_mutex_destroy(&in->clients_lock);
	free(in->clients);
	fw_links_free(in);
	fw_places_free(in);
	fw_check_free(in);
	free(in);
}

struct lichen_instance *fw_instance_new(struct lichen_vm *vm, struct fw_spec *spec,
					struct fw_diags *diags)
{
	struct lichen_instance *in = calloc(1, sizeof(*in));
	pthread_condattr_t clock;

	if (!in) {
		fw_diag(diags, spec->mark, "%s %s: out of memory", spec->path, spec->id);
		return NULL;
	}
	pthread_cond_init(&in->started, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&in->ended, &clock);
	pthread_condattr_destroy(&clock);
	pthread_mutex_init(&in->start_lock, NULL);
	pthread_mutex_init(&in->error_lock, NULL);
	pthread_mutex_init(&in->ledger_lock, NULL);
	pthread_mutex_init(&in->clients_lock, NULL);
	in->vm = vm;
	in->spec = spec;
	in->hidden = vm->loaded;
	in->self = fw_check_new(in, spec->class);
	if (!in->self)
		fw_diag(diags, spec->mark, "%s %s: out of memory", spec->path, spec->id);
	if (!in->self || fw_places_make(in, diags) < 0) {
		fw_instance_free(in);
		return NULL;
	}
	((struct lichen_dev *)in->self)->host = fw_check_host();
	((struct lichen_dev *)in->self)->in = in;
	return in;
}

/* Threads end after it; nothing else makes an instance that was not realized hear of it. */
static void fw_instance_quiesce(struct lichen_instance *in)
{
	lichen_status status;

	if (atomic_load(&in->state) < FW_REALIZED && !fw_ledger_threads(in))
		return;
	atomic_store(&in->state, FW_QUIESCING);
	if (!in->class->quiesce || in->quieted)
		return;
	in->quieted = 1;
	fw_operation_open(in, LICHEN_OP_QUIESCE);
	fw_lock(in);
	status = in->class->quiesce(in->self);
	fw_unlock(in);
	/* The instance goes, whatever it answers. */
	if (fw_operation_settle(in, LICHEN_OP_QUIESCE, status) == -LICHEN_ETIMEDOUT)
		fw_host.log(in, LICHEN_LOG_WARN, "quiesce: %s, it goes all the same",
			    fw_status_text(-LICHEN_ETIMEDOUT));
}

lichen_status fw_instance_create(struct lichen_vm *vm, struct fw_spec *spec,
				 struct lichen_instance **created, struct fw_diags *diags)
{
	struct lichen_instance *in;
	lichen_status status;

	if (spec->kind == LICHEN_KIND_SYMBIOTIC && !vm->symbiotic) {
		fw_diag(diags, spec->mark,
			"%s %s: this VM's profile has no `symbiotic:`, so its guest cannot see "
			"symbiotic plugins",
			spec->path, spec->id);
		return -LICHEN_ENODEV;
	}
	in = fw_instance_new(vm, spec, diags);
	if (!in)
		return -LICHEN_ENOMEM;
	status = fw_values_store(spec, in->self, diags);
	if (status < 0) {
		fw_instance_free(in);
		return status;
	}
	status = fw_links_make(in);
	if (status == 0)
		status = in->class->create ? in->class->create(in->self) : 0;
	if (status > 0)
		status = -LICHEN_ENOTSUP;
	if (status < 0) {
		fw_instance_blame(in, "cannot be created", status, diags);
		/* It should have claimed nothing yet; what it did goes all the same. */
		fw_instance_quiesce(in);
		fw_ledger_revoke(in);
		fw_links_break(in);
		if (!in->stuck) {
			fw_values_close(spec, in->self);
			fw_instance_free(in);
		}
		return status;
	}
	atomic_store(&in->state, FW_CREATED);
	spec->instance = in;
	*created = in;
	return 0;
}

/* Where the declaration puts window `index`; the profile has checked the parameter. */
static lichen_status fw_instance_place(struct lichen_instance *in, uint32_t index)
{
	const struct lichen_window *window =
		&FW_ITEMS(struct lichen_window, in->class->windows)[index];
	const struct lichen_param *params = FW_ITEMS(struct lichen_param, in->class->params);
	uint64_t at = window->address;

	for (uint32_t i = 0; window->placed_by && i < in->class->params.count; i++)
		if (strcmp(params[i].name, window->placed_by) == 0)
			at = in->spec->values[i].number;
	switch (window->place) {
	case LICHEN_PLACE_PORT:
		return fw_place(in, index, in->vm->ports, at);
	case LICHEN_PLACE_GPA:
		return fw_place(in, index, in->vm->mmio, at);
	default:
		return 0;
	}
}

/* Who listens hears of its memory before it is used, and may refuse it. */
static lichen_status fw_instance_heard(struct lichen_instance *in)
{
	struct lichen_instance *who = NULL;
	const lichen_status status = fw_listen_tell(in->vm, &who);

	if (status < 0 && who && who != in)
		fw_host.error(in, "%s does not take the memory layout that it makes: %s",
			      who->spec->id,
			      who->error.text[0] ? who->error.text : fw_status_text(status));
	return status;
}

lichen_status fw_instance_realize(struct lichen_instance *in, struct fw_diags *diags)
{
	lichen_status status = 0;

	fw_instance_begin(in);
	for (uint32_t i = 0; i < in->class->windows.count && status == 0; i++)
		status = fw_instance_place(in, i);
	if (status == 0 && in->class->realize) {
		fw_operation_open(in, LICHEN_OP_REALIZE);
		status = in->class->realize(in->self);
		status = fw_operation_settle(in, LICHEN_OP_REALIZE, status);
	}
	if (status == 0)
		status = fw_instance_heard(in);
	if (status < 0) {
		fw_instance_blame(in, "cannot be realized", status, diags);
		fw_instance_quiesce(in);
		fw_ledger_revoke(in);
		atomic_store(&in->state, FW_CREATED);
		return status;
	}
	atomic_store(&in->state, FW_REALIZED);
	return 0;
}

void fw_instance_pause(struct lichen_instance *in)
{
	lichen_status status = 0;

	if (in->class->pause) {
		fw_instance_begin(in);
		fw_operation_open(in, LICHEN_OP_PAUSE);
		fw_lock(in);
		status = in->class->pause(in->self);
		fw_unlock(in);
		status = fw_operation_settle(in, LICHEN_OP_PAUSE, status);
	}
	atomic_store(&in->state, FW_PAUSED);
	if (status < 0) /* the VM stands still in any case */
		fw_host.log(in, LICHEN_LOG_WARN, "pause: %s", fw_status_text(status));
}

void fw_instance_resume(struct lichen_instance *in)
{
	fw_lock(in);
	atomic_store(&in->state, FW_RUNNING);
	if (in->class->resume)
		in->class->resume(in->self);
	fw_unlock(in);
	if (!in->hidden)
		return;
	in->hidden = 0;
	fw_places_show(in);
}

/* What the limit held back since the last line: nobody will say it later. */
static void fw_instance_suppressed(struct lichen_instance *in)
{
	const uint64_t lines = atomic_exchange(&in->limit.suppressed, 0);

	if (lines)
		fw_host.log(in, LICHEN_LOG_INFO, "%llu lines suppressed",
			    (unsigned long long)lines);
}

void fw_instance_destroy(struct lichen_instance *in)
{
	if (!in)
		return;
	fw_instance_quiesce(in);
	fw_links_withdraw(in);
	fw_ledger_revoke(in);
	fw_links_break(in);
	atomic_store(&in->state, FW_DRAINED);
	in->spec->instance = NULL;
	fw_instance_suppressed(in);
	if (in->stuck)
		return; /* its thread may use all of it */
	if (in->class->destroy)
		in->class->destroy(in->self);
	fw_values_leave(in->spec, in->self, in->heir);
	fw_instance_free(in);
}
