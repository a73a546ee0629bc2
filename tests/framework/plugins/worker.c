/* SPDX-License-Identifier: MIT */
/*
 * worker: threads that use all that the instance holds until they are told to end,
 * and a little longer.
 */
#include <lichen/device.h>

#include <stdatomic.h>
#include <time.h>

enum { WORKER_TIMERS = 4 };

struct worker {
	struct lichen_dev dev;
	uint32_t threads;
	uint32_t linger; /* arms more after quiesce */
	uint8_t fail;	 /* realize, after all was claimed */
	_Atomic uint32_t quiet;
	_Atomic uint32_t ready; /* threads that run */
	lichen_handle timers[WORKER_TIMERS];
};

static const struct lichen_param worker_params[] = {
	LICHEN_PARAM(struct worker, threads, .max = 300, .fallback = 1, .help = "how many"),
	LICHEN_PARAM(struct worker, linger, .fallback = 1000, .help = "calls after quiesce"),
	LICHEN_PARAM_AS(LICHEN_BOOL, struct worker, fail, .help = "realize fails"),
};

static lichen_status worker_realize(void *self)
{
	struct worker *w = self;
	const struct lichen_host *host = w->dev.host;
	lichen_status status = 0;

	/* Handles before threads, so that taking them back in order takes what is in use. */
	for (uint32_t i = 0; i < WORKER_TIMERS && status == 0; i++)
		status = host->timer_create(w->dev.in, LICHEN_CLOCK_HOST, i, &w->timers[i]);
	for (uint32_t i = 0; i < w->threads && status == 0; i++)
		status = host->thread_start(w->dev.in, "worker", i);
	if (status < 0 || !w->fail)
		return status;
	host->error(w->dev.in, "told to fail");
	return -LICHEN_EINVAL;
}

static void worker_thread(void *self, uint64_t cookie)
{
	static const struct timespec pause = { .tv_nsec = 1000 };
	struct worker *w = self;
	uint32_t left = w->linger;

	(void)cookie;
	while (left) {
		if (atomic_load(&w->quiet))
			left--;
		w->dev.host->timer_arm(w->dev.in, w->timers[left % WORKER_TIMERS],
				       UINT64_MAX - left);
		nanosleep(&pause, NULL);
	}
}

static lichen_status worker_quiesce(void *self)
{
	struct worker *w = self;

	w->dev.host->log(w->dev.in, LICHEN_LOG_INFO, "quiesce");
	atomic_store(&w->quiet, 1);
	return 0;
}

static const struct lichen_class worker_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "threads of the framework's tests",
	.instance_size = sizeof(struct worker),
	.params = LICHEN_TABLE(worker_params),
	.realize = worker_realize,
	.quiesce = worker_quiesce,
	.thread = worker_thread,
};

LICHEN_DEVICE_PLUGIN("worker", "1.0", worker_class);
