/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "class.h"
#include "text.h"

enum {
	LD_SOCKET_FLAGS = LICHEN_PARAM_SOCKET | LICHEN_PARAM_LISTEN,
	LD_FILE_FLAGS = LICHEN_PARAM_READ | LICHEN_PARAM_WRITE | LICHEN_PARAM_CREATE |
			LICHEN_PARAM_APPEND | LICHEN_PARAM_DIRECTORY | LICHEN_PARAM_DEVICE |
			LD_SOCKET_FLAGS,
	LD_PARAM_FLAGS =
		LICHEN_PARAM_REQUIRED | LICHEN_PARAM_SHARED | LICHEN_PARAM_LIST | LD_FILE_FLAGS,
};

#define PARAMS "params"

static lichen_status ld_param_flags(struct ld_check *check, uint32_t index,
				    const struct lichen_param *p)
{
	const uint32_t writes = LICHEN_PARAM_WRITE | LICHEN_PARAM_CREATE | LICHEN_PARAM_APPEND;
	const char *fault = NULL;

	if (p->flags & ~(uint32_t)LD_PARAM_FLAGS)
		return ld_check_unknown(check, PARAMS, index, p->name,
					"flags 0x%" PRIx32
					", this host knows 0x%x: use a newer host",
					p->flags, LD_PARAM_FLAGS);
	if ((p->flags & LICHEN_PARAM_SHARED) && p->unit != LICHEN_UNIT_GSI)
		fault = "SHARED is for interrupt lines, of LICHEN_UNIT_GSI";
	else if ((p->flags & LICHEN_PARAM_LIST) && p->type != LICHEN_TEXT)
		fault = "LIST is for LICHEN_TEXT";
	else if ((p->flags & LD_FILE_FLAGS) && p->type != LICHEN_FILE)
		fault = "READ to LISTEN are flags of LICHEN_FILE";
	else if ((p->flags & (LICHEN_PARAM_CREATE | LICHEN_PARAM_APPEND)) &&
		 !(p->flags & LICHEN_PARAM_WRITE))
		fault = "CREATE and APPEND go with WRITE";
	else if ((p->flags & LICHEN_PARAM_DIRECTORY) &&
		 (p->flags & (writes | LICHEN_PARAM_DEVICE)))
		fault = "a DIRECTORY is neither written nor a DEVICE";
	else if ((p->flags & LD_SOCKET_FLAGS) &&
		 (p->flags & LD_FILE_FLAGS) != LICHEN_PARAM_SOCKET &&
		 (p->flags & LD_FILE_FLAGS) != LICHEN_PARAM_LISTEN)
		fault = "SOCKET and LISTEN go with no other flag of LICHEN_FILE";
	return fault ? ld_check_refuse(check, PARAMS, index, p->name, "%s", fault) : 0;
}

static bool ld_param_unit_fits(const struct lichen_param *p)
{
	switch (p->unit) {
	case LICHEN_UNIT_NONE:
		return true;
	case LICHEN_UNIT_BYTES:
	case LICHEN_UNIT_NS:
	case LICHEN_UNIT_PORT:
	case LICHEN_UNIT_GPA:
	case LICHEN_UNIT_GSI:
		return ld_type_is_integer(p->type) && !ld_type_is_signed(p->type);
	default:
		return false;
	}
}

/* min <= fallback <= max within the type; max 0 is the type's; no fallback where REQUIRED. */
static lichen_status ld_param_range(struct ld_check *check, uint32_t index,
				    const struct lichen_param *p)
{
	const bool absent = !(p->flags & LICHEN_PARAM_REQUIRED);
	const uint64_t limit = ld_type_max(p->type), max = p->max ? p->max : limit;

	if (ld_type_is_signed(p->type)) {
		const int64_t least = -(int64_t)limit - 1, low = (int64_t)p->min,
			      high = p->max ? (int64_t)p->max : (int64_t)limit,
			      fallback = (int64_t)p->fallback;

		if (low < least || high > (int64_t)limit || low > high)
			return ld_check_refuse(check, PARAMS, index, p->name,
					       "min %" PRId64 " to max %" PRId64
					       " is no range of its type",
					       low, high);
		if (absent && (fallback < low || fallback > high))
			return ld_check_refuse(check, PARAMS, index, p->name,
					       "fallback %" PRId64 " is not in %" PRId64
					       " to %" PRId64,
					       fallback, low, high);
		return 0;
	}
	if (max > limit || p->min > max)
		return ld_check_refuse(check, PARAMS, index, p->name,
				       "min 0x%" PRIx64 " to max 0x%" PRIx64
				       " is no range of its type",
				       p->min, max);
	if (absent && (p->fallback < p->min || p->fallback > max))
		return ld_check_refuse(check, PARAMS, index, p->name,
				       "fallback 0x%" PRIx64 " is not in 0x%" PRIx64
				       " to 0x%" PRIx64,
				       p->fallback, p->min, max);
	return 0;
}

static lichen_status ld_param_text(struct ld_check *check, uint32_t index,
				   const struct lichen_param *p)
{
	size_t n;

	if (p->max && p->min > p->max)
		return ld_check_refuse(check, PARAMS, index, p->name,
				       "min %" PRIu64 " is above max %" PRIu64, p->min, p->max);
	if (!p->text_fallback || (p->flags & LICHEN_PARAM_REQUIRED))
		return 0;
	n = strlen(p->text_fallback);
	if (n < p->min || (p->max && n > p->max))
		return ld_check_refuse(check, PARAMS, index, p->name,
				       "text_fallback has %zu bytes, not %" PRIu64
				       " to %" PRIu64,
				       n, p->min, p->max);
	return 0;
}

