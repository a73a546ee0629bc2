/* SPDX-License-Identifier: MIT */
/*
 * linux_header.h: judges the first bytes of a bzImage.  A pure function of a
 * buffer, so that it can be tested and fuzzed without a host.
 */
#ifndef LINUX_HEADER_H
#define LINUX_HEADER_H

#include <asm/bootparam.h>

#include <lichen/status.h>

enum {
	LINUX_HEADER_AT = 0x1f1,    /* of struct setup_header, in the file and the zero page */
	LINUX_HEADER_BYTES = 0x290, /* what the parser reads at most: the header's longest */
	LINUX_PAGE = 4096,
};

/* One sentence about a refusal, for host->error(). */
struct linux_why {
	char text[192];
};

/* What the rest of the plugin needs to know of a kernel file that was accepted. */
struct linux_kernel {
	struct setup_header header; /* as in the file; bytes past its end are zero */
	uint64_t file_size;	    /* bytes that the header asks of the file */
	uint64_t offset;	    /* of the protected-mode part in the file, bytes */
	uint64_t size;		    /* of that part, bytes, never 0 */
	uint64_t room;		    /* memory wanted from the load address, bytes, >= size */
	uint64_t align;		    /* of the load address, a power of two, >= LINUX_PAGE */
};

/*
 * Judges the `count` first bytes of a file of `file_size` bytes; count is
 * LINUX_HEADER_BYTES or, in a shorter file, all of it.  *kernel is written on
 * success only, *why on failure only.  -LICHEN_ENOEXEC: not a kernel that can
 * be booted.
 */
lichen_status linux_header_parse(const uint8_t *bytes, uint64_t count, uint64_t file_size,
				 struct linux_kernel *kernel, struct linux_why *why);

#endif
