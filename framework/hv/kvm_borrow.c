/* SPDX-License-Identifier: MIT */
/*
 * kvm_borrow.c: lends a vCPU: keeps what it is, has it run something else, puts it back.
 * See hv.h and kvm.h.
 *
 * Registers travel in the shared page where KVM can (KVM_CAP_SYNC_REGS): KVM_RUN takes
 * them over first, before it completes an access, and gives them last.  So an access is
 * completed by a KVM_RUN of its own that does not enter the guest, and whose registers are
 * those of an instruction's boundary; what is to be put back is taken over by the KVM_RUN
 * that follows anyhow.  A call costs three KVM_RUNs, one of which enters the guest.
 *
 * Events (interrupts and exceptions on their way in, the interrupt shadow, NMIs) are put
 * back last: setting the other registers drops a pending exception.  Of NMIs that wait and
 * of startup messages the vCPU keeps what it has got meanwhile.
 *
 * Floating-point registers, debug registers and MSRs are the guest's to keep, as in an
 * interrupt handler; kvm_borrow_loss.c has those that a crash costs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvm.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* Architectural bits (SDM 3A, 2.5; APM 2, 3.1). */
#define KVM_CR0_PE 0x1u
#define KVM_CR0_PG 0x80000000u
#define KVM_CR4_VMXE 0x2000u
#define KVM_EFER_LMA 0x400u
#define KVM_EFER_SVME 0x1000u
#define KVM_RFLAGS_FIXED 0x2u
#define KVM_RFLAGS_IF 0x200u

/* --- registers --- */

/*
 * Completes the last exit's access and has the registers in the shared page, without
 * entering the guest.  Kicks up to here are answered.  -LICHEN_EAGAIN: the instruction
 * makes one access more.
 */
static lichen_status kvm_sync(struct hv_vcpu *vcpu)
{
	int before, result;

	if (vcpu->stash)
		return -LICHEN_EAGAIN;
	if (vcpu->open & KVM_SYNCED)
		return 0;
	before = __atomic_exchange_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	vcpu->run->kvm_valid_regs = vcpu->vm->sync ? KVM_SYNC_ALL : 0;
	result = ioctl(vcpu->fd, KVM_RUN, 0);
	vcpu->run->kvm_valid_regs = 0;
	if (result == 0) {
		vcpu->stash = 1;
		return -LICHEN_EAGAIN;
	}
	if (errno != EINTR && errno != EAGAIN)
		return -LICHEN_EIO;
	(void)__atomic_exchange_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	/* Who found 1 there has not signalled; who made it 1 before us has, or will. */
	if (before && !vcpu->self)
		kvm_kick_drain();
	vcpu->self = 0;
	vcpu->open = vcpu->vm->sync ? KVM_SYNCED : 0;
	return 0;
}

/* Has them in the shared page, also where KVM does not put them there. */
static lichen_status kvm_registers_get(struct hv_vcpu *vcpu)
{
	struct kvm_sync_regs *page = &vcpu->run->s.regs;
	int result;

	if (vcpu->open & KVM_SYNCED)
		return 0;
	result = kvm_call(vcpu->fd, KVM_GET_VCPU_EVENTS, &page->events);
	if (result >= 0)
		result = kvm_call(vcpu->fd, KVM_GET_REGS, &page->regs);
	if (result >= 0)
		result = kvm_call(vcpu->fd, KVM_GET_SREGS, &page->sregs);
	return result < 0 ? -LICHEN_EIO : 0;
}

/* At once.  -LICHEN_EINVAL: KVM refuses one of them. */
static lichen_status kvm_registers_put(struct hv_vcpu *vcpu, struct kvm_sync_regs *from,
				       int sregs)
{
	int result = kvm_call(vcpu->fd, KVM_SET_REGS, &from->regs);

	vcpu->open = 0;
	if (result >= 0 && sregs)
		result = kvm_call(vcpu->fd, KVM_SET_SREGS, &from->sregs);
	if (result >= 0)
		result = kvm_call(vcpu->fd, KVM_SET_VCPU_EVENTS, &from->events);
	return result < 0 ? -LICHEN_EINVAL : 0;
}

/*
 * 1: control and segment registers differ; KVM looks at each that it is given.  An interrupt
 * on its way in is among them, but counts among the events.
 */
static int kvm_sregs_differ(const struct kvm_sregs *a, const struct kvm_sregs *b)
{
	return memcmp(a, b, offsetof(struct kvm_sregs, interrupt_bitmap)) != 0;
}

/*
 * What the shared page has: where KVM can, by the next KVM_RUN, which tells if it refuses one.
 * sregs 0: the vCPU has those already.
 */
