/* SPDX-License-Identifier: MIT */
/* loop.c: posts and descriptors; timer.c has the clocks.  See loop.h. */
#include <errno.h>
#include <stdlib.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"
#include "timer.h"

enum { FW_LOOP_READY = 16, FW_LOOP_SLEEP_MS = 1000 };
enum { FW_LOOP_UV = 1 << 0, FW_LOOP_EPOLL = 1 << 1, FW_LOOP_TIMERS = 1 << 2 };

/* The oldest post, if its number is at most `last`; else NULL. */
static struct fw_post *fw_loop_take(struct fw_loop *loop, uint64_t last)
{
	struct fw_post *post = NULL;

	pthread_mutex_lock(&loop->lock);
	if (loop->first_post && loop->first_post->number <= last) {
		post = loop->first_post;
		loop->first_post = post->next;
		if (!loop->first_post)
			loop->last_post = &loop->first_post;
	}
	pthread_mutex_unlock(&loop->lock);
	return post;
}

/* One by one, so that a post may drain what came after it. */
void fw_loop_drain(struct fw_loop *loop)
{
	struct fw_post *post;
	uint64_t last;

	pthread_mutex_lock(&loop->lock);
	last = loop->posted;
	pthread_mutex_unlock(&loop->lock);
	while ((post = fw_loop_take(loop, last))) {
		post->run(post);
		free(post);
	}
}

void fw_loop_forget(struct fw_loop *loop,
		    int (*match)(const struct fw_post *post, const void *context),
		    const void *context)
{
	struct fw_post **at, *post;

	pthread_mutex_lock(&loop->lock);
	for (at = &loop->first_post; *at;) {
		post = *at;
		if (!match(post, context)) {
			at = &post->next;
			continue;
		}
		*at = post->next;
		free(post);
	}
	loop->last_post = at;
	pthread_mutex_unlock(&loop->lock);
}

/* The oldest post with this `run`, if its number is at most `last`; else NULL. */
static struct fw_post *fw_loop_take_of(struct fw_loop *loop, void (*run)(struct fw_post *post),
				       uint64_t last)
{
	struct fw_post **at = &loop->first_post, *post;

	pthread_mutex_lock(&loop->lock);
	while (*at && (*at)->run != run)
		at = &(*at)->next;
	post = *at;
	if (post && post->number <= last) {
		*at = post->next;
		if (!post->next)
			loop->last_post = at;
	} else {
		post = NULL;
	}
	pthread_mutex_unlock(&loop->lock);
	return post;
}

void fw_loop_drain_of(struct fw_loop *loop, void (*run)(struct fw_post *post))
{
	struct fw_post *post;
	uint64_t last;

	pthread_mutex_lock(&loop->lock);
	last = loop->posted;
	pthread_mutex_unlock(&loop->lock);
	while ((post = fw_loop_take_of(loop, run, last))) {
		post->run(post);
		free(post);
	}
}

void fw_loop_each(struct fw_loop *loop, void (*run)(struct fw_post *post),
		  void (*see)(struct fw_post *post, void *context), void *context)
{
	pthread_mutex_lock(&loop->lock);
	for (struct fw_post *post = loop->first_post; post; post = post->next)
		if (post->run == run)
			see(post, context);
	pthread_mutex_unlock(&loop->lock);
}

void fw_loop_post(struct fw_loop *loop, struct fw_post *post)
{
	post->next = NULL;
	pthread_mutex_lock(&loop->lock);
	*loop->last_post = post;
	loop->last_post = &post->next;
	post->number = ++loop->posted;
	pthread_mutex_unlock(&loop->lock);
	fw_loop_wake(loop);
}

/*
 * A hang-up is told whether asked for or not; to one who asks for nothing it is
 * told once, lest the loop spin until somebody asks again.
 */
static uint32_t fw_watch_to_epoll(uint32_t events)
{
	if (!(events & (LICHEN_WATCH_READ | LICHEN_WATCH_WRITE)))
		return EPOLLET;
	return (events & LICHEN_WATCH_READ ? (uint32_t)EPOLLIN : 0) |
	       (events & LICHEN_WATCH_WRITE ? (uint32_t)EPOLLOUT : 0);
}

