/* SPDX-License-Identifier: MIT */
/*
 * th_memory.c: guest RAM, one lazily backed mapping.  What lies above 3 GiB shows
 * in the guest from 4 GiB on.
 */
#include "th.h"

#include <string.h>
#include <sys/mman.h>

static const uint64_t TH_HOLE = 3ull << 30, TH_HIGH = 4ull << 30;

static uint64_t th_low_size(const struct th *th)
{
	return th->memory < TH_HOLE ? th->memory : TH_HOLE;
}

static int th_overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a_size && b_size && a <= b + (b_size - 1) && b <= a + (a_size - 1);
}

/* The host address of [gpa, gpa + size), or NULL where it is not all in one piece of RAM. */
static uint8_t *th_host_address(const struct th *th, uint64_t gpa, uint64_t size)
{
	const uint64_t low = th_low_size(th), high = th->memory - low;

	if (gpa <= low && size <= low - gpa)
		return th->ram + gpa;
	if (gpa >= TH_HIGH && gpa - TH_HIGH <= high && size <= high - (gpa - TH_HIGH))
		return th->ram + TH_HOLE + (gpa - TH_HIGH);
	return NULL;
}

uint32_t th_memory_is_ram(const struct th *th, uint64_t gpa, uint64_t size)
{
	return th_host_address(th, gpa, size) != NULL;
}

uint32_t th_memory_touches_ram(const struct th *th, uint64_t gpa, uint64_t size)
{
	const uint64_t low = th_low_size(th);

	return th_overlap(gpa, size, 0, low) ||
	       th_overlap(gpa, size, TH_HIGH, th->memory - low);
}

void th_set_memory(struct th *th, uint64_t size)
{
	if (th->state != TH_NEW)
		th_fail(th, "th_set_memory", "called after th_start()");
	if (size == 0 || size % 4096)
		th_fail(th, "th_set_memory", "%llu bytes are not whole pages",
			(unsigned long long)size);
	if (th->ram)
		munmap(th->ram, th->memory);
	th->ram = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (th->ram == MAP_FAILED)
		th_fail(th, "th_set_memory", "%llu bytes cannot be mapped",
			(unsigned long long)size);
	th->memory = size;
}

uint8_t *th_ram(struct th *th)
{
	return th->ram;
}

static void th_space_check(const struct th *th, const char *function, lichen_space space)
{
	if (space)
		th_fail(th, function, "address space %llu is not one of the host's",
			(unsigned long long)space);
}

/* The host address of guest memory that is all in one piece, or NULL. */
static uint8_t *th_guest_address(struct th *th, lichen_gpa gpa, uint64_t size, uint32_t access,
				 uint32_t *window)
{
	uint8_t *at = th_host_address(th, gpa, size);

	*window = th->class.windows.count;
	return at ? at : th_bank_address(th, gpa, size, access, window);
}

static lichen_status th_memory_read(struct lichen_instance *in, lichen_space space,
				    lichen_gpa gpa, void *to, uint64_t size)
{
	TH_GUARD(in, "memory_read", TH_FROM_REALIZED, TH_ANY_ROLE);
	uint32_t window;
	const uint8_t *from = th_guest_address(th, gpa, size, LICHEN_ACCESS_READ, &window);

	th_space_check(th, "memory_read", space);
	if (!from)
		return -LICHEN_EFAULT;
	if (size)
		memcpy(to, from, size);
	return 0;
}

static lichen_status th_memory_write(struct lichen_instance *in, lichen_space space,
				     lichen_gpa gpa, const void *from, uint64_t size)
{
	TH_GUARD(in, "memory_write", TH_FROM_REALIZED, TH_ANY_ROLE);
	uint32_t window;
	uint8_t *to = th_guest_address(th, gpa, size, LICHEN_ACCESS_WRITE, &window);

	th_space_check(th, "memory_write", space);
	if (!to)
		return -LICHEN_EFAULT;
	if (size)
		memcpy(to, from, size);
	if (window < th->class.windows.count)
		th_bank_mark(th, window, gpa - th->windows[window].start, size);
	return 0;
}

static lichen_status th_memory_map(struct lichen_instance *in, lichen_space space,
				   lichen_gpa gpa, uint64_t size, uint32_t access,
				   struct lichen_map *map)
{
	TH_GUARD(in, "memory_map", TH_FROM_REALIZED, TH_ANY_ROLE);
	struct th_object *o;
	uint32_t window;
	uint8_t *data;

	th_space_check(th, "memory_map", space);
	if (access == 0 || access & ~(uint32_t)(LICHEN_ACCESS_READ | LICHEN_ACCESS_WRITE))
		th_fail(th, "memory_map", "access %#x is not READ, WRITE or both", access);
	data = th_guest_address(th, gpa, size, access, &window);
	if (!data)
		return -LICHEN_EFAULT;
	o = th_object_new(th, "memory_map", TH_MAP);
	o->size = size;
	o->access = access;
	/* Where the dirty pages lie; a window that moves meanwhile has all of them dirty. */
	o->window = window;
	o->offset = window < th->class.windows.count ? gpa - th->windows[window].start : 0;
	th_maps++;
	*map = (struct lichen_map){ LICHEN_STRUCT(struct lichen_map), .data = data,
				    .size = size, .handle = o->handle };
	return 0;
}

