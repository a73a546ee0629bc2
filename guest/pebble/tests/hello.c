/* SPDX-License-Identifier: MIT */
/* hello: the least that a guest can do. */
#include <pebble/pebble.h>

int main(void)
{
	pebble_puts("pebble: hello\n");
	return PEBBLE_PASS;
}
