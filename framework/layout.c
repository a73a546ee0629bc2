/* SPDX-License-Identifier: MIT */
/* layout.c: which parts of windows of memory the guest sees, and their slots.  See layout.h. */
#include <stdlib.h>
#include <string.h>

#include "layout.h"

enum {
	FW_SLOT_PAGE = LICHEN_WINDOW_PAGE,
	FW_BITS_USUAL = 36, /* of physical addresses where CPUID does not tell */
};

#define FW_LEAF_SIZES 0x80000008u /* CPUID: EAX bits 7:0 are the physical address width */

void fw_layout_init(struct fw_layout *layout, const struct hv_ops *hv, struct hv_vm *hvm,
		    struct fw_bus *mmio)
{
	struct hv_caps caps;

	hv->caps(hvm, &caps);
	*layout = (struct fw_layout){ .hv = hv, .hvm = hvm, .mmio = mmio };
	layout->slot_limit =
		caps.max_slots > FW_PIECES_MAX ? caps.max_slots - FW_PIECES_MAX : 0;
	pthread_mutex_init(&layout->lock, NULL);
	pthread_rwlock_init(&layout->parts_lock, NULL);
}

void fw_layout_clear(struct fw_layout *layout)
{
	free(layout->slots);
	free(layout->spare);
	free(layout->parts);
	pthread_rwlock_destroy(&layout->parts_lock);
	pthread_mutex_destroy(&layout->lock);
}

/* --- how the bus serves it --- */

static uint64_t fw_memory_window_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	const struct fw_memory_window *window = self;

	(void)cookie;
	return fw_backing_load(window->backing, off, size);
}

/* What the guest writes to ROM, in the sizes that the class takes. */
static void fw_memory_window_trap(const struct fw_memory_window *window, uint64_t off,
				  uint32_t size, uint64_t value)
{
	const struct lichen_window *declared = window->declared;
	const uint32_t sizes = declared->access_sizes ? declared->access_sizes : 1 | 2 | 4 | 8;
	uint32_t part = size;

	if (!declared->ops || !declared->ops->write)
		return;
	if (declared->split == LICHEN_SPLIT)
		while (part && !(sizes & part))
			part /= 2;
	if (!(sizes & part))
		return;
	for (uint32_t done = 0; done < size; done += part)
		declared->ops->write(window->self, declared->cookie, off + done, part,
				     part == 8 ? value
					       : value >> 8 * done &
							 ((UINT64_C(1) << 8 * part) - 1));
}

static void fw_memory_window_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
				   uint64_t value)
{
	const struct fw_memory_window *window = self;

	(void)cookie;
	if (window->backing->writable)
		fw_backing_store(window->backing, off, size, value);
	else
		fw_memory_window_trap(window, off, size, value);
}

static const struct lichen_io_ops fw_memory_window_io = {
	LICHEN_STRUCT(struct lichen_io_ops),
	.read = fw_memory_window_read,
	.write = fw_memory_window_write,
};

void fw_memory_window_init(struct fw_memory_window *window,
			   const struct lichen_window *declared, void *self)
{
	window->declared = declared;
	window->self = self;
	window->seen = *declared;
	window->seen.access_sizes = 0;
	window->seen.split = LICHEN_SPLIT;
	window->seen.ops = &fw_memory_window_io;
}

/* --- where it may be --- */

/* Caller holds the lock. */
static lichen_status fw_layout_bits(struct fw_layout *layout)
{
	struct hv_cpuid leaves[HV_CPUID_MAX];
	uint32_t count = HV_CPUID_MAX;

	if (layout->address_bits)
		return 0;
	if (layout->hv->cpuid(layout->hvm, leaves, &count) < 0)
		return -LICHEN_EIO;
	layout->address_bits = FW_BITS_USUAL;
	for (uint32_t i = 0; i < count; i++)
		if (leaves[i].leaf == FW_LEAF_SIZES && (leaves[i].eax & 0xff))
			layout->address_bits = leaves[i].eax & 0xff;
	return 0;
}

