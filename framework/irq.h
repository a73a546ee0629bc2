/* SPDX-License-Identifier: MIT */
/*
 * irq.h: interrupt lines and messages.  Sharers of a line have their levels
 * ORed here; what an eventfd raises is ORed by the hypervisor.  Messages get a
 * GSI of their own, above the irqchip's pins, only when they need an eventfd.
 */
#ifndef FW_IRQ_H
#define FW_IRQ_H

#include <pthread.h>
#include <stdatomic.h>

#include <lichen/interrupt.h>

#include "hv/hv.h"

enum { FW_PINS_MAX = 256, FW_MESSAGE_ROUTES = 1024 };

/* A claim of a line by one instance. */
struct fw_line {
	uint32_t gsi;
	uint32_t flags;	       /* enum lichen_line_flag */
	uint32_t level;	       /* this claimant's part; guarded by the pin's lock */
	int trigger, resample; /* eventfds, or -1 */
};

struct fw_message {
	pthread_mutex_t lock; /* guards what follows */
	uint64_t address;
	uint32_t data;
	uint32_t valid;	 /* has an address */
	uint32_t masked; /* from the start, until unmasked */
	uint32_t pending;
	uint32_t gsi;	   /* 0: no route; set under routes_lock as well */
	int trigger;	   /* eventfd, or -1; in its counter is what was sent while masked */
	uint32_t attached; /* the hypervisor has the trigger; guarded by routes_lock */
};

struct fw_pin {
	pthread_mutex_t lock;
	uint32_t claims;   /* how many hold it */
	uint32_t flags;	   /* of the first claim */
	uint32_t asserted; /* how many claimants hold it high */
};

struct fw_irqs {
	const struct hv_ops *hv;
	struct hv_vm *hvm;
	uint32_t pin_count; /* 0: there is no irqchip */
	struct fw_pin *pins;
	_Atomic uint32_t held;	     /* 1: levels are only remembered; changed by [control] */
	pthread_mutex_t routes_lock; /* guards the rest */
	struct fw_message *routed[FW_MESSAGE_ROUTES]; /* index + pin_count is the GSI */
	uint32_t route_count; /* how many of these the hypervisor can have */
};

void fw_irqs_init(struct fw_irqs *irqs, const struct hv_ops *hv, struct hv_vm *hvm);
void fw_irqs_clear(struct fw_irqs *irqs);
/* The irqchip is there.  -LICHEN_ENOMEM.  [control] */
lichen_status fw_irqs_pins(struct fw_irqs *irqs, uint32_t pins);

/* host->line_* and host->message_* say what these do and return. */
lichen_status fw_line_claim(struct fw_irqs *irqs, struct fw_line *line);
void fw_line_release(struct fw_irqs *irqs, struct fw_line *line);
void fw_line_set(struct fw_irqs *irqs, struct fw_line *line, uint32_t level);
lichen_status fw_line_eventfd(struct fw_irqs *irqs, struct fw_line *line);
/* Takes them back. */
void fw_line_eventfd_close(struct fw_irqs *irqs, struct fw_line *line);
/* 1: only this claim has the line, so that its flags may change. */
int fw_line_alone(struct fw_irqs *irqs, const struct fw_line *line);
/* The line, whose claim is the only one, gets other flags; its level is dropped with that. */
void fw_line_change(struct fw_irqs *irqs, struct fw_line *line, uint32_t flags);

/* The level of each pin that level-triggered claimants give it, one byte a pin.  [control] */
void fw_lines_levels(struct fw_irqs *irqs, uint8_t levels[static FW_PINS_MAX]);
/*
 * A state is loaded: from here lines take levels and the irqchip does not hear of them.
 * Pulses of edge-triggered lines are lost: the irqchip's state has them.  [control]
 */
void fw_lines_hold(struct fw_irqs *irqs);
/* The irqchip has its state: pins take the levels that belong to it, which make no
 * interrupt again.  -LICHEN_EIO.  [control] */
lichen_status fw_lines_restore(struct fw_irqs *irqs, const uint8_t levels[static FW_PINS_MAX]);
/* All is loaded: where a claimant's level is another by now, the irqchip hears of it as of
 * any change.  [control] */
void fw_lines_release(struct fw_irqs *irqs, const uint8_t levels[static FW_PINS_MAX]);

lichen_status fw_message_claim(struct fw_irqs *irqs, struct fw_message *message);
void fw_message_release(struct fw_irqs *irqs, struct fw_message *message);
lichen_status fw_message_update(struct fw_irqs *irqs, struct fw_message *message,
				const struct lichen_message *to);
/* 1: its address is one of messages. */
int fw_message_valid(const struct lichen_message *to);
/* As update, where it is another address or other data than it has. */
lichen_status fw_message_renew(struct fw_irqs *irqs, struct fw_message *message,
			       const struct lichen_message *to);
/* A negative status: the hypervisor does not take its eventfd any more.  */
lichen_status fw_message_mask(struct fw_irqs *irqs, struct fw_message *message, uint32_t mask);
uint32_t fw_message_pending(struct fw_message *message);
void fw_message_send(struct fw_irqs *irqs, struct fw_message *message);
lichen_status fw_message_eventfd(struct fw_irqs *irqs, struct fw_message *message);
/* Takes it back. */
void fw_message_eventfd_close(struct fw_irqs *irqs, struct fw_message *message);

#endif
