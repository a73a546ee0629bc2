/* SPDX-License-Identifier: MIT */
/* host_time.c: clocks, timers, watched descriptors and threads of an instance. */
#include <stddef.h>
#include <stdlib.h>

#include "host.h"
#include "stage.h"
#include "thread.h"
#include "vm.h"

static struct fw_claim *fw_claim_of_timer(struct fw_timer *timer)
{
	return (struct fw_claim *)((char *)timer - offsetof(struct fw_claim, timer));
}

static struct fw_claim *fw_claim_of_watch(struct fw_watch *watch)
{
	return (struct fw_claim *)((char *)watch - offsetof(struct fw_claim, watch));
}

static lichen_status fw_claimed_or_freed(struct fw_claim *claim, lichen_handle *handle)
{
	const lichen_handle entered = fw_claim_enter(claim);

	if (!entered) {
		free(claim);
		return -LICHEN_ENOSPC;
	}
	*handle = entered;
	return 0;
}

uint64_t fw_host_clock_now(struct lichen_instance *in, uint32_t clock)
{
	return fw_clock_now(&in->vm->loop, clock);
}

static void fw_host_timer_due(struct fw_timer *timer)
{
	struct fw_claim *claim = fw_claim_of_timer(timer);
	struct lichen_instance *in = claim->in;

	fw_lock(in);
	if (fw_timer_fired(timer) && in->class->timer)
		in->class->timer(in->self, claim->cookie);
	fw_unlock(in);
}

lichen_status fw_host_timer_create(struct lichen_instance *in, uint32_t clock, uint64_t cookie,
				   lichen_handle *handle)
{
	struct fw_claim *claim;

	if (clock < LICHEN_CLOCK_GUEST || clock > LICHEN_CLOCK_WALL)
		return -LICHEN_EINVAL;
	claim = fw_claim_new(in, FW_CLAIM_TIMER, cookie);
	if (!claim)
		return -LICHEN_ENOMEM;
	claim->timer.loop = &in->vm->loop;
	claim->timer.clock = clock;
	claim->timer.due = fw_host_timer_due;
	if (in->stage && fw_stage_matches(claim))
		return fw_stage_enter(claim, handle);
	return fw_claimed_or_freed(claim, handle);
}

void fw_host_timer_arm(struct lichen_instance *in, lichen_handle handle, uint64_t deadline)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_TIMER, "timer_arm");

	if (claim && fw_unlikely(in->stage)) {
		struct fw_asked *asked = fw_stage_asked(claim);

		asked->deadline = deadline;
		asked->what = (asked->what & ~(uint32_t)FW_ASK_CANCEL) | FW_ASK_ARM;
	} else if (claim) {
		fw_timer_arm(&claim->timer, deadline);
	}
}

void fw_host_timer_cancel(struct lichen_instance *in, lichen_handle handle)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_TIMER, "timer_cancel");

	if (claim && fw_unlikely(in->stage)) {
		struct fw_asked *asked = fw_stage_asked(claim);

		asked->what = (asked->what & ~(uint32_t)FW_ASK_ARM) | FW_ASK_CANCEL;
	} else if (claim) {
		fw_timer_cancel(&claim->timer);
	}
}

void fw_host_timer_release(struct lichen_instance *in, lichen_handle handle)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_TIMER, "timer_release");

	if (claim)
		fw_claim_drop(claim);
}

static void fw_host_watch_ready(struct fw_watch *watch, uint32_t events)
{
	struct fw_claim *claim = fw_claim_of_watch(watch);
	struct lichen_instance *in = claim->in;
	const uint64_t cookie = claim->cookie; /* the callback may release the watch */

	if (in->stage) /* it asks again when it is published */
		return;
	fw_lock(in);
	if (in->class->ready)
		in->class->ready(in->self, cookie, events);
	fw_unlock(in);
}

