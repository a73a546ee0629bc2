/* SPDX-License-Identifier: MIT */
/* The memory map: placement around the hole, access, reservations. */
#include <sys/mman.h>

#include "hv/fake/fake.h"
#include "memory_map.h"
#include "tap.h"

#define GIB (UINT64_C(1) << 30)

static struct hv_vm *vm;

static void map_begin(struct fw_memory *memory)
{
	struct ld_error error = { "" };

	CHECK_EQ(0, hv_fake.vm_create(-1, 1, &vm, &error));
	fw_memory_init(memory, &hv_fake, vm);
}

static void map_end(struct fw_memory *memory)
{
	fw_memory_clear(memory);
	hv_fake.vm_destroy(vm);
}

static uint32_t slot_count(void)
{
	struct fake_view view;

	fake_look(vm, &view);
	return view.slots;
}

static void map_init(struct fw_memory *memory, uint64_t size)
{
	const struct lichen_ram run = { LICHEN_STRUCT(struct lichen_ram), .descriptor = -1,
					.size = size };

	map_begin(memory);
	CHECK_EQ(0, fw_memory_place(memory, &run, 1, size, NULL));
}

TEST(memory_below_the_hole_is_one_piece)
{
	struct fw_memory memory;

	map_init(&memory, 64 << 20);
	CHECK_EQ(1, slot_count());
	CHECK_EQ(64 << 20, fake_slot(vm, 0).size);
	CHECK(fw_memory_at(&memory, 0, 64 << 20) != NULL);
	CHECK(fw_memory_at(&memory, 1, 64 << 20) == NULL);
	CHECK(fw_memory_at(&memory, UINT64_MAX, 2) == NULL);
	fw_memory_clear(&memory);
	CHECK_EQ(0, slot_count());
	map_end(&memory);
}

TEST(memory_beyond_three_gib_goes_on_at_four)
{
	struct fw_memory memory;

	map_init(&memory, 5 * GIB);
	CHECK_EQ(2, slot_count());
	CHECK_EQ(3 * GIB, fake_slot(vm, 0).size);
	CHECK_EQ(4 * GIB, fake_slot(vm, 1).gpa);
	CHECK_EQ(2 * GIB, fake_slot(vm, 1).size);
	CHECK(!fw_memory_touches(&memory, 3 * GIB, GIB));
	CHECK(fw_memory_touches(&memory, 3 * GIB - 1, 1));
	CHECK(fw_memory_touches(&memory, 3 * GIB, GIB + 1));
	map_end(&memory);
}

