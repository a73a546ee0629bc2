/* SPDX-License-Identifier: MIT */
/*
 * multiboot_info.h: what the image is told, "Boot information format" of the
 * Multiboot Specification 0.6.96.  All addresses are physical.
 *
 * Fixed, in the first 640 KiB, all of it for the guest to reuse once it runs:
 *	0x400	the BIOS data area: where the EBDA is, how much memory there is below it
 *	0x6000	the GDT			0x7000	the information, module list, name
 *	0x8000	the memory map		0x20000	the command lines, 32 KiB each at most
 */
#ifndef MULTIBOOT_INFO_H
#define MULTIBOOT_INFO_H

#include <lichen/sdk/e820.h>

#define MULTIBOOT_EAX 0x2badb002u /* by which the image knows that it is started so */

enum {
	MULTIBOOT_EBDA_AT = 0x40e,  /* 16 bits: segment of the EBDA, which ends lower memory */
	MULTIBOOT_LOWER_AT = 0x413, /* 16 bits: lower memory, KiB */
	MULTIBOOT_GDT_AT = 0x6000,
	MULTIBOOT_INFO_AT = 0x7000,
	MULTIBOOT_MODULES_AT = 0x7100,
	MULTIBOOT_NAME_AT = 0x7200,
	MULTIBOOT_MAP_AT = 0x8000,
	MULTIBOOT_CMDLINE_AT = 0x20000,
	MULTIBOOT_MODULE_CMDLINE_AT = 0x28000,
	MULTIBOOT_CMDLINE_MAX = 0x7f00, /* bytes without the first word and the NUL */
	MULTIBOOT_LOW_END = 0x30000,	/* past all of the above */
};

enum multiboot_info_flag {
	MULTIBOOT_INFO_MEMORY = 1 << 0,
	MULTIBOOT_INFO_CMDLINE = 1 << 2,
	MULTIBOOT_INFO_MODULES = 1 << 3,
	MULTIBOOT_INFO_MAP = 1 << 6,
	MULTIBOOT_INFO_NAME = 1 << 9,
};

struct multiboot_info {
	uint32_t flags;	    /* enum multiboot_info_flag: which members hold something */
	uint32_t mem_lower; /* KiB from 0, at most 640 */
	uint32_t mem_upper; /* KiB from 1 MiB to the first hole */
	uint32_t boot_device;
	uint32_t cmdline;
	uint32_t mods_count;
	uint32_t mods_addr;
	uint32_t syms[4];
	uint32_t mmap_length; /* bytes */
	uint32_t mmap_addr;
	uint32_t drives_length;
	uint32_t drives_addr;
	uint32_t config_table;
	uint32_t boot_loader_name;
	uint32_t apm_table;
	uint32_t vbe_and_framebuffer[13];
};

struct multiboot_module {
	uint32_t start;
	uint32_t end; /* past its last byte */
	uint32_t cmdline;
	uint32_t reserved;
};

struct multiboot_range {
	uint32_t size; /* bytes of what follows: 20 */
	uint32_t gpa_low, gpa_high;
	uint32_t size_low, size_high; /* bytes */
	uint32_t type;		      /* as in e820 */
};

_Static_assert(sizeof(struct multiboot_info) == 124, "without a hole");
_Static_assert(sizeof(struct multiboot_info) <= MULTIBOOT_MODULES_AT - MULTIBOOT_INFO_AT,
	       "the information ends before the module list");
_Static_assert(MULTIBOOT_MAP_AT + LICHEN_E820_RANGES * sizeof(struct multiboot_range) <=
		       MULTIBOOT_CMDLINE_AT,
	       "the map ends before the command lines");

#endif
