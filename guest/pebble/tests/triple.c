/* SPDX-License-Identifier: MIT */
/* triple: an exception without a table to handle it, nor the next, nor the last. */
#include <pebble/pebble.h>

int main(void)
{
	static const struct {
		uint16_t limit;
		uint16_t base[4];
	} none;

	__asm__ volatile("lidt %0; ud2" : : "m"(none));
	return 1;
}
