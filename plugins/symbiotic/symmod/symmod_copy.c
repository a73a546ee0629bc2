/* SPDX-License-Identifier: MIT */
/*
 * symmod_copy.c: a module's bytes on their way into the guest.  See symmod.h.
 *
 * The lists of pages are the guest's: their number is bounded by the module's size, each
 * address is checked by the copy itself, and a circle ends with the bytes.
 */
#include "symmod.h"

enum { SYMMOD_LIST_PAGES = sizeof(((struct lichen_module_list *)0)->pages) / 8 };

/* Reads the symbols that the guest exports; *symbols is the caller's to free. */
static uint32_t symmod_symbols(struct symmod *s, struct lichen_spy_symbol **symbols)
{
	const uint32_t room = SYMMOD_SYMBOLS * sizeof(**symbols);
	const struct lichen_symspy_ops *ops;
	uint32_t size = 0, count;

	*symbols = calloc(SYMMOD_SYMBOLS, sizeof(**symbols));
	if (!*symbols || s->dev.host->enter(s->dev.in, s->spy) < 0)
		return 0;
	ops = s->spy->ops;
	if (ops->read(s->spy->self, s->spy->client, LICHEN_SYMSPY_VM, LICHEN_SPY_SYMBOLS,
		      *symbols, room, &size) < 0)
		size = 0;
	s->dev.host->leave(s->dev.in, s->spy);
	count = size / (uint32_t)sizeof(**symbols);
	for (uint32_t i = 0; i < count; i++)
		(*symbols)[i].name[sizeof((*symbols)[i].name) - 1] = '\0';
	return count;
}

static lichen_status symmod_link(struct symmod *s, const struct symmod_request *request,
				 uint64_t address, uint64_t *entry, uint64_t *leave)
{
	struct lichen_spy_symbol *symbols;
	struct lichen_table table = { .item_size = sizeof(*symbols) };
	lichen_status status;

	table.count = symmod_symbols(s, &symbols);
	table.items = symbols;
	status = s->module->link(s->dev.in, request->handle, address, &table, entry, leave);
	free(symbols);
	return status;
}

static lichen_status symmod_copy_page(struct symmod *s, const struct symmod_request *request,
				      uint64_t offset, lichen_gpa gpa)
{
	const uint64_t left = request->info->room - offset;
	const uint64_t size = left < LICHEN_GUEST_PAGE ? left : LICHEN_GUEST_PAGE;
	uint8_t bytes[LICHEN_GUEST_PAGE];
	lichen_status status;

	if (gpa % LICHEN_GUEST_PAGE)
		return -LICHEN_EFAULT;
	status = s->module->read(s->dev.in, request->handle, offset, bytes, size);
	return status < 0 ? status : s->dev.host->memory_write(s->dev.in, 0, gpa, bytes, size);
}

static lichen_status symmod_copy_lists(struct symmod *s, const struct symmod_request *request,
				       lichen_gpa at)
{
	struct lichen_module_list list;
	uint64_t offset = 0;

	while (offset < request->info->room) {
		if (at % LICHEN_GUEST_PAGE ||
		    s->dev.host->memory_read(s->dev.in, 0, at, &list, sizeof(list)) < 0)
			return -LICHEN_EFAULT;
		for (uint32_t i = 0; i < SYMMOD_LIST_PAGES && offset < request->info->room;
		     i++, offset += LICHEN_GUEST_PAGE) {
			const lichen_status status =
				symmod_copy_page(s, request, offset, list.pages[i]);

			if (status < 0)
				return status;
		}
		at = list.next;
	}
	return 0;
}

void symmod_copy(struct symmod *s)
{
	struct symmod_request *request = s->requests;
	const lichen_gpa page = s->page.gpa;
	uint64_t where[2] = { 0, 0 }; /* entry, leave */
	struct lichen_module_page given;
	lichen_status status =
		s->dev.host->memory_read(s->dev.in, 0, page, &given, sizeof(given));

	if (status == 0 && request->info->kind == LICHEN_MODULE_OBJECT) {
		status = symmod_link(s, request, given.address, &where[0], &where[1]);
		if (status < 0) {
			symmod_set_state(s, LICHEN_MODULE_CANCELLED);
			s->counts.failed++;
			symmod_fail(s, status, "%s: %s", request->name,
				    status == -LICHEN_ENOENT
					    ? "a symbol is missing that the guest would have "
					      "to export"
					    : "it cannot be linked for this guest");
			return;
		}
	}
	if (status == 0)
		status = symmod_copy_lists(s, request, given.list);
	if (status == 0)
		status = s->dev.host->memory_write(
			s->dev.in, 0, page + offsetof(struct lichen_module_page, entry), where,
			sizeof(where));
	if (status < 0) {
		symmod_set_state(s, LICHEN_MODULE_CANCELLED);
		s->counts.failed++;
		symmod_fail(s, -LICHEN_EBADMSG, "%s: the memory that the guest gave is none",
			    request->name);
		return;
	}
	request->state = LICHEN_MODULE_COPIED;
	symmod_set_state(s, LICHEN_MODULE_COPIED);
	s->symbiotic->notify(s->dev.in, LICHEN_CAUSE_MODULE);
}
