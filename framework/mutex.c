/* SPDX-License-Identifier: MIT */
/* mutex.c: the way with waiting.  See mutex.h. */
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "mutex.h"

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

void fw_mutex_wait(struct fw_mutex *mutex)
{
	while (!fw_mutex_take(mutex))
		fw_mutex_sleep(mutex, NULL);
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

void fw_mutex_wake(struct fw_mutex *mutex)
{
	(void)syscall(SYS_futex, &mutex->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
