/* SPDX-License-Identifier: MIT */
/* pit: channel 0 counts, and its interrupt arrives on line 0 of the PIC while the CPU sleeps.
 */
#include <pebble/apic.h>

enum { DIVISOR = 1193, RATE_GENERATOR = 0x34, LATCH_0 = 0x00, WANTED = 3 };

static volatile uint32_t ticks;

static void irq(struct pebble_frame *frame)
{
	(void)frame;
	ticks++;
	pic_eoi(0);
}

static uint32_t count(void)
{
	uint32_t low;

	outb(0x43, LATCH_0);
	low = inb(0x40);
	return low | (uint32_t)inb(0x40) << 8;
}

int main(void)
{
	pic_init();
	pebble_on(PEBBLE_IRQ, irq);
	outb(0x43, RATE_GENERATOR);
	outb(0x40, DIVISOR & 0xff);
	outb(0x40, DIVISOR >> 8);
	CHECK(1, count() <= DIVISOR);
	pic_unmask(0);
	CHECK(2, pebble_wait(&ticks, 1, PEBBLE_POLLS));
	while (ticks < WANTED)
		irq_wait();
	return PEBBLE_PASS;
}
