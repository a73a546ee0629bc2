/* SPDX-License-Identifier: MIT */
/*
 * state_field_load.c: reading fields that are known here; see state_field.h.  Loops
 * are bounded as in state_field_read.c; lists look at their bytes once more.
 */
#include <stdlib.h>
#include <string.h>

#include "state_field_internal.h"

static lichen_status fw_load_table(struct fw_load *load, const struct lichen_table *table,
				   uint8_t *base, uint32_t depth);

/* --- what the stream does not have --- */

static void fw_fill_integers(const struct lichen_field *field, uint8_t *base, uint32_t from)
{
	for (uint32_t i = from; i < field->count; i++)
		memcpy(base + field->offset + (size_t)i * field->size, &field->fallback,
		       field->size);
}

static void fw_put_used(const struct lichen_field *field, uint8_t *base, uint32_t used)
{
	if (field->flags & LICHEN_FIELD_COUNTED)
		memcpy(base + field->used, &used, sizeof(used));
}

/* Fallbacks, but for field number `except`. */
static void fw_fill_table(const struct lichen_table *table, uint8_t *base, uint32_t except);

/* Elements from number `from` on. */
static void fw_fill_field(const struct lichen_field *field, uint8_t *base, uint32_t from)
{
	const uint32_t keep =
		field->type == LICHEN_LIST && !(field->flags & LICHEN_FIELD_COUNTED)
			? field->key
			: UINT32_MAX;

	if (field->type == LICHEN_BLOB)
		return;
	if (!fw_is_struct(field->type)) {
		fw_fill_integers(field, base, from);
		return;
	}
	for (uint32_t i = from; i < field->count; i++)
		fw_fill_table(&field->fields, base + field->offset + (size_t)i * field->size,
			      keep);
}

static void fw_fill_table(const struct lichen_table *table, uint8_t *base, uint32_t except)
{
	for (uint32_t i = 0; i < table->count; i++) {
		const struct lichen_field *field = fw_field_at(table, i);

		if (i == except)
			continue;
		fw_fill_field(field, base, 0);
		fw_put_used(field, base, 0);
	}
}

/* --- what both have --- */

static lichen_status fw_load_integers(struct fw_load *load, const struct lichen_field *field,
				      const struct fw_head *head, uint8_t *base)
{
	uint8_t *at = base + field->offset;

	for (uint32_t i = 0; i < head->count; i++) {
		uint64_t value;
		const lichen_status status = fw_take_integer(load, field->type, &value);

		if (status < 0)
			return status;
		if (field->type == LICHEN_BOOL && value > 1)
			return fw_load_refuse(load, "%u: not 0 or 1", (unsigned)value);
		if (i >= field->count && value != fw_bits(head->type, head->fallback))
			return fw_load_refuse(load, "element %u holds 0x%llx, want at most %u",
					      i, (unsigned long long)value, field->count);
		if (i < field->count && load->store)
			memcpy(at + (size_t)i * field->size, &value, field->size);
	}
	return 0;
}

static lichen_status fw_load_nested(struct fw_load *load, const struct lichen_field *field,
				    const struct fw_head *head, uint8_t *base, uint32_t depth)
{
	for (uint32_t i = 0; i < head->count; i++) {
		const uint32_t before = load->path.size;
		lichen_status status;

		fw_path_element(&load->path, i);
		if (i < field->count)
			status = fw_load_table(load, &field->fields,
					       base + field->offset + (size_t)i * field->size,
					       depth + 1);
		else
			status = fw_skip_table(load, 1, NULL, depth + 1);
		if (status < 0)
			return status;
		fw_path_leave(&load->path, before);
	}
	return 0;
}

/* The key of the element that comes next, which is left to be read. */
static lichen_status fw_peek_key(struct fw_load *load, const struct lichen_field *key,
				 uint64_t *value, uint32_t depth)
{
	struct fw_reader behind = *load->in, *in = load->in;
	struct fw_head head;
	uint32_t fields;
	int found = 0;
	lichen_status status;

	/* cppcheck-suppress autoVariables; it is put back below */
	load->in = &behind;
	status = fw_take_fields(load, &fields);
	for (uint32_t i = 0; i < fields && status == 0; i++) {
		uint32_t before;

		status = fw_take_head(load, &head, &before);
		if (status < 0)
			break;
		if (!found && strcmp(head.name, key->name) == 0 && head.type == key->type &&
		    head.count == 1) {
			found = 1;
			status = fw_take_integer(load, head.type, value);
		} else {
			status = fw_skip_field(load, &head, 0, depth + 1);
		}
		if (status == 0)
			fw_path_leave(&load->path, before);
	}
	load->in = in;
	if (status == 0 && !found)
		return fw_load_refuse(load, "an element has no key %s", key->name);
	return status;
}

