/* SPDX-License-Identifier: MIT */
/*
 * pvpanic: by which a guest's kernel says that it has panicked.
 *
 *	devices:
 *	  - { plugin: pvpanic, port: 0x505 }
 *
 * Register (one port, accesses of 1 byte), as in QEMU's docs/specs/pvpanic:
 *	0  R	events that the device knows: bit 0 panicked, bit 1 crash kernel loaded
 *	0  W	the event that has come to pass
 *
 * ACPI names it QEMU0001, which Linux's driver pvpanic-mmio binds to.
 *
 * Limits: bit 2, which newer guests set at an orderly shutdown, is not offered.
 */
#include <lichen/acpi.h>
#include <lichen/device.h>

enum { PVPANIC_PORTS = 1 };

enum pvpanic_event {
	PVPANIC_PANICKED = 1 << 0,
	PVPANIC_CRASH_LOADED = 1 << 1, /* a crash kernel deals with the panic, and goes on */
};

struct pvpanic {
	struct lichen_dev dev;
	uint16_t port;
};

static const struct lichen_param pvpanic_params[] = {
	LICHEN_PARAM(struct pvpanic, port, .unit = LICHEN_UNIT_PORT,
		     .max = 0x10000 - PVPANIC_PORTS, .fallback = 0x505, .help = "its I/O port"),
};

/* [vcpu, running] */
static uint64_t pvpanic_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	(void)self, (void)cookie, (void)off, (void)size;
	return PVPANIC_PANICKED | PVPANIC_CRASH_LOADED;
}

/* [vcpu, running] Other bits are reserved, and ignored. */
static void pvpanic_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
			  uint64_t value)
{
	const struct pvpanic *p = self;

	(void)cookie, (void)off, (void)size;
	if (value & PVPANIC_PANICKED)
		p->dev.host->request_end(p->dev.in, LICHEN_END_CRASH, 0);
	else if (value & PVPANIC_CRASH_LOADED)
		p->dev.host->log_guest(p->dev.in, LICHEN_LOG_WARN,
				       "the guest panicked, and its crash kernel takes over");
}

static const struct lichen_io_ops pvpanic_io = {
	LICHEN_STRUCT(struct lichen_io_ops),
	.read = pvpanic_read,
	.write = pvpanic_write,
};

static const struct lichen_window pvpanic_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "events",
	  .size = PVPANIC_PORTS, .access_sizes = 1, .ops = &pvpanic_io,
	  .place = LICHEN_PLACE_PORT, .placed_by = "port" },
};

/* [control, realized or paused] */
static lichen_status pvpanic_describe(void *self, uint64_t client, uint32_t index,
				      struct lichen_acpi_node *node)
{
	const struct pvpanic *p = self;

	(void)client;
	if (index > 0)
		return -LICHEN_ENOENT;
	node->hid = "QEMU0001";
	node->uid = p->port;
	node->ports[0] = (struct lichen_acpi_ports){ .base = p->port, .size = PVPANIC_PORTS };
	return 0;
}

static const struct lichen_acpi_node_ops pvpanic_acpi_node = {
	LICHEN_STRUCT(struct lichen_acpi_node_ops),
	.describe = pvpanic_describe,
};

static const struct lichen_provide pvpanic_provides[] = {
	LICHEN_PROVIDE(LICHEN_ACPI_NODE, pvpanic_acpi_node),
};

static const struct lichen_class pvpanic_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "by which a guest says that it has panicked",
	.instance_size = sizeof(struct pvpanic),
	.params = LICHEN_TABLE(pvpanic_params),
	.windows = LICHEN_TABLE(pvpanic_windows),
	.provides = LICHEN_TABLE(pvpanic_provides),
};

LICHEN_DEVICE_PLUGIN("pvpanic", "0.1", pvpanic_class);
