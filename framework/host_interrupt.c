/* SPDX-License-Identifier: MIT */
/* host_interrupt.c: lines and messages, as an instance asks for them. */
#include <stdlib.h>

#include "host.h"
#include "stage.h"
#include "status.h"
#include "vm.h"

/* Enters a claim that was made; full ledger: undoes it. */
static lichen_status fw_claimed(struct fw_claim *claim, lichen_handle *handle)
{
	const lichen_handle entered = fw_claim_enter(claim);

	if (!entered) {
		if (claim->kind == FW_CLAIM_LINE)
			fw_line_release(&claim->in->vm->irqs, &claim->line);
		else
			fw_message_release(&claim->in->vm->irqs, &claim->message);
		free(claim);
		return -LICHEN_ENOSPC;
	}
	*handle = entered;
	return 0;
}

/* 1: the line can be had with the flags that a staged instance wants. */
static int fw_line_fits(const struct fw_claim *claim)
{
	const uint32_t known = LICHEN_LINE_LEVEL | LICHEN_LINE_SHARED;
	struct fw_irqs *irqs = &claim->in->vm->irqs;

	return !(claim->line.flags & ~known) &&
	       (irqs->pins[claim->line.gsi].flags == claim->line.flags ||
		fw_line_alone(irqs, &claim->line));
}

lichen_status fw_host_line_claim(struct lichen_instance *in, const struct lichen_line *line,
				 lichen_handle *handle)
{
	struct fw_claim *claim = fw_claim_new(in, FW_CLAIM_LINE, 0);
	lichen_status status;

	if (!claim)
		return -LICHEN_ENOMEM;
	claim->line.gsi = line->gsi;
	claim->line.flags = line->flags;
	if (in->stage && fw_stage_matches(claim) && fw_line_fits(claim))
		return fw_stage_enter(claim, handle);
	status = fw_line_claim(&in->vm->irqs, &claim->line);
	if (status < 0) {
		if (status == -LICHEN_ERANGE && line->gsi >= in->vm->irqs.pin_count)
			fw_host.error(in, "interrupt line %u: above %u, the irqchip's last",
				      line->gsi, in->vm->irqs.pin_count - 1);
		else
			fw_host.error(in, "interrupt line %u: %s", line->gsi,
				      status == -LICHEN_ENODEV	? "this VM has no irqchip"
				      : status == -LICHEN_EBUSY ? "claimed by another instance"
								: fw_status_text(status));
		free(claim);
		return status;
	}
	return fw_claimed(claim, handle);
}

void fw_host_line_set(struct lichen_instance *in, lichen_handle handle, uint32_t level)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_LINE, "line_set");

	if (!claim)
		return;
	if (fw_unlikely(in->stage)) {
		if (claim->line.flags & LICHEN_LINE_LEVEL) {
			fw_stage_asked(claim)->level = level;
			fw_stage_asked(claim)->what |= FW_ASK_LEVEL;
		}
		return;
	}
	fw_line_set(&in->vm->irqs, &claim->line, level);
}

lichen_status fw_host_line_eventfd(struct lichen_instance *in, lichen_handle handle,
				   int32_t *trigger, int32_t *resample)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_LINE, "line_eventfd");
	struct fw_asked *asked;
	lichen_status status;
	int made;

	if (!claim)
		return -LICHEN_EINVAL;
	asked = in->stage ? fw_stage_asked(claim) : NULL;
	if (asked)
		claim = fw_stage_real(claim);
	made = claim->line.trigger < 0;
	status = fw_line_eventfd(&in->vm->irqs, &claim->line);
	if (status < 0)
		return status;
	if (asked && made)
		asked->what |= FW_ASK_EVENTFD;
	*trigger = claim->line.trigger;
	*resample = claim->line.resample;
	return 0;
}

void fw_host_line_release(struct lichen_instance *in, lichen_handle handle)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_LINE, "line_release");

	if (claim)
		fw_claim_drop(claim);
}

lichen_status fw_host_message_claim(struct lichen_instance *in, lichen_handle *handle)
{
	struct fw_claim *claim = fw_claim_new(in, FW_CLAIM_MESSAGE, 0);
	lichen_status status;

	if (!claim)
		return -LICHEN_ENOMEM;
	if (in->stage && fw_stage_matches(claim))
		return fw_stage_enter(claim, handle);
	status = fw_message_claim(&in->vm->irqs, &claim->message);
	if (status < 0) {
		free(claim);
		return status;
	}
	return fw_claimed(claim, handle);
}

lichen_status fw_host_message_update(struct lichen_instance *in, lichen_handle handle,
				     const struct lichen_message *message)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_MESSAGE, "message_update");

	if (claim && in->stage)
		return fw_stage_message(claim, message);
	return claim ? fw_message_update(&in->vm->irqs, &claim->message, message)
		     : -LICHEN_EINVAL;
}

void fw_host_message_mask(struct lichen_instance *in, lichen_handle handle, uint32_t mask)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_MESSAGE, "message_mask");

	if (claim && in->stage) {
		fw_stage_asked(claim)->mask = mask;
		fw_stage_asked(claim)->what |= FW_ASK_MASK;
		return;
	}
	if (claim && fw_message_mask(&in->vm->irqs, &claim->message, mask) < 0)
		fw_host.log_guest(in, LICHEN_LOG_ERROR,
				  "message: the hypervisor takes its route or eventfd no more, "
				  "interrupts are lost");
}

uint32_t fw_host_message_pending(struct lichen_instance *in, lichen_handle handle)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_MESSAGE, "message_pending");

	if (claim && in->stage)
		claim = fw_stage_real(claim);
	return claim ? fw_message_pending(&claim->message) : 0;
}

void fw_host_message_send(struct lichen_instance *in, lichen_handle handle)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_MESSAGE, "message_send");

	if (claim && in->stage)
		fw_stage_asked(claim)->what |= FW_ASK_SEND;
	else if (claim)
		fw_message_send(&in->vm->irqs, &claim->message);
}

lichen_status fw_host_message_eventfd(struct lichen_instance *in, lichen_handle handle,
				      int32_t *trigger)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_MESSAGE, "message_eventfd");
	struct fw_asked *asked;
	lichen_status status;
	int made;

	if (!claim)
		return -LICHEN_EINVAL;
	asked = in->stage ? fw_stage_asked(claim) : NULL;
	if (asked)
		claim = fw_stage_real(claim);
	made = claim->message.trigger < 0;
	status = fw_message_eventfd(&in->vm->irqs, &claim->message);
	if (status < 0)
		return status;
	if (asked && made)
		asked->what |= FW_ASK_EVENTFD;
	*trigger = claim->message.trigger;
	return 0;
}

void fw_host_message_release(struct lichen_instance *in, lichen_handle handle)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_MESSAGE, "message_release");

	if (claim)
		fw_claim_drop(claim);
}
