/* SPDX-License-Identifier: MIT */
/*
 * asked: a device with methods of its own in the control socket.
 *
 *	asked.echo	its parameters come back
 *	asked.fail	fails with a sentence
 *	asked.files	how many descriptors came with it
 *	asked.keep	is answered when asked.let is called
 *	asked.let	answers what was kept; says how many of those nobody waits for
 *	asked.twice	is answered twice, which is against the rules
 *	asked.junk	is answered with what is not JSON
 *	asked.tell	has event "asked.told" told, with its parameters
 */
#include <stdio.h>
#include <string.h>

#include <lichen/device.h>
#include <lichen/draft/control.h>

enum {
	ASKED_ECHO = 0,
	ASKED_FAIL = 1,
	ASKED_FILES = 2,
	ASKED_KEEP = 3,
	ASKED_LET = 4,
	ASKED_TWICE = 5,
	ASKED_JUNK = 6,
	ASKED_TELL = 7,
	ASKED_KEPT_MAX = 8,
};

struct asked {
	struct lichen_dev dev;
	const struct lichen_control_host *control;
	uint64_t kept[ASKED_KEPT_MAX];
	uint32_t kept_count, cancelled;
};

#define ASKED_METHOD(name_, summary_)                           \
	{                                                       \
		LICHEN_STRUCT(struct lichen_control_method),    \
			.name = (name_), .summary = (summary_), \
			.parameters = "{\"type\":\"object\"}",  \
			.result = "{\"type\":\"object\"}"       \
	}

static const struct lichen_control_method asked_methods[] = {
	ASKED_METHOD("asked.echo", "its parameters come back"),
	ASKED_METHOD("asked.fail", "fails with a sentence"),
	ASKED_METHOD("asked.files", "counts descriptors"),
	ASKED_METHOD("asked.keep", "is answered later"),
	ASKED_METHOD("asked.let", "answers what was kept"),
	ASKED_METHOD("asked.twice", "is answered twice"),
	ASKED_METHOD("asked.junk", "is answered with junk"),
	ASKED_METHOD("asked.tell", "has an event told"),
};

static void asked_answer(const struct asked *a, uint64_t token, const char *text)
{
	a->control->answer(a->dev.in, token, 0, text, (uint32_t)strlen(text));
}

static void asked_let(struct asked *a, uint64_t token)
{
	char text[64];

	for (uint32_t i = 0; i < a->kept_count; i++)
		asked_answer(a, a->kept[i], "{\"kept\":true}");
	a->kept_count = 0;
	(void)snprintf(text, sizeof(text), "{\"cancelled\":%u}", a->cancelled);
	asked_answer(a, token, text);
}

static void asked_call(void *self, uint64_t client, uint64_t token, uint32_t method,
		       const char *parameters, uint32_t size, const int32_t *descriptors,
		       uint32_t descriptor_count)
{
	struct asked *a = self;
	char text[64];

	(void)client, (void)descriptors;
	switch (method) {
	case ASKED_ECHO:
		a->control->answer(a->dev.in, token, 0, parameters, size);
		break;
	case ASKED_FAIL:
		a->control->answer(a->dev.in, token, -LICHEN_ERANGE, "far too much", 12);
		break;
	case ASKED_FILES:
		(void)snprintf(text, sizeof(text), "{\"files\":%u}", descriptor_count);
		asked_answer(a, token, text);
		break;
	case ASKED_KEEP:
		if (a->kept_count < ASKED_KEPT_MAX)
			a->kept[a->kept_count++] = token;
		break;
	case ASKED_LET:
		asked_let(a, token);
		break;
	case ASKED_TWICE:
		asked_answer(a, token, "{\"times\":1}");
		asked_answer(a, token, "{\"times\":2}");
		break;
	case ASKED_JUNK:
		asked_answer(a, token, "{\"junk");
		break;
	case ASKED_TELL:
		a->control->event(a->dev.in, "asked.told", parameters, size);
		asked_answer(a, token, "{}");
		break;
	default:
		break;
	}
}

static void asked_cancelled(void *self, uint64_t client, uint64_t token)
{
	(void)client, (void)token;
	((struct asked *)self)->cancelled++;
}

static const struct lichen_control_ops asked_ops = {
	LICHEN_STRUCT(struct lichen_control_ops),
	.methods = LICHEN_TABLE(asked_methods),
	.call = asked_call,
	.cancelled = asked_cancelled,
};

static const struct lichen_provide asked_provides[] = {
	LICHEN_PROVIDE(LICHEN_CONTROL, asked_ops),
};

static lichen_status asked_create(void *self)
{
	struct asked *a = self;

	a->control = a->dev.host->interface(a->dev.in, LICHEN_CONTROL_HOST);
	return a->control ? 0 : -LICHEN_ENODEV;
}

static const struct lichen_class asked_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "is asked through the control socket",
	.instance_size = sizeof(struct asked),
	.provides = LICHEN_TABLE(asked_provides),
	.create = asked_create,
};

LICHEN_DEVICE_PLUGIN("asked", "1.0", asked_class);
