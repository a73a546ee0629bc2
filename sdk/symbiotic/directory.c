/* SPDX-License-Identifier: MIT */
/* directory.c: reads what a guest shares.  See <lichen/sdk/directory.h>. */
#include <string.h>

#include <lichen/guest/discovery.h>
#include <lichen/sdk/directory.h>

#define DIRECTORY_VERSION 1u

lichen_status lichen_shared_at(const struct lichen_dev *dev, uint64_t value, uint32_t pages,
			       struct lichen_shared *shared)
{
	const struct lichen_shared wanted = {
		.dev = dev,
		.gpa = LICHEN_AT_GPA(value),
		.size = (uint64_t)LICHEN_AT_PAGES(value) * LICHEN_GUEST_PAGE,
	};
	struct lichen_map map = { LICHEN_STRUCT(struct lichen_map) };
	lichen_status status;

	if (value == 0) {
		*shared = (struct lichen_shared){ .dev = dev };
		return 1;
	}
	if (!(value & 1) || LICHEN_AT_PAGES(value) > pages)
		return -LICHEN_EINVAL;
	status = dev->host->memory_map(dev->in, 0, wanted.gpa, wanted.size, LICHEN_ACCESS_READ,
				       &map);
	if (status < 0)
		return -LICHEN_EFAULT;
	dev->host->memory_unmap(dev->in, &map, 0);
	*shared = wanted;
	return 0;
}

static int inside(uint64_t size, uint64_t offset, uint64_t length)
{
	return offset <= size && length <= size - offset;
}

/* All of it, until unmapped.  -LICHEN_ENOENT: nothing is registered; -LICHEN_EFAULT: it is no
 * RAM any more. */
static lichen_status map_shared(const struct lichen_shared *shared, struct lichen_map *map,
				const uint8_t **base)
{
	*map = (struct lichen_map){ LICHEN_STRUCT(struct lichen_map) };
	if (shared->size == 0)
		return -LICHEN_ENOENT;
	if (shared->dev->host->memory_map(shared->dev->in, 0, shared->gpa, shared->size,
					  LICHEN_ACCESS_READ, map) < 0)
		return -LICHEN_EFAULT;
	*base = map->data;
	return 0;
}

static void unmap_shared(const struct lichen_shared *shared, struct lichen_map *map)
{
	shared->dev->host->memory_unmap(shared->dev->in, map, 0);
}

/* Guest memory is aligned as the guest's addresses are, which callers have checked. */
static uint32_t sequence_at(const uint8_t *at)
{
	return __atomic_load_n((const uint32_t *)(const void *)at, __ATOMIC_ACQUIRE);
}

/*
 * Copies `size` bytes between two reads of the same even sequence.  Returns the tries that
 * it took beyond the first, or -LICHEN_EAGAIN.
 */
static lichen_status copy_whole(const uint8_t *sequence, const uint8_t *from, void *to,
				uint64_t size)
{
	for (int32_t tries = 0; tries < LICHEN_SPY_RETRIES; tries++) {
		const uint32_t before = sequence_at(sequence);

		if (before & 1) {
			__builtin_ia32_pause();
			continue;
		}
		memcpy(to, from, size);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (sequence_at(sequence) == before)
			return tries;
	}
	return -LICHEN_EAGAIN;
}

static int head_is_right(const struct lichen_shared *shared, uint32_t magic,
			 const struct lichen_directory *head)
{
	return head->magic == magic && head->version == DIRECTORY_VERSION &&
	       head->size >= sizeof(*head) && head->size <= shared->size &&
	       head->count <= LICHEN_DIRECTORY_MAX && head->entries % 8 == 0 &&
	       inside(head->size, head->entries,
		      (uint64_t)head->count * sizeof(struct lichen_directory_entry));
}

/* The head, of one state, and judged. */
static lichen_status head_read(const struct lichen_shared *shared, uint32_t magic,
			       const uint8_t *base, struct lichen_directory *head)
{
	const lichen_status status = copy_whole(
		base + offsetof(struct lichen_directory, sequence), base, head, sizeof(*head));

	if (status < 0)
		return status;
	return head_is_right(shared, magic, head) ? 0 : -LICHEN_EBADMSG;
}

/* What was read after `head` is of its state: 0, or -LICHEN_EAGAIN, as the writer came between.
 */
static lichen_status head_stands(const uint8_t *base, const struct lichen_directory *head)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return sequence_at(base + offsetof(struct lichen_directory, sequence)) == head->sequence
		       ? 0
		       : -LICHEN_EAGAIN;
}

/* One try: head and entries of one state. */
static lichen_status read_once(const struct lichen_shared *shared, uint32_t magic,
			       const uint8_t *base, struct lichen_directory_entry *entries,
			       struct lichen_directory *head)
{
	const lichen_status status = head_read(shared, magic, base, head);

	if (status < 0)
		return status;
	memcpy(entries, base + head->entries, head->count * sizeof(*entries));
	return head_stands(base, head);
}