lichen_status fw_layout_check(struct fw_layout *layout, lichen_gpa gpa, uint64_t size,
			      struct ld_error *error)
{
	lichen_status status;
	uint32_t bits;

	if (size == 0 || (gpa | size) % FW_SLOT_PAGE) {
		ld_error_set(error, "0x%llx bytes at 0x%llx: memory is whole pages of %d",
			     (unsigned long long)size, (unsigned long long)gpa, FW_SLOT_PAGE);
		return -LICHEN_EINVAL;
	}
	pthread_mutex_lock(&layout->lock);
	status = fw_layout_bits(layout);
	bits = layout->address_bits;
	pthread_mutex_unlock(&layout->lock);
	if (status < 0) {
		ld_error_set(error, "the hypervisor does not tell the guest's address width");
		return status;
	}
	if (bits < 64 && (gpa >> bits || size - 1 > (UINT64_C(1) << bits) - 1 - gpa)) {
		ld_error_set(error,
			     "0x%llx bytes at 0x%llx: the guest's addresses have %u bits",
			     (unsigned long long)size, (unsigned long long)gpa, bits);
		return -LICHEN_ERANGE;
	}
	return 0;
}

/* --- parts --- */

struct fw_collection {
	struct fw_visible *parts;
	uint32_t count, room;
};

/* The room was made before, and a change only needs more of it when a window comes. */
static void fw_layout_visit(void *context, const struct fw_bus_part *seen)
{
	struct fw_collection *collection = context;
	const struct fw_memory_window *window = seen->self;

	if (seen->window->kind == LICHEN_IO || collection->count == collection->room)
		return;
	collection->parts[collection->count++] =
		(struct fw_visible){ .gpa = seen->start,
				     .size = seen->last - seen->start + 1,
				     .offset = seen->start - seen->base,
				     .backing = fw_backing_get(window->backing) };
}

/* Each window painted over others leaves at most two parts more. */
static lichen_status fw_layout_grow(struct fw_layout *layout, uint32_t more)
{
	const uint32_t room = 2 * (fw_bus_count(layout->mmio) + more) + 2;
	struct fw_window_slot *slots;
	struct fw_visible *spare, *parts;

	if (room <= layout->room)
		return 0;
	spare = realloc(layout->spare, room * sizeof(*spare));
	if (!spare)
		return -LICHEN_ENOMEM;
	layout->spare = spare;
	slots = realloc(layout->slots, room * sizeof(*slots));
	if (!slots)
		return -LICHEN_ENOMEM;
	memset(slots + layout->slot_count, 0, (room - layout->slot_count) * sizeof(*slots));
	layout->slots = slots;
	layout->slot_count = room;
	pthread_rwlock_wrlock(&layout->parts_lock);
	parts = realloc(layout->parts, room * sizeof(*parts));
	if (parts)
		layout->parts = parts;
	pthread_rwlock_unlock(&layout->parts_lock);
	if (!parts)
		return -LICHEN_ENOMEM;
	layout->room = room;
	return 0;
}

/* What is seen now becomes what is found; the uses of what was found before go. */
static void fw_layout_publish(struct fw_layout *layout)
{
	struct fw_collection collection = { .parts = layout->spare, .room = layout->room };
	struct fw_visible *old;
	uint32_t old_count;

	fw_bus_visit(layout->mmio, fw_layout_visit, &collection);
	pthread_rwlock_wrlock(&layout->parts_lock);
	old = layout->parts;
	old_count = layout->part_count;
	layout->parts = collection.parts;
	layout->part_count = collection.count;
	pthread_rwlock_unlock(&layout->parts_lock);
	layout->spare = old;
	for (uint32_t i = 0; i < old_count; i++)
		fw_backing_put(old[i].backing);
}

/* --- slots; callers hold the lock --- */

