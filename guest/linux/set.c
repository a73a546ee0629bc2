// SPDX-License-Identifier: GPL-2.0-only
/* set.c: a directory in memory that the VMM reads (lichen/guest/directory.h). */
#include <linux/err.h>
#include <linux/string.h>

#include "guest.h"

static struct lichen_directory_entry *set_entries(const struct guest_set *set)
{
	return (struct lichen_directory_entry *)(set->head + 1);
}

static u32 set_first(const struct guest_set *set)
{
	return sizeof(*set->head) + set->capacity * sizeof(struct lichen_directory_entry);
}

unsigned int guest_set_pages(const struct guest_set *set)
{
	return set->head->size / PAGE_SIZE;
}

int guest_set_init(struct guest_set *set, u32 magic, unsigned int pages, u32 capacity)
{
	if (WARN_ON(capacity > GUEST_SET_ENTRIES))
		return -EINVAL;
	memset(set, 0, sizeof(*set));
	mutex_init(&set->lock);
	set->capacity = capacity;
	set->head = guest_pages(pages);
	if (!set->head)
		return -ENOMEM;
	set->head->magic = magic;
	set->head->version = 1;
	set->head->size = pages * PAGE_SIZE;
	set->head->entries = sizeof(*set->head);
	return 0;
}

void guest_set_free(struct guest_set *set)
{
	if (set->head)
		guest_pages_free(set->head, guest_set_pages(set));
	set->head = NULL;
}

static void set_changing(struct guest_set *set)
{
	WRITE_ONCE(set->head->sequence, set->head->sequence + 1);
	smp_wmb();
}

static void set_changed(struct guest_set *set)
{
	smp_wmb();
	WRITE_ONCE(set->head->sequence, set->head->sequence + 1);
}

/* The first gap of `size` bytes; 0: there is none. */
static u32 set_room(const struct guest_set *set, u32 size)
{
	u32 at = set_first(set), i = 0;

	while (i < set->capacity) {
		u32 from = set->room[i].offset, end = from + set->room[i].size;

		if (set->room[i].size && at < end && from < at + size) {
			at = end;
			i = 0;
		} else {
			i++;
		}
	}
	return at <= set->head->size && size <= set->head->size - at ? at : 0;
}

static int set_slot(const struct guest_set *set, const char *name)
{
	const struct lichen_directory_entry *entry = set_entries(set);
	int slot = -ENOSPC;
	u32 i;

	for (i = 0; i < set->capacity; i++) {
		if (i < set->head->count && !strcmp(entry[i].name, name))
			return -EEXIST;
		if (slot < 0 && !set->room[i].size)
			slot = i;
	}
	return slot;
}

int guest_set_add(struct guest_set *set, const char *name, const char *schema, u32 bytes,
		  void (*fill)(struct lichen_directory_entry *entry, u32 offset,
			       const void *how),
		  const void *how)
{
	size_t text = schema ? strlen(schema) : 0;
	struct lichen_directory_entry *entry;
	u32 size, at;
	int slot;

	if (!*name || strlen(name) >= LICHEN_DIRECTORY_NAME || text > LICHEN_SCHEMA_MAX ||
	    bytes > LICHEN_SPY_PAGES * PAGE_SIZE)
		return -EINVAL;
	size = ALIGN(ALIGN(bytes, 8) + text, 8);
	mutex_lock(&set->lock);
	slot = set_slot(set, name);
	/* Even an entry without bytes and schema takes some, so that its slot is taken. */
	at = slot < 0 ? 0 : set_room(set, max(size, 8U));
	if (slot >= 0 && !at)
		slot = -ENOSPC;
	if (slot < 0)
		goto out;
	set->room[slot].offset = at;
	set->room[slot].size = max(size, 8U);
	memset((char *)set->head + at, 0, size);
	memcpy((char *)set->head + at + ALIGN(bytes, 8), schema ?: "", text);
	set_changing(set);
	entry = &set_entries(set)[slot];
	memset(entry, 0, sizeof(*entry));
	strscpy(entry->name, name, sizeof(entry->name));
	entry->schema = text ? at + ALIGN(bytes, 8) : 0;
	entry->schema_size = text;
	fill(entry, at, how);
	if (slot >= set->head->count)
		set->head->count = slot + 1;
	set_changed(set);
out:
	mutex_unlock(&set->lock);
	return slot;
}

void guest_set_remove(struct guest_set *set, unsigned int index)
{
	mutex_lock(&set->lock);
	set_changing(set);
	memset(&set_entries(set)[index], 0, sizeof(struct lichen_directory_entry));
	set_changed(set);
	set->room[index].size = 0;
	mutex_unlock(&set->lock);
}

void *guest_set_bytes(const struct guest_set *set, unsigned int index)
{
	return (char *)set->head + set->room[index].offset;
}
