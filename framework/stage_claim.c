/* SPDX-License-Identifier: MIT */
/* stage_claim.c: lines, messages, timers, watches of a staged instance.  See stage.h. */
#include <stdlib.h>
#include <unistd.h>

#include "stage.h"
#include "vm.h"

/* 1: a claim of the old instance is what the new one asks for. */
static int fw_stage_like(const struct fw_claim *old, const struct fw_claim *claim)
{
	if (old->kind != claim->kind)
		return 0;
	switch (claim->kind) {
	case FW_CLAIM_LINE:
		return old->line.gsi == claim->line.gsi;
	case FW_CLAIM_MESSAGE:
		return 1;
	case FW_CLAIM_TIMER:
		return old->timer.clock == claim->timer.clock && old->cookie == claim->cookie;
	case FW_CLAIM_WATCH:
		return old->watch.descriptor == claim->watch.descriptor;
	case FW_CLAIM_DOORBELL:
	case FW_CLAIM_THREAD:
	case FW_CLAIM_MSRS:
	case FW_CLAIM_MODULE:
		break;
	}
	return 0;
}

static int fw_stage_taken(const struct fw_stage *stage, const struct fw_claim *old)
{
	for (uint32_t i = 0; i < FW_CLAIMS_MAX; i++)
		if (stage->asked[i].takes == old)
			return 1;
	return 0;
}

/* The oldest such claim that is not taken over yet, or NULL. */
static struct fw_claim *fw_stage_find(const struct fw_claim *claim)
{
	const struct fw_stage *stage = claim->in->stage;
	struct fw_claim *found = NULL;
	uint64_t oldest = UINT64_MAX;

	for (uint32_t i = 0; i < FW_CLAIMS_MAX; i++) {
		struct fw_slot *slot = &stage->old->slots[i];
		struct fw_claim *old = atomic_load(&slot->claim);
		const uint64_t serial = atomic_load(&slot->serial);

		if (!old || serial > oldest || !fw_stage_like(old, claim) ||
		    fw_stage_taken(stage, old))
			continue;
		found = old;
		oldest = serial;
	}
	return found;
}

int fw_stage_matches(struct fw_claim *claim)
{
	return fw_stage_find(claim) != NULL;
}

lichen_status fw_stage_enter(struct fw_claim *claim, lichen_handle *handle)
{
	struct fw_stage *stage = claim->in->stage;
	struct fw_claim *old = fw_stage_find(claim);
	const lichen_handle entered = fw_claim_enter(claim);

	if (!entered) {
		free(claim);
		return -LICHEN_ENOSPC;
	}
	stage->asked[claim->slot] = (struct fw_asked){ .takes = old };
	*handle = entered;
	return 0;
}

struct fw_asked *fw_stage_asked(const struct fw_claim *claim)
{
	return &claim->in->stage->asked[claim->slot];
}

struct fw_claim *fw_stage_real(struct fw_claim *claim)
{
	struct fw_claim *takes = fw_stage_asked(claim)->takes;

	return takes ? takes : claim;
}

/* The eventfds that the predecessor's claim got for the new one, which has no use now. */
static void fw_stage_eventfd_undo(struct lichen_vm *vm, struct fw_claim *real)
{
	if (real->kind == FW_CLAIM_LINE)
		fw_line_eventfd_close(&vm->irqs, &real->line);
	else
		fw_message_eventfd_close(&vm->irqs, &real->message);
}

int fw_stage_drop(struct fw_claim *claim)
{
	struct fw_asked *asked = fw_stage_asked(claim);
	struct fw_claim *takes = asked->takes;

	if (takes && (asked->what & FW_ASK_EVENTFD))
		fw_stage_eventfd_undo(claim->in->vm, takes);
	*asked = (struct fw_asked){ .takes = NULL };
	if (!takes)
		return 0;
	free(claim);
	return 1;
}

lichen_status fw_stage_message(struct fw_claim *claim, const struct lichen_message *message)
{
	struct fw_asked *asked = fw_stage_asked(claim);

	if (!fw_message_valid(message))
		return -LICHEN_EINVAL;
	asked->message = *message;
	asked->what |= FW_ASK_ADDRESS;
	return 0;
}