/* The whole pages of a part; 0: it has none. */
static int fw_slot_of(const struct fw_visible *part, struct fw_window_slot *slot)
{
	const uint64_t mask = FW_SLOT_PAGE - 1, skip = -part->gpa & mask;

	if (part->size < skip || part->size - skip < FW_SLOT_PAGE)
		return 0;
	*slot = (struct fw_window_slot){ .gpa = part->gpa + skip,
					 .size = (part->size - skip) & ~mask,
					 .offset = part->offset + skip,
					 .backing = part->backing };
	if (!part->backing->writable)
		slot->flags = HV_SLOT_READ_ONLY;
	else if (atomic_load(&part->backing->dirty))
		slot->flags = HV_SLOT_TRACK_DIRTY;
	return 1;
}

static int fw_slot_same(const struct fw_window_slot *a, const struct fw_window_slot *b)
{
	return a->gpa == b->gpa && a->size == b->size && a->offset == b->offset &&
	       a->backing == b->backing;
}

static lichen_status fw_slot_map(struct fw_layout *layout, uint32_t index,
				 const struct fw_window_slot *slot, struct ld_error *error)
{
	const struct hv_slot mapped = { .number = FW_PIECES_MAX + index,
					.flags = slot->flags,
					.gpa = slot->gpa,
					.size = slot->size,
					.host = slot->backing->host + slot->offset };

	return layout->hv->map(layout->hvm, &mapped, error) < 0 ? -LICHEN_EIO : 0;
}

/* What the hypervisor knew of written pages goes with the slot: all of them may be. */
static void fw_slot_drop(struct fw_layout *layout, uint32_t index)
{
	struct fw_window_slot *slot = &layout->slots[index];

	layout->hv->unmap(layout->hvm, FW_PIECES_MAX + index);
	fw_backing_mark(slot->backing, slot->offset, slot->size);
	fw_backing_put(slot->backing);
	slot->size = 0;
}

static int fw_slot_wanted(const struct fw_layout *layout, const struct fw_window_slot *slot)
{
	for (uint32_t i = 0; i < layout->part_count; i++) {
		struct fw_window_slot wanted;

		if (fw_slot_of(&layout->parts[i], &wanted) && fw_slot_same(&wanted, slot))
			return 1;
	}
	return 0;
}

/* The mapped slot that is the same memory, or else a free one; slot_count: there is none. */
static uint32_t fw_slot_find(const struct fw_layout *layout, const struct fw_window_slot *slot)
{
	uint32_t free_one = layout->slot_count;

	for (uint32_t i = layout->slot_count; i-- > 0;) {
		if (i < layout->slot_limit && layout->slots[i].size == 0)
			free_one = i;
		else if (layout->slots[i].size && fw_slot_same(&layout->slots[i], slot))
			return i;
	}
	return free_one;
}

static lichen_status fw_slot_make(struct fw_layout *layout, const struct fw_window_slot *wanted,
				  struct ld_error *error)
{
	const uint32_t index = fw_slot_find(layout, wanted);
	struct fw_window_slot *slot;
	lichen_status status;

	if (index == layout->slot_count) {
		ld_error_set(error, "memory at 0x%llx: the hypervisor's %u slots are taken",
			     (unsigned long long)wanted->gpa,
			     layout->slot_limit + FW_PIECES_MAX);
		return -LICHEN_ENOSPC;
	}
	slot = &layout->slots[index];
	if (slot->size && slot->flags == wanted->flags)
		return 0;
	status = fw_slot_map(layout, index, wanted, error);
	if (status < 0)
		return status;
	if (!slot->size)
		fw_backing_get(wanted->backing);
	*slot = *wanted;
	return 0;
}

/* Obsolete ones first: slots may not overlap.  All are tried, the first failure counts. */
static lichen_status fw_layout_slots(struct fw_layout *layout, struct ld_error *error)
{
	struct fw_window_slot wanted;
	lichen_status first = 0;

	for (uint32_t i = 0; i < layout->slot_count; i++)
		if (layout->slots[i].size && !fw_slot_wanted(layout, &layout->slots[i]))
			fw_slot_drop(layout, i);
	for (uint32_t i = 0; i < layout->part_count; i++)
		if (fw_slot_of(&layout->parts[i], &wanted)) {
			const lichen_status status =
				fw_slot_make(layout, &wanted, first == 0 ? error : NULL);

			first = first < 0 ? first : status;
		}
	return first;
}

