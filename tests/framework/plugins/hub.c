/* SPDX-License-Identifier: MIT */
/*
 * hub: needs as many `churn` as there are, and pokes one from vCPUs, while it may go.
 *
 * Ports: 0 R pokes the one that was there at the last tick, and gives its generation,
 * all ones where it has gone; 4 R how many were there then.
 */
#include <stdatomic.h>

#include "churn.h"

enum { HUB_TICK_NS = 100000, HUB_PORTS = 8 };

struct hub {
	struct lichen_dev dev;
	uint16_t port;
	uint32_t found;
	uint64_t events;
	const struct lichen_link *link; /* may be empty by now */
	lichen_handle timer;
};

static const struct lichen_param hub_params[] = {
	LICHEN_PARAM(struct hub, port, .unit = LICHEN_UNIT_PORT, .max = 0x10000 - HUB_PORTS,
		     .fallback = 0x7f0, .help = "first of eight ports"),
};

static const struct lichen_need hub_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .flags = LICHEN_NEED_MANY | LICHEN_NEED_OPTIONAL,
	  .id = TEST_CHURN, .offset = LICHEN_NO_MEMBER, .cookie = 3, .help = "whom it pokes" },
};

static uint64_t hub_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	struct hub *h = self;
	const struct test_churn_ops *ops;
	uint64_t generation;

	(void)cookie, (void)size;
	if (off)
		return h->found;
	if (h->dev.host->enter(h->dev.in, h->link) < 0)
		return UINT64_MAX;
	ops = h->link->ops;
	generation = ops->poke(h->link->self, h->link->client);
	h->dev.host->leave(h->dev.in, h->link);
	return generation;
}

static void hub_timer(void *self, uint64_t cookie)
{
	struct hub *h = self;
	const struct lichen_host *host = h->dev.host;

	(void)cookie;
	h->found = host->link_count(h->dev.in, 0);
	h->link = host->link_at(h->dev.in, 0, 0);
	host->timer_arm(h->dev.in, h->timer,
			host->clock_now(h->dev.in, LICHEN_CLOCK_HOST) + HUB_TICK_NS);
}

static void hub_event(void *self, uint64_t cookie, uint32_t event, const void *data,
		      uint32_t size)
{
	(void)event, (void)data, (void)size;
	((struct hub *)self)->events += cookie;
}

static lichen_status hub_realize(void *self)
{
	struct hub *h = self;

	return h->dev.host->timer_create(h->dev.in, LICHEN_CLOCK_HOST, 0, &h->timer);
}

static void hub_resume(void *self)
{
	const struct hub *h = self;

	h->dev.host->timer_arm(h->dev.in, h->timer, 0);
}

static const struct lichen_io_ops hub_io = { LICHEN_STRUCT(struct lichen_io_ops),
					     .read = hub_read };

static const struct lichen_window hub_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "poke",
	  .size = HUB_PORTS, .access_sizes = 4, .ops = &hub_io, .place = LICHEN_PLACE_PORT,
	  .placed_by = "port" },
};

static const struct lichen_class hub_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "pokes what comes and goes",
	.instance_size = sizeof(struct hub),
	.params = LICHEN_TABLE(hub_params),
	.windows = LICHEN_TABLE(hub_windows),
	.needs = LICHEN_TABLE(hub_needs),
	.realize = hub_realize,
	.resume = hub_resume,
	.timer = hub_timer,
	.event = hub_event,
};

LICHEN_DEVICE_PLUGIN("hub", "1.0", hub_class);
