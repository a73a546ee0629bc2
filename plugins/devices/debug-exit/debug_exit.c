/* SPDX-License-Identifier: MIT */
/*
 * debug-exit: end the VM when the guest writes to an I/O port.
 *
 *	devices:
 *	  - { plugin: debug-exit, port: 0xf4 }
 *
 * Registers (offset from `port`; accesses of 1, 2 or 4 bytes):
 *	0  W	ask for exit with status (value << 1 | 1) & 0xff
 *	0  R	writes seen since reset, modulo 2^32
 *	1..3	read as zero, writes are ignored
 *
 * No specification exists.  Bit 0 is always set so that a guest cannot make
 * the VMM report status 0, which tests read as "clean power-off".
 */
#include <lichen/device.h>

enum { DEBUG_EXIT_PORTS = 4 };

struct debug_exit {
	struct lichen_dev dev; /* host and instance; first member of every instance */
	uint16_t port;
	uint32_t writes; /* since reset; guarded by the instance lock */
};

static const struct lichen_param debug_exit_params[] = {
	LICHEN_PARAM(struct debug_exit, port, .unit = LICHEN_UNIT_PORT,
		     .max = 0x10000 - DEBUG_EXIT_PORTS, .fallback = 0xf4,
		     .help = "first of four I/O ports"),
};

static const struct lichen_field debug_exit_state[] = {
	LICHEN_FIELD(struct debug_exit, writes, .since = 1, .help = "writes since reset"),
};

/* [vcpu, running] The host truncates the result to the access size. */
static uint64_t debug_exit_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	(void)cookie, (void)size;
	return off == 0 ? ((const struct debug_exit *)self)->writes : 0;
}

/* [vcpu, running] The exit happens after this returns, never inside it. */
static void debug_exit_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
			     uint64_t value)
{
	struct debug_exit *d = self;

	(void)cookie, (void)size;
	if (off != 0)
		return;
	d->writes++;
	d->dev.host->request_exit(d->dev.in, (uint8_t)(value << 1 | 1));
}

static const struct lichen_io_ops debug_exit_io = {
	LICHEN_STRUCT(struct lichen_io_ops),
	.read = debug_exit_read,
	.write = debug_exit_write,
};

/* The host places it before realize and takes it back at the end: neither is needed here. */
static const struct lichen_window debug_exit_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "exit",
	  .size = DEBUG_EXIT_PORTS, .access_sizes = 1 | 2 | 4, .ops = &debug_exit_io,
	  .place = LICHEN_PLACE_PORT, .placed_by = "port" },
};

/* [control, paused] kind: every reset is the same to us. */
static lichen_status debug_exit_reset(void *self, uint32_t kind)
{
	(void)kind;
	((struct debug_exit *)self)->writes = 0;
	return 0;
}

static const struct lichen_class debug_exit_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "ends the VM when the guest writes to a port",
	.instance_size = sizeof(struct debug_exit),
	.state_version = 1,
	.params = LICHEN_TABLE(debug_exit_params),
	.windows = LICHEN_TABLE(debug_exit_windows),
	.state = LICHEN_TABLE(debug_exit_state),
	.reset = debug_exit_reset,
};

LICHEN_DEVICE_PLUGIN("debug-exit", "1.0", debug_exit_class);