static void th_memory_unmap(struct lichen_instance *in, struct lichen_map *map,
			    uint64_t written)
{
	TH_GUARD(in, "memory_unmap", TH_FROM_REALIZED, TH_ANY_ROLE);
	struct th_object *o = th_object_of(th, "memory_unmap", TH_MAP, map->handle);

	if (written > o->size || (written && !(o->access & LICHEN_ACCESS_WRITE)))
		th_fail(th, "memory_unmap", "%llu bytes written of %llu mapped for %s",
			(unsigned long long)written, (unsigned long long)o->size,
			o->access & LICHEN_ACCESS_WRITE ? "writing" : "reading");
	if (o->window < th->class.windows.count)
		th_bank_mark(th, o->window, o->offset, written);
	map->data = NULL;
	th_object_free(o);
	th_maps--;
}

/* The first reservation that ends above `gpa`, in order of addresses; NULL: none. */
static const struct lichen_range *th_next_reserved(const struct th *th, uint64_t gpa)
{
	const struct lichen_range *next = NULL;

	for (uint32_t i = 0; i < th->reserved_count; i++) {
		const struct lichen_range *r = &th->reserved[i];

		if (r->gpa + r->size > gpa && (!next || r->gpa < next->gpa))
			next = r;
	}
	return next;
}

/* The range that starts at the first described address from `gpa` on; 0: there is none. */
static int th_range_at(const struct th *th, uint64_t gpa, struct lichen_range *range)
{
	const uint64_t low = th_low_size(th), top = TH_HIGH + (th->memory - low);
	const struct lichen_range *r;
	uint64_t end = low;

	if (gpa >= low) {
		gpa = gpa < TH_HIGH ? TH_HIGH : gpa;
		end = top;
	}
	if (gpa >= end)
		return 0;
	r = th_next_reserved(th, gpa);
	if (r && r->gpa <= gpa) {
		*range = *r;
		return 1;
	}
	if (r && r->gpa < end)
		end = r->gpa;
	*range = (struct lichen_range){ LICHEN_STRUCT(struct lichen_range),
					.type = LICHEN_RANGE_RAM, .gpa = gpa,
					.size = end - gpa };
	return 1;
}

static lichen_status th_memory_range(struct lichen_instance *in, uint32_t index,
				     struct lichen_range *range)
{
	TH_GUARD(in, "memory_range", TH_REALIZED | TH_FROM_RUNNING, TH_CONTROL);
	struct lichen_range r;
	uint64_t gpa = 0;

	do {
		if (!th_range_at(th, gpa, &r))
			return -LICHEN_ENOENT;
		gpa = r.gpa + r.size;
	} while (index--);
	*range = r;
	return 0;
}

static lichen_status th_memory_reserve(struct lichen_instance *in, lichen_gpa gpa,
				       uint64_t size, uint32_t type)
{
	TH_GUARD(in, "memory_reserve", TH_CREATED | TH_REALIZED, TH_CONTROL);
	if (size == 0 || type < LICHEN_RANGE_RESERVED || type > LICHEN_RANGE_ACPI_NVS)
		th_fail(th, "memory_reserve", "%llu bytes of type %u", (unsigned long long)size,
			type);
	if (!th_memory_is_ram(th, gpa, size))
		return -LICHEN_EFAULT;
	for (uint32_t i = 0; i < th->reserved_count; i++)
		if (th_overlap(gpa, size, th->reserved[i].gpa, th->reserved[i].size))
			return -LICHEN_EEXIST;
	if (th->reserved_count == TH_RESERVED)
		th_fail(th, "memory_reserve", "the test host keeps %d", TH_RESERVED);
	th->reserved[th->reserved_count++] =
		(struct lichen_range){ LICHEN_STRUCT(struct lichen_range), .type = type,
				       .gpa = gpa, .size = size };
	return 0;
}

static lichen_status th_memory_listen(struct lichen_instance *in, lichen_space space)
{
	TH_GUARD(in, "memory_listen", TH_CREATED | TH_REALIZED, TH_CONTROL);
	return space ? -LICHEN_ENOTSUP : th_listen(th);
}

void th_memory_fill(struct lichen_host *host)
{
	host->memory_read = th_memory_read;
	host->memory_write = th_memory_write;
	host->memory_map = th_memory_map;
	host->memory_unmap = th_memory_unmap;
	host->memory_range = th_memory_range;
	host->memory_reserve = th_memory_reserve;
	host->memory_listen = th_memory_listen;
}
