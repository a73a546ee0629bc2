/* SPDX-License-Identifier: MIT */
/*
 * ports: reads and writes everywhere in port space with every size, but for what
 * is meant to end or reset the machine.  ports_slow leaves nothing out.
 */
#include <pebble/acpi.h>

#ifndef PEBBLE_SLOW
#define PEBBLE_SLOW 0
#endif

enum {
	DENSE_END = 0x400, /* ISA devices: every port */
	SPARSE_STEP = 97,  /* a prime: above, all low bits come up */
	SKIPS = 8,
	PIC_MASTER_DATA = 0x21,
	PIC_SLAVE_DATA = 0xa1,
};

struct skip {
	uint32_t port, size;
};

static struct skip skips[SKIPS] = {
	{ PEBBLE_EXIT_PORT, 4 },
	{ 0x64, 1 },  /* i8042 command: pulses the reset line */
	{ 0x60, 1 },  /* i8042 data: the same through its output port, after a command */
	{ 0x92, 1 },  /* fast reset */
	{ 0xcf9, 1 }, /* reset control */
};
static uint32_t skip_count = 5;

static void skip_acpi(void)
{
	struct acpi_pm pm;

	if (!acpi_find_pm(&pm))
		return;
	skips[skip_count++] = (struct skip){ pm.control, 2 };
	skips[skip_count++] = (struct skip){ pm.command, 1 };
	if (pm.reset != 0)
		skips[skip_count++] = (struct skip){ pm.reset, 1 };
}

static int skipped(uint32_t port, uint32_t size)
{
	for (uint32_t i = 0; i < skip_count; i++) {
		if (port < skips[i].port + skips[i].size && skips[i].port < port + size)
			return 1;
	}
	return 0;
}

static void hammer(uint32_t port, uint32_t size)
{
	uint16_t at = (uint16_t)port;

	if (skipped(port, size))
		return;
	switch (size) {
	case 1:
		outb(at, inb(at) ^ 0xff);
		break;
	case 2:
		outw(at, inw(at) ^ 0xffff);
		break;
	default:
		outl(at, ~inl(at));
		break;
	}
}

static void hammer_sizes(uint32_t port)
{
	for (uint32_t size = 1; size <= 4; size *= 2)
		hammer(port, size);
}

int main(void)
{
	uint32_t size = 1;

	irq_disable();
	skip_acpi();
	for (uint32_t port = 0; port < 0x10000; port += port < DENSE_END ? 1 : SPARSE_STEP) {
		hammer(port, size);
		size = size == 4 ? 1 : size * 2;
	}
	for (uint32_t port = 0xfff8; port < 0x10000; port++)
		hammer_sizes(port);
	for (uint32_t port = 0; PEBBLE_SLOW && port < 0x10000; port++)
		hammer_sizes(port);
	outb(PEBBLE_SERIAL + 3, 0x03); /* 8N1, the divisor latch out of the way */
	outb(PEBBLE_SERIAL + 4, 0x03); /* no loopback */
	outb(PEBBLE_SERIAL + 1, 0x00);
	pebble_puts("pebble: ports survived\n");
	return PEBBLE_PASS;
}
