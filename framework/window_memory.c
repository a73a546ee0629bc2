/* SPDX-License-Identifier: MIT */
/* window_memory.c: what lies in an instance's windows of memory, and how it reaches that. */
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "stage.h"
#include "status.h"
#include "vm.h"

lichen_status fw_places_make(struct lichen_instance *in, struct fw_diags *diags)
{
	in->places = calloc((size_t)in->class->windows.count + 1, sizeof(*in->places));
	if (!in->places) {
		fw_diag(diags, in->spec->mark, "%s %s: out of memory", in->spec->path,
			in->spec->id);
		return -LICHEN_ENOMEM;
	}
	for (uint32_t i = 0; i < in->class->windows.count; i++) {
		void *self;
		const struct lichen_window *window = fw_check_window(in, i, &self);
		struct fw_memory_window *memory = &in->places[i].memory;

		if (window->kind == LICHEN_IO)
			continue;
		fw_memory_window_init(memory, window, self);
		if (window->kind == LICHEN_MAPPED)
			continue;
		memory->backing = fw_backing_new(window->kind, window->size);
		if (memory->backing)
			continue;
		fw_diag(diags, in->spec->mark, "%s %s: window %s: the host has no %llu bytes",
			in->spec->path, in->spec->id, window->name,
			(unsigned long long)window->size);
		return -LICHEN_ENOMEM;
	}
	return 0;
}

/* The window of the old class that is the same memory; its count: there is none. */
static uint32_t fw_window_same(const struct lichen_class *class,
			       const struct lichen_window *window)
{
	const struct lichen_window *windows = FW_ITEMS(struct lichen_window, class->windows);
	uint32_t i = 0;

	while (i < class->windows.count &&
	       (windows[i].kind != window->kind || windows[i].size != window->size ||
		strcmp(windows[i].name, window->name) != 0))
		i++;
	return i;
}

void fw_places_inherit(struct lichen_instance *in, const struct lichen_instance *old)
{
	const struct lichen_window *windows =
		FW_ITEMS(struct lichen_window, in->class->windows);

	for (uint32_t i = 0; i < in->class->windows.count; i++) {
		const uint32_t same = fw_window_same(old->class, &windows[i]);

		if (same == old->class->windows.count)
			continue;
		in->places[i].counter = old->places[same].counter;
		if (windows[i].kind != LICHEN_RAM)
			continue;
		fw_backing_put(in->places[i].memory.backing);
		in->places[i].memory.backing = fw_backing_get(old->places[same].memory.backing);
	}
}

void fw_places_yield(struct lichen_instance *in, const struct lichen_instance *other)
{
	for (uint32_t i = 0; i < in->class->windows.count; i++)
		for (uint32_t k = 0; k < other->class->windows.count; k++)
			if (in->places[i].counter == other->places[k].counter)
				in->places[i].counter = 0;
}

void fw_places_free(struct lichen_instance *in)
{
	if (in->stage && in->places)
		fw_places_yield(in, in->stage->old);
	for (uint32_t i = 0; in->places && i < in->class->windows.count; i++) {
		fw_backing_put(in->places[i].memory.backing);
		fw_counter_give(in->vm, in->places[i].counter);
	}
	free(in->places);
}

void fw_places_zero(struct lichen_instance *in)
{
	for (uint32_t i = 0; i < in->class->windows.count; i++) {
		struct fw_backing *backing = in->places[i].memory.backing;

		if (backing && backing->kind == LICHEN_RAM)
			fw_backing_zero(backing);
	}
}

/* The backing of a window of RAM, or of ROM where `rom` is set; NULL: it is of another kind. */
static struct fw_backing *fw_window_backing(const struct lichen_instance *in, uint32_t window,
					    int rom)
{
	struct fw_backing *backing;

	if (window >= in->class->windows.count)
		return NULL;
	backing = in->places[window].memory.backing;
	if (!backing || (backing->kind != LICHEN_RAM && !(rom && backing->kind == LICHEN_ROM)))
		return NULL;
	return backing;
}

