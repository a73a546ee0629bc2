/* SPDX-License-Identifier: MIT */
/*
 * sender: posts events to those who ask for them; also from a thread of its own
 * that goes on until quiesce, where `chatty` says so.
 */
#include <lichen/backend.h>

#include <stdatomic.h>

#include "relay.h"

struct sender {
	struct lichen_dev dev;
	uint8_t chatty;
	_Atomic uint32_t quiet;
};

static const struct lichen_param sender_params[] = {
	LICHEN_PARAM_AS(LICHEN_BOOL, struct sender, chatty, .help = "has a thread that posts"),
};

static void sender_echo(void *self, uint64_t client, uint32_t first, uint32_t times)
{
	const struct sender *s = self;

	for (uint32_t i = 0; i < times; i++) {
		const uint32_t number = first + i;

		(void)s->dev.host->post(s->dev.in, client, 1, &number, sizeof(number));
	}
}

static lichen_status sender_realize(void *self)
{
	const struct sender *s = self;

	return s->chatty ? s->dev.host->thread_start(s->dev.in, "sender", 0) : 0;
}

static void sender_thread(void *self, uint64_t cookie)
{
	struct sender *s = self;

	(void)cookie;
	while (!atomic_load(&s->quiet))
		(void)s->dev.host->post(s->dev.in, 1, 2, NULL, 0);
}

static lichen_status sender_quiesce(void *self)
{
	atomic_store(&((struct sender *)self)->quiet, 1);
	return 0;
}

static void sender_client(void *self, const char *id, uint64_t client, uint32_t joined)
{
	const struct sender *s = self;

	s->dev.host->log(s->dev.in, LICHEN_LOG_INFO, "%s client %u %s", id, (unsigned)client,
			 joined ? "came" : "went");
}

static const struct test_relay_ops sender_relay = { LICHEN_STRUCT(struct test_relay_ops),
						    .echo = sender_echo };

static const struct lichen_provide sender_provides[] = {
	LICHEN_PROVIDE(TEST_RELAY, sender_relay),
};

static const struct lichen_class sender_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "posts events of the framework's tests",
	.instance_size = sizeof(struct sender),
	.params = LICHEN_TABLE(sender_params),
	.provides = LICHEN_TABLE(sender_provides),
	.realize = sender_realize,
	.quiesce = sender_quiesce,
	.client = sender_client,
	.thread = sender_thread,
};

LICHEN_BACKEND_PLUGIN("sender", "1.0", sender_class);
