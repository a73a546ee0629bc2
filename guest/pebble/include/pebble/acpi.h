/* SPDX-License-Identifier: MIT */
/* pebble/acpi.h: what a test needs of the ACPI tables (specification 6.4). */
#ifndef PEBBLE_ACPI_H
#define PEBBLE_ACPI_H

#include <pebble/pebble.h>

enum {
	PM1_PWRBTN = 1 << 8, /* in PM1 status and enable (4.8.3.1) */
	PM1_SCI_EN = 1 << 0, /* in PM1 control (4.8.3.2) */
	PM1_SLP_EN = 1 << 13,
	PM_TIMER_HZ = 3579545,
};

/* Where a table with this signature lies, its checksum verified; NULL: there is none. */
const uint8_t *acpi_table(const char signature[4]);

uint8_t acpi_u8(const uint8_t *table, uint32_t offset);
uint16_t acpi_u16(const uint8_t *table, uint32_t offset);
uint32_t acpi_u32(const uint8_t *table, uint32_t offset);
uint64_t acpi_u64(const uint8_t *table, uint32_t offset);

struct acpi_pm { /* from the FADT (5.2.9); ports */
	uint16_t event;
	uint16_t control;
	uint16_t timer;
	uint16_t command; /* SMI_CMD */
	uint16_t reset;	  /* 0: no reset register, or not in port space */
	uint16_t sci;
	uint8_t event_size;
	uint8_t enable; /* what SMI_CMD wants */
	uint8_t reset_value;
};

/* 0: no FADT. */
int acpi_find_pm(struct acpi_pm *pm);

/* The FADT's PM1 in ACPI mode; 0: SCI_EN stays clear. */
int acpi_enable(const struct acpi_pm *pm);

/* SLP_TYPa of \_S5; -1: the DSDT has none. */
int acpi_s5(void);

/* Powers off; returns when that does not work. */
void acpi_power_off(const struct acpi_pm *pm);

#endif
