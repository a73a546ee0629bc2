/* SPDX-License-Identifier: MIT */
/*
 * loop.h: the control plane of one VM, a libuv loop, and what wakes it: posts,
 * descriptors, timers.
 *
 * Posts, watch changes and timers may be made by any thread; what they call
 * runs on the loop's thread, one at a time.
 */
#ifndef FW_LOOP_H
#define FW_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include <uv.h>

#include <lichen/status.h>
#include <lichen/host.h>

struct fw_loop;

/* Work for the loop's thread; freed by the loop after `run`, or unrun when the loop ends. */
struct fw_post {
	struct fw_post *next;
	uint64_t number; /* in the order of posting, from 1 */
	uint32_t nested; /* fw_loop_wait() runs it too */
	void (*run)(struct fw_post *post);
};

/* A watched descriptor. */
struct fw_watch {
	struct fw_loop *loop;
	struct fw_watch *next;
	int descriptor;
	uint64_t number; /* tells it from an earlier one at the same address */
	void (*ready)(struct fw_watch *watch, uint32_t events); /* enum lichen_watch */
};

/* A timer; armed while `queue` is not NULL. */
struct fw_timer {
	struct fw_loop *loop;
	struct fw_timer *next;
	struct fw_timer_queue *queue;
	uint64_t deadline;	 /* ns of the queue's clock */
	uint32_t clock;		 /* enum lichen_clock */
	uint64_t guest_deadline; /* as asked for, where the clock is the guest's */
	int fired; /* out of its queue because it was due, and nobody re-armed or cancelled it
		    */
	void (*due)(struct fw_timer *timer);
};

/* The armed timers of one host clock, soonest first, and the timerfd that wakes for them. */
struct fw_timer_queue {
	struct fw_timer *first;
	int descriptor;
	int clock_id;
	struct fw_watch watch;
};

struct fw_loop {
	uv_loop_t uv;
	uv_poll_t poll;
	int epoll;
	int open;	      /* what of the above was opened, for clean-up */
	pthread_mutex_t lock; /* guards posts, timers, watches */
	struct fw_post *first_post, **last_post;
	uint64_t posted; /* so far */
	/* After what a wake-up brought; not while fw_loop_wait() waits.  [control] */
	void (*turn)(void *context);
	void *turn_context;
	int wake;		/* eventfd: posts, or timers that are due at once */
	_Atomic uint32_t woken; /* it has been written, and not yet read */
	uint32_t waiting;	/* in fw_loop_wait(); they nest.  [control] */
	struct fw_watch *watches;
	uint64_t next_number;
	struct fw_timer_queue monotonic, wall;
	/* The guest's clock: its value is now - guest_zero (modulo 2^64), or frozen at
	 * guest_frozen. */
	uint64_t guest_zero, guest_frozen;
	int guest_runs;
};

/* -LICHEN_ENOMEM, -LICHEN_EIO: no descriptor left.  After success fw_loop_close() is owed. */
lichen_status fw_loop_open(struct fw_loop *loop);
void fw_loop_close(struct fw_loop *loop);

/* Runs until *end is not 0; who sets it wakes the loop afterwards.  [control] */
void fw_loop_run(struct fw_loop *loop, const _Atomic uint32_t *end);
/* [any] */
void fw_loop_wake(struct fw_loop *loop);

/* Hands `post` over.  [any] */
void fw_loop_post(struct fw_loop *loop, struct fw_post *post);
/* Runs what was posted up to now: for phases in which the loop itself does not run, and
 * for a post that others must come before.  [control] */
void fw_loop_drain(struct fw_loop *loop);
/*
 * Waits until `done` says so, 1, or the deadline by the host's clock has come, 0; from
 * within the loop's callbacks as well.  Timers and descriptors are served meanwhile, and
 * posts that are `nested`; other posts, and what libuv itself has, come later.  Who
 * changes what `done` looks at wakes the loop.  [control]
 */
int fw_loop_wait(struct fw_loop *loop, int (*done)(void *context), void *context,
		 uint64_t deadline);
/* Frees the posts that match without running them.  [control] */
void fw_loop_forget(struct fw_loop *loop,
		    int (*match)(const struct fw_post *post, const void *context),
		    const void *context);

/* Runs what was posted up to now with this `run`, before all else.  [control] */
void fw_loop_drain_of(struct fw_loop *loop, void (*run)(struct fw_post *post));
/* Shows each post that waits and has this `run`; `see` posts nothing.  [control] */
void fw_loop_each(struct fw_loop *loop, void (*run)(struct fw_post *post),
		  void (*see)(struct fw_post *post, void *context), void *context);

/*
 * Watches `descriptor` for `events`.  -LICHEN_EPERM: it is always ready;
 * -LICHEN_EEXIST: it is watched; -LICHEN_EBADF; -LICHEN_ENOSPC.  [control]
 */
lichen_status fw_watch_start(struct fw_loop *loop, struct fw_watch *watch, int descriptor,
			     uint32_t events);
/* [any] */
void fw_watch_update(struct fw_watch *watch, uint32_t events);
/* `ready` is not called any more.  [control] */
void fw_watch_stop(struct fw_watch *watch);

/* ns of a clock; 0: unknown.  [any] */
uint64_t fw_clock_now(struct fw_loop *loop, uint32_t clock);
/* Starts or stops the guest's clock; its timers stand still meanwhile.  [control] */
void fw_clock_run(struct fw_loop *loop, int run);
/* The guest's clock, which stands still, shows `ns`, at most INT64_MAX; its timers keep
 * their deadlines.  [control] */
void fw_clock_set(struct fw_loop *loop, uint64_t ns);

/* Replaces an earlier deadline.  [any] */
void fw_timer_arm(struct fw_timer *timer, uint64_t deadline);
/* [any] */
void fw_timer_cancel(struct fw_timer *timer);
/*
 * For `due`, once it holds the lock under which others arm and cancel: 1, once,
 * when the deadline still stands; 0 when it was taken back meanwhile.
 */
int fw_timer_fired(struct fw_timer *timer);

#endif
