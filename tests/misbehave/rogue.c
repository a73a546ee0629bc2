/* SPDX-License-Identifier: MIT */
/*
 * rogue: a device that does one thing that no plugin may do.  Built once for each, under the
 * name of what it does; ports: 0 W does it, where it is the guest that brings it about.
 */
#include <lichen/device.h>

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "relay.h"

enum rogue_how {
	ROGUE_LEFT_THREAD = 1,	  /* starts a thread of its own and leaves it behind */
	ROGUE_NEVER_QUIESCES = 2, /* is never done, and nor is its thread */
	ROGUE_CLAIMS_TWICE = 3,
	ROGUE_FREES_TWICE = 4,
	ROGUE_GARBAGE_READS = 5, /* reads give what no register of its could hold */
	ROGUE_WRITES_PAST = 6,	 /* its instance */
	ROGUE_STALE_OPS = 7,	 /* calls a provider's table that it kept */
	ROGUE_UNKNOWN_FLAGS = 8,
	ROGUE_PINNED = 9, /* linked with -z nodelete */
	ROGUE_WRONG_ROLE = 10,
};

enum { ROGUE_LINE = 5 };

struct rogue {
	struct lichen_dev dev;
	uint16_t port;
	int event;
	lichen_handle timer;
	const struct lichen_link *link; /* stale ops */
	struct test_relay_ops kept;
	void *kept_self;
	uint64_t kept_client;
};

static const struct lichen_param rogue_params[] = {
	LICHEN_PARAM(struct rogue, port, .unit = LICHEN_UNIT_PORT, .max = 0xfff0,
		     .fallback = 0x500, .help = "of what it does"),
};

static const struct lichen_need rogue_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .flags = LICHEN_NEED_OPTIONAL | LICHEN_NEED_MANY,
	  .id = TEST_RELAY, .offset = LICHEN_NO_MEMBER },
};

static void *rogue_sleep(void *argument)
{
	(void)argument;
	(void)pthread_setname_np(pthread_self(), "rogue");
	for (;;)
		pause();
	return NULL;
}

static lichen_status rogue_create(void *self)
{
	struct rogue *r = self;
	pthread_t thread;

	r->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ROGUE_HOW == ROGUE_LEFT_THREAD &&
	    pthread_create(&thread, NULL, rogue_sleep, NULL) == 0)
		pthread_detach(thread);
	return r->event < 0 ? -LICHEN_EIO : 0;
}

static void rogue_claim_twice(struct rogue *r)
{
	const struct lichen_line line = { LICHEN_STRUCT(struct lichen_line),
					  .gsi = ROGUE_LINE };
	lichen_handle handle;

	(void)r->dev.host->line_claim(r->dev.in, &line, &handle);
	(void)r->dev.host->line_claim(r->dev.in, &line, &handle);
	(void)r->dev.host->watch(r->dev.in, r->event, LICHEN_WATCH_READ, 0, &handle);
	(void)r->dev.host->watch(r->dev.in, r->event, LICHEN_WATCH_READ, 0, &handle);
}

static lichen_status rogue_realize(void *self)
{
	struct rogue *r = self;
	const struct lichen_host *host = r->dev.host;
	lichen_handle handle;

	switch (ROGUE_HOW) {
	case ROGUE_NEVER_QUIESCES:
		return host->thread_start(r->dev.in, "rogue", 0);
	case ROGUE_CLAIMS_TWICE:
		rogue_claim_twice(r);
		return 0;
	case ROGUE_FREES_TWICE:
		(void)host->timer_create(r->dev.in, LICHEN_CLOCK_HOST, 0, &handle);
		host->timer_release(r->dev.in, handle);
		host->timer_release(r->dev.in, handle);
		return 0;
	case ROGUE_UNKNOWN_FLAGS:
		(void)host->watch(r->dev.in, r->event, LICHEN_WATCH_READ | 1u << 30, 0,
				  &handle);
		return 0;
	default:
		return 0;
	}
}

/* Takes a copy of what it may only use between enter and leave. */
static void rogue_resume(void *self)
{
	struct rogue *r = self;
	const struct lichen_host *host = r->dev.host;

	if (ROGUE_HOW != ROGUE_STALE_OPS || host->link_count(r->dev.in, 0) == 0)
		return;
	r->link = host->link_at(r->dev.in, 0, 0);
	if (host->enter(r->dev.in, r->link) < 0)
		return;
	memcpy(&r->kept, r->link->ops, sizeof(r->kept));
	r->kept_self = r->link->self;
	r->kept_client = r->link->client;
	host->leave(r->dev.in, r->link);
}

static void rogue_call_kept(const struct rogue *r)
{
	if (!r->link)
		return;
	if (r->dev.host->enter(r->dev.in, r->link) == 0) {
		r->dev.host->leave(r->dev.in, r->link);
		return; /* not yet: the provider is there */
	}
	r->kept.echo(r->kept_self, r->kept_client, 1, 1);
}

static void rogue_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
			uint64_t value)
{
	struct rogue *r = self;
	/* Not seen through, so that no compiler leaves out what it takes for a mistake. */
	uint8_t *volatile end = (uint8_t *)self + sizeof(*r);

	(void)cookie, (void)off, (void)size, (void)value;
	switch (ROGUE_HOW) {
	case ROGUE_WRITES_PAST:
		memset(end, 0x77, 16);
		break;
	case ROGUE_STALE_OPS:
		rogue_call_kept(r);
		break;
	case ROGUE_WRONG_ROLE:
		if (!r->timer)
			(void)r->dev.host->timer_create(r->dev.in, LICHEN_CLOCK_HOST, 0,
							&r->timer);
		break;
	default:
		break;
	}
}

static uint64_t rogue_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	(void)self, (void)cookie, (void)off, (void)size;
	return ROGUE_HOW == ROGUE_GARBAGE_READS ? UINT64_C(0xdeadbeef5a) : 0x5a;
}

static void rogue_thread(void *self, uint64_t cookie)
{
	(void)self, (void)cookie;
	if (ROGUE_HOW == ROGUE_NEVER_QUIESCES)
		(void)rogue_sleep(NULL);
}

static lichen_status rogue_quiesce(void *self)
{
	(void)self;
	return ROGUE_HOW == ROGUE_NEVER_QUIESCES ? LICHEN_PENDING : 0;
}

static void rogue_destroy(void *self)
{
	close(((const struct rogue *)self)->event);
}

static const struct lichen_io_ops rogue_io = { LICHEN_STRUCT(struct lichen_io_ops),
					       .read = rogue_read, .write = rogue_write };

static const struct lichen_window rogue_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "deed", .size = 1,
	  .access_sizes = 1, .ops = &rogue_io, .place = LICHEN_PLACE_PORT,
	  .placed_by = "port" },
};

static const struct lichen_class rogue_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "does what no plugin may do",
	.instance_size = sizeof(struct rogue),
	.params = LICHEN_TABLE(rogue_params),
	.windows = LICHEN_TABLE(rogue_windows),
	.needs = LICHEN_TABLE(rogue_needs),
	.create = rogue_create,
	.realize = rogue_realize,
	.resume = rogue_resume,
	.quiesce = rogue_quiesce,
	.destroy = rogue_destroy,
	.thread = rogue_thread,
};

LICHEN_DEVICE_PLUGIN(ROGUE_NAME, "1.0", rogue_class);
