/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "class.h"
#include "text.h"

enum {
	LD_PORTS = 0x10000,
	LD_ACCESS_SIZES = 1 | 2 | 4 | 8,
	LD_PAGE_MASK = LICHEN_WINDOW_PAGE - 1,
};

#define WINDOWS "windows"

/* A window that a parameter places names one that holds such addresses. */
static lichen_status ld_window_placed_by(struct ld_check *check, uint32_t index,
					 const struct lichen_window *w)
{
	const struct lichen_table *params = &check->class->params;
	const uint32_t unit =
		w->place == LICHEN_PLACE_PORT ? LICHEN_UNIT_PORT : LICHEN_UNIT_GPA;

	if (w->place == LICHEN_PLACE_LATER)
		return ld_check_refuse(check, WINDOWS, index, w->name,
				       "has placed_by but is placed later");
	for (uint32_t i = 0; i < params->count; i++) {
		const struct lichen_param *p = ld_check_item(params, i);

		if (strcmp(p->name, w->placed_by) != 0)
			continue;
		if (p->unit == unit)
			return 0;
		return ld_check_refuse(
			check, WINDOWS, index, w->name,
			"placed_by %s has unit %" PRIu32 ", want %" PRIu32 " (%s)", p->name,
			p->unit, unit,
			unit == LICHEN_UNIT_PORT ? "LICHEN_UNIT_PORT" : "LICHEN_UNIT_GPA");
	}
	return ld_check_refuse(check, WINDOWS, index, w->name, "placed_by %.*s is no parameter",
			       LD_KEY_MAX, w->placed_by);
}

static lichen_status ld_window_place(struct ld_check *check, uint32_t index,
				     const struct lichen_window *w)
{
	if (w->place > LICHEN_PLACE_GPA)
		return ld_check_refuse(check, WINDOWS, index, w->name,
				       "place %" PRIu32 " is none of 0 to %d", w->place,
				       LICHEN_PLACE_GPA);
	if (w->place == LICHEN_PLACE_PORT && w->size > LD_PORTS)
		return ld_check_refuse(check, WINDOWS, index, w->name,
				       "%" PRIu64 " ports, there are %d", w->size, LD_PORTS);
	if (w->placed_by)
		return ld_window_placed_by(check, index, w);
	if (w->place == LICHEN_PLACE_PORT && w->address > LD_PORTS - w->size)
		return ld_check_refuse(check, WINDOWS, index, w->name,
				       "ports from 0x%" PRIx64 " go past 0xffff", w->address);
	if (w->place == LICHEN_PLACE_GPA && w->address > UINT64_MAX - w->size)
		return ld_check_refuse(check, WINDOWS, index, w->name,
				       "addresses from 0x%" PRIx64 " go past the last one",
				       w->address);
	return 0;
}

static lichen_status ld_window_ops(struct ld_check *check, uint32_t index,
				   struct lichen_window *w)
{
	if (!w->ops && w->kind != LICHEN_IO)
		return 0;
	if (!w->ops)
		return ld_check_refuse(check, WINDOWS, index, w->name, "has no ops");
	if (w->ops->struct_size < sizeof(uint32_t) || w->ops->struct_size > LD_ITEM_SIZE_MAX)
		return ld_check_refuse(check, WINDOWS, index, w->name,
				       "its ops have struct_size %" PRIu32
				       ": start them with LICHEN_STRUCT(struct lichen_io_ops)",
				       w->ops->struct_size);
	w->ops = ld_check_struct(check, w->ops, sizeof(*w->ops));
	return w->ops ? 0 : -LICHEN_ENOMEM;
}

/* Memory is whole pages at whole pages. */
static lichen_status ld_window_memory(struct ld_check *check, uint32_t index,
				      const struct lichen_window *w)
{
	if (w->size & LD_PAGE_MASK)
		return ld_check_refuse(check, WINDOWS, index, w->name,
				       "is memory of %" PRIu64
				       " bytes, which are no whole pages of %d",
				       w->size, LICHEN_WINDOW_PAGE);
	if (w->place == LICHEN_PLACE_PORT)
		return ld_check_refuse(check, WINDOWS, index, w->name,
				       "is memory and cannot be placed on ports");
	if (w->place == LICHEN_PLACE_GPA && !w->placed_by && w->address & LD_PAGE_MASK)
		return ld_check_refuse(check, WINDOWS, index, w->name,
				       "is memory at 0x%" PRIx64 ", which is no multiple of %d",
				       w->address, LICHEN_WINDOW_PAGE);
	return 0;
}

static lichen_status ld_check_window(struct ld_check *check, uint32_t index)
{
	struct lichen_window *w = ld_check_item(&check->class->windows, index);
	lichen_status status;

	if (!w->name || !ld_is_line(w->name))
		return ld_check_refuse(check, WINDOWS, index, NULL, "has no name");
	for (uint32_t i = 0; i < index; i++) {
		const struct lichen_window *v = ld_check_item(&check->class->windows, i);

		if (!strcmp(w->name, v->name))
			return ld_check_refuse(check, WINDOWS, index, w->name,
					       "is the name of windows[%" PRIu32 "] too", i);
	}
	if (w->kind < LICHEN_IO || w->kind > LICHEN_MAPPED)
		return ld_check_refuse(check, WINDOWS, index, w->name,
				       "kind %" PRIu32 " is no kind of window", w->kind);
	if (w->size == 0)
		return ld_check_refuse(check, WINDOWS, index, w->name, "has size 0");
	if (w->access_sizes & ~(uint32_t)LD_ACCESS_SIZES)
		return ld_check_refuse(check, WINDOWS, index, w->name,
				       "access_sizes 0x%" PRIx32 " is no sum of 1, 2, 4 and 8",
				       w->access_sizes);
	if (w->split > LICHEN_REFUSE)
		return ld_check_refuse(check, WINDOWS, index, w->name,
				       "split %" PRIu32
				       " is neither LICHEN_SPLIT nor LICHEN_REFUSE",
				       w->split);
	status = ld_window_place(check, index, w);
	if (status == 0 && w->kind != LICHEN_IO)
		status = ld_window_memory(check, index, w);
	return status == 0 ? ld_window_ops(check, index, w) : status;
}

lichen_status ld_check_windows(struct ld_check *check)
{
	struct lichen_table *table = &check->class->windows;
	lichen_status status =
		ld_check_table(check, table, sizeof(struct lichen_window), WINDOWS);

	for (uint32_t i = 0; status == 0 && i < table->count; i++)
		status = ld_check_window(check, i);
	return status;
}
