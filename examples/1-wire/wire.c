/* SPDX-License-Identifier: MIT */
/*
 * wire: the least serial port that is of use, with an interrupt and a backend.
 *
 *	devices:
 *	  - { plugin: wire, port: 0x2e0, irq: 5, backend: { plugin: stdio } }
 *
 * Registers (offset from `port`, one byte each):
 *	0  R	the oldest byte received; 0 when there is none
 *	0  W	sends a byte; lost when bit 1 of STATUS is clear
 *	1  R	STATUS: bit 0 a byte is there to read, bit 1 a byte may be sent
 *	1  W	CONTROL: bit 0 interrupt while a byte is there to read
 *
 * No specification exists.
 */
#include <string.h>

#include <lichen/device.h>
#include <lichen/hardware.h>
#include <lichen/sdk/char.h>

enum {
	WIRE_DATA = 0,
	WIRE_STATUS = 1,
	WIRE_PORTS = 2,
	WIRE_FIFO = 64, /* bytes */
	WIRE_RECEIVED = 1 << 0,
	WIRE_ROOM = 1 << 1,
	WIRE_INTERRUPT = 1 << 0,
};

struct wire {
	struct lichen_dev dev;
	const struct lichen_link *backend;
	lichen_handle line;
	uint16_t port;
	uint16_t irq;
	uint32_t used; /* bytes in fifo, oldest first; guarded, as all below, by the instance
			  lock */
	uint8_t fifo[WIRE_FIFO];
	uint8_t control;
	uint8_t blocked; /* the backend takes nothing until it posts WRITABLE */
	uint8_t _pad[2];
};

static const struct lichen_param wire_params[] = {
	LICHEN_PARAM(struct wire, port, .unit = LICHEN_UNIT_PORT, .max = 0x10000 - WIRE_PORTS,
		     .fallback = 0x2e0, .help = "first of two I/O ports"),
	LICHEN_PARAM(struct wire, irq, .unit = LICHEN_UNIT_GSI, .fallback = 5,
		     .help = "interrupt line, level-triggered"),
};

static const struct lichen_field wire_state[] = {
	LICHEN_FIELD(struct wire, used, .since = 1),
	LICHEN_FIELD_ARRAY(struct wire, fifo, .since = 1),
	LICHEN_FIELD(struct wire, control, .since = 1, .help = "CONTROL at offset 1"),
	LICHEN_FIELD(struct wire, blocked, .since = 1),
};

static const struct lichen_need wire_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .flags = LICHEN_NEED_OPTIONAL, .id = LICHEN_CHAR,
	  .key = "backend", .offset = offsetof(struct wire, backend),
	  .help = "where bytes go and come from" },
	{ LICHEN_STRUCT(struct lichen_need), .id = LICHEN_IRQCHIP, .offset = LICHEN_NO_MEMBER },
};

/* The line follows what the registers say. */
static void wire_update(struct wire *w)
{
	w->dev.host->line_set(w->dev.in, w->line, w->used > 0 && (w->control & WIRE_INTERRUPT));
}

/* [vcpu, running] */
static uint64_t wire_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	struct wire *w = self;
	uint8_t value = 0;

	(void)cookie, (void)size;
	switch (off) {
	case WIRE_DATA:
		if (w->used == 0)
			return 0;
		value = w->fifo[0];
		memmove(w->fifo, w->fifo + 1, --w->used);
		wire_update(w);
		if (w->used == 0)
			(void)lichen_char_ask(&w->dev, w->backend, WIRE_FIFO);
		return value;
	case WIRE_STATUS:
		return (w->used ? WIRE_RECEIVED : 0u) | (w->blocked ? 0u : WIRE_ROOM);
	default:
		return 0;
	}
}

/* [vcpu, running] */
static void wire_write(void *self, uint64_t cookie, uint64_t off, uint32_t size, uint64_t value)
{
	struct wire *w = self;
	const uint8_t byte = (uint8_t)value;
	uint32_t taken = 1;

	(void)cookie, (void)size;
	switch (off) {
	case WIRE_DATA:
		if (w->blocked)
			return;
		(void)lichen_char_write(&w->dev, w->backend, &byte, 1, &taken);
		w->blocked = taken == 0;
		return;
	case WIRE_STATUS:
		w->control = byte & WIRE_INTERRUPT;
		wire_update(w);
		return;
	default:
		return;
	}
}

static const struct lichen_io_ops wire_io = {
	LICHEN_STRUCT(struct lichen_io_ops),
	.read = wire_read,
	.write = wire_write,
};

static const struct lichen_window wire_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "wire",
	  .size = WIRE_PORTS, .access_sizes = 1, .ops = &wire_io, .place = LICHEN_PLACE_PORT,
	  .placed_by = "port" },
};

/* [control or io, running] What the backend posts. */
static void wire_event(void *self, uint64_t cookie, uint32_t event, const void *data,
		       uint32_t size)
{
	struct wire *w = self;

	(void)cookie;
	switch (event) {
	case LICHEN_CHAR_RECEIVED:
		/* At most what was asked, which was asked with the FIFO empty. */
		if (size > WIRE_FIFO - w->used)
			return;
		memcpy(w->fifo + w->used, data, size);
		w->used += size;
		wire_update(w);
		return;
	case LICHEN_CHAR_WRITABLE:
		w->blocked = 0;
		return;
	default:
		return;
	}
}

/* [control, created] */
static lichen_status wire_realize(void *self)
{
	struct wire *w = self;
	const struct lichen_line line = { LICHEN_STRUCT(struct lichen_line), .gsi = w->irq,
					  .flags = LICHEN_LINE_LEVEL };

	return w->dev.host->line_claim(w->dev.in, &line, &w->line);
}

/* [control, realized or paused] */
static void wire_resume(void *self)
{
	struct wire *w = self;

	if (w->used == 0)
		(void)lichen_char_ask(&w->dev, w->backend, WIRE_FIFO);
}

/* [control, paused] */
static lichen_status wire_reset(void *self, uint32_t kind)
{
	struct wire *w = self;

	(void)kind;
	w->used = 0;
	w->control = 0;
	w->blocked = 0;
	wire_update(w);
	return 0;
}

/* [control, realized or paused] */
static lichen_status wire_post_load(void *self, uint32_t from)
{
	struct wire *w = self;

	(void)from;
	if (w->used > WIRE_FIFO)
		return -LICHEN_EBADMSG;
	wire_update(w);
	return 0;
}

static const struct lichen_class wire_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "a serial port of two registers",
	.instance_size = sizeof(struct wire),
	.state_version = 1,
	.params = LICHEN_TABLE(wire_params),
	.windows = LICHEN_TABLE(wire_windows),
	.state = LICHEN_TABLE(wire_state),
	.needs = LICHEN_TABLE(wire_needs),
	.realize = wire_realize,
	.resume = wire_resume,
	.reset = wire_reset,
	.post_load = wire_post_load,
	.event = wire_event,
};

LICHEN_DEVICE_PLUGIN("wire", "1.0", wire_class);
