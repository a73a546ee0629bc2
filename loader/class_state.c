/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "class.h"
#include "text.h"

enum {
	LD_DEPTH_MAX = 4,   /* tables of fields in one another */
	LD_FIELD_MAX = 4096 /* fields in all tables of a class */
};

#define STATE "state"

/* Where the fields of one table live: the instance, or an element of a field. */
struct ld_scope {
	struct lichen_table *table;
	uint64_t start, end; /* offsets that members may have, bytes */
	uint32_t depth;
	uint32_t *left; /* fields that the class may still have */
};

static lichen_status ld_state_table(struct ld_check *check, const struct ld_scope *scope);

static bool ld_is_in_scope(const struct ld_scope *scope, uint64_t offset, uint64_t size)
{
	return offset >= scope->start && offset <= scope->end && size <= scope->end - offset;
}

static lichen_status ld_field_blob(struct ld_check *check, uint32_t index,
				   struct lichen_field *f)
{
	if (!f->blob || f->blob->struct_size < sizeof(uint32_t) ||
	    f->blob->struct_size > LD_ITEM_SIZE_MAX)
		return ld_check_refuse(check, STATE, index, f->name,
				       "its blob has no functions: start them with "
				       "LICHEN_STRUCT(struct lichen_blob_ops)");
	f->blob = ld_check_struct(check, f->blob, sizeof(*f->blob));
	if (!f->blob)
		return -LICHEN_ENOMEM;
	if (!f->blob->save || !f->blob->load)
		return ld_check_refuse(check, STATE, index, f->name,
				       "its blob lacks save or load");
	return 0;
}

static lichen_status ld_field_nested(struct ld_check *check, const struct ld_scope *scope,
				     uint32_t index, struct lichen_field *f)
{
	const struct ld_scope inner = { .table = &f->fields,
					.end = f->size,
					.depth = scope->depth + 1,
					.left = scope->left };
	const struct lichen_field *key;
	lichen_status status;

	if (f->fields.count == 0)
		return ld_check_refuse(check, STATE, index, f->name, "has no fields");
	if (inner.depth > LD_DEPTH_MAX)
		return ld_check_refuse(check, STATE, index, f->name,
				       "tables of fields are nested deeper than %d",
				       LD_DEPTH_MAX);
	status = ld_state_table(check, &inner);
	if (status < 0 || f->type != LICHEN_LIST)
		return status;
	key = f->key < f->fields.count ? ld_check_item(&f->fields, f->key) : NULL;
	if (!key || !ld_type_is_integer(key->type) || key->count != 1)
		return ld_check_refuse(check, STATE, index, f->name,
				       "key %" PRIu32 " is no integer among its fields",
				       f->key);
	return 0;
}

/* A member, or an array of `count`, in its scope. */
static lichen_status ld_field_place(struct ld_check *check, const struct ld_scope *scope,
				    uint32_t index, const struct lichen_field *f)
{
	const uint32_t want = ld_type_size(f->type);

	if (f->size == 0 || (want != 0 && f->size != want) ||
	    !ld_is_in_scope(scope, f->offset, (uint64_t)f->size * f->count))
		return ld_check_refuse(check, STATE, index, f->name,
				       "%" PRIu32 " of %" PRIu32 " bytes at offset %" PRIu32
				       " are no member of its type within %" PRIu64 " bytes",
				       f->count, f->size, f->offset, scope->end);
	if ((f->flags & LICHEN_FIELD_COUNTED) &&
	    (f->used % sizeof(uint32_t) != 0 ||
	     !ld_is_in_scope(scope, f->used, sizeof(uint32_t))))
		return ld_check_refuse(check, STATE, index, f->name,
				       "used, at offset %" PRIu32
				       ", is no uint32_t within %" PRIu64 " bytes",
				       f->used, scope->end);
	return 0;
}

static lichen_status ld_check_field(struct ld_check *check, const struct ld_scope *scope,
				    uint32_t index)
{
	struct lichen_field *f = ld_check_item(scope->table, index);
	lichen_status status;

	if (!f->name || !ld_is_key(f->name))
		return ld_check_refuse(check, STATE, index, f->name,
				       "its name is not made of a-z, 0-9 and _");
	for (uint32_t i = 0; i < index; i++) {
		const struct lichen_field *g = ld_check_item(scope->table, i);

		if (!strcmp(f->name, g->name))
			return ld_check_refuse(check, STATE, index, f->name,
					       "is the name of field %" PRIu32 " too", i);
	}
	if (f->flags & ~(uint32_t)(LICHEN_FIELD_STICKY | LICHEN_FIELD_COUNTED))
		return ld_check_unknown(check, STATE, index, f->name,
					"flags 0x%" PRIx32
					", this host knows 0x%x: use a newer host",
					f->flags, LICHEN_FIELD_STICKY | LICHEN_FIELD_COUNTED);
	if (f->since == 0 || f->since > check->class->state_version)
		return ld_check_refuse(check, STATE, index, f->name,
				       "since %" PRIu32
				       " is not in 1 to state_version %" PRIu32,
				       f->since, check->class->state_version);
	if (f->help && !ld_is_line(f->help))
		return ld_check_refuse(check, STATE, index, f->name,
				       "its help is not one line");
	if (f->count == 0)
		f->count = 1; /* state.h: 0 is read as 1 */

	switch (f->type) {
	case LICHEN_BLOB:
		return ld_field_blob(check, index, f);
	case LICHEN_NESTED:
	case LICHEN_LIST:
		status = ld_field_place(check, scope, index, f);
		return status == 0 ? ld_field_nested(check, scope, index, f) : status;
	case LICHEN_TEXT:
	case LICHEN_FILE:
		return ld_check_refuse(check, STATE, index, f->name,
				       "texts and descriptors are no state");
	default:
		if (ld_type_size(f->type) == 0)
			return ld_check_refuse(check, STATE, index, f->name,
					       "type %" PRIu32 " is no type of a field",
					       f->type);
		return ld_field_place(check, scope, index, f);
	}
}

static lichen_status ld_state_table(struct ld_check *check, const struct ld_scope *scope)
{
	struct lichen_table *table = scope->table;
	lichen_status status = ld_check_table(check, table, sizeof(struct lichen_field), STATE);

	if (status == 0 && table->count > *scope->left) {
		ld_error_set(check->error, "%s: its state has more than %d fields",
			     check->subject, LD_FIELD_MAX);
		return -LICHEN_ENOEXEC;
	}
	*scope->left -= table->count;
	for (uint32_t i = 0; status == 0 && i < table->count; i++)
		status = ld_check_field(check, scope, i);
	return status;
}

lichen_status ld_check_state(struct ld_check *check)
{
	uint32_t left = LD_FIELD_MAX;
	const struct ld_scope scope = { .table = &check->class->state,
					.start = sizeof(struct lichen_dev),
					.end = check->class->instance_size,
					.left = &left };

	if (check->class->state.count != 0 && check->class->state_version == 0) {
		ld_error_set(check->error,
			     "%s: its class has state but state_version 0, want 1 or more",
			     check->subject);
		return -LICHEN_ENOEXEC;
	}
	return ld_state_table(check, &scope);
}
