/* SPDX-License-Identifier: MIT */
/* dump.c: see dump.h.  Tables are normalised: the loader has seen to offsets and sizes. */
#include <stdlib.h>
#include <string.h>

#include "control/dump.h"
#include "control/rpc.h"
#include "state_field_internal.h"

static const char *dump_type(uint32_t type)
{
	static const char *const names[] = {
		[LICHEN_U8] = "u8",	[LICHEN_U16] = "u16",	[LICHEN_U32] = "u32",
		[LICHEN_U64] = "u64",	[LICHEN_S8] = "s8",	[LICHEN_S16] = "s16",
		[LICHEN_S32] = "s32",	[LICHEN_S64] = "s64",	[LICHEN_NESTED] = "nested",
		[LICHEN_LIST] = "list", [LICHEN_BLOB] = "blob",
	};

	return type < sizeof(names) / sizeof(names[0]) && names[type] ? names[type] : "?";
}

static json_t *dump_integer(const struct lichen_field *field, const uint8_t *at)
{
	uint64_t value = 0;

	memcpy(&value, at, field->size);
	switch (field->type) {
	case LICHEN_U64:
	case LICHEN_S64:
		return fw_json_hex(value);
	case LICHEN_S8:
		return json_integer((int8_t)value);
	case LICHEN_S16:
		return json_integer((int16_t)value);
	case LICHEN_S32:
		return json_integer((int32_t)value);
	default:
		return json_integer((json_int_t)value);
	}
}

static json_t *dump_bytes(const uint8_t *at, uint32_t count)
{
	static const char digits[] = "0123456789abcdef";
	char *text = malloc(2 * (size_t)count + 1);
	json_t *json;

	if (!text)
		return NULL;
	for (uint32_t i = 0; i < count; i++) {
		text[2 * i] = digits[at[i] >> 4];
		text[2 * i + 1] = digits[at[i] & 15];
	}
	text[2 * (size_t)count] = '\0';
	json = json_string(text);
	free(text);
	return json;
}

static json_t *dump_element(const struct lichen_field *field, const uint8_t *at)
{
	return fw_is_struct(field->type) ? fw_dump_fields(&field->fields, at)
					 : dump_integer(field, at);
}

static json_t *dump_elements(const struct lichen_field *field, const uint8_t *at, uint32_t used)
{
	json_t *list;

	if (field->count == 1 && !(field->flags & LICHEN_FIELD_COUNTED))
		return dump_element(field, at);
	if (field->type == LICHEN_U8)
		return dump_bytes(at, used);
	list = json_array();
	for (uint32_t i = 0; i < used; i++)
		if (json_array_append_new(list,
					  dump_element(field, at + (size_t)i * field->size))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *dump_field(const struct lichen_field *field, const uint8_t *base)
{
	json_t *json = json_pack("{s:s, s:s, s:I}", "name", field->name, "type",
				 dump_type(field->type), "since", (json_int_t)field->since);
	uint32_t used = field->count;
	int failed = !json;

	if (field->flags & LICHEN_FIELD_COUNTED) {
		memcpy(&used, base + field->used, sizeof(used));
		if (used > field->count) {
			used = field->count;
			failed |= json_object_set_new(json, "cut", json_true());
		}
	}
	if (field->flags & LICHEN_FIELD_STICKY)
		failed |= json_object_set_new(json, "sticky", json_true());
	if (field->help)
		failed |= json_object_set_new(json, "help", json_string(field->help));
	if (field->type != LICHEN_BLOB)
		failed |= json_object_set_new(json, "value",
					      dump_elements(field, base + field->offset, used));
	if (!failed)
		return json;
	json_decref(json);
	return NULL;
}

/* As deep as the loader lets tables of fields nest. */
json_t *fw_dump_fields(const struct lichen_table *fields, const void *self)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < fields->count; i++)
		if (json_array_append_new(list, dump_field(fw_field_at(fields, i), self))) {
			json_decref(list);
			return NULL;
		}
	return list;
}
