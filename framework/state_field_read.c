/* SPDX-License-Identifier: MIT */
/*
 * state_field_read.c: what of a stream concerns no field that is known here; see
 * state_field.h.  The stream decides how often a loop runs, and each round takes at
 * least one of its bytes.
 */
#include <string.h>

#include "state_field_internal.h"
#include "text.h"

lichen_status fw_load_cut(struct fw_load *load)
{
	ld_error_set(load->error, "field %s: the state ends within it",
		     load->path.size ? load->path.text : "table");
	return -LICHEN_EBADMSG;
}

/* The head's own consistency; its name is in the path. */
static lichen_status fw_check_head(struct fw_load *load, const struct fw_head *head)
{
	const uint32_t each = fw_is_struct(head->type) ? 4 : fw_field_size(head->type);

	if (each == 0 && head->type != LICHEN_BLOB)
		return fw_load_refuse(load, "type %u is no type of a field", head->type);
	if ((head->flags & ~LICHEN_FIELD_COUNTED) ||
	    (head->type == LICHEN_BLOB && (head->flags || head->count != 1)))
		return fw_load_refuse(load, "flags 0x%x, %u elements: not of type %u",
				      head->flags, head->count, head->type);
	if (head->type != LICHEN_BLOB && head->count > load->in->left / each)
		return fw_load_refuse(load, "%u elements: the state ends before", head->count);
	return 0;
}

lichen_status fw_take_head(struct fw_load *load, struct fw_head *head, uint32_t *before)
{
	lichen_status status = fw_take_text(load->in, head->name);

	if (status == 0)
		status = fw_take_u8(load->in, &head->type);
	if (status == 0)
		status = fw_take_u8(load->in, &head->flags);
	if (status == 0)
		status = fw_take_u32(load->in, &head->count);
	if (status == 0)
		status = fw_take_u64(load->in, &head->fallback);
	head->key[0] = '\0';
	if (status == 0 && head->type == LICHEN_LIST)
		status = fw_take_text(load->in, head->key);
	if (status < 0)
		return fw_load_cut(load);
	if (!ld_is_key(head->name)) {
		ld_error_set(load->error, "field %s: the name of a field in it is malformed",
			     load->path.size ? load->path.text : "table");
		return -LICHEN_EBADMSG;
	}
	*before = fw_path_enter(&load->path, head->name);
	status = fw_check_head(load, head);
	if (status < 0)
		fw_path_leave(&load->path, *before);
	return status;
}

lichen_status fw_take_fields(struct fw_load *load, uint32_t *count)
{
	if (fw_take_u32(load->in, count) < 0)
		return fw_load_cut(load);
	if (*count <= FW_TABLE_MAX)
		return 0;
	ld_error_set(load->error, "field %s: %u fields in it, above %d",
		     load->path.size ? load->path.text : "table", *count, (int)FW_TABLE_MAX);
	return -LICHEN_EBADMSG;
}

lichen_status fw_take_integer(struct fw_load *load, uint32_t type, uint64_t *value)
{
	const uint32_t size = fw_field_size(type);
	const uint8_t *at = fw_take(load->in, size);

	*value = 0;
	if (!at)
		return fw_load_cut(load);
	memcpy(value, at, size);
	return 0;
}

uint64_t fw_bits(uint32_t type, uint64_t value)
{
	const uint32_t bits = 8 * fw_field_size(type);

	return bits < 64 ? value & ((UINT64_C(1) << bits) - 1) : value;
}

/* --- what is not known here --- */

lichen_status fw_take_part(struct fw_load *load, const uint8_t **at, uint32_t *size)
{
	if (fw_take_u32(load->in, size) < 0)
		return fw_load_cut(load);
	if (*size > FW_BLOB_PART)
		return fw_load_refuse(load, "a part of %u bytes, above %u", *size,
				      (unsigned)FW_BLOB_PART);
	*at = fw_take(load->in, *size);
	return *at ? 0 : fw_load_cut(load);
}

static lichen_status fw_skip_blob(struct fw_load *load, int strict)
{
	const uint8_t *at;
	uint32_t size = 1;
	lichen_status status = 0;

	while (status == 0 && size) {
		status = fw_take_part(load, &at, &size);
		if (status == 0 && size && strict)
			return fw_load_refuse(load, "is not known here, and holds data");
	}
	return status;
}

static lichen_status fw_skip_integers(struct fw_load *load, const struct fw_head *head,
				      int strict)
{
	const uint64_t fallback = fw_bits(head->type, head->fallback);

	for (uint32_t i = 0; i < head->count; i++) {
		uint64_t value;
		const lichen_status status = fw_take_integer(load, head->type, &value);

		if (status < 0)
			return status;
		if (strict && value != fallback)
			return fw_load_refuse(load, "is not known here, and holds 0x%llx",
					      (unsigned long long)value);
	}
	return 0;
}

lichen_status fw_skip_field(struct fw_load *load, const struct fw_head *head, int strict,
			    uint32_t depth)
{
	if (strict && (head->flags & LICHEN_FIELD_COUNTED) && head->count)
		return fw_load_refuse(load, "is not known here, and holds %u elements",
				      head->count);
	if (head->type == LICHEN_BLOB)
		return fw_skip_blob(load, strict);
	if (!fw_is_struct(head->type))
		return fw_skip_integers(load, head, strict);
	for (uint32_t i = 0; i < head->count; i++) {
		const lichen_status status = fw_skip_table(
			load, strict, head->type == LICHEN_LIST ? head->key : NULL, depth + 1);

		if (status < 0)
			return status;
	}
	return 0;
}

lichen_status fw_skip_table(struct fw_load *load, int strict, const char *except,
			    uint32_t depth)
{
	struct fw_head head;
	uint32_t fields;
	lichen_status status;

	if (depth > FW_DEPTH_MAX)
		return fw_load_refuse(load, "nested deeper than %d", (int)FW_DEPTH_MAX);
	status = fw_take_fields(load, &fields);
	for (uint32_t i = 0; i < fields && status == 0; i++) {
		uint32_t before;

		status = fw_take_head(load, &head, &before);
		if (status < 0)
			return status;
		status = fw_skip_field(load, &head,
				       strict && !(except && strcmp(head.name, except) == 0),
				       depth);
		if (status < 0)
			return status;
		fw_path_leave(&load->path, before);
	}
	return status;
}
