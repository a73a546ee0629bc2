/* SPDX-License-Identifier: MIT */
/*
 * flat_cpu.c: registers and segments; AMD64 Architecture Programmer's Manual
 * volume 2, section 14.1 for what real mode starts with.
 */
#include "flat_cpu.h"

enum {
	FLAT_SEGMENT = 0x10000,
	FLAT_LDT = 0x2, /* type of a segment */
};

static void flat_cpu_real(lichen_gpa address, lichen_gpa entry, struct lichen_cpu *cpu)
{
	lichen_gpa base = entry & ~(lichen_gpa)(FLAT_SEGMENT - 1);
	const struct lichen_segment code = { .base = base,
					     .limit = FLAT_SEGMENT - 1,
					     .selector = (uint16_t)(base >> 4),
					     .type = LICHEN_X86_CODE,
					     .s = 1,
					     .present = 1 };
	struct lichen_segment data = code;

	data.type = LICHEN_X86_DATA;
	memset(cpu, 0, sizeof(*cpu));
	cpu->struct_size = (uint32_t)sizeof(*cpu);
	cpu->rip = entry - base;
	cpu->rsp = address >= base ? (address - base) & ~UINT64_C(0xf) : 0;
	cpu->rflags = LICHEN_X86_RFLAGS;
	cpu->cr0 = LICHEN_X86_CR0_ET;
	cpu->cs = code;
	cpu->ds = cpu->es = cpu->fs = cpu->gs = cpu->ss = data;
	cpu->tr = (struct lichen_segment){ .type = LICHEN_X86_TSS,
					   .limit = FLAT_SEGMENT - 1,
					   .present = 1 };
	cpu->ldt = (struct lichen_segment){ .type = FLAT_LDT,
					    .limit = FLAT_SEGMENT - 1,
					    .present = 1 };
	cpu->idt_limit = 0x3ff; /* the interrupt vector table at 0 */
}

void flat_cpu(uint32_t mode, lichen_gpa address, lichen_gpa entry, uint64_t ram,
	      struct lichen_cpu *cpu)
{
	if (mode == FLAT_REAL) {
		flat_cpu_real(address, entry, cpu);
		return;
	}
	if (mode == FLAT_LONG)
		lichen_x86_long(entry, FLAT_GDT_AT, FLAT_TABLES_AT, cpu);
	else
		lichen_x86_protected(entry, FLAT_GDT_AT, cpu);
	cpu->rsp = address < FLAT_STACK_MAX ? address & ~UINT64_C(0xf) : FLAT_STACK_MAX;
	cpu->rdi = mode == FLAT_LONG || ram < FLAT_REACH ? ram : FLAT_REACH - LICHEN_X86_PAGE;
}
