/* SPDX-License-Identifier: MIT */
/* state_memory.c: guest memory, and windows of it, in a stream.  See state.h. */
#include <string.h>

#include "state.h"

enum { FW_PAGE = 4096 };

static int fw_page_is_zero(const uint8_t *page)
{
	return page[0] == 0 && memcmp(page, page + 1, FW_PAGE - 1) == 0;
}

/* Bytes from `at`, a page, on that are pages of one sort: zero, or not. */
static uint64_t fw_pages_stretch(const struct fw_pages *pages, uint64_t at, int zero)
{
	uint64_t end = at;

	while (end < pages->size && fw_page_is_zero(pages->host + end) == zero)
		end += FW_PAGE;
	return end - at;
}

void fw_pages_save(const struct fw_pages *pages, struct fw_buffer *out)
{
	for (uint64_t at = 0; at < pages->size && !out->failed;) {
		const uint64_t run = fw_pages_stretch(pages, at, 0);

		if (run) {
			fw_put_u64(out, pages->base + at);
			fw_put_u64(out, run);
			fw_put(out, pages->host + at, run);
		}
		at += run;
		at += fw_pages_stretch(pages, at, 1);
	}
}

/* The next run; 0: there is none. */
static int fw_pages_run(struct fw_reader *in, uint64_t *at, uint64_t *size,
			const uint8_t **bytes)
{
	if (fw_take_u64(in, at) < 0 || fw_take_u64(in, size) < 0)
		return 0;
	*bytes = fw_take(in, *size);
	return *bytes != NULL;
}

/* Whether [at, at + size) lies in one of them. */
static int fw_pages_hold(const struct fw_pages *pages, uint32_t count, uint64_t at,
			 uint64_t size)
{
	for (uint32_t i = 0; i < count; i++)
		if (at >= pages[i].base && at - pages[i].base < pages[i].size &&
		    size <= pages[i].size - (at - pages[i].base))
			return 1;
	return 0;
}

lichen_status fw_pages_check(const struct fw_pages *pages, uint32_t count, struct fw_reader in,
			     struct ld_error *error)
{
	uint64_t size, at, next = 0;
	const uint8_t *bytes;

	while (in.left) {
		if (!fw_pages_run(&in, &at, &size, &bytes)) {
			ld_error_set(error, "ends within a run of pages");
			return -LICHEN_EBADMSG;
		}
		if (size == 0 || size % FW_PAGE || at % FW_PAGE || at < next ||
		    !fw_pages_hold(pages, count, at, size)) {
			ld_error_set(error,
				     "%llu bytes at 0x%llx: not whole pages of RAM in order",
				     (unsigned long long)size, (unsigned long long)at);
			return -LICHEN_EBADMSG;
		}
		next = at + size;
	}
	return 0;
}

/* Pages that are zero already are not written, and so not allocated. */
static void fw_pages_zero(const struct fw_pages *pages, uint64_t at, uint64_t end)
{
	for (; at < end; at += FW_PAGE)
		if (!fw_page_is_zero(pages->host + at))
			memset(pages->host + at, 0, FW_PAGE);
}

void fw_pages_load(const struct fw_pages *pages, uint32_t count, struct fw_reader in)
{
	const uint8_t *bytes = NULL;
	uint64_t size = 0, start = 0;
	int more = fw_pages_run(&in, &start, &size, &bytes);

	for (uint32_t i = 0; i < count; i++) {
		uint64_t at = 0;

		while (more && start >= pages[i].base &&
		       start - pages[i].base < pages[i].size) {
			fw_pages_zero(&pages[i], at, start - pages[i].base);
			at = start - pages[i].base;
			memcpy(pages[i].host + at, bytes, size);
			at += size;
			more = fw_pages_run(&in, &start, &size, &bytes);
		}
		fw_pages_zero(&pages[i], at, pages[i].size);
	}
}

uint32_t fw_memory_pages(const struct fw_memory *memory, struct fw_pages *pages)
{
	for (uint32_t i = 0; i < memory->piece_count; i++)
		pages[i] = (struct fw_pages){ .host = memory->pieces[i].host,
					      .base = memory->pieces[i].gpa,
					      .size = memory->pieces[i].size };
	return memory->piece_count;
}
