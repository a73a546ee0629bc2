/* SPDX-License-Identifier: MIT */
/*
 * debug-port: a port whose bytes go to a backend, without a line's timing or
 * registers: the console of firmware and of early kernels.
 *
 *	devices:
 *	  - { plugin: debug-port, port: 0x402, backend: { plugin: file, path: bios.log } }
 *
 * Register (one port, accesses of 1 byte; wider ones are split):
 *	0  R	0xe9, by which guests tell that it is there (as in Bochs, port_e9_hack;
 *		SeaBIOS and OVMF look for it at 0x402)
 *	0  W	the byte
 *
 * Limits: nothing is received.  What the backend has no room for is dropped, and
 * the log says how much it was.
 */
#include <inttypes.h>

#include <lichen/device.h>
#include <lichen/sdk/char.h>

enum { DEBUG_PORT_PORTS = 1, DEBUG_PORT_MARK = 0xe9 };

struct debug_port {
	struct lichen_dev dev;
	const struct lichen_link *backend;
	uint16_t port;
	uint64_t dropped; /* bytes since it was said; guarded by the instance lock */
	uint64_t dropped_in_all;
};

static const struct lichen_param debug_port_params[] = {
	LICHEN_PARAM(struct debug_port, port, .unit = LICHEN_UNIT_PORT,
		     .max = 0x10000 - DEBUG_PORT_PORTS, .fallback = 0xe9,
		     .help = "its I/O port"),
};

static const struct lichen_need debug_port_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .id = LICHEN_CHAR, .key = "backend",
	  .offset = offsetof(struct debug_port, backend), .help = "where the bytes go" },
};

/* [vcpu, running] */
static uint64_t debug_port_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	(void)self, (void)cookie, (void)off, (void)size;
	return DEBUG_PORT_MARK;
}

/* [vcpu, running] The vCPU never waits: a byte that does not fit is gone. */
static void debug_port_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
			     uint64_t value)
{
	struct debug_port *d = self;
	const uint8_t byte = (uint8_t)value;
	uint32_t taken = 0;

	(void)cookie, (void)off, (void)size;
	if (lichen_char_write(&d->dev, d->backend, &byte, 1, &taken) < 0 || taken == 0) {
		d->dropped++;
		d->dropped_in_all++;
	}
}

static const struct lichen_io_ops debug_port_io = {
	LICHEN_STRUCT(struct lichen_io_ops),
	.read = debug_port_read,
	.write = debug_port_write,
};

static const struct lichen_window debug_port_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "port",
	  .size = DEBUG_PORT_PORTS, .access_sizes = 1, .ops = &debug_port_io,
	  .place = LICHEN_PLACE_PORT, .placed_by = "port" },
};

/* [control or io, running] */
static void debug_port_event(void *self, uint64_t cookie, uint32_t event, const void *data,
			     uint32_t size)
{
	struct debug_port *d = self;

	(void)cookie, (void)data, (void)size;
	if (event != LICHEN_CHAR_WRITABLE || d->dropped == 0)
		return;
	d->dev.host->log_guest(d->dev.in, LICHEN_LOG_WARN,
			       "%" PRIu64 " bytes were dropped while the backend was full",
			       d->dropped);
	d->dropped = 0;
}

/* [control, drained] */
static void debug_port_destroy(void *self)
{
	const struct debug_port *d = self;

	if (d->dropped_in_all)
		d->dev.host->log(d->dev.in, LICHEN_LOG_WARN,
				 "%" PRIu64 " bytes were dropped in all", d->dropped_in_all);
}

static const struct lichen_class debug_port_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "passes the bytes written to a port on to a backend",
	.instance_size = sizeof(struct debug_port),
	.params = LICHEN_TABLE(debug_port_params),
	.windows = LICHEN_TABLE(debug_port_windows),
	.needs = LICHEN_TABLE(debug_port_needs),
	.destroy = debug_port_destroy,
	.event = debug_port_event,
};

LICHEN_DEVICE_PLUGIN("debug-port", "0.1", debug_port_class);
