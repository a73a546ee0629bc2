/* SPDX-License-Identifier: MIT */
/*
 * mutex.h: the instance lock.  It is taken at each exit, so that the way without waiting is
 * inline: the C library's costs two calls and their branches, a multiple of the rest of the
 * dispatch.  Like a mutex of the C library's default kind: not recursive, and unlocked by
 * the thread that locked it.  Not fair, but one who waits as long as it takes, and has done
 * so for a while, is handed the lock: vCPUs that come back at once must not keep the
 * control thread away for ever.
 */
#ifndef FW_MUTEX_H
#define FW_MUTEX_H

#include <stdint.h>

#include "likely.h"

/* All zero: not locked. */
struct fw_mutex {
	uint32_t word;	 /* atomic, a futex; enum fw_mutex_word */
	uint32_t hungry; /* atomic; threads that have waited for a while */
	uint32_t handed; /* atomic, a futex; 1: locked for one of those */
};

enum fw_mutex_word {
	FW_MUTEX_FREE = 0,
	FW_MUTEX_HELD = 1,
	FW_MUTEX_AWAITED = 2, /* held, and there may be threads to be woken */
};

/* Waits as long as it takes. */
void fw_mutex_wait(struct fw_mutex *mutex);
/* Waits for at most `ns` nanoseconds, which may be 0; returns 1 when it is locked. */
int fw_mutex_wait_for(struct fw_mutex *mutex, uint64_t ns);
/* Unlocks what threads may be waiting for. */
void fw_mutex_pass(struct fw_mutex *mutex);

/* 1: it is locked. */
static inline int fw_mutex_try(struct fw_mutex *mutex)
{
	uint32_t word = FW_MUTEX_FREE;

	return __atomic_compare_exchange_n(&mutex->word, &word, FW_MUTEX_HELD, 0,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void fw_mutex_lock(struct fw_mutex *mutex)
{
	if (fw_unlikely(!fw_mutex_try(mutex)))
		fw_mutex_wait(mutex);
}

static inline void fw_mutex_unlock(struct fw_mutex *mutex)
{
	uint32_t word = FW_MUTEX_HELD;

	if (fw_unlikely(!__atomic_compare_exchange_n(&mutex->word, &word, FW_MUTEX_FREE, 0,
						     __ATOMIC_RELEASE, __ATOMIC_RELAXED)))
		fw_mutex_pass(mutex);
}

#endif
