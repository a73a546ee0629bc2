/* SPDX-License-Identifier: MIT */
/* console.c: text on the first serial port, and the exit. */
#include <pebble/pebble.h>

enum {
	CONSOLE_LSR = PEBBLE_SERIAL + 5,
	CONSOLE_THRE = 1 << 5,
	CONSOLE_POLLS =
		10000, /* a transmitter that never empties costs the text, not the test */
};

uint64_t pebble_ram;

void pebble_putc(char c)
{
	for (uint32_t i = 0; i < CONSOLE_POLLS; i++) {
		if (inb(CONSOLE_LSR) & CONSOLE_THRE)
			break;
	}
	outb(PEBBLE_SERIAL, (uint8_t)c);
}

void pebble_puts(const char *text)
{
	while (*text != '\0')
		pebble_putc(*text++);
}

void pebble_hex(uint64_t value)
{
	int shift = 60;

	while (shift > 0 && value >> shift == 0)
		shift -= 4;
	pebble_puts("0x");
	for (; shift >= 0; shift -= 4)
		pebble_putc("0123456789abcdef"[value >> shift & 15]);
}

void pebble_dec(uint64_t value)
{
	char digits[20]; /* of UINT64_MAX */
	uint32_t count = 0;

	do {
		digits[count++] = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	while (count > 0)
		pebble_putc(digits[--count]);
}

void pebble_exit(int code)
{
	outb(PEBBLE_EXIT_PORT, (uint8_t)code);
	for (;;)
		__asm__ volatile("cli; hlt");
}

void pebble_fail(int code, const char *what)
{
	pebble_puts("pebble: check ");
	pebble_dec((uint64_t)code);
	pebble_puts(" failed: ");
	pebble_puts(what);
	pebble_puts("\n");
	pebble_exit(code);
}
