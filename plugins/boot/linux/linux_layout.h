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

#include <lichen/sdk/e820.h>
#include <lichen/sdk/x86.h>

#include "linux_header.h"

enum {
	LINUX_GDT_AT = 0x6000,
	LINUX_ZERO_PAGE_AT = 0x7000,
	LINUX_TABLES_AT = 0x9000,
	LINUX_CMDLINE_AT = 0x20000,
	LINUX_CMDLINE_MAX = 0xffff, /* bytes without the NUL */
	LINUX_LOW_END = 0x30000,    /* past all of the above */
};

/* Where everything that is loaded goes. */
struct linux_layout {
	lichen_gpa kernel;    /* of its protected-mode part, or a vmlinux's lowest segment */
	lichen_gpa entry;     /* of its 64-bit code */
	lichen_gpa initrd;    /* a multiple of LINUX_PAGE; 0 where there is none */
	uint64_t initrd_size; /* bytes; 0: none */
	lichen_gpa rsdp;      /* 0: let the kernel look for it */
	uint32_t is_random;   /* 1: KASLR has been done */
	uint32_t _pad;
};

/* Finds room for a bzImage, at its preferred address if that can be.
 * -LICHEN_ENOSPC: there is none, *at is untouched. */
lichen_status linux_place_kernel(const struct lichen_e820 *map,
				 const struct linux_kernel *kernel, lichen_gpa *at);

/* The first address that the initrd may not reach; UINT64_MAX: no limit. */
uint64_t linux_initrd_limit(const struct linux_kernel *kernel);

/* Finds the highest room for `size` bytes (> 0) of initrd beside the kernel at kernel_at.
 * -LICHEN_ENOSPC: there is none, *at is untouched. */
lichen_status linux_place_initrd(const struct lichen_e820 *map,
				 const struct linux_kernel *kernel, lichen_gpa kernel_at,
				 uint64_t size, lichen_gpa *at);

/* Fills the zero page: header, loader's fields, e820 table. */
void linux_zero_page(const struct lichen_e820 *map, const struct linux_kernel *kernel,
		     const struct linux_layout *layout, struct boot_params *page);

/* Sets the boot vCPU for the 64-bit entry. */
void linux_cpu(const struct linux_layout *layout, struct lichen_cpu *cpu);

#endif
