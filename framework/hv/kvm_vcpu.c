/* SPDX-License-Identifier: MIT */
/*
 * kvm_vcpu.c: creates vCPUs, runs them, kicks them out of the guest.  See kvm.h.
 *
 * How a kick arrives.  `immediate_exit` of the shared page makes KVM_RUN return
 * before it enters the guest; a signal gets a vCPU out that is in it, or that
 * waits in KVM for an interrupt.  The thread blocks the signal at all times and
 * KVM unblocks it inside KVM_RUN only, so there is no handler, nothing is
 * interrupted but KVM_RUN, and the signal stays pending until it is taken here.
 *
 * The kicker sets immediate_exit, and where it was 0 signals; where it was 1
 * another's kick is under way and does for both.  The runner, told -EINTR, first
 * clears immediate_exit and then takes pending signals.  So immediate_exit is 1
 * inside the guest only while its setter's signal is still to come; and a signal
 * that is taken belongs to a kick set before the clear, which this return answers,
 * or after it, which the next KVM_RUN finds in immediate_exit.  No kick is lost;
 * one whose signal comes late may be seen twice.  Both sides exchange rather than
 * store: whatever a kicker wrote before its kick is visible to whom it gets out,
 * also when several kicked.
 *
 * The signal is a standard one, SIGURG: a real-time one is queued, and is refused
 * when the user's queue is full, which would lose the kick.  By default SIGURG
 * does nothing to a process, so a stray one is harmless, and one that KVM_RUN gets
 * from elsewhere is a kick for nothing.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kvm.h"
#include "likely.h"

enum {
	KVM_SIGSET_SIZE = 8, /* bytes, of the kernel's signal set */
	KVM_MSR_MISC_ENABLE = 0x1a0,
	KVM_MISC_FAST_STRINGS = 1,
};

/* The vCPU that this thread runs. */
static _Thread_local struct hv_vcpu *kvm_here;

/* --- creation --- */

/* Firmware leaves fast strings on (SDM 4, IA32_MISC_ENABLE); AMD has no such MSR. */
static void kvm_fast_strings(struct hv_vcpu *vcpu)
{
	union kvm_one_msr one = { .msrs.nmsrs = 1 };

	one.msrs.entries[0] = (struct kvm_msr_entry){ .index = KVM_MSR_MISC_ENABLE };
	if (kvm_call(vcpu->fd, KVM_GET_MSRS, &one) != 1)
		return;
	one.msrs.entries[0].data |= KVM_MISC_FAST_STRINGS;
	(void)kvm_call(vcpu->fd, KVM_SET_MSRS, &one);
}

static lichen_status kvm_vcpu_open(struct hv_vcpu *vcpu, uint32_t apic_id,
				   struct ld_error *error)
{
	struct hv_vm *vm = vcpu->vm;
	char subject[64];
	int result = 0;
	void *page;

	(void)snprintf(subject, sizeof(subject), "vCPU %u", vcpu->index);
	/* Which one starts without being told; KVM takes id 0 where nobody says. */
	if (vcpu->index == 0 && apic_id != 0)
		result = kvm_call_number(vm->fd, KVM_SET_BOOT_CPU_ID, apic_id);
	if (result >= 0)
		result = kvm_call_number(vm->fd, KVM_CREATE_VCPU, apic_id);
	if (result < 0)
		return kvm_blame(error, result, subject);
	vcpu->fd = result;
	page = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (page == MAP_FAILED)
		return kvm_blame(error, -errno, subject);
	vcpu->run = page;
	return 0;
}

lichen_status kvm_vcpu_create(struct hv_vm *vm, uint32_t index, uint32_t apic_id,
			      const struct hv_cpuid *leaves, uint32_t count,
			      struct hv_vcpu **out, struct ld_error *error)
{
	struct hv_vcpu *vcpu = calloc(1, sizeof(*vcpu));
	lichen_status status;

	if (!vcpu) {
		ld_error_set(error, "vCPU %u: out of memory", index);
		return -LICHEN_ENOMEM;
	}
	*vcpu = (struct hv_vcpu){ .vm = vm, .fd = -1, .index = index };
	status = kvm_vcpu_open(vcpu, apic_id, error);
	if (status == 0) {
		status = kvm_vcpu_cpuid(vcpu, leaves, count);
		if (status < 0)
			ld_error_set(error, "vCPU %u: %u CPUID leaves: refused by KVM", index,
				     count);
	}
	if (status == 0) {
		kvm_fast_strings(vcpu);
		status = kvm_cpu_first(vcpu);
		if (status < 0)
			ld_error_set(error, "vCPU %u: its first state cannot be read", index);
	}
	if (status < 0)
		kvm_vcpu_destroy(vcpu);
	else
		*out = vcpu;
	return status;
}

