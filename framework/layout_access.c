/* SPDX-License-Identifier: MIT */
/*
 * layout_access.c: guest memory as instances reach it, where it is not all the system's RAM.
 * See layout.h.
 */
#include <string.h>

#include "layout.h"

/* A stretch of guest memory in one piece. */
struct fw_stretch {
	uint8_t *at;
	uint64_t size, offset;
	struct fw_backing *backing; /* NULL: the system's RAM */
};

/* What may be done to a window of this kind as guest memory. */
static uint32_t fw_access_of(const struct fw_backing *backing)
{
	switch (backing->kind) {
	case LICHEN_RAM:
		return LICHEN_ACCESS_READ | LICHEN_ACCESS_WRITE;
	case LICHEN_ROM:
		return LICHEN_ACCESS_READ;
	default:
		return 0; /* somebody else's: it may go, or not take copies */
	}
}

/* The part that holds gpa, or NULL.  Caller holds parts_lock. */
static const struct fw_visible *fw_part_at(const struct fw_layout *layout, lichen_gpa gpa)
{
	uint32_t low = 0, high = layout->part_count;

	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;
		const struct fw_visible *part = &layout->parts[middle];

		if (gpa < part->gpa)
			high = middle;
		else if (gpa - part->gpa >= part->size)
			low = middle + 1;
		else
			return part;
	}
	return NULL;
}

/* The first bytes of [gpa, gpa + size) that lie in one piece; 0: they are no such memory. */
static int fw_stretch_at(const struct fw_layout *layout, const struct fw_memory *memory,
			 lichen_gpa gpa, uint64_t size, uint32_t access,
			 struct fw_stretch *stretch)
{
	const struct fw_visible *part;
	uint64_t room;

	*stretch = (struct fw_stretch){ .at = NULL };
	stretch->size = fw_memory_part(memory, gpa, size, &stretch->at);
	if (stretch->size)
		return 1;
	part = fw_part_at(layout, gpa);
	if (!part || access & ~fw_access_of(part->backing))
		return 0;
	room = part->size - (gpa - part->gpa);
	stretch->size = size < room ? size : room;
	stretch->offset = part->offset + (gpa - part->gpa);
	stretch->at = part->backing->host + stretch->offset;
	stretch->backing = part->backing;
	return 1;
}

/* 1 when all of it may be accessed so. */
static int fw_stretch_covers(const struct fw_layout *layout, const struct fw_memory *memory,
			     lichen_gpa gpa, uint64_t size, uint32_t access)
{
	struct fw_stretch stretch;

	for (; size; size -= stretch.size, gpa += stretch.size)
		if (!fw_stretch_at(layout, memory, gpa, size, access, &stretch))
			return 0;
	return 1;
}

lichen_status fw_layout_read(struct fw_layout *layout, const struct fw_memory *memory,
			     lichen_gpa gpa, void *to, uint64_t size)
{
	lichen_status status = 0;
	struct fw_stretch stretch;
	uint8_t *out = to;

	if (fw_memory_read(memory, gpa, to, size) == 0)
		return 0;
	pthread_rwlock_rdlock(&layout->parts_lock);
	for (; size && status == 0; size -= stretch.size) {
		if (!fw_stretch_at(layout, memory, gpa, size, LICHEN_ACCESS_READ, &stretch)) {
			status = -LICHEN_EFAULT;
			break;
		}
		memcpy(out, stretch.at, stretch.size);
		out += stretch.size;
		gpa += stretch.size;
	}
	pthread_rwlock_unlock(&layout->parts_lock);
	return status;
}

lichen_status fw_layout_write(struct fw_layout *layout, const struct fw_memory *memory,
			      lichen_gpa gpa, const void *from, uint64_t size)
{
	lichen_status status = -LICHEN_EFAULT;
	struct fw_stretch stretch;
	const uint8_t *in = from;

	if (fw_memory_write(memory, gpa, from, size) == 0)
		return 0;
	pthread_rwlock_rdlock(&layout->parts_lock);
	if (fw_stretch_covers(layout, memory, gpa, size, LICHEN_ACCESS_WRITE)) {
		for (; size; size -= stretch.size) {
			(void)fw_stretch_at(layout, memory, gpa, size, LICHEN_ACCESS_WRITE,
					    &stretch);
			memcpy(stretch.at, in, stretch.size);
			if (stretch.backing)
				fw_backing_mark(stretch.backing, stretch.offset, stretch.size);
			in += stretch.size;
			gpa += stretch.size;
		}
		status = 0;
	}
	pthread_rwlock_unlock(&layout->parts_lock);
	return status;
}

void *fw_layout_map(struct fw_layout *layout, lichen_gpa gpa, uint64_t size, uint32_t access,
		    struct fw_backing **backing, uint64_t *offset)
{
	const struct fw_visible *part;
	void *at = NULL;

	*backing = NULL;
	pthread_rwlock_rdlock(&layout->parts_lock);
	part = fw_part_at(layout, gpa);
	if (part && !(access & ~fw_access_of(part->backing)) &&
	    size <= part->size - (gpa - part->gpa)) {
		*offset = part->offset + (gpa - part->gpa);
		*backing = fw_backing_get(part->backing);
		at = part->backing->host + *offset;
	}
	pthread_rwlock_unlock(&layout->parts_lock);
	return at;
}
