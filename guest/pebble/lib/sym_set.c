/* SPDX-License-Identifier: MIT */
/* sym_set.c: a set of records, and what a set and a table of functions have in common. */
#include "sym.h"

enum { SYM_ENTRIES = 24 }; /* room that is kept for them behind the head */

static struct lichen_directory_entry *sym_entries(struct sym_set *set)
{
	return (struct lichen_directory_entry *)(void *)(set->head + 1);
}

static uint32_t sym_length(const char *text)
{
	uint32_t length = 0;

	while (text != NULL && text[length] != '\0')
		length++;
	return length;
}

static int sym_named(const struct lichen_directory_entry *entry, const char *name)
{
	uint32_t length = sym_length(name);

	return length < LICHEN_DIRECTORY_NAME && memcmp(entry->name, name, length + 1) == 0;
}

/* The writer's barriers: on x86 stores are seen in order, the compiler has to keep it. */
static void sym_step(uint32_t *sequence)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(sequence, *sequence + 1, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

void sym_set_init(struct sym_set *set, uint32_t magic, void *memory, uint32_t pages)
{
	set->head = memory;
	set->used = (uint32_t)(sizeof(struct lichen_directory) +
			       SYM_ENTRIES * sizeof(struct lichen_directory_entry));
	*set->head = (struct lichen_directory){
		.magic = magic,
		.version = 1,
		.size = pages * LICHEN_GUEST_PAGE,
		.entries = sizeof(struct lichen_directory),
	};
}

/* Room of `size` bytes, aligned to 8; 0: there is none. */
static uint32_t sym_room(struct sym_set *set, uint32_t size)
{
	uint32_t at = set->used;

	size = (size + 7) & ~7u;
	if (size > set->head->size - at)
		return 0;
	set->used += size;
	return at;
}

struct lichen_directory_entry *sym_add_entry(struct sym_set *set, const char *name,
					     const char *schema)
{
	struct lichen_directory_entry *entry = sym_entries(set);
	uint32_t i = 0, length = sym_length(schema), at = 0;

	while (i < set->head->count && entry[i].name[0] != '\0')
		i++;
	if (i == SYM_ENTRIES || sym_length(name) >= LICHEN_DIRECTORY_NAME ||
	    length > LICHEN_SCHEMA_MAX || (length > 0 && (at = sym_room(set, length)) == 0))
		return NULL;
	sym_step(&set->head->sequence);
	memset(&entry[i], 0, sizeof(entry[i]));
	memcpy(entry[i].name, name, sym_length(name));
	if (length > 0)
		memcpy((uint8_t *)set->head + at, schema, length);
	entry[i].schema = at;
	entry[i].schema_size = length;
	if (i == set->head->count)
		set->head->count = i + 1;
	return &entry[i];
}

void sym_added(struct sym_set *set)
{
	sym_step(&set->head->sequence);
}

/* What an entry takes is the set's again where nothing was added since; else it is lost. */
static void sym_give_back(struct sym_set *set, const struct lichen_directory_entry *entry)
{
	uint32_t first = entry->schema, end = entry->schema + entry->schema_size;

	if (set->head->magic == LICHEN_DIRECTORY_SPY) {
		first = entry->offset;
		if (end < first)
			end = first + (uint32_t)sizeof(struct lichen_spy_record) + entry->size;
	}
	if (first != 0 && ((end + 7) & ~7u) == set->used)
		set->used = first;
}

void sym_remove_record(struct sym_set *set, const char *name)
{
	struct lichen_directory_entry *entry = sym_entries(set);

	for (uint32_t i = 0; i < set->head->count; i++) {
		if (!sym_named(&entry[i], name))
			continue;
		sym_give_back(set, &entry[i]);
		sym_step(&set->head->sequence);
		entry[i].name[0] = '\0';
		sym_step(&set->head->sequence);
	}
}

void *sym_add_record(struct sym_set *set, const char *name, uint32_t size, const char *schema)
{
	uint32_t at = sym_room(set, (uint32_t)sizeof(struct lichen_spy_record) + size);
	struct lichen_directory_entry *entry;

	if (at == 0 || (entry = sym_add_entry(set, name, schema)) == NULL)
		return NULL;
	entry->offset = at;
	entry->size = size;
	memset((uint8_t *)set->head + at, 0, sizeof(struct lichen_spy_record) + size);
	sym_added(set);
	return (uint8_t *)set->head + at + sizeof(struct lichen_spy_record);
}

void sym_begin(void *bytes)
{
	sym_step(&((struct lichen_spy_record *)bytes - 1)->sequence);
}

void sym_end(void *bytes)
{
	sym_step(&((struct lichen_spy_record *)bytes - 1)->sequence);
}
