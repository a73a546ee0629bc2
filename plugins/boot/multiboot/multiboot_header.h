/* SPDX-License-Identifier: MIT */
/*
 * multiboot_header.h: the header by which an image asks to be started, "OS image
 * format" of the Multiboot Specification 0.6.96.  Pure functions of the image, so
 * that they can be tested and fuzzed without a host.
 */
#ifndef MULTIBOOT_HEADER_H
#define MULTIBOOT_HEADER_H

#include <lichen/sdk/elf.h>

enum {
	MULTIBOOT_SEARCH = 8192, /* the header lies in the first so many bytes */
	MULTIBOOT_ALIGN = 4,
};

enum multiboot_flag { /* of the header; bits 0 to 15 must be understood */
		      MULTIBOOT_PAGE_ALIGN = 1 << 0, /* modules start on pages */
		      MULTIBOOT_MEMORY_INFO = 1 << 1,
		      MULTIBOOT_VIDEO = 1 << 2,
		      MULTIBOOT_ADDRESSES = 1 << 16, /* the header says what goes where */
};

/* What is to be loaded: a list of segments, as of an ELF file. */
struct multiboot_image {
	struct lichen_elf elf; /* made up where the header has addresses */
	lichen_gpa entry;      /* physical, in a segment's bytes */
	uint32_t flags;	       /* enum multiboot_flag */
	uint32_t _pad;
};

/*
 * Judges an image.  *image is written on success only, *why on failure only.
 * -LICHEN_ENOEXEC: no Multiboot image, or its numbers do not add up;
 * -LICHEN_ENOTSUP: it asks for what is not here; -LICHEN_EIO: it cannot be read.
 */
lichen_status multiboot_judge(const struct lichen_source *source, struct multiboot_image *image,
			      struct lichen_why *why);

#endif
