/* SPDX-License-Identifier: MIT */
/*
 * linux_layout.h: where the kernel, its initrd and the structures of the boot
 * protocol go.  Pure functions of the guest's memory map and the header.
 *
 * Fixed, in the first 640 KiB, all of it for the kernel to reuse once it runs:
 *	0x6000	the GDT			0x7000	boot_params, the "zero page"
 *	0x9000	page tables, 24 KiB	0x20000	the command line, 64 KiB at most
 */
#ifndef LINUX_LAYOUT_H
#define LINUX_LAYOUT_H

#include <lichen/boot.h>
#include <lichen/memory.h>

#include "linux_header.h"

enum {
	LINUX_GDT_AT = 0x6000,
	LINUX_ZERO_PAGE_AT = 0x7000,
	LINUX_TABLES_AT = 0x9000,
	LINUX_TABLES = 6, /* pages: PML4, PDPT, four of 2 MiB entries: 4 GiB */
	LINUX_CMDLINE_AT = 0x20000,
	LINUX_CMDLINE_MAX = 0xffff, /* bytes without the NUL */
	LINUX_LOW_END = 0x30000,    /* past all of the above */
	LINUX_CS = 0x10,	    /* __BOOT_CS */
	LINUX_DS = 0x18,	    /* __BOOT_DS */
	LINUX_GDT_ENTRIES = 4,
	LINUX_RANGES = 128, /* entries of the zero page's e820 table */
};

#define LINUX_TABLES_REACH (UINT64_C(4) << 30) /* bytes mapped from 0 */

struct linux_range {
	lichen_gpa gpa;
	uint64_t size; /* bytes, never 0 */
	uint32_t type; /* enum lichen_range_type */
	uint32_t _pad;
};

/* Sorted, without overlaps, neighbours of one type joined. */
struct linux_map {
	uint32_t count;
	uint32_t _pad;
	struct linux_range range[LINUX_RANGES];
};

/* Where everything that is loaded goes. */
struct linux_layout {
	lichen_gpa kernel;    /* of its protected-mode part */
	lichen_gpa initrd;    /* a multiple of LINUX_PAGE; 0 where there is none */
	uint64_t initrd_size; /* bytes; 0: none */
	lichen_gpa rsdp;      /* 0: let the kernel look for it */
};

/*
 * Appends a range as the host reports it, in ascending order.  RAM in what a
 * PC keeps for its EBDA, video memory and ROMs, [0x9fc00, 0x100000), becomes
 * reserved.  -LICHEN_ENOSPC: the table is full; -LICHEN_EINVAL: out of order
 * or past the end of the address space.
 */
lichen_status linux_map_add(struct linux_map *map, lichen_gpa gpa, uint64_t size,
			    uint32_t type);

/* 1 when all of [gpa, gpa + size) is RAM, else 0. */
uint32_t linux_map_is_ram(const struct linux_map *map, lichen_gpa gpa, uint64_t size);

/* The end of the highest RAM range; 0 for none. */
lichen_gpa linux_map_end(const struct linux_map *map);

/* Finds room for the kernel, at its preferred address if that can be.
 * -LICHEN_ENOMEM: there is none, *at is untouched. */
lichen_status linux_place_kernel(const struct linux_map *map, const struct linux_kernel *kernel,
				 lichen_gpa *at);

/* The first address that the initrd may not reach; UINT64_MAX: no limit. */
uint64_t linux_initrd_limit(const struct linux_kernel *kernel);

/* Finds the highest room for `size` bytes (> 0) of initrd beside the kernel at kernel_at.
 * -LICHEN_ENOMEM: there is none, *at is untouched. */
lichen_status linux_place_initrd(const struct linux_map *map, const struct linux_kernel *kernel,
				 lichen_gpa kernel_at, uint64_t size, lichen_gpa *at);

/* Fills the zero page: header, loader's fields, e820 table. */
void linux_zero_page(const struct linux_map *map, const struct linux_kernel *kernel,
		     const struct linux_layout *layout, struct boot_params *page);

/* Fills the GDT; identity maps the first 4 GiB in LINUX_TABLES pages that lie at
 * LINUX_TABLES_AT; sets the boot vCPU for the 64-bit entry. */
void linux_gdt(uint64_t gdt[LINUX_GDT_ENTRIES]);
void linux_page_tables(uint64_t *entries);
void linux_cpu(const struct linux_layout *layout, struct lichen_cpu *cpu);

#endif
