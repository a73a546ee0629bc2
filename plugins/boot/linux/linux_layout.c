/* SPDX-License-Identifier: MIT */
/*
 * linux_layout.c: placement and the structures of the 64-bit boot protocol,
 * "64-bit Boot Protocol" and "Details of Header Fields" in Linux's
 * Documentation/arch/x86/boot.rst; the zero page's fields as in zero-page.rst.
 */
#include "linux_layout.h"

#include <string.h>

enum {
	LINUX_LEGACY_START = 0x9fc00, /* where a PC's EBDA starts, at the latest */
	LINUX_LEGACY_END = 0x100000,
	LINUX_LOADER_UNKNOWN = 0xff, /* type_of_loader: none assigned */
	LINUX_RSDP_SINCE = 0x20e,    /* acpi_rsdp_addr came with 2.14 */
	LINUX_ENTRY_64 = 0x200,	     /* past the kernel's load address */
	LINUX_TABLE_ENTRIES = 512,
	LINUX_PDE_SHIFT = 21, /* an entry of a page directory maps 2 MiB */
};

/* Bits of page table entries and of control registers (SDM 3A, 2.5 and 4.5; APM 2, 3.1). */
#define LINUX_PTE_TABLE 0x3u /* present, writable */
#define LINUX_PTE_LARGE 0x83u
#define LINUX_CR0_PE (UINT64_C(1) << 0)
#define LINUX_CR0_ET (UINT64_C(1) << 4)
#define LINUX_CR0_PG (UINT64_C(1) << 31)
#define LINUX_CR4_PAE (UINT64_C(1) << 5)
#define LINUX_EFER_LME (UINT64_C(1) << 8)
#define LINUX_EFER_LMA (UINT64_C(1) << 10)
#define LINUX_RFLAGS_FIXED UINT64_C(2)

/* Flat descriptors: accessed, present, 4 GiB. */
#define LINUX_DESCRIPTOR_CS UINT64_C(0x00af9b000000ffff)
#define LINUX_DESCRIPTOR_DS UINT64_C(0x00cf93000000ffff)

static lichen_status linux_map_append(struct linux_map *map, lichen_gpa gpa, uint64_t size,
				      uint32_t type)
{
	struct linux_range *last = map->count > 0 ? &map->range[map->count - 1] : NULL;

	if (size == 0)
		return 0;
	if (last != NULL && last->gpa + last->size == gpa && last->type == type) {
		last->size += size;
		return 0;
	}
	if (map->count == LINUX_RANGES)
		return -LICHEN_ENOSPC;
	map->range[map->count++] =
		(struct linux_range){ .gpa = gpa, .size = size, .type = type };
	return 0;
}

/* The part of [gpa, end) that lies in [from, to), appended. */
static lichen_status linux_map_part(struct linux_map *map, lichen_gpa gpa, lichen_gpa end,
				    lichen_gpa from, lichen_gpa to, uint32_t type)
{
	if (gpa < from)
		gpa = from;
	if (end > to)
		end = to;
	return gpa < end ? linux_map_append(map, gpa, end - gpa, type) : 0;
}

lichen_status linux_map_add(struct linux_map *map, lichen_gpa gpa, uint64_t size, uint32_t type)
{
	const struct linux_range *last = map->count > 0 ? &map->range[map->count - 1] : NULL;
	lichen_gpa end = gpa + size;
	lichen_status status;

	if (size > UINT64_MAX - gpa || (last != NULL && gpa < last->gpa + last->size))
		return -LICHEN_EINVAL;
	if (type != LICHEN_RANGE_RAM)
		return linux_map_append(map, gpa, size, type);

	status = linux_map_part(map, gpa, end, 0, LINUX_LEGACY_START, type);
	if (status >= 0)
		status = linux_map_part(map, gpa, end, LINUX_LEGACY_START, LINUX_LEGACY_END,
					LICHEN_RANGE_RESERVED);
	if (status >= 0)
		status = linux_map_part(map, gpa, end, LINUX_LEGACY_END, UINT64_MAX, type);
	return status;
}

