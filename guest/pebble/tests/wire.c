/* SPDX-License-Identifier: MIT */
/* wire: gives back what comes in on the device of examples/1-wire, by interrupts, until 'q'. */
#include <pebble/apic.h>

enum { DATA = 0x2e0, STATUS = 0x2e1, IRQ = 5, VECTOR = 0x38 };

static void arrived(struct pebble_frame *frame)
{
	(void)frame;
	outb(STATUS, 0); /* main reads; until then the line stays down */
	lapic_eoi();
}

int main(void)
{
	pic_init();
	lapic_enable();
	pebble_on(VECTOR, arrived);
	ioapic_route(IRQ, VECTOR, lapic_id(), 1);
	for (;;) {
		uint8_t c;

		outb(STATUS, 1);
		while (!(inb(STATUS) & 1))
			irq_wait();
		c = inb(DATA);
		while (!(inb(STATUS) & 2))
			pebble_pause();
		outb(DATA, c);
		if (c == 'q')
			return PEBBLE_PASS;
	}
}
