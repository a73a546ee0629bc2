/* SPDX-License-Identifier: MIT */
/* fault_tables.h: guest memory in which a guest takes its double faults. */
#ifndef TEST_FAULT_TABLES_H
#define TEST_FAULT_TABLES_H

#include <string.h>

#include "hv/hv.h"

/*
 * In guest-physical memory from 0.  Linear addresses: one page each for the IDT, the GDT, the
 * TSS, the handler and its stack, from FAULT_BASE on; the handler's again in a 2 MiB page
 * and in a 1 GiB page.
 */
enum {
	FAULT_MEMORY = 0x20000,
	FAULT_ROOT = 0x1000, /* page tables, from level 4 to level 1 */
	FAULT_IDT = 0x10000,
	FAULT_GDT = 0x11000,
	FAULT_TSS = 0x12000,
	FAULT_CODE = 0x13000,
	FAULT_STACK = 0x14000,
	FAULT_PT_FLAGS = 3, /* present, writable */
};

#define FAULT_BASE UINT64_C(0xffff800000000000)
#define FAULT_AT(physical) (FAULT_BASE + (physical))
#define FAULT_LARGE (FAULT_BASE + (UINT64_C(1) << 21))
#define FAULT_HUGE (FAULT_BASE + (UINT64_C(1) << 30))
#define FAULT_NX (UINT64_C(1) << 63)

/* The entry for the page of `linear` at `level`, 1 to 4. */
static inline uint64_t *fault_entry(uint8_t *memory, uint32_t level, uint64_t linear)
{
	const uint64_t table = FAULT_ROOT + 0x1000 * (uint64_t)(4 - level);

	return (uint64_t *)(void *)(memory + table + 8 * (linear >> (3 + 9 * level) & 511));
}

/* Gate `vector`: handler, stack 0 to 7 of the interrupt stack table, type byte. */
static inline void fault_gate(uint8_t *memory, uint64_t handler, uint32_t stack, uint32_t kind)
{
	const uint64_t gate[2] = { (handler & 0xffff) | 8u << 16 | (uint64_t)stack << 32 |
					   (uint64_t)kind << 40 |
					   (handler >> 16 & 0xffff) << 48,
				   handler >> 32 };

	memcpy(memory + FAULT_IDT + 16 * 8, gate, sizeof(gate));
}

static inline void fault_tables_make(uint8_t *memory, struct hv_tables *tables)
{
	const uint64_t code = UINT64_C(0x00209b0000000000),
		       stack = FAULT_AT(FAULT_STACK) + 0x1000;

	memset(memory, 0, FAULT_MEMORY);
	for (uint32_t level = 4; level > 1; level--)
		*fault_entry(memory, level, FAULT_BASE) =
			(FAULT_ROOT + 0x1000 * (uint64_t)(5 - level)) | FAULT_PT_FLAGS;
	for (uint64_t page = FAULT_IDT; page <= FAULT_STACK; page += 0x1000)
		*fault_entry(memory, 1, FAULT_AT(page)) = page | FAULT_PT_FLAGS;
	*fault_entry(memory, 2, FAULT_LARGE) = 0x80 | FAULT_PT_FLAGS;
	*fault_entry(memory, 3, FAULT_HUGE) = 0x80 | FAULT_PT_FLAGS;
	memcpy(memory + FAULT_GDT + 8, &code, sizeof(code));
	memcpy(memory + FAULT_TSS + 0x24 + 8, &stack, sizeof(stack)); /* IST2 */
	fault_gate(memory, FAULT_AT(FAULT_CODE), 2, 0x8e);
	*tables = (struct hv_tables){ .idt = FAULT_AT(FAULT_IDT),
				      .gdt = FAULT_AT(FAULT_GDT),
				      .tss = FAULT_AT(FAULT_TSS),
				      .idt_limit = 0xfff,
				      .gdt_limit = 0x7f,
				      .tss_limit = 0x67,
				      .cr4 = 0x20,
				      .efer = 0xd00 };
}

#endif
