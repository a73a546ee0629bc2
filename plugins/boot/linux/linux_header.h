/* SPDX-License-Identifier: MIT */
/*
 * linux_header.h: judges a kernel file, the first bytes of a bzImage or an ELF
 * vmlinux.  Pure functions, so that they can be tested and fuzzed without a host.
 */
#ifndef LINUX_HEADER_H
#define LINUX_HEADER_H

#include <asm/bootparam.h>

#include <lichen/sdk/elf.h>
#include <lichen/sdk/why.h>

enum {
	LINUX_HEADER_AT = 0x1f1,    /* of struct setup_header, in the file and the zero page */
	LINUX_HEADER_BYTES = 0x290, /* what the parser reads at most: the header's longest */
	LINUX_PAGE = 4096,
};

/* What the rest of the plugin needs to know of a kernel file that was accepted. */
struct linux_kernel {
	struct setup_header
		header;	    /* as in the file, past its end zero; of a vmlinux: made up */
	uint64_t file_size; /* bytes that the header asks of the file */
	uint64_t offset;    /* of the protected-mode part in the file, bytes */
	uint64_t size;	    /* of that part, bytes, never 0 */
	uint64_t room;	    /* memory wanted from the load address, bytes, >= size */
	uint64_t align;	    /* of the load address, a power of two, >= LINUX_PAGE */
	uint64_t entry;	    /* of the 64-bit entry past the load address, bytes */
	uint32_t is_elf;    /* 1: a vmlinux, which goes where its segments say */
	uint32_t _pad;
};

/*
 * Judges the `count` first bytes of a file of `file_size` bytes; count is
 * LINUX_HEADER_BYTES or, in a shorter file, all of it.  *kernel is written on
 * success only, *why on failure only.  -LICHEN_ENOEXEC: not a kernel that can
 * be booted.
 */
lichen_status linux_header_parse(const uint8_t *bytes, uint64_t count, uint64_t file_size,
				 struct linux_kernel *kernel, struct lichen_why *why);

/*
 * Judges a vmlinux that lichen_elf_parse() took.  header.pref_address and room are
 * where its segments lie; of the rest of the header, which the file lacks, what the
 * zero page must say.  *kernel is written on success only, *why on failure only.
 * -LICHEN_ENOEXEC: it has no 64-bit entry in its code, or lies below 1 MiB.
 */
lichen_status linux_elf_judge(const struct lichen_elf *elf, struct linux_kernel *kernel,
			      struct lichen_why *why);

#endif