lichen_status lichen_directory_read(const struct lichen_shared *shared, uint32_t magic,
				    struct lichen_directory_entry entries[LICHEN_DIRECTORY_MAX],
				    uint32_t *count)
{
	struct lichen_directory head;
	struct lichen_map map;
	const uint8_t *base;
	uint32_t named = 0;
	lichen_status status = map_shared(shared, &map, &base);

	if (status < 0)
		return status;
	status = -LICHEN_EAGAIN;
	for (uint32_t tries = 0; tries < LICHEN_SPY_RETRIES && status == -LICHEN_EAGAIN;
	     tries++)
		status = read_once(shared, magic, base, entries, &head);
	unmap_shared(shared, &map);
	if (status < 0)
		return status;
	for (uint32_t i = 0; i < head.count; i++) {
		if (entries[i].name[0] == '\0')
			continue;
		if (i != named)
			entries[named] = entries[i];
		entries[named++].name[LICHEN_DIRECTORY_NAME - 1] = '\0';
	}
	*count = named;
	return 0;
}

/* One try, as read_once(), of the entry of one name: the others are not kept. */
static lichen_status find_once(const struct lichen_shared *shared, uint32_t magic,
			       const uint8_t *base, const char *name, size_t length,
			       struct lichen_directory_entry *entry)
{
	struct lichen_directory head;
	lichen_status found = -LICHEN_ENOENT;
	const lichen_status status = head_read(shared, magic, base, &head);
	const uint8_t *at;

	if (status < 0)
		return status;
	at = base + head.entries;
	for (uint32_t i = 0; i < head.count && found < 0; i++, at += sizeof(*entry)) {
		memcpy(entry, at, sizeof(*entry));
		entry->name[LICHEN_DIRECTORY_NAME - 1] = '\0';
		if (memcmp(entry->name, name, length + 1) == 0)
			found = 0;
	}
	return head_stands(base, &head) < 0 ? -LICHEN_EAGAIN : found;
}

/* In what is mapped at `base`. */
static lichen_status find_at(const struct lichen_shared *shared, uint32_t magic,
			     const uint8_t *base, const char *name,
			     struct lichen_directory_entry *entry)
{
	const size_t length = strnlen(name, LICHEN_DIRECTORY_NAME);
	lichen_status status = -LICHEN_EAGAIN;

	if (length == 0 || length == LICHEN_DIRECTORY_NAME)
		return -LICHEN_ENOENT;
	for (uint32_t tries = 0; tries < LICHEN_SPY_RETRIES && status == -LICHEN_EAGAIN;
	     tries++)
		status = find_once(shared, magic, base, name, length, entry);
	return status;
}

lichen_status lichen_directory_find(const struct lichen_shared *shared, uint32_t magic,
				    const char *name, struct lichen_directory_entry *entry)
{
	struct lichen_map map;
	const uint8_t *base;
	lichen_status status = map_shared(shared, &map, &base);

	if (status < 0)
		return status;
	status = find_at(shared, magic, base, name, entry);
	unmap_shared(shared, &map);
	return status;
}

lichen_status lichen_directory_schema(const struct lichen_shared *shared,
				      const struct lichen_directory_entry *entry,
				      char text[LICHEN_SCHEMA_MAX + 1])
{
	lichen_status status = 0;

	if (entry->schema_size > LICHEN_SCHEMA_MAX ||
	    !inside(shared->size, entry->schema, entry->schema_size))
		return -LICHEN_EBADMSG;
	if (entry->schema && entry->schema_size)
		status = shared->dev->host->memory_read(shared->dev->in, 0,
							shared->gpa + entry->schema, text,
							entry->schema_size);
	if (status < 0)
		return status;
	text[entry->schema ? entry->schema_size : 0] = '\0';
	return 0;
}

/* In what is mapped at `base`. */
static lichen_status record_at(const struct lichen_shared *shared,
			       const struct lichen_directory_entry *entry, const uint8_t *base,
			       void *to, uint32_t room, uint32_t *retries)
{
	const uint64_t head = sizeof(struct lichen_spy_record);
	lichen_status status;

	*retries = 0;
	if (entry->offset % 8 || !inside(shared->size, entry->offset, head + entry->size))
		return -LICHEN_EBADMSG;
	if (entry->size > room)
		return -LICHEN_E2BIG;
	status = copy_whole(base + entry->offset, base + entry->offset + head, to, entry->size);
	*retries = status < 0 ? LICHEN_SPY_RETRIES : (uint32_t)status;
	return status < 0 ? status : 0;
}

lichen_status lichen_record_read(const struct lichen_shared *shared,
				 const struct lichen_directory_entry *entry, void *to,
				 uint32_t room, uint32_t *retries)
{
	struct lichen_map map;
	const uint8_t *base;
	lichen_status status = map_shared(shared, &map, &base);

	if (status < 0)
		return status;
	status = record_at(shared, entry, base, to, room, retries);
	unmap_shared(shared, &map);
	return status;
}

lichen_status lichen_record_find(const struct lichen_shared *shared, const char *name, void *to,
				 uint32_t room, uint32_t *size, uint32_t *retries)
{
	struct lichen_directory_entry entry;
	struct lichen_map map;
	const uint8_t *base;
	lichen_status status = map_shared(shared, &map, &base);

	if (status < 0)
		return status;
	status = find_at(shared, LICHEN_DIRECTORY_SPY, base, name, &entry);
	if (status == 0)
		status = record_at(shared, &entry, base, to, room, retries);
	if (status == 0)
		*size = entry.size;
	unmap_shared(shared, &map);
	return status;
}
