/* SPDX-License-Identifier: MIT */
/* churn: holds one of every claim, and uses all of them all the time.  See churn.h. */
#include "churn.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "relay.h"

#ifndef CHURN_VERSION
#define CHURN_VERSION "1.0"
#endif

enum { CHURN_TICK_NS = 200000, CHURN_TURN_NS = 100000, CHURN_RAM = 3 };

static const struct lichen_param churn_params[] = {
	LICHEN_PARAM(struct churn, port, .unit = LICHEN_UNIT_PORT, .max = 0x10000 - CHURN_PORTS,
		     .fallback = 0x600, .help = "first window"),
	LICHEN_PARAM(struct churn, port2, .unit = LICHEN_UNIT_PORT,
		     .max = 0x10000 - CHURN_PORTS, .fallback = 0x700, .help = "second window"),
	LICHEN_PARAM(struct churn, gpa, .unit = LICHEN_UNIT_GPA, .fallback = 0xd0000000,
		     .help = "third window"),
	LICHEN_PARAM(struct churn, ram, .unit = LICHEN_UNIT_GPA, .fallback = 0xd0010000,
		     .help = "window of RAM"),
	LICHEN_PARAM(struct churn, irq, .unit = LICHEN_UNIT_GSI, .max = 23, .fallback = 10,
		     .help = "level-triggered line"),
	LICHEN_PARAM(struct churn, irq2, .unit = LICHEN_UNIT_GSI, .max = 23, .fallback = 11,
		     .help = "edge-triggered line with an eventfd"),
	LICHEN_PARAM(struct churn, first, .fallback = 1, .help = "first generation"),
	LICHEN_PARAM_AS(LICHEN_BOOL, struct churn, fail, .help = "realize fails"),
};

static const struct lichen_field churn_state[] = {
	LICHEN_FIELD(struct churn, generation, .since = 1),
	LICHEN_FIELD(struct churn, level, .since = 1),
	LICHEN_FIELD(struct churn, writes, .since = 1),
	LICHEN_FIELD(struct churn, pokes, .since = 1),
};

static const struct lichen_need churn_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .flags = LICHEN_NEED_OPTIONAL, .id = TEST_RELAY,
	  .key = "peer", .offset = offsetof(struct churn, peer), .cookie = 5,
	  .help = "who posts when asked" },
};

/* --- handlers --- */

/* Long enough for others to come meanwhile; the guest says how long. */
static void churn_stay(struct churn *c, uint64_t us)
{
	const struct timespec stay = {
		.tv_nsec = (long)(us < CHURN_STAY_MAX_US ? us : CHURN_STAY_MAX_US) * 1000
	};

	atomic_fetch_add(&c->inside, 1);
	(void)nanosleep(&stay, NULL);
	atomic_fetch_sub(&c->inside, 1);
}

static uint64_t churn_port_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	const struct churn *c = self;

	(void)cookie, (void)size;
	return off == 0 ? c->generation : c->writes;
}

static void churn_port_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
			     uint64_t value)
{
	struct churn *c = self;

	(void)cookie, (void)size;
	c->writes++;
	if (off == 4) {
		churn_stay(c, value);
		return;
	}
	c->level = value & 1;
	c->dev.host->line_set(c->dev.in, c->line, c->level);
}

static uint64_t churn_mmio_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	const struct churn *c = self;

	(void)cookie, (void)size;
	return off == 0 ? c->generation : 0;
}

static void churn_mmio_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
			     uint64_t value)
{
	struct churn *c = self;
	const struct test_relay_ops *ops;

	(void)cookie, (void)size;
	c->writes++;
	if (off != CHURN_ASK || c->dev.host->enter(c->dev.in, c->peer) < 0)
		return;
	ops = c->peer->ops;
	ops->echo(c->peer->self, c->peer->client, (uint32_t)value, 1);
	c->dev.host->leave(c->dev.in, c->peer);
}

static uint32_t churn_poke(void *self, uint64_t client)
{
	struct churn *c = self;

	(void)client;
	c->pokes++;
	return c->generation;
}

static void churn_timer(void *self, uint64_t cookie)
{
	struct churn *c = self;
	const struct lichen_host *host = c->dev.host;

	(void)cookie;
	c->ticks++;
	host->message_send(c->dev.in, c->message);
	host->timer_arm(c->dev.in, c->timer,
			host->clock_now(c->dev.in, LICHEN_CLOCK_HOST) + CHURN_TICK_NS);
}

