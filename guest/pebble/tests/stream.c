/* SPDX-License-Identifier: MIT */
/*
 * stream: gives back what comes in on the first serial port, asleep where nothing does, 14
 * bytes at a time where there are so many; PEBBLE_BYTES of them.
 */
#include <pebble/apic.h>

#ifndef PEBBLE_BYTES
#define PEBBLE_BYTES (10u << 20)
#endif

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
	IRQ = 4,
};

static void arrived(struct pebble_frame *frame)
{
	(void)frame;
	pic_eoi(IRQ); /* main reads; the line falls when it has read all */
}

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

	pic_init();
	pebble_on(PEBBLE_IRQ + IRQ, arrived);
	pic_unmask(IRQ);
	outb(LCR, 3);
	outb(FCR, 0xc7); /* on, cleared, trigger at 14 */
	outb(MCR, 0x0b);
	outb(IER, 1);
	for (uint32_t left = PEBBLE_BYTES; left > 0;) {
		uint32_t count = 1;

		while (!(inb(LSR) & LSR_DR))
			irq_wait();
		if ((inb(IIR) & IIR_ID) == IIR_RECEIVED && left >= TRIGGER)
			count = TRIGGER;
		in_bytes(bytes, count);
		out_bytes(bytes, count);
		left -= count;
	}
	return PEBBLE_PASS;
}
