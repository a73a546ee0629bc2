/* SPDX-License-Identifier: MIT */
/* pvpanic: panics, as Linux does it; nothing may come after that. */
#include <pebble/pebble.h>

enum { PVPANIC = 0x505, PANICKED = 1 << 0, CRASH_LOADED = 1 << 1 };

int main(void)
{
	CHECK(1, inb(PVPANIC) & PANICKED);
	if (inb(PVPANIC) & CRASH_LOADED)
		outb(PVPANIC, CRASH_LOADED); /* ends nothing */
	pebble_puts("pebble: panics\n");
	outb(PVPANIC, PANICKED);
	for (uint32_t i = 0; i < PEBBLE_POLLS; i++)
		pebble_pause();
	pebble_fail(2, "the VM goes on");
}
