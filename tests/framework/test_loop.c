/* SPDX-License-Identifier: MIT */
/* Posts, descriptors and timers of the control loop. */
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"
#include "tap.h"

#define MS UINT64_C(1000000)

static struct fw_loop loop;
static _Atomic uint32_t end;
static uint32_t runs;
static uint64_t seen[8];

/* libuv keeps a pipe for signals from its first loop on: let it, before leaks are counted. */
__attribute__((constructor)) static void loop_first(void)
{
	if (fw_loop_open(&loop) == 0)
		fw_loop_close(&loop);
}

static void post_ends(struct fw_post *post)
{
	(void)post;
	runs++;
	atomic_store(&end, 1);
}

static void *post_from_a_thread(void *unused)
{
	struct fw_post *post = calloc(1, sizeof(*post));

	(void)unused;
	if (post) {
		post->run = post_ends;
		fw_loop_post(&loop, post);
	}
	return NULL;
}

TEST(a_post_of_another_thread_wakes_the_loop)
{
	pthread_t thread;

	CHECK_EQ(0, fw_loop_open(&loop));
	CHECK_EQ(0, pthread_create(&thread, NULL, post_from_a_thread, NULL));
	fw_loop_run(&loop, &end);
	CHECK_EQ(0, pthread_join(thread, NULL));
	CHECK_EQ(1, runs);
	fw_loop_close(&loop);
}

TEST(a_post_that_was_not_run_is_freed_with_the_loop)
{
	CHECK_EQ(0, fw_loop_open(&loop));
	post_from_a_thread(NULL);
	fw_loop_close(&loop);
	CHECK_EQ(0, runs);
}

enum { POSTERS = 4, POSTS = 5000 };

static void post_counts(struct fw_post *post)
{
	(void)post;
	runs++;
	atomic_store(&end, runs == POSTERS * POSTS);
}

static void *posts_from_a_thread(void *unused)
{
	for (int i = 0; i < POSTS; i++) {
		struct fw_post *post = calloc(1, sizeof(*post));

		if (!post)
			break;
		post->run = post_counts;
		fw_loop_post(&loop, post);
	}
	return unused;
}

TEST(posts_of_several_threads_all_come)
{
	pthread_t threads[POSTERS];

	CHECK_EQ(0, fw_loop_open(&loop));
	for (int i = 0; i < POSTERS; i++)
		CHECK_EQ(0, pthread_create(&threads[i], NULL, posts_from_a_thread, NULL));
	fw_loop_run(&loop, &end);
	for (int i = 0; i < POSTERS; i++)
		CHECK_EQ(0, pthread_join(threads[i], NULL));
	CHECK_EQ(POSTERS * POSTS, runs);
	fw_loop_close(&loop);
}

static void watch_reads(struct fw_watch *watch, uint32_t events)
{
	char byte;

	seen[0] = events;
	if (read(watch->descriptor, &byte, 1) == 1)
		runs++;
	atomic_store(&end, 1);
}

TEST(a_watch_tells_that_there_is_something_to_read)
{
	struct fw_watch watch = { .ready = watch_reads };
	int ends[2];

	CHECK_EQ(0, pipe(ends));
	CHECK_EQ(0, fw_loop_open(&loop));
	CHECK_EQ(0, fw_watch_start(&loop, &watch, ends[0], LICHEN_WATCH_READ));
	CHECK_EQ(1, write(ends[1], "x", 1));
	fw_loop_run(&loop, &end);
	CHECK_EQ(LICHEN_WATCH_READ, seen[0]);
	CHECK_EQ(1, runs);
	fw_watch_stop(&watch);
	fw_loop_close(&loop);
	close(ends[0]);
	close(ends[1]);
}

TEST(a_hang_up_is_told_even_when_nothing_is_asked)
{
	struct fw_watch watch = { .ready = watch_reads };
	int ends[2];

	CHECK_EQ(0, pipe(ends));
	CHECK_EQ(0, fw_loop_open(&loop));
	CHECK_EQ(0, fw_watch_start(&loop, &watch, ends[0], 0));
	close(ends[1]);
	fw_loop_run(&loop, &end);
	CHECK_EQ(LICHEN_WATCH_HANGUP, seen[0]);
	fw_watch_stop(&watch);
	fw_loop_close(&loop);
	close(ends[0]);
}

static void watch_counts(struct fw_watch *watch, uint32_t events)
{
	(void)watch;
	seen[0] = events;
	runs++;
}

