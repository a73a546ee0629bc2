/* SPDX-License-Identifier: MIT */
/*
 * acpi_tables.h: where the tables lie, the register block that they point at,
 * and what builds them.  References are to the ACPI Specification 6.4.
 */
#ifndef ACPI_TABLES_H
#define ACPI_TABLES_H

#include <lichen/device.h>

#include "acpi_aml.h"

/* Guest-physical; in the range that is searched for the RSDP (5.2.5.1). */
enum {
	ACPI_TABLES_GPA = 0xe0000, /* the RSDP, then the other tables */
	ACPI_TABLES_SIZE = 0xf000,
	ACPI_FACS_GPA = 0xef000, /* a page of its own: the guest writes to it */
	ACPI_FACS_PAGE = 0x1000,
};

enum { /* offsets in the register block, ports */
       ACPI_PM1_STS = 0x0,
       ACPI_PM1_EN = 0x2,
       ACPI_PM1_CNT = 0x4,
       ACPI_PM_TMR = 0x8,
       ACPI_RESET = 0xc,
       ACPI_PORTS = 16,
};

enum {
	ACPI_RESET_VALUE = 1, /* that resets, written to ACPI_RESET */
	ACPI_SLP_TYP_S5 = 5,
};

enum { ACPI_NODES_MAX = 256 /* of all instances */, ACPI_FACS_SIZE = 64 };

/* What the tables tell; all borrowed for the call. */
struct acpi_machine {
	uint16_t port; /* of the register block */
	uint32_t sci;  /* GSI, level-triggered, active high */
	uint32_t cpus;
	const struct lichen_acpi_node *nodes;
	uint32_t count; /* of nodes */
};

/*
 * Appends everything from ACPI_TABLES_GPA on to the empty `buf`, whose room is
 * ACPI_TABLES_SIZE.  Errors are told through dev.  -LICHEN_EINVAL: a node that
 * makes no sense; -LICHEN_E2BIG: no room for all nodes.
 */
lichen_status acpi_tables_build(const struct lichen_dev *dev,
				const struct acpi_machine *machine, struct acpi_buf *buf);

/* Keeps the tables' memory out of RAM; errors are told through dev.  [control, created] */
lichen_status acpi_tables_reserve(const struct lichen_dev *dev);

/*
 * Asks the instances behind need `need` and writes all tables.  Errors are told
 * through dev: those of acpi_tables_build(), a node's own, -LICHEN_E2BIG: more nodes
 * than an instance may have or than ACPI_NODES_MAX, -LICHEN_ENOMEM.
 * [control, realized or paused]
 */
lichen_status acpi_tables_publish(const struct lichen_dev *dev, uint32_t need, uint16_t port,
				  uint32_t sci);

/* The FACS (5.2.10), which has no checksum. */
void acpi_tables_facs(uint8_t facs[ACPI_FACS_SIZE]);

#endif
