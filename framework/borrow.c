/* SPDX-License-Identifier: MIT */
/*
 * borrow.c: requests for a vCPU, and the call that follows.  See borrow.h.
 *
 * The word goes FREE -> ASKING -> ASKED by whoever asks, ASKED -> LENT -> FREE by the
 * vCPU's thread.  A thread that is about to rest first says so and then looks for a
 * request; who asks first leaves the request and then looks whether the thread rests, and
 * takes it back if so.  Whoever changes the word from ASKED has it: nobody waits.
 */
#include <sched.h>
#include <string.h>
#include <time.h>

#include "vm.h"

enum { FW_LEAVE_YIELDS = 100, FW_LEAVE_NS = 20000 };

static uint32_t fw_phase(uint64_t word)
{
	return (uint32_t)(word % FW_BORROW_PHASES);
}

void fw_borrow_init(struct fw_borrow *borrow)
{
	atomic_store(&borrow->rests, 1);
}

/* --- asking --- */

lichen_status fw_borrow_ask(struct lichen_instance *in, uint32_t index, uint64_t cookie,
			    uint64_t deadline)
{
	struct lichen_vm *vm = in->vm;
	struct fw_borrow *borrow;
	uint64_t word;

	if (index >= vm->vcpu_count)
		return -LICHEN_ERANGE;
	/* A staged one may not disturb the guest that its predecessor serves. */
	if (atomic_load(&in->lends_nothing) || in->stage)
		return -LICHEN_EAGAIN;
	borrow = &vm->vcpus[index].borrow;
	word = atomic_load(&borrow->word);
	if (fw_phase(word) != FW_BORROW_FREE)
		return -LICHEN_EBUSY;
	word += FW_BORROW_PHASES; /* the next serial */
	if (!atomic_compare_exchange_strong(&borrow->word,
					    &(uint64_t){ word - FW_BORROW_PHASES },
					    word + FW_BORROW_ASKING))
		return -LICHEN_EBUSY;
	atomic_store(&borrow->in, in);
	borrow->cookie = cookie;
	borrow->deadline = deadline;
	atomic_store(&borrow->word, word + FW_BORROW_ASKED);
	if (atomic_load(&borrow->rests) || atomic_load(&in->lends_nothing)) {
		uint64_t asked = word + FW_BORROW_ASKED;

		if (atomic_compare_exchange_strong(&borrow->word, &asked,
						   word + FW_BORROW_FREE))
			return -LICHEN_EAGAIN;
	}
	vm->hv->vcpu_kick(vm->vcpus[index].hv);
	return 0;
}

void fw_borrow_cancel(struct lichen_instance *in, uint32_t index)
{
	struct lichen_vm *vm = in->vm;
	struct fw_borrow *borrow;
	uint64_t word;

	if (index >= vm->vcpu_count)
		return;
	borrow = &vm->vcpus[index].borrow;
	word = atomic_load(&borrow->word);
	if (fw_phase(word) < FW_BORROW_ASKED || atomic_load(&borrow->in) != in)
		return;
	atomic_store(&borrow->cancelled, word / FW_BORROW_PHASES);
	vm->hv->vcpu_kick(vm->vcpus[index].hv);
}

lichen_status fw_borrow_end(struct lichen_instance *in, uint32_t index)
{
	struct lichen_vm *vm = in->vm;
	struct fw_borrow *borrow;

	if (index >= vm->vcpu_count || fw_vcpu_here() != &vm->vcpus[index])
		return -LICHEN_ENOENT;
	borrow = &vm->vcpus[index].borrow;
	if (fw_phase(atomic_load(&borrow->word)) != FW_BORROW_LENT ||
	    atomic_load(&borrow->in) != in || borrow->ended)
		return -LICHEN_ENOENT;
	borrow->ended = 1;
	return 0;
}

/* 1: a request of the instance's is there, or it is being told of the end of one. */
static int fw_borrow_concerns(struct fw_borrow *borrow, const struct lichen_instance *in)
{
	const uint64_t word = atomic_load(&borrow->word);

	return (fw_phase(word) != FW_BORROW_FREE && atomic_load(&borrow->in) == in) ||
	       atomic_load(&borrow->told) == in;
}

void fw_borrow_leave(struct lichen_instance *in)
{
	const struct timespec pause = { .tv_nsec = FW_LEAVE_NS };
	struct lichen_vm *vm = in->vm;

	atomic_store(&in->lends_nothing, 1);
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		struct fw_borrow *borrow = &vm->vcpus[i].borrow;

		for (uint32_t turn = 0; fw_borrow_concerns(borrow, in); turn++) {
			/* Again each time: one that was being written is cancelled later. */
			fw_borrow_cancel(in, i);
			if (turn < FW_LEAVE_YIELDS)
				sched_yield();
			else
				nanosleep(&pause, NULL);
		}
	}
}

