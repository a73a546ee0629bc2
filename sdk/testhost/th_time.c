/* SPDX-License-Identifier: MIT */
/* th_time.c: clocks that only the test moves, timers, and watched descriptors. */
#include "th.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

enum { TH_TIMER_ROUNDS = 1 << 20 }; /* timers that may fire in one th_advance() */

static int th_clock_valid(uint32_t clock)
{
	return clock >= LICHEN_CLOCK_GUEST && clock <= LICHEN_CLOCK_WALL;
}

static uint64_t th_clock_now(struct lichen_instance *in, uint32_t clock)
{
	TH_GUARD(in, "clock_now", TH_ANY_STATE, TH_ANY_ROLE);
	return th_clock_valid(clock) ? th->clocks[clock] : 0;
}

static lichen_status th_timer_create(struct lichen_instance *in, uint32_t clock,
				     uint64_t cookie, lichen_handle *handle)
{
	TH_GUARD(in, "timer_create", TH_FROM_CREATED, TH_CONTROL);
	struct th_object *o;

	if (!th->class.timer)
		th_fail(th, "timer_create", "the class has no timer callback");
	if (!th_clock_valid(clock))
		return -LICHEN_EINVAL;
	o = th_object_new(th, "timer_create", TH_TIMER);
	o->clock = clock;
	o->cookie = cookie;
	*handle = o->handle;
	return 0;
}

static void th_timer_arm(struct lichen_instance *in, lichen_handle handle, uint64_t deadline)
{
	TH_GUARD(in, "timer_arm", TH_FROM_CREATED, TH_ANY_ROLE);
	struct th_object *o = th_object_of(th, "timer_arm", TH_TIMER, handle);

	o->armed = 1;
	o->deadline = deadline;
}

static void th_timer_cancel(struct lichen_instance *in, lichen_handle handle)
{
	TH_GUARD(in, "timer_cancel", TH_FROM_CREATED, TH_ANY_ROLE);
	th_object_of(th, "timer_cancel", TH_TIMER, handle)->armed = 0;
}

static void th_timer_release(struct lichen_instance *in, lichen_handle handle)
{
	TH_GUARD(in, "timer_release", TH_FROM_CREATED, TH_CONTROL);
	th_object_free(th_object_of(th, "timer_release", TH_TIMER, handle));
}

/* The armed timer that is due first, and in how many ns; NULL: none is armed. */
static struct th_object *th_first_due(struct th *th, uint64_t *in_ns)
{
	struct th_object *o, *first = NULL;

	for (uint32_t at = 0; (o = th_object_next(th, TH_TIMER, &at));) {
		const uint64_t now = th->clocks[o->clock];
		const uint64_t left = o->deadline > now ? o->deadline - now : 0;

		if (!o->armed || (first && left >= *in_ns))
			continue;
		first = o;
		*in_ns = left;
	}
	return first;
}

static void th_fire(struct th *th, struct th_object *timer)
{
	const uint64_t cookie = timer->cookie;
	struct th_frame frame;

	timer->armed = 0;
	th_begin(th, &frame, "timer", TH_CONTROL);
	th->class.timer(th->self, cookie);
	th_end(th, &frame);
}

static void th_clocks_move(struct th *th, uint64_t ns)
{
	for (uint32_t i = LICHEN_CLOCK_GUEST; i <= LICHEN_CLOCK_WALL; i++)
		th->clocks[i] += ns;
}

void th_advance(struct th *th, uint64_t ns)
{
	struct th_object *due;
	uint64_t left = 0;
	uint32_t fired = 0;

	th_lock();
	while (th->self && (due = th_first_due(th, &left)) && left <= ns) {
		th_clocks_move(th, left);
		ns -= left;
		if (++fired > TH_TIMER_ROUNDS)
			th_fail(th, "timer_arm",
				"a timer is armed for the past again and again");
		th_fire(th, due);
	}
	th_clocks_move(th, ns);
	th_unlock();
}

void th_set_wall(struct th *th, uint64_t ns)
{
	th_lock();
	th->clocks[LICHEN_CLOCK_WALL] = ns;
	th_advance(th, 0);
	th_unlock();
}