/* The index of the element with this key among `count`, or `count`. */
static uint32_t fw_find_key(const struct lichen_field *field, const uint8_t *base,
			    uint64_t wanted, uint32_t count)
{
	const struct lichen_field *key = fw_field_at(&field->fields, field->key);
	const uint8_t *at = base + field->offset + key->offset;

	for (uint32_t i = 0; i < count; i++, at += field->size) {
		uint64_t value = 0;

		memcpy(&value, at, key->size);
		if (value == wanted)
			return i;
	}
	return count;
}

/* What loading a list has to remember: one entry an element. */
struct fw_list {
	uint64_t *keys; /* counted: of the elements so far */
	uint8_t *done;	/* not counted: 1: this one was loaded */
};

/* Element `number` of the stream, with `key`; *place: of the element that takes it, or count.
 */
static lichen_status fw_list_place(struct fw_load *load, const struct lichen_field *field,
				   const uint8_t *base, struct fw_list *list, uint32_t number,
				   uint64_t key, uint32_t *place)
{
	int twice = 0;

	if (field->flags & LICHEN_FIELD_COUNTED) {
		for (uint32_t i = 0; i < number; i++)
			twice |= list->keys[i] == key;
		list->keys[number] = key;
		*place = number;
	} else {
		*place = fw_find_key(field, base, key, field->count);
		twice = *place < field->count && list->done[*place];
		if (*place < field->count)
			list->done[*place] = 1;
	}
	if (twice)
		return fw_load_refuse(load, "key 0x%llx is there twice",
				      (unsigned long long)key);
	return 0;
}

static lichen_status fw_load_elements(struct fw_load *load, const struct lichen_field *field,
				      const struct fw_head *head, uint8_t *base, uint32_t depth,
				      struct fw_list *list)
{
	const struct lichen_field *key = fw_field_at(&field->fields, field->key);

	for (uint32_t i = 0; i < head->count; i++) {
		const uint32_t before = load->path.size;
		uint32_t place = 0;
		uint64_t value;
		lichen_status status;

		fw_path_element(&load->path, i);
		status = fw_peek_key(load, key, &value, depth);
		if (status == 0)
			status = fw_list_place(load, field, base, list, i, value, &place);
		if (status < 0)
			return status;
		if (place < field->count)
			status = fw_load_table(
				load, &field->fields,
				base + field->offset + (size_t)place * field->size, depth + 1);
		else
			status = fw_skip_table(load, 1, key->name, depth + 1);
		if (status < 0)
			return status;
		fw_path_leave(&load->path, before);
	}
	for (uint32_t i = 0; list->done && load->store && i < field->count; i++)
		if (!list->done[i])
			fw_fill_table(&field->fields,
				      base + field->offset + (size_t)i * field->size,
				      field->key);
	return 0;
}

static lichen_status fw_load_list(struct fw_load *load, const struct lichen_field *field,
				  const struct fw_head *head, uint8_t *base, uint32_t depth)
{
	const int counted = (field->flags & LICHEN_FIELD_COUNTED) != 0;
	struct fw_list list = { 0 };
	lichen_status status;

	if (head->count > field->count && head->count > FW_LIST_MAX)
		return fw_load_refuse(load, "%u elements, above %d", head->count,
				      (int)FW_LIST_MAX);
	if (counted)
		list.keys = calloc((size_t)head->count + 1, sizeof(*list.keys));
	else
		list.done = calloc(field->count, 1);
	if (!list.keys && !list.done) {
		ld_error_set(load->error, "state: out of memory");
		return -LICHEN_ENOMEM;
	}
	status = fw_load_elements(load, field, head, base, depth, &list);
	free(list.keys);
	free(list.done);
	return status;
}

