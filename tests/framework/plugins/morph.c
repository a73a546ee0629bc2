/* SPDX-License-Identifier: MIT */
/*
 * morph: holds one of every claim, and is compiled in several versions that are put in one
 * another's place.  MORPH_VERSION is 1 unless it is given; MORPH_... below say what else
 * differs.
 *
 * Registers of 4 bytes, in both windows (ports, MMIO):
 *	0  R	generation: version << 24 | how often a state was loaded
 *	4	value
 *	8	level of the line
 *	12	W arms the timer, ns from now; R how often it fired
 *	16	W asks the peer for an event with this number; R the sum of those that came
 *	20  R	rings of the doorbell, which is at MMIO 0x100
 *	24	extra, where the version has it
 *	28	W sends the message; R turns of the thread, at least 1 once it ran
 */
#include <lichen/device.h>
#include <lichen/hardware.h>

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "relay.h"

#ifndef MORPH_VERSION
#define MORPH_VERSION 1
#endif

enum {
	MORPH_PORTS = 32,
	MORPH_MMIO = 0x1000,
	MORPH_BELL = 0x100,
	MORPH_SLOW = 0x200,
	MORPH_SLOW_NS = 50000,
};

struct morph {
	struct lichen_dev dev;
	const struct lichen_link *peer;
	lichen_handle line, timer, message, watch, bell;
	uint64_t gpa;
	uint32_t irq;
	uint16_t port;
	uint8_t threaded, refuse;
#ifdef MORPH_NEEDS_COLOUR
	uint32_t colour;
#endif
#ifndef MORPH_DROPS_TAG
	uint32_t tag;
#endif
	int32_t file; /* parameter */
	int eventfd;

	uint32_t generation, value, level, fired, events, rings, extra;

	pthread_mutex_t rest; /* guards what follows */
	pthread_cond_t changed;
	uint32_t turns, resting, quiet;
};

static const struct lichen_param morph_params[] = {
	LICHEN_PARAM(struct morph, port, .unit = LICHEN_UNIT_PORT, .max = 0xffe0,
		     .fallback = 0x500, .help = "first of 32 ports"),
	LICHEN_PARAM(struct morph, gpa, .unit = LICHEN_UNIT_GPA, .fallback = 0xd0000000,
		     .help = "of 4 KiB"),
	LICHEN_PARAM(struct morph, irq, .unit = LICHEN_UNIT_GSI, .fallback = 5, .help = "line"),
	LICHEN_PARAM_AS(LICHEN_BOOL, struct morph, threaded, .help = "has a thread"),
	LICHEN_PARAM_AS(LICHEN_BOOL, struct morph, refuse, .help = "post_load refuses"),
	LICHEN_PARAM_AS(LICHEN_FILE, struct morph, file,
			.flags = LICHEN_PARAM_READ | LICHEN_PARAM_WRITE, .help = "any"),
#ifdef MORPH_NEEDS_COLOUR
	LICHEN_PARAM(struct morph, colour, .flags = LICHEN_PARAM_REQUIRED, .help = "new"),
#endif
#ifndef MORPH_DROPS_TAG
	LICHEN_PARAM(struct morph, tag, .help = "without effect"),
#endif
};

static const struct lichen_field morph_state[] = {
	LICHEN_FIELD(struct morph, generation, .since = 1),
#ifndef MORPH_DROPS_VALUE
	LICHEN_FIELD(struct morph, value, .since = 1),
#endif
	LICHEN_FIELD(struct morph, level, .since = 1),
	LICHEN_FIELD(struct morph, fired, .since = 1),
	LICHEN_FIELD(struct morph, events, .since = 1),
	LICHEN_FIELD(struct morph, rings, .since = 1),
	LICHEN_FIELD(struct morph, turns, .since = 1),
#if MORPH_VERSION >= 2
	LICHEN_FIELD(struct morph, extra, .since = 2, .fallback = 7),
#endif
};

static const struct lichen_need morph_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .flags = LICHEN_NEED_OPTIONAL, .id = TEST_RELAY,
	  .key = "peer", .offset = offsetof(struct morph, peer), .cookie = 5, .help = "posts" },
	{ LICHEN_STRUCT(struct lichen_need), .id = LICHEN_IRQCHIP, .offset = LICHEN_NO_MEMBER },
#ifdef MORPH_NEEDS_OTHER
	{ LICHEN_STRUCT(struct lichen_need), .id = "org.test.nobody/1", .key = "other",
	  .offset = LICHEN_NO_MEMBER, .help = "new" },
#endif
};

static uint32_t morph_ask(struct morph *m, uint32_t number)
{
	const struct test_relay_ops *ops;

	if (m->dev.host->enter(m->dev.in, m->peer) < 0)
		return 0;
	ops = m->peer->ops;
	ops->echo(m->peer->self, m->peer->client, number, 1);
	m->dev.host->leave(m->dev.in, m->peer);
	return 1;
}

