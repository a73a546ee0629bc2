/* SPDX-License-Identifier: MIT */
/*
 * linux_layout.c: placement and the structures of the 64-bit boot protocol,
 * "64-bit Boot Protocol" and "Details of Header Fields" in Linux's
 * Documentation/arch/x86/boot.rst; the zero page's fields as in zero-page.rst.
 */
#include "linux_layout.h"

#include <string.h>

enum {
	LINUX_LOADER_UNKNOWN = 0xff, /* type_of_loader: none assigned */
	LINUX_RSDP_SINCE = 0x20e,    /* acpi_rsdp_addr came with 2.14 */
};

_Static_assert((int)LICHEN_E820_RANGES == (int)E820_MAX_ENTRIES_ZEROPAGE,
	       "the zero page has room for every range");

lichen_status linux_place_kernel(const struct lichen_e820 *map,
				 const struct linux_kernel *kernel, lichen_gpa *at)
{
	lichen_gpa preferred = kernel->header.pref_address;
	/*
	 * Never below the preferred address: the kernel would move itself up to
	 * it, over whatever lies there.  Page tables reach to LICHEN_X86_REACH.
	 */
	lichen_gpa floor = preferred > LICHEN_E820_MIB ? preferred : LICHEN_E820_MIB;

	if (kernel->header.relocatable_kernel)
		return lichen_e820_lowest(map, floor, LICHEN_X86_REACH, kernel->align,
					  kernel->room, at);
	if (preferred < LICHEN_E820_MIB || preferred > LICHEN_X86_REACH ||
	    kernel->room > LICHEN_X86_REACH - preferred ||
	    !lichen_e820_is_ram(map, preferred, kernel->room))
		return -LICHEN_ENOSPC;
	*at = preferred;
	return 0;
}

uint64_t linux_initrd_limit(const struct linux_kernel *kernel)
{
	if (kernel->header.xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G)
		return UINT64_MAX;
	return (uint64_t)kernel->header.initrd_addr_max + 1;
}

lichen_status linux_place_initrd(const struct lichen_e820 *map,
				 const struct linux_kernel *kernel, lichen_gpa kernel_at,
				 uint64_t size, lichen_gpa *at)
{
	return lichen_e820_highest(map, linux_initrd_limit(kernel), kernel_at,
				   kernel_at + kernel->room, size, at);
}

void linux_zero_page(const struct lichen_e820 *map, const struct linux_kernel *kernel,
		     const struct linux_layout *layout, struct boot_params *page)
{
	memset(page, 0, sizeof(*page));
	page->hdr = kernel->header;
	page->hdr.type_of_loader = LINUX_LOADER_UNKNOWN;
	page->hdr.loadflags = LOADED_HIGH; /* no heap: real-mode code does not run */
	if (layout->is_random)
		page->hdr.loadflags |= KASLR_FLAG; /* the kernel randomises the rest as well */
	page->hdr.code32_start = (uint32_t)layout->kernel;
	page->hdr.heap_end_ptr = 0;
	page->hdr.setup_data = 0;
	page->hdr.cmd_line_ptr = LINUX_CMDLINE_AT;
	page->hdr.ramdisk_image = (uint32_t)layout->initrd;
	page->hdr.ramdisk_size = (uint32_t)layout->initrd_size;
	page->ext_ramdisk_image = (uint32_t)(layout->initrd >> 32);
	page->ext_ramdisk_size = (uint32_t)(layout->initrd_size >> 32);
	if (kernel->header.version >= LINUX_RSDP_SINCE)
		page->acpi_rsdp_addr = layout->rsdp;
	for (uint32_t i = 0; i < map->count; i++) {
		page->e820_table[i].addr = map->range[i].gpa;
		page->e820_table[i].size = map->range[i].size;
		page->e820_table[i].type = map->range[i].type;
	}
	page->e820_entries = (uint8_t)map->count;
}

void linux_cpu(const struct linux_layout *layout, struct lichen_cpu *cpu)
{
	lichen_x86_long(layout->entry, LINUX_GDT_AT, LINUX_TABLES_AT, cpu);
	cpu->rsi = LINUX_ZERO_PAGE_AT;
}
