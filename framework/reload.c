/* SPDX-License-Identifier: MIT */
/*
 * reload.c: all instances of a plugin go over to other code.  See reload.h; stage.h has
 * how one of them does.
 *
 *	while the guest runs:	specs bound anew, instances created and realized
 *	vCPUs parked:		links shut, events handed over, paused, saved, loaded,
 *				buses and doorbells made ready, published, resumed
 *	while the guest runs:	the old ones destroyed, their file closed
 *
 * An instance that cannot pause or save at once is waited for with the links open, since who
 * waits behind them may be what it waits for.  Then all is undone, the whole VM is held, and
 * the exchange tried again: now nothing runs that could do harm while one waits.
 */
#include <stdlib.h>
#include <string.h>

#include "reload.h"
#include "stage.h"
#include "state_field.h"
#include "status.h"
#include "vm.h"

struct fw_reload {
	struct lichen_vm *vm;
	struct ld_plugin *fresh;
	struct fw_diags *diags;
	struct fw_stage **stages; /* in dependency order */
	uint32_t count;
	struct fw_bus_change *ports, *mmio, *msrs;
	uint32_t parked;		     /* by us, and to be unparked */
	uint32_t shut;			     /* links are */
	uint32_t held;			     /* the whole VM is paused */
	uint32_t paused;		     /* stages[paused] and those behind it are paused */
	uint64_t started, stopped, released; /* ns of the host's clock */
};

static int fw_reload_is_of(const struct lichen_instance *in, const char *name)
{
	return strcmp(ld_plugin_info(in->spec->plugin)->name, name) == 0;
}

static void fw_reload_blame(struct fw_reload *reload, const struct lichen_instance *in,
			    const char *text)
{
	fw_diag(reload->diags, in->spec->mark, "%s %s: %s", in->spec->path, in->spec->id, text);
}

/* --- while the guest runs --- */

static lichen_status fw_reload_judge(struct fw_reload *reload, const char *name)
{
	const struct ld_info *info = ld_plugin_info(reload->fresh);
	const struct lichen_instance *first = NULL;

	for (uint32_t i = 0; i < reload->vm->instance_count && !first; i++)
		if (fw_reload_is_of(reload->vm->instances[i], name))
			first = reload->vm->instances[i];
	if (!first) {
		fw_diag(reload->diags, (struct fw_mark){ 0 },
			"plugin %s: no instance of this VM is of it", name);
		return -LICHEN_ENOENT;
	}
	if (strcmp(info->name, name) != 0 || info->kind != first->spec->kind) {
		fw_diag(reload->diags, (struct fw_mark){ 0 },
			"plugin %s, %s: cannot be replaced by %s, %s", name,
			ld_kind_name(first->spec->kind), info->name, ld_kind_name(info->kind));
		return -LICHEN_EINVAL;
	}
	if (info->kind == LICHEN_KIND_MEMORY) {
		fw_diag(reload->diags, (struct fw_mark){ 0 },
			"plugin %s: the guest's memory is its, and it is not reloaded", name);
		return -LICHEN_ENOTSUP;
	}
	return 0;
}

static lichen_status fw_reload_stage(struct fw_reload *reload, struct lichen_instance *in)
{
	struct fw_rebind *rebind;
	lichen_status status;

	if (in->going) {
		fw_reload_blame(reload, in, "its removal is under way");
		return -LICHEN_EBUSY;
	}
	status = fw_rebind_make(reload->vm->profile, in->spec, reload->fresh, &rebind,
				reload->diags);
	if (status < 0)
		return status;
	status = fw_stage_make(in, rebind, &reload->stages[reload->count], reload->diags);
	if (status < 0)
		(void)fw_rebind_free(rebind, NULL);
	else
		reload->count++;
	return status;
}

static lichen_status fw_reload_stage_all(struct fw_reload *reload, const char *name)
{
	struct lichen_vm *vm = reload->vm;
	lichen_status status = 0;

	reload->stages = calloc((size_t)vm->instance_count + 1, sizeof(struct fw_stage *));
	if (!reload->stages)
		return -LICHEN_ENOMEM;
	for (uint32_t i = 0; i < vm->instance_count && status == 0; i++)
		if (fw_reload_is_of(vm->instances[i], name))
			status = fw_reload_stage(reload, vm->instances[i]);
	return status;
}

/* --- while it stands still --- */

static void fw_reload_park(struct fw_reload *reload)
{
	struct lichen_vm *vm = reload->vm;

	reload->stopped = fw_now_ns();
	reload->parked = !atomic_load(&vm->gate.closed);
	fw_vcpus_park(vm);
}

/* Who shut the gate meanwhile, because the guest asked for a reset say, opens it again. */
static void fw_reload_unpark(struct fw_reload *reload)
{
	if (reload->parked && !atomic_load(&reload->vm->happened))
		fw_vcpus_unpark(reload->vm);
	reload->released = fw_now_ns();
}

