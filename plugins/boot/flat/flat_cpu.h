/* SPDX-License-Identifier: MIT */
/*
 * flat_cpu.h: the processor state that each mode of the flat plugin starts in,
 * and where the tables lie in low memory that it refers to.
 *
 *	0x1000	page tables, 24 KiB (long)
 *	0x7000	the GDT, 32 bytes (protected and long)
 */
#ifndef FLAT_CPU_H
#define FLAT_CPU_H

#include <lichen/sdk/x86.h>

enum flat_mode {
	FLAT_REAL = 0,
	FLAT_PROTECTED = 1,
	FLAT_LONG = 2,
};

enum {
	FLAT_TABLES_AT = 0x1000,
	FLAT_GDT_AT = 0x7000,
	FLAT_LOW_END = 0x8000,	  /* past all of the above; room for an image starts here */
	FLAT_STACK_MAX = 0x90000, /* the stack starts below the image, but no higher */
};

#define FLAT_REAL_END UINT64_C(0x100000) /* real mode starts below this */
#define FLAT_REACH LICHEN_X86_REACH	 /* protected and long mode: below this */

/* entry, address: below the mode's end.  ram: bytes of guest RAM. */
void flat_cpu(uint32_t mode, lichen_gpa address, lichen_gpa entry, uint64_t ram,
	      struct lichen_cpu *cpu);

#endif
