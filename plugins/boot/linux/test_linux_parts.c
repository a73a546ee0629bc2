/* SPDX-License-Identifier: MIT */
/* The linux plugin's pure parts: header, memory map, placement, boot structures. */
#include "linux_header.h"
#include "linux_layout.h"

#include "tap.h"
#include "test_image.h"

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)

static struct lichen_why why;

static lichen_status parse(uint8_t *image, uint64_t size, struct linux_kernel *kernel)
{
	return linux_header_parse(image, size < LINUX_HEADER_BYTES ? size : LINUX_HEADER_BYTES,
				  size, kernel, &why);
}

/* The kernel that test_image.h makes. */
static struct linux_kernel good_kernel(void)
{
	static uint8_t image[IMAGE_SIZE];
	struct linux_kernel kernel;

	image_make(image);
	CHECK_EQ(0, parse(image, IMAGE_SIZE, &kernel));
	return kernel;
}

/* A guest of `size` bytes with a hole below 4 GiB and nothing reserved. */
static struct lichen_e820 plain_map(uint64_t size)
{
	struct lichen_e820 map = { .count = 0 };
	uint64_t low = size > 3 * GIB ? 3 * GIB : size;

	CHECK_EQ(0, lichen_e820_add(&map, 0, low, LICHEN_RANGE_RAM));
	if (size > low)
		CHECK_EQ(0, lichen_e820_add(&map, 4 * GIB, size - low, LICHEN_RANGE_RAM));
	return map;
}

TEST(a_good_header_is_accepted)
{
	struct linux_kernel kernel = good_kernel();

	CHECK_EQ(IMAGE_SETUP, kernel.offset);
	CHECK_EQ(IMAGE_CODE, kernel.size);
	CHECK_EQ(IMAGE_SIZE, kernel.file_size);
	CHECK_EQ(IMAGE_ROOM, kernel.room);
	CHECK_EQ(2 * MIB, kernel.align);
}

TEST(setup_sects_0_means_4)
{
	static uint8_t image[IMAGE_SIZE + 3 * 512];
	struct linux_kernel kernel;

	image_make(image);
	image_header(image)->setup_sects = 0;
	CHECK_EQ(-LICHEN_ENOEXEC, parse(image, IMAGE_SIZE, &kernel));
	CHECK_EQ(0, parse(image, sizeof(image), &kernel));
	CHECK_EQ(5 * 512, kernel.offset);
}

TEST(every_truncation_is_refused)
{
	static uint8_t image[IMAGE_SIZE];
	struct linux_kernel kernel;

	image_make(image);
	for (uint32_t size = 0; size < IMAGE_SIZE; size++)
		CHECK_EQ(-LICHEN_ENOEXEC, parse(image, size, &kernel));
	CHECK(strstr(why.text, "66559 bytes of 66560") != NULL);
	CHECK_EQ(-LICHEN_ENOEXEC, parse(image, 0, &kernel));
	CHECK(strstr(why.text, "empty") != NULL);
}

TEST(random_headers_never_give_an_unsafe_kernel)
{
	static uint8_t image[IMAGE_SIZE];
	uint64_t seed = 0x1234567;
	uint32_t accepted = 0;

	for (uint32_t round = 0; round < TAP_ROUNDS(20000); round++) {
		struct lichen_e820 map = plain_map(64 * MIB);
		struct linux_kernel kernel;
		lichen_gpa at = 0, initrd = 0;

		image_make(image);
		for (uint64_t n = image_random(&seed) % 4 + 1; n > 0; n--)
			image[0x1f1 + image_random(&seed) % 0x80] =
				(uint8_t)image_random(&seed);
		if (parse(image, IMAGE_SIZE, &kernel) < 0)
			continue;
		accepted++;
		CHECK(kernel.offset <= IMAGE_SIZE && kernel.size <= IMAGE_SIZE - kernel.offset);
		CHECK(kernel.room >= kernel.size);
		if (linux_place_kernel(&map, &kernel, &at) < 0)
			continue;
		CHECK(at >= MIB && at + kernel.room <= 64 * MIB);
		if (linux_place_initrd(&map, &kernel, at, 5000, &initrd) < 0)
			continue;
		CHECK(initrd >= MIB && initrd + 5000 <= 64 * MIB);
		CHECK(initrd + 5000 <= at || initrd >= at + kernel.room);
	}
	CHECK(accepted > TAP_ROUNDS(1000) && accepted < TAP_ROUNDS(19000));
}

