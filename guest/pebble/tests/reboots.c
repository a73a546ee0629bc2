/* SPDX-License-Identifier: MIT */
/*
 * reboots: restarts the machine 50 times, by turns through the keyboard controller and the ACPI
 * reset register.  The count is in CMOS RAM,
 * and in memory, which outlive a warm reset.  With 5 and with 50 behind it, it says so and
 * waits for a byte on the serial port, so that somebody may look at the VMM meanwhile.
 */
#include <pebble/acpi.h>

#include "cmos.h"

enum { COUNT_AT = 0x40, MEMORY_AT = 0x600, FIRST_STOP = 5, LAST = 50 };

static void serial_wait(void)
{
	outb(PEBBLE_SERIAL + 4, 3);
	while (!(inb(PEBBLE_SERIAL + 5) & 1))
		pebble_pause();
	(void)inb(PEBBLE_SERIAL);
}

int main(void)
{
	const uint8_t count = cmos_read(COUNT_AT);
	struct acpi_pm pm;

	CHECK(1, count <= LAST);
	CHECK(2, count == mmio_read8(MEMORY_AT));
	if (count == FIRST_STOP || count == LAST) {
		pebble_puts(count == LAST ? "pebble: restarted 50 times\n"
					  : "pebble: restarted 5 times\n");
		serial_wait();
	}
	if (count == LAST)
		return PEBBLE_PASS;
	cmos_write(COUNT_AT, (uint8_t)(count + 1));
	mmio_write8(MEMORY_AT, (uint8_t)(count + 1));
	if (count & 1) {
		CHECK(3, acpi_find_pm(&pm) && pm.reset);
		outb(pm.reset, pm.reset_value);
	} else {
		outb(0x64, 0xfe);
	}
	for (uint32_t i = 0; i < PEBBLE_POLLS; i++)
		pebble_pause();
	return 4;
}
