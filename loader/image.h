/* SPDX-License-Identifier: MIT */
/*
 * image.h: reads a shared object from a buffer, as the dynamic linker will see
 * it: by its program headers (gABI, "Program Loading and Dynamic Linking"), not
 * by its sections.  Every number in it is hostile.  What passes here neither
 * makes the dynamic linker crash nor runs code where there is none.
 */
#ifndef LD_IMAGE_H
#define LD_IMAGE_H

#include <elf.h>
#include <stdbool.h>

#include <lichen/status.h>

#include "error.h"

enum { LD_SEGMENTS_MAX = 64 }; /* program headers; linkers write about ten */

struct ld_image {
	const unsigned char *bytes;
	size_t size;
	const char *subject; /* names the file in sentences; borrowed */
	uint32_t count;
	Elf64_Phdr segments[LD_SEGMENTS_MAX];
	bool nodelete; /* linked with -z nodelete; known after ld_image_dynamic */
};

/*
 * Checks that the buffer is a shared object for this machine whose segments are
 * whole.  The image borrows bytes and subject.  -LICHEN_ENOEXEC.
 */
lichen_status ld_image_open(struct ld_image *image, const void *bytes, size_t size,
			    const char *subject, struct ld_error *error);

/*
 * Checks the dynamic section and that the only symbols exported are plugin
 * entries, this host's among them.  -LICHEN_ENOEXEC.
 */
lichen_status ld_image_dynamic(struct ld_image *image, struct ld_error *error);

/*
 * Checks the size that the class begins with against `compiled`, the note's, as far as the file
 * tells where its class is.  -LICHEN_ENOEXEC.
 */
lichen_status ld_image_class(const struct ld_image *image, uint32_t compiled,
			     struct ld_error *error);

/* Copies `n` bytes at file offset `offset`; false where the image ends before. */
bool ld_image_read(const struct ld_image *image, uint64_t offset, void *to, size_t n);

/*
 * The file offset of [address, address + n), which one loaded segment must hold
 * in bytes of the file and with the PF_... of `flags`; false where none does.
 */
bool ld_image_at(const struct ld_image *image, uint64_t address, uint64_t n, uint32_t flags,
		 uint64_t *offset);

#endif
