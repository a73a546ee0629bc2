/* SPDX-License-Identifier: MIT */
/*
 * reset.c: what follows when the guest reboots, crashes or panics, or is reset from
 * outside.  The vCPU that brings it about only shuts the gate and posts; the rest is the
 * control thread's.
 */
#include <stdlib.h>

#include "options.h"
#include "status.h"
#include "vm.h"

struct fw_happened {
	struct fw_post post;
	struct lichen_vm *vm;
	enum fw_policy policy;
	uint32_t kind; /* enum lichen_reset */
};

/* Providers first, so that a line that a device drops reaches a fresh irqchip. */
static lichen_status fw_reset_instances(struct lichen_vm *vm, uint32_t kind,
					struct fw_diags *diags)
{
	for (uint32_t i = 0; i < vm->instance_count; i++) {
		struct lichen_instance *in = vm->instances[i];
		lichen_status status;

		if (kind == LICHEN_RESET_POWER_ON)
			fw_places_zero(in);
		if (!in->class->reset)
			continue;
		fw_instance_begin(in);
		fw_operation_open(in, LICHEN_OP_RESET);
		fw_lock(in);
		status = in->class->reset(in->self, kind);
		fw_unlock(in);
		status = fw_operation_settle(in, LICHEN_OP_RESET, status);
		if (status < 0) {
			fw_instance_blame(in, "cannot be reset", status, diags);
			return status;
		}
	}
	return 0;
}

static lichen_status fw_reset_vcpus(struct lichen_vm *vm, struct fw_diags *diags)
{
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		const lichen_status status = vm->hv->vcpu_reset(vm->vcpus[i].hv);

		if (status < 0) {
			fw_diag(diags, (struct fw_mark){ 0 }, "vCPU %u cannot be reset: %s", i,
				fw_status_text(status));
			return status;
		}
	}
	return 0;
}

/* The gate is shut and every vCPU waits at it. */
static lichen_status fw_reset_all(struct lichen_vm *vm, uint32_t kind, struct fw_diags *diags)
{
	lichen_status status;

	fw_vm_halt(vm);
	status = fw_reset_instances(vm, kind, diags);
	if (vm->symbiotic)
		fw_symbiotic_reset(vm->symbiotic);
	if (status == 0)
		status = fw_reset_vcpus(vm, diags);
	if (status == 0)
		status = fw_vm_load(vm, diags);
	return status;
}

/* vCPUs are parked.  run 0: it stands still afterwards, at its first instruction. */
static void fw_vm_restart(struct lichen_vm *vm, uint32_t kind, int run)
{
	struct fw_diags diags = { 0 };
	const lichen_status status = fw_reset_all(vm, kind, &diags);

	if (status < 0) {
		fw_diags_tell(&diags, &vm->log);
		fw_vm_end(vm, LICHEN_VM_FAILED, "the VM cannot be restarted");
	} else {
		fw_vm_event(vm, FW_EVENT_RESET, kind == LICHEN_RESET_WARM ? "warm" : "power-on",
			    NULL);
	}
	fw_diags_clear(&diags);
	atomic_store(&vm->happened, 0);
	if (status == 0 && run) {
		fw_vm_resume_instances(vm);
		fw_clock_run(&vm->loop, 1);
		vm->paused = FW_NOT_PAUSED;
	}
	if (status < 0 || run)
		fw_vcpus_unpark(vm);
}

void fw_vm_reset(struct lichen_vm *vm, uint32_t kind)
{
	fw_vcpus_park(vm);
	fw_vm_restart(vm, kind, 1);
}

static void fw_happened_run(struct fw_post *post)
{
	const struct fw_happened *happened = (const struct fw_happened *)post;
	struct lichen_vm *vm = happened->vm;

	if (atomic_load(&vm->end))
		return;
	fw_vcpus_park(vm);
	if (happened->policy == FW_RESTART) {
		fw_vm_restart(vm, happened->kind, vm->paused == FW_NOT_PAUSED);
	} else if (vm->paused == FW_NOT_PAUSED) {
		fw_vm_halt(vm);
		vm->paused = FW_PAUSED_POLICY;
		fw_vm_event(vm, FW_EVENT_STATE, "paused", "by the profile's policy");
	}
}

static enum fw_policy fw_policy_of(const struct fw_profile *profile, enum fw_happening what)
{
	switch (what) {
	case FW_REBOOT:
		return profile->on_reboot;
	case FW_CRASH:
		return profile->on_crash;
	case FW_PANIC:
		return profile->on_panic;
	}
	return FW_STOP;
}

/* A guest may do this as often as it likes: the lines are limited. */
static void fw_happened_tell(struct lichen_vm *vm, enum fw_happening what,
			     enum fw_policy policy, const char *why)
{
	uint64_t suppressed;

	if (!fw_log_allow(&vm->limit, &suppressed))
		return;
	if (suppressed)
		fw_log(&vm->log, LICHEN_LOG_INFO, NULL, NULL, "%llu lines suppressed",
		       (unsigned long long)suppressed);
	fw_log(&vm->log, what == FW_REBOOT ? LICHEN_LOG_INFO : LICHEN_LOG_ERROR, NULL, NULL,
	       "%s: %s", why, policy == FW_RESTART ? "it restarts" : "it is paused");
}

void fw_vm_happens(struct lichen_vm *vm, enum fw_happening what, uint32_t kind, const char *why)
{
	const enum fw_policy policy = fw_policy_of(vm->profile, what);
	struct fw_happened *happened;

	if (what != FW_REBOOT)
		fw_vm_event(vm, FW_EVENT_PANIC, why, NULL);
	if (policy == FW_STOP) {
		fw_vm_end(vm, what == FW_REBOOT ? LICHEN_VM_POWER_OFF : LICHEN_VM_CRASHED, why);
		return;
	}
	fw_gate_shut(&vm->gate);
	if (atomic_exchange(&vm->happened, 1))
		return;
	happened = malloc(sizeof(*happened));
	if (!happened) {
		fw_vm_end(vm, LICHEN_VM_FAILED, "out of memory");
		return;
	}
	*happened = (struct fw_happened){ .post = { .run = fw_happened_run },
					  .vm = vm,
					  .policy = policy,
					  .kind = what == FW_REBOOT ? kind
								    : LICHEN_RESET_POWER_ON };
	fw_happened_tell(vm, what, policy, why);
	fw_loop_post(&vm->loop, &happened->post);
}
