/* SPDX-License-Identifier: MIT */
/*
 * bench-reader: how long another plugin takes to read a record of the guest through symspy.
 *
 *	devices:
 *	  - { plugin: bench-reader }
 *
 * Once the guest has the record "pebble.count/1" it is read again and again, as any plugin
 *reads it; then the guest is asked to exit with status 1, and a line on stderr says "spy 0 NS",
 *what bench-stat takes.
 */
#include <stdio.h>

#include <lichen/device.h>
#include <lichen/draft/symspy.h>

enum { READER_READS = 1000000, READER_POLL_NS = 10000000, READER_RECORD = 64 };

struct reader {
	struct lichen_dev dev;
	const struct lichen_link *symspy;
	lichen_handle poll;
};

static const struct lichen_need reader_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .id = LICHEN_SYMSPY,
	  .offset = offsetof(struct reader, symspy) },
};

static lichen_status reader_read(struct reader *r)
{
	const struct lichen_symspy_ops *ops;
	uint8_t record[READER_RECORD];
	uint32_t size;
	lichen_status status = r->dev.host->enter(r->dev.in, r->symspy);

	if (status < 0)
		return status;
	ops = r->symspy->ops;
	status = ops->read(r->symspy->self, r->symspy->client, LICHEN_SYMSPY_VM,
			   "pebble.count/1", record, sizeof(record), &size);
	r->dev.host->leave(r->dev.in, r->symspy);
	return status;
}

/* [io, running] */
static void reader_timer(void *self, uint64_t cookie)
{
	struct reader *r = self;
	const struct lichen_host *host = r->dev.host;
	const uint64_t start = host->clock_now(r->dev.in, LICHEN_CLOCK_HOST);
	uint32_t failed = 0;
	uint64_t ns;

	(void)cookie;
	if (reader_read(r) < 0) {
		host->timer_arm(r->dev.in, r->poll, start + READER_POLL_NS);
		return;
	}
	for (uint32_t i = 0; i < READER_READS; i++) {
		const lichen_status status = reader_read(r);

		/* The guest may be off its processor amid a write. */
		failed += status < 0 && status != -LICHEN_EAGAIN;
	}
	ns = host->clock_now(r->dev.in, LICHEN_CLOCK_HOST) - start;
	if (failed)
		host->log(r->dev.in, LICHEN_LOG_ERROR, "%u reads failed", failed);
	else
		fprintf(stderr, "spy 0 %.2f\n", (double)ns / READER_READS);
	host->request_exit(r->dev.in, 1);
}

/* [control, created] */
static lichen_status reader_realize(void *self)
{
	struct reader *r = self;

	return r->dev.host->timer_create(r->dev.in, LICHEN_CLOCK_HOST, 0, &r->poll);
}

/* [control, realized or paused] */
static void reader_resume(void *self)
{
	struct reader *r = self;

	r->dev.host->timer_arm(r->dev.in, r->poll, 0);
}

static const struct lichen_class reader_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "reads a record of the guest again and again",
	.instance_size = sizeof(struct reader),
	.needs = LICHEN_TABLE(reader_needs),
	.realize = reader_realize,
	.resume = reader_resume,
	.timer = reader_timer,
};

LICHEN_PLUGIN(LICHEN_KIND_DEVICE, "bench-reader", "0.1", reader_class);
