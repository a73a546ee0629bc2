/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lichen/boot.h>
#include <lichen/draft/symbiotic.h>
#include <lichen/ram.h>

#include "class.h"
#include "text.h"

enum { LD_INSTANCE_MAX = 1 << 30 }; /* bytes of an instance */

struct ld_block {
	struct ld_block *next;
	_Alignas(max_align_t) unsigned char bytes[];
};

struct ld_class {
	struct lichen_class class;
	struct ld_block *blocks;
};

void *ld_check_allocate(struct ld_check *check, size_t size)
{
	struct ld_block *block = calloc(1, sizeof(*block) + size);

	if (!block) {
		ld_error_set(check->error, "%s: no memory to copy its tables", check->subject);
		return NULL;
	}
	block->next = check->copy->blocks;
	check->copy->blocks = block;
	return block->bytes;
}

__attribute__((format(printf, 5, 0))) static void ld_check_say(struct ld_check *check,
							       const char *table,
							       uint32_t index, const char *name,
							       const char *format,
							       va_list arguments)
{
	char text[LD_ERROR_SIZE];

	vsnprintf(text, sizeof(text), format, arguments);
	ld_error_set(check->error, "%s: %s[%" PRIu32 "]%s%.*s: %s", check->subject, table,
		     index, name ? " " : "", LD_KEY_MAX, name ? name : "", text);
}

lichen_status ld_check_refuse(struct ld_check *check, const char *table, uint32_t index,
			      const char *name, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	ld_check_say(check, table, index, name, format, arguments);
	va_end(arguments);
	return -LICHEN_ENOEXEC;
}

lichen_status ld_check_unknown(struct ld_check *check, const char *table, uint32_t index,
			       const char *name, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	ld_check_say(check, table, index, name, format, arguments);
	va_end(arguments);
	return -LICHEN_ENOTSUP;
}

void *ld_check_struct(struct ld_check *check, const void *theirs, uint32_t host_size)
{
	void *ours = ld_check_allocate(check, host_size);
	uint32_t size;

	if (!ours)
		return NULL;
	memcpy(&size, theirs, sizeof(size));
	memcpy(ours, theirs, size < host_size ? size : host_size);
	memcpy(ours, &host_size, sizeof(host_size));
	return ours;
}

void *ld_check_item(const struct lichen_table *table, uint32_t index)
{
	return (unsigned char *)(uintptr_t)table->items + (size_t)index * table->item_size;
}

lichen_status ld_check_table(struct ld_check *check, struct lichen_table *table,
			     uint32_t host_size, const char *name)
{
	const struct lichen_table theirs = *table;
	unsigned char *ours;

	*table = (struct lichen_table){ NULL, 0, 0 };
	if (theirs.count == 0)
		return 0;
	if (!theirs.items || theirs.count > LD_ITEMS_MAX ||
	    theirs.item_size < sizeof(uint32_t) || theirs.item_size > LD_ITEM_SIZE_MAX) {
		ld_error_set(check->error,
			     "%s: its table %s has %" PRIu32 " items of %" PRIu32
			     " bytes%s, at most %d of %d: declare it with LICHEN_TABLE",
			     check->subject, name, theirs.count, theirs.item_size,
			     theirs.items ? "" : " at NULL", LD_ITEMS_MAX, LD_ITEM_SIZE_MAX);
		return -LICHEN_ENOEXEC;
	}
	ours = ld_check_allocate(check, (size_t)theirs.count * host_size);
	if (!ours)
		return -LICHEN_ENOMEM;
	for (uint32_t i = 0; i < theirs.count; i++) {
		const void *item = ld_check_item(&theirs, i);
		unsigned char *to = ours + (size_t)i * host_size;
		uint32_t size;

		memcpy(&size, item, sizeof(size));
		if (size < sizeof(size) || size > theirs.item_size)
			return ld_check_refuse(
				check, name, i, NULL,
				"struct_size %" PRIu32 ", its table has items of %" PRIu32
				": start it with LICHEN_STRUCT or the macro of its kind",
				size, theirs.item_size);
		memcpy(to, item, size < host_size ? size : host_size);
		memcpy(to, &host_size, sizeof(host_size));
	}
	*table = (struct lichen_table){ ours, theirs.count, host_size };
	return 0;
}

bool ld_check_member(const struct ld_check *check, uint64_t offset, uint64_t size,
		     uint32_t align)
{
	uint64_t end = check->class->instance_size;

	return offset >= sizeof(struct lichen_dev) && offset % align == 0 && offset <= end &&
	       size <= end - offset;
}

uint32_t ld_type_size(uint32_t type)
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
	case LICHEN_FILE:
		return 4;
	case LICHEN_U64:
	case LICHEN_S64:
	case LICHEN_TEXT:
		return 8;
	default:
		return 0;
	}
}

bool ld_type_is_signed(uint32_t type)
{
	return type >= LICHEN_S8 && type <= LICHEN_S64;
}

bool ld_type_is_integer(uint32_t type)
{
	return type >= LICHEN_U8 && type <= LICHEN_S64;
}

uint64_t ld_type_max(uint32_t type)
{
	const uint32_t bits = 8 * ld_type_size(type);

	return bits ? UINT64_MAX >> (64 - bits + ld_type_is_signed(type)) : 0;
}