static void timer_ends(struct fw_timer *timer)
{
	if (fw_timer_fired(timer))
		atomic_store(&end, 1);
}

TEST(a_hang_up_does_not_spin_the_loop_of_one_who_asks_for_nothing)
{
	struct fw_watch watch = { .ready = watch_counts };
	struct fw_timer last = { .loop = &loop, .clock = LICHEN_CLOCK_HOST, .due = timer_ends };
	int ends[2];

	CHECK_EQ(0, pipe(ends));
	CHECK_EQ(1, write(ends[1], "x", 1));
	close(ends[1]);
	CHECK_EQ(0, fw_loop_open(&loop));
	CHECK_EQ(0, fw_watch_start(&loop, &watch, ends[0], 0));
	fw_timer_arm(&last, fw_now_ns() + 20 * MS);
	fw_loop_run(&loop, &end);
	CHECK_EQ(1, runs);
	CHECK_EQ(LICHEN_WATCH_HANGUP, seen[0]);
	atomic_store(&end, 0);
	fw_watch_update(&watch, LICHEN_WATCH_READ); /* and what was sent before it can be had */
	fw_timer_arm(&last, fw_now_ns() + 5 * MS);
	fw_loop_run(&loop, &end);
	CHECK_EQ(LICHEN_WATCH_HANGUP | LICHEN_WATCH_READ, seen[0]);
	fw_watch_stop(&watch);
	fw_loop_close(&loop);
	close(ends[0]);
}

TEST(a_plain_file_cannot_be_watched)
{
	struct fw_watch watch = { .ready = watch_reads };
	FILE *file = tmpfile();

	CHECK(file);
	CHECK_EQ(0, fw_loop_open(&loop));
	CHECK_EQ(-LICHEN_EPERM, fw_watch_start(&loop, &watch, fileno(file), LICHEN_WATCH_READ));
	fw_loop_close(&loop);
	fclose(file);
}

static void timer_notes(struct fw_timer *timer)
{
	if (!fw_timer_fired(timer))
		return;
	seen[runs++] = timer->guest_deadline ? timer->guest_deadline : timer->deadline;
	if (runs == 3)
		atomic_store(&end, 1);
}

TEST(timers_fire_in_the_order_of_their_deadlines)
{
	struct fw_timer timers[3];
	const uint64_t now = fw_now_ns();

	CHECK_EQ(0, fw_loop_open(&loop));
	for (int i = 0; i < 3; i++) {
		timers[i] = (struct fw_timer){ .loop = &loop,
					       .clock = LICHEN_CLOCK_HOST,
					       .due = timer_notes };
		fw_timer_arm(&timers[i], now + (uint64_t)(3 - i) * MS);
	}
	fw_loop_run(&loop, &end);
	CHECK_EQ(now + MS, seen[0]);
	CHECK_EQ(now + 3 * MS, seen[2]);
	CHECK(fw_now_ns() >= now + 3 * MS);
	fw_loop_close(&loop);
}

TEST(a_cancelled_timer_does_not_fire)
{
	struct fw_timer cancelled = { .loop = &loop,
				      .clock = LICHEN_CLOCK_HOST,
				      .due = timer_notes };
	struct fw_timer last = cancelled;

	CHECK_EQ(0, fw_loop_open(&loop));
	runs = 2;
	fw_timer_arm(&cancelled, fw_now_ns() + MS);
	fw_timer_arm(&last, fw_now_ns() + 2 * MS);
	fw_timer_cancel(&cancelled);
	fw_loop_run(&loop, &end);
	CHECK_EQ(last.deadline, seen[2]);
	CHECK_EQ(0, seen[0]);
	fw_loop_close(&loop);
}

static struct fw_timer at_once;
static int timer_came, timer_came_first;

static void *arms_from_a_thread(void *unused)
{
	post_from_a_thread(NULL);
	fw_timer_arm(&at_once, 0);
	return unused;
}

static void timer_comes(struct fw_timer *timer)
{
	CHECK(fw_timer_fired(timer));
	timer_came = 1;
	timer_came_first = runs == 0;
}

static int timer_has_come(void *unused)
{
	(void)unused;
	return timer_came;
}

