/* SPDX-License-Identifier: MIT */
/*
 * sdk/bzimage.h: the kernel inside a bzImage.  The payload is found by the setup
 * header's payload_offset and payload_length (Linux's Documentation/arch/x86/
 * boot.rst, protocol 2.08); its last four bytes are the size that it unpacks to.
 * Unpacked it is an ELF executable, after which a kernel that can move in virtual
 * memory has its relocations.
 *
 * A static library, lichen::bzimage, because it needs liblz4 and liblzma.
 */
#ifndef LICHEN_SDK_BZIMAGE_H
#define LICHEN_SDK_BZIMAGE_H

#include <lichen/sdk/source.h>
#include <lichen/sdk/why.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LICHEN_PAYLOAD_MAX (UINT64_C(512) << 20) /* unpacked, bytes */

enum lichen_payload_format {
	LICHEN_PAYLOAD_LZ4 = 1, /* the legacy frame: blocks of 8 MiB */
	LICHEN_PAYLOAD_XZ = 2,
};

struct lichen_payload {
	uint64_t offset;   /* in the file, bytes */
	uint64_t size;	   /* packed, without the size at its end, bytes */
	uint64_t unpacked; /* bytes, never 0, at most LICHEN_PAYLOAD_MAX */
	uint32_t format;   /* enum lichen_payload_format */
	uint32_t cmdline;  /* longest command line that the kernel takes, bytes; 0: unsaid */
};

/*
 * Finds the payload.  -LICHEN_ENOEXEC: no bzImage, or its numbers do not add up;
 * -LICHEN_ENOTSUP: packed in another way; -LICHEN_EIO: it cannot be read.  *payload
 * is written on success only, *why on failure only.  [control, any]
 */
lichen_status lichen_payload_find(const struct lichen_source *source,
				  struct lichen_payload *payload, struct lichen_why *why);

/*
 * Unpacks all of it to `to`, which has room for payload->unpacked bytes; not one
 * more is written.  -LICHEN_EBADMSG: it is damaged, or its size is not what its
 * end says; -LICHEN_ENOMEM; -LICHEN_EIO: it cannot be read.  *why is written, and
 * `to` is undefined, on failure.  [control, any]
 */
lichen_status lichen_payload_unpack(const struct lichen_source *source,
				    const struct lichen_payload *payload, void *to,
				    struct lichen_why *why);

#ifdef __cplusplus
}
#endif

#endif