static lichen_status kvm_registers_pass(struct hv_vcpu *vcpu, int sregs)
{
	if (!vcpu->vm->sync)
		return kvm_registers_put(vcpu, &vcpu->run->s.regs, sregs);
	vcpu->run->kvm_dirty_regs =
		KVM_SYNC_X86_REGS | KVM_SYNC_X86_EVENTS | (sregs ? KVM_SYNC_X86_SREGS : 0);
	vcpu->open = 0;
	return 0;
}

static lichen_status kvm_state_put(struct hv_vcpu *vcpu, uint32_t state)
{
	struct kvm_mp_state mp = { .mp_state = state };

	return kvm_call(vcpu->fd, KVM_SET_MP_STATE, &mp) < 0 ? -LICHEN_EIO : 0;
}

/* It may accept an INIT or a startup message, and then registers change. */
static lichen_status kvm_state_get(struct hv_vcpu *vcpu, struct kvm_mp_state *mp)
{
	vcpu->open &= ~(uint32_t)KVM_SYNCED;
	return kvm_call(vcpu->fd, KVM_GET_MP_STATE, mp) < 0 ? -LICHEN_EIO : 0;
}

static void kvm_context(const struct kvm_sync_regs *from, struct lichen_vcpu_context *to)
{
	const struct kvm_vcpu_events *events = &from->events;
	const struct kvm_sregs *sregs = &from->sregs;
	const struct kvm_regs *regs = &from->regs;
	const uint64_t gpr[16] = { regs->rax, regs->rcx, regs->rdx, regs->rbx,
				   regs->rsp, regs->rbp, regs->rsi, regs->rdi,
				   regs->r8,  regs->r9,	 regs->r10, regs->r11,
				   regs->r12, regs->r13, regs->r14, regs->r15 };

	to->struct_size = sizeof(*to);
	to->flags = 0;
	memcpy(to->gpr, gpr, sizeof(gpr));
	to->rip = regs->rip;
	to->rflags = regs->rflags;
	to->cr0 = sregs->cr0;
	to->cr2 = sregs->cr2;
	to->cr3 = sregs->cr3;
	to->cr4 = sregs->cr4;
	to->efer = sregs->efer;
	to->fs_base = sregs->fs.base;
	to->gs_base = sregs->gs.base;
	to->cs = sregs->cs.selector;
	to->ss = sregs->ss.selector;
	if (sregs->ss.dpl == 3)
		to->flags |= LICHEN_VCPU_USER;
	if (!(regs->rflags & KVM_RFLAGS_IF))
		to->flags |= LICHEN_VCPU_MASKED;
	if (events->interrupt.shadow)
		to->flags |= LICHEN_VCPU_SHADOW;
	if (events->interrupt.injected || events->exception.injected ||
	    events->exception.pending || events->nmi.injected)
		to->flags |= LICHEN_VCPU_INJECTED;
}

/* --- borrowing --- */

/* 1: it is in a guest of its own. */
static int kvm_is_nested(struct hv_vcpu *vcpu)
{
	union {
		struct kvm_nested_state state;
		uint8_t room[sizeof(struct kvm_nested_state) + 2 * 4096];
	} nested = { .state.size = sizeof(nested) };

	return kvm_call(vcpu->fd, KVM_GET_NESTED_STATE, &nested) < 0 ||
	       (nested.state.flags & KVM_STATE_NESTED_GUEST_MODE);
}

/* 1: it is in the state that calls are made from. */
static int kvm_is_lendable(struct hv_vcpu *vcpu, const struct kvm_sync_regs *was)
{
	const struct kvm_sregs *sregs = &was->sregs;

	if (!(sregs->cr0 & KVM_CR0_PG) || !(sregs->efer & KVM_EFER_LMA) || was->events.smi.smm)
		return 0;
	/* Only one that has switched virtualization on can be in a guest of its own. */
	return !(sregs->efer & KVM_EFER_SVME || sregs->cr4 & KVM_CR4_VMXE) ||
	       !kvm_is_nested(vcpu);
}