static uint32_t morph_turns(struct morph *m)
{
	uint32_t turns;

	pthread_mutex_lock(&m->rest);
	turns = m->turns;
	pthread_mutex_unlock(&m->rest);
	return turns;
}

static uint32_t morph_slow(const struct morph *m)
{
	const struct timespec pause = { .tv_nsec = MORPH_SLOW_NS };

	nanosleep(&pause, NULL);
	return m->value;
}

static uint64_t morph_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	struct morph *m = self;

	(void)cookie, (void)size;
	switch (off) {
	case 0:
		return (uint32_t)MORPH_VERSION << 24 | (m->generation & 0xffffff);
	case 4:
		return m->value;
	case 8:
		return m->level;
	case 12:
		return m->fired;
	case 16:
		return m->events;
	case 20:
		return m->rings;
	case 24:
		return m->extra;
	case 28:
		return morph_turns(m);
	case MORPH_SLOW:
		return morph_slow(m);
	default:
		return 0;
	}
}

static void morph_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
			uint64_t value)
{
	struct morph *m = self;
	const struct lichen_host *host = m->dev.host;

	(void)cookie, (void)size;
	switch (off) {
	case 4:
		m->value = (uint32_t)value;
		break;
	case 8:
		m->level = value & 1;
		host->line_set(m->dev.in, m->line, m->level);
		break;
	case 12:
		host->timer_arm(m->dev.in, m->timer,
				host->clock_now(m->dev.in, LICHEN_CLOCK_HOST) + value);
		break;
	case 16:
		(void)morph_ask(m, (uint32_t)value);
		break;
	case 24:
		m->extra = (uint32_t)value;
		break;
	case 28:
		host->message_send(m->dev.in, m->message);
		break;
	default:
		break;
	}
}

static const struct lichen_io_ops morph_io = { LICHEN_STRUCT(struct lichen_io_ops),
					       .read = morph_read, .write = morph_write };

static const struct lichen_window morph_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "ports",
	  .size = MORPH_PORTS, .access_sizes = 4, .ops = &morph_io, .place = LICHEN_PLACE_PORT,
	  .placed_by = "port" },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "registers",
	  .size = MORPH_MMIO, .access_sizes = 4, .ops = &morph_io, .place = LICHEN_PLACE_GPA,
	  .placed_by = "gpa" },
#ifdef MORPH_TAKES_PORT
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "greedy", .size = 1,
	  .ops = &morph_io, .place = LICHEN_PLACE_PORT, .address = MORPH_TAKES_PORT },
#endif
};

static lichen_status morph_create(void *self)
{
	struct morph *m = self;

	pthread_mutex_init(&m->rest, NULL);
	pthread_cond_init(&m->changed, NULL);
	m->resting = 1;
	m->extra = 7;
	m->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
#ifdef MORPH_FAILS_CREATE
	close(m->eventfd);
	m->dev.host->error(m->dev.in, "create: told to fail");
	return -LICHEN_EINVAL;
#else
	return m->eventfd < 0 ? -LICHEN_ENOMEM : 0;
#endif
}

static lichen_status morph_realize(void *self)
{
	struct morph *m = self;
	const struct lichen_host *host = m->dev.host;
	const struct lichen_line line = { LICHEN_STRUCT(struct lichen_line), .gsi = m->irq,
					  .flags = LICHEN_LINE_LEVEL };
	const struct lichen_doorbell bell = { LICHEN_STRUCT(struct lichen_doorbell),
					      .window = 1, .offset = MORPH_BELL, .size = 4,
					      .eventfd = m->eventfd };
	const struct lichen_message to = { LICHEN_STRUCT(struct lichen_message),
					   .address = 0xfee00000, .data = 0x41 };
	lichen_status status = host->line_claim(m->dev.in, &line, &m->line);

	if (status == 0)
		status = host->timer_create(m->dev.in, LICHEN_CLOCK_HOST, 3, &m->timer);
	if (status == 0)
		status = host->message_claim(m->dev.in, &m->message);
	if (status == 0)
		status = host->message_update(m->dev.in, m->message, &to);
	if (status == 0)
		status = host->watch(m->dev.in, m->eventfd, LICHEN_WATCH_READ, 4, &m->watch);
	if (status == 0)
		status = host->doorbell_claim(m->dev.in, &bell, &m->bell);
	if (status == 0 && m->threaded)
		status = host->thread_start(m->dev.in, "morph", 6);
#ifdef MORPH_FAILS_REALIZE
	if (status == 0) {
		host->error(m->dev.in, "realize: told to fail");
		status = -LICHEN_EINVAL;
	}
#endif
	return status;
}