void kvm_vcpu_destroy(struct hv_vcpu *vcpu)
{
	if (!vcpu)
		return;
	kvm_borrow_clear(vcpu);
	if (vcpu->run)
		munmap(vcpu->run, vcpu->vm->run_size);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
	kvm_cpu_state_free(vcpu->first);
	free(vcpu);
}

/* --- kicks --- */

lichen_status kvm_vcpu_attach(struct hv_vcpu *vcpu)
{
	union {
		struct kvm_signal_mask mask;
		uint8_t room[sizeof(struct kvm_signal_mask) + KVM_SIGSET_SIZE];
	} inside = { .mask.len = KVM_SIGSET_SIZE };
	sigset_t kick, before;
	int result;

	sigemptyset(&kick);
	sigaddset(&kick, KVM_KICK_SIGNAL);
	result = pthread_sigmask(SIG_BLOCK, &kick, &before);
	if (result != 0)
		return kvm_outcome(-result);
	sigdelset(&before, KVM_KICK_SIGNAL);
	/* The C library's set is longer; its first bytes are the kernel's. */
	memcpy(inside.mask.sigset, &before, KVM_SIGSET_SIZE);
	result = kvm_call(vcpu->fd, KVM_SET_SIGNAL_MASK, &inside);
	if (result < 0)
		return kvm_outcome(result);
	/*
	 * After this store kicks signal; one that still read 0 has set
	 * immediate_exit before it, which the first KVM_RUN then sees.
	 */
	__atomic_store_n(&vcpu->thread, gettid(), __ATOMIC_SEQ_CST);
	kvm_here = vcpu;
	return 0;
}

/*
 * From a handler: the guest is not running, so there is nothing to signal.  KVM_RUN will
 * complete the access that the handler serves and come back, and it may give the registers
 * at once, which whoever kicks his own vCPU is about to ask for.
 */
static void kvm_kick_self(struct hv_vcpu *vcpu)
{
	if (__atomic_exchange_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST))
		return;
	vcpu->self = 1;
	if (vcpu->open == KVM_OPEN && vcpu->vm->sync)
		vcpu->run->kvm_valid_regs = KVM_SYNC_ALL;
}

void kvm_vcpu_kick(struct hv_vcpu *vcpu)
{
	pid_t thread;

	if (kvm_here == vcpu) {
		kvm_kick_self(vcpu);
		return;
	}
	if (__atomic_exchange_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST))
		return;
	thread = __atomic_load_n(&vcpu->thread, __ATOMIC_SEQ_CST);
	if (thread)
		(void)syscall(SYS_tgkill, getpid(), thread, KVM_KICK_SIGNAL);
}

void kvm_kick_drain(void)
{
	const struct timespec now = { 0 };
	sigset_t kick;

	sigemptyset(&kick);
	sigaddset(&kick, KVM_KICK_SIGNAL);
	/* Pending at most once for the thread, once for the process, once of its timer. */
	while (sigtimedwait(&kick, NULL, &now) > 0)
		;
}

/* After -EINTR; the order is explained at the top. */
static void kvm_kick_take(struct hv_vcpu *vcpu)
{
	(void)__atomic_exchange_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	vcpu->open = 0;
	if (vcpu->self) { /* others who kicked meanwhile have not signalled */
		if (vcpu->run->kvm_valid_regs)
			vcpu->open = KVM_SYNCED | KVM_RUNNABLE;
		vcpu->run->kvm_valid_regs = 0;
		vcpu->self = 0;
		return;
	}
	kvm_kick_drain();
}

/* --- running --- */

static void kvm_failure(struct hv_exit *exit, enum hv_exit_kind kind, uint32_t code,
			uint32_t count, const __u64 *words)
{
	const uint32_t room = sizeof(exit->failure.detail) / sizeof(exit->failure.detail[0]);

	exit->kind = kind;
	exit->failure.code = code;
	exit->failure.detail_count = count < room ? count : room;
	memset(exit->failure.detail, 0, sizeof(exit->failure.detail));
	for (uint32_t i = 0; i < exit->failure.detail_count; i++)
		exit->failure.detail[i] = words[i];
}

static void kvm_exit_system(const struct kvm_run *run, struct hv_exit *exit)
{
	if (run->system_event.type == KVM_SYSTEM_EVENT_RESET)
		exit->kind = HV_EXIT_RESET;
	else
		kvm_failure(exit, HV_EXIT_OTHER, run->exit_reason, 1,
			    (const __u64[]){ run->system_event.type });
}

static inline void kvm_exit_io(struct hv_vcpu *vcpu, struct hv_exit *exit)
{
	struct kvm_run *run = vcpu->run;

	exit->kind = HV_EXIT_IO;
	exit->io.port = run->io.port;
	exit->io.size = run->io.size;
	exit->io.write = run->io.direction == KVM_EXIT_IO_OUT;
	exit->io.count = run->io.count;
	exit->io.data = (uint8_t *)run + run->io.data_offset;
	vcpu->open = KVM_OPEN;
}

