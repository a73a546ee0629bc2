/* SPDX-License-Identifier: MIT */
/*
 * flat_cpu.h: the processor state that each mode of the flat plugin starts in,
 * and the tables in low memory that it refers to.  Pure functions.
 *
 *	0x1000	page tables, 24 KiB (long)
 *	0x7000	the GDT, 32 bytes (protected and long)
 */
#ifndef FLAT_CPU_H
#define FLAT_CPU_H

#include <lichen/boot.h>

enum flat_mode {
	FLAT_REAL = 0,
	FLAT_PROTECTED = 1,
	FLAT_LONG = 2,
};

enum {
	FLAT_TABLES_AT = 0x1000,
	FLAT_TABLES = 6, /* pages: PML4, PDPT, four of 2 MiB entries: 4 GiB */
	FLAT_PAGE = 4096,
	FLAT_GDT_AT = 0x7000,
	FLAT_GDT_ENTRIES = 4,
	FLAT_LOW_END = 0x8000, /* past all of the above; room for an image starts here */
	FLAT_CS = 0x10,
	FLAT_DS = 0x18,
	FLAT_STACK_MAX = 0x90000, /* the stack starts below the image, but no higher */
};

#define FLAT_REAL_END UINT64_C(0x100000) /* real mode starts below this */
#define FLAT_REACH (UINT64_C(1) << 32)	 /* protected and long mode: below this */

/* entry, address: below the mode's end.  ram: bytes of guest RAM. */
void flat_cpu(uint32_t mode, lichen_gpa address, lichen_gpa entry, uint64_t ram,
	      struct lichen_cpu *cpu);

/* Flat descriptors, 64-bit code when `mode` is FLAT_LONG, else 32-bit. */
void flat_gdt(uint32_t mode, uint64_t gdt[FLAT_GDT_ENTRIES]);

/* FLAT_TABLES pages that map the first 4 GiB to themselves when put at FLAT_TABLES_AT. */
void flat_page_tables(uint64_t *entries);

#endif