/* What it answered at last; LICHEN_PENDING: it took its time, and the VM is to be held. */
static lichen_status fw_reload_answer(struct fw_reload *reload, struct lichen_instance *in,
				      uint32_t operation, lichen_status status)
{
	status = fw_operation_returned(in, operation, status);
	if (status != LICHEN_PENDING)
		return status;
	if (!reload->held) {
		fw_stage_links_open(reload->stages, reload->count);
		reload->shut = 0;
	}
	status = fw_operation_settle(in, operation, status);
	return status < 0 || reload->held ? status : LICHEN_PENDING;
}

/* Consumers first, so that what a device still has goes to its backend. */
static lichen_status fw_reload_pause(struct fw_reload *reload)
{
	reload->paused = reload->count;
	while (reload->paused > 0) {
		struct fw_stage *stage = reload->stages[reload->paused - 1];
		struct lichen_instance *in = stage->old;
		lichen_status status = 0;

		if (stage->state_before == FW_RUNNING) {
			fw_instance_begin(in);
			fw_operation_open(in, LICHEN_OP_PAUSE);
			fw_lock(in);
			if (in->class->pause)
				status = in->class->pause(in->self);
			atomic_store(&in->state, FW_PAUSED);
			fw_unlock(in);
			status = fw_reload_answer(reload, in, LICHEN_OP_PAUSE, status);
		}
		reload->paused--;
		if (status < 0)
			fw_instance_blame(in, "cannot be paused", status, reload->diags);
		if (status != 0)
			return status;
	}
	return 0;
}

/* A class without state has none to bring along, and none to be given. */
static int fw_reload_has_state(const struct fw_stage *stage)
{
	return stage->old->class->state_version || stage->in->class->state_version;
}

static lichen_status fw_reload_pre_save(struct fw_reload *reload)
{
	for (uint32_t i = reload->count; i-- > 0;) {
		struct lichen_instance *in = reload->stages[i]->old;
		lichen_status status;

		if (!in->class->state_version || !in->class->pre_save)
			continue;
		fw_instance_begin(in);
		fw_operation_open(in, LICHEN_OP_SAVE);
		fw_lock(in);
		status = in->class->pre_save(in->self);
		fw_unlock(in);
		status = fw_reload_answer(reload, in, LICHEN_OP_SAVE, status);
		if (status < 0)
			fw_instance_blame(in, "its state cannot be saved", status,
					  reload->diags);
		if (status != 0)
			return status;
	}
	return 0;
}

static lichen_status fw_reload_fields(struct fw_reload *reload, struct fw_stage *stage,
				      struct fw_buffer *bytes)
{
	struct lichen_instance *in = stage->in, *old = stage->old;
	const uint32_t version = old->class->state_version;
	struct ld_error error = { "" };
	lichen_status status;

	fw_lock(old);
	status = fw_fields_save(&old->class->state, old->self, bytes, &error);
	fw_unlock(old);
	if (status == 0 && bytes->failed)
		status = -LICHEN_ENOMEM;
	/* Before its functions hear of anything, all of the form is checked. */
	for (int store = 0; store < 2 && status == 0; store++) {
		struct fw_reader reader = { bytes->bytes, bytes->size };

		fw_lock(in);
		status = fw_fields_load(&in->class->state, in->self, version, store, &reader,
					&error);
		fw_unlock(in);
	}
	if (status < 0)
		fw_reload_blame(reload, in,
				error.text[0] ? error.text : fw_status_text(status));
	return status;
}

static lichen_status fw_reload_load(struct fw_reload *reload, struct fw_stage *stage)
{
	struct lichen_instance *in = stage->in;
	const uint32_t version = stage->old->class->state_version;
	struct fw_buffer bytes = { 0 };
	lichen_status status;

	if (!fw_reload_has_state(stage))
		return 0;
	status = fw_reload_fields(reload, stage, &bytes);
	fw_buffer_clear(&bytes);
	if (status < 0 || !in->class->state_version || !in->class->post_load)
		return status;
	fw_instance_begin(in);
	fw_lock(in);
	status = in->class->post_load(in->self, version);
	fw_unlock(in);
	if (status > 0)
		status = -LICHEN_ENOTSUP; /* LICHEN_PENDING */
	if (status < 0)
		fw_instance_blame(in, "does not take the state", status, reload->diags);
	return status;
}

/* Windows may have moved with the state: what their buses are to be is known only now. */
static lichen_status fw_reload_bus(struct fw_reload *reload, struct fw_bus *bus,
				   struct fw_bus_change **change)
{
	uint32_t windows = 0, outs = 0, ins = 0;
	const struct fw_target *clash = NULL;
	struct fw_target **out, **in;
	lichen_status status = -LICHEN_ENOMEM;

