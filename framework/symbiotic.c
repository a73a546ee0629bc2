/* SPDX-License-Identifier: MIT */
/*
 * symbiotic.c: who offers what, what the guest agreed to, and what it is to hear of.
 * See symbiotic.h.
 *
 * The lock is held for a few instructions and never while an instance is called, so a
 * vCPU may take it.  Who is to be told of an agreement is pinned under it; an instance
 * that goes waits for the pins.
 */
#include <sched.h>
#include <stdlib.h>

#include "stage.h"
#include "vm.h"

const struct lichen_symbiotic_ops *fw_symbiotic_ops(const struct lichen_instance *in)
{
	const struct lichen_provide *provide = fw_provided(in->class, LICHEN_SYMBIOTIC);

	return provide ? provide->ops : NULL;
}

lichen_status fw_symbiotic_open(struct lichen_vm *vm)
{
	const struct hv_msr_range range = { .base = FW_SYMBIOTIC_MSRS,
					    .count = LICHEN_MSR_COUNT };
	struct fw_symbiotic *symbiotic;

	if (!vm->profile->symbiotic)
		return 0;
	symbiotic = calloc(1, sizeof(*symbiotic));
	if (!symbiotic)
		return -LICHEN_ENOMEM;
	symbiotic->vm = vm;
	symbiotic->msrs = fw_bus_create((uint64_t)LICHEN_MSR_COUNT * sizeof(uint64_t));
	if (!symbiotic->msrs) {
		free(symbiotic);
		return -LICHEN_ENOMEM;
	}
	pthread_mutex_init(&symbiotic->lock, NULL);
	vm->symbiotic = symbiotic;
	/* All of the block, once: what nobody claims in it is refused here. */
	return vm->hv->msrs(vm->hvm, &range, 1) < 0 ? -LICHEN_EIO : 0;
}

/* Those that devices cannot reach are refused. */
void fw_symbiotic_choose_line(struct fw_symbiotic *symbiotic)
{
	struct fw_irqs *irqs = &symbiotic->vm->irqs;

	for (uint32_t pin = irqs->pin_count; pin-- > 0 && !symbiotic->has_line;) {
		symbiotic->line = (struct fw_line){ .gsi = pin };
		symbiotic->has_line = fw_line_claim(irqs, &symbiotic->line) == 0;
	}
}

void fw_symbiotic_close(struct fw_symbiotic *symbiotic)
{
	if (!symbiotic)
		return;
	if (symbiotic->has_line)
		fw_line_release(&symbiotic->vm->irqs, &symbiotic->line);
	fw_bus_destroy(symbiotic->msrs);
	pthread_mutex_destroy(&symbiotic->lock);
	free(symbiotic);
}

/* --- causes --- */

static void fw_symbiotic_pulse(struct fw_symbiotic *symbiotic)
{
	if (symbiotic->has_line)
		fw_line_set(&symbiotic->vm->irqs, &symbiotic->line, 1);
}

void fw_symbiotic_notify(struct fw_symbiotic *symbiotic, uint64_t causes)
{
	const uint64_t before = atomic_fetch_or(&symbiotic->causes, causes);

	if (causes & ~before && atomic_load(&symbiotic->listen))
		fw_symbiotic_pulse(symbiotic);
}

/* What came before it listened is told now. */
void fw_symbiotic_listen(struct fw_symbiotic *symbiotic, uint32_t listen)
{
	atomic_store(&symbiotic->listen, listen);
	if (listen && atomic_load(&symbiotic->causes))
		fw_symbiotic_pulse(symbiotic);
}

/* --- features; callers of these hold the lock --- */

static struct fw_seat *fw_seat_of(struct fw_symbiotic *symbiotic,
				  const struct lichen_instance *in)
{
	for (uint32_t i = 0; i < FW_SYMBIOTIC_SEATS; i++)
		if (symbiotic->seats[i].in == in)
			return &symbiotic->seats[i];
	return NULL;
}

/* Whose seat it has: a staged one, its predecessor's. */
static struct lichen_instance *fw_seat_owner(struct lichen_instance *in)
{
	return in->stage ? in->stage->old : in;
}