lichen_status fw_layout_follow(struct fw_layout *layout, struct ld_error *error)
{
	lichen_status status;

	if (atomic_load(&layout->windows) == 0)
		return 0;
	pthread_mutex_lock(&layout->lock);
	status = fw_layout_grow(layout, 0);
	if (status < 0) {
		ld_error_set(error, "out of memory");
	} else {
		fw_layout_publish(layout);
		status = fw_layout_slots(layout, error);
	}
	pthread_mutex_unlock(&layout->lock);
	return status;
}

lichen_status fw_layout_prepare(struct fw_layout *layout, uint32_t more)
{
	lichen_status status;

	pthread_mutex_lock(&layout->lock);
	status = fw_layout_grow(layout, more);
	pthread_mutex_unlock(&layout->lock);
	return status;
}

lichen_status fw_layout_remap(struct fw_layout *layout, struct ld_error *error)
{
	lichen_status status = 0;

	pthread_mutex_lock(&layout->lock);
	for (uint32_t i = 0; i < layout->slot_count && status == 0; i++) {
		if (!layout->slots[i].size)
			continue;
		layout->hv->unmap(layout->hvm, FW_PIECES_MAX + i);
		status = fw_slot_map(layout, i, &layout->slots[i], error);
	}
	pthread_mutex_unlock(&layout->lock);
	return status;
}

/* --- dirty pages --- */

static void fw_slot_dirty(struct fw_layout *layout, uint32_t index)
{
	const struct fw_window_slot *slot = &layout->slots[index];
	const uint64_t pages = slot->size / FW_SLOT_PAGE, words = fw_backing_words(slot->size);
	uint64_t *bits = calloc(words, sizeof(*bits));

	/* Without memory to ask in: all of them may be. */
	if (!bits || layout->hv->dirty(layout->hvm, FW_PIECES_MAX + index, bits, words) < 0)
		fw_backing_mark(slot->backing, slot->offset, slot->size);
	else
		for (uint64_t i = 0; i < pages; i++)
			if (bits[i / 64] >> i % 64 & 1)
				fw_backing_mark(slot->backing, slot->offset + i * FW_SLOT_PAGE,
						1);
	free(bits);
}

void fw_layout_dirty(struct fw_layout *layout, struct fw_backing *backing, uint64_t *bits)
{
	_Atomic uint64_t *ours = atomic_load(&backing->dirty);

	pthread_mutex_lock(&layout->lock);
	for (uint32_t i = 0; i < layout->slot_count; i++)
		if (layout->slots[i].size && layout->slots[i].backing == backing)
			fw_slot_dirty(layout, i);
	for (uint64_t i = 0; i < fw_backing_words(backing->size); i++)
		bits[i] |= atomic_exchange(&ours[i], 0);
	pthread_mutex_unlock(&layout->lock);
}

static int fw_slot_compare(const void *a, const void *b)
{
	const struct fw_window_slot *one = a, *two = b;

	return one->gpa < two->gpa ? -1 : one->gpa > two->gpa;
}

lichen_status fw_layout_ram(struct fw_layout *layout, struct fw_window_slot **slots,
			    uint32_t *count)
{
	struct fw_window_slot *copy;
	uint32_t used = 0;

	pthread_mutex_lock(&layout->lock);
	copy = calloc((size_t)layout->slot_count + 1, sizeof(*copy));
	for (uint32_t i = 0; copy && i < layout->slot_count; i++) {
		if (!layout->slots[i].size || layout->slots[i].backing->kind != LICHEN_RAM)
			continue;
		copy[used] = layout->slots[i];
		fw_backing_get(copy[used++].backing);
	}
	pthread_mutex_unlock(&layout->lock);
	if (!copy)
		return -LICHEN_ENOMEM;
	qsort(copy, used, sizeof(*copy), fw_slot_compare);
	*slots = copy;
	*count = used;
	return 0;
}
