/* SPDX-License-Identifier: MIT */
/* th_bank.c: windows of memory (window.h), and who listens to the layout (memory.h). */
#include "th.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { TH_PAGE = LICHEN_WINDOW_PAGE, TH_ADDRESS_BITS = 48 };

const struct lichen_window *th_window(const struct th *th, uint32_t index)
{
	return &((const struct lichen_window *)th->class.windows.items)[index];
}

static int th_is_memory(const struct th *th, uint32_t index)
{
	return index < th->class.windows.count && th_window(th, index)->kind != LICHEN_IO;
}

static uint64_t th_pages(const struct th *th, uint32_t index)
{
	return th_window(th, index)->size / TH_PAGE;
}

void th_banks_make(struct th *th)
{
	for (uint32_t i = 0; i < th->class.windows.count; i++) {
		const struct lichen_window *w = th_window(th, i);
		struct th_placed *p = &th->windows[i];

		if (w->kind == LICHEN_IO || w->kind == LICHEN_MAPPED)
			continue;
		if (w->size == 0 || w->size % TH_PAGE)
			th_fail(th, "class", "windows[%u] is memory of %llu bytes", i,
				(unsigned long long)w->size);
		p->memory = mmap(NULL, w->size, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p->memory == MAP_FAILED)
			th_fail(th, "class", "windows[%u]: %llu bytes cannot be mapped", i,
				(unsigned long long)w->size);
		p->writable = w->kind == LICHEN_RAM;
	}
}

void th_banks_free(struct th *th)
{
	for (uint32_t i = 0; i < th->class.windows.count; i++) {
		struct th_placed *p = &th->windows[i];

		if (p->memory)
			munmap(p->memory, th_window(th, i)->size);
		free(p->dirty);
		*p = (struct th_placed){ .place = LICHEN_PLACE_LATER };
	}
	th->listens = 0;
}

void th_banks_zero(struct th *th)
{
	for (uint32_t i = 0; i < th->class.windows.count; i++) {
		if (th_window(th, i)->kind != LICHEN_RAM)
			continue;
		memset(th->windows[i].memory, 0, th_window(th, i)->size);
		th_bank_mark(th, i, 0, th_window(th, i)->size);
	}
}

lichen_status th_bank_check(struct th *th, uint32_t index, uint32_t place, uint64_t start)
{
	const uint64_t size = th_window(th, index)->size, end = 1ull << TH_ADDRESS_BITS;

	if (!th_is_memory(th, index))
		return 0;
	if (place == LICHEN_PLACE_PORT || start % TH_PAGE || !th->windows[index].memory)
		return -LICHEN_EINVAL;
	return start >= end || size > end - start ? -LICHEN_ERANGE : 0;
}

int th_bank_access(struct th *th, uint32_t index, int write, uint64_t off, uint32_t size,
		   uint64_t *value)
{
	const struct th_placed *p = &th->windows[index];

	if (!th_is_memory(th, index) || (write && !p->writable))
		return 0;
	if (write) {
		memcpy(p->memory + off, value, size);
		th_bank_mark(th, index, off, size);
	} else {
		*value = 0;
		memcpy(value, p->memory + off, size);
	}
	return 1;
}

uint8_t *th_bank_address(const struct th *th, uint64_t gpa, uint64_t size, uint32_t access,
			 uint32_t *index)
{
	const uint32_t top = th_topmost(th, LICHEN_PLACE_GPA, gpa);
	const struct th_placed *p = &th->windows[top];
	uint64_t off;

	if (!th_is_memory(th, top) || th_window(th, top)->kind == LICHEN_MAPPED)
		return NULL;
	off = gpa - p->start;
	if (size > th_window(th, top)->size - off ||
	    (access & LICHEN_ACCESS_WRITE && !p->writable))
		return NULL;
	for (uint64_t at = 1; at < size; at++)
		if (th_topmost(th, LICHEN_PLACE_GPA, gpa + at) != top)
			return NULL; /* another hides part of it */
	*index = top;
	return p->memory + off;
}