/* What others offer, or are to. */
static uint64_t fw_seats_others(const struct fw_symbiotic *symbiotic,
				const struct fw_seat *seat)
{
	uint64_t others = 0;

	for (uint32_t i = 0; i < FW_SYMBIOTIC_SEATS; i++)
		if (&symbiotic->seats[i] != seat)
			others |= symbiotic->seats[i].features | symbiotic->seats[i].staged;
	return others;
}

/* Returns what was not on offer before, or is not any more. */
static uint64_t fw_seat_change(struct fw_symbiotic *symbiotic, struct fw_seat *seat,
			       uint64_t features)
{
	const uint64_t before = atomic_load(&symbiotic->offered);
	const uint64_t after = (before & ~seat->features) | features;

	seat->features = features;
	seat->told &= features; /* what it takes back it need not be told */
	atomic_store(&symbiotic->offered, after);
	atomic_store(&symbiotic->agreed, atomic_load(&symbiotic->agreed) & after);
	return before ^ after;
}

/* --- the same, without the lock --- */

lichen_status fw_symbiotic_offer(struct lichen_instance *in, uint64_t features)
{
	struct fw_symbiotic *symbiotic = in->vm->symbiotic;
	struct lichen_instance *owner = fw_seat_owner(in);
	lichen_status status = 0;
	uint64_t changed = 0;
	struct fw_seat *seat;

	pthread_mutex_lock(&symbiotic->lock);
	seat = fw_seat_of(symbiotic, owner);
	if (!seat)
		seat = fw_seat_of(symbiotic, NULL);
	if (fw_seats_others(symbiotic, seat) & features) {
		status = -LICHEN_EEXIST;
	} else if (!seat) {
		status = -LICHEN_ENOSPC;
	} else {
		seat->in = owner;
		if (in->stage)
			seat->staged = features;
		else
			changed = fw_seat_change(symbiotic, seat, features);
	}
	pthread_mutex_unlock(&symbiotic->lock);
	if (changed)
		fw_symbiotic_notify(symbiotic, LICHEN_CAUSE_FEATURES);
	return status;
}

uint64_t fw_symbiotic_agreed(struct lichen_instance *in)
{
	struct fw_symbiotic *symbiotic = in->vm->symbiotic;
	const struct fw_seat *seat;
	uint64_t agreed = 0;

	pthread_mutex_lock(&symbiotic->lock);
	seat = fw_seat_of(symbiotic, fw_seat_owner(in));
	if (seat)
		agreed = (in->stage ? seat->staged : seat->features) &
			 atomic_load(&symbiotic->agreed);
	pthread_mutex_unlock(&symbiotic->lock);
	return agreed;
}

void fw_symbiotic_leave(struct lichen_instance *in)
{
	struct fw_symbiotic *symbiotic = in->vm->symbiotic;
	struct fw_seat *seat;
	uint64_t changed = 0;

	if (!symbiotic)
		return;
	pthread_mutex_lock(&symbiotic->lock);
	seat = fw_seat_of(symbiotic, fw_seat_owner(in));
	if (seat && in->stage) {
		seat->staged = 0;
	} else if (seat) {
		changed = fw_seat_change(symbiotic, seat, 0);
		/* No new pins from here on: it has nothing that could be agreed to. */
		while (seat->pins) {
			pthread_mutex_unlock(&symbiotic->lock);
			sched_yield();
			pthread_mutex_lock(&symbiotic->lock);
		}
		*seat = (struct fw_seat){ 0 };
	}
	pthread_mutex_unlock(&symbiotic->lock);
	if (changed)
		fw_symbiotic_notify(symbiotic, LICHEN_CAUSE_FEATURES);
}

