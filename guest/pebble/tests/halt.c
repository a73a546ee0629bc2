/* SPDX-License-Identifier: MIT */
/* halt: a guest that is deaf to everything. */
#include <pebble/pebble.h>

int main(void)
{
	pebble_puts("pebble: halted\n");
	for (;;)
		__asm__ volatile("cli; hlt");
}
