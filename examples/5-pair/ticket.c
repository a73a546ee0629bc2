/* SPDX-License-Identifier: MIT */
/*
 * ticket: a machine that hands out numbers, each once, and the driver that a guest needs for
 *it: loading the plugin into a running VM brings both, unloading it takes both away, the driver
 * first.
 *
 *	lichen plugin load VM ticket.so
 *	(in a Linux guest) cat /dev/ticket
 *	lichen plugin unload VM ticket
 *
 * Ports from 0x540, 4 bytes each: ticket_port.h.  The VM's profile has symmod for the driver,
 * and the guest's owner has allowed modules of the VMM's; without that the device is there,
 * and its driver is the guest's business.  A driver in use keeps the device.
 */
#include <lichen/device.h>
#include <lichen/sdk/embed.h>
#include <lichen/sdk/pair.h>

#include "ticket_port.h"

/* For which guests there is a driver, the build says. */
#ifdef TICKET_LINUX
LICHEN_EMBED(ticket_linux, TICKET_LINUX);
#endif
#ifdef TICKET_OBJECT
LICHEN_EMBED(ticket_object, TICKET_OBJECT);
#endif

struct ticket {
	struct lichen_dev dev;
	struct lichen_pair pair;
	uint32_t last; /* number handed out; guarded, as all here, by the instance lock */
	uint32_t _pad;
};

static const struct lichen_pair_driver ticket_driver = {
	.name = "ticket",
#ifdef TICKET_LINUX
	.linux_module = ticket_linux,
	.linux_end = ticket_linux_end,
#endif
#ifdef TICKET_OBJECT
	.object = ticket_object,
	.object_end = ticket_object_end,
#endif
};

static const struct lichen_need ticket_needs[] = {
	LICHEN_PAIR_NEED(struct ticket, pair),
};

static const struct lichen_field ticket_state[] = {
	LICHEN_FIELD(struct ticket, last, .since = 1, .help = "number handed out"),
	LICHEN_PAIR_FIELD(struct ticket, pair),
};

/* [vcpu, running] */
static uint64_t ticket_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	struct ticket *t = self;

	(void)cookie, (void)size;
	switch (off) {
	case TICKET_NEXT:
		return ++t->last;
	case TICKET_SIGNATURE:
		return TICKET_IS_HERE;
	default:
		return 0;
	}
}

static const struct lichen_io_ops ticket_io = {
	LICHEN_STRUCT(struct lichen_io_ops),
	.read = ticket_read,
};

static const struct lichen_window ticket_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "ticket",
	  .size = TICKET_PORTS, .access_sizes = 4, .ops = &ticket_io },
};

/* [control, created] */
static lichen_status ticket_realize(void *self)
{
	struct ticket *t = self;

	return t->dev.host->place_port(t->dev.in, 0, TICKET_PORT);
}

/* [control, realized or paused] */
static void ticket_resume(void *self)
{
	struct ticket *t = self;

	lichen_pair_resume(&t->dev, &t->pair, &ticket_driver);
}

/* [control or io, running] */
static void ticket_event(void *self, uint64_t cookie, uint32_t event, const void *data,
			 uint32_t size)
{
	struct ticket *t = self;

	(void)cookie;
	lichen_pair_event(&t->dev, &t->pair, &ticket_driver, event, data, size);
}

/* [control, running] */
static lichen_status ticket_unplug(void *self)
{
	struct ticket *t = self;

	return lichen_pair_unplug(&t->dev, &t->pair, &ticket_driver);
}

/* [control, created to running] */
static void ticket_cancel(void *self, uint32_t operation)
{
	struct ticket *t = self;

	lichen_pair_cancel(&t->pair, operation);
}

/* [control, paused] */
static lichen_status ticket_reset(void *self, uint32_t kind)
{
	struct ticket *t = self;

	(void)kind;
	t->last = 0;
	lichen_pair_reset(&t->dev, &t->pair);
	return 0;
}

static const struct lichen_class ticket_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "hands out numbers, each once, and brings its driver",
	.instance_size = sizeof(struct ticket),
	.windows = LICHEN_TABLE(ticket_windows),
	.state = LICHEN_TABLE(ticket_state),
	.state_version = 1,
	.needs = LICHEN_TABLE(ticket_needs),
	.realize = ticket_realize,
	.resume = ticket_resume,
	.reset = ticket_reset,
	.unplug_request = ticket_unplug,
	.event = ticket_event,
	.cancel = ticket_cancel,
};

LICHEN_DEVICE_PLUGIN("ticket", "1.0", ticket_class);