/* A post that may not be nested comes after the wait, though it came before the timer. */
TEST(a_timer_that_is_due_at_once_ends_a_wait_and_posts_come_later)
{
	pthread_t thread;

	CHECK_EQ(0, fw_loop_open(&loop));
	at_once = (struct fw_timer){ .loop = &loop,
				     .clock = LICHEN_CLOCK_HOST,
				     .due = timer_comes };
	CHECK_EQ(0, pthread_create(&thread, NULL, arms_from_a_thread, NULL));
	CHECK_EQ(1, fw_loop_wait(&loop, timer_has_come, NULL, fw_now_ns() + 60000 * MS));
	CHECK_EQ(0, pthread_join(thread, NULL));
	CHECK(timer_came_first);
	CHECK_EQ(0, runs);
	fw_loop_run(&loop, &end);
	CHECK_EQ(1, runs);
	fw_loop_close(&loop);
}

static uint32_t times_at_once;

static void timer_again(struct fw_timer *timer)
{
	(void)fw_timer_fired(timer);
	times_at_once++;
	fw_timer_arm(timer, 0);
}

TEST(a_timer_that_is_always_due_does_not_keep_posts_away)
{
	CHECK_EQ(0, fw_loop_open(&loop));
	at_once = (struct fw_timer){ .loop = &loop,
				     .clock = LICHEN_CLOCK_HOST,
				     .due = timer_again };
	fw_timer_arm(&at_once, 0);
	for (int i = 0; i < 100; i++)
		(void)uv_run(&loop.uv, UV_RUN_ONCE);
	CHECK(times_at_once >= 100);
	post_from_a_thread(NULL);
	fw_loop_run(&loop, &end);
	CHECK_EQ(1, runs);
	fw_timer_cancel(&at_once);
	fw_loop_close(&loop);
}

TEST(a_guest_timer_waits_for_the_guests_clock)
{
	struct fw_timer guest = { .loop = &loop,
				  .clock = LICHEN_CLOCK_GUEST,
				  .due = timer_notes };
	struct fw_timer host = { .loop = &loop,
				 .clock = LICHEN_CLOCK_HOST,
				 .due = timer_notes };

	CHECK_EQ(0, fw_loop_open(&loop));
	runs = 2;
	fw_timer_arm(&guest, MS);
	fw_timer_arm(&host, fw_now_ns() + 5 * MS);
	fw_loop_run(&loop, &end);
	CHECK_EQ(host.deadline, seen[2]); /* the guest's would have been due long ago */
	atomic_store(&end, 0);
	runs = 2;
	CHECK_EQ(0, fw_clock_now(&loop, LICHEN_CLOCK_GUEST));
	fw_clock_run(&loop, 1);
	fw_loop_run(&loop, &end);
	CHECK_EQ(MS, seen[2]);
	CHECK(fw_clock_now(&loop, LICHEN_CLOCK_GUEST) >= MS);
	fw_loop_close(&loop);
}

TEST(the_guests_clock_stands_still_while_stopped)
{
	uint64_t before;

	CHECK_EQ(0, fw_loop_open(&loop));
	fw_clock_run(&loop, 1);
	fw_clock_run(&loop, 0);
	before = fw_clock_now(&loop, LICHEN_CLOCK_GUEST);
	usleep(2000);
	CHECK_EQ(before, fw_clock_now(&loop, LICHEN_CLOCK_GUEST));
	fw_clock_run(&loop, 1);
	usleep(2000);
	CHECK(fw_clock_now(&loop, LICHEN_CLOCK_GUEST) >= before + 2 * MS);
	fw_loop_close(&loop);
}

TEST(a_deadline_beyond_all_time_never_fires)
{
	struct fw_timer never = { .loop = &loop,
				  .clock = LICHEN_CLOCK_GUEST,
				  .due = timer_notes };
	struct fw_timer soon = { .loop = &loop,
				 .clock = LICHEN_CLOCK_HOST,
				 .due = timer_notes };

	CHECK_EQ(0, fw_loop_open(&loop));
	fw_clock_run(&loop, 1);
	runs = 2;
	fw_timer_arm(&never, UINT64_MAX);
	fw_timer_arm(&soon, fw_now_ns() + MS);
	fw_loop_run(&loop, &end);
	CHECK_EQ(soon.deadline, seen[2]);
	fw_loop_close(&loop);
}

TEST(a_flood_of_lines_is_cut_and_counted)
{
	struct fw_log_limit limit = { 0 };
	uint64_t suppressed = 0;
	int allowed = 0;

	for (int i = 0; i < 1000; i++)
		allowed += fw_log_allow(&limit, &suppressed);
	CHECK(allowed >= 5 && allowed <= 20);
	CHECK_EQ(1000 - allowed, atomic_load(&limit.suppressed));
}
