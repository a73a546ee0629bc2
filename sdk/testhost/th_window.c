/* SPDX-License-Identifier: MIT */
/* th_window.c: placing windows and doorbells, and the guest's accesses to them (window.h). */
#include "th.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { TH_ALL_SIZES = 1 | 2 | 4 | 8, TH_PORTS = 0x10000 };

static lichen_status th_place(struct th *th, uint32_t window, uint32_t place, uint64_t start)
{
	const struct lichen_window *w;
	lichen_status status;
	uint64_t last;

	if (window >= th->class.windows.count)
		return -LICHEN_EINVAL;
	w = th_window(th, window);
	status = th_bank_check(th, window, place, start);
	if (status < 0)
		return status;
	if (w->size == 0 || w->size - 1 > UINT64_MAX - start)
		return -LICHEN_ERANGE;
	last = start + (w->size - 1);
	if (place == LICHEN_PLACE_PORT && last >= TH_PORTS)
		return -LICHEN_ERANGE;
	if (place == LICHEN_PLACE_GPA && th_memory_touches_ram(th, start, w->size))
		return -LICHEN_EEXIST;
	for (uint32_t i = 0; i < th->class.windows.count; i++) {
		const struct lichen_window *o = th_window(th, i);
		const struct th_placed *p = &th->windows[i];

		if (i != window && p->place == place && o->rank == w->rank &&
		    p->start <= last && p->start + (o->size - 1) >= start)
			return -LICHEN_EEXIST;
	}
	th_bank_mark(th, window, 0, w->kind == LICHEN_RAM ? w->size : 0);
	th->windows[window].place = place;
	th->windows[window].start = start;
	return 0;
}

/* Windows whose declaration says where they go. */
lichen_status th_windows_place(struct th *th)
{
	for (uint32_t i = 0; i < th->class.windows.count; i++) {
		const struct lichen_window *w = th_window(th, i);
		lichen_status status;

		if (!w->name || w->kind < LICHEN_IO || w->kind > LICHEN_MAPPED ||
		    (w->kind == LICHEN_IO && !w->ops) ||
		    w->access_sizes & ~(uint32_t)TH_ALL_SIZES || w->split > LICHEN_REFUSE ||
		    w->place > LICHEN_PLACE_GPA)
			th_fail(th, "class", "windows[%u] is malformed", i);
		if (w->place == LICHEN_PLACE_LATER)
			continue;
		status = th_place(th, i, w->place,
				  w->placed_by ? th_value_of(th, w->placed_by) : w->address);
		if (status < 0)
			return status;
	}
	return 0;
}

static lichen_status th_place_port(struct lichen_instance *in, uint32_t window, uint16_t port)
{
	TH_GUARD(in, "place_port", TH_FROM_CREATED, TH_NOT_THREAD);
	return th_place(th, window, LICHEN_PLACE_PORT, port);
}

static lichen_status th_place_mmio(struct lichen_instance *in, uint32_t window,
				   lichen_space space, lichen_gpa gpa)
{
	TH_GUARD(in, "place_mmio", TH_FROM_CREATED, TH_NOT_THREAD);
	return space ? -LICHEN_ENOTSUP : th_place(th, window, LICHEN_PLACE_GPA, gpa);
}

static lichen_status th_unplace(struct lichen_instance *in, uint32_t window)
{
	TH_GUARD(in, "unplace", TH_FROM_CREATED, TH_NOT_THREAD);
	if (window >= th->class.windows.count ||
	    th->windows[window].place == LICHEN_PLACE_LATER)
		return -LICHEN_ENOENT;
	th->windows[window].place = LICHEN_PLACE_LATER;
	return 0;
}

static int th_bells_overlap(const struct lichen_doorbell *a, const struct lichen_doorbell *b)
{
	if (a->window != b->window || a->offset != b->offset)
		return 0;
	if (a->size && b->size && a->size != b->size)
		return 0;
	return !(a->flags & b->flags & LICHEN_DOORBELL_MATCH) || a->value == b->value;
}

