/* SPDX-License-Identifier: MIT */
/* debugport: finds the debug port and writes a line to it. */
#include <pebble/pebble.h>

enum { PORT = 0x402, MARK = 0xe9 };

int main(void)
{
	CHECK(1, inb(PORT) == MARK);
	for (const char *c = "pebble: through the debug port\n"; *c; c++)
		outb(PORT, (uint8_t)*c);
	return PEBBLE_PASS;
}
