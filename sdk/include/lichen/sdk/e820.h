/* SPDX-License-Identifier: MIT */
/*
 * sdk/e820.h: the guest's memory map as PC firmware reports it, and room in it.
 * Types are those of ACPI 6.4, table 15.6 (enum lichen_range_type).
 */
#ifndef LICHEN_SDK_E820_H
#define LICHEN_SDK_E820_H

#include <string.h>

#include <lichen/class.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	LICHEN_E820_RANGES = 128, /* what Linux's zero page has room for */
	LICHEN_E820_PAGE = 4096,
};

#define LICHEN_E820_LEGACY UINT64_C(0x9fc00) /* where a PC's EBDA starts, at the latest */
#define LICHEN_E820_MIB UINT64_C(0x100000)   /* where what a PC keeps for itself ends */

struct lichen_e820_range {
	lichen_gpa gpa;
	uint64_t size; /* bytes, never 0 */
	uint32_t type; /* enum lichen_range_type */
	uint32_t _pad;
};

/* Sorted, without overlaps, neighbours of one type joined. */
struct lichen_e820 {
	uint32_t count;
	uint32_t _pad;
	struct lichen_e820_range range[LICHEN_E820_RANGES];
};

/* Rounds up to a power of two; UINT64_MAX where that overflows.  [any, any] */
static inline uint64_t lichen_round_up(uint64_t value, uint64_t align)
{
	return value <= UINT64_MAX - (align - 1) ? (value + align - 1) & ~(align - 1)
						 : UINT64_MAX;
}

/* The part of [gpa, end) that lies in [from, to), appended.  -LICHEN_ENOSPC: full. */
static inline lichen_status lichen_e820_append(struct lichen_e820 *map, lichen_gpa gpa,
					       lichen_gpa end, lichen_gpa from, lichen_gpa to,
					       uint32_t type)
{
	struct lichen_e820_range *last = map->count > 0 ? &map->range[map->count - 1] : NULL;

	if (gpa < from)
		gpa = from;
	if (end > to)
		end = to;
	if (gpa >= end)
		return 0;
	if (last != NULL && last->gpa + last->size == gpa && last->type == type) {
		last->size += end - gpa;
		return 0;
	}
	if (map->count == LICHEN_E820_RANGES)
		return -LICHEN_ENOSPC;
	last = &map->range[map->count++];
	last->gpa = gpa;
	last->size = end - gpa;
	last->type = type;
	last->_pad = 0;
	return 0;
}

/*
 * Appends a range as the host reports it, in ascending order.  RAM in what a
 * PC keeps for its EBDA, video memory and ROMs, [0x9fc00, 0x100000), becomes
 * reserved.  -LICHEN_ENOSPC: the table is full; -LICHEN_EINVAL: out of order
 * or past the end of the address space.  [any, any]
 */
static inline lichen_status lichen_e820_add(struct lichen_e820 *map, lichen_gpa gpa,
					    uint64_t size, uint32_t type)
{
	const struct lichen_e820_range *last =
		map->count > 0 ? &map->range[map->count - 1] : NULL;
	lichen_gpa end = gpa + size;
	lichen_status status;

	if (size > UINT64_MAX - gpa || (last != NULL && gpa < last->gpa + last->size))
		return -LICHEN_EINVAL;
	if (type != LICHEN_RANGE_RAM)
		return lichen_e820_append(map, gpa, end, 0, UINT64_MAX, type);

	status = lichen_e820_append(map, gpa, end, 0, LICHEN_E820_LEGACY, type);
	if (status >= 0)
		status = lichen_e820_append(map, gpa, end, LICHEN_E820_LEGACY, LICHEN_E820_MIB,
					    LICHEN_RANGE_RESERVED);
	if (status >= 0)
		status = lichen_e820_append(map, gpa, end, LICHEN_E820_MIB, UINT64_MAX, type);
	return status;
}

/* 1 when all of [gpa, gpa + size) is RAM, else 0.  [any, any] */
static inline uint32_t lichen_e820_is_ram(const struct lichen_e820 *map, lichen_gpa gpa,
					  uint64_t size)
{
	for (uint32_t i = 0; i < map->count; i++) {
		const struct lichen_e820_range *r = &map->range[i];

		if (r->type == LICHEN_RANGE_RAM && gpa >= r->gpa && gpa - r->gpa <= r->size &&
		    size <= r->size - (gpa - r->gpa))
			return 1;
	}
	return 0;
}

