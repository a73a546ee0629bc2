/* SPDX-License-Identifier: MIT */
/* echo: gives back what comes in on the first serial port, asleep in between, until 'q'. */
#include <pebble/apic.h>

enum {
	RBR = PEBBLE_SERIAL,
	IER = PEBBLE_SERIAL + 1,
	FCR = PEBBLE_SERIAL + 2,
	LCR = PEBBLE_SERIAL + 3,
	MCR = PEBBLE_SERIAL + 4,
	LSR = PEBBLE_SERIAL + 5,
	IRQ = 4,
};

static void arrived(struct pebble_frame *frame)
{
	(void)frame;
	pic_eoi(IRQ); /* main reads; the line falls when it has read all */
}

int main(void)
{
	pic_init();
	pebble_on(PEBBLE_IRQ + IRQ, arrived);
	pic_unmask(IRQ);
	outb(LCR, 3);
	outb(FCR, 1);
	outb(MCR, 0x0b);
	outb(IER, 1);
	pebble_puts("pebble: echo\n");
	for (;;) {
		uint8_t c;

		while (!(inb(LSR) & 1))
			irq_wait();
		c = inb(RBR);
		pebble_putc((char)c);
		if (c == 'q')
			return PEBBLE_PASS;
	}
}
