/* SPDX-License-Identifier: MIT */
/* The instance lock: one at a time, nobody left asleep. */
#include "mutex.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "tap.h"

enum { THREADS = 4, ROUNDS = 20000, MS = 1000000 };

static struct fw_mutex mutex;
static uint64_t rounds; /* guarded by mutex */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

TEST(what_is_locked_cannot_be_locked_again)
{
	CHECK_EQ(1, fw_mutex_try(&mutex));
	CHECK_EQ(0, fw_mutex_try(&mutex));
	fw_mutex_unlock(&mutex);
	CHECK_EQ(1, fw_mutex_try(&mutex));
	fw_mutex_unlock(&mutex);
}

static void *count_locked(void *timed)
{
	for (uint32_t i = 0; i < ROUNDS; i++) {
		if (!timed)
			fw_mutex_lock(&mutex);
		else
			while (!fw_mutex_wait_for(&mutex, i % 3 * 1000))
				;
		rounds++;
		fw_mutex_unlock(&mutex);
	}
	return NULL;
}

TEST(of_many_threads_one_is_inside)
{
	pthread_t threads[THREADS];
	static char timed;

	for (uint32_t i = 0; i < THREADS; i++)
		CHECK_EQ(0, pthread_create(&threads[i], NULL, count_locked,
					   i % 2 ? &timed : NULL));
	for (uint32_t i = 0; i < THREADS; i++)
		CHECK_EQ(0, pthread_join(threads[i], NULL));
	CHECK_EQ(THREADS * ROUNDS, rounds);
	CHECK_EQ(1, fw_mutex_try(&mutex));
}

static _Atomic uint32_t stop, turns;

/* Lets go of it and comes back at once, as a vCPU does that a guest keeps at a device. */
static void *hold_on(void *unused)
{
	const struct timespec hold = { .tv_nsec = 100000 };

	(void)unused;
	while (!stop) {
		fw_mutex_lock(&mutex);
		turns++;
		(void)nanosleep(&hold, NULL);
		fw_mutex_unlock(&mutex);
	}
	return NULL;
}

TEST(one_who_waits_is_not_kept_away_by_those_who_come_back_at_once)
{
	const struct timespec hold = { .tv_nsec = 2000000 };
	pthread_t threads[THREADS];
	uint32_t most = 0;

	for (uint32_t i = 0; i < THREADS; i++)
		CHECK_EQ(0, pthread_create(&threads[i], NULL, hold_on, NULL));
	for (uint32_t i = 0; i < 20; i++) {
		const uint32_t before = turns;
		uint32_t others;

		fw_mutex_lock(&mutex);
		others = turns - before;
		most = others > most ? others : most;
		fw_mutex_unlock(&mutex);
		(void)nanosleep(&hold, NULL); /* they have it when this comes back */
	}
	stop = 1;
	for (uint32_t i = 0; i < THREADS; i++)
		CHECK_EQ(0, pthread_join(threads[i], NULL));
	printf("# at most %u others came first\n", most);
	/* A millisecond of theirs, until it counts as waiting; then one round of the hungry. */
	CHECK(most <= 100);
}

TEST(a_wait_with_a_limit_ends_without_the_lock)
{
	const uint64_t start = now_ns();

	fw_mutex_lock(&mutex);
	CHECK_EQ(0, fw_mutex_wait_for(&mutex, 0));
	CHECK_EQ(0, fw_mutex_wait_for(&mutex, 5 * MS));
	CHECK(now_ns() - start >= 5 * MS);
	fw_mutex_unlock(&mutex);
	CHECK_EQ(1, fw_mutex_wait_for(&mutex, 0));
}

static void *lock_once(void *unused)
{
	(void)unused;
	fw_mutex_lock(&mutex);
	rounds++;
	fw_mutex_unlock(&mutex);
	return NULL;
}

TEST(one_that_gives_up_leaves_the_others_to_be_woken)
{
	const struct timespec pause = { .tv_nsec = 20 * MS };
	pthread_t thread;

	fw_mutex_lock(&mutex);
	CHECK_EQ(0, pthread_create(&thread, NULL, lock_once, NULL));
	nanosleep(&pause, NULL); /* asleep by now, as a rule */
	CHECK_EQ(0, fw_mutex_wait_for(&mutex, MS));
	fw_mutex_unlock(&mutex);
	CHECK_EQ(0, pthread_join(thread, NULL));
	CHECK_EQ(1, rounds);
}