static lichen_status fw_load_blob(struct fw_load *load, const struct lichen_field *field)
{
	const uint8_t *at;
	uint32_t size = 1;
	lichen_status status = 0;

	while (status >= 0 && size) {
		status = fw_take_part(load, &at, &size);
		if (status < 0 || size == 0 || !load->store)
			continue;
		status = field->blob->load(load->self, field->cookie, at, size);
		if (status < 0)
			fw_field_blame(&load->path, load->error, "its plugin refuses it");
	}
	return status < 0 ? status : 0;
}

static lichen_status fw_load_field(struct fw_load *load, const struct lichen_field *field,
				   const struct fw_head *head, uint8_t *base, uint32_t depth)
{
	const uint32_t counted = field->flags & LICHEN_FIELD_COUNTED;
	lichen_status status;

	if (head->type != field->type || head->flags != counted)
		return fw_load_refuse(load, "is of type %u, %s, want type %u, %s", head->type,
				      head->flags ? "counted" : "not counted", field->type,
				      counted ? "counted" : "not counted");
	if (counted && head->count > field->count)
		return fw_load_refuse(load, "%u elements, above %u", head->count, field->count);
	switch (field->type) {
	case LICHEN_BLOB:
		return fw_load_blob(load, field);
	case LICHEN_LIST:
		status = fw_load_list(load, field, head, base, depth);
		break;
	case LICHEN_NESTED:
		status = fw_load_nested(load, field, head, base, depth);
		break;
	default:
		status = fw_load_integers(load, field, head, base);
		break;
	}
	if (status < 0 || !load->store)
		return status;
	if (field->type != LICHEN_LIST || counted)
		fw_fill_field(field, base, head->count);
	fw_put_used(field, base, head->count);
	return 0;
}

/* The index of the field with this name, or the table's count. */
static uint32_t fw_field_named(const struct lichen_table *table, const char *name)
{
	uint32_t i;

	for (i = 0; i < table->count; i++)
		if (strcmp(fw_field_at(table, i)->name, name) == 0)
			break;
	return i;
}

/* Those that the stream did not have. */
static lichen_status fw_load_missing(struct fw_load *load, const struct lichen_table *table,
				     const uint8_t *seen, uint8_t *base)
{
	for (uint32_t i = 0; i < table->count; i++) {
		const struct lichen_field *field = fw_field_at(table, i);

		if (seen[i])
			continue;
		if (field->since <= load->version) {
			(void)fw_path_enter(&load->path, field->name);
			return fw_load_refuse(load,
					      "is missing from a state of version %u, which "
					      "has it since %u",
					      load->version, field->since);
		}
		if (load->store) {
			fw_fill_field(field, base, 0);
			fw_put_used(field, base, 0);
		}
	}
	return 0;
}

static lichen_status fw_load_table(struct fw_load *load, const struct lichen_table *table,
				   uint8_t *base, uint32_t depth)
{
	uint8_t seen[FW_TABLE_MAX] = { 0 };
	struct fw_head head;
	uint32_t fields;
	lichen_status status;

	if (depth > FW_DEPTH_MAX || table->count > FW_TABLE_MAX)
		return fw_load_refuse(load, "%u fields, nested %u deep", table->count, depth);
	status = fw_take_fields(load, &fields);
	for (uint32_t i = 0; i < fields && status == 0; i++) {
		uint32_t before, index;

		status = fw_take_head(load, &head, &before);
		if (status < 0)
			return status;
		index = fw_field_named(table, head.name);
		if (index == table->count)
			status = fw_skip_field(load, &head, 1, depth);
		else if (seen[index])
			status = fw_load_refuse(load, "is there twice");
		else
			status = fw_load_field(load, fw_field_at(table, index), &head, base,
					       depth);
		if (status < 0)
			return status;
		if (index < table->count)
			seen[index] = 1;
		fw_path_leave(&load->path, before);
	}
	return status < 0 ? status : fw_load_missing(load, table, seen, base);
}

lichen_status fw_fields_load(const struct lichen_table *fields, void *self, uint32_t version,
			     int store, struct fw_reader *in, struct ld_error *error)
{
	struct fw_load load = {
		.self = self, .version = version, .store = store, .in = in, .error = error
	};

	return fw_load_table(&load, fields, self, 1);
}