/* Choices are plain pointers, so their table never grows in width. */
static lichen_status ld_param_choices(struct ld_check *check, uint32_t index,
				      const struct lichen_param *p)
{
	const struct lichen_table *t = &p->choices;
	const char *const *choices = t->items;

	if (t->count == 0 || t->count > LD_ITEMS_MAX || !choices ||
	    t->item_size != sizeof(*choices))
		return ld_check_refuse(check, PARAMS, index, p->name,
				       "%" PRIu32 " choices of %" PRIu32
				       " bytes, want 1 to %d of %zu",
				       t->count, t->item_size, LD_ITEMS_MAX, sizeof(*choices));
	for (uint32_t i = 0; i < t->count; i++) {
		if (!choices[i] || !ld_is_line(choices[i]))
			return ld_check_refuse(check, PARAMS, index, p->name,
					       "choice %" PRIu32 " has no name", i);
		for (uint32_t j = 0; j < i; j++)
			if (!strcmp(choices[i], choices[j]))
				return ld_check_refuse(check, PARAMS, index, p->name,
						       "choice %.*s is there twice", LD_KEY_MAX,
						       choices[i]);
	}
	if (!(p->flags & LICHEN_PARAM_REQUIRED) && p->fallback >= t->count)
		return ld_check_refuse(check, PARAMS, index, p->name,
				       "fallback %" PRIu64 " is none of %" PRIu32 " choices",
				       p->fallback, t->count);
	return 0;
}

static lichen_status ld_param_value(struct ld_check *check, uint32_t index,
				    const struct lichen_param *p)
{
	if (p->type != LICHEN_CHOICE && p->choices.count != 0)
		return ld_check_refuse(check, PARAMS, index, p->name,
				       "has choices but is not a LICHEN_CHOICE");
	if (p->type != LICHEN_TEXT && p->type != LICHEN_FILE && p->text_fallback)
		return ld_check_refuse(check, PARAMS, index, p->name,
				       "has a text_fallback but is no LICHEN_TEXT or "
				       "LICHEN_FILE");
	switch (p->type) {
	case LICHEN_TEXT:
		return ld_param_text(check, index, p);
	case LICHEN_CHOICE:
		return ld_param_choices(check, index, p);
	case LICHEN_BOOL:
		return p->fallback <= 1
			       ? 0
			       : ld_check_refuse(check, PARAMS, index, p->name,
						 "fallback %" PRIu64 " is neither 0 nor 1",
						 p->fallback);
	case LICHEN_FILE:
		/* There is no profile that a fallback could be relative to. */
		return !p->text_fallback || p->text_fallback[0] == '/'
			       ? 0
			       : ld_check_refuse(check, PARAMS, index, p->name,
						 "text_fallback is no absolute path");
	default:
		return ld_param_range(check, index, p);
	}
}

/* No other parameter has its name or a byte of its member. */
static lichen_status ld_param_alone(struct ld_check *check, uint32_t index,
				    const struct lichen_param *p)
{
	for (uint32_t i = 0; i < index; i++) {
		const struct lichen_param *q = ld_check_item(&check->class->params, i);

		if (!strcmp(p->name, q->name))
			return ld_check_refuse(check, PARAMS, index, p->name,
					       "is the name of params[%" PRIu32 "] too", i);
		/* Both lie in the instance, so that the sums do not wrap. */
		if (p->offset < q->offset + q->size && q->offset < p->offset + p->size)
			return ld_check_refuse(check, PARAMS, index, p->name,
					       "is stored over params[%" PRIu32 "] %s", i,
					       q->name);
	}
	return 0;
}

static lichen_status ld_check_param(struct ld_check *check, uint32_t index)
{
	const struct lichen_param *p = ld_check_item(&check->class->params, index);
	lichen_status status;

	if (!p->name || !ld_is_key(p->name) || ld_is_reserved(p->name))
		return ld_check_refuse(check, PARAMS, index, p->name,
				       "its name is not made of a-z, 0-9 and _, or is a key "
				       "that every instance has");
	if (ld_type_size(p->type) == 0)
		return ld_check_refuse(check, PARAMS, index, p->name,
				       "type %" PRIu32 " is no type of a parameter", p->type);
	if (p->size != ld_type_size(p->type) ||
	    !ld_check_member(check, p->offset, p->size, p->size))
		return ld_check_refuse(check, PARAMS, index, p->name,
				       "%" PRIu32 " bytes at offset %" PRIu32
				       " are no member of its type in the instance of %" PRIu32
				       " bytes",
				       p->size, p->offset, check->class->instance_size);
	if (!p->help || !ld_is_line(p->help))
		return ld_check_refuse(check, PARAMS, index, p->name, "has no line of help");
	if (!ld_param_unit_fits(p))
		return ld_check_refuse(check, PARAMS, index, p->name,
				       "unit %" PRIu32 " is not one of its type", p->unit);
	status = ld_param_flags(check, index, p);
	if (status == 0)
		status = ld_param_value(check, index, p);
	return status == 0 ? ld_param_alone(check, index, p) : status;
}

lichen_status ld_check_params(struct ld_check *check)
{
	struct lichen_table *table = &check->class->params;
	lichen_status status =
		ld_check_table(check, table, sizeof(struct lichen_param), PARAMS);

	for (uint32_t i = 0; status == 0 && i < table->count; i++)
		status = ld_check_param(check, i);
	return status;
}
