/* SPDX-License-Identifier: MIT */
/*
 * receiver: asks its peer for events and ends the VM when they have come.
 *
 * Ports: 0 W ask for 3 events numbered from the value; 0 R how many came;
 * 4 R 1 when each came in its order.
 */
#include <lichen/device.h>

#include <string.h>

#include "relay.h"

struct receiver {
	struct lichen_dev dev;
	const struct lichen_link *peer;
	uint32_t until; /* events, then it ends the VM with 2 * events + 1; 0: never */
	uint16_t port;
	uint32_t came, next, disorder;
};

static const struct lichen_param receiver_params[] = {
	LICHEN_PARAM(struct receiver, port, .unit = LICHEN_UNIT_PORT, .max = 0xfff8,
		     .fallback = 0x100, .help = "first of eight ports"),
	LICHEN_PARAM(struct receiver, until, .help = "events before the end"),
};

static const struct lichen_need receiver_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .id = TEST_RELAY, .key = "peer",
	  .offset = offsetof(struct receiver, peer), .cookie = 77, .help = "who posts" },
};

static void receiver_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
			   uint64_t value)
{
	struct receiver *r = self;
	const struct test_relay_ops *ops;

	(void)cookie, (void)size;
	if (off != 0 || r->dev.host->enter(r->dev.in, r->peer) < 0)
		return;
	ops = r->peer->ops;
	ops->echo(r->peer->self, r->peer->client, (uint32_t)value, 3);
	r->dev.host->leave(r->dev.in, r->peer);
}

static uint64_t receiver_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	const struct receiver *r = self;

	(void)cookie, (void)size;
	return off == 0 ? r->came : !r->disorder;
}

static void receiver_event(void *self, uint64_t cookie, uint32_t event, const void *data,
			   uint32_t size)
{
	struct receiver *r = self;
	uint32_t number;

	if (cookie != 77 || event != 1 || size != sizeof(number))
		return;
	memcpy(&number, data, sizeof(number));
	r->disorder |= r->came && number != r->next;
	r->next = number + 1;
	r->came++;
	if (r->came == r->until)
		r->dev.host->request_exit(r->dev.in, (uint8_t)(2 * r->came + !r->disorder));
}

static const struct lichen_io_ops receiver_io = { LICHEN_STRUCT(struct lichen_io_ops),
						  .read = receiver_read,
						  .write = receiver_write };

static const struct lichen_window receiver_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "ask", .size = 8,
	  .access_sizes = 4, .ops = &receiver_io, .place = LICHEN_PLACE_PORT,
	  .placed_by = "port" },
};

static const struct lichen_class receiver_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "counts events of the framework's tests",
	.instance_size = sizeof(struct receiver),
	.params = LICHEN_TABLE(receiver_params),
	.windows = LICHEN_TABLE(receiver_windows),
	.needs = LICHEN_TABLE(receiver_needs),
	.event = receiver_event,
};

LICHEN_DEVICE_PLUGIN("receiver", "1.0", receiver_class);