	for (uint32_t i = 0; i < reload->count; i++)
		windows += reload->stages[i]->old->class->windows.count +
			   reload->stages[i]->in->class->windows.count;
	out = calloc((size_t)windows + 1, sizeof(struct fw_target *));
	in = calloc((size_t)windows + 1, sizeof(struct fw_target *));
	if (out && in) {
		for (uint32_t i = 0; i < reload->count; i++)
			fw_stage_targets(reload->stages[i], bus, out, &outs, in, &ins);
		status = fw_bus_prepare(bus, out, outs, in, ins, change, &clash);
	}
	free(out);
	free(in);
	if (clash)
		fw_reload_blame(reload, clash->owner,
				"it has come to be where a window of what is reloaded is "
				"to be");
	return status;
}

/* Ranges of MSRs were judged when they were claimed, and nobody claims any meanwhile. */
static lichen_status fw_reload_msrs(struct fw_reload *reload)
{
	const size_t room = (size_t)reload->count * FW_CLAIMS_MAX + 1;
	struct fw_target **out = calloc(room, sizeof(struct fw_target *));
	struct fw_target **in = calloc(room, sizeof(struct fw_target *));
	uint32_t outs = 0, ins = 0;
	lichen_status status = -LICHEN_ENOMEM;

	if (out && in) {
		for (uint32_t i = 0; i < reload->count; i++)
			fw_stage_msr_targets(reload->stages[i], out, &outs, in, &ins);
		status = fw_bus_prepare(reload->vm->symbiotic->msrs, out, outs, in, ins,
					&reload->msrs, NULL);
	}
	free(out);
	free(in);
	if (status < 0)
		fw_reload_blame(reload, reload->stages[0]->in, fw_status_text(status));
	return status;
}

static lichen_status fw_reload_prepare(struct fw_reload *reload)
{
	lichen_status status = fw_reload_bus(reload, reload->vm->ports, &reload->ports);
	uint32_t windows = 0;

	if (status == 0)
		status = fw_reload_bus(reload, reload->vm->mmio, &reload->mmio);
	if (status == 0 && reload->vm->symbiotic)
		status = fw_reload_msrs(reload);
	for (uint32_t i = 0; i < reload->count; i++)
		windows += fw_stage_memory(reload->stages[i]->in);
	if (status == 0 && windows)
		status = fw_layout_prepare(&reload->vm->layout, windows);
	for (uint32_t i = 0; i < reload->count && status == 0; i++)
		status = fw_stage_bells_attach(reload->stages[i], reload->diags);
	return status;
}

/* Both buses, and the slots of windows of memory; the same memory in the same place stays. */
static void fw_reload_publish_windows(struct fw_reload *reload)
{
	struct lichen_vm *vm = reload->vm;
	uint32_t come = 0, go = 0;
	struct ld_error error = { "" };

	for (uint32_t i = 0; i < reload->count; i++) {
		come += fw_stage_memory(reload->stages[i]->in);
		go += fw_stage_memory(reload->stages[i]->old);
	}
	atomic_fetch_add(&vm->layout.windows, come);
	fw_bus_commit(reload->ports);
	fw_bus_commit(reload->mmio);
	if (reload->msrs)
		fw_bus_commit(reload->msrs);
	if (fw_layout_follow(&vm->layout, &error) < 0)
		fw_log(&vm->log, LICHEN_LOG_WARN, NULL, NULL,
		       "%s: each access to it is an exit", error.text);
	atomic_fetch_sub(&vm->layout.windows, go);
	if (come || go)
		fw_listen_changed(vm);
}

/* Nothing in it can fail. */
static void fw_reload_publish(struct fw_reload *reload)
{
	struct lichen_vm *vm = reload->vm;

	fw_reload_publish_windows(reload);
	for (uint32_t i = 0; i < reload->count; i++)
		fw_stage_publish(reload->stages[i]);
	fw_stage_links_publish(vm, reload->stages, reload->count);
	fw_stage_links_open(reload->stages, reload->count);
	for (uint32_t i = 0; i < reload->count; i++)
		fw_stage_settle(reload->stages[i]);
	for (uint32_t i = 0; i < reload->count; i++) {
		struct fw_stage *stage = reload->stages[i];

		if (stage->state_before == FW_RUNNING)
			fw_instance_resume(stage->in);
		fw_threads_start(stage->in, FW_START_NOW);
	}
}

