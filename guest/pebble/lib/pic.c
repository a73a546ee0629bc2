/* SPDX-License-Identifier: MIT */
/* pic.c: the two 8259As of a PC. */
#include <pebble/apic.h>

enum {
	PIC_MASTER = 0x20,
	PIC_SLAVE = 0xa0,
	PIC_ICW1 = 0x11, /* edge, cascade, ICW4 follows */
	PIC_ICW4 = 0x01, /* 8086 mode */
	PIC_CASCADE = 2, /* the master's line where the slave hangs */
	PIC_EOI = 0x20,
	LAPIC_LINT0 = 0x350,
	LAPIC_EXTINT = 0x700,
};

#define LAPIC_BASE UINT64_C(0xfee00000)

void pic_init(void)
{
	outb(PIC_MASTER, PIC_ICW1);
	outb(PIC_MASTER + 1, PEBBLE_IRQ);
	outb(PIC_MASTER + 1, 1 << PIC_CASCADE);
	outb(PIC_MASTER + 1, PIC_ICW4);
	outb(PIC_SLAVE, PIC_ICW1);
	outb(PIC_SLAVE + 1, PEBBLE_IRQ + 8);
	outb(PIC_SLAVE + 1, PIC_CASCADE);
	outb(PIC_SLAVE + 1, PIC_ICW4);
	pic_mask_all();
	lapic_enable();
	mmio_write32(LAPIC_BASE + LAPIC_LINT0, LAPIC_EXTINT);
}

void pic_mask_all(void)
{
	outb(PIC_MASTER + 1, 0xff & ~(1 << PIC_CASCADE));
	outb(PIC_SLAVE + 1, 0xff);
}

void pic_unmask(uint32_t irq)
{
	uint16_t port = irq < 8 ? PIC_MASTER + 1 : PIC_SLAVE + 1;

	outb(port, (uint8_t)(inb(port) & ~(1u << (irq & 7))));
}

void pic_eoi(uint32_t irq)
{
	if (irq >= 8)
		outb(PIC_SLAVE, PIC_EOI);
	outb(PIC_MASTER, PIC_EOI);
}
