// SPDX-License-Identifier: GPL-2.0-only
/* deferred.c: deferred calls (lichen/guest/call.h): slots that workers answer. */
#include <linux/kernel.h>
#include <linux/string.h>

#include "guest.h"

enum { DEFERRED_SLOTS = 8 };

static struct lichen_call_slot *slots;
static struct work_struct works[DEFERRED_SLOTS];

static void deferred_answer(struct work_struct *work)
{
	struct lichen_call_slot *slot = &slots[work - works];
	struct lichen_guest_call call = { .data = slot->data, .room = sizeof(slot->data) };
	u32 serial, number;

	if (smp_load_acquire(&slot->state) != LICHEN_CALL_ASKED)
		return;
	serial = READ_ONCE(slot->serial);
	number = READ_ONCE(slot->function);
	call.size = min_t(u32, READ_ONCE(slot->size), call.room);
	memcpy(call.arguments, slot->arguments, sizeof(call.arguments));
	smp_store_release(&slot->state, LICHEN_CALL_TAKEN);
	slot->status = guest_call_invoke(number, LICHEN_CALL_DEFERRED, &call);
	memcpy(slot->results, call.results, sizeof(slot->results));
	slot->size = slot->status ? 0 : call.size;
	smp_store_release(&slot->state, LICHEN_CALL_ANSWERED);
	guest_wrmsr(LICHEN_MSR_CALL_ANSWER, serial);
}

void guest_deferred_serve(void)
{
	unsigned int i;

	for (i = 0; i < DEFERRED_SLOTS; i++) {
		if (READ_ONCE(slots[i].state) == LICHEN_CALL_ASKED)
			queue_work(guest_work, &works[i]);
	}
}

void guest_deferred_register(void)
{
	if (guest_agreed() & LICHEN_FEATURE_CALL_DEFERRED)
		guest_wrmsr(LICHEN_MSR_CALL_AREA, guest_at(slots, DEFERRED_SLOTS));
}

int guest_deferred_init(void)
{
	unsigned int i;
	int status;

	BUILD_BUG_ON(sizeof(struct lichen_call_slot) != LICHEN_GUEST_PAGE);
	slots = guest_pages(DEFERRED_SLOTS);
	if (!slots)
		return -ENOMEM;
	for (i = 0; i < DEFERRED_SLOTS; i++)
		INIT_WORK(&works[i], deferred_answer);
	status = guest_requests_init();
	if (status) {
		guest_pages_free(slots, DEFERRED_SLOTS);
		return status;
	}
	return 0;
}

void guest_deferred_exit(void)
{
	unsigned int i;

	for (i = 0; i < DEFERRED_SLOTS; i++)
		cancel_work_sync(&works[i]);
	guest_requests_exit();
	guest_pages_free(slots, DEFERRED_SLOTS);
}
