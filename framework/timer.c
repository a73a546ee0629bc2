/* SPDX-License-Identifier: MIT */
/*
 * timer.c: clocks and timers.  libuv's timers count milliseconds, too coarse for
 * a guest; so each host clock has a timerfd, set for the soonest of its timers.
 * A deadline of 0, at once, needs no clock, whose interrupt may take its time: the
 * loop is woken.
 * Guest timers live in the monotonic queue, moved by where the guest's clock
 * began, and wait outside it while that clock stands still.
 */
#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "timer.h"

#define FW_SECOND_NS UINT64_C(1000000000)

enum { FW_DUE_MAX = 64 }; /* timers served before the loop looks at what else there is */

static uint64_t fw_clock_read(int clock_id)
{
	struct timespec now;

	clock_gettime(clock_id, &now);
	return (uint64_t)now.tv_sec * FW_SECOND_NS + (uint64_t)now.tv_nsec;
}

/* Caller holds the loop's lock. */
static uint64_t fw_clock_guest(const struct fw_loop *loop)
{
	return loop->guest_runs ? fw_now_ns() - loop->guest_zero : loop->guest_frozen;
}

uint64_t fw_clock_now(struct fw_loop *loop, uint32_t clock)
{
	uint64_t now;

	switch (clock) {
	case LICHEN_CLOCK_GUEST:
		pthread_mutex_lock(&loop->lock);
		now = fw_clock_guest(loop);
		pthread_mutex_unlock(&loop->lock);
		return now;
	case LICHEN_CLOCK_HOST:
		return fw_now_ns();
	case LICHEN_CLOCK_WALL:
		return fw_clock_read(CLOCK_REALTIME);
	default:
		return 0;
	}
}

/*
 * When it is `ns` by the guest's clock, by the host's: beyond its range is never, before
 * its beginning at once.  A guest that was saved elsewhere may be older than this host,
 * and guest_zero negative.
 */
static uint64_t fw_guest_deadline(const struct fw_loop *loop, uint64_t ns)
{
	const uint64_t zero = loop->guest_zero;

	if (zero <= INT64_MAX)
		return ns > UINT64_MAX - zero ? UINT64_MAX : ns + zero;
	return ns > 0 - zero ? ns + zero : 0;
}

/* The soonest timer whose clock runs, or NULL.  Caller holds the loop's lock. */
static struct fw_timer *fw_queue_first(const struct fw_loop *loop,
				       const struct fw_timer_queue *queue)
{
	struct fw_timer *timer = queue->first;

	while (timer && timer->clock == LICHEN_CLOCK_GUEST && !loop->guest_runs)
		timer = timer->next;
	return timer;
}

/*
 * Has the loop woken for the soonest timer, or sets the timerfd for none.  Caller holds the
 * loop's lock.
 */