/* --- the call --- */

/* One call, on the vCPU's thread. */
struct fw_call {
	struct fw_vcpu *vcpu;
	struct lichen_instance *in;
	const struct lichen_symbiotic_ops *ops;
	uint64_t serial, cookie;
	uint64_t deadline; /* host clock, ns; comes nearer where the VM is to stand still */
	int hurries;	   /* it has come nearer */
};

/* 0: it may go on. */
static lichen_status fw_call_over(struct fw_call *call)
{
	struct lichen_vm *vm = call->vcpu->vm;
	const uint64_t now = fw_now_ns();

	if (atomic_load(&vm->end) || atomic_load(&call->vcpu->borrow.cancelled) == call->serial)
		return -LICHEN_ECANCELED;
	if (!call->hurries && atomic_load(&vm->gate.closed)) {
		call->hurries = 1;
		if (call->deadline > now + FW_BORROW_GRACE_NS)
			call->deadline = now + FW_BORROW_GRACE_NS;
	}
	if (now >= call->deadline)
		return call->hurries ? -LICHEN_ECANCELED : -LICHEN_ETIMEDOUT;
	return vm->hv->vcpu_alarm(call->vcpu->hv, call->deadline);
}

/* Runs the guest until the call is over, one way or the other. */
static lichen_status fw_call_inside(struct fw_call *call, enum hv_end *end)
{
	struct fw_vcpu *vcpu = call->vcpu;
	const struct hv_ops *hv = vcpu->vm->hv;
	struct hv_exit exit;
	lichen_status status;

	*end = HV_END_ABANDONED;
	while (!vcpu->borrow.ended) {
		status = fw_call_over(call);
		if (status < 0)
			return status;
		status = hv->vcpu_run(vcpu->hv, &exit);
		if (status == -LICHEN_EIO)
			fw_vcpu_lost(vcpu);
		if (status < 0)
			return status == -LICHEN_EINVAL ? status : -LICHEN_EFAULT;
		switch (exit.kind) {
		case HV_EXIT_HALT:
			return -LICHEN_EFAULT;
		case HV_EXIT_SHUTDOWN:
		case HV_EXIT_INTERNAL:
		case HV_EXIT_OTHER:
			*end = HV_END_CRASHED;
			return -LICHEN_EFAULT;
		case HV_EXIT_ENTRY:
			*end = HV_END_CRASHED;
			return -LICHEN_EINVAL;
		default:
			fw_vcpu_handle(vcpu, &exit);
		}
	}
	*end = HV_END_DONE;
	return 0;
}

/* How the instance wants it to enter; checked. */
static lichen_status fw_call_entry(struct fw_call *call,
				   const struct lichen_vcpu_context *found,
				   struct lichen_vcpu_entry *entry)
{
	struct lichen_instance *in = call->in;
	lichen_status status = -LICHEN_ENOTSUP;
	const char *why;

	*entry = (struct lichen_vcpu_entry){ LICHEN_STRUCT(struct lichen_vcpu_entry) };
	fw_lock(in);
	if (call->ops->borrow_enter)
		status = call->ops->borrow_enter(in->self, 0, call->vcpu->index, call->cookie,
						 found, entry);
	fw_unlock(in);
	if (status < 0)
		return status;
	why = fw_borrow_refuses(entry, found, call->vcpu->physical_bits);
	if (!why)
		return 0;
	fw_host.log_guest(in, LICHEN_LOG_WARN, "vCPU %u cannot be borrowed: %s",
			  call->vcpu->index, why);
	return -LICHEN_EINVAL;
}

/*
 * A triple fault may cost the vCPU more than its registers.  Keeping that takes three system
 * calls, and is left out where the guest takes its own double faults.
 */
static lichen_status fw_call_insure(struct fw_call *call, const struct lichen_vcpu_entry *entry)
{
	struct fw_vcpu *vcpu = call->vcpu;
	const struct hv_ops *hv = vcpu->vm->hv;
	struct hv_tables tables;

	if (hv->vcpu_tables(vcpu->hv, &tables) < 0 ||
	    fw_borrow_faults_land(&vcpu->vm->memory, &tables, entry->cr3))
		return 0;
	return hv->vcpu_keep(vcpu->hv);
}

/* Puts it back as it was; 0: *after says what it had come to. */
static lichen_status fw_call_give_back(struct fw_call *call, enum hv_end end,
				       struct lichen_vcpu_context *after)
{
	struct fw_vcpu *vcpu = call->vcpu;
	const lichen_status status = vcpu->vm->hv->vcpu_give_back(vcpu->hv, end, after);

