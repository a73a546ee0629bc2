/* SPDX-License-Identifier: MIT */
/* message.c: message-signalled interrupts and the routing table.  See irq.h. */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "irq.h"

/* The window in which a write is an interrupt (SDM 3A, 11.11; APM 2, 16.12). */
#define FW_MSI_BASE UINT64_C(0xfee00000)
#define FW_MSI_SIZE UINT64_C(0x100000)

lichen_status fw_message_claim(struct fw_irqs *irqs, struct fw_message *message)
{
	if (irqs->pin_count == 0)
		return -LICHEN_ENODEV;
	*message = (struct fw_message){ .masked = 1, .trigger = -1 };
	pthread_mutex_init(&message->lock, NULL);
	return 0;
}

/* Publishes all routed messages.  Caller holds routes_lock, but no message's lock. */
static lichen_status fw_routes_publish(struct fw_irqs *irqs)
{
	struct hv_route routes[FW_MESSAGE_ROUTES];
	uint32_t count = 0;

	for (uint32_t i = 0; i < FW_MESSAGE_ROUTES; i++) {
		struct fw_message *message = irqs->routed[i];

		if (!message)
			continue;
		pthread_mutex_lock(&message->lock);
		if (message->valid && !message->masked)
			routes[count++] = (struct hv_route){ .gsi = message->gsi,
							     .is_message = 1,
							     .address = message->address,
							     .data = message->data };
		pthread_mutex_unlock(&message->lock);
	}
	return irqs->hv->routes(irqs->hvm, routes, count);
}

/* Caller holds routes_lock. */
static void fw_message_detach(struct fw_irqs *irqs, struct fw_message *message)
{
	(void)irqs->hv->irqfd(irqs->hvm, message->gsi, message->trigger, -1, 0);
	message->attached = 0;
}

/* Caller holds routes_lock. */
static lichen_status fw_message_attach(struct fw_irqs *irqs, struct fw_message *message)
{
	const lichen_status status =
		irqs->hv->irqfd(irqs->hvm, message->gsi, message->trigger, -1, 1);

	message->attached = status == 0;
	return status;
}

/* Takes the eventfd and the route away. */
void fw_message_eventfd_close(struct fw_irqs *irqs, struct fw_message *message)
{
	pthread_mutex_lock(&irqs->routes_lock);
	if (message->gsi) {
		if (message->attached)
			fw_message_detach(irqs, message);
		irqs->routed[message->gsi - irqs->pin_count] = NULL;
		message->gsi = 0;
		/* One that stays is to a GSI that nothing raises. */
		(void)fw_routes_publish(irqs);
	}
	pthread_mutex_unlock(&irqs->routes_lock);
	pthread_mutex_lock(&message->lock);
	close(message->trigger);
	message->trigger = -1;
	pthread_mutex_unlock(&message->lock);
}

/*
 * After a change of a message that has a route.  While it is masked the hypervisor
 * does not have its eventfd, whose counter then keeps what is sent, and which it
 * looks at when it gets it back.
 */
static lichen_status fw_message_publish(struct fw_irqs *irqs, struct fw_message *message)
{
	lichen_status status = 0;
	uint32_t open;

	pthread_mutex_lock(&irqs->routes_lock);
	if (message->gsi) {
		pthread_mutex_lock(&message->lock);
		open = message->valid && !message->masked;
		pthread_mutex_unlock(&message->lock);
		if (!open && message->attached)
			fw_message_detach(irqs, message);
		status = fw_routes_publish(irqs);
		if (status == 0 && open && !message->attached)
			status = fw_message_attach(irqs, message);
	}
	pthread_mutex_unlock(&irqs->routes_lock);
	return status;
}

int fw_message_valid(const struct lichen_message *to)
{
	return to->address >= FW_MSI_BASE && to->address - FW_MSI_BASE < FW_MSI_SIZE;
}

lichen_status fw_message_renew(struct fw_irqs *irqs, struct fw_message *message,
			       const struct lichen_message *to)
{
	int same;

	pthread_mutex_lock(&message->lock);
	same = message->valid && message->address == to->address && message->data == to->data;
	pthread_mutex_unlock(&message->lock);
	return same ? 0 : fw_message_update(irqs, message, to);
}

lichen_status fw_message_update(struct fw_irqs *irqs, struct fw_message *message,
				const struct lichen_message *to)
{
	if (!fw_message_valid(to))
		return -LICHEN_EINVAL;
	pthread_mutex_lock(&message->lock);
	message->address = to->address;
	message->data = to->data;
	message->valid = 1;
	pthread_mutex_unlock(&message->lock);
	return fw_message_publish(irqs, message);
}

void fw_message_send(struct fw_irqs *irqs, struct fw_message *message)
{
	pthread_mutex_lock(&message->lock);
	if (message->masked || !message->valid)
		message->pending = 1;
	else
		(void)irqs->hv->message(irqs->hvm, message->address, message->data);
	pthread_mutex_unlock(&message->lock);
}

lichen_status fw_message_mask(struct fw_irqs *irqs, struct fw_message *message, uint32_t mask)
{
	lichen_status status;
	uint32_t due;

	pthread_mutex_lock(&message->lock);
	message->masked = mask != 0;
	due = !mask && message->pending && message->valid;
	if (due)
		message->pending = 0;
	pthread_mutex_unlock(&message->lock);
	status = fw_message_publish(irqs, message);
	if (due)
		fw_message_send(irqs, message);
	return status;
}

uint32_t fw_message_pending(struct fw_message *message)
{
	struct pollfd trigger = { .events = POLLIN };
	uint32_t pending;

	pthread_mutex_lock(&message->lock);
	trigger.fd = message->trigger;
	pending = message->pending;
	/* Unmasked, what the counter holds is on its way. */
	if (!pending && message->masked && trigger.fd >= 0)
		pending = poll(&trigger, 1, 0) == 1;
	pthread_mutex_unlock(&message->lock);
	return pending;
}

static lichen_status fw_message_open(struct fw_message *message)
{
	const int trigger = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (trigger < 0)
		return -errno;
	pthread_mutex_lock(&message->lock);
	message->trigger = trigger;
	pthread_mutex_unlock(&message->lock);
	return 0;
}

lichen_status fw_message_eventfd(struct fw_irqs *irqs, struct fw_message *message)
{
	lichen_status status;
	uint32_t at = 0;

	if (message->trigger >= 0)
		return 0;
	status = fw_message_open(message);
	if (status < 0)
		return status;
	pthread_mutex_lock(&irqs->routes_lock);
	while (at < irqs->route_count && irqs->routed[at])
		at++;
	status = at < irqs->route_count ? 0 : -LICHEN_ENOSPC;
	if (status == 0) {
		message->gsi = irqs->pin_count + at;
		irqs->routed[at] = message;
	}
	pthread_mutex_unlock(&irqs->routes_lock);
	if (status == 0)
		status = fw_message_publish(irqs, message);
	if (status < 0)
		fw_message_eventfd_close(irqs, message);
	return status;
}

void fw_message_release(struct fw_irqs *irqs, struct fw_message *message)
{
	if (message->trigger >= 0)
		fw_message_eventfd_close(irqs, message);
	pthread_mutex_destroy(&message->lock);
}