static uint32_t fw_watch_from_epoll(uint32_t events)
{
	return (events & EPOLLIN ? (uint32_t)LICHEN_WATCH_READ : 0) |
	       (events & EPOLLOUT ? (uint32_t)LICHEN_WATCH_WRITE : 0) |
	       (events & (EPOLLHUP | EPOLLERR) ? (uint32_t)LICHEN_WATCH_HANGUP : 0);
}

/* The watch that `number` names, or NULL when it has been stopped meanwhile. */
static struct fw_watch *fw_loop_watch(struct fw_loop *loop, uint64_t number)
{
	struct fw_watch *watch;

	pthread_mutex_lock(&loop->lock);
	for (watch = loop->watches; watch && watch->number != number; watch = watch->next)
		;
	pthread_mutex_unlock(&loop->lock);
	return watch;
}

/* Somebody has called fw_loop_wake(). */
static void fw_loop_woken(struct fw_loop *loop)
{
	uint64_t times;

	if (read(loop->wake, &times, sizeof(times)) < 0)
		return; /* somebody else has read it */
	/* From here on a wake-up is another one; what was left before is seen below. */
	atomic_store(&loop->woken, 0);
	if (!loop->waiting) {
		fw_loop_drain(loop);
		if (loop->turn)
			loop->turn(loop->turn_context);
	}
	fw_timers_serve(loop);
}

/* What is ready of our descriptors.  A watch may be stopped by an earlier one's callback. */
static void fw_loop_serve(struct fw_loop *loop)
{
	struct epoll_event ready[FW_LOOP_READY];
	int woken = 0;
	int count = epoll_wait(loop->epoll, ready, FW_LOOP_READY, 0);

	for (int i = 0; i < count; i++) {
		struct fw_watch *watch = fw_loop_watch(loop, ready[i].data.u64);

		if (watch)
			watch->ready(watch, fw_watch_from_epoll(ready[i].events));
		woken |= ready[i].data.u64 == 0;
	}
	if (woken)
		fw_loop_woken(loop);
}

static void fw_loop_ready(uv_poll_t *handle, int status, int events)
{
	(void)status, (void)events;
	fw_loop_serve(handle->data);
}

/* The oldest post that is nested; NULL: there is none. */
static struct fw_post *fw_loop_take_nested(struct fw_loop *loop)
{
	struct fw_post **at, *post;

	pthread_mutex_lock(&loop->lock);
	for (at = &loop->first_post; *at && !(*at)->nested; at = &(*at)->next)
		;
	post = *at;
	if (post) {
		*at = post->next;
		if (!*at)
			loop->last_post = at;
	}
	pthread_mutex_unlock(&loop->lock);
	return post;
}

/* How long to sleep, in ms: not past the deadline, nor short of it by a part of one. */
static int fw_loop_sleep(uint64_t deadline)
{
	const uint64_t now = fw_now_ns();
	const uint64_t ms = deadline > now ? (deadline - now) / 1000000 + 1 : 0;

	return ms < FW_LOOP_SLEEP_MS ? (int)ms : FW_LOOP_SLEEP_MS;
}

int fw_loop_wait(struct fw_loop *loop, int (*done)(void *context), void *context,
		 uint64_t deadline)
{
	struct pollfd ours = { .fd = loop->epoll, .events = POLLIN };
	int came = 0;

	loop->waiting++;
	for (;;) {
		struct fw_post *post;

		while ((post = fw_loop_take_nested(loop))) {
			post->run(post);
			free(post);
		}
		came = done(context);
		if (came || fw_now_ns() >= deadline)
			break;
		if (poll(&ours, 1, fw_loop_sleep(deadline)) > 0)
			fw_loop_serve(loop);
	}
	loop->waiting--;
	fw_loop_wake(loop); /* for what was put off */
	return came;
}

