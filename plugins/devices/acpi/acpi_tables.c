/* SPDX-License-Identifier: MIT */
/* acpi_tables.c: RSDP, XSDT, RSDT, FADT, FACS, MADT and DSDT; ACPI 6.4, chapter 5. */
#include "acpi_tables.h"

#include <stdio.h>
#include <string.h>

enum { /* 5.2.6: header of all tables but RSDP and FACS */
       HEADER_LENGTH = 4,
       HEADER_CHECKSUM = 9,
       TABLE_ALIGN = 16,
       TABLES_START = 0x100, /* offset of the first table after the RSDP */
};

enum { /* 5.2.5.3 */
       RSDP_CHECKSUM = 8,
       RSDP_SIZE_1 = 20, /* that the first checksum covers */
       RSDP_EXTENDED_CHECKSUM = 32,
       RSDP_SIZE = 36,
};

enum { /* offsets in the FADT, table 5.9 */
       FADT_FIRMWARE_CTRL = 36,
       FADT_DSDT = 40,
       FADT_SCI_INT = 46,
       FADT_PM1A_EVT_BLK = 56,
       FADT_PM1A_CNT_BLK = 64,
       FADT_PM_TMR_BLK = 76,
       FADT_PM1_EVT_LEN = 88,
       FADT_PM1_CNT_LEN = 89,
       FADT_PM_TMR_LEN = 91,
       FADT_P_LVL2_LAT = 96,
       FADT_P_LVL3_LAT = 98,
       FADT_CENTURY = 108,
       FADT_IAPC_BOOT_ARCH = 109,
       FADT_FLAGS = 112,
       FADT_RESET_REG = 116,
       FADT_RESET_VALUE = 128,
       FADT_MINOR = 131,
       FADT_X_DSDT = 140,
       FADT_X_PM1A_EVT_BLK = 148,
       FADT_X_PM1A_CNT_BLK = 172,
       FADT_X_PM_TMR_BLK = 208,
       FADT_SIZE = 276,
};

enum { /* fixed feature flags, table 5.10 */
       FADT_WBINVD = 1 << 0,
       FADT_PROC_C1 = 1 << 2,
       FADT_SLP_BUTTON = 1 << 5, /* no fixed sleep button */
       FADT_FIX_RTC = 1 << 6,	 /* the RTC wakes nothing up */
       FADT_TMR_VAL_EXT = 1 << 8,
       FADT_RESET_REG_SUP = 1 << 10,
};

enum { /* IAPC_BOOT_ARCH, table 5.11 */
       BOOT_LEGACY_DEVICES = 1 << 0,
       BOOT_VGA_NOT_PRESENT = 1 << 2,
       BOOT_NO_RTC = 1 << 5,
};

enum {
	FADT_NO_C2 = 101,  /* us; above 100: there is no C2 state */
	FADT_NO_C3 = 1001, /* us; above 1000 */
	RTC_CENTURY = 0x32,
	GAS_IO = 1,
	MADT_PCAT_COMPAT = 1 << 0, /* two 8259s as well */
	MADT_OVERRIDE = 2,	   /* 5.2.12.5 */
	MADT_HIGH_LEVEL = 0x000d,  /* active high, level-triggered; table 5.26 */
	STA_WORKING = 0xf,	   /* present, enabled, shown, functioning; 6.3.7 */
};

static uint32_t acpi_table_begin(struct acpi_buf *buf, const char *signature, uint8_t revision)
{
	uint32_t start;

	while (buf->used % TABLE_ALIGN && !buf->full)
		acpi_put(buf, 0, 1);
	start = buf->used;
	acpi_put_bytes(buf, signature, 4);
	acpi_put(buf, 0, 4); /* length */
	acpi_put(buf, revision, 1);
	acpi_put(buf, 0, 1); /* checksum */
	acpi_put_bytes(buf, "LICHEN", 6);
	acpi_put_bytes(buf, "LICHENVM", 8);
	acpi_put(buf, 1, 4); /* OEM revision */
	acpi_put_bytes(buf, "LCHN", 4);
	acpi_put(buf, 1, 4); /* creator revision */
	return start;
}

