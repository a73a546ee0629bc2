/* SPDX-License-Identifier: MIT */
/*
 * memory.h: how instances reach guest memory, and who may listen to its
 * layout.  Guest memory is hostile: copy in once, check, use.
 */
#ifndef LICHEN_MEMORY_H
#define LICHEN_MEMORY_H

#include <lichen/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An address space as a bus gives it; 0 is the system's. */
typedef uint64_t lichen_space;

enum lichen_access {
	LICHEN_ACCESS_READ = 1 << 0,
	LICHEN_ACCESS_WRITE = 1 << 1,
};

/* A scoped map.  `data` is valid from host->memory_map() to host->memory_unmap(), no longer. */
struct lichen_map {
	uint32_t struct_size;
	uint32_t _pad;
	void *data;
	uint64_t size;	      /* bytes mapped: as asked */
	lichen_handle handle; /* the host's; do not touch */
};

enum lichen_range_type { /* numbers of ACPI 6.4, table 15.6 (E820 types) */
			 LICHEN_RANGE_RAM = 1,
			 LICHEN_RANGE_RESERVED = 2,
			 LICHEN_RANGE_ACPI = 3, /* reclaimable */
			 LICHEN_RANGE_ACPI_NVS = 4,
};

/* A piece of the guest's physical memory; ranges are sorted and do not overlap. */
struct lichen_range {
	uint32_t struct_size;
	uint32_t type; /* enum lichen_range_type */
	lichen_gpa gpa;
	uint64_t size; /* bytes, never 0 */
};

/* What vhost, vhost-user and VFIO must know of a piece of RAM: the system's, or a window of
 * kind LICHEN_RAM as far as no other hides it.  Whole pages; regions do not overlap. */
struct lichen_region {
	uint32_t struct_size;
	int32_t descriptor; /* -1: not shareable; borrowed until its REMOVE has returned */
	lichen_gpa gpa;
	uint64_t size;	     /* bytes */
	uint64_t offset;     /* in the descriptor, bytes */
	uint32_t protection; /* enum lichen_access */
	uint32_t _pad;
};

/*
 * A change is BEGIN, REMOVE of what is gone, ADD of what is new, COMMIT.  What an instance
 * changes while it runs is told afterwards, on the control thread; until REMOVE has returned
 * the region's memory and descriptor stay.
 *
 * An ADD that fails undoes the change for this listener: what was added goes, what was removed
 * comes back.  Whose realize asked for the change fails as well.  A change that a running
 * instance has made stands for the guest; the listener is asked again at the next one.
 */
enum lichen_region_event {
	LICHEN_REGION_BEGIN = 1, /* a change starts; region is NULL */
	LICHEN_REGION_ADD = 2,	 /* may fail */
	LICHEN_REGION_REMOVE = 3,
	LICHEN_REGION_COMMIT = 4, /* the change is over; region is NULL */
};

#ifdef __cplusplus
}
#endif

#endif
