/* SPDX-License-Identifier: MIT */
/* vcpu.c: the exit path.  See vcpu.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpuid.h"
#include "thread.h"
#include "likely.h"
#include "vm.h"

static _Thread_local const struct fw_vcpu *fw_vcpu_current;

const struct fw_vcpu *fw_vcpu_here(void)
{
	return fw_vcpu_current;
}

/* size: 1, 2 or 4. */
static inline void fw_vcpu_copy(void *to, const void *from, uint32_t size)
{
	if (fw_likely(size == 1))
		memcpy(to, from, 1);
	else if (size == 4)
		memcpy(to, from, 4);
	else
		memcpy(to, from, 2);
}

/* One element of a port access. */
static inline void fw_vcpu_port(struct lichen_vm *vm, const struct hv_exit *exit, uint8_t *data)
{
	uint64_t value = 0;

	if (exit->io.write) {
		fw_vcpu_copy(&value, data, exit->io.size);
		fw_bus_write(vm->ports, exit->io.port, exit->io.size, value);
	} else {
		fw_bus_read(vm->ports, exit->io.port, exit->io.size, &value);
		fw_vcpu_copy(data, &value, exit->io.size);
	}
}

/* A string instruction's. */
__attribute__((noinline)) static void fw_vcpu_ports(struct lichen_vm *vm,
						    const struct hv_exit *exit)
{
	uint8_t *data = exit->io.data;

	for (uint32_t i = 0; i < exit->io.count; i++, data += exit->io.size)
		fw_vcpu_port(vm, exit, data);
}

static inline void fw_vcpu_io(struct lichen_vm *vm, const struct hv_exit *exit)
{
	if (fw_likely(exit->io.count == 1))
		fw_vcpu_port(vm, exit, exit->io.data);
	else
		fw_vcpu_ports(vm, exit);
}

static void fw_vcpu_mmio(struct lichen_vm *vm, const struct hv_exit *exit)
{
	uint64_t value = 0;

	if (exit->mmio.write) {
		memcpy(&value, exit->mmio.data, exit->mmio.size);
		fw_bus_write(vm->mmio, exit->mmio.gpa, exit->mmio.size, value);
	} else {
		fw_bus_read(vm->mmio, exit->mmio.gpa, exit->mmio.size, &value);
		memcpy(exit->mmio.data, &value, exit->mmio.size);
	}
}

/* What made a vCPU stop for good, with where it was. */
static void fw_vcpu_crash(struct fw_vcpu *vcpu, uint32_t status, const char *what)
{
	struct lichen_vm *vm = vcpu->vm;
	struct lichen_cpu cpu = { LICHEN_STRUCT(struct lichen_cpu) };
	char why[160];

	if (vm->hv->vcpu_get(vcpu->hv, &cpu) == 0)
		snprintf(why, sizeof(why), "vCPU %u: %s (rip 0x%llx, rsp 0x%llx, cr3 0x%llx)",
			 vcpu->index, what, (unsigned long long)cpu.rip,
			 (unsigned long long)cpu.rsp, (unsigned long long)cpu.cr3);
	else
		snprintf(why, sizeof(why), "vCPU %u: %s", vcpu->index, what);
	if (status == LICHEN_VM_CRASHED)
		fw_vm_happens(vm, FW_CRASH, 0, why);
	else
		fw_vm_end(vm, status, why);
}

static void fw_vcpu_failure(struct fw_vcpu *vcpu, uint32_t status, const char *what,
			    const struct hv_exit *exit)
{
	char text[96];

	snprintf(text, sizeof(text), "%s, code %u, 0x%llx 0x%llx", what, exit->failure.code,
		 (unsigned long long)exit->failure.detail[0],
		 (unsigned long long)exit->failure.detail[1]);
	fw_vcpu_crash(vcpu, status, text);
}

