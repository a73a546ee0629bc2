/* SPDX-License-Identifier: MIT */
/*
 * clock: timers.  Ports: 0 W arms the guest's timer so many microseconds from now,
 * 4 W the host's, 8 W cancels both; 0 R how often they fired; 12 W arms the host's
 * in the past again and again, for ever.
 */
#include <lichen/device.h>

enum { CLOCK_GUEST = 0, CLOCK_HOST = 1, CLOCK_TIMERS = 2 };

struct clock {
	struct lichen_dev dev;
	uint32_t until; /* firings, then it ends the VM; 0: never */
	uint16_t port;
	uint32_t fired, wild;
	lichen_handle timers[CLOCK_TIMERS];
};

static const struct lichen_param clock_params[] = {
	LICHEN_PARAM(struct clock, port, .unit = LICHEN_UNIT_PORT, .max = 0xfff0,
		     .fallback = 0x200, .help = "first of sixteen ports"),
	LICHEN_PARAM(struct clock, until, .help = "firings before the end"),
};

static void clock_arm(const struct clock *c, uint32_t timer, uint32_t clock, uint64_t us)
{
	const struct lichen_host *host = c->dev.host;

	host->timer_arm(c->dev.in, c->timers[timer],
			host->clock_now(c->dev.in, clock) + us * 1000);
}

static void clock_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
			uint64_t value)
{
	struct clock *c = self;

	(void)cookie, (void)size;
	if (off == 0)
		clock_arm(c, CLOCK_GUEST, LICHEN_CLOCK_GUEST, value);
	else if (off == 4)
		clock_arm(c, CLOCK_HOST, LICHEN_CLOCK_HOST, value);
	else if (off == 8)
		for (uint32_t i = 0; i < CLOCK_TIMERS; i++)
			c->dev.host->timer_cancel(c->dev.in, c->timers[i]);
	else if (off == 12) {
		c->wild = 1;
		c->dev.host->timer_arm(c->dev.in, c->timers[CLOCK_HOST], 0);
	}
}

static uint64_t clock_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	(void)cookie, (void)off, (void)size;
	return ((const struct clock *)self)->fired;
}

static void clock_timer(void *self, uint64_t cookie)
{
	struct clock *c = self;

	c->fired++;
	if (c->wild)
		c->dev.host->timer_arm(c->dev.in, c->timers[cookie], 0);
	if (c->fired == c->until)
		c->dev.host->request_exit(c->dev.in, (uint8_t)(2 * c->fired + 1));
}

static lichen_status clock_realize(void *self)
{
	struct clock *c = self;
	lichen_status status = c->dev.host->timer_create(c->dev.in, LICHEN_CLOCK_GUEST,
							 CLOCK_GUEST, &c->timers[CLOCK_GUEST]);

	if (status == 0)
		status = c->dev.host->timer_create(c->dev.in, LICHEN_CLOCK_HOST, CLOCK_HOST,
						   &c->timers[CLOCK_HOST]);
	return status;
}

static const struct lichen_io_ops clock_io = { LICHEN_STRUCT(struct lichen_io_ops),
					       .read = clock_read, .write = clock_write };

static const struct lichen_window clock_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "timers", .size = 16,
	  .access_sizes = 4, .ops = &clock_io, .place = LICHEN_PLACE_PORT,
	  .placed_by = "port" },
};

static const struct lichen_class clock_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "timers of the framework's tests",
	.instance_size = sizeof(struct clock),
	.params = LICHEN_TABLE(clock_params),
	.windows = LICHEN_TABLE(clock_windows),
	.realize = clock_realize,
	.timer = clock_timer,
};

LICHEN_DEVICE_PLUGIN("clock", "1.0", clock_class);
