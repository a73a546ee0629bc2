/* SPDX-License-Identifier: MIT */
/*
 * count.h: what a vCPU's thread counts of its exits.  Each has a tally of its own, which
 * it alone writes, with plain stores; who reads it may see numbers that do not belong
 * together, and no torn ones.
 */
#ifndef FW_COUNT_H
#define FW_COUNT_H

#include <stdint.h>

struct lichen_vm;

enum {
	FW_COUNT_EXITS = 11,	/* kinds, enum hv_exit_kind */
	FW_COUNT_WINDOWS = 256, /* 0: those past the last, and what is no instance's */
	/* Bucket n: below 2^(n + FW_COUNT_FIRST) ns; the last: all else. */
	FW_COUNT_BUCKETS = 16,
	FW_COUNT_FIRST = 7,
	FW_COUNT_SAMPLE = 1 << 10, /* of so many exits of a kind one is timed */
	FW_COUNT_LINE = 64,
};

struct fw_tally {
	uint64_t exits[FW_COUNT_EXITS];
	uint64_t windows[FW_COUNT_WINDOWS];  /* accesses */
	uint64_t dispatch[FW_COUNT_BUCKETS]; /* of the exits that were timed */
	uint64_t sampled, sampled_ns;
};

/* On the thread that owns the tally. */
static inline uint64_t fw_count(uint64_t *counter)
{
	const uint64_t next = __atomic_load_n(counter, __ATOMIC_RELAXED) + 1;

	__atomic_store_n(counter, next, __ATOMIC_RELAXED);
	return next;
}

/* [any] */
static inline uint64_t fw_counted(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* On cache lines of its own; NULL: no memory.  free() is owed. */
struct fw_tally *fw_tally_new(void);
/* Enters how long one dispatch took. */
void fw_tally_time(struct fw_tally *tally, uint64_t ns);

/* A number for a window, counted from 0 on; 0: there is none left.  [any] */
uint32_t fw_counter_take(struct lichen_vm *vm);
void fw_counter_give(struct lichen_vm *vm, uint32_t counter);
/* Accesses of all vCPUs.  [any] */
uint64_t fw_counter_read(const struct lichen_vm *vm, uint32_t counter);

#endif