/* Nobody is pinned: no vCPU agrees to anything now. */
void fw_symbiotic_pass(struct lichen_instance *old, struct lichen_instance *in)
{
	struct fw_symbiotic *symbiotic = in->vm->symbiotic;
	struct fw_seat *seat;
	uint64_t changed = 0;

	pthread_mutex_lock(&symbiotic->lock);
	seat = fw_seat_of(symbiotic, old);
	if (seat) {
		changed = fw_seat_change(symbiotic, seat, seat->staged);
		seat->staged = 0;
		seat->in = in;
	}
	pthread_mutex_unlock(&symbiotic->lock);
	if (changed)
		fw_symbiotic_notify(symbiotic, LICHEN_CAUSE_FEATURES);
}

/* --- telling --- */

/* One who is pinned.  What counts is what is agreed when its turn has come. */
static void fw_seat_tell(struct fw_symbiotic *symbiotic, struct fw_seat *seat)
{
	struct lichen_instance *in = seat->in;
	uint64_t agreed;
	int news;

	fw_mutex_lock(&seat->telling);
	fw_lock(in);
	pthread_mutex_lock(&symbiotic->lock);
	agreed = seat->features & atomic_load(&symbiotic->agreed);
	news = agreed != seat->told;
	seat->told = agreed;
	pthread_mutex_unlock(&symbiotic->lock);
	if (news)
		fw_symbiotic_ops(in)->agreed(in->self, 0, agreed);
	fw_unlock(in);
	fw_mutex_unlock(&seat->telling);
	pthread_mutex_lock(&symbiotic->lock);
	seat->pins--;
	pthread_mutex_unlock(&symbiotic->lock);
}

/* All whose part of the agreement is another than they know. */
static void fw_symbiotic_tell(struct fw_symbiotic *symbiotic)
{
	for (uint32_t i = 0; i < FW_SYMBIOTIC_SEATS; i++) {
		struct fw_seat *seat = &symbiotic->seats[i];
		int news;

		pthread_mutex_lock(&symbiotic->lock);
		news = seat->in &&
		       (seat->features & atomic_load(&symbiotic->agreed)) != seat->told;
		seat->pins += (uint32_t)news;
		pthread_mutex_unlock(&symbiotic->lock);
		if (news)
			fw_seat_tell(symbiotic, seat);
	}
}

int fw_symbiotic_agree(struct fw_symbiotic *symbiotic, uint64_t features)
{
	int offered;

	pthread_mutex_lock(&symbiotic->lock);
	offered = (features & ~atomic_load(&symbiotic->offered)) == 0;
	if (offered)
		atomic_store(&symbiotic->agreed, features);
	pthread_mutex_unlock(&symbiotic->lock);
	if (offered)
		fw_symbiotic_tell(symbiotic);
	return offered;
}

void fw_symbiotic_reset(struct fw_symbiotic *symbiotic)
{
	atomic_store(&symbiotic->listen, 0);
	atomic_store(&symbiotic->causes, 0);
	(void)fw_symbiotic_agree(symbiotic, 0);
}

/* --- state --- */

void fw_symbiotic_save(struct fw_symbiotic *symbiotic, struct fw_buffer *out)
{
	fw_put_u64(out, atomic_load(&symbiotic->agreed));
	fw_put_u64(out, atomic_load(&symbiotic->causes));
	fw_put_u32(out, atomic_load(&symbiotic->listen));
}

lichen_status fw_symbiotic_load(struct fw_symbiotic *symbiotic, struct fw_reader in, int store)
{
	uint64_t agreed, causes;
	uint32_t listen;

	if (fw_take_u64(&in, &agreed) < 0 || fw_take_u64(&in, &causes) < 0 ||
	    fw_take_u32(&in, &listen) < 0 || in.left || listen > 1 ||
	    agreed & ~atomic_load(&symbiotic->offered))
		return -LICHEN_EBADMSG;
	if (!store)
		return 0;
	pthread_mutex_lock(&symbiotic->lock);
	atomic_store(&symbiotic->agreed, agreed);
	for (uint32_t i = 0; i < FW_SYMBIOTIC_SEATS; i++)
		symbiotic->seats[i].told = symbiotic->seats[i].features & agreed;
	pthread_mutex_unlock(&symbiotic->lock);
	atomic_store(&symbiotic->causes, causes);
	atomic_store(&symbiotic->listen, listen);
	return 0;
}