void th_bank_mark(struct th *th, uint32_t index, uint64_t off, uint64_t size)
{
	uint8_t *dirty = th->windows[index].dirty;

	for (uint64_t page = off / TH_PAGE; dirty && size && page <= (off + size - 1) / TH_PAGE;
	     page++)
		dirty[page] = 1;
}

uint8_t *th_window_memory(struct th *th, uint32_t index)
{
	if (!th_is_memory(th, index))
		th_fail(th, "th_window_memory", "windows[%u] is not memory", index);
	return th->windows[index].memory;
}

/* --- who listens --- */

/* Parts that another window hides are not cut out: a test of that needs the real host. */
static struct lichen_region th_region(const struct th *th, uint32_t index)
{
	const struct th_placed *p = &th->windows[index];
	struct lichen_region region = { LICHEN_STRUCT(struct lichen_region), .descriptor = -1,
					.protection =
						LICHEN_ACCESS_READ | LICHEN_ACCESS_WRITE };

	if (th_window(th, index)->kind != LICHEN_RAM || p->place != LICHEN_PLACE_GPA)
		return region;
	region.gpa = p->start;
	region.size = th_window(th, index)->size;
	return region;
}

static lichen_status th_region_call(struct th *th, uint32_t event,
				    const struct lichen_region *region)
{
	struct th_frame frame;
	lichen_status status;

	th_begin(th, &frame, "region", TH_CONTROL);
	status = th->class.region(th->self, event, region);
	th_end(th, &frame);
	return status > 0 ? -LICHEN_ENOTSUP : status;
}

static int th_region_same(const struct lichen_region *a, const struct lichen_region *b)
{
	return a->size == b->size && (a->size == 0 || a->gpa == b->gpa);
}

static int th_regions_change(const struct th *th)
{
	for (uint32_t i = 0; i < th->class.windows.count; i++) {
		const struct lichen_region now = th_region(th, i);

		if (!th_region_same(&now, &th->windows[i].told))
			return 1;
	}
	return 0;
}

lichen_status th_banks_tell(struct th *th)
{
	lichen_status first = 0;

	if (!th->listens || th->telling || !th_regions_change(th))
		return 0;
	th->telling = 1;
	(void)th_region_call(th, LICHEN_REGION_BEGIN, NULL);
	for (uint32_t i = 0; i < th->class.windows.count; i++) {
		const struct lichen_region now = th_region(th, i);
		struct lichen_region *told = &th->windows[i].told;
		lichen_status status = 0;

		if (th_region_same(&now, told))
			continue;
		if (told->size)
			(void)th_region_call(th, LICHEN_REGION_REMOVE, told);
		*told = (struct lichen_region){ .size = 0 };
		if (now.size)
			status = th_region_call(th, LICHEN_REGION_ADD, &now);
		if (status == 0)
			*told = now;
		first = first < 0 ? first : status;
	}
	(void)th_region_call(th, LICHEN_REGION_COMMIT, NULL);
	th->telling = 0;
	return first;
}

lichen_status th_listen(struct th *th)
{
	const uint64_t hole = 3ull << 30, low = th->memory < hole ? th->memory : hole;
	struct lichen_region ram = { LICHEN_STRUCT(struct lichen_region), .descriptor = -1,
				     .size = low,
				     .protection = LICHEN_ACCESS_READ | LICHEN_ACCESS_WRITE };
	lichen_status status;

	if (!th->class.region)
		return -LICHEN_EINVAL;
	if (th->listens)
		return -LICHEN_EEXIST;
	(void)th_region_call(th, LICHEN_REGION_BEGIN, NULL);
	status = th_region_call(th, LICHEN_REGION_ADD, &ram);
	if (status == 0 && th->memory > low) {
		ram.gpa = 4ull << 30;
		ram.size = th->memory - low;
		status = th_region_call(th, LICHEN_REGION_ADD, &ram);
	}
	(void)th_region_call(th, LICHEN_REGION_COMMIT, NULL);
	if (status < 0)
		return status;
	th->listens = 1;
	return th_banks_tell(th);
}

/* --- the host's functions --- */