/* Enters a watch that was started; full ledger: stops it. */
static lichen_status fw_watch_entered(struct fw_claim *claim, lichen_handle *entered)
{
	*entered = fw_claim_enter(claim);
	if (*entered)
		return 0;
	fw_watch_stop(&claim->watch);
	free(claim);
	return -LICHEN_ENOSPC;
}

lichen_status fw_host_watch(struct lichen_instance *in, int32_t descriptor, uint32_t events,
			    uint64_t cookie, lichen_handle *handle)
{
	const uint32_t known = LICHEN_WATCH_READ | LICHEN_WATCH_WRITE | LICHEN_WATCH_HANGUP;
	struct fw_claim *claim;
	lichen_handle entered;
	lichen_status status;

	if (events & ~known)
		return -LICHEN_ENOTSUP;
	claim = fw_claim_new(in, FW_CLAIM_WATCH, cookie);
	if (!claim)
		return -LICHEN_ENOMEM;
	claim->watch.ready = fw_host_watch_ready;
	claim->watch.descriptor = descriptor;
	if (in->stage && fw_stage_matches(claim)) {
		status = fw_stage_enter(claim, &entered);
	} else {
		status = fw_watch_start(&in->vm->loop, &claim->watch, descriptor,
					in->stage ? 0 : events);
		if (status < 0) {
			free(claim);
			return status;
		}
		status = fw_watch_entered(claim, &entered);
	}
	if (status < 0)
		return status;
	*handle = entered;
	if (in->stage)
		fw_host_watch_update(in, entered, events);
	return 0;
}

void fw_host_watch_update(struct lichen_instance *in, lichen_handle handle, uint32_t events)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_WATCH, "watch_update");

	if (claim && fw_unlikely(in->stage)) {
		fw_stage_asked(claim)->events = events;
		fw_stage_asked(claim)->what |= FW_ASK_EVENTS;
	} else if (claim) {
		fw_watch_update(&claim->watch, events);
	}
}

void fw_host_watch_release(struct lichen_instance *in, lichen_handle handle)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_WATCH, "watch_release");

	if (claim)
		fw_claim_drop(claim);
}

void fw_threads_start(struct lichen_instance *in, enum fw_start start)
{
	pthread_mutex_lock(&in->start_lock);
	in->start = start;
	pthread_cond_broadcast(&in->started);
	pthread_mutex_unlock(&in->start_lock);
}

/* 0: it is not to run at all. */
static int fw_thread_may_run(struct lichen_instance *in)
{
	int may;

	pthread_mutex_lock(&in->start_lock);
	while (in->start == FW_START_HELD)
		pthread_cond_wait(&in->started, &in->start_lock);
	may = in->start == FW_START_NOW;
	pthread_mutex_unlock(&in->start_lock);
	return may;
}

static void *fw_host_thread_run(void *argument)
{
	struct fw_claim *claim = argument;
	struct lichen_instance *in = claim->in;

	if (fw_thread_may_run(in)) {
		fw_bus_thread_enter();
		in->class->thread(in->self, claim->cookie);
		fw_bus_thread_leave();
	}
	pthread_mutex_lock(&in->start_lock);
	claim->ended = 1;
	pthread_cond_broadcast(&in->ended);
	pthread_mutex_unlock(&in->start_lock);
	return NULL;
}

lichen_status fw_host_thread_start(struct lichen_instance *in, const char *name,
				   uint64_t cookie)
{
	struct fw_claim *claim;
	lichen_status status;

	if (!in->class->thread)
		return -LICHEN_EINVAL;
	claim = fw_claim_new(in, FW_CLAIM_THREAD, cookie);
	if (!claim)
		return -LICHEN_ENOMEM;
	/* Before it starts: a thread that the ledger has no room for could not be ended. */
	if (!fw_claim_enter(claim)) {
		free(claim);
		return -LICHEN_ENOSPC;
	}
	status = fw_thread_start(&claim->thread, name ? name : in->spec->id, fw_host_thread_run,
				 claim);
	if (status < 0)
		fw_claim_forget(claim);
	return status;
}
