/* SPDX-License-Identifier: MIT */
/* Whether a guest takes its double faults is told from its tables, and in doubt denied. */
#include "borrow.h"
#include "fault_tables.h"
#include "memory_map.h"
#include "tap.h"

static _Alignas(4096) uint8_t ram[FAULT_MEMORY];
static struct fw_memory memory;
static struct hv_tables tables;

static void make(void)
{
	fault_tables_make(ram, &tables);
	memory = (struct fw_memory){ .piece_count = 1 };
	memory.pieces[0] = (struct fw_piece){ .size = sizeof(ram), .host = ram };
}

static int lands(void)
{
	return fw_borrow_faults_land(&memory, &tables, FAULT_ROOT);
}

static void set(uint32_t at, uint64_t value, uint32_t size)
{
	memcpy(ram + at, &value, size);
}

TEST(a_guest_with_all_of_it_takes_them)
{
	make();
	CHECK(lands());
	fault_gate(ram, FAULT_AT(FAULT_CODE), 2, 0x8f); /* a trap gate */
	CHECK(lands());
	fault_gate(ram, FAULT_AT(FAULT_CODE), 2, 0xee); /* of user code as well */
	CHECK(lands());
	fault_gate(ram, FAULT_LARGE + FAULT_CODE, 2, 0x8e);
	CHECK(lands());
	fault_gate(ram, FAULT_HUGE + FAULT_CODE, 2, 0x8e);
	CHECK(lands());
	/* Bits of cr3 that are no address. */
	CHECK(fw_borrow_faults_land(&memory, &tables, FAULT_ROOT | 0x18));
}

TEST(with_five_levels_there_is_one_more)
{
	make();
	tables.cr4 |= 0x1000;
	CHECK(!lands());
	set(0x8000 + 8 * 511, FAULT_ROOT | FAULT_PT_FLAGS, 8);
	CHECK(fw_borrow_faults_land(&memory, &tables, 0x8000));
}

TEST(limits_are_those_of_the_last_byte)
{
	make();
	tables.idt_limit = 16 * 9 - 1;
	tables.gdt_limit = 15;
	tables.tss_limit = 0x24 + 15;
	CHECK(lands());
	tables.idt_limit--;
	CHECK(!lands());
	tables.idt_limit++;
	tables.gdt_limit--;
	CHECK(!lands());
	tables.gdt_limit++;
	tables.tss_limit--;
	CHECK(!lands());
}

TEST(a_gate_that_is_none_is_not_taken)
{
	static const uint8_t kinds[] = { 0, 0x0e, 0x8c, 0x85, 0x9e, 0x86, 0x80 };

	make();
	for (uint32_t i = 0; i < sizeof(kinds); i++) {
		fault_gate(ram, FAULT_AT(FAULT_CODE), 2, kinds[i]);
		CHECK(!lands());
	}
	fault_gate(ram, FAULT_AT(FAULT_CODE), 0, 0x8e); /* on whatever stack there is */
	CHECK(!lands());
	fault_gate(ram, FAULT_AT(FAULT_CODE), 1, 0x8e); /* on none */
	CHECK(!lands());
	fault_gate(ram, FAULT_AT(FAULT_CODE) & ~(UINT64_C(1) << 63), 2, 0x8e);
	CHECK(!lands());
	fault_gate(ram, FAULT_AT(0x15000), 2, 0x8e); /* not mapped */
	CHECK(!lands());
}

TEST(the_segment_is_64_bit_code_of_privilege_0)
{
	static const uint64_t bad[] = {
		0, /* not there */
		UINT64_C(0x00201b0000000000),
		UINT64_C(0x0020fb0000000000), /* of user code */
		UINT64_C(0x0020930000000000), /* data */
		UINT64_C(0x00209a0000000000), /* not accessed: would be written to */
		UINT64_C(0x00209f0000000000), /* conforming */
		UINT64_C(0x00208b0000000000), /* a system's */
		UINT64_C(0x00409b0000000000), /* of 32 bits */
		UINT64_C(0x00609b0000000000),
	};
	static const uint16_t selectors[] = { 0, 3, 9, 12, 16, 0x80, 0xfff8 };

	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		make();
		set(FAULT_GDT + 8, bad[i], 8);
		CHECK(!lands());
	}
	for (uint32_t i = 0; i < sizeof(selectors) / sizeof(selectors[0]); i++) {
		make();
		set(FAULT_IDT + 16 * 8 + 2, selectors[i], 2);
		CHECK(!lands());
	}
}