uint32_t linux_map_is_ram(const struct linux_map *map, lichen_gpa gpa, uint64_t size)
{
	for (uint32_t i = 0; i < map->count; i++) {
		const struct linux_range *r = &map->range[i];

		if (r->type == LICHEN_RANGE_RAM && gpa >= r->gpa && gpa - r->gpa <= r->size &&
		    size <= r->size - (gpa - r->gpa))
			return 1;
	}
	return 0;
}

lichen_gpa linux_map_end(const struct linux_map *map)
{
	for (uint32_t i = map->count; i > 0; i--) {
		if (map->range[i - 1].type == LICHEN_RANGE_RAM)
			return map->range[i - 1].gpa + map->range[i - 1].size;
	}
	return 0;
}

/* Rounds up to a power of two; UINT64_MAX where that overflows. */
static uint64_t linux_round_up(uint64_t value, uint64_t align)
{
	return value <= UINT64_MAX - (align - 1) ? (value + align - 1) & ~(align - 1)
						 : UINT64_MAX;
}

lichen_status linux_place_kernel(const struct linux_map *map, const struct linux_kernel *kernel,
				 lichen_gpa *at)
{
	lichen_gpa preferred = kernel->header.pref_address;
	/*
	 * Never below the preferred address: the kernel would move itself up to
	 * it, over whatever lies there.  Page tables reach to LINUX_TABLES_REACH.
	 */
	lichen_gpa floor = preferred > LINUX_LEGACY_END ? preferred : LINUX_LEGACY_END;

	if (!kernel->header.relocatable_kernel) {
		if (preferred < LINUX_LEGACY_END || preferred > LINUX_TABLES_REACH ||
		    kernel->room > LINUX_TABLES_REACH - preferred ||
		    !linux_map_is_ram(map, preferred, kernel->room))
			return -LICHEN_ENOMEM;
		*at = preferred;
		return 0;
	}
	for (uint32_t i = 0; i < map->count; i++) {
		lichen_gpa gpa = map->range[i].gpa > floor ? map->range[i].gpa : floor;

		gpa = linux_round_up(gpa, kernel->align);
		if (gpa > LINUX_TABLES_REACH || kernel->room > LINUX_TABLES_REACH - gpa)
			break;
		if (linux_map_is_ram(map, gpa, kernel->room)) {
			*at = gpa;
			return 0;
		}
	}
	return -LICHEN_ENOMEM;
}

uint64_t linux_initrd_limit(const struct linux_kernel *kernel)
{
	if (kernel->header.xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G)
		return UINT64_MAX;
	return (uint64_t)kernel->header.initrd_addr_max + 1;
}

/* The highest page at which `size` bytes fit into [low, high). */
static lichen_status linux_place_high(lichen_gpa low, lichen_gpa high, uint64_t size,
				      lichen_gpa *at)
{
	lichen_gpa gpa;

	if (high <= low || size > high - low)
		return -LICHEN_ENOMEM;
	gpa = (high - size) & ~(uint64_t)(LINUX_PAGE - 1);
	if (gpa < low)
		return -LICHEN_ENOMEM;
	*at = gpa;
	return 0;
}

lichen_status linux_place_initrd(const struct linux_map *map, const struct linux_kernel *kernel,
				 lichen_gpa kernel_at, uint64_t size, lichen_gpa *at)
{
	uint64_t limit = linux_initrd_limit(kernel);
	lichen_gpa kernel_end = kernel_at + kernel->room;

	size = linux_round_up(size, LINUX_PAGE);
	for (uint32_t i = map->count; i > 0; i--) {
		const struct linux_range *r = &map->range[i - 1];
		lichen_gpa low = r->gpa > LINUX_LEGACY_END ? r->gpa : LINUX_LEGACY_END;
		lichen_gpa high = r->gpa + r->size < limit ? r->gpa + r->size : limit;

		/* Whole pages: the kernel frees its initrd by pages. */
		high &= ~(uint64_t)(LINUX_PAGE - 1);
		if (r->type != LICHEN_RANGE_RAM || high <= low)
			continue;
		if (kernel_at >= high || kernel_end <= low) {
			if (linux_place_high(low, high, size, at) >= 0)
				return 0;
			continue;
		}
		if (linux_place_high(kernel_end, high, size, at) >= 0 ||
		    linux_place_high(low, kernel_at, size, at) >= 0)
			return 0;
	}
	return -LICHEN_ENOMEM;
}