static uint8_t *th_bank_at(struct th *th, uint32_t index, uint64_t offset, uint64_t size,
			   lichen_status *status)
{
	*status = -LICHEN_EINVAL;
	if (!th_is_memory(th, index) || th_window(th, index)->kind == LICHEN_MAPPED)
		return NULL;
	*status = -LICHEN_ERANGE;
	if (offset > th_window(th, index)->size || size > th_window(th, index)->size - offset)
		return NULL;
	*status = 0;
	return th->windows[index].memory + offset;
}

static lichen_status th_window_read(struct lichen_instance *in, uint32_t window,
				    uint64_t offset, void *to, uint64_t size)
{
	TH_GUARD(in, "window_read", TH_FROM_CREATED, TH_ANY_ROLE);
	lichen_status status;
	const uint8_t *at = th_bank_at(th, window, offset, size, &status);

	if (at && size)
		memcpy(to, at, size);
	return status;
}

static lichen_status th_window_write(struct lichen_instance *in, uint32_t window,
				     uint64_t offset, const void *from, uint64_t size)
{
	TH_GUARD(in, "window_write", TH_FROM_CREATED, TH_ANY_ROLE);
	lichen_status status;
	uint8_t *at = th_bank_at(th, window, offset, size, &status);

	if (at && size) {
		memcpy(at, from, size);
		th_bank_mark(th, window, offset, size);
	}
	return status;
}

static lichen_status th_window_back(struct lichen_instance *in, uint32_t window,
				    int32_t descriptor, uint64_t offset, uint32_t access)
{
	TH_GUARD(in, "window_back", TH_FROM_CREATED, TH_CONTROL);
	const int write = access & LICHEN_ACCESS_WRITE ? PROT_WRITE : 0;
	struct th_placed *p;
	struct stat file;
	uint64_t size;
	void *memory;

	if (!th_is_memory(th, window) || th_window(th, window)->kind != LICHEN_MAPPED ||
	    offset % TH_PAGE)
		return -LICHEN_EINVAL;
	if ((access | LICHEN_ACCESS_WRITE) != (LICHEN_ACCESS_READ | LICHEN_ACCESS_WRITE))
		return -LICHEN_ENOTSUP;
	p = &th->windows[window];
	size = th_window(th, window)->size;
	if (p->place != LICHEN_PLACE_LATER)
		return -LICHEN_EBUSY;
	if (fstat(descriptor, &file) < 0)
		return -errno;
	if (S_ISREG(file.st_mode) &&
	    (offset > (uint64_t)file.st_size || size > (uint64_t)file.st_size - offset))
		return -LICHEN_EINVAL;
	memory = mmap(NULL, size, PROT_READ | write, MAP_SHARED, descriptor, (off_t)offset);
	if (memory == MAP_FAILED)
		return -errno;
	if (p->memory)
		munmap(p->memory, size);
	p->memory = memory;
	p->writable = write != 0;
	return 0;
}

static lichen_status th_window_dirty(struct lichen_instance *in, uint32_t window,
				     uint64_t *bits, uint64_t words)
{
	TH_GUARD(in, "window_dirty", TH_FROM_REALIZED, TH_NOT_THREAD);
	struct th_placed *p;
	uint64_t pages;

	if (!th_is_memory(th, window) || th_window(th, window)->kind != LICHEN_RAM)
		return -LICHEN_EINVAL;
	p = &th->windows[window];
	pages = th_pages(th, window);
	if (words < (pages + 63) / 64)
		return -LICHEN_EINVAL;
	if (!p->dirty) {
		p->dirty = th_alloc(pages);
		memset(p->dirty, 1, pages);
	}
	memset(bits, 0, words * sizeof(*bits));
	for (uint64_t i = 0; i < pages; i++)
		bits[i / 64] |= (uint64_t)p->dirty[i] << i % 64;
	memset(p->dirty, 0, pages);
	return 0;
}

void th_bank_fill(struct lichen_host *host)
{
	host->window_read = th_window_read;
	host->window_write = th_window_write;
	host->window_back = th_window_back;
	host->window_dirty = th_window_dirty;
}
