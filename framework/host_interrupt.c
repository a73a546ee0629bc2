/* SPDX-License-Identifier: MIT */
/* host_interrupt.c: lines and messages, as an instance asks for them. */
#include <stdlib.h>

#include "host.h"
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

lichen_status fw_host_line_claim(struct lichen_instance *in, const struct lichen_line *line,
				 lichen_handle *handle)
{
	struct fw_claim *claim = fw_claim_new(in, FW_CLAIM_LINE, 0);
	lichen_status status;

	if (!claim)
		return -LICHEN_ENOMEM;
	claim->line.gsi = line->gsi;
	claim->line.flags = line->flags;
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

	if (claim)
		fw_line_set(&in->vm->irqs, &claim->line, level);
}

lichen_status fw_host_line_eventfd(struct lichen_instance *in, lichen_handle handle,
				   int32_t *trigger, int32_t *resample)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_LINE, "line_eventfd");
	lichen_status status;

	if (!claim)
		return -LICHEN_EINVAL;
	status = fw_line_eventfd(&in->vm->irqs, &claim->line);
	if (status < 0)
		return status;
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

	return claim ? fw_message_update(&in->vm->irqs, &claim->message, message)
		     : -LICHEN_EINVAL;
}

void fw_host_message_mask(struct lichen_instance *in, lichen_handle handle, uint32_t mask)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_MESSAGE, "message_mask");

	if (claim && fw_message_mask(&in->vm->irqs, &claim->message, mask) < 0)
		fw_host.log_guest(in, LICHEN_LOG_ERROR,
				  "message: the hypervisor takes its route or eventfd no more, "
				  "interrupts are lost");
}

uint32_t fw_host_message_pending(struct lichen_instance *in, lichen_handle handle)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_MESSAGE, "message_pending");

	return claim ? fw_message_pending(&claim->message) : 0;
}

void fw_host_message_send(struct lichen_instance *in, lichen_handle handle)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_MESSAGE, "message_send");

	if (claim)
		fw_message_send(&in->vm->irqs, &claim->message);
}

lichen_status fw_host_message_eventfd(struct lichen_instance *in, lichen_handle handle,
				      int32_t *trigger)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_MESSAGE, "message_eventfd");
	lichen_status status;

	if (!claim)
		return -LICHEN_EINVAL;
	status = fw_message_eventfd(&in->vm->irqs, &claim->message);
	if (status == 0)
		*trigger = claim->message.trigger;
	return status;
}

void fw_host_message_release(struct lichen_instance *in, lichen_handle handle)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_MESSAGE, "message_release");

	if (claim)
		fw_claim_drop(claim);
}