static void morph_resume(void *self)
{
	struct morph *m = self;

	m->dev.host->message_mask(m->dev.in, m->message, 0);
	pthread_mutex_lock(&m->rest);
	m->resting = 0;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->rest);
}

/* The thread holds `rest` for a turn: none is under way when this returns. */
static lichen_status morph_pause(void *self)
{
	struct morph *m = self;

	pthread_mutex_lock(&m->rest);
	m->resting = 1;
	pthread_mutex_unlock(&m->rest);
	return 0;
}

static lichen_status morph_quiesce(void *self)
{
	struct morph *m = self;

	pthread_mutex_lock(&m->rest);
	m->quiet = 1;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->rest);
	return 0;
}

static void morph_thread(void *self, uint64_t cookie)
{
	const struct timespec pause = { .tv_nsec = 20000 };
	struct morph *m = self;
	uint32_t go = cookie == 6;

	while (go) {
		pthread_mutex_lock(&m->rest);
		while (m->resting && !m->quiet)
			pthread_cond_wait(&m->changed, &m->rest);
		go = !m->quiet;
		m->turns += go;
		pthread_mutex_unlock(&m->rest);
		nanosleep(&pause, NULL);
	}
}

static void morph_destroy(void *self)
{
	struct morph *m = self;

	close(m->eventfd);
	pthread_cond_destroy(&m->changed);
	pthread_mutex_destroy(&m->rest);
}

static lichen_status morph_reset(void *self, uint32_t kind)
{
	struct morph *m = self;

	(void)kind;
	m->value = m->level = m->fired = m->events = m->rings = 0;
	m->extra = 7;
	m->dev.host->line_set(m->dev.in, m->line, 0);
	return 0;
}

static lichen_status morph_post_load(void *self, uint32_t from)
{
	struct morph *m = self;

	(void)from;
#ifdef MORPH_REFUSES
	m->refuse = 1;
#endif
	if (m->refuse) {
		m->dev.host->error(m->dev.in, "value %u: told to refuse", (unsigned)m->value);
		return -LICHEN_EBADMSG;
	}
	m->generation++;
	m->dev.host->line_set(m->dev.in, m->line, m->level);
	return 0;
}

static void morph_timer(void *self, uint64_t cookie)
{
	struct morph *m = self;

	m->fired += cookie == 3;
}

static void morph_ready(void *self, uint64_t cookie, uint32_t events)
{
	struct morph *m = self;
	uint64_t rings;

	(void)events;
	if (cookie == 4 && read(m->eventfd, &rings, sizeof(rings)) == sizeof(rings))
		m->rings += (uint32_t)rings;
}

static void morph_event(void *self, uint64_t cookie, uint32_t event, const void *data,
			uint32_t size)
{
	struct morph *m = self;
	uint32_t number;

	if (cookie != 5 || event != 1 || size != sizeof(number))
		return;
	memcpy(&number, data, sizeof(number));
	m->events += number;
}

#ifndef MORPH_PROVIDES_NOTHING
static void morph_echo(void *self, uint64_t client, uint32_t first, uint32_t times)
{
	const struct morph *m = self;

	for (uint32_t i = 0; i < times; i++) {
		const uint32_t number = first + i;

		(void)m->dev.host->post(m->dev.in, client, 1, &number, sizeof(number));
	}
}

static const struct test_relay_ops morph_relay = { LICHEN_STRUCT(struct test_relay_ops),
						   .echo = morph_echo };

static const struct lichen_provide morph_provides[] = {
	LICHEN_PROVIDE(TEST_RELAY, morph_relay),
};
#endif

static void morph_client(void *self, const char *id, uint64_t client, uint32_t joined)
{
	const struct morph *m = self;

	m->dev.host->log(m->dev.in, LICHEN_LOG_INFO, "%s client %u %s", id, (unsigned)client,
			 joined ? "came" : "went");
}

static const struct lichen_class morph_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "one of every claim, for the framework's tests",
	.instance_size = sizeof(struct morph),
	.state_version = MORPH_VERSION,
	.params = LICHEN_TABLE(morph_params),
	.windows = LICHEN_TABLE(morph_windows),
	.state = LICHEN_TABLE(morph_state),
#ifndef MORPH_PROVIDES_NOTHING
	.provides = LICHEN_TABLE(morph_provides),
#endif
	.needs = LICHEN_TABLE(morph_needs),
	.create = morph_create,
	.realize = morph_realize,
	.resume = morph_resume,
	.pause = morph_pause,
	.reset = morph_reset,
	.quiesce = morph_quiesce,
	.destroy = morph_destroy,
	.post_load = morph_post_load,
	.timer = morph_timer,
	.ready = morph_ready,
	.event = morph_event,
	.client = morph_client,
	.thread = morph_thread,
};

LICHEN_DEVICE_PLUGIN("morph", "1.0", morph_class);
