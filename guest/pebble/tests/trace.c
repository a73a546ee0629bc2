/* SPDX-License-Identifier: MIT */
/*
 * trace: works with every part of the machine and writes what it finds to ports that no
 * device has, one a CPU.  However often the machine is stopped, saved and put together
 * anew on the way, each CPU's series of values is the same: what is written to a register
 * in one round is read back in the next, each interrupt comes and comes once, clocks do
 * not go back.
 */
#include <pebble/acpi.h>
#include <pebble/apic.h>

#include "cmos.h"

enum {
	ROUNDS = 12,
	TRACE = 0x9000, /* ports: 4 bytes each, the boot CPU's and the other's */
	TRACE_OTHER = 0x9004,
	TRACE_STRING = 0x9008,

	SERIAL_THR = PEBBLE_SERIAL,
	SERIAL_IER = PEBBLE_SERIAL + 1,
	SERIAL_IIR = PEBBLE_SERIAL + 2,
	SERIAL_FCR = PEBBLE_SERIAL + 2,
	SERIAL_MCR = PEBBLE_SERIAL + 4,
	SERIAL_LSR = PEBBLE_SERIAL + 5,
	SERIAL_MSR = PEBBLE_SERIAL + 6,
	SERIAL_SCR = PEBBLE_SERIAL + 7,
	SERIAL_THRE = 2,
	SERIAL_NORMAL = 0x0b,
	SERIAL_LOOP = 0x1a,

	KBD_DATA = 0x60,
	KBD_STATUS = 0x64,
	KBD_WRITE_RAM = 0x61, /* byte 1 */
	KBD_READ_RAM = 0x21,
	KBD_ECHO = 0xee,

	CMOS_FREE = 0x40, /* a byte of memory */

	PIT_COMMAND = 0x43,
	PIT_RATE_0 = 0x34,
	PIT_DIVISOR = 300, /* 0.25 ms */
	PIC_DATA = 0x21,

	LAPIC_TPR = 0x80,
	LAPIC_ICR_LOW = 0x300,
	LAPIC_ICR_HIGH = 0x310,
	LAPIC_LVT_TIMER = 0x320,
	LAPIC_TSC_DEADLINE = 1 << 18,
	MSR_TSC_DEADLINE = 0x6e0,
	DEADLINE_TICKS = 200000,
	CPUID_TSC_DEADLINE = 1 << 24, /* leaf 1, ECX */

	IOAPIC_FREE = 20, /* a pin without a device */

	VECTOR_SERIAL = 0x34,
	VECTOR_KBD = 0x35,
	VECTOR_DEADLINE = 0x36,
	VECTOR_CALL = 0x37,

	IRQ_SERIAL = 4,
	IRQ_KBD = 1,
};

#define LAPIC UINT64_C(0xfee00000)
#define IOAPIC UINT64_C(0xfec00000)
#define HOLE UINT64_C(0xd0000000) /* no device */

static volatile uint32_t serial_irqs, serial_strays, kbd_irqs, kbd_byte, deadline_irqs;
static volatile uint32_t pit_irqs, rtc_irqs;
static volatile uint32_t calls, answers, other_up;
static uint32_t hash = 0x811c9dc5, step;
static uint8_t vectors[16 * 16] __attribute__((aligned(16)));
static uint32_t memory[1024];
static char string[] = "abcdefghijklmnopqrstuvwxyz01234";

static void note(uint32_t value)
{
	hash = (hash ^ value) * 0x01000193;
	outl(TRACE, hash);
}

/* --- interrupts --- */

static void on_serial(struct pebble_frame *frame)
{
	(void)frame;
	if ((inb(SERIAL_IIR) & 0x0f) == SERIAL_THRE)
		serial_irqs++;
	else
		serial_strays++;
	lapic_eoi();
}

static void on_kbd(struct pebble_frame *frame)
{
	(void)frame;
	kbd_irqs++;
	kbd_byte = inb(KBD_DATA);
	lapic_eoi();
}

static void on_deadline(struct pebble_frame *frame)
{
	(void)frame;
	deadline_irqs++;
	lapic_eoi();
}

static void on_pit(struct pebble_frame *frame)
{
	(void)frame;
	pit_irqs++;
	pic_eoi(0);
}

static void on_rtc(struct pebble_frame *frame)
{
	(void)frame;
	if (cmos_read(CMOS_C) & CMOS_B_PERIODIC)
		rtc_irqs++;
	pic_eoi(CMOS_IRQ);
}

/* The clock chip fell silent after its interrupt was asked for: the master alone knows. */
static void on_spurious(struct pebble_frame *frame)
{
	(void)frame;
	pic_eoi(0);
}

static void on_call(struct pebble_frame *frame)
{
	(void)frame;
	calls++;
	lapic_eoi();
}

/* --- the other CPU: answers calls, and has a trace of its own --- */

