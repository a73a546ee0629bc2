/* SPDX-License-Identifier: MIT */
/* state_field.c: see state_field.h; writing, and what reading shares with it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state_field_internal.h"

uint32_t fw_field_size(uint32_t type)
{
	switch (type) {
	case LICHEN_U8:
	case LICHEN_S8:
	case LICHEN_BOOL:
		return 1;
	case LICHEN_U16:
	case LICHEN_S16:
		return 2;
	case LICHEN_U32:
	case LICHEN_S32:
	case LICHEN_CHOICE:
		return 4;
	case LICHEN_U64:
	case LICHEN_S64:
		return 8;
	default:
		return 0;
	}
}

/* --- where we are, for sentences --- */

uint32_t fw_path_enter(struct fw_field_path *path, const char *name)
{
	const uint32_t before = path->size;
	const uint32_t room = (uint32_t)sizeof(path->text) - before;
	const int more = snprintf(path->text + before, room, "%s%s", before ? "." : "", name);

	if (more > 0)
		path->size += (uint32_t)more < room ? (uint32_t)more : room - 1;
	return before;
}

void fw_path_element(struct fw_field_path *path, uint64_t index)
{
	const uint32_t room = (uint32_t)sizeof(path->text) - path->size;
	const int more =
		snprintf(path->text + path->size, room, "[%llu]", (unsigned long long)index);

	if (more > 0)
		path->size += (uint32_t)more < room ? (uint32_t)more : room - 1;
}

void fw_path_leave(struct fw_field_path *path, uint32_t before)
{
	path->size = before;
	path->text[before] = '\0';
}

void fw_field_blame(const struct fw_field_path *path, struct ld_error *error,
		    const char *format, ...)
{
	char why[160];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	ld_error_set(error, "field %s: %s", path->text, why);
}

/* --- writing --- */

struct fw_save {
	void *self;
	struct fw_buffer *out;
	struct ld_error *error;
	struct fw_field_path path;
};

static lichen_status fw_table_save(struct fw_save *save, const struct lichen_table *table,
				   const uint8_t *base);

/* Elements in use. */
static lichen_status fw_field_used(struct fw_save *save, const struct lichen_field *field,
				   const uint8_t *base, uint32_t *used)
{
	*used = field->count;
	if (!(field->flags & LICHEN_FIELD_COUNTED))
		return 0;
	memcpy(used, base + field->used, sizeof(*used));
	if (*used <= field->count)
		return 0;
	fw_field_blame(&save->path, save->error, "%u elements, above %u", *used, field->count);
	return -LICHEN_EINVAL;
}

static lichen_status fw_blob_save(struct fw_save *save, const struct lichen_field *field)
{
	uint8_t *part = malloc(FW_BLOB_PART);
	lichen_status status = 1;

	if (!part)
		return -LICHEN_ENOMEM;
	while (status > 0) {
		uint32_t written = 0;

		status = field->blob->save(save->self, field->cookie, part, FW_BLOB_PART,
					   &written);
		if (status < 0) {
			fw_field_blame(&save->path, save->error, "its plugin cannot save it");
		} else if (written > FW_BLOB_PART || (written == 0 && status > 0)) {
			fw_field_blame(&save->path, save->error,
				       "its plugin gives %u bytes, want 1 to %u", written,
				       (unsigned)FW_BLOB_PART);
			status = -LICHEN_EINVAL;
		} else if (written) {
			fw_put_u32(save->out, written);
			fw_put(save->out, part, written);
			if (save->out->failed)
				status = -LICHEN_ENOMEM;
		}
	}
	free(part);
	fw_put_u32(save->out, 0);
	return status;
}

static lichen_status fw_structs_save(struct fw_save *save, const struct lichen_field *field,
				     const uint8_t *at, uint32_t used)
{
	lichen_status status = 0;

	for (uint32_t i = 0; i < used && status == 0; i++, at += field->size) {
		const uint32_t before = save->path.size;

		fw_path_element(&save->path, i);
		status = fw_table_save(save, &field->fields, at);
		fw_path_leave(&save->path, before);
	}
	return status;
}

static lichen_status fw_field_save(struct fw_save *save, const struct lichen_field *field,
				   const uint8_t *base)
{
	const uint8_t *at = base + field->offset;
	uint32_t used = 1;
	lichen_status status = 0;

	if (field->type != LICHEN_BLOB)
		status = fw_field_used(save, field, base, &used);
	if (status < 0)
		return status;
	fw_put_text(save->out, field->name);
	fw_put_u8(save->out, (uint8_t)field->type);
	fw_put_u8(save->out, (uint8_t)(field->flags & LICHEN_FIELD_COUNTED));
	fw_put_u32(save->out, used);
	fw_put_u64(save->out, field->fallback);
	switch (field->type) {
	case LICHEN_BLOB:
		return fw_blob_save(save, field);
	case LICHEN_LIST:
		fw_put_text(save->out, fw_field_at(&field->fields, field->key)->name);
		return fw_structs_save(save, field, at, used);
	case LICHEN_NESTED:
		return fw_structs_save(save, field, at, used);
	default:
		fw_put(save->out, at, (uint64_t)used * field->size);
		return 0;
	}
}

static lichen_status fw_table_save(struct fw_save *save, const struct lichen_table *table,
				   const uint8_t *base)
{
	lichen_status status = 0;

	fw_put_u32(save->out, table->count);
	for (uint32_t i = 0; i < table->count && status == 0; i++) {
		const struct lichen_field *field = fw_field_at(table, i);
		const uint32_t before = fw_path_enter(&save->path, field->name);

		status = fw_field_save(save, field, base);
		fw_path_leave(&save->path, before);
	}
	return status;
}

lichen_status fw_fields_save(const struct lichen_table *fields, void *self,
			     struct fw_buffer *out, struct ld_error *error)
{
	struct fw_save save = { .self = self, .out = out, .error = error };
	lichen_status status = fw_table_save(&save, fields, self);

	if (status == 0 && out->failed)
		status = -LICHEN_ENOMEM;
	if (status == -LICHEN_ENOMEM)
		ld_error_set(error, "state: out of memory");
	return status;
}
