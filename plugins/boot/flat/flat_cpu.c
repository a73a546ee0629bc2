/* SPDX-License-Identifier: MIT */
/*
 * flat_cpu.c: registers, segments and page tables; AMD64 Architecture
 * Programmer's Manual volume 2, chapters 3 to 5, and section 14.1 for what
 * real mode starts with.
 */
#include "flat_cpu.h"

#include <string.h>

enum {
	FLAT_TABLE_ENTRIES = 512,
	FLAT_PDE_SHIFT = 21, /* an entry of a page directory maps 2 MiB */
	FLAT_SEGMENT = 0x10000,
	FLAT_CODE = 0xb, /* execute, read, accessed */
	FLAT_DATA = 0x3, /* read, write, accessed */
	FLAT_TSS = 0xb,	 /* busy; VM entry wants one in every mode */
	FLAT_LDT = 0x2,
};

#define FLAT_PTE_TABLE 0x3u /* present, writable */
#define FLAT_PTE_LARGE 0x83u
#define FLAT_CR0_PE (UINT64_C(1) << 0)
#define FLAT_CR0_ET (UINT64_C(1) << 4)
#define FLAT_CR0_PG (UINT64_C(1) << 31)
#define FLAT_CR4_PAE (UINT64_C(1) << 5)
#define FLAT_EFER_LME (UINT64_C(1) << 8)
#define FLAT_EFER_LMA (UINT64_C(1) << 10)
#define FLAT_RFLAGS_FIXED UINT64_C(2) /* interrupts off */

/* Accessed, present, 4 GiB. */
#define FLAT_DESCRIPTOR_CS64 UINT64_C(0x00af9b000000ffff)
#define FLAT_DESCRIPTOR_CS32 UINT64_C(0x00cf9b000000ffff)
#define FLAT_DESCRIPTOR_DS UINT64_C(0x00cf93000000ffff)

static void flat_cpu_real(lichen_gpa address, lichen_gpa entry, struct lichen_cpu *cpu)
{
	lichen_gpa base = entry & ~(lichen_gpa)(FLAT_SEGMENT - 1);
	const struct lichen_segment code = { .base = base,
					     .limit = FLAT_SEGMENT - 1,
					     .selector = (uint16_t)(base >> 4),
					     .type = FLAT_CODE,
					     .s = 1,
					     .present = 1 };
	struct lichen_segment data = code;

	data.type = FLAT_DATA;
	cpu->rip = entry - base;
	cpu->rsp = address >= base ? (address - base) & ~UINT64_C(0xf) : 0;
	cpu->cr0 = FLAT_CR0_ET;
	cpu->cs = code;
	cpu->ds = cpu->es = cpu->fs = cpu->gs = cpu->ss = data;
	cpu->tr.limit = FLAT_SEGMENT - 1;
	cpu->idt_limit = 0x3ff; /* the interrupt vector table at 0 */
}

static void flat_cpu_flat(uint32_t mode, lichen_gpa address, lichen_gpa entry, uint64_t ram,
			  struct lichen_cpu *cpu)
{
	struct lichen_segment code = { .limit = UINT32_MAX,
				       .selector = FLAT_CS,
				       .type = FLAT_CODE,
				       .s = 1,
				       .present = 1,
				       .g = 1 };
	const struct lichen_segment data = { .limit = UINT32_MAX,
					     .selector = FLAT_DS,
					     .type = FLAT_DATA,
					     .s = 1,
					     .present = 1,
					     .db = 1,
					     .g = 1 };

	code.l = mode == FLAT_LONG;
	code.db = mode != FLAT_LONG;
	cpu->rip = entry;
	cpu->rsp = address < FLAT_STACK_MAX ? address & ~UINT64_C(0xf) : FLAT_STACK_MAX;
	cpu->rdi = mode == FLAT_LONG || ram < FLAT_REACH ? ram : FLAT_REACH - FLAT_PAGE;
	cpu->cr0 = FLAT_CR0_PE | FLAT_CR0_ET;
	cpu->cs = code;
	cpu->ds = cpu->es = cpu->fs = cpu->gs = cpu->ss = data;
	cpu->tr.limit = 0x67;
	cpu->gdt_base = FLAT_GDT_AT;
	cpu->gdt_limit = FLAT_GDT_ENTRIES * 8 - 1;
	if (mode != FLAT_LONG)
		return;
	cpu->cr0 |= FLAT_CR0_PG;
	cpu->cr3 = FLAT_TABLES_AT;
	cpu->cr4 = FLAT_CR4_PAE;
	cpu->efer = FLAT_EFER_LME | FLAT_EFER_LMA;
}

void flat_cpu(uint32_t mode, lichen_gpa address, lichen_gpa entry, uint64_t ram,
	      struct lichen_cpu *cpu)
{
	memset(cpu, 0, sizeof(*cpu));
	cpu->struct_size = (uint32_t)sizeof(*cpu);
	cpu->rflags = FLAT_RFLAGS_FIXED;
	cpu->tr = (struct lichen_segment){ .type = FLAT_TSS, .present = 1 };
	cpu->ldt = (struct lichen_segment){ .type = FLAT_LDT,
					    .limit = FLAT_SEGMENT - 1,
					    .present = 1 };
	if (mode == FLAT_REAL)
		flat_cpu_real(address, entry, cpu);
	else
		flat_cpu_flat(mode, address, entry, ram, cpu);
}

void flat_gdt(uint32_t mode, uint64_t gdt[FLAT_GDT_ENTRIES])
{
	memset(gdt, 0, FLAT_GDT_ENTRIES * sizeof(*gdt));
	gdt[FLAT_CS / 8] = mode == FLAT_LONG ? FLAT_DESCRIPTOR_CS64 : FLAT_DESCRIPTOR_CS32;
	gdt[FLAT_DS / 8] = FLAT_DESCRIPTOR_DS;
}

void flat_page_tables(uint64_t *entries)
{
	uint64_t *pdpt = entries + FLAT_TABLE_ENTRIES;
	uint64_t *directories = pdpt + FLAT_TABLE_ENTRIES;
	uint32_t count = (FLAT_TABLES - 2) * FLAT_TABLE_ENTRIES;

	memset(entries, 0, (size_t)FLAT_TABLES * FLAT_PAGE);
	entries[0] = (FLAT_TABLES_AT + FLAT_PAGE) | FLAT_PTE_TABLE;
	for (uint32_t i = 0; i < FLAT_TABLES - 2; i++)
		pdpt[i] = (FLAT_TABLES_AT + (2 + i) * FLAT_PAGE) | FLAT_PTE_TABLE;
	for (uint32_t i = 0; i < count; i++)
		directories[i] = (uint64_t)i << FLAT_PDE_SHIFT | FLAT_PTE_LARGE;
}