TEST(the_legacy_hole_is_reserved_and_acpi_inside_it_kept)
{
	struct lichen_e820 map = { .count = 0 };

	CHECK_EQ(0, lichen_e820_add(&map, 0, 0xe0000, LICHEN_RANGE_RAM));
	CHECK_EQ(0, lichen_e820_add(&map, 0xe0000, 0x1000, LICHEN_RANGE_ACPI));
	CHECK_EQ(0, lichen_e820_add(&map, 0xe1000, 64 * MIB - 0xe1000, LICHEN_RANGE_RAM));
	CHECK_EQ(5, map.count);
	CHECK_EQ(0x9fc00, map.range[0].size);
	CHECK_EQ(LICHEN_RANGE_RESERVED, map.range[1].type);
	CHECK_EQ(0xe0000, map.range[1].gpa + map.range[1].size);
	CHECK_EQ(LICHEN_RANGE_ACPI, map.range[2].type);
	CHECK_EQ(LICHEN_RANGE_RESERVED, map.range[3].type);
	CHECK_EQ(LICHEN_RANGE_RAM, map.range[4].type);
	CHECK_EQ(MIB, map.range[4].gpa);
	CHECK_EQ(64 * MIB, lichen_e820_end(&map));
}

TEST(a_map_joins_neighbours_and_refuses_disorder)
{
	struct lichen_e820 map = { .count = 0 };

	CHECK_EQ(0, lichen_e820_add(&map, MIB, MIB, LICHEN_RANGE_RAM));
	CHECK_EQ(0, lichen_e820_add(&map, 2 * MIB, MIB, LICHEN_RANGE_RAM));
	CHECK_EQ(1, map.count);
	CHECK_EQ(1, lichen_e820_is_ram(&map, MIB, 2 * MIB));
	CHECK_EQ(0, lichen_e820_is_ram(&map, MIB, 2 * MIB + 1));
	CHECK_EQ(0, lichen_e820_is_ram(&map, 2 * MIB, UINT64_MAX));
	CHECK_EQ(-LICHEN_EINVAL, lichen_e820_add(&map, 2 * MIB, MIB, LICHEN_RANGE_RAM));
	CHECK_EQ(-LICHEN_EINVAL, lichen_e820_add(&map, 4 * MIB, UINT64_MAX, LICHEN_RANGE_RAM));
	CHECK_EQ(1, map.count);
}

TEST(a_full_map_is_refused)
{
	struct lichen_e820 map = { .count = 0 };

	for (uint32_t i = 0; i < LICHEN_E820_RANGES; i++)
		CHECK_EQ(0, lichen_e820_add(&map, MIB + i * 0x2000, 0x1000, LICHEN_RANGE_RAM));
	CHECK_EQ(-LICHEN_ENOSPC, lichen_e820_add(&map, GIB, 0x1000, LICHEN_RANGE_RAM));
}

TEST(a_kernel_goes_to_its_preferred_address)
{
	struct linux_kernel kernel = good_kernel();
	struct lichen_e820 map = plain_map(24 * MIB);
	lichen_gpa at = 0;

	CHECK_EQ(0, linux_place_kernel(&map, &kernel, &at));
	CHECK_EQ(IMAGE_PREFERRED, at);
	kernel.room++;
	CHECK_EQ(-LICHEN_ENOSPC, linux_place_kernel(&map, &kernel, &at));
	CHECK_EQ(IMAGE_PREFERRED, at);
}

TEST(a_relocatable_kernel_steps_over_a_reservation_and_another_does_not)
{
	struct linux_kernel kernel = good_kernel();
	struct lichen_e820 map = { .count = 0 };
	lichen_gpa at = 0;

	lichen_e820_add(&map, 0, 17 * MIB, LICHEN_RANGE_RAM);
	lichen_e820_add(&map, 17 * MIB, 4096, LICHEN_RANGE_RESERVED);
	lichen_e820_add(&map, 17 * MIB + 4096, 47 * MIB - 4096, LICHEN_RANGE_RAM);
	CHECK_EQ(0, linux_place_kernel(&map, &kernel, &at));
	CHECK_EQ(18 * MIB, at);
	kernel.header.relocatable_kernel = 0;
	CHECK_EQ(-LICHEN_ENOSPC, linux_place_kernel(&map, &kernel, &at));
}

TEST(a_kernel_stays_in_reach_of_the_page_tables)
{
	struct linux_kernel kernel = good_kernel();
	struct lichen_e820 map = plain_map(8 * GIB);
	lichen_gpa at = 0;

	kernel.header.pref_address = 4 * GIB;
	CHECK_EQ(-LICHEN_ENOSPC, linux_place_kernel(&map, &kernel, &at));
	kernel.header.relocatable_kernel = 0;
	CHECK_EQ(-LICHEN_ENOSPC, linux_place_kernel(&map, &kernel, &at));
	kernel.header.pref_address = UINT64_MAX;
	CHECK_EQ(-LICHEN_ENOSPC, linux_place_kernel(&map, &kernel, &at));
}

