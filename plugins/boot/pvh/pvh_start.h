/* SPDX-License-Identifier: MIT */
/*
 * pvh_start.h: the start info that a PVH kernel is handed, "HVM/PVH start info" of
 * Xen's public headers (arch-x86/hvm/start_info.h), version 1.  All addresses are
 * physical, all numbers little-endian.
 *
 * Fixed, in the first 640 KiB, all of it for the kernel to reuse once it runs:
 *	0x6000	the GDT			0x7000	the start info and the module list
 *	0x8000	the memory map		0x20000	the command line, 64 KiB at most
 */
#ifndef PVH_START_H
#define PVH_START_H

#include <lichen/sdk/e820.h>

#define PVH_MAGIC 0x336ec578u
#define PVH_OWNER "Xen"

enum {
	PVH_VERSION = 1,
	PVH_NOTE_ENTRY = 18, /* XEN_ELFNOTE_PHYS32_ENTRY */
	PVH_GDT_AT = 0x6000,
	PVH_START_AT = 0x7000,
	PVH_MODULES_AT = 0x7100,
	PVH_MAP_AT = 0x8000,
	PVH_CMDLINE_AT = 0x20000,
	PVH_CMDLINE_MAX = 2047, /* bytes without the NUL: what x86 Linux takes */
	PVH_LOW_END = 0x21000,	/* past all of the above */
};

struct pvh_start {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t modules; /* how many */
	uint64_t modules_at;
	uint64_t cmdline_at; /* 0: none */
	uint64_t rsdp_at;    /* 0: none */
	uint64_t map_at;     /* from here on since version 1 */
	uint32_t map_entries;
	uint32_t reserved;
};

struct pvh_module {
	uint64_t at;
	uint64_t size; /* bytes */
	uint64_t cmdline_at;
	uint64_t reserved;
};

struct pvh_range {
	uint64_t gpa;
	uint64_t size; /* bytes */
	uint32_t type; /* as in e820 */
	uint32_t reserved;
};

_Static_assert(sizeof(struct pvh_start) == 56, "as specified");
_Static_assert(sizeof(struct pvh_module) == 32, "as specified");
_Static_assert(sizeof(struct pvh_range) == 24, "as specified");
_Static_assert(PVH_MAP_AT + LICHEN_E820_RANGES * sizeof(struct pvh_range) <= PVH_CMDLINE_AT,
	       "the map ends before the command line");

#endif
