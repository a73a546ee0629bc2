/* SPDX-License-Identifier: MIT */
/* smp: every CPU of the MADT starts and has the APIC id that the MADT, its local APIC and
 * CPUID agree on; ids are 0 to n - 1. */
#include <pebble/acpi.h>
#include <pebble/apic.h>

enum {
	MADT_ENTRIES = 44, /* offset of the first interrupt controller structure (5.2.12) */
	MADT_LOCAL_APIC = 0,
	CPUID_TOPOLOGY = 0xb,
	BAD_ID = 0x1000,
};

/* The id of each CPU, by number; the boot CPU's is the last.  BAD_ID | id where they differ. */
static volatile uint32_t ids[PEBBLE_CPUS];
static uint32_t done;

static uint32_t own_id(void)
{
	uint32_t id = lapic_id();
	struct cpuid topology;

	if (cpuid(1, 0).ebx >> 24 != id)
		return BAD_ID | id;
	if (cpuid(0, 0).eax < CPUID_TOPOLOGY)
		return id;
	topology = cpuid(CPUID_TOPOLOGY, 0);
	return topology.ebx == 0 || topology.edx == id ? id : BAD_ID | id;
}

static void answer(uint32_t number)
{
	ids[number] = own_id();
	__atomic_add_fetch(&done, 1, __ATOMIC_RELEASE);
}

/* Bit n of *ids: the MADT has an enabled CPU with id n.  Returns how many there are. */
static uint32_t madt_cpus(uint64_t *mask)
{
	const uint8_t *madt = acpi_table("APIC");
	uint32_t size, count = 0;

	CHECK(1, madt != NULL);
	size = acpi_u32(madt, 4);
	*mask = 0;
	for (uint32_t at = MADT_ENTRIES; at + 2 <= size && acpi_u8(madt, at + 1) >= 2;
	     at += acpi_u8(madt, at + 1)) {
		if (acpi_u8(madt, at) != MADT_LOCAL_APIC || !(acpi_u32(madt, at + 4) & 1))
			continue;
		CHECK(2, acpi_u8(madt, at + 3) < 64);
		*mask |= UINT64_C(1) << acpi_u8(madt, at + 3);
		count++;
	}
	return count;
}

int main(void)
{
	uint64_t listed, seen = 0;
	uint32_t count = madt_cpus(&listed);

	CHECK(3, count >= 1 && count <= PEBBLE_CPUS);
	CHECK(4, listed == (UINT64_C(1) << count) - 1);
	pebble_start_cpus(answer);
	CHECK(5, pebble_wait(&done, count - 1, PEBBLE_POLLS));
	CHECK(6, pebble_cpus_started() == count - 1);
	ids[count - 1] = own_id();
	for (uint32_t i = 0; i < count; i++) {
		CHECK(7, ids[i] < count);
		seen |= UINT64_C(1) << ids[i];
	}
	CHECK(8, seen == listed);
	pebble_puts("pebble: ");
	pebble_dec(count);
	pebble_puts(" cpus\n");
	return PEBBLE_PASS;
}