TEST(an_initrd_goes_as_high_as_allowed)
{
	struct linux_kernel kernel = good_kernel();
	struct lichen_e820 map = plain_map(6 * GIB);
	lichen_gpa at = 0;

	CHECK_EQ(0, linux_place_initrd(&map, &kernel, 16 * MIB, 5000, &at));
	CHECK_EQ(7 * GIB - 8192, at);
	kernel.header.xloadflags = XLF_KERNEL_64;
	CHECK_EQ(0, linux_place_initrd(&map, &kernel, 16 * MIB, 5000, &at));
	CHECK_EQ(2 * GIB - 8192, at);
	kernel.header.initrd_addr_max = UINT32_MAX;
	CHECK_EQ(0, linux_place_initrd(&map, &kernel, 16 * MIB, 5000, &at));
	CHECK_EQ(3 * GIB - 8192, at);
	kernel.header.initrd_addr_max = 0;
	CHECK_EQ(-LICHEN_ENOSPC, linux_place_initrd(&map, &kernel, 16 * MIB, 5000, &at));
}

TEST(an_initrd_keeps_clear_of_the_kernel)
{
	struct linux_kernel kernel = good_kernel();
	struct lichen_e820 map = plain_map(32 * MIB);
	lichen_gpa at = 0;

	CHECK_EQ(0, linux_place_initrd(&map, &kernel, 16 * MIB, 8 * MIB, &at));
	CHECK_EQ(24 * MIB, at);
	CHECK_EQ(0, linux_place_initrd(&map, &kernel, 16 * MIB, 8 * MIB + 1, &at));
	CHECK_EQ(8 * MIB - 4096, at);
	CHECK_EQ(0, linux_place_initrd(&map, &kernel, 16 * MIB, 15 * MIB, &at));
	CHECK_EQ(MIB, at);
	CHECK_EQ(-LICHEN_ENOSPC,
		 linux_place_initrd(&map, &kernel, 16 * MIB, 15 * MIB + 1, &at));
	CHECK_EQ(-LICHEN_ENOSPC, linux_place_initrd(&map, &kernel, 16 * MIB, UINT64_MAX, &at));
}

TEST(a_large_initrd_has_its_high_halves_in_the_zero_page)
{
	struct linux_kernel kernel = good_kernel();
	struct lichen_e820 map = plain_map(16 * GIB);
	const struct linux_layout layout = {
		.kernel = 32 * MIB, .initrd = 5 * GIB, .initrd_size = 6 * GIB, .rsdp = 0xe0000
	};
	struct boot_params page;

	linux_zero_page(&map, &kernel, &layout, &page);
	CHECK_EQ(GIB, page.hdr.ramdisk_image);
	CHECK_EQ(1, page.ext_ramdisk_image);
	CHECK_EQ(2 * GIB, page.hdr.ramdisk_size);
	CHECK_EQ(1, page.ext_ramdisk_size);
	CHECK_EQ(32 * MIB, page.hdr.code32_start);
	CHECK_EQ(0xe0000, page.acpi_rsdp_addr);
	CHECK_EQ(0, page.sentinel);
	CHECK_EQ(4, page.e820_entries);
	CHECK_EQ(4 * GIB, page.e820_table[3].addr);
	CHECK_EQ(13 * GIB, page.e820_table[3].size);
	kernel.header.version = 0x20d;
	linux_zero_page(&map, &kernel, &layout, &page);
	CHECK_EQ(0, page.acpi_rsdp_addr);
}

TEST(page_tables_map_every_address_below_4_gib_to_itself)
{
	static uint64_t tables[LICHEN_X86_TABLES * LICHEN_X86_TABLE_ENTRIES];
	const uint64_t frame = UINT64_C(0x000ffffffffff000);

	lichen_x86_tables(LINUX_TABLES_AT, tables);
	for (uint64_t gpa = 0x1000; gpa < 4 * GIB; gpa += 2 * MIB) {
		const uint64_t *pdpt = tables + ((tables[0] & frame) - LINUX_TABLES_AT) / 8;
		const uint64_t *directory =
			tables + ((pdpt[gpa >> 30] & frame) - LINUX_TABLES_AT) / 8;
		uint64_t entry = directory[gpa >> 21 & 511];

		CHECK_EQ(0x83, entry & 0xfff);
		CHECK_EQ(gpa, (entry & frame) + (gpa & (2 * MIB - 1)));
	}
	CHECK_EQ(0, tables[1]);
	CHECK_EQ(0, tables[512 + 4]);
}
