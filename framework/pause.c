/* SPDX-License-Identifier: MIT */
/*
 * pause.c: a VM that stands still and goes on, asked from outside.
 *
 * The guest's own clocks, its TSC and the hypervisor's paravirtual one, are the
 * host's and go on meanwhile, as does the RTC: after the pause the guest's time of
 * day is right.  What it must not make of the gap is that a vCPU hung; the
 * hypervisor tells it so.  Devices' guest clock and its timers stand still.
 */
#include "vm.h"

void fw_vm_halt(struct lichen_vm *vm)
{
	fw_clock_run(&vm->loop, 0);
	fw_vm_pause_instances(vm);
}

void fw_vm_pause(struct lichen_vm *vm)
{
	if (vm->paused != FW_NOT_PAUSED)
		return;
	fw_vcpus_park(vm);
	fw_vm_halt(vm);
	vm->paused = FW_PAUSED_OUTSIDE;
	fw_vm_event(vm, FW_EVENT_STATE, "paused", "asked from outside");
}

void fw_vm_go_on(struct lichen_vm *vm)
{
	if (vm->paused == FW_NOT_PAUSED)
		return;
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		vm->hv->vcpu_paused(vm->vcpus[i].hv);
	fw_vm_resume_instances(vm);
	fw_clock_run(&vm->loop, 1);
	vm->paused = FW_NOT_PAUSED;
	atomic_store(&vm->happened, 0);
	fw_vcpus_unpark(vm);
	fw_vm_event(vm, FW_EVENT_STATE, "running", NULL);
}

int fw_vm_hold(struct lichen_vm *vm)
{
	if (vm->paused != FW_NOT_PAUSED)
		return 0;
	fw_vcpus_park(vm);
	fw_vm_halt(vm);
	return 1;
}

void fw_vm_release(struct lichen_vm *vm)
{
	fw_vm_resume_instances(vm);
	fw_clock_run(&vm->loop, 1);
	if (!atomic_load(
		    &vm->happened)) /* else the gate was shut by what is to be served next */
		fw_vcpus_unpark(vm);
}

void fw_vm_event(struct lichen_vm *vm, enum fw_event_kind event, const char *subject,
		 const char *detail)
{
	if (vm->control_state)
		vm->control->event(vm, event, subject, detail);
}
