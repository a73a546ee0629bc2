/* SPDX-License-Identifier: MIT */
/*
 * reset8042: resets the machine through the keyboard controller and passes when it starts
 * again.  Guest memory outlives a warm reset, so a word of low memory tells the second start.
 */
#include <pebble/pebble.h>

enum { MARK_AT = 0x600, PULSE_RESET = 0xfe };

#define MARK UINT32_C(0x70656262)

int main(void)
{
	if (mmio_read32(MARK_AT) == MARK) {
		mmio_write32(MARK_AT, 0);
		pebble_puts("pebble: reset\n");
		return PEBBLE_PASS;
	}
	mmio_write32(MARK_AT, MARK);
	outb(0x64, PULSE_RESET);
	for (uint32_t i = 0; i < PEBBLE_POLLS; i++)
		pebble_pause();
	return 1;
}