__attribute__((noinline)) static void fw_vcpu_exit(struct fw_vcpu *vcpu,
						   const struct hv_exit *exit)
{
	switch (exit->kind) {
	case HV_EXIT_IO:
		fw_vcpu_io(vcpu->vm, exit);
		break;
	case HV_EXIT_MMIO:
		fw_vcpu_mmio(vcpu->vm, exit);
		break;
	case HV_EXIT_KICK:
		break;
	case HV_EXIT_MSR:
		fw_symbiotic_msr(vcpu->vm->symbiotic, vcpu->index, exit);
		break;
	case HV_EXIT_HALT:
		fw_vcpu_crash(vcpu, LICHEN_VM_CRASHED,
			      "halted, and without an irqchip nothing can wake it");
		break;
	case HV_EXIT_SHUTDOWN:
		fw_vcpu_crash(vcpu, LICHEN_VM_CRASHED, "triple fault");
		break;
	case HV_EXIT_RESET:
		fw_vm_happens(vcpu->vm, FW_REBOOT, LICHEN_RESET_WARM,
			      "the guest asked the hypervisor for a reset");
		break;
	case HV_EXIT_INTERNAL:
		fw_vcpu_failure(vcpu, LICHEN_VM_CRASHED, "the hypervisor cannot go on", exit);
		break;
	case HV_EXIT_ENTRY:
		fw_vcpu_failure(vcpu, LICHEN_VM_CRASHED, "the hardware refuses its state",
				exit);
		break;
	case HV_EXIT_OTHER:
		fw_vcpu_failure(vcpu, LICHEN_VM_FAILED, "an exit of an unknown kind", exit);
		break;
	}
}

void fw_vcpu_handle(struct fw_vcpu *vcpu, const struct hv_exit *exit)
{
	if (exit->kind == HV_EXIT_IO)
		fw_vcpu_io(vcpu->vm, exit);
	else
		fw_vcpu_exit(vcpu, exit);
}

void fw_vcpu_lost(struct fw_vcpu *vcpu)
{
	fw_vcpu_crash(vcpu, LICHEN_VM_FAILED, "the hypervisor failed");
}

void fw_vcpu_broken(struct fw_vcpu *vcpu)
{
	fw_vcpu_crash(vcpu, LICHEN_VM_CRASHED,
		      "triple fault in a call from the VMM, which interrupted it there");
}

void fw_gate_init(struct fw_gate *gate)
{
	*gate = (struct fw_gate){ .closed = 0 };
	pthread_mutex_init(&gate->lock, NULL);
	pthread_cond_init(&gate->changed, NULL);
}

void fw_gate_clear(struct fw_gate *gate)
{
	pthread_cond_destroy(&gate->changed);
	pthread_mutex_destroy(&gate->lock);
}

void fw_gate_shut(struct fw_gate *gate)
{
	atomic_store_explicit(&gate->closed, 1, memory_order_release);
}

static uint32_t fw_vm_ended(struct lichen_vm *vm)
{
	return atomic_load_explicit(&vm->end, memory_order_relaxed);
}

/* Waits while the gate is closed; returns past it, or because the VM has ended. */
static void fw_gate_pass(struct lichen_vm *vm)
{
	struct fw_gate *gate = &vm->gate;

	pthread_mutex_lock(&gate->lock);
	while (atomic_load_explicit(&gate->closed, memory_order_relaxed) && !fw_vm_ended(vm))
		pthread_cond_wait(&gate->changed, &gate->lock);
	gate->running++;
	pthread_mutex_unlock(&gate->lock);
}

static void fw_gate_leave(struct fw_gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->running--;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
}

void fw_vcpu_settle(struct fw_vcpu *vcpu)
{
	struct lichen_vm *vm = vcpu->vm;
	struct hv_exit exit;

	do {
		if (vm->hv->vcpu_settle(vcpu->hv, &exit) < 0) {
			fw_vcpu_lost(vcpu);
			return;
		}
		fw_vcpu_exit(vcpu, &exit);
	} while (exit.kind == HV_EXIT_IO || exit.kind == HV_EXIT_MMIO ||
		 exit.kind == HV_EXIT_MSR);
}

