/* SPDX-License-Identifier: MIT */
/* The linux plugin's KASLR: relocations, places, words of the command line. */
#include "linux_kaslr.h"

#include "tap.h"
#include "test_image.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

#define TEXT 0x81000000u /* the lower half of ELF_AT's virtual address */

enum { RELOCS_MAX = 16 };

static uint8_t bytes[ELF_SIZE + RELOCS_MAX * 4];
static struct lichen_why why;
static struct lichen_elf elf;
static struct linux_relocs relocs;

/* A vmlinux with these words after it. */
static uint64_t make(const uint32_t *words, uint32_t count)
{
	const struct lichen_source source = lichen_source_of("kernel", bytes, sizeof(bytes));

	elf_make(bytes);
	CHECK_EQ(0, lichen_elf_parse(&source, &elf, &why));
	elf.end = ELF_SIZE;
	memcpy(bytes + ELF_SIZE, words, count * sizeof(*words));
	return ELF_SIZE + count * sizeof(*words);
}
#define MAKE(words) make((words), sizeof(words) / sizeof((words)[0]))

static uint64_t word_at(uint64_t offset, uint32_t size)
{
	uint64_t value = 0;

	memcpy(&value, bytes + offset, size);
	return value;
}

TEST(each_table_moves_its_locations)
{
	const uint32_t words[] = {
		0, TEXT + 0x100, 0, TEXT + 0x200, 0, TEXT + 0x300, TEXT + 4096 + 8
	};
	uint64_t size = MAKE(words), wide, inverse, narrow, data;

	CHECK_EQ(0, linux_relocs_find(bytes, size, &elf, &relocs, &why));
	CHECK_EQ(1, relocs.wide_count);
	CHECK_EQ(1, relocs.inverse_count);
	CHECK_EQ(2, relocs.narrow_count);
	memset(bytes + ELF_TEXT + 0x300, 0xff, 4); /* the sum wraps, and carries nowhere */
	wide = word_at(ELF_TEXT + 0x100, 8);
	inverse = word_at(ELF_TEXT + 0x200, 4);
	narrow = word_at(ELF_TEXT + 0x304, 4);
	data = word_at(ELF_DATA + 8, 4);
	CHECK_EQ(0, linux_relocs_apply(bytes, &elf, &relocs, 0x200000, &why));
	CHECK_EQ(wide + 0x200000, word_at(ELF_TEXT + 0x100, 8));
	CHECK_EQ((uint32_t)(inverse - 0x200000), word_at(ELF_TEXT + 0x200, 4));
	CHECK_EQ(0x1fffff, word_at(ELF_TEXT + 0x300, 4));
	CHECK_EQ(narrow, word_at(ELF_TEXT + 0x304, 4));
	CHECK_EQ((uint32_t)(data + 0x200000), word_at(ELF_DATA + 8, 4));
}

TEST(the_inverse_table_may_be_absent)
{
	const uint32_t words[] = { 0, TEXT + 0x100, 0, TEXT + 0x200, TEXT + 0x300 };

	CHECK_EQ(0, linux_relocs_find(bytes, MAKE(words), &elf, &relocs, &why));
	CHECK_EQ(1, relocs.wide_count);
	CHECK_EQ(0, relocs.inverse_count);
	CHECK_EQ(2, relocs.narrow_count);
	CHECK_EQ(TEXT + 0x200, word_at((uint64_t)(relocs.narrow - bytes), 4));
}

TEST(other_forms_are_not_supported)
{
	const uint32_t one[] = { 0, TEXT }, four[] = { 0, 0, 0, 0 }, none[] = { TEXT, 0, 0 };

	CHECK_EQ(-LICHEN_ENOTSUP, linux_relocs_find(bytes, MAKE(one), &elf, &relocs, &why));
	CHECK_EQ(-LICHEN_ENOTSUP, linux_relocs_find(bytes, MAKE(four), &elf, &relocs, &why));
	CHECK_EQ(-LICHEN_ENOTSUP, linux_relocs_find(bytes, MAKE(none), &elf, &relocs, &why));
	CHECK_EQ(-LICHEN_ENOTSUP,
		 linux_relocs_find(bytes, MAKE(four) - 1, &elf, &relocs, &why));
	CHECK_EQ(-LICHEN_ENOTSUP, linux_relocs_find(bytes, ELF_SIZE, &elf, &relocs, &why));
	CHECK_EQ(-LICHEN_ENOTSUP, linux_relocs_find(bytes, 100, &elf, &relocs, &why));
	elf.end = UINT64_MAX;
	CHECK_EQ(-LICHEN_ENOTSUP, linux_relocs_find(bytes, ELF_SIZE, &elf, &relocs, &why));
}