/* What KVM_RUN returned with, where it returned 0. */
__attribute__((noinline)) static void kvm_exit_decode(struct hv_vcpu *vcpu,
						      struct hv_exit *exit)
{
	struct kvm_run *run = vcpu->run;

	vcpu->open = 0;
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		kvm_exit_io(vcpu, exit);
		return;
	case KVM_EXIT_MMIO:
		exit->kind = HV_EXIT_MMIO;
		exit->mmio.gpa = run->mmio.phys_addr;
		exit->mmio.data = run->mmio.data;
		exit->mmio.size = run->mmio.len;
		exit->mmio.write = run->mmio.is_write;
		vcpu->open = KVM_OPEN;
		return;
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		exit->kind = HV_EXIT_MSR;
		exit->msr.index = run->msr.index;
		exit->msr.write = run->exit_reason == KVM_EXIT_X86_WRMSR;
		exit->msr.fault = &run->msr.error;
		exit->msr.data = (uint64_t *)(void *)&run->msr.data;
		vcpu->open = KVM_OPEN;
		return;
	case KVM_EXIT_HLT:
		exit->kind = HV_EXIT_HALT;
		return;
	case KVM_EXIT_SHUTDOWN:
		exit->kind = HV_EXIT_SHUTDOWN;
		return;
	case KVM_EXIT_INTR:
		exit->kind = HV_EXIT_KICK;
		return;
	case KVM_EXIT_INTERNAL_ERROR:
		kvm_failure(exit, HV_EXIT_INTERNAL, run->internal.suberror, run->internal.ndata,
			    run->internal.data);
		return;
	case KVM_EXIT_FAIL_ENTRY:
		kvm_failure(exit, HV_EXIT_ENTRY,
			    (uint32_t)run->fail_entry.hardware_entry_failure_reason, 1,
			    &run->fail_entry.hardware_entry_failure_reason);
		return;
	case KVM_EXIT_SYSTEM_EVENT:
		kvm_exit_system(run, exit);
		return;
	default:
		kvm_failure(exit, HV_EXIT_OTHER, run->exit_reason, 1,
			    &run->hw.hardware_exit_reason);
		return;
	}
}

/* KVM_RUN failed: exit_reason is that of an earlier exit, and errno alone counts. */
__attribute__((noinline)) static lichen_status kvm_not_run(struct hv_vcpu *vcpu,
							   struct hv_exit *exit)
{
	if (errno == EINVAL && vcpu->run->kvm_dirty_regs) {
		vcpu->run->kvm_dirty_regs = 0;
		return -LICHEN_EINVAL;
	}
	if (errno != EINTR && errno != EAGAIN)
		return -LICHEN_EIO;
	vcpu->open = 0;
	/* EAGAIN: an application processor has got its startup message. */
	if (errno == EINTR)
		kvm_kick_take(vcpu);
	exit->kind = HV_EXIT_KICK;
	return 0;
}

__attribute__((hot)) lichen_status kvm_vcpu_run(struct hv_vcpu *vcpu, struct hv_exit *exit)
{
	if (fw_likely(!vcpu->stash) && fw_unlikely(ioctl(vcpu->fd, KVM_RUN, 0) < 0))
		return kvm_not_run(vcpu, exit);
	vcpu->stash = 0;
	if (fw_likely(vcpu->run->exit_reason == KVM_EXIT_IO))
		kvm_exit_io(vcpu, exit);
	else
		kvm_exit_decode(vcpu, exit);
	return 0;
}

lichen_status kvm_complete(struct hv_vcpu *vcpu)
{
	if (vcpu->stash)
		return -LICHEN_EAGAIN;
	if (!(vcpu->open & KVM_OPEN) && !vcpu->run->kvm_dirty_regs)
		return 0;
	/*
	 * KVM takes over registers of the shared page and completes the access before it looks
	 * at immediate_exit.  It stays 1, which costs one kick for nothing: a kicker may have
	 * seen it by now.
	 */
	(void)__atomic_exchange_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	if (ioctl(vcpu->fd, KVM_RUN, 0) == 0) {
		vcpu->stash = 1;
		return -LICHEN_EAGAIN;
	}
	if (errno != EINTR && errno != EAGAIN)
		return -LICHEN_EIO;
	vcpu->open = 0;
	return 0;
}

lichen_status kvm_vcpu_settle(struct hv_vcpu *vcpu, struct hv_exit *exit)
{
	const lichen_status status = kvm_complete(vcpu);

	if (status == -LICHEN_EAGAIN)
		return kvm_vcpu_run(vcpu, exit); /* takes the exit that there is */
	exit->kind = HV_EXIT_KICK;
	return status;
}

/* A guest without KVM's clock, or that has not begun to use it, is told nothing: EINVAL. */
void kvm_vcpu_paused(struct hv_vcpu *vcpu)
{
	(void)kvm_call_number(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
}