static void other(uint32_t number)
{
	uint32_t own = 0x1234567, seen = 0;

	(void)number;
	lapic_enable();
	__atomic_store_n(&other_up, 1, __ATOMIC_RELEASE);
	while (seen < ROUNDS) {
		while (calls == seen)
			irq_wait();
		seen++;
		own = own * 1664525 + 1013904223 + (uint32_t)(calls - seen);
		outl(TRACE_OTHER, own);
		mmio_write32(LAPIC + LAPIC_TPR, own & 0x0f); /* of no vector's class */
		outl(TRACE_OTHER, mmio_read32(LAPIC + LAPIC_TPR));
		__atomic_store_n(&answers, seen, __ATOMIC_RELEASE);
	}
}

static void call_other(uint32_t round)
{
	mmio_write32(LAPIC + LAPIC_ICR_HIGH, 1u << 24);
	mmio_write32(LAPIC + LAPIC_ICR_LOW, VECTOR_CALL);
	CHECK(20, pebble_wait(&answers, round + 1, PEBBLE_POLLS));
	note(calls);
}

/* --- the processor --- */

static void general(void)
{
	for (uint32_t i = 0; i < 4; i++) {
		const uint32_t at = hash % 1024;

		memory[at] += hash;
		note(memory[(at * 7 + i) % 1024]);
	}
	outl(TRACE_STRING, (uint32_t)step);
	/* Several accesses in one instruction. */
	__asm__ volatile("cld; rep outsb"
			 :
			 : "S"(string), "c"(31L), "d"((uint16_t)TRACE_STRING)
			 : "memory");
	mmio_write64(HOLE + 0xffc, 0x1122334455667788); /* across two pages */
	note((uint32_t)mmio_read64(HOLE + 0xffc));
}

#define STORE(n) "movups %%xmm" #n ", " #n "*16(%0)\n"
#define LOAD(n) "movups " #n "*16(%0), %%xmm" #n "\n"
#define ALL(do)                                                                            \
	do                                                                                 \
	(0) do(1) do(2) do(3) do(4) do(5) do(6) do(7) do(8) do(9) do(10) do(11) do(12) do( \
		13) do(14) do(15)

/* What was loaded a round ago is still there. */
static void vector_registers(void)
{
	if (step)
		__asm__ volatile(ALL(STORE) : : "r"(vectors) : "memory");
	for (uint32_t i = 0; i < 16; i++) {
		uint32_t word;

		memcpy(&word, vectors + i * 16 + 4 * (i % 4), sizeof(word));
		hash = (hash ^ word) * 0x01000193;
		vectors[i * 16 + hash % 16] = (uint8_t)hash;
	}
	note(0);
	__asm__ volatile(ALL(LOAD) : : "r"(vectors) : "memory");
}

/* Registers that keep what is written, and that a vCPU's state must have. */
static void special_registers(void)
{
	static const uint32_t msrs[] = {
		0xc0000081, 0xc0000082, 0xc0000083, 0xc0000102, 0x174,
		0x175,	    0x176,	0x277,	    0x200,	0x2ff
	};
	uint64_t value;

	for (uint32_t i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		if (pebble_rdmsr(msrs[i], &value) >= 0)
			continue;
		note((uint32_t)value ^ (uint32_t)(value >> 32));
		/* Canonical, of write-back types, and not a range that counts. */
		if (msrs[i] == 0x277)
			value = hash & 1 ? 0x0606060606060606 : 0x0007040600070406;
		else if (msrs[i] == 0x2ff)
			value = 6;
		else if (msrs[i] == 0x200)
			value = hash & 0x3ffff000;
		else
			value = hash;
		(void)pebble_wrmsr(msrs[i], value);
	}
	__asm__ volatile("movq %%cr2, %0" : "=r"(value));
	note((uint32_t)value);
	__asm__ volatile("movq %0, %%cr2" : : "r"((uint64_t)hash));
	__asm__ volatile("movq %%cr8, %0" : "=r"(value));
	note((uint32_t)value);
	__asm__ volatile("movq %%db0, %0" : "=r"(value));
	note((uint32_t)value);
	__asm__ volatile("movq %0, %%db0" : : "r"((uint64_t)hash));
	__asm__ volatile("movq %%db3, %0" : "=r"(value));
	note((uint32_t)value);
	__asm__ volatile("movq %0, %%db3" : : "r"((uint64_t)hash << 8));
}

static uint64_t ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* --- clocks, of which only that they go forward is the same each time --- */

static void clocks(const struct acpi_pm *pm)
{
	static uint64_t tsc;
	static uint32_t timer;
	const uint64_t now = ticks();
	const uint32_t counted = inl(pm->timer);

	note(now > tsc);
	note(counted - timer < UINT32_MAX / 2);
	tsc = now;
	timer = counted;
}

/* A deadline that lies ahead is met, once. */
static void deadline(void)
{
	const uint32_t want = deadline_irqs + 1;

	if (!(cpuid(1, 0).ecx & CPUID_TSC_DEADLINE))
		return;
	wrmsr(MSR_TSC_DEADLINE, ticks() + DEADLINE_TICKS);
	for (uint32_t i = 0; i < 8; i++)
		note(i);
	while (deadline_irqs < want)
		irq_wait();
	note(deadline_irqs);
}