TEST(locations_outside_the_segments_are_refused)
{
	static const uint32_t wide[] = { TEXT - 1,    TEXT + 4096 - 7, TEXT + 8192 - 7,
					 TEXT + 8192, 0x7fffffff,      1,
					 UINT32_MAX };

	for (uint32_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
		const uint32_t words[] = { 0, wide[i], 0 }, narrow[] = { 0, 0, wide[i] };

		CHECK_EQ(0, linux_relocs_find(bytes, MAKE(words), &elf, &relocs, &why));
		CHECK_EQ(-LICHEN_EBADMSG,
			 linux_relocs_apply(bytes, &elf, &relocs, 0x200000, &why));
		CHECK(strstr(why.text, "outside its segments") != NULL);
		if (wide[i] == TEXT + 4096 - 7 || wide[i] == TEXT + 8192 - 7)
			continue; /* four bytes are there */
		CHECK_EQ(0, linux_relocs_find(bytes, MAKE(narrow), &elf, &relocs, &why));
		CHECK_EQ(-LICHEN_EBADMSG,
			 linux_relocs_apply(bytes, &elf, &relocs, 0x200000, &why));
	}
}

static struct linux_kernel kernel_of(uint64_t room)
{
	struct linux_kernel kernel = { .room = room, .align = 2 * MIB };

	kernel.header.pref_address = 16 * MIB;
	return kernel;
}

TEST(slots_are_all_places_that_are_clear)
{
	const struct linux_kernel kernel = kernel_of(8 * MIB);
	struct lichen_e820 map = { .count = 0 };
	lichen_gpa at = 0, before = 0;
	uint64_t count;

	lichen_e820_add(&map, 0, 64 * MIB, LICHEN_RANGE_RAM);
	CHECK_EQ(21, linux_slots(&map, &kernel, 0, 0, 0, &at));
	CHECK_EQ(16 * MIB, at);
	CHECK_EQ(21, linux_slots(&map, &kernel, 0, 0, 20, &at));
	CHECK_EQ(56 * MIB, at);
	linux_slots(&map, &kernel, 0, 0, 21, &at);
	CHECK_EQ(56 * MIB, at);

	/* 16, 18, 20 below the initrd; 34 to 56 above it */
	count = linux_slots(&map, &kernel, 29 * MIB, 33 * MIB, UINT64_MAX, &at);
	CHECK_EQ(3 + 12, count);
	for (uint64_t i = 0; i < count; i++) {
		linux_slots(&map, &kernel, 29 * MIB, 33 * MIB, i, &at);
		CHECK(at > before && at % (2 * MIB) == 0 && at + kernel.room <= 64 * MIB);
		CHECK(at + kernel.room <= 29 * MIB || at >= 33 * MIB);
		before = at;
	}
	CHECK_EQ(0, linux_slots(&map, &kernel, 17 * MIB, 60 * MIB, 0, &at));
}

TEST(slots_end_at_4_gib_and_start_in_ram)
{
	const struct linux_kernel kernel = kernel_of(8 * MIB);
	struct lichen_e820 map = { .count = 0 };
	lichen_gpa at = 0;

	lichen_e820_add(&map, 0, 20 * MIB, LICHEN_RANGE_RAM);
	lichen_e820_add(&map, 4 * GIB - 9 * MIB, GIB, LICHEN_RANGE_RAM);
	CHECK_EQ(1, linux_slots(&map, &kernel, 0, 0, 0, &at));
	CHECK_EQ(4 * GIB - 8 * MIB, at);
}

TEST(the_image_moves_within_1_gib_of_virtual_memory)
{
	struct linux_kernel kernel = kernel_of(48 * MIB);

	CHECK_EQ((1024 - 16 - 48) / 2 + 1, linux_virtual_slots(&kernel));
	kernel.room = GIB - 16 * MIB;
	CHECK_EQ(1, linux_virtual_slots(&kernel));
	kernel.room++;
	CHECK_EQ(0, linux_virtual_slots(&kernel));
	kernel.header.pref_address = UINT64_MAX;
	CHECK_EQ(0, linux_virtual_slots(&kernel));
}

TEST(words_are_told_from_parts_of_words)
{
	CHECK_EQ(1, linux_words_fixed("nokaslr"));
	CHECK_EQ(1, linux_words_fixed("quiet nokaslr x"));
	CHECK_EQ(0, linux_words_fixed("quiet xnokaslr nokaslrx"));
	CHECK_EQ(1, linux_words_fixed("nokaslrx nokaslr"));
	CHECK_EQ(1, linux_words_place("console=ttyS0 mem=100M"));
	CHECK_EQ(0, linux_words_place("console=ttyS0 transparent_hugepages=1 imem=3"));
	CHECK_EQ(1, linux_words_place("hugepagesz=1G hugepages=3"));
	CHECK_EQ(1, linux_words_place("memmap=4G$1G"));
	CHECK_EQ(0, linux_words_place(""));
}
