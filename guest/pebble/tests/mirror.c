/* SPDX-License-Identifier: MIT */
/*
 * mirror: gives back 1 MiB that comes in on the first serial port, as fast as a
 * 16550A allows: 14 bytes at a time from its FIFO, in one instruction each way.
 */
#include <pebble/pebble.h>

enum {
	RBR = PEBBLE_SERIAL,
	IER = PEBBLE_SERIAL + 1,
	IIR = PEBBLE_SERIAL + 2,
	FCR = PEBBLE_SERIAL + 2,
	LCR = PEBBLE_SERIAL + 3,
	MCR = PEBBLE_SERIAL + 4,
	LSR = PEBBLE_SERIAL + 5,
	LSR_DR = 1 << 0,
	LSR_THRE = 1 << 5,
	IIR_ID = 15,
	IIR_RECEIVED = 4, /* as many as the trigger level says */
	TRIGGER = 14,
	SIZE = 1 << 20,
};

static void in_bytes(uint8_t *to, uint32_t count)
{
	__asm__ volatile("cld; rep insb" : "+D"(to), "+c"(count) : "d"(RBR) : "memory");
}

static void out_bytes(const uint8_t *from, uint32_t count)
{
	while (!(inb(LSR) & LSR_THRE))
		;
	__asm__ volatile("cld; rep outsb" : "+S"(from), "+c"(count) : "d"(RBR) : "memory");
}

int main(void)
{
	uint8_t bytes[TRIGGER];

	outb(LCR, 3);
	outb(FCR, 0xc7); /* on, cleared, trigger at 14 */
	outb(IER, 1);	 /* for IIR's sake; the line is masked */
	outb(MCR, 3);
	for (uint32_t left = SIZE; left > 0;) {
		uint32_t count = 0;

		if ((inb(IIR) & IIR_ID) == IIR_RECEIVED && left >= TRIGGER)
			in_bytes(bytes, count = TRIGGER);
		else if (inb(LSR) & LSR_DR)
			in_bytes(bytes, count = 1);
		if (count)
			out_bytes(bytes, count);
		left -= count;
	}
	return PEBBLE_PASS;
}
