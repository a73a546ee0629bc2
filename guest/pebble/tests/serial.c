/* SPDX-License-Identifier: MIT */
/* serial: the 16550A's identity, loopback, and its transmit interrupt by PIC and by IOAPIC. */
#include <pebble/apic.h>

enum {
	THR = PEBBLE_SERIAL,
	IER = PEBBLE_SERIAL + 1,
	IIR = PEBBLE_SERIAL + 2,
	FCR = PEBBLE_SERIAL + 2,
	LCR = PEBBLE_SERIAL + 3,
	MCR = PEBBLE_SERIAL + 4,
	LSR = PEBBLE_SERIAL + 5,
	MSR = PEBBLE_SERIAL + 6,
	SCR = PEBBLE_SERIAL + 7,
	IER_THRE = 2,
	IIR_THRE = 2,
	MCR_NORMAL = 0x0b, /* DTR, RTS, OUT2: the interrupt is let through */
	MCR_LOOP = 0x1a,   /* loopback, OUT2, RTS */
	LSR_DR = 1,
	LSR_TEMT = 1 << 6,
	FIFO = 16,
	IRQ = 4,
	IOAPIC_VECTOR = 0x34,
	LOOP_POLLS = 1000,
};

static const char by_pic[] = "pebble: sent by interrupts of the PIC\n";
static const char by_ioapic[] = "pebble: sent by interrupts of the IOAPIC\n";
static const char *volatile text;
static volatile uint32_t sent, interrupts, finished;

static void send_more(void)
{
	if ((inb(IIR) & 0x0f) != IIR_THRE)
		return;
	interrupts++;
	for (uint32_t i = 0; i < FIFO && text[sent] != '\0'; i++)
		outb(THR, (uint8_t)text[sent++]);
	if (text[sent] == '\0') {
		outb(IER, 0);
		finished = 1;
	}
}

static void pic_irq(struct pebble_frame *frame)
{
	(void)frame;
	send_more();
	pic_eoi(IRQ);
}

static void ioapic_irq(struct pebble_frame *frame)
{
	(void)frame;
	send_more();
	lapic_eoi();
}

static uint8_t loop(uint8_t value)
{
	outb(THR, value);
	for (uint32_t i = 0; i < LOOP_POLLS && !(inb(LSR) & LSR_DR); i++)
		pebble_pause();
	CHECK(6, inb(LSR) & LSR_DR);
	return inb(THR);
}

static void drain(void)
{
	for (uint32_t i = 0; i < PEBBLE_POLLS && !(inb(LSR) & LSR_TEMT); i++)
		pebble_pause();
	CHECK(8, inb(LSR) & LSR_TEMT);
}

static int send(const char *what)
{
	text = what;
	sent = interrupts = finished = 0;
	outb(IER, IER_THRE);
	return pebble_wait(&finished, 1, PEBBLE_POLLS);
}

int main(void)
{
	outb(IER, 0);
	outb(LCR, 3);
	outb(SCR, 0x5a);
	CHECK(1, inb(SCR) == 0x5a);
	CHECK(2, (inb(IIR) & 0xc0) == 0);
	outb(FCR, 7);
	CHECK(3, (inb(IIR) & 0xc0) == 0xc0);
	CHECK(4, (inb(LSR) & (LSR_TEMT | LSR_DR)) == LSR_TEMT);

	outb(MCR, MCR_LOOP);
	CHECK(5, (inb(MSR) & 0xf0) == 0x90);
	CHECK(7, loop(0xa5) == 0xa5 && loop(0x00) == 0x00 && !(inb(LSR) & LSR_DR));
	outb(MCR, MCR_NORMAL);
	drain();

	pic_init();
	pebble_on(PEBBLE_IRQ + IRQ, pic_irq);
	pic_unmask(IRQ);
	CHECK(9, send(by_pic));
	CHECK(10, sent == sizeof(by_pic) - 1 && interrupts >= 3);
	drain();
	pic_mask_all();

	pebble_on(IOAPIC_VECTOR, ioapic_irq);
	ioapic_route(IRQ, IOAPIC_VECTOR, lapic_id(), 0);
	CHECK(11, send(by_ioapic));
	CHECK(12, sent == sizeof(by_ioapic) - 1 && interrupts >= 3);
	drain();
	return PEBBLE_PASS;
}