/* The provide of `id` whose first function, which the host calls itself, is there. */
static bool ld_offers(const struct ld_check *check, const char *id)
{
	const struct lichen_table *table = &check->class->provides;

	for (uint32_t i = 0; i < table->count; i++) {
		const struct lichen_provide *p = ld_check_item(table, i);
		const unsigned char *first =
			(const unsigned char *)p->ops + 2 * sizeof(uint32_t);
		void (*function)(void) = NULL;

		if (strcmp(p->id, id) != 0)
			continue;
		if (p->ops_size >= 2 * sizeof(uint32_t) + sizeof(function))
			memcpy(&function, first, sizeof(function));
		return function != NULL;
	}
	return false;
}

/* What a kind owes and what it cannot have. */
static lichen_status ld_check_kind(struct ld_check *check, uint32_t kind)
{
	const struct lichen_class *class = check->class;
	const char *lacks = NULL;

	_Static_assert(offsetof(struct lichen_boot_ops, load) == 8, "first function");
	_Static_assert(offsetof(struct lichen_memory_ops, allocate) == 8, "first function");
	_Static_assert(offsetof(struct lichen_symbiotic_ops, agreed) == 8, "first function");
	if (kind == LICHEN_KIND_BOOT && !ld_offers(check, LICHEN_BOOT))
		lacks = "of kind boot, but does not provide " LICHEN_BOOT " with a load";
	else if (kind == LICHEN_KIND_MEMORY && !ld_offers(check, LICHEN_MEMORY))
		lacks = "of kind memory, but does not provide " LICHEN_MEMORY
			" with an allocate";
	else if (kind == LICHEN_KIND_SYMBIOTIC && !ld_offers(check, LICHEN_SYMBIOTIC))
		lacks = "of kind symbiotic, but does not provide " LICHEN_SYMBIOTIC
			" with an agreed";
	else if (kind == LICHEN_KIND_BACKEND && class->provides.count == 0)
		lacks = "of kind backend, but provides nothing";
	else if (kind == LICHEN_KIND_BACKEND && class->windows.count != 0)
		lacks = "of kind backend, but has windows: make it a device";
	if (!lacks)
		return 0;
	ld_error_set(check->error, "%s: %s", check->subject, lacks);
	return -LICHEN_ENOEXEC;
}

static lichen_status ld_check_class(struct ld_check *check)
{
	const struct lichen_class *class = check->class;

	if (class->flags & ~(uint32_t)LICHEN_CLASS_PARALLEL) {
		ld_error_set(check->error,
			     "%s: its class has flags 0x%" PRIx32
			     ", this host knows 0x%x: use a newer host",
			     check->subject, class->flags, LICHEN_CLASS_PARALLEL);
		return -LICHEN_ENOTSUP;
	}
	if (!class->summary || !ld_is_line(class->summary)) {
		ld_error_set(check->error, "%s: its class has no summary of one line",
			     check->subject);
		return -LICHEN_ENOEXEC;
	}
	if (class->instance_size < sizeof(struct lichen_dev) ||
	    class->instance_size > LD_INSTANCE_MAX) {
		ld_error_set(check->error,
			     "%s: its instances have %" PRIu32
			     " bytes, want %zu (struct lichen_dev) to %d",
			     check->subject, class->instance_size, sizeof(struct lichen_dev),
			     LD_INSTANCE_MAX);
		return -LICHEN_ENOEXEC;
	}
	return 0;
}

static lichen_status ld_check_all(struct ld_check *check, uint32_t kind)
{
	lichen_status status = ld_check_class(check);

	if (status == 0)
		status = ld_check_params(check);
	if (status == 0)
		status = ld_check_windows(check);
	if (status == 0)
		status = ld_check_state(check);
	if (status == 0)
		status = ld_check_provides(check);
	if (status == 0)
		status = ld_check_needs(check);
	return status == 0 ? ld_check_kind(check, kind) : status;
}

lichen_status ld_class_misfit(const char *subject, uint32_t size, uint32_t compiled,
			      struct ld_error *error)
{
	ld_error_set(error,
		     "%s: its class has struct_size %" PRIu32 ", its note says %" PRIu32
		     ": start it with LICHEN_STRUCT(struct lichen_class) and end the "
		     "file with LICHEN_PLUGIN",
		     subject, size, compiled);
	return -LICHEN_ENOEXEC;
}

lichen_status ld_class_copy(const struct lichen_class *theirs, uint32_t compiled, uint32_t kind,
			    const char *subject, struct ld_class **copy, struct ld_error *error)
{
	struct ld_check check = { .subject = subject, .error = error };
	uint32_t size = theirs->struct_size;
	struct ld_class *made;
	lichen_status status;

	if (size == 0 || size != compiled)
		return ld_class_misfit(subject, size, compiled, error);
	made = calloc(1, sizeof(*made));
	if (!made) {
		ld_error_set(error, "%s: no memory to copy its class", subject);
		return -LICHEN_ENOMEM;
	}
	memcpy(&made->class, theirs, size < sizeof(made->class) ? size : sizeof(made->class));
	made->class.struct_size = sizeof(made->class);
	check.copy = made;
	check.class = &made->class;
	status = ld_check_all(&check, kind);
	if (status < 0)
		ld_class_free(made);
	else
		*copy = made;
	return status;
}

const struct lichen_class *ld_class_get(const struct ld_class *copy)
{
	return &copy->class;
}

void ld_class_free(struct ld_class *copy)
{
	if (!copy)
		return;
	for (struct ld_block *block = copy->blocks, *next; block; block = next) {
		next = block->next;
		free(block);
	}
	free(copy);
}