lichen_status fw_stage_reserve(struct lichen_instance *in, lichen_gpa gpa, uint64_t size,
			       uint32_t type)
{
	struct fw_stage *stage = in->stage;

	if (!fw_memory_reserves(&in->vm->memory, stage->old, gpa, size, type)) {
		fw_host.error(in,
			      "memory 0x%llx to 0x%llx: not reserved by what is reloaded, and "
			      "the guest has been told what is RAM",
			      (unsigned long long)gpa, (unsigned long long)(gpa + size - 1));
		return -LICHEN_EBUSY;
	}
	for (uint32_t i = 0; i < stage->reserved_count; i++)
		if (stage->reserved[i] == gpa)
			return -LICHEN_EEXIST;
	stage->reserved[stage->reserved_count++] = gpa;
	return 0;
}

int fw_stage_refuses(struct lichen_instance *in, const char *function)
{
	if (!in->stage)
		return 0;
	fw_host.log_guest(in, LICHEN_LOG_PLUGIN_MISBEHAVING,
			  "%s: not before it runs; it is being reloaded", function);
	return 1;
}

/* --- publication --- */

/* The predecessor's claim, as it is, becomes the one behind the new one's handle. */
static void fw_stage_move(struct fw_stage *stage, struct fw_claim *claim)
{
	struct fw_claim *old = stage->asked[claim->slot].takes;
	struct lichen_instance *in = stage->in;

	atomic_store(&stage->old->slots[old->slot].claim, NULL);
	if (claim->kind == FW_CLAIM_LINE)
		fw_line_change(&in->vm->irqs, &old->line, claim->line.flags);
	old->in = in;
	old->slot = claim->slot;
	old->cookie = claim->cookie;
	atomic_store(&in->slots[claim->slot].claim, old);
	free(claim);
}

void fw_stage_claims_publish(struct fw_stage *stage)
{
	struct lichen_instance *in = stage->in, *old = stage->old;

	for (uint32_t i = 0; i < FW_CLAIMS_MAX; i++) {
		struct fw_claim *claim = atomic_load(&in->slots[i].claim);

		if (claim && stage->asked[i].takes)
			fw_stage_move(stage, claim);
	}
	for (uint32_t i = 0; i < stage->reserved_count; i++)
		fw_memory_pass(&in->vm->memory, old, in, stage->reserved[i]);
	if (stage->console)
		in->vm->console_owner = in;
	if (in->vm->irqchip_owner == old)
		in->vm->irqchip_owner = in;
	if (in->vm->pit_owner == old)
		in->vm->pit_owner = in;
}

static void fw_stage_settle_message(struct lichen_instance *in, struct fw_claim *claim,
				    const struct fw_asked *asked)
{
	lichen_status status = 0;

	if (asked->what & FW_ASK_ADDRESS)
		status = fw_message_renew(&in->vm->irqs, &claim->message, &asked->message);
	if (status == 0 && (asked->what & FW_ASK_MASK))
		status = fw_message_mask(&in->vm->irqs, &claim->message, asked->mask);
	if (status < 0)
		fw_host.log_guest(in, LICHEN_LOG_ERROR,
				  "message: the hypervisor takes its route or eventfd no more, "
				  "interrupts are lost");
	if (asked->what & FW_ASK_SEND)
		fw_message_send(&in->vm->irqs, &claim->message);
}

void fw_stage_claims_settle(struct fw_stage *stage)
{
	struct lichen_instance *in = stage->in;

	for (uint32_t i = 0; i < FW_CLAIMS_MAX; i++) {
		struct fw_claim *claim = atomic_load(&in->slots[i].claim);
		const struct fw_asked *asked = &stage->asked[i];

		if (!claim)
			continue;
		if (claim->kind == FW_CLAIM_MESSAGE)
			fw_stage_settle_message(in, claim, asked);
		if (asked->what & FW_ASK_LEVEL)
			fw_line_set(&in->vm->irqs, &claim->line, asked->level);
		if (asked->what & FW_ASK_CANCEL)
			fw_timer_cancel(&claim->timer);
		if (asked->what & FW_ASK_ARM)
			fw_timer_arm(&claim->timer, asked->deadline);
		if (asked->what & FW_ASK_EVENTS)
			fw_watch_update(&claim->watch, asked->events);
	}
}