static void churn_ready(void *self, uint64_t cookie, uint32_t events)
{
	struct churn *c = self;
	uint64_t count;

	(void)events;
	if (read(cookie ? c->bell_event : c->watched, &count, sizeof(count)) < 0)
		return;
	c->rings += cookie;
}

static void churn_event(void *self, uint64_t cookie, uint32_t event, const void *data,
			uint32_t size)
{
	(void)event, (void)data, (void)size;
	((struct churn *)self)->events += cookie;
}

static void churn_client(void *self, const char *id, uint64_t client, uint32_t joined)
{
	(void)id;
	atomic_store(&((struct churn *)self)->client, joined ? client : 0);
}

static void churn_add(int descriptor)
{
	const uint64_t one = 1;

	/* Full only where nobody reads: then another is not missed. */
	if (write(descriptor, &one, sizeof(one)) < 0)
		return;
}

/* One turn of the thread, when it may; 0: it is to end. */
static uint32_t churn_turn(struct churn *c)
{
	uint64_t client;
	uint32_t goes_on;

	pthread_mutex_lock(&c->rest);
	while (c->resting && !c->quiet)
		pthread_cond_wait(&c->changed, &c->rest);
	goes_on = !c->quiet;
	if (goes_on) {
		client = atomic_load(&c->client);
		if (client)
			(void)c->dev.host->post(c->dev.in, client, 1, &client, sizeof(client));
		churn_add(c->line_trigger);
		churn_add(c->message_trigger);
		churn_add(c->watched);
		atomic_fetch_add(&c->turns, 1);
	}
	pthread_mutex_unlock(&c->rest);
	return goes_on;
}

static void churn_thread(void *self, uint64_t cookie)
{
	const struct timespec turn = { .tv_nsec = CHURN_TURN_NS };
	struct churn *c = self;

	(void)cookie;
	while (churn_turn(c))
		(void)nanosleep(&turn, NULL);
}

/* --- life --- */

static void churn_close(const struct churn *c)
{
	if (c->bell_event >= 0)
		close(c->bell_event);
	if (c->watched >= 0)
		close(c->watched);
}

/* In RAM; no effect while it is being reloaded. */
static void churn_show(const struct churn *c)
{
	(void)c->dev.host->window_write(c->dev.in, CHURN_RAM, 0, &c->generation,
					sizeof(c->generation));
}

static lichen_status churn_create(void *self)
{
	struct churn *c = self;
	int error;

	c->generation = c->first;
	c->bell_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->watched = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->bell_event < 0 || c->watched < 0) {
		error = errno;
		churn_close(c);
		return -error;
	}
	pthread_mutex_init(&c->rest, NULL);
	pthread_cond_init(&c->changed, NULL);
	c->resting = 1;
	churn_show(c);
	return 0;
}

static lichen_status churn_interrupts(struct churn *c)
{
	const struct lichen_host *host = c->dev.host;
	const struct lichen_line level = { LICHEN_STRUCT(struct lichen_line), .gsi = c->irq,
					   .flags = LICHEN_LINE_LEVEL };
	const struct lichen_line edge = { LICHEN_STRUCT(struct lichen_line), .gsi = c->irq2 };
	const struct lichen_message to = { LICHEN_STRUCT(struct lichen_message),
					   .address = 0xfee00000, .data = 0x4030 };
	int32_t none;
	lichen_status status = host->line_claim(c->dev.in, &level, &c->line);

	if (status == 0)
		status = host->line_claim(c->dev.in, &edge, &c->edge);
	if (status == 0)
		status = host->line_eventfd(c->dev.in, c->edge, &c->line_trigger, &none);
	if (status == 0)
		status = host->message_claim(c->dev.in, &c->message);
	if (status == 0)
		status = host->message_update(c->dev.in, c->message, &to);
	if (status == 0)
		status = host->message_eventfd(c->dev.in, c->message, &c->message_trigger);
	if (status == 0)
		host->message_mask(c->dev.in, c->message, 0);
	return status;
}

