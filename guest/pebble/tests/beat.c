/* SPDX-License-Identifier: MIT */
/*
 * beat: writes to and reads from port 0x500 for ever, and after each round to 0x9000, by which
 * the host knows that it lives.
 */
#include <pebble/pebble.h>

int main(void)
{
	for (;;) {
		outb(0x500, 1);
		(void)inb(0x500);
		outb(0x9000, 1);
	}
}
