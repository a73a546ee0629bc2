/* SPDX-License-Identifier: MIT */
/*
 * sdk/x86.h: the processor states that boot protocols start in: flat protected
 * mode and long mode, their GDT, and page tables that map the first 4 GiB to
 * themselves.  AMD64 Architecture Programmer's Manual volume 2, chapters 3 to 5;
 * Intel SDM 3A, chapters 2 to 4.
 */
#ifndef LICHEN_SDK_X86_H
#define LICHEN_SDK_X86_H

#include <string.h>

#include <lichen/boot.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	LICHEN_X86_PAGE = 4096,
	LICHEN_X86_TABLES = 6, /* pages: PML4, PDPT, four of 2 MiB entries */
	LICHEN_X86_TABLE_ENTRIES = 512,
	LICHEN_X86_GDT_ENTRIES = 4,
	LICHEN_X86_CS = 0x10, /* selectors in the GDT below */
	LICHEN_X86_DS = 0x18,
	LICHEN_X86_CODE = 0xb, /* type of a segment: execute, read, accessed */
	LICHEN_X86_DATA = 0x3, /* read, write, accessed */
	LICHEN_X86_TSS = 0xb,  /* busy; VM entry wants one in every mode (SDM 3C, 27.3.1.2) */
};

#define LICHEN_X86_REACH (UINT64_C(1) << 32) /* bytes that the page tables map from 0 */
#define LICHEN_X86_CR0_PE (UINT64_C(1) << 0)
#define LICHEN_X86_CR0_ET (UINT64_C(1) << 4)
#define LICHEN_X86_CR0_PG (UINT64_C(1) << 31)
#define LICHEN_X86_CR4_PAE (UINT64_C(1) << 5)
#define LICHEN_X86_EFER_LME (UINT64_C(1) << 8)
#define LICHEN_X86_EFER_LMA (UINT64_C(1) << 10)
#define LICHEN_X86_RFLAGS UINT64_C(2) /* the bit that is always set; interrupts off */

/* Flat descriptors: accessed, present, 4 GiB. */
#define LICHEN_X86_DESCRIPTOR_CS64 UINT64_C(0x00af9b000000ffff)
#define LICHEN_X86_DESCRIPTOR_CS32 UINT64_C(0x00cf9b000000ffff)
#define LICHEN_X86_DESCRIPTOR_DS UINT64_C(0x00cf93000000ffff)

/* Fills a GDT for a start in long mode (1) or in protected mode (0).  [any, any] */
static inline void lichen_x86_gdt(uint32_t is_long, uint64_t gdt[LICHEN_X86_GDT_ENTRIES])
{
	memset(gdt, 0, LICHEN_X86_GDT_ENTRIES * sizeof(*gdt));
	gdt[LICHEN_X86_CS / 8] =
		is_long ? LICHEN_X86_DESCRIPTOR_CS64 : LICHEN_X86_DESCRIPTOR_CS32;
	gdt[LICHEN_X86_DS / 8] = LICHEN_X86_DESCRIPTOR_DS;
}

/*
 * Fills LICHEN_X86_TABLES pages that map the first 4 GiB to themselves, present
 * and writable, when they are put at `at` (a multiple of the page, below 4 GiB).
 * [any, any]
 */
static inline void lichen_x86_tables(lichen_gpa at, uint64_t *entries)
{
	const uint64_t table = 0x3, large = 0x83; /* present, writable; and a 2 MiB page */
	uint64_t *pdpt = entries + LICHEN_X86_TABLE_ENTRIES;
	uint64_t *directories = pdpt + LICHEN_X86_TABLE_ENTRIES;
	uint32_t count = (LICHEN_X86_TABLES - 2) * LICHEN_X86_TABLE_ENTRIES;

	memset(entries, 0, (size_t)LICHEN_X86_TABLES * LICHEN_X86_PAGE);
	entries[0] = (at + LICHEN_X86_PAGE) | table;
	for (uint32_t i = 0; i < LICHEN_X86_TABLES - 2; i++)
		pdpt[i] = (at + (2 + i) * (uint64_t)LICHEN_X86_PAGE) | table;
	for (uint32_t i = 0; i < count; i++)
		directories[i] = (uint64_t)i << 21 | large;
}

/*
 * A vCPU at `rip` in protected mode, paging off, interrupts off, segments flat,
 * with the GDT at `gdt`; general registers 0.  [any, any]
 */
static inline void lichen_x86_protected(lichen_gpa rip, lichen_gpa gdt, struct lichen_cpu *cpu)
{
	struct lichen_segment segment;

	memset(cpu, 0, sizeof(*cpu));
	cpu->struct_size = (uint32_t)sizeof(*cpu);
	cpu->rip = rip;
	cpu->rflags = LICHEN_X86_RFLAGS;
	cpu->cr0 = LICHEN_X86_CR0_PE | LICHEN_X86_CR0_ET;
	memset(&segment, 0, sizeof(segment));
	segment.limit = UINT32_MAX;
	segment.selector = LICHEN_X86_CS;
	segment.type = LICHEN_X86_CODE;
	segment.s = segment.present = segment.db = segment.g = 1;
	cpu->cs = segment;
	segment.selector = LICHEN_X86_DS;
	segment.type = LICHEN_X86_DATA;
	cpu->ds = cpu->es = cpu->fs = cpu->gs = cpu->ss = segment;
	cpu->tr.limit = 0x67;
	cpu->tr.type = LICHEN_X86_TSS;
	cpu->tr.present = 1;
	cpu->gdt_base = gdt;
	cpu->gdt_limit = LICHEN_X86_GDT_ENTRIES * 8 - 1;
}

/* The same in long mode, with page tables at `tables`.  [any, any] */
static inline void lichen_x86_long(lichen_gpa rip, lichen_gpa gdt, lichen_gpa tables,
				   struct lichen_cpu *cpu)
{
	lichen_x86_protected(rip, gdt, cpu);
	cpu->cs.db = 0;
	cpu->cs.l = 1;
	cpu->cr0 |= LICHEN_X86_CR0_PG;
	cpu->cr3 = tables;
	cpu->cr4 = LICHEN_X86_CR4_PAE;
	cpu->efer = LICHEN_X86_EFER_LME | LICHEN_X86_EFER_LMA;
}

#ifdef __cplusplus
}
#endif

#endif