static lichen_status churn_realize(void *self)
{
	struct churn *c = self;
	const struct lichen_host *host = c->dev.host;
	const struct lichen_doorbell bell = { LICHEN_STRUCT(struct lichen_doorbell),
					      .window = 2, .offset = CHURN_BELL, .size = 4,
					      .eventfd = c->bell_event };
	lichen_status status = churn_interrupts(c);

	if (status == 0)
		status = host->doorbell_claim(c->dev.in, &bell, &c->bell);
	if (status == 0)
		status = host->watch(c->dev.in, c->bell_event, LICHEN_WATCH_READ, 1, &c->ring);
	if (status == 0)
		status = host->watch(c->dev.in, c->watched, LICHEN_WATCH_READ, 0, &c->watch);
	if (status == 0)
		status = host->timer_create(c->dev.in, LICHEN_CLOCK_HOST, 0, &c->timer);
	if (status == 0)
		status = host->thread_start(c->dev.in, "churn", 0);
	if (status < 0 || !c->fail)
		return status;
	host->error(c->dev.in, "told to fail");
	return -LICHEN_EINVAL;
}

static void churn_rest(struct churn *c, uint32_t resting, uint32_t quiet)
{
	pthread_mutex_lock(&c->rest);
	c->resting = resting;
	c->quiet = quiet;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->rest);
}

static void churn_resume(void *self)
{
	struct churn *c = self;

	churn_show(c);
	c->dev.host->timer_arm(c->dev.in, c->timer, 0);
	churn_rest(c, 0, 0);
}

static lichen_status churn_pause(void *self)
{
	churn_rest(self, 1, 0);
	return 0;
}

static lichen_status churn_post_load(void *self, uint32_t from)
{
	struct churn *c = self;

	(void)from;
	c->generation++;
	c->dev.host->line_set(c->dev.in, c->line, c->level);
	return 0;
}

static lichen_status churn_reset(void *self, uint32_t kind)
{
	struct churn *c = self;

	(void)kind;
	c->level = 0;
	c->dev.host->line_set(c->dev.in, c->line, 0);
	return 0;
}

static lichen_status churn_quiesce(void *self)
{
	churn_rest(self, 1, 1);
	return 0;
}

static void churn_destroy(void *self)
{
	struct churn *c = self;

	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->rest);
	churn_close(c);
}

static const struct lichen_io_ops churn_port_io = { LICHEN_STRUCT(struct lichen_io_ops),
						    .read = churn_port_read,
						    .write = churn_port_write };
static const struct lichen_io_ops churn_mmio_io = { LICHEN_STRUCT(struct lichen_io_ops),
						    .read = churn_mmio_read,
						    .write = churn_mmio_write };

static const struct lichen_window churn_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "first",
	  .size = CHURN_PORTS, .access_sizes = 4, .ops = &churn_port_io, .cookie = 0,
	  .place = LICHEN_PLACE_PORT, .placed_by = "port" },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "second",
	  .size = CHURN_PORTS, .access_sizes = 4, .ops = &churn_port_io, .cookie = 1,
	  .place = LICHEN_PLACE_PORT, .placed_by = "port2" },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "third",
	  .size = CHURN_MMIO_SIZE, .access_sizes = 4, .ops = &churn_mmio_io,
	  .place = LICHEN_PLACE_GPA, .placed_by = "gpa" },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_RAM, .name = "ram",
	  .size = CHURN_RAM_SIZE, .place = LICHEN_PLACE_GPA, .placed_by = "ram" },
};

static const struct test_churn_ops churn_ops = { LICHEN_STRUCT(struct test_churn_ops),
						 .poke = churn_poke };

static const struct lichen_provide churn_provides[] = {
	LICHEN_PROVIDE(TEST_CHURN, churn_ops),
};

static const struct lichen_class churn_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "holds one of every claim",
	.instance_size = sizeof(struct churn),
	.params = LICHEN_TABLE(churn_params),
	.windows = LICHEN_TABLE(churn_windows),
	.state = LICHEN_TABLE(churn_state),
	.state_version = 1,
	.provides = LICHEN_TABLE(churn_provides),
	.needs = LICHEN_TABLE(churn_needs),
	.create = churn_create,
	.realize = churn_realize,
	.resume = churn_resume,
	.pause = churn_pause,
	.reset = churn_reset,
	.quiesce = churn_quiesce,
	.post_load = churn_post_load,
	.destroy = churn_destroy,
	.timer = churn_timer,
	.ready = churn_ready,
	.event = churn_event,
	.client = churn_client,
	.thread = churn_thread,
};

LICHEN_DEVICE_PLUGIN("churn", CHURN_VERSION, churn_class);
