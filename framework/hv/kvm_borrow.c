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

static lichen_status kvm_registers_get(struct hv_vcpu *vcpu, struct kvm_sync_regs *to)
{
	int result;

	if (vcpu->open & KVM_SYNCED) {
		memcpy(to, &vcpu->run->s.regs, sizeof(*to));
		return 0;
	}
	result = kvm_call(vcpu->fd, KVM_GET_VCPU_EVENTS, &to->events);
	if (result >= 0)
		result = kvm_call(vcpu->fd, KVM_GET_REGS, &to->regs);
	if (result >= 0)
		result = kvm_call(vcpu->fd, KVM_GET_SREGS, &to->sregs);
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
 * Where KVM can, by the next KVM_RUN, which tells if it refuses one.  Control and segment
 * registers only where they differ from `is`, what the vCPU has: KVM looks at each again.  An
 * interrupt on its way in is among them, but counts among the events.
 */
static lichen_status kvm_registers_pass(struct hv_vcpu *vcpu, struct kvm_sync_regs *from,
					const struct kvm_sregs *is)
{
	const int sregs =
		memcmp(is, &from->sregs, offsetof(struct kvm_sregs, interrupt_bitmap)) != 0;

	if (!vcpu->vm->sync)
		return kvm_registers_put(vcpu, from, sregs);
	memcpy(&vcpu->run->s.regs, from, sizeof(*from));
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

static void kvm_context(const struct kvm_sync_regs *from, struct lichen_vcpu_context *to)
{
	const struct kvm_vcpu_events *events = &from->events;
	const struct kvm_regs *regs = &from->regs;

	*to = (struct lichen_vcpu_context){
		LICHEN_STRUCT(struct lichen_vcpu_context),
		.gpr = { regs->rax, regs->rcx, regs->rdx, regs->rbx, regs->rsp, regs->rbp,
			 regs->rsi, regs->rdi, regs->r8, regs->r9, regs->r10, regs->r11,
			 regs->r12, regs->r13, regs->r14, regs->r15 },
		.rip = regs->rip,
		.rflags = regs->rflags,
		.cr0 = from->sregs.cr0,
		.cr2 = from->sregs.cr2,
		.cr3 = from->sregs.cr3,
		.cr4 = from->sregs.cr4,
		.efer = from->sregs.efer,
		.fs_base = from->sregs.fs.base,
		.gs_base = from->sregs.gs.base,
		.cs = from->sregs.cs.selector,
		.ss = from->sregs.ss.selector,
	};
	if (from->sregs.ss.dpl == 3)
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

/* 1: it is in a guest of its own.  Only one that has switched virtualization on can be. */
static int kvm_is_nested(struct hv_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	union {
		struct kvm_nested_state state;
		uint8_t room[sizeof(struct kvm_nested_state) + 2 * 4096];
	} nested = { .state.size = sizeof(nested) };

	if (!(sregs->efer & KVM_EFER_SVME) && !(sregs->cr4 & KVM_CR4_VMXE))
		return 0;
	return kvm_call(vcpu->fd, KVM_GET_NESTED_STATE, &nested) < 0 ||
	       (nested.state.flags & KVM_STATE_NESTED_GUEST_MODE);
}

lichen_status kvm_vcpu_borrow(struct hv_vcpu *vcpu, struct lichen_vcpu_context *found)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_borrow *b = &vcpu->borrow;
	const uint32_t completed = vcpu->open & (KVM_OPEN | KVM_RUNNABLE);
	lichen_status status;

	/* Asked first: it may accept a startup message, and then registers change. */
	if (!completed && vcpu->vm->pins && kvm_call(vcpu->fd, KVM_GET_MP_STATE, &mp) < 0)
		return -LICHEN_EIO;
	if (mp.mp_state != KVM_MP_STATE_RUNNABLE && mp.mp_state != KVM_MP_STATE_HALTED)
		return -LICHEN_EAGAIN;
	status = kvm_sync(vcpu);
	if (status == 0)
		status = kvm_registers_get(vcpu, &b->was);
	if (status < 0)
		return status;
	if (!(b->was.sregs.cr0 & KVM_CR0_PG) || !(b->was.sregs.efer & KVM_EFER_LMA) ||
	    b->was.events.smi.smm || kvm_is_nested(vcpu, &b->was.sregs))
		return -LICHEN_EAGAIN;
	b->was_state = mp.mp_state;
	b->entered = 0;
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
	const uint64_t *gpr = entry->gpr;
	struct kvm_sync_regs to = {
		.regs = { .rax = gpr[0],
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
			  .rflags = KVM_RFLAGS_FIXED },
		.sregs = b->was.sregs,
		.events = { .flags = KVM_VCPUEVENT_VALID_SHADOW, .nmi.masked = 1 },
	};
	lichen_status status = 0;

	if (!kvm_selector_fits(&to.sregs, entry->cs, 0) ||
	    !kvm_selector_fits(&to.sregs, entry->ss, 1))
		return -LICHEN_EINVAL;
	kvm_entry_segments(&to.sregs, entry);
	to.sregs.cr3 = entry->cr3;
	memset(to.sregs.interrupt_bitmap, 0, sizeof(to.sregs.interrupt_bitmap));
	if (vcpu->vm->lossy)
		status = kvm_losses_keep(vcpu);
	if (status == 0 && b->was_state == KVM_MP_STATE_HALTED)
		status = kvm_state_put(vcpu, KVM_MP_STATE_RUNNABLE);
	b->entered = 1;
	return status < 0 ? status : kvm_registers_pass(vcpu, &to, &b->was.sregs);
}

/* --- giving back --- */

/* `now`: what the vCPU has come to. */
static lichen_status kvm_restore(struct hv_vcpu *vcpu, enum hv_end end,
				 const struct kvm_sync_regs *now)
{
	struct kvm_borrow *b = &vcpu->borrow;
	struct kvm_sync_regs *was = &b->was;
	const uint32_t theirs = KVM_VCPUEVENT_VALID_NMI_PENDING |
				KVM_VCPUEVENT_VALID_SIPI_VECTOR |
				(now->events.smi.smm ? 0 : KVM_VCPUEVENT_VALID_SMM);
	lichen_status status = 0;

	/* An interrupt on its way in is among the events. */
	memset(was->sregs.interrupt_bitmap, 0, sizeof(was->sregs.interrupt_bitmap));
	was->events.flags &= ~theirs;
	was->events.flags |= KVM_VCPUEVENT_VALID_SHADOW;
	if (end == HV_END_CRASHED && vcpu->vm->lossy) {
		status = kvm_registers_put(vcpu, was, 1);
		if (status == 0)
			status = kvm_losses_restore(vcpu);
	}
	/* After a crash again: the events count last. */
	if (status == 0)
		status = kvm_registers_pass(vcpu, was, &now->sregs);
	if (status == 0 && (end != HV_END_DONE || b->was_state != KVM_MP_STATE_RUNNABLE))
		status = kvm_state_put(vcpu, b->was_state);
	return status < 0 ? -LICHEN_EIO : 0;
}

lichen_status kvm_vcpu_give_back(struct hv_vcpu *vcpu, enum hv_end end,
				 struct lichen_vcpu_context *after)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_borrow *b = &vcpu->borrow;
	struct kvm_sync_regs now;
	lichen_status status;

	vcpu->run->kvm_dirty_regs = 0; /* of an entry that did not come about */
	status = kvm_sync(vcpu);
	for (uint32_t i = 0; status == -LICHEN_EAGAIN && i < KVM_SETTLES_MAX; i++) {
		vcpu->stash = 0;
		vcpu->open = KVM_OPEN;
		status = kvm_sync(vcpu);
	}
	if (status == 0)
		status = kvm_registers_get(vcpu, &now);
	if (status == 0 && end != HV_END_DONE && vcpu->vm->pins)
		status = kvm_call(vcpu->fd, KVM_GET_MP_STATE, &mp) < 0 ? -LICHEN_EIO : 0;
	if (status < 0)
		return -LICHEN_EIO;
	kvm_context(&now, after);
	if (mp.mp_state == KVM_MP_STATE_HALTED)
		after->flags |= LICHEN_VCPU_HALTED;
	if (!b->entered)
		return 0;
	b->entered = 0;
	/* An INIT from another vCPU: it waits for its start, or is under way to long mode. */
	if (end == HV_END_ABANDONED && !(now.sregs.cr0 & KVM_CR0_PE))
		return 0;
	return kvm_restore(vcpu, end, &now);
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
