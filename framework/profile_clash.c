/* SPDX-License-Identifier: MIT */
/*
 * profile_clash.c: clashes that the tables alone show: windows on the same ports
 * or addresses, interrupt lines with two owners.  What instances place later,
 * by themselves or through a bus, the host checks then.
 */
#include <string.h>

#include "profile_tree.h"

enum { PORTS = 0x10000 };

/* A window where its declaration and the profile place it. */
struct placed {
	const struct fw_instance *instance;
	const struct lichen_window *window;
	const struct lichen_param *param; /* that says where; NULL: the declaration */
	struct fw_mark mark;
	uint64_t first, last; /* inclusive */
};

static const char *clash_unit(const struct placed *at)
{
	return at->window->place == LICHEN_PLACE_PORT ? "ports" : "addresses";
}

/* "devices[1] com2: port 0x3f8" or "devices[1] com2: window regs". */
static char *clash_subject(struct fw_load *load, const struct placed *at)
{
	const struct fw_spec *spec = &at->instance->spec;

	if (at->param)
		return fw_arena_print(load->arena, "%s %s: %s 0x%llx", spec->path, spec->id,
				      at->param->name, (unsigned long long)at->first);
	return fw_arena_print(load->arena, "%s %s: window %s", spec->path, spec->id,
			      at->window->name);
}

/* Where the parameter that places the window is; 0: it has no good value. */
static int clash_base(const struct fw_instance *instance, struct placed *at)
{
	const struct lichen_class *class = instance->spec.class;
	const struct lichen_window *window = at->window;

	at->mark = instance->spec.mark;
	at->first = window->address;
	at->param = NULL;
	if (!window->placed_by)
		return 1;
	for (uint32_t i = 0; i < class->params.count; i++) {
		const struct fw_value *value = &instance->spec.values[i];

		if (strcmp(fw_param(class, i)->name, window->placed_by) != 0)
			continue;
		at->param = fw_param(class, i);
		at->first = value->number;
		if (value->mark.file)
			at->mark = value->mark;
		return !instance->bad[i];
	}
	return 0;
}

/* Fills *at; 0: the window is not placed, or cannot be (told). */
static int clash_place(struct fw_load *load, const struct fw_instance *instance,
		       const struct lichen_window *window, struct placed *at)
{
	const int port = window->place == LICHEN_PLACE_PORT;
	const uint64_t top = port ? PORTS - 1 : UINT64_MAX;
	char *subject;

	at->instance = instance;
	at->window = window;
	if ((!port && window->place != LICHEN_PLACE_GPA) || window->size == 0 ||
	    !clash_base(instance, at))
		return 0;
	if (at->first <= top && window->size - 1 <= top - at->first) {
		at->last = at->first + (window->size - 1);
		return 1;
	}
	subject = clash_subject(load, at);
	if (subject)
		fw_diag(load->diags, at->mark, "%s: its 0x%llx %s would end above 0x%llx",
			subject, (unsigned long long)window->size, clash_unit(at),
			(unsigned long long)top);
	return 0;
}

static int clash_overlaps(const struct placed *a, const struct placed *b)
{
	return a->window->place == b->window->place && a->window->rank == b->window->rank &&
	       a->first <= b->last && b->first <= a->last;
}

static void clash_tell(struct fw_load *load, const struct placed *at,
		       const struct placed *first)
{
	char *subject = clash_subject(load, at);

	if (subject)
		fw_diag(load->diags, at->mark,
			"%s: %s 0x%llx to 0x%llx overlap 0x%llx to 0x%llx of %s at %s:%u:%u",
			subject, clash_unit(at), (unsigned long long)at->first,
			(unsigned long long)at->last, (unsigned long long)first->first,
			(unsigned long long)first->last, first->instance->spec.id,
			first->mark.file, first->mark.line, first->mark.column);
}

static uint32_t clash_count_windows(const struct fw_load *load)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < load->p->instance_count; i++)
		if (load->p->instances[i]->spec.class)
			count += load->p->instances[i]->spec.class->windows.count;
	return count;
}

static void clash_windows(struct fw_load *load)
{
	struct placed *all =
		fw_arena_get(load->arena, clash_count_windows(load) * sizeof(*all));
	uint32_t count = 0;

	for (uint32_t i = 0; all && i < load->p->instance_count; i++) {
		const struct fw_instance *instance = load->p->instances[i];
		const struct lichen_class *class = instance->spec.class;
		const struct lichen_window *windows = class ? class->windows.items : NULL;

		for (uint32_t j = 0; class && j < class->windows.count; j++) {
			struct placed *at = &all[count];
			uint32_t k = 0;

			if (!clash_place(load, instance, &windows[j], at))
				continue;
			while (k < count && !clash_overlaps(&all[k], at))
				k++;
			if (k < count)
				clash_tell(load, at, &all[k]);
			count++;
		}
	}
}

/* The GSI that parameter `index` says; 0: it says none. */
static int clash_line(const struct fw_instance *instance, uint32_t index, uint64_t *gsi)
{
	if (fw_param(instance->spec.class, index)->unit != LICHEN_UNIT_GSI ||
	    instance->bad[index])
		return 0;
	*gsi = instance->spec.values[index].number;
	return 1;
}

/* Whether `other` has the line too, not shared by both; told. */
static int clash_line_with(struct fw_load *load, const struct fw_instance *instance,
			   uint32_t index, uint64_t gsi, const struct fw_instance *other)
{
	const struct lichen_param *param = fw_param(instance->spec.class, index);
	const struct fw_value *value = &instance->spec.values[index];
	const struct lichen_class *class = other->spec.class;
	uint64_t taken;

	for (uint32_t i = 0; class && i < class->params.count; i++) {
		struct fw_mark mark = other->spec.values[i].mark;

		if (!clash_line(other, i, &taken) || taken != gsi ||
		    (param->flags & fw_param(class, i)->flags & LICHEN_PARAM_SHARED))
			continue;
		if (!mark.file)
			mark = other->spec.mark;
		fw_diag(load->diags, value->mark.file ? value->mark : instance->spec.mark,
			"%s %s: %s %llu: %s has the line at %s:%u:%u, and not both share it",
			instance->spec.path, instance->spec.id, param->name,
			(unsigned long long)gsi, other->spec.id, mark.file, mark.line,
			mark.column);
		return 1;
	}
	return 0;
}

static void clash_lines(struct fw_load *load)
{
	for (uint32_t i = 0; i < load->p->instance_count; i++) {
		const struct fw_instance *instance = load->p->instances[i];
		const struct lichen_class *class = instance->spec.class;
		uint64_t gsi;

		for (uint32_t j = 0; class && j < class->params.count; j++) {
			uint32_t k = 0;

			if (!clash_line(instance, j, &gsi))
				continue;
			while (k < i &&
			       !clash_line_with(load, instance, j, gsi, load->p->instances[k]))
				k++;
		}
	}
}

void fw_clash(struct fw_load *load)
{
	clash_windows(load);
	clash_lines(load);
}