TEST(a_second_run_follows_the_first)
{
	const struct lichen_ram runs[] = {
		{ LICHEN_STRUCT(struct lichen_ram), .descriptor = -1, .size = 1 << 20 },
		{ LICHEN_STRUCT(struct lichen_ram), .descriptor = -1, .size = 2 << 20 },
	};
	struct fw_memory memory;
	uint8_t across[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, back[8];

	map_begin(&memory);
	CHECK_EQ(0, fw_memory_place(&memory, runs, 2, 3 << 20, NULL));
	CHECK_EQ(0, fw_memory_write(&memory, (1 << 20) - 4, across, 8));
	CHECK_EQ(0, fw_memory_read(&memory, (1 << 20) - 4, back, 8));
	CHECK(memcmp(across, back, 8) == 0);
	CHECK(fw_memory_at(&memory, (1 << 20) - 4, 8) == NULL);
	map_end(&memory);
}

TEST(runs_that_do_not_make_the_size_are_refused)
{
	const struct lichen_ram run = { LICHEN_STRUCT(struct lichen_ram), .descriptor = -1,
					.size = 1 << 20 };
	struct ld_error error = { "" };
	struct fw_memory memory;

	map_begin(&memory);
	CHECK_EQ(-LICHEN_EINVAL, fw_memory_place(&memory, &run, 1, 2 << 20, &error));
	CHECK_EQ(-LICHEN_EINVAL, fw_memory_place(&memory, &run, 0, 1 << 20, &error));
	CHECK(error.text[0]);
	CHECK_EQ(0, slot_count());
	map_end(&memory);
}

TEST(an_unknown_flag_of_a_run_is_refused)
{
	const struct lichen_ram run = { LICHEN_STRUCT(struct lichen_ram), .flags = 1u << 31,
					.descriptor = -1, .size = 1 << 20 };
	struct fw_memory memory;

	map_begin(&memory);
	CHECK_EQ(-LICHEN_ENOTSUP, fw_memory_place(&memory, &run, 1, 1 << 20, NULL));
	map_end(&memory);
}

TEST(a_failed_second_piece_takes_the_first_away)
{
	const struct lichen_ram run = { LICHEN_STRUCT(struct lichen_ram), .descriptor = -1,
					.size = 4 * GIB };
	struct ld_error error = { "" };
	struct fw_memory memory;

	map_begin(&memory);
	fake_fail(FAKE_MAP, 2, -LICHEN_ENOSPC);
	CHECK_EQ(-LICHEN_EIO, fw_memory_place(&memory, &run, 1, 4 * GIB, &error));
	CHECK(strstr(error.text, "memory slot 1") != NULL);
	CHECK_EQ(0, slot_count());
	CHECK_EQ(0, memory.run_count);
	map_end(&memory);
}

TEST(more_runs_than_there_is_room_for_are_not_looked_at)
{
	struct ld_error error = { "" };
	struct fw_memory memory;

	map_begin(&memory);
	CHECK_EQ(-LICHEN_EINVAL, fw_memory_place(&memory, (const struct lichen_ram *)16,
						 FW_RUNS_MAX + 1, 4096, &error));
	map_end(&memory);
}

TEST(a_run_that_passes_the_end_of_its_file_is_refused)
{
	struct lichen_ram run = { LICHEN_STRUCT(struct lichen_ram), .size = 0x4000 };
	struct ld_error error = { "" };
	struct fw_memory memory;

	map_begin(&memory);
	run.descriptor = memfd_create("short", MFD_CLOEXEC);
	CHECK_EQ(0, ftruncate(run.descriptor, 0x5000));
	CHECK_EQ(0, fw_memory_place(&memory, &run, 1, 0x4000, &error));
	fw_memory_clear(&memory);
	run.offset = 0x2000;
	CHECK_EQ(-LICHEN_EINVAL, fw_memory_place(&memory, &run, 1, 0x4000, &error));
	run.offset = UINT64_MAX - 0xfff;
	CHECK_EQ(-LICHEN_EINVAL, fw_memory_place(&memory, &run, 1, 0x4000, &error));
	close(run.descriptor);
	CHECK_EQ(-LICHEN_EBADF, fw_memory_place(&memory, &run, 1, 0x4000, &error));
	CHECK_EQ(0, slot_count());
	map_end(&memory);
}

TEST(a_write_that_is_not_all_ram_writes_nothing)
{
	struct fw_memory memory;
	uint8_t bytes[8] = { 9, 9, 9, 9, 9, 9, 9, 9 }, last[4] = { 1, 1, 1, 1 };

	map_init(&memory, 1 << 20);
	CHECK_EQ(-LICHEN_EFAULT, fw_memory_write(&memory, (1 << 20) - 4, bytes, 8));
	CHECK_EQ(0, fw_memory_read(&memory, (1 << 20) - 4, last, 4));
	CHECK_EQ(0, last[0]);
	CHECK_EQ(-LICHEN_EFAULT, fw_memory_read(&memory, (1 << 20) - 4, bytes, 8));
	CHECK_EQ(-LICHEN_EFAULT, fw_memory_read(&memory, UINT64_MAX - 3, bytes, 8));
	map_end(&memory);
}

TEST(reservations_cut_the_ranges_of_ram)
{
	struct lichen_range range;
	struct fw_memory memory;
	int owner;

	map_init(&memory, 2 << 20);
	CHECK_EQ(0, fw_memory_reserve(&memory, &owner, 0xf0000, 0x1000, LICHEN_RANGE_ACPI_NVS));
	CHECK_EQ(0, fw_memory_reserve(&memory, &owner, 0xe0000, 0x2000, LICHEN_RANGE_ACPI));
	CHECK_EQ(0, fw_memory_range(&memory, 0, &range));
	CHECK_EQ(LICHEN_RANGE_RAM, range.type);
	CHECK_EQ(0xe0000, range.size);
	CHECK_EQ(0, fw_memory_range(&memory, 1, &range));
	CHECK_EQ(LICHEN_RANGE_ACPI, range.type);
	CHECK_EQ(0, fw_memory_range(&memory, 3, &range));
	CHECK_EQ(LICHEN_RANGE_ACPI_NVS, range.type);
	CHECK_EQ(0xf0000, range.gpa);
	CHECK_EQ(0, fw_memory_range(&memory, 4, &range));
	CHECK_EQ(0xf1000, range.gpa);
	CHECK_EQ((2 << 20) - 0xf1000, range.size);
	CHECK_EQ(-LICHEN_ENOENT, fw_memory_range(&memory, 5, &range));
	fw_memory_unreserve(&memory, &owner);
	CHECK_EQ(-LICHEN_ENOENT, fw_memory_range(&memory, 1, &range));
	map_end(&memory);
}

TEST(a_reservation_that_overlaps_or_is_not_ram_is_refused)
{
	struct fw_memory memory;
	int owner;

	map_init(&memory, 2 << 20);
	CHECK_EQ(0, fw_memory_reserve(&memory, &owner, 0x10000, 0x1000, LICHEN_RANGE_RESERVED));
	CHECK_EQ(-LICHEN_EEXIST,
		 fw_memory_reserve(&memory, &owner, 0x10fff, 1, LICHEN_RANGE_RESERVED));
	CHECK_EQ(-LICHEN_EEXIST,
		 fw_memory_reserve(&memory, &owner, 0xf000, 0x1001, LICHEN_RANGE_RESERVED));
	CHECK_EQ(-LICHEN_EFAULT,
		 fw_memory_reserve(&memory, &owner, 2 << 20, 1, LICHEN_RANGE_RESERVED));
	CHECK_EQ(-LICHEN_EINVAL, fw_memory_reserve(&memory, &owner, 0, 1, LICHEN_RANGE_RAM));
	map_end(&memory);
}