/* Counts the exit; 1: it is one of those that are timed. */
static inline int fw_vcpu_sampled(const struct fw_vcpu *vcpu, const struct hv_exit *exit)
{
	return fw_count(&vcpu->tally->exits[exit->kind]) % FW_COUNT_SAMPLE == 0 &&
	       exit->kind != HV_EXIT_KICK;
}

__attribute__((cold, noinline)) static void fw_vcpu_timed(struct fw_vcpu *vcpu,
							  const struct hv_exit *exit)
{
	const uint64_t from = fw_now_ns();

	fw_vcpu_exit(vcpu, exit);
	fw_tally_time(vcpu->tally, fw_now_ns() - from);
}

__attribute__((hot)) static void *fw_vcpu_run(void *argument)
{
	struct fw_vcpu *vcpu = argument;
	struct lichen_vm *vm = vcpu->vm;
	struct hv_exit exit;

	(void)fw_check_thread(FW_ROLE_VCPU);
	fw_bus_thread_enter();
	fw_bus_tally(vcpu->tally->windows);
	atomic_store(&vcpu->tid, gettid());
	fw_vcpu_current = vcpu;
	if (vm->hv->vcpu_attach(vcpu->hv) < 0)
		fw_vm_end(vm, LICHEN_VM_FAILED, "a vCPU cannot be bound to its thread");
	fw_gate_pass(vm);
	fw_borrow_wake(vcpu);
	while (fw_likely(!fw_vm_ended(vm))) {
		if (fw_unlikely(atomic_load_explicit(&vm->gate.closed, memory_order_acquire))) {
			fw_vcpu_settle(vcpu);
			fw_borrow_rest(vcpu);
			fw_gate_leave(&vm->gate);
			fw_gate_pass(vm);
			fw_borrow_wake(vcpu);
		} else if (fw_unlikely(vm->hv->vcpu_run(vcpu->hv, &exit) < 0)) {
			fw_vcpu_lost(vcpu);
		} else if (fw_unlikely(fw_vcpu_sampled(vcpu, &exit))) {
			fw_vcpu_timed(vcpu, &exit);
		} else if (fw_likely(exit.kind == HV_EXIT_IO)) {
			fw_vcpu_io(vm, &exit);
		} else if (exit.kind == HV_EXIT_KICK) {
			fw_borrow_serve(vcpu);
		} else {
			fw_vcpu_exit(vcpu, &exit);
		}
	}
	fw_borrow_rest(vcpu);
	fw_gate_leave(&vm->gate);
	fw_bus_thread_leave();
	return NULL;
}

void fw_vcpus_park(struct lichen_vm *vm)
{
	struct fw_gate *gate = &vm->gate;

	fw_gate_shut(gate);
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		if (vm->vcpus[i].started)
			vm->hv->vcpu_kick(vm->vcpus[i].hv);
	pthread_mutex_lock(&gate->lock);
	while (gate->running)
		pthread_cond_wait(&gate->changed, &gate->lock);
	pthread_mutex_unlock(&gate->lock);
}

int fw_vcpus_run(struct lichen_vm *vm)
{
	int run;

	pthread_mutex_lock(&vm->gate.lock);
	run = vm->gate.running != 0 ||
	      (vm->vcpu_count && vm->vcpus[0].started && !atomic_load(&vm->gate.closed));
	pthread_mutex_unlock(&vm->gate.lock);
	return run;
}

void fw_vcpus_unpark(struct lichen_vm *vm)
{
	pthread_mutex_lock(&vm->gate.lock);
	atomic_store_explicit(&vm->gate.closed, 0, memory_order_release);
	pthread_cond_broadcast(&vm->gate.changed);
	pthread_mutex_unlock(&vm->gate.lock);
}

