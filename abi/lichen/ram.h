/* SPDX-License-Identifier: MIT */
/*
 * ram.h: memory plugins, the strategies that guest memory comes from.  A memory
 * plugin provides "lichen.memory/1", which stays a draft until two independent
 * plugins of the kind exist.
 */
#ifndef LICHEN_RAM_H
#define LICHEN_RAM_H

#include <lichen/class.h>
#include <lichen/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LICHEN_MEMORY "lichen.memory/1"

enum lichen_ram_flag {
	LICHEN_RAM_SHAREABLE = 1 << 0, /* other processes may map `descriptor` */
	LICHEN_RAM_HUGE = 1 << 1,      /* advise transparent huge pages */
};

/* A run of guest memory as the strategy gives it; the host places and maps it. */
struct lichen_ram {
	uint32_t struct_size;
	uint32_t flags;	    /* enum lichen_ram_flag; others are refused (-LICHEN_ENOTSUP) */
	int32_t descriptor; /* borrowed until destroy returns; -1: the host maps private memory
			     */
	uint32_t page_size; /* bytes, a power of two; 0: 4096 */
	uint64_t offset;    /* in the descriptor, bytes, a multiple of page_size */
	uint64_t size;	    /* bytes, a multiple of page_size */
};

struct lichen_memory_ops {
	uint32_t struct_size;
	uint32_t _pad;
	/*
	 * `size` bytes of guest memory (a multiple of 4096), in at most `count`
	 * runs that together make `size`; *used says how many.  Called once, before
	 * any other instance is realized.  -LICHEN_ENOMEM: the host has not enough.
	 * [control, realized]
	 */
	lichen_status (*allocate)(void *self, uint64_t client, uint64_t size,
				  struct lichen_ram *runs, uint32_t count, uint32_t *used);
	/*
	 * The rest is optional, NULL: not supported, and not called by hosts of
	 * 0.1.  Offsets count from the start of the memory allocated, in bytes.
	 */
	/* Makes pages present ahead of use.  [control, realized or running] */
	lichen_status (*populate)(void *self, uint64_t client, uint64_t offset, uint64_t size);
	/* The guest no longer needs the content.  [control or vcpu, running] */
	lichen_status (*discard)(void *self, uint64_t client, uint64_t offset, uint64_t size);
	/* access: enum lichen_access that stays allowed.  [control, running] */
	lichen_status (*protect)(void *self, uint64_t client, uint64_t offset, uint64_t size,
				 uint32_t access);
	/* Grows or shrinks at the end.  [control, paused] */
	lichen_status (*resize)(void *self, uint64_t client, uint64_t size);
	/* The guest touched what is not there; returns once it is.  [io, running] */
	lichen_status (*fault)(void *self, uint64_t client, uint64_t offset, uint32_t access);
	/* One bit a page since the last call, lowest first; then clear.  [control, running] */
	lichen_status (*dirty)(void *self, uint64_t client, uint64_t offset, uint64_t size,
			       uint8_t *bits, uint64_t bits_size);
};

#define LICHEN_MEMORY_PLUGIN(name, version, class) \
	LICHEN_PLUGIN(LICHEN_KIND_MEMORY, name, version, class)

#ifdef __cplusplus
}
#endif

#endif
