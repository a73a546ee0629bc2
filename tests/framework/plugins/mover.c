/* SPDX-License-Identifier: MIT */
/*
 * mover: windows that the guest moves.  Ports: 0 W (2 bytes) places the small window
 * at that port, 0xffff: nowhere; 4 W (4 bytes) the large one at that page, 0:
 * nowhere; 0 R the outcome of the last; 4 R accesses to both.  They read as 0x5a.
 */
#include <lichen/device.h>

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { MOVER_CONTROL = 0, MOVER_SMALL = 1, MOVER_LARGE = 2 };

struct mover {
	struct lichen_dev dev;
	uint16_t port;
	uint8_t bell; /* claims a doorbell at the start of the large window */
	int event;
	lichen_status outcome;
	uint32_t hits;
};

static const struct lichen_param mover_params[] = {
	LICHEN_PARAM(struct mover, port, .unit = LICHEN_UNIT_PORT, .max = 0xfff8,
		     .fallback = 0x300, .help = "first of eight ports"),
	LICHEN_PARAM_AS(LICHEN_BOOL, struct mover, bell, .help = "has a doorbell"),
};

static void mover_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
			uint64_t value)
{
	struct mover *m = self;
	const struct lichen_host *host = m->dev.host;

	(void)size;
	if (cookie != MOVER_CONTROL) {
		m->hits++;
		return;
	}
	if (off == 0)
		m->outcome = value == 0xffff ? host->unplace(m->dev.in, MOVER_SMALL)
					     : host->place_port(m->dev.in, MOVER_SMALL,
								(uint16_t)value);
	else if (off == 4)
		m->outcome = value == 0
				     ? host->unplace(m->dev.in, MOVER_LARGE)
				     : host->place_mmio(m->dev.in, MOVER_LARGE, 0, value << 12);
}

static uint64_t mover_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	struct mover *m = self;

	(void)size;
	if (cookie == MOVER_CONTROL)
		return off == 0 ? (uint32_t)-m->outcome : m->hits;
	m->hits++;
	return 0x5a;
}

static lichen_status mover_create(void *self)
{
	struct mover *m = self;

	m->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return m->event < 0 ? -LICHEN_EIO : 0;
}

static lichen_status mover_realize(void *self)
{
	struct mover *m = self;
	const struct lichen_doorbell bell = { LICHEN_STRUCT(struct lichen_doorbell),
					      .window = MOVER_LARGE, .size = 4,
					      .eventfd = m->event };
	lichen_handle handle;

	return m->bell ? m->dev.host->doorbell_claim(m->dev.in, &bell, &handle) : 0;
}

static void mover_destroy(void *self)
{
	const struct mover *m = self;
	uint64_t rung = 0;

	if (read(m->event, &rung, sizeof(rung)) == sizeof(rung))
		m->dev.host->log(m->dev.in, LICHEN_LOG_INFO, "rung %u times", (unsigned)rung);
	close(m->event);
}

static const struct lichen_io_ops mover_io = { LICHEN_STRUCT(struct lichen_io_ops),
					       .read = mover_read, .write = mover_write };

static const struct lichen_window mover_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "control", .size = 8,
	  .ops = &mover_io, .place = LICHEN_PLACE_PORT, .placed_by = "port",
	  .cookie = MOVER_CONTROL },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "small", .size = 8,
	  .ops = &mover_io, .cookie = MOVER_SMALL },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "large",
	  .size = 0x2000, .ops = &mover_io, .cookie = MOVER_LARGE },
};

static const struct lichen_class mover_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "moves its windows as the guest likes",
	.instance_size = sizeof(struct mover),
	.params = LICHEN_TABLE(mover_params),
	.windows = LICHEN_TABLE(mover_windows),
	.create = mover_create,
	.realize = mover_realize,
	.destroy = mover_destroy,
};

LICHEN_DEVICE_PLUGIN("mover", "1.0", mover_class);
