/* SPDX-License-Identifier: MIT */
/* mutex.c: the way with waiting.  See mutex.h. */
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "mutex.h"

enum { FW_MUTEX_PATIENCE_NS = 1000000, FW_MUTEX_TURNS = 8 };

/* Sleeps while the word is AWAITED, until woken, a signal, or the time is over. */
static void fw_mutex_sleep(struct fw_mutex *mutex, const struct timespec *time)
{
	(void)syscall(SYS_futex, &mutex->word, FUTEX_WAIT_PRIVATE, FW_MUTEX_AWAITED, time, NULL,
		      0);
}

/*
 * Takes it as AWAITED, because others may be asleep: this can only wake one for nothing.
 * Returns 1 when it was free.
 */
static int fw_mutex_take(struct fw_mutex *mutex)
{
	return __atomic_exchange_n(&mutex->word, FW_MUTEX_AWAITED, __ATOMIC_ACQUIRE) ==
	       FW_MUTEX_FREE;
}

/*
 * From here on who unlocks does not free it but hands it over, to one of the hungry.
 * One who read that there is none frees it still, so this looks again from time to time.
 */
static void fw_mutex_wait_hungry(struct fw_mutex *mutex)
{
	const struct timespec again = { .tv_nsec = FW_MUTEX_PATIENCE_NS };

	__atomic_add_fetch(&mutex->hungry, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_exchange_n(&mutex->handed, 0, __ATOMIC_ACQUIRE) &&
	       !fw_mutex_take(mutex))
		(void)syscall(SYS_futex, &mutex->handed, FUTEX_WAIT_PRIVATE, 0, &again, NULL,
			      0);
	/* It is locked, so nobody decides by the number before this thread unlocks. */
	__atomic_sub_fetch(&mutex->hungry, 1, __ATOMIC_SEQ_CST);
}

void fw_mutex_wait(struct fw_mutex *mutex)
{
	const struct timespec turn = { .tv_nsec = FW_MUTEX_PATIENCE_NS / FW_MUTEX_TURNS };

	for (uint32_t turns = 0; turns < FW_MUTEX_TURNS; turns++) {
		if (fw_mutex_take(mutex))
			return;
		fw_mutex_sleep(mutex, &turn);
	}
	fw_mutex_wait_hungry(mutex);
}

int fw_mutex_wait_for(struct fw_mutex *mutex, uint64_t ns)
{
	const struct timespec time = { .tv_sec = (time_t)(ns / 1000000000u),
				       .tv_nsec = (long)(ns % 1000000000u) };

	if (fw_mutex_take(mutex))
		return 1;
	fw_mutex_sleep(mutex, &time);
	return fw_mutex_take(mutex);
}

void fw_mutex_pass(struct fw_mutex *mutex)
{
	if (__atomic_load_n(&mutex->hungry, __ATOMIC_SEQ_CST)) {
		__atomic_store_n(&mutex->handed, 1, __ATOMIC_RELEASE);
		(void)syscall(SYS_futex, &mutex->handed, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
		return;
	}
	__atomic_store_n(&mutex->word, FW_MUTEX_FREE, __ATOMIC_RELEASE);
	(void)syscall(SYS_futex, &mutex->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