lichen_status fw_watch_start(struct fw_loop *loop, struct fw_watch *watch, int descriptor,
			     uint32_t events)
{
	struct epoll_event event = { .events = fw_watch_to_epoll(events) };

	watch->loop = loop;
	watch->descriptor = descriptor;
	pthread_mutex_lock(&loop->lock);
	watch->number = ++loop->next_number;
	event.data.u64 = watch->number;
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, descriptor, &event) < 0) {
		pthread_mutex_unlock(&loop->lock);
		return -errno;
	}
	watch->next = loop->watches;
	loop->watches = watch;
	pthread_mutex_unlock(&loop->lock);
	return 0;
}

void fw_watch_update(struct fw_watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = fw_watch_to_epoll(events),
				     .data.u64 = watch->number };

	/* Fails only for a descriptor that its owner has closed: then there is nothing to
	 * watch. */
	(void)epoll_ctl(watch->loop->epoll, EPOLL_CTL_MOD, watch->descriptor, &event);
}

void fw_watch_stop(struct fw_watch *watch)
{
	struct fw_loop *loop = watch->loop;
	struct fw_watch **at;

	(void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->descriptor, NULL);
	pthread_mutex_lock(&loop->lock);
	for (at = &loop->watches; *at && *at != watch; at = &(*at)->next)
		;
	if (*at)
		*at = watch->next;
	pthread_mutex_unlock(&loop->lock);
}

/* Its number, 0, is no watch's. */
static lichen_status fw_loop_open_wake(struct fw_loop *loop)
{
	struct epoll_event event = { .events = EPOLLIN };

	loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake < 0 || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &event) < 0)
		return -LICHEN_EIO;
	return 0;
}

lichen_status fw_loop_open(struct fw_loop *loop)
{
	lichen_status status;

	*loop = (struct fw_loop){ .epoll = -1, .wake = -1 };
	loop->last_post = &loop->first_post;
	if (uv_loop_init(&loop->uv) != 0)
		return -LICHEN_ENOMEM;
	pthread_mutex_init(&loop->lock, NULL);
	loop->open = FW_LOOP_UV;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0 || uv_poll_init(&loop->uv, &loop->poll, loop->epoll) != 0) {
		fw_loop_close(loop);
		return -LICHEN_EIO;
	}
	loop->open |= FW_LOOP_EPOLL;
	loop->poll.data = loop;
	status = uv_poll_start(&loop->poll, UV_READABLE, fw_loop_ready) == 0 ? 0 : -LICHEN_EIO;
	if (status == 0)
		status = fw_loop_open_wake(loop);
	if (status == 0)
		status = fw_timers_open(loop);
	if (status < 0) {
		fw_loop_close(loop);
		return status;
	}
	loop->open |= FW_LOOP_TIMERS;
	return 0;
}

void fw_loop_close(struct fw_loop *loop)
{
	struct fw_post *post;

	if (loop->open == 0)
		return;
	if (loop->open & FW_LOOP_TIMERS)
		fw_timers_close(loop);
	if (loop->open & FW_LOOP_EPOLL)
		uv_close((uv_handle_t *)&loop->poll, NULL);
	uv_run(&loop->uv, UV_RUN_DEFAULT); /* runs the close callbacks, then nothing is left */
	uv_loop_close(&loop->uv);
	/* A thread that is left behind wakes nobody. */
	atomic_store(&loop->woken, 1);
	if (loop->wake >= 0)
		close(loop->wake);
	if (loop->epoll >= 0)
		close(loop->epoll);
	while ((post = fw_loop_take(loop, UINT64_MAX)))
		free(post);
	pthread_mutex_destroy(&loop->lock);
	loop->open = 0;
}

void fw_loop_run(struct fw_loop *loop, const _Atomic uint32_t *end)
{
	while (!atomic_load(end))
		uv_run(&loop->uv, UV_RUN_ONCE);
}

/* Written by hand: the loop would wait for a uv_async_send() that has just woken it to end. */
void fw_loop_wake(struct fw_loop *loop)
{
	const uint64_t one = 1;

	/* It never fails: what is written is read before it is written again. */
	if (!atomic_exchange(&loop->woken, 1) && write(loop->wake, &one, sizeof(one)) < 0)
		return;
}
