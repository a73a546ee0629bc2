/* SPDX-License-Identifier: MIT */
/*
 * patch.h: input as changes to a good stream, so that what lies deep in it is reached and
 * corpora outlive changes of its format.  Its first byte odd: the rest is the stream itself.
 */
#ifndef FUZZ_PATCH_H
#define FUZZ_PATCH_H

#include "state_stream.h"

#include "fuzz.h"

enum { FUZZ_PATCHES = 64 };

static inline void fuzz_patch_one(struct fuzz_input *in, struct fw_buffer *out)
{
	const uint32_t what = fuzz_u8(in);
	const uint64_t at = fuzz_number(in, 2) % (out->size + 1);
	uint64_t left = out->size - at;
	size_t size = 1u << what / 16 % 4;
	const uint8_t *bytes;

	switch (what % 4) {
	case 0: /* 1, 2, 4 or 8 bytes become others */
		bytes = fuzz_bytes(in, &size);
		memcpy(out->bytes + at, bytes, size < left ? size : left);
		break;
	case 1: /* bytes more */
		size = what / 4;
		bytes = fuzz_bytes(in, &size);
		FUZZ_CHECK(fw_buffer_extend(out, size));
		memmove(out->bytes + at + size, out->bytes + at, left);
		memcpy(out->bytes + at, bytes, size);
		break;
	case 2: /* bytes less */
		size = what / 4 < left ? what / 4 : left;
		memmove(out->bytes + at, out->bytes + at + size, left - size);
		out->size -= size;
		break;
	default: /* it ends here */
		out->size = at;
		break;
	}
}

/* The stream that the input makes of `good`. */
static inline void fuzz_patch(const uint8_t *bytes, size_t size, const struct fw_buffer *good,
			      struct fw_buffer *out)
{
	struct fuzz_input in = { bytes, size };

	out->size = 0;
	if (fuzz_u8(&in) % 2) {
		fw_put(out, in.at, in.left);
		return;
	}
	fw_put(out, good->bytes, good->size);
	for (uint32_t i = 0; i < FUZZ_PATCHES && in.left; i++)
		fuzz_patch_one(&in, out);
}

#endif