TEST(each_page_is_needed_on_each_level)
{
	static const uint32_t pages[] = { FAULT_IDT, FAULT_GDT, FAULT_TSS, FAULT_CODE,
					  FAULT_STACK };

	for (uint32_t level = 1; level <= 4; level++)
		for (uint32_t i = 0; i < 5; i++) {
			make();
			*fault_entry(ram, level, FAULT_AT(pages[i])) &= ~UINT64_C(1);
			CHECK(!lands());
			/* Beyond memory. */
			make();
			*fault_entry(ram, level, FAULT_AT(pages[i])) |= UINT64_C(1) << 40;
			CHECK(!lands());
		}
}

TEST(rights_are_those_that_all_levels_give)
{
	for (uint32_t level = 1; level <= 4; level++) {
		make();
		*fault_entry(ram, level, FAULT_AT(FAULT_STACK)) &= ~UINT64_C(2);
		CHECK(!lands());
		make();
		*fault_entry(ram, level, FAULT_AT(FAULT_CODE)) |= FAULT_NX;
		CHECK(!lands());
	}
	make();
	*fault_entry(ram, 1, FAULT_AT(FAULT_CODE)) &= ~UINT64_C(2);
	*fault_entry(ram, 1, FAULT_AT(FAULT_STACK)) |= FAULT_NX;
	CHECK(lands());
	tables.efer &= ~UINT64_C(0x800); /* where the bit is reserved */
	CHECK(!lands());
	make();
	for (uint32_t level = 1; level <= 4; level++)
		*fault_entry(ram, level, FAULT_AT(FAULT_CODE)) |= 4;
	CHECK(!lands());
	*fault_entry(ram, 4, FAULT_BASE) &= ~UINT64_C(4);
	CHECK(lands());
}

TEST(large_pages_have_no_stray_bits)
{
	make();
	fault_gate(ram, FAULT_LARGE + FAULT_CODE, 2, 0x8e);
	*fault_entry(ram, 2, FAULT_LARGE) |= 0x1000; /* PAT */
	CHECK(lands());
	*fault_entry(ram, 2, FAULT_LARGE) |= 0x2000;
	CHECK(!lands());
	make();
	*fault_entry(ram, 4, FAULT_BASE) |= 0x80; /* there are none on this level */
	CHECK(!lands());
	make();
	*fault_entry(ram, 3, FAULT_BASE) |= 0x100; /* global, where it means nothing */
	CHECK(lands());
	*fault_entry(ram, 4, FAULT_BASE) |= 0x100; /* and where it is reserved */
	CHECK(!lands());
}

TEST(the_stack_has_room_within_a_page)
{
	make();
	set(FAULT_TSS + 0x24 + 8, FAULT_AT(FAULT_STACK) + 0x30, 8);
	CHECK(lands());
	set(FAULT_TSS + 0x24 + 8, FAULT_AT(FAULT_STACK) + 0x2f, 8);
	CHECK(!lands());
	set(FAULT_TSS + 0x24 + 8, FAULT_AT(FAULT_STACK) + 0x1001, 8); /* it is aligned */
	CHECK(lands());
	set(FAULT_TSS + 0x24 + 8, 0, 8);
	CHECK(!lands());
	set(FAULT_TSS + 0x24 + 8, UINT64_C(0x800000000000), 8);
	CHECK(!lands());
	/* The page below the gap is there, but the stack's end is not canonical. */
	make();
	*fault_entry(ram, 4, UINT64_C(0x7ffffffff000)) = *fault_entry(ram, 4, FAULT_BASE);
	*fault_entry(ram, 3, UINT64_C(0x7ffffffff000)) = *fault_entry(ram, 3, FAULT_BASE);
	*fault_entry(ram, 2, UINT64_C(0x7ffffffff000)) = *fault_entry(ram, 2, FAULT_BASE);
	*fault_entry(ram, 1, UINT64_C(0x7ffffffff000)) = FAULT_STACK | FAULT_PT_FLAGS;
	set(FAULT_TSS + 0x24 + 8, UINT64_C(0x800000000000), 8);
	CHECK(!lands());
	set(FAULT_TSS + 0x24 + 8, UINT64_C(0x7fffffffffff), 8);
	CHECK(lands());
}

/* Page tables that refer to themselves end as well. */
TEST(whatever_the_tables_hold_nothing_beyond_memory_is_read)
{
	uint64_t state = 1;

	for (uint32_t i = 0; i < 100000; i++) {
		if (i % 16 == 0)
			make();
		for (uint32_t j = 0; j < 4; j++) {
			uint32_t at;

			state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
			at = (uint32_t)(state >> 33) % (sizeof(ram) - 8);
			if (j & 1) /* more often where it matters */
				at = FAULT_ROOT + at % 0x14000 / 0x1000 * 0x1000 + at % 0x90;
			set(at, state >> (state & 31), 8);
		}
		(void)fw_borrow_faults_land(&memory, &tables, (state & 7) * 0x1000);
	}
}