/* What was done while it stands still is undone. */
static void fw_reload_return(struct fw_reload *reload)
{
	for (uint32_t i = reload->count; i-- > 0;)
		fw_stage_bells_return(reload->stages[i]);
	fw_bus_abandon(reload->ports);
	fw_bus_abandon(reload->mmio);
	fw_bus_abandon(reload->msrs);
	if (reload->shut)
		fw_stage_links_open(reload->stages, reload->count);
	reload->shut = 0;
	for (uint32_t i = reload->paused; i < reload->count; i++)
		if (reload->stages[i]->state_before == FW_RUNNING)
			fw_instance_resume(reload->stages[i]->old);
}

/* LICHEN_PENDING: nothing has changed, and it will do when the VM is held. */
static lichen_status fw_reload_try(struct fw_reload *reload)
{
	struct lichen_vm *vm = reload->vm;
	lichen_status status;

	fw_reload_park(reload);
	fw_events_drain(vm);
	fw_stage_links_shut(vm, reload->stages, reload->count);
	reload->shut = 1;
	status = fw_reload_pause(reload);
	if (status == 0)
		status = fw_reload_pre_save(reload);
	for (uint32_t i = 0; i < reload->count && status == 0; i++)
		status = fw_reload_load(reload, reload->stages[i]);
	if (status == 0)
		status = fw_reload_prepare(reload);
	if (status == 0)
		fw_reload_publish(reload);
	else
		fw_reload_return(reload);
	fw_reload_unpark(reload);
	return status;
}

static lichen_status fw_reload_exchange(struct fw_reload *reload)
{
	lichen_status status = fw_reload_try(reload);
	const uint64_t stopped = reload->stopped;
	int released;

	if (status != LICHEN_PENDING)
		return status;
	released = reload->vm->resumed ? fw_vm_hold(reload->vm) : 0;
	reload->held = 1;
	for (uint32_t i = 0; i < reload->count; i++)
		reload->stages[i]->state_before = atomic_load(&reload->stages[i]->old->state);
	status = fw_reload_try(reload);
	if (released)
		fw_vm_release(reload->vm);
	reload->stopped = stopped;
	reload->released = fw_now_ns();
	return status;
}

/* --- while it runs again --- */

/* Plugins that were loaded by hand, and would be preferred for what comes. */
static void fw_reload_offers(struct fw_reload *reload, const char *name)
{
	for (struct fw_offer *offer = reload->vm->offers; offer; offer = offer->next) {
		struct ld_plugin *old = offer->plugin;

		if (strcmp(ld_plugin_info(old)->name, name) != 0)
			continue;
		offer->plugin = ld_share(reload->fresh);
		(void)ld_close(old, NULL); /* instances have it: the last of them tells */
	}
}

/* Consumers before providers, as at the end of a VM. */
static void fw_reload_finish(struct fw_reload *reload, const char *name,
			     struct fw_reloaded *done)
{
	struct fw_reloaded what = { .instances = reload->count,
				    .pause_ns = reload->released - reload->stopped };

	fw_reload_offers(reload, name);
	for (uint32_t i = reload->count; i-- > 0;)
		(void)fw_stage_finish(reload->stages[i], &what.pinned);
	(void)ld_close(reload->fresh, NULL); /* instances have it */
	if (what.pinned.text[0])
		fw_log(&reload->vm->log, LICHEN_LOG_WARN, NULL, NULL, "%s", what.pinned.text);
	what.total_ns = fw_now_ns() - reload->started;
	if (done)
		*done = what;
}

lichen_status fw_reload(struct lichen_vm *vm, const char *name, struct ld_plugin *fresh,
			struct fw_reloaded *done, struct fw_diags *diags)
{
	struct fw_reload reload = {
		.vm = vm, .fresh = fresh, .diags = diags, .started = fw_now_ns()
	};
	const uint32_t told = diags->count + diags->lost;
	lichen_status status = fw_reload_judge(&reload, name);

	if (status == 0)
		status = fw_reload_stage_all(&reload, name);
	if (status == 0)
		status = fw_reload_exchange(&reload);
	if (status == 0) {
		fw_reload_finish(&reload, name, done);
	} else {
		while (reload.count > 0)
			fw_stage_discard(reload.stages[--reload.count]);
		if (diags->count + diags->lost == told)
			fw_diag(diags, (struct fw_mark){ 0 }, "plugin %s: %s", name,
				fw_status_text(status));
	}
	free(reload.stages);
	return status;
}

lichen_status fw_reload_file(struct lichen_vm *vm, const char *name, struct fw_reloaded *done,
			     struct fw_diags *diags)
{
	struct ld_error error = { "" };
	struct ld_plugin *fresh;
	lichen_status status = ld_open(&vm->plugins, name, NULL, &fresh, &error);

	if (status < 0) {
		fw_diag(diags, (struct fw_mark){ 0 }, "%s", error.text);
		return status;
	}
	status = fw_reload(vm, name, fresh, done, diags);
	if (status < 0)
		(void)ld_close(fresh, NULL);
	return status;
}