static void fw_queue_set(struct fw_loop *loop, const struct fw_timer_queue *queue)
{
	const struct fw_timer *first = fw_queue_first(loop, queue);
	struct itimerspec when = { .it_value = { 0 } };

	if (first && first->deadline == 0) {
		fw_loop_wake(loop);
		return;
	}
	if (first) {
		when.it_value.tv_sec = (time_t)(first->deadline / FW_SECOND_NS);
		when.it_value.tv_nsec = (long)(first->deadline % FW_SECOND_NS);
	}
	timerfd_settime(queue->descriptor, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Caller holds the loop's lock.  Returns 1 when the soonest timer changed. */
static int fw_queue_remove(struct fw_timer *timer)
{
	struct fw_timer_queue *queue = timer->queue;
	struct fw_timer **at;
	int was_first;

	if (!queue)
		return 0;
	was_first = fw_queue_first(timer->loop, queue) == timer;
	for (at = &queue->first; *at != timer; at = &(*at)->next)
		;
	*at = timer->next;
	timer->queue = NULL;
	return was_first;
}

/* Caller holds the loop's lock. */
static void fw_queue_add(struct fw_timer_queue *queue, struct fw_timer *timer)
{
	struct fw_timer **at;

	for (at = &queue->first; *at && (*at)->deadline <= timer->deadline; at = &(*at)->next)
		;
	timer->next = *at;
	timer->queue = queue;
	*at = timer;
}

void fw_timer_arm(struct fw_timer *timer, uint64_t deadline)
{
	struct fw_loop *loop = timer->loop;
	struct fw_timer_queue *queue =
		timer->clock == LICHEN_CLOCK_WALL ? &loop->wall : &loop->monotonic;
	int changed;

	pthread_mutex_lock(&loop->lock);
	changed = fw_queue_remove(timer);
	timer->fired = 0;
	timer->deadline = deadline;
	if (timer->clock == LICHEN_CLOCK_GUEST) {
		timer->guest_deadline = deadline;
		timer->deadline = fw_guest_deadline(loop, deadline);
	}
	fw_queue_add(queue, timer);
	if (changed || fw_queue_first(loop, queue) == timer)
		fw_queue_set(loop, queue);
	pthread_mutex_unlock(&loop->lock);
}

void fw_timer_cancel(struct fw_timer *timer)
{
	struct fw_loop *loop = timer->loop;
	struct fw_timer_queue *queue;

	pthread_mutex_lock(&loop->lock);
	queue = timer->queue;
	timer->fired = 0;
	if (fw_queue_remove(timer))
		fw_queue_set(loop, queue);
	pthread_mutex_unlock(&loop->lock);
}

int fw_timer_fired(struct fw_timer *timer)
{
	int fired;

	pthread_mutex_lock(&timer->loop->lock);
	fired = timer->fired;
	timer->fired = 0;
	pthread_mutex_unlock(&timer->loop->lock);
	return fired;
}

/* The soonest timer that is due, taken out of its queue; NULL: none is. */
static struct fw_timer *fw_queue_due(struct fw_loop *loop, struct fw_timer_queue *queue)
{
	const uint64_t now = fw_clock_read(queue->clock_id);
	struct fw_timer *due;

	pthread_mutex_lock(&loop->lock);
	due = fw_queue_first(loop, queue);
	if (due && due->deadline <= now) {
		fw_queue_remove(due);
		due->fired = 1;
	} else {
		due = NULL;
		fw_queue_set(loop, queue);
	}
	pthread_mutex_unlock(&loop->lock);
	return due;
}

static void fw_queue_serve(struct fw_loop *loop, struct fw_timer_queue *queue)
{
	struct fw_timer *timer;

	/* One that re-arms itself in the past must not keep the loop from all else. */
	for (uint32_t i = 0; i < FW_DUE_MAX; i++) {
		timer = fw_queue_due(loop, queue);
		if (!timer)
			return;
		timer->due(timer);
	}
	pthread_mutex_lock(&loop->lock);
	fw_queue_set(loop, queue);
	pthread_mutex_unlock(&loop->lock);
}

static void fw_queue_ready(struct fw_watch *watch, uint32_t events)
{
	struct fw_loop *loop = watch->loop;
	struct fw_timer_queue *queue =
		watch->descriptor == loop->wall.descriptor ? &loop->wall : &loop->monotonic;
	uint64_t expirations;

	(void)events;
	if (read(queue->descriptor, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
		return;
	fw_queue_serve(loop, queue);
}

static int fw_queue_at_once(struct fw_loop *loop, const struct fw_timer_queue *queue)
{
	const struct fw_timer *first;
	int at_once;

	pthread_mutex_lock(&loop->lock);
	first = fw_queue_first(loop, queue);
	at_once = first && first->deadline == 0;
	pthread_mutex_unlock(&loop->lock);
	return at_once;
}

void fw_timers_serve(struct fw_loop *loop)
{
	if (fw_queue_at_once(loop, &loop->monotonic))
		fw_queue_serve(loop, &loop->monotonic);
	if (fw_queue_at_once(loop, &loop->wall))
		fw_queue_serve(loop, &loop->wall);
}

void fw_clock_run(struct fw_loop *loop, int run)
{
	struct fw_timer *timer, *next, *moved = NULL;

	pthread_mutex_lock(&loop->lock);
	if (run && !loop->guest_runs) {
		loop->guest_zero = fw_now_ns() - loop->guest_frozen;
		loop->guest_runs = 1;
		for (timer = loop->monotonic.first; timer; timer = next) {
			next = timer->next;
			if (timer->clock != LICHEN_CLOCK_GUEST)
				continue;
			fw_queue_remove(timer);
			timer->next = moved;
			moved = timer;
		}
		for (timer = moved; timer; timer = next) {
			next = timer->next;
			timer->deadline = fw_guest_deadline(loop, timer->guest_deadline);
			fw_queue_add(&loop->monotonic, timer);
		}
		fw_queue_set(loop, &loop->monotonic);
	} else if (!run && loop->guest_runs) {
		loop->guest_frozen = fw_clock_guest(loop);
		loop->guest_runs = 0;
		fw_queue_set(loop, &loop->monotonic);
	}
	pthread_mutex_unlock(&loop->lock);
}

void fw_clock_set(struct fw_loop *loop, uint64_t ns)
{
	pthread_mutex_lock(&loop->lock);
	loop->guest_frozen = ns;
	pthread_mutex_unlock(&loop->lock);
}

static lichen_status fw_queue_open(struct fw_loop *loop, struct fw_timer_queue *queue,
				   int clock_id)
{
	lichen_status status;

	queue->clock_id = clock_id;
	queue->descriptor = timerfd_create(clock_id, TFD_CLOEXEC | TFD_NONBLOCK);
	if (queue->descriptor < 0)
		return -LICHEN_EIO;
	queue->watch.ready = fw_queue_ready;
	status = fw_watch_start(loop, &queue->watch, queue->descriptor, LICHEN_WATCH_READ);
	if (status < 0)
		close(queue->descriptor);
	return status;
}

static void fw_queue_close(struct fw_timer_queue *queue)
{
	fw_watch_stop(&queue->watch);
	close(queue->descriptor);
}

lichen_status fw_timers_open(struct fw_loop *loop)
{
	lichen_status status = fw_queue_open(loop, &loop->monotonic, CLOCK_MONOTONIC);

	if (status < 0)
		return status;
	status = fw_queue_open(loop, &loop->wall, CLOCK_REALTIME);
	if (status < 0)
		fw_queue_close(&loop->monotonic);
	return status;
}

void fw_timers_close(struct fw_loop *loop)
{
	fw_queue_close(&loop->wall);
	fw_queue_close(&loop->monotonic);
}
