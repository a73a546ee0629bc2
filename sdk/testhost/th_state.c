/* SPDX-License-Identifier: MIT */
/*
 * th_state.c: the declared state of an instance as bytes, and back: fields in the order
 * declared, values as they lie in memory, counts and parts of blobs with their lengths
 * before them; then windows of RAM.  No names and no types: the reader has the same class.
 */
#include "th.h"

#include <stdlib.h>
#include <string.h>

enum { TH_PART = 4096 }; /* bytes of a blob at a time */

/* Either way: bytes are appended, or taken from `at` on. */
struct th_bytes {
	struct th *th;
	uint8_t *bytes;
	uint32_t size, at;
	int saves;
};

static void th_table_move(struct th_bytes *b, const struct lichen_table *table, uint8_t *base);

static void th_move(struct th_bytes *b, void *value, uint32_t size)
{
	if (b->saves) {
		uint8_t *more = realloc(b->bytes, (size_t)b->size + size);

		if (!more)
			th_fail(b->th, "th_save", "out of memory");
		b->bytes = more;
		memcpy(b->bytes + b->size, value, size);
		b->size += size;
		return;
	}
	if (size > b->size - b->at)
		th_fail(b->th, "th_restore", "%u bytes are no state of this class", b->size);
	memcpy(value, b->bytes + b->at, size);
	b->at += size;
}

/* Parts until one of no bytes. */
static void th_blob_save(struct th_bytes *b, const struct lichen_field *f)
{
	uint8_t part[TH_PART];
	uint32_t size = 0, none = 0;
	lichen_status status = 1;

	while (status > 0) {
		status = f->blob->save(b->th->self, f->cookie, part, TH_PART, &size);
		if (status < 0 || size > TH_PART || (size == 0 && status > 0))
			th_fail(b->th, f->name, "a part of %u bytes, status %d", size, status);
		if (size == 0)
			break;
		th_move(b, &size, sizeof(size));
		th_move(b, part, size);
	}
	th_move(b, &none, sizeof(none));
}

static void th_blob_load(struct th_bytes *b, const struct lichen_field *f)
{
	uint8_t part[TH_PART];
	uint32_t size;

	for (th_move(b, &size, sizeof(size)); size; th_move(b, &size, sizeof(size))) {
		if (size > TH_PART)
			th_fail(b->th, "th_restore", "%s: a part of %u bytes", f->name, size);
		th_move(b, part, size);
		if (f->blob->load(b->th->self, f->cookie, part, size) < 0)
			th_fail(b->th, f->name, "refuses what it saved");
	}
}

static void th_field_move(struct th_bytes *b, const struct lichen_field *f, uint8_t *base)
{
	uint32_t used = f->count ? f->count : 1;

	if (f->type == LICHEN_BLOB) {
		if (b->saves)
			th_blob_save(b, f);
		else
			th_blob_load(b, f);
		return;
	}
	if (f->flags & LICHEN_FIELD_COUNTED) {
		memcpy(&used, base + f->used, sizeof(used));
		th_move(b, &used, sizeof(used));
		if (used > f->count)
			th_fail(b->th, f->name, "%u elements, above %u", used, f->count);
		memcpy(base + f->used, &used, sizeof(used));
	}
	for (uint32_t i = 0; i < used; i++) {
		uint8_t *at = base + f->offset + (size_t)i * f->size;

		if (f->type == LICHEN_NESTED || f->type == LICHEN_LIST)
			th_table_move(b, &f->fields, at);
		else
			th_move(b, at, f->size);
	}
}

static void th_table_move(struct th_bytes *b, const struct lichen_table *table, uint8_t *base)
{
	const uint8_t *item = table->items;

	for (uint32_t i = 0; i < table->count; i++, item += table->item_size) {
		struct lichen_field field = { 0 };

		memcpy(&field, item,
		       table->item_size < sizeof(field) ? table->item_size : sizeof(field));
		th_field_move(b, &field, base);
	}
}

static void th_windows_move(struct th_bytes *b)
{
	for (uint32_t i = 0; i < b->th->class.windows.count; i++)
		if (th_window(b->th, i)->kind == LICHEN_RAM)
			th_move(b, th_window_memory(b->th, i),
				(uint32_t)th_window(b->th, i)->size);
}

lichen_status th_save(struct th *th, uint8_t **bytes, uint32_t *size)
{
	struct th_bytes b = { .th = th, .saves = 1 };
	struct th_frame frame;
	lichen_status status;

	if (th->state != TH_RUNNING)
		th_fail(th, "th_save", "the instance does not run");
	status = th_pause(th);
	if (status < 0)
		return status;
	if (th->class.pre_save) {
		th_begin(th, &frame, "pre_save", TH_CONTROL);
		status = th->class.pre_save(th->self);
		th_end(th, &frame);
	}
	if (status >= 0) {
		th_table_move(&b, &th->class.state, th->self);
		th_windows_move(&b);
	}
	th_resume(th);
	if (status < 0)
		return status;
	*bytes = b.bytes;
	*size = b.size;
	return 0;
}

lichen_status th_restore(struct th *th, const uint8_t *bytes, uint32_t size)
{
	struct th_bytes b = { .th = th, .size = size };
	struct th_frame frame;
	lichen_status status;

	if (th->state != TH_RUNNING)
		th_fail(th, "th_restore", "the instance does not run");
	status = th_pause(th);
	if (status < 0)
		return status;
	b.bytes = th_alloc((uint64_t)size + 1);
	if (size) /* th_save() gives NULL for nothing */
		memcpy(b.bytes, bytes, size);
	th_table_move(&b, &th->class.state, th->self);
	th_windows_move(&b);
	if (b.at != size)
		th_fail(th, "th_restore", "%u bytes after the state", size - b.at);
	free(b.bytes);
	if (th->class.post_load) {
		th_begin(th, &frame, "post_load", TH_CONTROL);
		status = th->class.post_load(th->self, th->class.state_version);
		th_end(th, &frame);
	}
	th_resume(th);
	return status;
}