/* What makes the sum of the bytes 0. */
static uint8_t acpi_checksum(const uint8_t *bytes, uint32_t size)
{
	uint8_t sum = 0;

	for (uint32_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return (uint8_t)-sum;
}

/* Into bytes that were appended before; nothing once the buffer is full. */
static void acpi_patch(struct acpi_buf *buf, uint32_t at, uint64_t value, uint32_t size)
{
	struct acpi_buf part;

	if (buf->full)
		return;
	part = (struct acpi_buf){ .bytes = buf->bytes + at, .room = size };
	acpi_put(&part, value, size);
}

/* Returns the table's address. */
static lichen_gpa acpi_table_end(struct acpi_buf *buf, uint32_t start)
{
	const uint32_t size = buf->used - start;

	if (!buf->full) {
		acpi_patch(buf, start + HEADER_LENGTH, size, 4);
		buf->bytes[start + HEADER_CHECKSUM] = acpi_checksum(buf->bytes + start, size);
	}
	return (lichen_gpa)ACPI_TABLES_GPA + start;
}

static void acpi_put_zeros(struct acpi_buf *buf, uint32_t count)
{
	while (count--)
		acpi_put(buf, 0, 1);
}

static lichen_status acpi_check_node(const struct lichen_dev *dev,
				     const struct lichen_acpi_node *node)
{
	const char *name = node->hid ? node->hid : "a node without hardware id";

	if (node->hid && !acpi_aml_id_valid(node->hid)) {
		dev->host->error(dev->in,
				 "hardware id \"%s\": neither like PNP0501 nor like "
				 "ACPI0007",
				 node->hid);
		return -LICHEN_EINVAL;
	}
	if (node->cid && !acpi_aml_id_valid(node->cid)) {
		dev->host->error(dev->in,
				 "compatible id \"%s\" of %s: neither like PNP0501 nor "
				 "like ACPI0007",
				 node->cid, name);
		return -LICHEN_EINVAL;
	}
	for (uint32_t i = 0; i < LICHEN_ACPI_PORTS; i++) {
		const struct lichen_acpi_ports *p = &node->ports[i];

		if (p->size > 0x10000u - p->base) {
			dev->host->error(dev->in, "%u ports from 0x%x of %s: past 0xffff",
					 p->size, p->base, name);
			return -LICHEN_EINVAL;
		}
	}
	for (uint32_t i = 0; i < LICHEN_ACPI_RANGES; i++) {
		const struct lichen_acpi_range *r = &node->ranges[i];

		if (r->size && r->size - 1 > UINT64_MAX - r->base) {
			dev->host->error(dev->in,
					 "0x%llx bytes from 0x%llx of %s: past the end of "
					 "64-bit addresses",
					 (unsigned long long)r->size,
					 (unsigned long long)r->base, name);
			return -LICHEN_EINVAL;
		}
	}
	if ((node->aml_size && !node->aml) || (node->madt_size && !node->madt)) {
		dev->host->error(dev->in, "%s of %s: a size without bytes",
				 node->aml_size && !node->aml
					 ? "terms"
					 : "interrupt controller structures",
				 name);
		return -LICHEN_EINVAL;
	}
	/* 5.2.12: each structure is {type, length, ...}. */
	for (uint32_t at = 0; at < node->madt_size; at += node->madt[at + 1]) {
		const uint32_t left = node->madt_size - at;

		if (left < 2 || node->madt[at + 1] < 2 || node->madt[at + 1] > left) {
			dev->host->error(dev->in,
					 "interrupt controller structure at byte %u of %s: "
					 "its length does not fit the %u bytes given",
					 at, name, node->madt_size);
			return -LICHEN_EINVAL;
		}
	}
	return 0;
}

static void acpi_dsdt_node(struct acpi_buf *buf, const struct lichen_acpi_node *node,
			   uint32_t number)
{
	char segment[sizeof("D000")];
	uint32_t device;

	if (!node->hid) { /* terms for \_SB itself */
		if (node->aml_size)
			acpi_put_bytes(buf, node->aml, node->aml_size);
		return;
	}
	snprintf(segment, sizeof(segment), "D%03X", number & 0xfff);
	device = acpi_aml_device(buf, segment);
	acpi_aml_name(buf, "_HID");
	acpi_aml_id(buf, node->hid);
	if (node->cid) {
		acpi_aml_name(buf, "_CID");
		acpi_aml_id(buf, node->cid);
	}
	acpi_aml_name(buf, "_UID");
	acpi_aml_integer(buf, node->uid);
	acpi_aml_name(buf, "_STA");
	acpi_aml_integer(buf, STA_WORKING);
	acpi_aml_crs(buf, node);
	if (node->aml_size)
		acpi_put_bytes(buf, node->aml, node->aml_size);
	acpi_aml_end(buf, device);
}

static lichen_gpa acpi_dsdt(struct acpi_buf *buf, const struct acpi_machine *machine)
{
	const uint32_t table = acpi_table_begin(buf, "DSDT", 2); /* 2: 64-bit integers */
	uint32_t scope, package;

	scope = acpi_aml_scope(buf, "_SB_");
	for (uint32_t i = 0; i < machine->cpus; i++) { /* 8.4; _UID as in the MADT */
		char segment[sizeof("C000")];
		uint32_t device;

		snprintf(segment, sizeof(segment), "C%03X", i & 0xfff);
		device = acpi_aml_device(buf, segment);
		acpi_aml_name(buf, "_HID");
		acpi_aml_id(buf, "ACPI0007");
		acpi_aml_name(buf, "_UID");
		acpi_aml_integer(buf, i);
		acpi_aml_end(buf, device);
	}
	for (uint32_t i = 0; i < machine->count; i++)
		acpi_dsdt_node(buf, &machine->nodes[i], i);
	acpi_aml_end(buf, scope);

	acpi_aml_name(buf, "_S5_"); /* 7.4.2 */
	package = acpi_aml_package(buf, 4);
	acpi_aml_integer(buf, ACPI_SLP_TYP_S5); /* SLP_TYPa */
	acpi_aml_integer(buf, 0);		/* SLP_TYPb: there is no PM1b */
	acpi_aml_integer(buf, 0);
	acpi_aml_integer(buf, 0);
	acpi_aml_end(buf, package);
	return acpi_table_end(buf, table);
}

/* A Generic Address Structure (5.2.3.2) for `width` ports; access: of 1 << access - 1 bytes. */
static void acpi_patch_gas(struct acpi_buf *buf, uint32_t at, uint32_t port, uint32_t width,
			   uint32_t access)
{
	acpi_patch(buf, at, GAS_IO, 1);
	acpi_patch(buf, at + 1, width * 8, 1);
	acpi_patch(buf, at + 3, access, 1);
	acpi_patch(buf, at + 4, port, 8);
}

/* IAPC_BOOT_ARCH (5.2.9.3). */
static uint32_t acpi_boot_arch(const struct acpi_machine *machine)
{
	uint32_t boot_arch = BOOT_VGA_NOT_PRESENT | BOOT_NO_RTC;

	for (uint32_t i = 0; i < machine->count; i++) {
		const struct lichen_acpi_node *node = &machine->nodes[i];

		for (uint32_t j = 0; node->hid && j < LICHEN_ACPI_PORTS; j++)
			if (node->ports[j].size)
				boot_arch |= BOOT_LEGACY_DEVICES;
		boot_arch |= node->boot_arch & LICHEN_ACPI_HAS_8042;
		if (node->boot_arch & LICHEN_ACPI_HAS_RTC)
			boot_arch &= ~(uint32_t)BOOT_NO_RTC;
	}
	return boot_arch;
}

/*
 * 5.2.9.  SMI_CMD, ACPI_ENABLE and the blocks that do not exist stay 0: the
 * machine is always in ACPI mode.
 */
static lichen_gpa acpi_fadt(struct acpi_buf *buf, const struct acpi_machine *machine,
			    lichen_gpa dsdt)
{
	const uint32_t table = acpi_table_begin(buf, "FACP", 6);
	const uint32_t boot_arch = acpi_boot_arch(machine), port = machine->port;

	acpi_put_zeros(buf, table + FADT_SIZE - buf->used);
	acpi_patch(buf, table + FADT_FIRMWARE_CTRL, ACPI_FACS_GPA, 4);
	acpi_patch(buf, table + FADT_DSDT, dsdt, 4);
	acpi_patch(buf, table + FADT_SCI_INT, machine->sci, 2);
	acpi_patch(buf, table + FADT_PM1A_EVT_BLK, port + ACPI_PM1_STS, 4);
	acpi_patch(buf, table + FADT_PM1A_CNT_BLK, port + ACPI_PM1_CNT, 4);
	acpi_patch(buf, table + FADT_PM_TMR_BLK, port + ACPI_PM_TMR, 4);
	acpi_patch(buf, table + FADT_PM1_EVT_LEN, 4, 1);
	acpi_patch(buf, table + FADT_PM1_CNT_LEN, 2, 1);
	acpi_patch(buf, table + FADT_PM_TMR_LEN, 4, 1);
	acpi_patch(buf, table + FADT_P_LVL2_LAT, FADT_NO_C2, 2);
	acpi_patch(buf, table + FADT_P_LVL3_LAT, FADT_NO_C3, 2);
	acpi_patch(buf, table + FADT_CENTURY, boot_arch & BOOT_NO_RTC ? 0 : RTC_CENTURY, 1);
	acpi_patch(buf, table + FADT_IAPC_BOOT_ARCH, boot_arch, 2);
	acpi_patch(buf, table + FADT_FLAGS,
		   FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_FIX_RTC |
			   FADT_TMR_VAL_EXT | FADT_RESET_REG_SUP,
		   4);
	acpi_patch_gas(buf, table + FADT_RESET_REG, port + ACPI_RESET, 1, 1);
	acpi_patch(buf, table + FADT_RESET_VALUE, ACPI_RESET_VALUE, 1);
	acpi_patch(buf, table + FADT_MINOR, 4, 1);
	/* X_FIRMWARE_CTRL stays 0, as the FACS lies below 4 GiB. */
	acpi_patch(buf, table + FADT_X_DSDT, dsdt, 8);
	acpi_patch_gas(buf, table + FADT_X_PM1A_EVT_BLK, port + ACPI_PM1_STS, 4, 2);
	acpi_patch_gas(buf, table + FADT_X_PM1A_CNT_BLK, port + ACPI_PM1_CNT, 2, 2);
	acpi_patch_gas(buf, table + FADT_X_PM_TMR_BLK, port + ACPI_PM_TMR, 4, 3);
	return acpi_table_end(buf, table);
}

/* 5.2.12: what the nodes give, and the SCI's polarity and trigger mode. */
static lichen_gpa acpi_madt(struct acpi_buf *buf, const struct acpi_machine *machine)
{
	const uint32_t table = acpi_table_begin(buf, "APIC", 5);

	acpi_put(buf, 0xfee00000, 4); /* local APICs */
	acpi_put(buf, MADT_PCAT_COMPAT, 4);
	for (uint32_t i = 0; i < machine->count; i++)
		if (machine->nodes[i].madt_size)
			acpi_put_bytes(buf, machine->nodes[i].madt,
				       machine->nodes[i].madt_size);
	acpi_put(buf, MADT_OVERRIDE, 1);
	acpi_put(buf, 10, 1); /* length */
	acpi_put(buf, 0, 1);  /* ISA */
	acpi_put(buf, machine->sci, 1);
	acpi_put(buf, machine->sci, 4);
	acpi_put(buf, MADT_HIGH_LEVEL, 2);
	return acpi_table_end(buf, table);
}

/* width: bytes of an address, 4 in the RSDT (5.2.7), 8 in the XSDT (5.2.8). */
static lichen_gpa acpi_root(struct acpi_buf *buf, const char *signature, uint32_t width,
			    lichen_gpa fadt, lichen_gpa madt)
{
	const uint32_t table = acpi_table_begin(buf, signature, 1);

	acpi_put(buf, fadt, width);
	acpi_put(buf, madt, width);
	return acpi_table_end(buf, table);
}

static void acpi_rsdp(uint8_t bytes[RSDP_SIZE], lichen_gpa rsdt, lichen_gpa xsdt)
{
	struct acpi_buf buf = { .bytes = bytes, .room = RSDP_SIZE };

	acpi_put_bytes(&buf, "RSD PTR ", 8);
	acpi_put(&buf, 0, 1); /* checksum */
	acpi_put_bytes(&buf, "LICHEN", 6);
	acpi_put(&buf, 2, 1); /* revision */
	acpi_put(&buf, rsdt, 4);
	acpi_put(&buf, RSDP_SIZE, 4);
	acpi_put(&buf, xsdt, 8);
	acpi_put(&buf, 0, 4); /* extended checksum, reserved */
	bytes[RSDP_CHECKSUM] = acpi_checksum(bytes, RSDP_SIZE_1);
	bytes[RSDP_EXTENDED_CHECKSUM] = acpi_checksum(bytes, RSDP_SIZE);
}

lichen_status acpi_tables_build(const struct lichen_dev *dev,
				const struct acpi_machine *machine, struct acpi_buf *buf)
{
	lichen_gpa dsdt, fadt, madt, rsdt, xsdt;

	for (uint32_t i = 0; i < machine->count; i++) {
		const lichen_status status = acpi_check_node(dev, &machine->nodes[i]);

		if (status < 0)
			return status;
	}
	acpi_put_zeros(buf, TABLES_START);
	dsdt = acpi_dsdt(buf, machine);
	fadt = acpi_fadt(buf, machine, dsdt);
	madt = acpi_madt(buf, machine);
	rsdt = acpi_root(buf, "RSDT", 4, fadt, madt);
	xsdt = acpi_root(buf, "XSDT", 8, fadt, madt);
	if (buf->full) {
		dev->host->error(dev->in, "ACPI tables of %u nodes: above the %u bytes kept",
				 machine->count, buf->room);
		return -LICHEN_E2BIG;
	}
	acpi_rsdp(buf->bytes, rsdt, xsdt);
	return 0;
}

void acpi_tables_facs(uint8_t facs[ACPI_FACS_SIZE])
{
	struct acpi_buf buf = { .bytes = facs, .room = ACPI_FACS_SIZE };

	memset(facs, 0, ACPI_FACS_SIZE);
	acpi_put_bytes(&buf, "FACS", 4);
	acpi_put(&buf, ACPI_FACS_SIZE, 4);
	facs[32] = 2; /* version, table 5.15 */
}
