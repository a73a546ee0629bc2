/* SPDX-License-Identifier: MIT */
/* state_memory.c: guest memory in a stream.  See state.h. */
#include <string.h>

#include "memory_map.h"
#include "state.h"

enum { FW_PAGE = 4096 };

static int fw_page_is_zero(const uint8_t *page)
{
	return page[0] == 0 && memcmp(page, page + 1, FW_PAGE - 1) == 0;
}

/* Bytes from `at`, a page, on that are pages of one sort: zero, or not. */
static uint64_t fw_memory_stretch(const struct fw_piece *piece, uint64_t at, int zero)
{
	uint64_t end = at;

	while (end < piece->size && fw_page_is_zero(piece->host + end) == zero)
		end += FW_PAGE;
	return end - at;
}

void fw_memory_save(const struct fw_memory *memory, struct fw_buffer *out)
{
	for (uint32_t i = 0; i < memory->piece_count; i++) {
		const struct fw_piece *piece = &memory->pieces[i];

		for (uint64_t at = 0; at < piece->size && !out->failed;) {
			const uint64_t run = fw_memory_stretch(piece, at, 0);

			if (run) {
				fw_put_u64(out, piece->gpa + at);
				fw_put_u64(out, run);
				fw_put(out, piece->host + at, run);
			}
			at += run;
			at += fw_memory_stretch(piece, at, 1);
		}
	}
}

/* The next run; 0: there is none. */
static int fw_memory_run(struct fw_reader *in, lichen_gpa *gpa, uint64_t *size,
			 const uint8_t **bytes)
{
	if (fw_take_u64(in, gpa) < 0 || fw_take_u64(in, size) < 0)
		return 0;
	*bytes = fw_take(in, *size);
	return *bytes != NULL;
}

lichen_status fw_memory_check(const struct fw_memory *memory, struct fw_reader in,
			      struct ld_error *error)
{
	uint64_t size, next = 0;
	const uint8_t *bytes;
	lichen_gpa gpa;

	while (in.left) {
		if (!fw_memory_run(&in, &gpa, &size, &bytes)) {
			ld_error_set(error, "state of memory: ends within a run of pages");
			return -LICHEN_EBADMSG;
		}
		if (size == 0 || size % FW_PAGE || gpa % FW_PAGE || gpa < next ||
		    !fw_memory_at(memory, gpa, size)) {
			ld_error_set(error,
				     "state of memory: %llu bytes at 0x%llx: not whole pages "
				     "of RAM in order",
				     (unsigned long long)size, (unsigned long long)gpa);
			return -LICHEN_EBADMSG;
		}
		next = gpa + size;
	}
	return 0;
}

/* Pages that are zero already are not written, and so not allocated. */
static void fw_memory_zero(const struct fw_piece *piece, uint64_t at, uint64_t end)
{
	for (; at < end; at += FW_PAGE)
		if (!fw_page_is_zero(piece->host + at))
			memset(piece->host + at, 0, FW_PAGE);
}

void fw_memory_load(const struct fw_memory *memory, struct fw_reader in)
{
	const uint8_t *bytes = NULL;
	uint64_t size = 0;
	lichen_gpa gpa = 0;
	int more = fw_memory_run(&in, &gpa, &size, &bytes);

	for (uint32_t i = 0; i < memory->piece_count; i++) {
		const struct fw_piece *piece = &memory->pieces[i];
		uint64_t at = 0;

		while (more && gpa >= piece->gpa && gpa - piece->gpa < piece->size) {
			fw_memory_zero(piece, at, gpa - piece->gpa);
			at = gpa - piece->gpa;
			memcpy(piece->host + at, bytes, size);
			at += size;
			more = fw_memory_run(&in, &gpa, &size, &bytes);
		}
		fw_memory_zero(piece, at, piece->size);
	}
}