/* The end of the highest RAM range; 0 for none.  [any, any] */
static inline lichen_gpa lichen_e820_end(const struct lichen_e820 *map)
{
	for (uint32_t i = map->count; i > 0; i--) {
		if (map->range[i - 1].type == LICHEN_RANGE_RAM)
			return map->range[i - 1].gpa + map->range[i - 1].size;
	}
	return 0;
}

/*
 * Fills the map from the host's ranges and checks that [low, low_end), where the
 * protocol's own structures go, is RAM.  -LICHEN_ENOSPC: too many ranges, or it is
 * not; says why.  [control, realized or paused]
 */
static inline lichen_status lichen_e820_read(const struct lichen_dev *dev, lichen_gpa low,
					     lichen_gpa low_end, struct lichen_e820 *map)
{
	const struct lichen_host *host = dev->host;

	map->count = 0;
	for (uint32_t i = 0;; i++) {
		struct lichen_range range;
		lichen_status status;

		memset(&range, 0, sizeof(range));
		range.struct_size = (uint32_t)sizeof(range);
		status = host->memory_range(dev->in, i, &range);
		if (status == -LICHEN_ENOENT)
			break;
		if (status >= 0)
			status = lichen_e820_add(map, range.gpa, range.size, range.type);
		if (status < 0) {
			host->error(dev->in,
				    "guest memory has too many ranges: %u, the table has %d",
				    i + 1, LICHEN_E820_RANGES);
			return status;
		}
	}
	if (!lichen_e820_is_ram(map, low, low_end - low)) {
		host->error(dev->in, "guest memory from 0x%llx to 0x%llx is not all RAM",
			    (unsigned long long)low, (unsigned long long)low_end);
		return -LICHEN_ENOSPC;
	}
	return 0;
}

/*
 * The lowest multiple of `align` (a power of two), from `floor` on, at which
 * `size` bytes of RAM end at `limit` or before.  -LICHEN_ENOSPC: there is none,
 * *at is untouched.  [any, any]
 */
static inline lichen_status lichen_e820_lowest(const struct lichen_e820 *map, lichen_gpa floor,
					       uint64_t limit, uint64_t align, uint64_t size,
					       lichen_gpa *at)
{
	for (uint32_t i = 0; i < map->count; i++) {
		lichen_gpa gpa = map->range[i].gpa > floor ? map->range[i].gpa : floor;

		gpa = lichen_round_up(gpa, align);
		if (gpa > limit || size > limit - gpa)
			break;
		if (lichen_e820_is_ram(map, gpa, size)) {
			*at = gpa;
			return 0;
		}
	}
	return -LICHEN_ENOSPC;
}

/* The highest page at which `size` bytes fit into [low, high); 0: none. */
static inline lichen_gpa lichen_e820_top(lichen_gpa low, lichen_gpa high, uint64_t size)
{
	lichen_gpa gpa;

	if (high <= low || size > high - low)
		return 0;
	gpa = (high - size) & ~(uint64_t)(LICHEN_E820_PAGE - 1);
	return gpa < low ? 0 : gpa;
}

/*
 * The highest page from 1 MiB on at which `size` bytes (> 0) of RAM, rounded up to
 * whole pages, end at `limit` or before and keep clear of [taken, taken_end).
 * -LICHEN_ENOSPC: there is none, *at is untouched.  [any, any]
 */
static inline lichen_status lichen_e820_highest(const struct lichen_e820 *map, uint64_t limit,
						lichen_gpa taken, lichen_gpa taken_end,
						uint64_t size, lichen_gpa *at)
{
	size = lichen_round_up(size, LICHEN_E820_PAGE);
	for (uint32_t i = map->count; i > 0; i--) {
		const struct lichen_e820_range *r = &map->range[i - 1];
		lichen_gpa low = r->gpa > LICHEN_E820_MIB ? r->gpa : LICHEN_E820_MIB;
		lichen_gpa high = r->gpa + r->size < limit ? r->gpa + r->size : limit, gpa;

		/* Whole pages: an operating system frees by pages. */
		high &= ~(uint64_t)(LICHEN_E820_PAGE - 1);
		if (r->type != LICHEN_RANGE_RAM || high <= low)
			continue;
		if (taken >= high || taken_end <= low) {
			gpa = lichen_e820_top(low, high, size);
		} else {
			gpa = lichen_e820_top(taken_end, high, size);
			if (gpa == 0)
				gpa = lichen_e820_top(low, taken, size);
		}
		if (gpa != 0) {
			*at = gpa;
			return 0;
		}
	}
	return -LICHEN_ENOSPC;
}

#ifdef __cplusplus
}
#endif

#endif
