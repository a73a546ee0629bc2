/* SPDX-License-Identifier: MIT */
/* acpi.c: finds tables and the power management ports; references to ACPI 6.4. */
#include <pebble/acpi.h>

enum {
	ACPI_SCAN_START = 0xe0000, /* 5.2.5.1 */
	ACPI_SCAN_END = 0x100000,
	ACPI_HEADER = 36, /* bytes of a table's header (5.2.6) */
	ACPI_TABLE_MAX = 1 << 20,
	ACPI_S5_POLLS = 50000,
};

uint8_t acpi_u8(const uint8_t *table, uint32_t offset)
{
	return table[offset];
}

uint16_t acpi_u16(const uint8_t *table, uint32_t offset)
{
	return (uint16_t)(table[offset] | table[offset + 1] << 8);
}

uint32_t acpi_u32(const uint8_t *table, uint32_t offset)
{
	return acpi_u16(table, offset) | (uint32_t)acpi_u16(table, offset + 2) << 16;
}

uint64_t acpi_u64(const uint8_t *table, uint32_t offset)
{
	return acpi_u32(table, offset) | (uint64_t)acpi_u32(table, offset + 4) << 32;
}

static int acpi_sums_to_zero(const uint8_t *bytes, uint32_t size)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < size; i++)
		sum += bytes[i];
	return (sum & 0xff) == 0;
}

static const uint8_t *acpi_rsdp(void)
{
	for (uint32_t at = ACPI_SCAN_START; at < ACPI_SCAN_END; at += 16) {
		const uint8_t *rsdp = (const uint8_t *)(uintptr_t)at;

		if (*(const uint64_t *)(uintptr_t)at == UINT64_C(0x2052545020445352) &&
		    acpi_sums_to_zero(rsdp, 20))
			return rsdp;
	}
	return NULL;
}

const uint8_t *acpi_table(const char signature[4])
{
	const uint8_t *rsdp = acpi_rsdp(), *root;
	uint32_t entry = 4, count;

	if (rsdp == NULL)
		return NULL;
	root = (const uint8_t *)(uintptr_t)acpi_u32(rsdp, 16);
	if (acpi_u8(rsdp, 15) >= 2 && acpi_u64(rsdp, 24) != 0) {
		root = (const uint8_t *)(uintptr_t)acpi_u64(rsdp, 24);
		entry = 8;
	}
	count = (acpi_u32(root, 4) - ACPI_HEADER) / entry;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = ACPI_HEADER + i * entry;
		const uint8_t *table =
			(const uint8_t *)(uintptr_t)(entry == 8 ? acpi_u64(root, at)
								: acpi_u32(root, at));

		if (memcmp(table, signature, 4) == 0 && acpi_u32(table, 4) < ACPI_TABLE_MAX &&
		    acpi_sums_to_zero(table, acpi_u32(table, 4)))
			return table;
	}
	return NULL;
}

int acpi_find_pm(struct acpi_pm *pm)
{
	const uint8_t *fadt = acpi_table("FACP");

	if (fadt == NULL)
		return 0;
	pm->sci = acpi_u16(fadt, 46);
	pm->command = (uint16_t)acpi_u32(fadt, 48);
	pm->enable = acpi_u8(fadt, 52);
	pm->event = (uint16_t)acpi_u32(fadt, 56);
	pm->control = (uint16_t)acpi_u32(fadt, 64);
	pm->timer = (uint16_t)acpi_u32(fadt, 76);
	pm->event_size = acpi_u8(fadt, 88);
	pm->reset = 0;
	if ((acpi_u32(fadt, 112) & 1u << 10) != 0 && acpi_u8(fadt, 116) == 1)
		pm->reset = (uint16_t)acpi_u64(fadt, 120);
	pm->reset_value = acpi_u8(fadt, 128);
	return 1;
}

int acpi_enable(const struct acpi_pm *pm)
{
	if (!(inw(pm->control) & PM1_SCI_EN) && pm->command != 0)
		outb(pm->command, pm->enable);
	return (inw(pm->control) & PM1_SCI_EN) != 0;
}

int acpi_s5(void)
{
	const uint8_t *fadt = acpi_table("FACP"), *dsdt;
	uint32_t size;

	if (fadt == NULL)
		return -1;
	dsdt = (const uint8_t *)(uintptr_t)acpi_u32(fadt, 40);
	size = acpi_u32(dsdt, 4);
	/* Name, "_S5_", Package: length (one byte for so few elements), count, first value. */
	for (uint32_t i = ACPI_HEADER; i + 10 < size; i++) {
		if (dsdt[i] != '_' || memcmp(dsdt + i, "_S5_\x12", 5) != 0)
			continue;
		if (dsdt[i + 7] == 0x0a) /* BytePrefix */
			return dsdt[i + 8];
		return dsdt[i + 7]; /* ZeroOp or OneOp, whose values are their codes */
	}
	return -1;
}

void acpi_power_off(const struct acpi_pm *pm)
{
	int type = acpi_s5();

	if (type < 0)
		return;
	outw(pm->control, (uint16_t)(type << 10 | PM1_SLP_EN | PM1_SCI_EN));
	for (uint32_t i = 0; i < ACPI_S5_POLLS; i++)
		pebble_pause();
}
