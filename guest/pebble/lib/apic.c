/* SPDX-License-Identifier: MIT */
/* apic.c: local APIC and IOAPIC at their usual addresses, and starting CPUs. */
#include <pebble/apic.h>

enum {
	LAPIC_ID = 0x20,
	LAPIC_EOI = 0xb0,
	LAPIC_SPURIOUS = 0xf0,
	LAPIC_ENABLE = 1 << 8,
	LAPIC_ICR = 0x300,
	LAPIC_ICR_PENDING = 1 << 12,
	LAPIC_INIT_OTHERS = 0xc4500, /* INIT, assert, all but self */
	LAPIC_SIPI_OTHERS = 0xc4600, /* the same, startup */
	IOAPIC_DATA = 0x10,
	IOAPIC_REDIRECTION = 0x10, /* register of pin 0's low half */
	IOAPIC_MASKED = 1 << 16,
	IOAPIC_LEVEL = 1 << 15,
	TRAMPOLINE = 0x8000,
	INIT_PAUSES = 100, /* a pause is 1 us or more; KVM needs none */
	SIPI_PAUSES = 20,
	ICR_POLLS = 10000,
};

#define LAPIC_BASE UINT64_C(0xfee00000)
#define IOAPIC_BASE UINT64_C(0xfec00000)

extern const uint8_t pebble_trampoline[], pebble_trampoline_end[], pebble_trampoline_cr3[];

/* For crt0.S: the number of the next CPU that comes, and what it calls. */
extern uint32_t pebble_ap_next;
extern void (*pebble_ap_main)(uint32_t number);
uint32_t pebble_ap_next;
void (*pebble_ap_main)(uint32_t number);

void lapic_enable(void)
{
	mmio_write32(LAPIC_BASE + LAPIC_SPURIOUS, LAPIC_ENABLE | PEBBLE_SPURIOUS);
}

uint32_t lapic_id(void)
{
	return mmio_read32(LAPIC_BASE + LAPIC_ID) >> 24;
}

void lapic_eoi(void)
{
	mmio_write32(LAPIC_BASE + LAPIC_EOI, 0);
}

static void ioapic_write(uint32_t number, uint32_t value)
{
	mmio_write32(IOAPIC_BASE, number);
	mmio_write32(IOAPIC_BASE + IOAPIC_DATA, value);
}

void ioapic_route(uint32_t pin, uint32_t vector, uint32_t apic_id, uint32_t level)
{
	uint32_t low = IOAPIC_REDIRECTION + 2 * pin;

	ioapic_write(low, IOAPIC_MASKED);
	ioapic_write(low + 1, apic_id << 24);
	ioapic_write(low, vector | (level ? IOAPIC_LEVEL : 0));
}

void ioapic_mask(uint32_t pin)
{
	ioapic_write(IOAPIC_REDIRECTION + 2 * pin, IOAPIC_MASKED);
}

static void lapic_send(uint32_t icr, uint32_t pauses)
{
	mmio_write32(LAPIC_BASE + LAPIC_ICR, icr);
	for (uint32_t i = 0; i < ICR_POLLS; i++) {
		if (!(mmio_read32(LAPIC_BASE + LAPIC_ICR) & LAPIC_ICR_PENDING))
			break;
	}
	for (uint32_t i = 0; i < pauses; i++)
		pebble_pause();
}

void pebble_start_cpus(void (*entry)(uint32_t number))
{
	uint32_t sipi = LAPIC_SIPI_OTHERS | TRAMPOLINE >> 12;
	uintptr_t start = (uintptr_t)pebble_trampoline;

	pebble_ap_main = entry;
	pebble_ap_next = 0;
	memcpy((void *)TRAMPOLINE, pebble_trampoline,
	       (size_t)((uintptr_t)pebble_trampoline_end - start));
	mmio_write32(TRAMPOLINE + ((uintptr_t)pebble_trampoline_cr3 - start),
		     (uint32_t)read_cr3());
	lapic_enable();
	lapic_send(LAPIC_INIT_OTHERS, INIT_PAUSES);
	lapic_send(sipi, SIPI_PAUSES);
	lapic_send(sipi, SIPI_PAUSES);
}

uint32_t pebble_cpus_started(void)
{
	return __atomic_load_n(&pebble_ap_next, __ATOMIC_ACQUIRE);
}