lichen_status kvm_vcpu_borrow(struct hv_vcpu *vcpu, struct lichen_vcpu_context *found)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_borrow *b = &vcpu->borrow;
	const uint32_t completed = vcpu->open & (KVM_OPEN | KVM_RUNNABLE);
	lichen_status status;

	if (!completed && vcpu->vm->pins && kvm_state_get(vcpu, &mp) < 0)
		return -LICHEN_EIO;
	if (mp.mp_state != KVM_MP_STATE_RUNNABLE && mp.mp_state != KVM_MP_STATE_HALTED)
		return -LICHEN_EAGAIN;
	status = kvm_sync(vcpu);
	if (status == 0)
		status = kvm_registers_get(vcpu);
	if (status < 0)
		return status;
	b->was = vcpu->run->s.regs;
	if (!kvm_is_lendable(vcpu, &b->was))
		return -LICHEN_EAGAIN;
	b->was_state = mp.mp_state;
	b->entered = b->kept = 0;
	kvm_context(&b->was, found);
	if (mp.mp_state == KVM_MP_STATE_HALTED)
		found->flags |= LICHEN_VCPU_HALTED;
	if (completed)
		found->flags |= LICHEN_VCPU_COMPLETED;
	return 0;
}

/* 1: a descriptor of the guest's own table, or with `null` none at all. */
static int kvm_selector_fits(const struct kvm_sregs *sregs, uint32_t selector, int null)
{
	return selector == 0 ? null : selector + 7 <= sregs->gdt.limit;
}

static void kvm_entry_segments(struct kvm_sregs *to, const struct lichen_vcpu_entry *entry)
{
	const struct kvm_segment flat = { .limit = UINT32_MAX, .s = 1, .present = 1, .g = 1 };

	to->cs = to->ss = flat;
	to->cs.selector = (uint16_t)entry->cs;
	to->cs.type = 11; /* code, readable, accessed */
	to->cs.l = 1;
	to->ss.selector = (uint16_t)entry->ss;
	to->ss.type = 3; /* data, writable, accessed */
	to->ss.db = 1;
	to->gs.base = entry->gs_base;
}

lichen_status kvm_vcpu_enter(struct hv_vcpu *vcpu, const struct lichen_vcpu_entry *entry)
{
	struct kvm_borrow *b = &vcpu->borrow;
	struct kvm_sync_regs *to = &vcpu->run->s.regs; /* has what the vCPU was */
	const uint64_t *gpr = entry->gpr;
	lichen_status status;

	if (!kvm_selector_fits(&to->sregs, entry->cs, 0) ||
	    !kvm_selector_fits(&to->sregs, entry->ss, 1))
		return -LICHEN_EINVAL;
	vcpu->open = 0;
	to->regs = (struct kvm_regs){ .rax = gpr[0],
				      .rcx = gpr[1],
				      .rdx = gpr[2],
				      .rbx = gpr[3],
				      .rsp = gpr[4],
				      .rbp = gpr[5],
				      .rsi = gpr[6],
				      .rdi = gpr[7],
				      .r8 = gpr[8],
				      .r9 = gpr[9],
				      .r10 = gpr[10],
				      .r11 = gpr[11],
				      .r12 = gpr[12],
				      .r13 = gpr[13],
				      .r14 = gpr[14],
				      .r15 = gpr[15],
				      .rip = entry->rip,
				      .rflags = KVM_RFLAGS_FIXED };
	kvm_entry_segments(&to->sregs, entry);
	to->sregs.cr3 = entry->cr3;
	memset(to->sregs.interrupt_bitmap, 0, sizeof(to->sregs.interrupt_bitmap));
	to->events = (struct kvm_vcpu_events){ .flags = KVM_VCPUEVENT_VALID_SHADOW,
					       .nmi.masked = 1 };
	b->entered = 1;
	status = kvm_registers_pass(vcpu, kvm_sregs_differ(&to->sregs, &b->was.sregs));
	if (status == 0 && b->was_state == KVM_MP_STATE_HALTED)
		status = kvm_state_put(vcpu, KVM_MP_STATE_RUNNABLE);
	return status;
}

/* --- giving back --- */

/* The shared page has what the vCPU has come to; losses: what was kept is put back. */
static lichen_status kvm_restore(struct hv_vcpu *vcpu, enum hv_end end, int losses)
{
	struct kvm_sync_regs *now = &vcpu->run->s.regs;
	struct kvm_borrow *b = &vcpu->borrow;
	struct kvm_sync_regs *was = &b->was;
	const int sregs = kvm_sregs_differ(&now->sregs, &was->sregs);
	const uint32_t theirs = KVM_VCPUEVENT_VALID_NMI_PENDING |
				KVM_VCPUEVENT_VALID_SIPI_VECTOR |
				(now->events.smi.smm ? 0 : KVM_VCPUEVENT_VALID_SMM);
	lichen_status status = 0;

	/* An interrupt on its way in is among the events. */
	memset(was->sregs.interrupt_bitmap, 0, sizeof(was->sregs.interrupt_bitmap));
	was->events.flags &= ~theirs;
	was->events.flags |= KVM_VCPUEVENT_VALID_SHADOW;
	if (losses) {
		status = kvm_registers_put(vcpu, was, 1);
		if (status == 0)
			status = kvm_losses_restore(vcpu);
	}
	/* After a crash again: the events count last. */
	now->regs = was->regs;
	now->events = was->events;
	if (sregs)
		now->sregs = was->sregs;
	if (status == 0)
		status = kvm_registers_pass(vcpu, sregs);
	if (status == 0 && (end != HV_END_DONE || b->was_state != KVM_MP_STATE_RUNNABLE))
		status = kvm_state_put(vcpu, b->was_state);
	return status < 0 ? -LICHEN_EIO : 0;
}

