/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "class.h"
#include "text.h"

lichen_status ld_check_provides(struct ld_check *check)
{
	struct lichen_table *table = &check->class->provides;
	lichen_status status =
		ld_check_table(check, table, sizeof(struct lichen_provide), "provides");

	for (uint32_t i = 0; status == 0 && i < table->count; i++) {
		const struct lichen_provide *p = ld_check_item(table, i);
		uint32_t size;

		if (!p->id || !ld_is_id(p->id))
			return ld_check_refuse(check, "provides", i, p->id,
					       "not an interface's id, such as lichen.char/1");
		if (!p->ops || p->ops_size < 2 * sizeof(uint32_t))
			return ld_check_refuse(
				check, "provides", i, p->id,
				"has no functions: declare it with LICHEN_PROVIDE");
		memcpy(&size, p->ops, sizeof(size));
		if (size != p->ops_size)
			return ld_check_refuse(check, "provides", i, p->id,
					       "its functions have struct_size %" PRIu32
					       ", not %" PRIu32
					       ": start them with LICHEN_STRUCT",
					       size, p->ops_size);
		for (uint32_t j = 0; j < i; j++) {
			const struct lichen_provide *q = ld_check_item(table, j);

			if (!strcmp(p->id, q->id))
				return ld_check_refuse(check, "provides", i, p->id,
						       "provided twice");
		}
	}
	return status;
}

static bool ld_is_param(const struct ld_check *check, const char *key)
{
	const struct lichen_table *params = &check->class->params;

	for (uint32_t i = 0; i < params->count; i++)
		if (!strcmp(((const struct lichen_param *)ld_check_item(params, i))->name, key))
			return true;
	return false;
}

static lichen_status ld_check_need(struct ld_check *check, uint32_t index)
{
	const struct lichen_table *table = &check->class->needs;
	const struct lichen_need *n = ld_check_item(table, index);

	if (!n->id || !ld_is_id(n->id))
		return ld_check_refuse(check, "needs", index, n->id,
				       "not an interface's id, such as lichen.char/1");
	if (n->flags & ~(uint32_t)(LICHEN_NEED_OPTIONAL | LICHEN_NEED_MANY))
		return ld_check_unknown(check, "needs", index, n->id,
					"flags 0x%" PRIx32
					", this host knows 0x%x: use a newer host",
					n->flags, LICHEN_NEED_OPTIONAL | LICHEN_NEED_MANY);
	if (n->offset != LICHEN_NO_MEMBER &&
	    !ld_check_member(check, n->offset, sizeof(void *), sizeof(void *)))
		return ld_check_refuse(check, "needs", index, n->id,
				       "offset %" PRIu32
				       " is no pointer in the instance of %" PRIu32
				       " bytes; where there is none, LICHEN_NO_MEMBER",
				       n->offset, check->class->instance_size);
	if (!n->key)
		return 0;
	if (!ld_is_key(n->key) || ld_is_reserved(n->key) || ld_is_param(check, n->key))
		return ld_check_refuse(
			check, "needs", index, n->id,
			"key \"%.*s\" is not made of a-z, 0-9 and _, or is taken", LD_KEY_MAX,
			n->key);
	if (!n->help || !ld_is_line(n->help))
		return ld_check_refuse(check, "needs", index, n->id,
				       "has a key but no line of help");
	for (uint32_t i = 0; i < index; i++) {
		const struct lichen_need *m = ld_check_item(table, i);

		if (m->key && !strcmp(m->key, n->key))
			return ld_check_refuse(check, "needs", index, n->id,
					       "key \"%s\" is that of needs[%" PRIu32 "] too",
					       n->key, i);
	}
	return 0;
}

lichen_status ld_check_needs(struct ld_check *check)
{
	struct lichen_table *table = &check->class->needs;
	lichen_status status =
		ld_check_table(check, table, sizeof(struct lichen_need), "needs");

	for (uint32_t i = 0; status == 0 && i < table->count; i++)
		status = ld_check_need(check, i);
	return status;
}