static lichen_status th_doorbell_claim(struct lichen_instance *in,
				       const struct lichen_doorbell *bell,
				       lichen_handle *handle)
{
	TH_GUARD(in, "doorbell_claim", TH_FROM_CREATED, TH_CONTROL);
	const struct lichen_window *w;
	const struct th_object *o;
	struct th_object *made;
	uint32_t at = 0;
	int copy;

	if (bell->flags & ~(uint32_t)LICHEN_DOORBELL_MATCH)
		return -LICHEN_ENOTSUP;
	if (bell->window >= th->class.windows.count)
		return -LICHEN_EINVAL;
	w = th_window(th, bell->window);
	if (w->kind != LICHEN_IO)
		return -LICHEN_EINVAL;
	if (bell->size > 8 || bell->size & (bell->size - 1) || bell->offset >= w->size ||
	    bell->size > w->size - bell->offset)
		return -LICHEN_EINVAL;
	while ((o = th_object_next(th, TH_DOORBELL, &at)))
		if (th_bells_overlap(&o->bell, bell))
			return -LICHEN_EEXIST;
	copy = fcntl(bell->eventfd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		th_fail(th, "doorbell_claim", "eventfd %d: %s", bell->eventfd, strerror(errno));
	made = th_object_new(th, "doorbell_claim", TH_DOORBELL);
	made->bell = *bell;
	made->trigger = copy;
	*handle = made->handle;
	return 0;
}

static void th_doorbell_release(struct lichen_instance *in, lichen_handle handle)
{
	TH_GUARD(in, "doorbell_release", TH_FROM_CREATED, TH_CONTROL);
	th_object_free(th_object_of(th, "doorbell_release", TH_DOORBELL, handle));
}

void th_window_fill(struct lichen_host *host)
{
	host->place_port = th_place_port;
	host->place_mmio = th_place_mmio;
	host->unplace = th_unplace;
	host->doorbell_claim = th_doorbell_claim;
	host->doorbell_release = th_doorbell_release;
}

static uint64_t th_ones(uint32_t size)
{
	return UINT64_MAX >> (64 - 8 * size);
}

/* One call of a handler; `size` is one that the window takes. */
static uint64_t th_handle(struct th *th, const struct lichen_window *w, int write, uint64_t off,
			  uint32_t size, uint64_t value)
{
	struct th_frame frame;
	uint64_t result = UINT64_MAX;

	th_begin(th, &frame, write ? "write" : "read", TH_VCPU);
	if (write && w->ops && w->ops->write)
		w->ops->write(th->self, w->cookie, off, size, value & th_ones(size));
	else if (!write && w->ops && w->ops->read)
		result = w->ops->read(th->self, w->cookie, off, size);
	th_end(th, &frame);
	return result & th_ones(size);
}

/* The widest size that the window takes and that is at most `size`; 0: all are wider. */
static uint32_t th_fitting(uint32_t sizes, uint32_t size)
{
	while (size && !(sizes & size))
		size >>= 1;
	return size;
}

/* A naturally aligned access of 1, 2, 4 or 8 bytes that lies in the window. */
static uint64_t th_aligned(struct th *th, const struct lichen_window *w, int write,
			   uint64_t off, uint32_t size, uint64_t value)
{
	const uint32_t sizes = w->access_sizes ? w->access_sizes : TH_ALL_SIZES;
	const uint32_t part = th_fitting(sizes, size);
	uint64_t result = 0;

	if (part == size)
		return th_handle(th, w, write, off, size, value);
	if (w->split == LICHEN_REFUSE)
		return th_ones(size);
	if (part == 0) { /* all are wider: the aligned whole */
		const uint32_t whole = sizes & -sizes;
		const uint64_t base = off & ~(uint64_t)(whole - 1);

		if (write || w->size - base < whole)
			return th_ones(size);
		return th_handle(th, w, 0, base, whole, 0) >> 8 * (off - base) & th_ones(size);
	}
	for (uint32_t i = 0; i < size; i += part)
		result |= th_handle(th, w, write, off + i, part, value >> 8 * i) << 8 * i;
	return result;
}

static int th_covers(const struct th *th, uint32_t i, uint32_t place, uint64_t address)
{
	const struct th_placed *p = &th->windows[i];

	return p->place == place && address >= p->start &&
	       address - p->start < th_window(th, i)->size;
}

uint32_t th_topmost(const struct th *th, uint32_t place, uint64_t address)
{
	const uint32_t count = th->class.windows.count;
	uint32_t top = count;

	for (uint32_t i = 0; i < count; i++)
		if (th_covers(th, i, place, address) &&
		    (top == count || th_window(th, i)->rank > th_window(th, top)->rank))
			top = i;
	return top;
}

static int th_ring(struct th *th, uint32_t window, uint64_t off, uint32_t size, uint64_t value)
{
	const struct th_object *o;
	uint32_t at = 0;

	while ((o = th_object_next(th, TH_DOORBELL, &at))) {
		const struct lichen_doorbell *b = &o->bell;

		if (b->window != window || b->offset != off || (b->size && b->size != size) ||
		    (b->flags & LICHEN_DOORBELL_MATCH && b->value != value))
			continue;
		if (write(o->trigger, &(uint64_t){ 1 }, sizeof(uint64_t)) < 0)
			th_fail(th, "doorbell", "eventfd: %s", strerror(errno));
		return 1;
	}
	return 0;
}

static uint64_t th_access(struct th *th, uint32_t place, uint64_t address, uint32_t size,
			  int write, uint64_t value)
{
	uint64_t result = 0;
	uint32_t part;

	for (uint32_t done = 0; done < size; done += part) {
		const uint64_t at = address + done;
		const uint32_t top = th_topmost(th, place, at);
		uint64_t off, got = th_ones(1);

		part = 1;
		if (top != th->class.windows.count) {
			const struct lichen_window *w = th_window(th, top);

			off = at - th->windows[top].start;
			if (write && done == 0 && th_ring(th, top, off, size, value))
				return 0;
			while (part * 2 <= size - done && off % (part * 2) == 0 &&
			       off + part * 2 <= w->size &&
			       th_topmost(th, place, at + part * 2 - 1) == top)
				part *= 2;
			got = value >> 8 * done;
			if (!th_bank_access(th, top, write, off, part, &got))
				got = th_aligned(th, w, write, off, part, value >> 8 * done);
		}
		result |= got << 8 * done;
	}
	return result;
}

static uint64_t th_checked(struct th *th, const char *function, uint32_t place,
			   uint64_t address, uint32_t size, int write, uint64_t value)
{
	if (th->state != TH_RUNNING)
		th_fail(th, function, "the instance does not run");
	if (size == 0 || size > 8 ||
	    (place == LICHEN_PLACE_PORT && size != 1 && size != 2 && size != 4))
		th_fail(th, function, "a guest makes no access of %u bytes", size);
	return th_access(th, place, address, size, write, value & th_ones(size));
}

uint64_t th_in(struct th *th, uint16_t port, uint32_t size)
{
	return th_checked(th, "th_in", LICHEN_PLACE_PORT, port, size, 0, 0);
}

void th_out(struct th *th, uint16_t port, uint32_t size, uint64_t value)
{
	(void)th_checked(th, "th_out", LICHEN_PLACE_PORT, port, size, 1, value);
}

uint64_t th_load(struct th *th, lichen_gpa gpa, uint32_t size)
{
	return th_checked(th, "th_load", LICHEN_PLACE_GPA, gpa, size, 0, 0);
}

void th_store(struct th *th, lichen_gpa gpa, uint32_t size, uint64_t value)
{
	(void)th_checked(th, "th_store", LICHEN_PLACE_GPA, gpa, size, 1, value);
}