static lichen_status fw_vcpu_create(struct lichen_vm *vm, uint32_t index,
				    const struct hv_cpuid *host, uint32_t count,
				    struct ld_error *error)
{
	struct hv_cpuid leaves[HV_CPUID_MAX];
	lichen_status status;

	memcpy(leaves, host, count * sizeof(*host));
	fw_cpuid_build(leaves, &count, index, vm->profile->cpus, vm->profile->masks,
		       vm->profile->mask_count);
	if (vm->symbiotic &&
	    fw_cpuid_symbiotic(leaves, &count, FW_SYMBIOTIC_MSRS,
			       vm->symbiotic->has_line ? vm->symbiotic->line.gsi
						       : LICHEN_GUEST_NO_LINE) < 0) {
		ld_error_set(error, "vCPU %u: no room for a discovery block in its CPUID",
			     index);
		return -LICHEN_ENOSPC;
	}
	vm->vcpus[index] =
		(struct fw_vcpu){ .vm = vm,
				  .index = index,
				  .tally = fw_tally_new(),
				  .physical_bits = fw_cpuid_physical_bits(leaves, count) };
	if (!vm->vcpus[index].tally) {
		ld_error_set(error, "out of memory");
		return -LICHEN_ENOMEM;
	}
	fw_borrow_init(&vm->vcpus[index].borrow);
	status = vm->hv->vcpu_create(vm->hvm, index, fw_cpuid_apic_id(index), leaves, count,
				     &vm->vcpus[index].hv, error);
	if (status < 0)
		free(vm->vcpus[index].tally);
	return status;
}

lichen_status fw_vcpus_create(struct lichen_vm *vm, struct ld_error *error)
{
	struct hv_cpuid host[HV_CPUID_MAX];
	uint32_t count = HV_CPUID_MAX;
	lichen_status status = vm->hv->cpuid(vm->hvm, host, &count);

	if (status < 0) {
		ld_error_set(error, "the hypervisor does not tell its CPUID");
		return status;
	}
	vm->vcpus = calloc(vm->profile->cpus, sizeof(*vm->vcpus));
	if (!vm->vcpus) {
		ld_error_set(error, "out of memory");
		return -LICHEN_ENOMEM;
	}
	while (vm->vcpu_count < vm->profile->cpus && status == 0) {
		status = fw_vcpu_create(vm, vm->vcpu_count, host, count, error);
		if (status == 0)
			vm->vcpu_count++;
	}
	return status;
}

lichen_status fw_vcpus_start(struct lichen_vm *vm)
{
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		struct fw_vcpu *vcpu = &vm->vcpus[i];
		char name[16];
		lichen_status status;

		snprintf(name, sizeof(name), "vcpu%u", i);
		status = fw_thread_start(&vcpu->thread, name, fw_vcpu_run, vcpu);
		if (status < 0) {
			fw_vm_end(vm, LICHEN_VM_FAILED, "no thread for a vCPU");
			fw_vcpus_stop(vm);
			return status;
		}
		vcpu->started = 1;
	}
	return 0;
}

void fw_vcpus_stop(struct lichen_vm *vm)
{
	pthread_mutex_lock(&vm->gate.lock);
	pthread_cond_broadcast(&vm->gate.changed);
	pthread_mutex_unlock(&vm->gate.lock);
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		if (vm->vcpus[i].started)
			vm->hv->vcpu_kick(vm->vcpus[i].hv);
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		if (!vm->vcpus[i].started)
			continue;
		pthread_join(vm->vcpus[i].thread, NULL);
		vm->vcpus[i].started = 0;
	}
}

void fw_vcpus_destroy(struct lichen_vm *vm)
{
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		vm->hv->vcpu_destroy(vm->vcpus[i].hv);
		free(vm->vcpus[i].tally);
	}
	free(vm->vcpus);
	vm->vcpus = NULL;
	vm->vcpu_count = 0;
}
