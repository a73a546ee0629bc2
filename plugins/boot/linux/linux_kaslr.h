/* SPDX-License-Identifier: MIT */
/*
 * linux_kaslr.h: what the decompressor inside a bzImage does for KASLR, done here:
 * a random place for the kernel in physical and one in virtual memory, and the
 * relocations that follow the ELF file in the unpacked payload.  Pure functions.
 *
 * The kernel lies as its own decompressor would put it: anywhere in RAM from its
 * preferred address on, at multiples of its alignment, clear of the initrd, here
 * below 4 GiB; and anywhere in the 1 GiB that kernels have for their image.
 */
#ifndef LINUX_KASLR_H
#define LINUX_KASLR_H

#include "linux_header.h"
#include "linux_layout.h"

/* Locations that hold an address of the kernel: their virtual addresses, 32 bits each. */
struct linux_relocs {
	const uint8_t *narrow;	/* of 32-bit addresses, which move with the kernel */
	const uint8_t *inverse; /* of 32-bit differences, which move against it */
	const uint8_t *wide;	/* of 64-bit addresses */
	uint32_t narrow_count;
	uint32_t inverse_count;
	uint32_t wide_count;
	uint32_t _pad;
};

/*
 * Finds the relocations in the `size` bytes of an unpacked payload.  The pointers
 * go into it.  -LICHEN_ENOTSUP: there are none, or in a form that is not known.
 */
lichen_status linux_relocs_find(const uint8_t *bytes, uint64_t size,
				const struct lichen_elf *elf, struct linux_relocs *relocs,
				struct lichen_why *why);

/*
 * Moves the kernel in `bytes` by `delta` in virtual memory.  -LICHEN_EBADMSG: a
 * location lies outside its segments; bytes are then undefined.
 */
lichen_status linux_relocs_apply(uint8_t *bytes, const struct lichen_elf *elf,
				 const struct linux_relocs *relocs, uint32_t delta,
				 struct lichen_why *why);

/*
 * How many places in physical memory the kernel may go to, clear of
 * [taken, taken_end); *at: that of number `index`, if there is one.
 */
uint64_t linux_slots(const struct lichen_e820 *map, const struct linux_kernel *kernel,
		     lichen_gpa taken, lichen_gpa taken_end, uint64_t index, lichen_gpa *at);

/* How far at most the kernel may move up in virtual memory, in multiples of its alignment. */
uint64_t linux_virtual_slots(const struct linux_kernel *kernel);

/* 1 when the command line has words that the kernel's own decompressor heeds. */
uint32_t linux_words_place(const char *cmdline);

/* 1 when it has the word nokaslr. */
uint32_t linux_words_fixed(const char *cmdline);

#endif