static int fw_window_holds(const struct fw_backing *backing, uint64_t offset, uint64_t size)
{
	return offset <= backing->size && size <= backing->size - offset;
}

lichen_status fw_host_window_read(struct lichen_instance *in, uint32_t window, uint64_t offset,
				  void *to, uint64_t size)
{
	const struct fw_backing *backing = fw_window_backing(in, window, 1);

	if (!backing)
		return -LICHEN_EINVAL;
	if (!fw_window_holds(backing, offset, size))
		return -LICHEN_ERANGE;
	if (size)
		memcpy(to, backing->host + offset, size);
	return 0;
}

lichen_status fw_host_window_write(struct lichen_instance *in, uint32_t window, uint64_t offset,
				   const void *from, uint64_t size)
{
	struct fw_backing *backing = fw_window_backing(in, window, 1);

	if (!backing)
		return -LICHEN_EINVAL;
	if (!fw_window_holds(backing, offset, size))
		return -LICHEN_ERANGE;
	if (in->stage && backing->kind == LICHEN_RAM)
		return 0; /* what is there is the guest's */
	if (size)
		memcpy(backing->host + offset, from, size);
	fw_backing_mark(backing, offset, size);
	return 0;
}

/* Takes `backing` over where the window is nowhere. */
static lichen_status fw_window_change(struct lichen_instance *in, uint32_t window,
				      struct fw_backing *backing)
{
	struct fw_place *place = &in->places[window];
	lichen_status status = -LICHEN_EBUSY;

	pthread_mutex_lock(&in->vm->place_lock);
	if (!place->bus && !place->moving) {
		fw_backing_put(place->memory.backing);
		place->memory.backing = backing;
		status = 0;
	}
	pthread_mutex_unlock(&in->vm->place_lock);
	return status;
}

lichen_status fw_host_window_back(struct lichen_instance *in, uint32_t window,
				  int32_t descriptor, uint64_t offset, uint32_t access)
{
	const struct lichen_window *declared;
	struct fw_backing *backing;
	lichen_status status;

	if (window >= in->class->windows.count)
		return -LICHEN_EINVAL;
	declared = &FW_ITEMS(struct lichen_window, in->class->windows)[window];
	if (declared->kind != LICHEN_MAPPED || offset % LICHEN_WINDOW_PAGE)
		return -LICHEN_EINVAL;
	if ((access | LICHEN_ACCESS_WRITE) != (LICHEN_ACCESS_READ | LICHEN_ACCESS_WRITE))
		return -LICHEN_ENOTSUP;
	status = fw_backing_map(descriptor, offset, declared->size, access, &backing);
	if (status < 0) {
		fw_host.error(in, "window %s: descriptor %d, %llu bytes from %llu: %s",
			      declared->name, descriptor, (unsigned long long)declared->size,
			      (unsigned long long)offset, fw_status_text(status));
		return status;
	}
	status = fw_window_change(in, window, backing);
	if (status < 0)
		fw_backing_put(backing);
	return status;
}

lichen_status fw_host_window_dirty(struct lichen_instance *in, uint32_t window, uint64_t *bits,
				   uint64_t words)
{
	struct fw_backing *backing = fw_window_backing(in, window, 0);
	const int first = backing && !atomic_load(&backing->dirty);
	lichen_status status;

	if (!backing || words < fw_backing_words(backing->size))
		return -LICHEN_EINVAL;
	status = fw_backing_track(backing);
	if (status < 0)
		return status;
	if (first) {
		struct ld_error error = { "" };

		/* A slot that does not take the flag says at each call that all was written. */
		pthread_mutex_lock(&in->vm->place_lock);
		if (fw_layout_follow(&in->vm->layout, &error) < 0)
			fw_host.log_guest(in, LICHEN_LOG_WARN, "dirty pages: %s", error.text);
		pthread_mutex_unlock(&in->vm->place_lock);
	}
	memset(bits, 0, words * sizeof(*bits));
	fw_layout_dirty(&in->vm->layout, backing, bits);
	return 0;
}