void linux_zero_page(const struct linux_map *map, const struct linux_kernel *kernel,
		     const struct linux_layout *layout, struct boot_params *page)
{
	memset(page, 0, sizeof(*page));
	page->hdr = kernel->header;
	page->hdr.type_of_loader = LINUX_LOADER_UNKNOWN;
	page->hdr.loadflags = LOADED_HIGH; /* no heap: real-mode code does not run */
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

void linux_gdt(uint64_t gdt[LINUX_GDT_ENTRIES])
{
	memset(gdt, 0, LINUX_GDT_ENTRIES * sizeof(*gdt));
	gdt[LINUX_CS / 8] = LINUX_DESCRIPTOR_CS;
	gdt[LINUX_DS / 8] = LINUX_DESCRIPTOR_DS;
}

void linux_page_tables(uint64_t *entries)
{
	uint64_t *pdpt = entries + LINUX_TABLE_ENTRIES;
	uint64_t *directories = pdpt + LINUX_TABLE_ENTRIES;
	uint32_t count = (LINUX_TABLES - 2) * LINUX_TABLE_ENTRIES;

	memset(entries, 0, (size_t)LINUX_TABLES * LINUX_PAGE);
	entries[0] = (LINUX_TABLES_AT + LINUX_PAGE) | LINUX_PTE_TABLE;
	for (uint32_t i = 0; i < LINUX_TABLES - 2; i++)
		pdpt[i] = (LINUX_TABLES_AT + (2 + i) * LINUX_PAGE) | LINUX_PTE_TABLE;
	for (uint32_t i = 0; i < count; i++)
		directories[i] = (uint64_t)i << LINUX_PDE_SHIFT | LINUX_PTE_LARGE;
}

void linux_cpu(const struct linux_layout *layout, struct lichen_cpu *cpu)
{
	const struct lichen_segment code = { .limit = UINT32_MAX,
					     .selector = LINUX_CS,
					     .type = 0xb,
					     .s = 1,
					     .present = 1,
					     .l = 1,
					     .g = 1 };
	const struct lichen_segment data = { .limit = UINT32_MAX,
					     .selector = LINUX_DS,
					     .type = 0x3,
					     .s = 1,
					     .present = 1,
					     .db = 1,
					     .g = 1 };

	memset(cpu, 0, sizeof(*cpu));
	cpu->struct_size = (uint32_t)sizeof(*cpu);
	cpu->rip = layout->kernel + LINUX_ENTRY_64;
	cpu->rsi = LINUX_ZERO_PAGE_AT;
	cpu->rflags = LINUX_RFLAGS_FIXED; /* interrupts off */
	cpu->cr0 = LINUX_CR0_PE | LINUX_CR0_ET | LINUX_CR0_PG;
	cpu->cr3 = LINUX_TABLES_AT;
	cpu->cr4 = LINUX_CR4_PAE;
	cpu->efer = LINUX_EFER_LME | LINUX_EFER_LMA;
	cpu->cs = code;
	cpu->ds = cpu->es = cpu->fs = cpu->gs = cpu->ss = data;
	/* A busy 64-bit TSS, which VM entry wants (SDM 3C, 27.3.1.2); the LDT is absent. */
	cpu->tr = (struct lichen_segment){ .limit = 0x67, .type = 0xb, .present = 1 };
	cpu->gdt_base = LINUX_GDT_AT;
	cpu->gdt_limit = LINUX_GDT_ENTRIES * 8 - 1;
}