/* --- devices --- */

static void serial(void)
{
	const uint32_t want = serial_irqs + 1;

	note(inb(SERIAL_SCR));
	outb(SERIAL_SCR, (uint8_t)hash);
	outb(SERIAL_MCR, SERIAL_LOOP);
	for (uint32_t i = 0; i < 5; i++)
		outb(SERIAL_THR, (uint8_t)(hash >> i));
	note(inb(SERIAL_LSR));
	for (uint32_t i = 0; i < 5; i++)
		note(inb(SERIAL_THR));
	outb(SERIAL_MCR, SERIAL_NORMAL);
	note(inb(SERIAL_MSR));
	outb(SERIAL_THR, (uint8_t)('a' + step));
	outb(SERIAL_IER, SERIAL_THRE); /* its line rises, interrupts are off */
	note(step);
	note(hash);
	CHECK(21, pebble_wait(&serial_irqs, want, PEBBLE_POLLS));
	outb(SERIAL_IER, 0);
	note(serial_irqs);
	note(serial_strays);
}

static void keyboard(void)
{
	const uint32_t want = kbd_irqs + 1;

	outb(KBD_STATUS, KBD_READ_RAM);
	note(inb(KBD_DATA));
	outb(KBD_STATUS, KBD_WRITE_RAM);
	outb(KBD_DATA, (uint8_t)hash);
	outb(KBD_DATA, KBD_ECHO); /* the answer's line is high until it is read */
	note(inb(KBD_STATUS));
	note(step);
	CHECK(22, pebble_wait(&kbd_irqs, want, PEBBLE_POLLS));
	note(kbd_irqs);
	note(kbd_byte);
}

static void clock_chip(void)
{
	const uint32_t want = rtc_irqs + 1;

	note(cmos_read(CMOS_FREE));
	cmos_write(CMOS_FREE, (uint8_t)hash);
	cmos_write(CMOS_B, CMOS_B_24H | CMOS_B_PERIODIC);
	(void)cmos_read(CMOS_C);
	while (rtc_irqs < want)
		irq_wait();
	cmos_write(CMOS_B, CMOS_B_24H);
	(void)cmos_read(CMOS_C);
	note(cmos_read(CMOS_B));
}

static void timer_chip(void)
{
	const uint32_t want = pit_irqs + 2;

	pic_unmask(0);
	while (pit_irqs < want)
		irq_wait();
	outb(PIC_DATA, inb(PIC_DATA) | 1);
	note(inb(PIC_DATA));
}

static void controllers(const struct acpi_pm *pm)
{
	note(inw((uint16_t)(pm->event + 2)));
	outw((uint16_t)(pm->event + 2), step & 1 ? PM1_PWRBTN : 0);
	mmio_write32(IOAPIC, 0x10 + 2 * IOAPIC_FREE);
	note(mmio_read32(IOAPIC + 0x10));
	mmio_write32(IOAPIC + 0x10, 1u << 16 | (hash & 0xff));
	note(mmio_read32(LAPIC + LAPIC_TPR));
	mmio_write32(LAPIC + LAPIC_TPR, hash & 0x0f);
}

int main(void)
{
	struct acpi_pm pm;
	uint64_t cr4;

	CHECK(1, acpi_find_pm(&pm));
	__asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
	cr4 |= 1 << 9; /* OSFXSR: vector registers */
	__asm__ volatile("movq %0, %%cr4" : : "r"(cr4));
	pic_init();
	pebble_on(PEBBLE_IRQ, on_pit);
	pebble_on(PEBBLE_IRQ + CMOS_IRQ, on_rtc);
	pebble_on(PEBBLE_IRQ + 15, on_spurious);
	pebble_on(VECTOR_SERIAL, on_serial);
	pebble_on(VECTOR_KBD, on_kbd);
	pebble_on(VECTOR_DEADLINE, on_deadline);
	pebble_on(VECTOR_CALL, on_call);
	pebble_start_cpus(other);
	CHECK(2, pebble_wait(&other_up, 1, PEBBLE_POLLS));

	outb(SERIAL_FCR, 7);
	outb(PIT_COMMAND, PIT_RATE_0);
	outb(0x40, PIT_DIVISOR & 0xff);
	outb(0x40, PIT_DIVISOR >> 8);
	cmos_write(CMOS_A, CMOS_A_1024HZ);
	pic_unmask(CMOS_IRQ);
	ioapic_route(IRQ_SERIAL, VECTOR_SERIAL, lapic_id(), 0);
	ioapic_route(IRQ_KBD, VECTOR_KBD, lapic_id(), 0);
	mmio_write32(LAPIC + LAPIC_LVT_TIMER, LAPIC_TSC_DEADLINE | VECTOR_DEADLINE);

	for (step = 0; step < ROUNDS; step++) {
		general();
		vector_registers();
		special_registers();
		clocks(&pm);
		serial();
		keyboard();
		deadline();
		call_other(step);
		clock_chip();
		timer_chip();
		controllers(&pm);
	}
	return PEBBLE_PASS;
}