static lichen_status th_watch(struct lichen_instance *in, int32_t descriptor, uint32_t events,
			      uint64_t cookie, lichen_handle *handle)
{
	TH_GUARD(in, "watch", TH_FROM_CREATED, TH_CONTROL);
	struct th_object *o;
	struct stat st;
	uint32_t at = 0;

	if (!th->class.ready)
		th_fail(th, "watch", "the class has no ready callback");
	if (fstat(descriptor, &st))
		th_fail(th, "watch", "descriptor %d: %s", descriptor, strerror(errno));
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		return -LICHEN_EPERM;
	while ((o = th_object_next(th, TH_WATCH, &at)))
		if (o->descriptor == descriptor)
			return -LICHEN_EEXIST;
	o = th_object_new(th, "watch", TH_WATCH);
	o->descriptor = descriptor;
	o->events = events;
	o->cookie = cookie;
	*handle = o->handle;
	return 0;
}

static void th_watch_update(struct lichen_instance *in, lichen_handle handle, uint32_t events)
{
	TH_GUARD(in, "watch_update", TH_FROM_CREATED, TH_ANY_ROLE);
	th_object_of(th, "watch_update", TH_WATCH, handle)->events = events;
}

static void th_watch_release(struct lichen_instance *in, lichen_handle handle)
{
	TH_GUARD(in, "watch_release", TH_FROM_CREATED, TH_CONTROL);
	th_object_free(th_object_of(th, "watch_release", TH_WATCH, handle));
}

void th_time_fill(struct lichen_host *host)
{
	host->clock_now = th_clock_now;
	host->timer_create = th_timer_create;
	host->timer_arm = th_timer_arm;
	host->timer_cancel = th_timer_cancel;
	host->timer_release = th_timer_release;
	host->watch = th_watch;
	host->watch_update = th_watch_update;
	host->watch_release = th_watch_release;
}

static uint32_t th_gather(struct th *th, struct pollfd *fds, lichen_handle *handles)
{
	const struct th_object *o;
	uint32_t count = 0;

	for (uint32_t at = 0; (o = th_object_next(th, TH_WATCH, &at));) {
		if (!o->events)
			continue;
		fds[count] = (struct pollfd){ .fd = o->descriptor };
		if (o->events & LICHEN_WATCH_READ)
			fds[count].events |= POLLIN;
		if (o->events & LICHEN_WATCH_WRITE)
			fds[count].events |= POLLOUT;
		handles[count++] = o->handle;
	}
	return count;
}

/* Tells the instance, unless the watch went or lost interest in an earlier callback. */
static uint32_t th_tell_ready(struct th *th, lichen_handle handle, short got)
{
	const struct th_object *o = &th->objects[(handle & 0xffff) - 1];
	struct th_frame frame;
	uint32_t events = 0;

	if (o->handle != handle)
		return 0;
	if (got & POLLNVAL)
		th_fail(th, "watch", "descriptor %d is watched and closed", o->descriptor);
	if (got & POLLIN)
		events |= LICHEN_WATCH_READ;
	if (got & POLLOUT)
		events |= LICHEN_WATCH_WRITE;
	events &= o->events;
	if (o->events && got & (POLLHUP | POLLERR))
		events |= LICHEN_WATCH_HANGUP;
	if (!events)
		return 0;
	th_begin(th, &frame, "ready", TH_CONTROL);
	th->class.ready(th->self, o->cookie, events);
	th_end(th, &frame);
	return 1;
}

uint32_t th_poll(struct th *th, int ms)
{
	struct pollfd fds[TH_OBJECTS];
	lichen_handle handles[TH_OBJECTS];
	uint32_t count, told = 0;

	th_lock();
	count = th_gather(th, fds, handles);
	th_unlock();
	if (poll(fds, count, ms) <= 0)
		return 0;
	th_lock();
	for (uint32_t i = 0; i < count; i++)
		if (fds[i].revents)
			told += th_tell_ready(th, handles[i], fds[i].revents);
	th_unlock();
	return told;
}
