/* SPDX-License-Identifier: MIT */
/* uart: a device with a parameter of every type, a window, a line and a backend. */
#include "interfaces.h"

enum { UART_PORTS = 8 };

struct uart {
	struct lichen_dev dev;
	const struct lichen_link *backend;
	const char *label;
	uint64_t delay; /* ns */
	uint32_t buffer;
	uint32_t speed; /* index into uart_speeds */
	uint16_t port;
	uint8_t irq;
	uint8_t echo;
	int8_t trim;
};

static const char *const uart_speeds[] = { "slow", "fast", "fastest" };

static const struct lichen_param uart_params[] = {
	LICHEN_PARAM(struct uart, port, .unit = LICHEN_UNIT_PORT, .max = 0x10000 - UART_PORTS,
		     .fallback = 0x3f8, .help = "first of eight I/O ports"),
	LICHEN_PARAM(struct uart, irq, .unit = LICHEN_UNIT_GSI, .max = 23, .fallback = 4,
		     .help = "interrupt line"),
	LICHEN_PARAM_AS(LICHEN_CHOICE, struct uart, speed, .choices = LICHEN_TABLE(uart_speeds),
			.fallback = 1, .help = "how fast it pretends to be"),
	LICHEN_PARAM(struct uart, delay, .unit = LICHEN_UNIT_NS, .max = 60000000000,
		     .fallback = 1500, .help = "between two bytes"),
	LICHEN_PARAM(struct uart, buffer, .unit = LICHEN_UNIT_BYTES, .min = 16, .max = 65536,
		     .fallback = 4096, .help = "bytes kept"),
	LICHEN_PARAM(struct uart, label, .min = 1, .max = 12, .help = "shown to people"),
	LICHEN_PARAM_AS(LICHEN_BOOL, struct uart, echo, .help = "send back what comes"),
	LICHEN_PARAM(struct uart, trim, .min = (uint64_t)-5, .max = 5, .help = "of the clock"),
};

static const struct lichen_io_ops uart_io = { LICHEN_STRUCT(struct lichen_io_ops) };

static const struct lichen_window uart_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "registers",
	  .size = UART_PORTS, .ops = &uart_io, .place = LICHEN_PLACE_PORT,
	  .placed_by = "port" },
};

static const struct test_ops uart_node = { LICHEN_STRUCT(struct test_ops) };

static const struct lichen_provide uart_provides[] = {
	LICHEN_PROVIDE(TEST_NODE, uart_node),
};

static const struct lichen_need uart_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .id = LICHEN_CHAR, .key = "backend",
	  .offset = offsetof(struct uart, backend), .help = "where the bytes go" },
	{ LICHEN_STRUCT(struct lichen_need), .id = TEST_CHIP, .offset = LICHEN_NO_MEMBER },
};

static const struct lichen_class uart_class = {
	LICHEN_STRUCT(struct lichen_class),    .summary = "a serial line of the profile tests",
	.instance_size = sizeof(struct uart),  .params = LICHEN_TABLE(uart_params),
	.windows = LICHEN_TABLE(uart_windows), .provides = LICHEN_TABLE(uart_provides),
	.needs = LICHEN_TABLE(uart_needs),
};

LICHEN_DEVICE_PLUGIN("uart", "1.0", uart_class);
