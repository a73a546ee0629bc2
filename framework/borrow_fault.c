/* SPDX-License-Identifier: MIT */
/*
 * borrow_fault.c: whether a guest takes its double faults.  See borrow.h.
 *
 * A vCPU shuts down when it cannot deliver a double fault (SDM 3A, 6.15, vector 8; APM 2,
 * 8.2.9).  What that takes is looked up as the CPU would, and more strictly: what is
 * unusual, or lies across pages, counts as not there.
 */
#include "borrow.h"
#include "memory_map.h"

/* Of page table entries (SDM 3A, 4.5) and of control registers. */
#define FW_PAGE_PRESENT UINT64_C(1)
#define FW_PAGE_WRITABLE UINT64_C(2)
#define FW_PAGE_USER UINT64_C(4)
#define FW_PAGE_LARGE UINT64_C(0x80)
#define FW_PAGE_GLOBAL UINT64_C(0x100) /* reserved in the two topmost levels (APM 2, 5.3.3) */
#define FW_PAGE_PAT UINT64_C(0x1000)   /* of a large one */
#define FW_PAGE_ADDRESS UINT64_C(0x000ffffffffff000)
#define FW_PAGE_NO_EXECUTE (UINT64_C(1) << 63)
#define FW_CR4_LA57 UINT64_C(0x1000)
#define FW_EFER_NXE UINT64_C(0x800)

enum {
	FW_DOUBLE_FAULT = 8, /* vector */
	FW_GATE_SIZE = 16,
	FW_GATE_KIND = 0x9f & ~1, /* of its type byte: present, and which; trap or interrupt */
	FW_GATE_INTERRUPT = 0x8e,
	FW_TSS_STACKS = 0x24, /* IST1 to IST7, 8 bytes each (SDM 3A, 7.7) */
	FW_FRAME_SIZE = 48,   /* pushed, below the stack's end aligned to 16 */
};

struct fw_idt_gate {
	uint16_t offset_low, selector;
	uint8_t stack, kind;
	uint16_t offset_middle;
	uint32_t offset_high, reserved;
};

/* A guest's addresses. */
struct fw_space {
	const struct fw_memory *memory;
	const struct hv_tables *tables;
	uint64_t cr3;
};

/*
 * [linear, linear + size) within one page of the kernel's; `rights` are those that each
 * level gives, with NO_EXECUTE where one has it.  0: it is not there.
 */
static int fw_space_find(const struct fw_space *space, uint64_t linear, uint32_t size,
			 lichen_gpa *gpa, uint64_t *rights)
{
	const uint32_t levels = space->tables->cr4 & FW_CR4_LA57 ? 5 : 4;
	uint64_t entry, table = space->cr3 & FW_PAGE_ADDRESS, mask;

	if (!fw_is_canonical(linear, space->tables->cr4) || linear % 4096 + size > 4096)
		return 0;
	*rights = FW_PAGE_WRITABLE | FW_PAGE_USER;
	for (uint32_t level = levels;; level--) {
		const uint32_t shift = 12 + 9 * (level - 1);
		const uint64_t *at =
			fw_memory_at(space->memory, table + 8 * (linear >> shift & 511), 8);

		if (!at)
			return 0;
		entry = __atomic_load_n(at, __ATOMIC_RELAXED);
		if (!(entry & FW_PAGE_PRESENT) ||
		    (entry & FW_PAGE_NO_EXECUTE && !(space->tables->efer & FW_EFER_NXE)) ||
		    (entry & FW_PAGE_GLOBAL && level >= 4))
			return 0;
		*rights =
			(*rights & (entry | FW_PAGE_NO_EXECUTE)) | (entry & FW_PAGE_NO_EXECUTE);
		mask = (UINT64_C(1) << shift) - 1;
		if (level == 1 || entry & FW_PAGE_LARGE)
			break;
		table = entry & FW_PAGE_ADDRESS;
	}
	if (mask >> 30 > 0 || (mask >= 4096 && entry & FW_PAGE_ADDRESS & mask & ~FW_PAGE_PAT))
		return 0;
	*gpa = (entry & FW_PAGE_ADDRESS & ~mask) | (linear & mask);
	return !(*rights & FW_PAGE_USER);
}

static int fw_space_read(const struct fw_space *space, uint64_t linear, void *to, uint32_t size)
{
	uint64_t rights;
	lichen_gpa gpa;

	return fw_space_find(space, linear, size, &gpa, &rights) &&
	       fw_memory_read(space->memory, gpa, to, size) == 0;
}

/*
 * A code segment of 64 bits and privilege 0, not conforming (SDM 3A, 3.4.5).  It is marked as
 * accessed: the CPU would write to a table that may be read-only.
 */
static int fw_is_code(const struct fw_space *space, uint16_t selector)
{
	const uint64_t present = UINT64_C(1) << 47, privilege = UINT64_C(3) << 45,
		       code = UINT64_C(3) << 43, conforming = UINT64_C(1) << 42,
		       accessed = UINT64_C(1) << 40, bits64 = UINT64_C(1) << 53,
		       bits32 = UINT64_C(1) << 54;
	uint64_t descriptor;

	return selector > 7 && !(selector & 7) &&
	       selector + UINT32_C(7) <= space->tables->gdt_limit &&
	       fw_space_read(space, space->tables->gdt + selector, &descriptor,
			     sizeof(descriptor)) &&
	       (descriptor & (present | privilege | code | conforming | accessed | bits64 |
			      bits32)) == (present | code | accessed | bits64);
}

/* Entry `number` of the interrupt stack table, 1 to 7, has room for the frame. */
static int fw_is_stack(const struct fw_space *space, uint32_t number)
{
	const uint32_t at = FW_TSS_STACKS + 8 * (number - 1);
	uint64_t stack, rights;
	lichen_gpa gpa;

	return number && space->tables->tss_limit >= at + 7 &&
	       fw_space_read(space, space->tables->tss + at, &stack, sizeof(stack)) &&
	       fw_is_canonical(stack, space->tables->cr4) &&
	       fw_space_find(space, (stack & ~UINT64_C(15)) - FW_FRAME_SIZE, FW_FRAME_SIZE,
			     &gpa, &rights) &&
	       rights & FW_PAGE_WRITABLE &&
	       fw_memory_at(space->memory, gpa, FW_FRAME_SIZE) != NULL;
}

static int fw_is_executable(const struct fw_space *space, uint64_t linear)
{
	uint64_t rights;
	lichen_gpa gpa;

	return fw_space_find(space, linear, 1, &gpa, &rights) &&
	       !(rights & FW_PAGE_NO_EXECUTE) && fw_memory_at(space->memory, gpa, 1) != NULL;
}

int fw_borrow_faults_land(const struct fw_memory *memory, const struct hv_tables *tables,
			  uint64_t cr3)
{
	const struct fw_space space = { .memory = memory, .tables = tables, .cr3 = cr3 };
	const uint32_t at = FW_DOUBLE_FAULT * FW_GATE_SIZE;
	struct fw_idt_gate gate;

	return tables->idt_limit >= at + FW_GATE_SIZE - 1 &&
	       fw_space_read(&space, tables->idt + at, &gate, sizeof(gate)) &&
	       (gate.kind & FW_GATE_KIND) == FW_GATE_INTERRUPT &&
	       fw_is_code(&space, gate.selector) && fw_is_stack(&space, gate.stack & 7) &&
	       fw_is_executable(&space, (uint64_t)gate.offset_high << 32 |
						(uint64_t)gate.offset_middle << 16 |
						gate.offset_low);
}