	if (status == -LICHEN_EFAULT)
		fw_vcpu_broken(vcpu);
	else if (status < 0)
		fw_vcpu_lost(vcpu);
	return status == -LICHEN_EFAULT ? 0 : status;
}

/* The vCPU is put aside.  *after is filled in where it ran. */
static lichen_status fw_call_lent(struct fw_call *call, const struct lichen_vcpu_context *found,
				  struct lichen_vcpu_context *after, int *ran)
{
	struct fw_vcpu *vcpu = call->vcpu;
	const struct hv_ops *hv = vcpu->vm->hv;
	enum hv_end end = HV_END_ABANDONED;
	struct lichen_vcpu_entry entry;
	lichen_status status = fw_call_entry(call, found, &entry);

	*ran = 0;
	if (status == 0)
		status = fw_call_insure(call, &entry);
	if (status == 0) {
		status = hv->vcpu_enter(vcpu->hv, &entry);
		*ran = status == 0;
	}
	if (status == 0)
		status = fw_call_inside(call, &end);
	if (fw_call_give_back(call, end, after) < 0) {
		*ran = 0;
		return status < 0 ? status : -LICHEN_ECANCELED;
	}
	/* It slept until the deadline, and would have for ever. */
	if (status == -LICHEN_ETIMEDOUT && after->flags & LICHEN_VCPU_HALTED)
		status = -LICHEN_EFAULT;
	return status;
}

static lichen_status fw_call_run(struct fw_call *call, struct lichen_vcpu_context *after,
				 int *ran)
{
	struct fw_vcpu *vcpu = call->vcpu;
	struct lichen_vcpu_context found;
	lichen_status status;

	*ran = 0;
	fw_vcpu_settle(vcpu);
	/* What was settled may have asked for a reset. */
	if (atomic_load(&vcpu->vm->gate.closed))
		return -LICHEN_ECANCELED;
	status = fw_call_over(call);
	if (status == 0)
		status = vcpu->vm->hv->vcpu_borrow(vcpu->hv, &found);
	if (status == -LICHEN_EIO)
		fw_vcpu_lost(vcpu);
	return status < 0 ? status : fw_call_lent(call, &found, after, ran);
}

/* status < 0: it was refused before it began. */
static void fw_borrow_call(struct fw_vcpu *vcpu, uint64_t word, lichen_status status)
{
	struct fw_borrow *borrow = &vcpu->borrow;
	struct fw_call call = { .vcpu = vcpu,
				.in = atomic_load(&borrow->in),
				.serial = word / FW_BORROW_PHASES,
				.cookie = borrow->cookie,
				.deadline = borrow->deadline };
	struct lichen_vcpu_context after;
	int ran = 0;

	call.ops = fw_symbiotic_ops(call.in);
	borrow->ended = 0;
	if (status == 0)
		status = fw_call_run(&call, &after, &ran);
	/* Free from here on, so that who is told may ask again. */
	atomic_store(&borrow->told, call.in);
	atomic_store(&borrow->word, call.serial * FW_BORROW_PHASES + FW_BORROW_FREE);
	fw_lock(call.in);
	if (call.ops->borrow_left)
		call.ops->borrow_left(call.in->self, 0, vcpu->index, call.cookie, status,
				      ran ? &after : NULL);
	fw_unlock(call.in);
	atomic_store(&borrow->told, NULL);
}

/* --- the vCPU's thread --- */

/* Takes a request; 1: there was one. */
static int fw_borrow_take(struct fw_borrow *borrow, uint64_t *word)
{
	*word = atomic_load(&borrow->word);
	return fw_phase(*word) == FW_BORROW_ASKED &&
	       atomic_compare_exchange_strong(&borrow->word, word,
					      *word - FW_BORROW_ASKED + FW_BORROW_LENT);
}

void fw_borrow_serve(struct fw_vcpu *vcpu)
{
	uint64_t word;

	if (fw_borrow_take(&vcpu->borrow, &word))
		fw_borrow_call(vcpu, word, 0);
}

void fw_borrow_rest(struct fw_vcpu *vcpu)
{
	uint64_t word;

	atomic_store(&vcpu->borrow.rests, 1);
	if (fw_borrow_take(&vcpu->borrow, &word))
		fw_borrow_call(vcpu, word, -LICHEN_ECANCELED);
}

void fw_borrow_wake(struct fw_vcpu *vcpu)
{
	atomic_store(&vcpu->borrow.rests, 0);
	fw_borrow_serve(vcpu);
}
