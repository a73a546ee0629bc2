/* SPDX-License-Identifier: MIT */
/*
 * backing.h: the memory behind a window of kind RAM, ROM or MAPPED.  The instance has one use
 * of it, every slot and every map of it another: it goes when the last one does.
 */
#ifndef FW_BACKING_H
#define FW_BACKING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include <lichen/memory.h>
#include <lichen/status.h>
#include <lichen/window.h>

struct fw_backing {
	_Atomic uint32_t uses;
	uint32_t kind;	   /* enum lichen_window_kind, not IO */
	uint32_t writable; /* by the guest */
	int descriptor;	   /* owned */
	uint64_t offset;   /* of its first byte in the descriptor */
	uint64_t size;	   /* bytes, whole pages */
	uint8_t *host;
	pthread_mutex_t dirty_lock; /* guards the making of `dirty` */
	/* One bit a page, written since it was last asked for; NULL: nobody has asked. */
	_Atomic(_Atomic uint64_t *) dirty;
};

/* Zeroes, of kind RAM or ROM.  NULL: the host has not enough memory or descriptors.  [any] */
struct fw_backing *fw_backing_new(uint32_t kind, uint64_t size);
/*
 * `size` bytes of a descriptor, of which a duplicate is kept.  -LICHEN_EINVAL: a file that
 * ends before; what mmap() says.  [any]
 */
lichen_status fw_backing_map(int descriptor, uint64_t offset, uint64_t size, uint32_t access,
			     struct fw_backing **backing);
struct fw_backing *fw_backing_get(struct fw_backing *backing);
/* NULL is ignored. */
void fw_backing_put(struct fw_backing *backing);

/* `size`, a power of two up to 8, divides `off`, and both lie within: as a processor does it.
 */
uint64_t fw_backing_load(const struct fw_backing *backing, uint64_t off, uint32_t size);
void fw_backing_store(struct fw_backing *backing, uint64_t off, uint32_t size, uint64_t value);

/* All of it reads as zero; the memory is given back.  [any] */
void fw_backing_zero(struct fw_backing *backing);

/* Dirty bits exist from here on, and all are set.  -LICHEN_ENOMEM.  [any] */
lichen_status fw_backing_track(struct fw_backing *backing);
/* Bytes [off, off + size) were written.  [any] */
void fw_backing_mark(struct fw_backing *backing, uint64_t off, uint64_t size);
static inline uint64_t fw_backing_words(uint64_t size)
{
	return (size / LICHEN_WINDOW_PAGE + 63) / 64;
}

#endif
