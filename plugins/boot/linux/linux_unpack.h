/* SPDX-License-Identifier: MIT */
/*
 * linux_unpack.h: the kernel inside a bzImage, unpacked on the host instead of by the
 * guest's first code, in the memory where it is to run, as that code does it.
 */
#ifndef LINUX_UNPACK_H
#define LINUX_UNPACK_H

#include <lichen/sdk/bzimage.h>

#include "linux_kaslr.h"

/*
 * How far below the kernel's place it is unpacked: kernels of today are linked so that the
 * ELF file has as much before the first segment, most of which then need not be moved.
 */
#define LINUX_HEAD (UINT64_C(2) << 20)

/*
 * Chooses the kernel's place in physical memory: *at, clear of [taken, taken_end).
 * -LICHEN_ENOSPC: there is none; -LICHEN_EIO: no random number.  [control, any]
 */
lichen_status linux_unpack_place(const struct lichen_e820 *map,
				 const struct linux_kernel *image, lichen_gpa taken,
				 lichen_gpa taken_end, lichen_gpa *at, struct lichen_why *why);

/* Memory that linux_unpack() wants from LINUX_HEAD below the kernel's place on, bytes. */
uint64_t linux_unpack_room(const struct linux_kernel *image,
			   const struct lichen_payload *payload);

/*
 * Unpacks the kernel of `file`, judged as `image`, to `bytes` + LINUX_HEAD; `bytes` has
 * linux_unpack_room().  is_random: at a random place in virtual memory; else where it was
 * linked for.  *entry: past its first byte.  -LICHEN_ENOTSUP: its own code has to do it;
 * -LICHEN_ENOEXEC, -LICHEN_EBADMSG: it is damaged; -LICHEN_ENOMEM, -LICHEN_EIO.  *why is
 * written, and `bytes` is undefined, on failure.  [control, any]
 */
lichen_status linux_unpack(const struct lichen_source *file, const struct linux_kernel *image,
			   const struct lichen_payload *payload, uint32_t is_random,
			   uint8_t *bytes, uint64_t *entry, struct lichen_why *why);

#endif