/*
 * The WRMSR that ended the call need not be carried out.  That it faults instead spares KVM
 * to decode it, which it does where the CPU does not tell how long an instruction was (APM 2,
 * 15.7.1).  The fault goes with the call's other events.
 */
static void kvm_end_by_fault(struct hv_vcpu *vcpu)
{
	if ((vcpu->open & KVM_OPEN) && vcpu->run->exit_reason == KVM_EXIT_X86_WRMSR)
		vcpu->run->msr.error = 1;
}

lichen_status kvm_vcpu_give_back(struct hv_vcpu *vcpu, enum hv_end end,
				 struct lichen_vcpu_context *after)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_borrow *b = &vcpu->borrow;
	struct kvm_sync_regs *now = &vcpu->run->s.regs;
	const int lost = end == HV_END_CRASHED && vcpu->vm->lossy &&
			 vcpu->run->exit_reason == KVM_EXIT_SHUTDOWN;
	lichen_status status;

	vcpu->run->kvm_dirty_regs = 0; /* of an entry that did not come about */
	if (end == HV_END_DONE)
		kvm_end_by_fault(vcpu);
	status = kvm_sync(vcpu);
	for (uint32_t i = 0; status == -LICHEN_EAGAIN && i < KVM_SETTLES_MAX; i++) {
		vcpu->stash = 0;
		vcpu->open = KVM_OPEN;
		status = kvm_sync(vcpu);
	}
	if (status == 0 && end != HV_END_DONE && vcpu->vm->pins)
		status = kvm_state_get(vcpu, &mp);
	if (status == 0)
		status = kvm_registers_get(vcpu);
	if (status < 0)
		return -LICHEN_EIO;
	if (end == HV_END_DONE)
		now->events.exception.injected = now->events.exception.pending = 0;
	kvm_context(now, after);
	if (mp.mp_state == KVM_MP_STATE_HALTED)
		after->flags |= LICHEN_VCPU_HALTED;
	if (!b->entered)
		return 0;
	b->entered = 0;
	/* An INIT from another vCPU: it waits for its start, or is under way to long mode. */
	if (end == HV_END_ABANDONED && !(now->sregs.cr0 & KVM_CR0_PE))
		return 0;
	status = kvm_restore(vcpu, end, lost && b->kept);
	return status == 0 && lost && !b->kept ? -LICHEN_EFAULT : status;
}

/* --- deadlines --- */

/*
 * The timer's signal is that of kicks, so it gets the vCPU out of the guest whatever other
 * threads do.  It is left armed, and armed anew only where it would come too late.
 */
lichen_status kvm_vcpu_alarm(struct hv_vcpu *vcpu, uint64_t deadline)
{
	const uint64_t second = 1000000000;
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID,
				  .sigev_signo = KVM_KICK_SIGNAL };
	struct kvm_borrow *b = &vcpu->borrow;
	struct itimerspec when = { 0 };
	struct timespec now;

	if (!b->has_timer) {
		event.sigev_notify_thread_id = gettid();
		if (timer_create(CLOCK_MONOTONIC, &event, &b->timer) < 0)
			return -LICHEN_EAGAIN;
		b->has_timer = 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (b->alarm && b->alarm <= deadline &&
	    b->alarm > (uint64_t)now.tv_sec * second + (uint64_t)now.tv_nsec)
		return 0;
	when.it_value.tv_sec = (time_t)(deadline / second);
	when.it_value.tv_nsec = (long)(deadline % second);
	if (deadline == 0) /* which would disarm it */
		when.it_value.tv_nsec = 1;
	if (timer_settime(b->timer, TIMER_ABSTIME, &when, NULL) < 0)
		return -LICHEN_EAGAIN;
	b->alarm = deadline;
	return 0;
}

void kvm_borrow_clear(struct hv_vcpu *vcpu)
{
	if (vcpu->borrow.has_timer)
		timer_delete(vcpu->borrow.timer);
	free(vcpu->borrow.losses);
}
