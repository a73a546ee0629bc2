/* SPDX-License-Identifier: MIT */
/*
 * steps: says each step of its life, claims a timer, a descriptor and a doorbell,
 * and fails where it is told to.  Comes after the one that `after` names.
 */
#include <lichen/device.h>

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define TEST_STEP "org.test.step/1"

enum steps_fail {
	STEPS_NEVER = 0,
	STEPS_CREATE = 1,
	STEPS_REALIZE = 2,
	STEPS_PUBLISH = 3,
	STEPS_RESET = 4,
	STEPS_QUIETLY = 5, /* publish, with a sentence only from an earlier call */
};

struct steps {
	struct lichen_dev dev;
	const struct lichen_link *after;
	uint32_t fail;
	uint8_t early; /* claims in create what others claim in realize */
	uint8_t loud;  /* writes to a peer that is gone, in realize and destroy */
	int event;     /* descriptor */
	char *block;
};

static const char *const steps_fails[] = { "never",   "create", "realize",
					   "publish", "reset",	"quietly" };

static const struct lichen_param steps_params[] = {
	LICHEN_PARAM_AS(LICHEN_CHOICE, struct steps, fail, .choices = LICHEN_TABLE(steps_fails),
			.help = "step that fails"),
	LICHEN_PARAM_AS(LICHEN_BOOL, struct steps, early, .help = "claims in create"),
	LICHEN_PARAM_AS(LICHEN_BOOL, struct steps, loud, .help = "writes where nobody reads"),
};

static const struct lichen_need steps_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .flags = LICHEN_NEED_OPTIONAL, .id = TEST_STEP,
	  .key = "after", .offset = offsetof(struct steps, after), .help = "who comes before" },
};

static void steps_say(const struct steps *s, const char *what)
{
	s->dev.host->log(s->dev.in, LICHEN_LOG_INFO, "%s", what);
}

static lichen_status steps_claim(struct steps *s)
{
	const struct lichen_host *host = s->dev.host;
	const struct lichen_doorbell bell = { LICHEN_STRUCT(struct lichen_doorbell),
					      .eventfd = s->event, .size = 1 };
	lichen_handle handle;
	lichen_status status = host->timer_create(s->dev.in, LICHEN_CLOCK_HOST, 1, &handle);

	if (status == 0) {
		host->timer_arm(s->dev.in, handle, 0);
		status = host->watch(s->dev.in, s->event, LICHEN_WATCH_READ, 0, &handle);
	}
	if (status == 0)
		status = host->doorbell_claim(s->dev.in, &bell, &handle);
	return status;
}

static void steps_write(const struct steps *s)
{
	int ends[2];

	if (!s->loud || pipe(ends) < 0)
		return;
	close(ends[0]);
	if (write(ends[1], "x", 1) > 0)
		steps_say(s, "somebody reads");
	close(ends[1]);
}

static lichen_status steps_create(void *self)
{
	struct steps *s = self;
	lichen_status status = -LICHEN_ENOMEM;

	steps_say(s, "create");
	s->block = malloc(64);
	s->event = eventfd(0, EFD_CLOEXEC);
	if (s->block && s->event >= 0)
		status = s->early ? steps_claim(s) : 0;
	if (status == 0 && s->fail == STEPS_CREATE) {
		s->dev.host->error(s->dev.in, "create: told to fail");
		status = -LICHEN_EINVAL;
	}
	if (status == 0)
		return 0;
	free(s->block);
	if (s->event >= 0)
		close(s->event);
	return status;
}

static lichen_status steps_realize(void *self)
{
	struct steps *s = self;
	lichen_status status = s->early ? 0 : steps_claim(s);

	steps_say(s, "realize");
	steps_write(s);
	if (status == 0 && s->fail == STEPS_QUIETLY)
		s->dev.host->error(s->dev.in, "realize: something that did not matter");
	if (status < 0 || s->fail != STEPS_REALIZE)
		return status;
	s->dev.host->error(s->dev.in, "realize: told to fail");
	return -LICHEN_EINVAL;
}

static lichen_status steps_publish(void *self)
{
	const struct steps *s = self;

	steps_say(s, "publish");
	if (s->fail == STEPS_QUIETLY)
		return -LICHEN_EIO;
	return s->fail == STEPS_PUBLISH ? -LICHEN_EBUSY : 0;
}

static void steps_resume(void *self)
{
	steps_say(self, "resume");
}

static lichen_status steps_pause(void *self)
{
	steps_say(self, "pause");
	return 0;
}

static lichen_status steps_reset(void *self, uint32_t kind)
{
	const struct steps *s = self;

	steps_say(s, kind == LICHEN_RESET_WARM ? "reset-warm" : "reset");
	return s->fail == STEPS_RESET ? -LICHEN_EIO : 0;
}

static lichen_status steps_quiesce(void *self)
{
	steps_say(self, "quiesce");
	return 0;
}

static void steps_destroy(void *self)
{
	struct steps *s = self;

	steps_say(s, "destroy");
	steps_write(s);
	free(s->block);
	close(s->event);
}

static void steps_host_event(void *self, uint32_t event)
{
	steps_say(self, event == LICHEN_HOST_SUSPEND ? "suspend" : "continue");
}

/* Nothing can be asked of a step: the order alone counts. */
struct steps_ops {
	uint32_t struct_size;
	uint32_t _pad;
	/* NULL.  [any, any] */
	void (*nothing)(void *self, uint64_t client);
};

static const struct steps_ops steps_step = { LICHEN_STRUCT(struct steps_ops) };

static const struct lichen_provide steps_provides[] = {
	LICHEN_PROVIDE(TEST_STEP, steps_step),
};

static const struct lichen_io_ops steps_io = { LICHEN_STRUCT(struct lichen_io_ops) };

static const struct lichen_window steps_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "nothing",
	  .size = 0x10, .ops = &steps_io },
};

static const struct lichen_class steps_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "says the steps of its life",
	.instance_size = sizeof(struct steps),
	.params = LICHEN_TABLE(steps_params),
	.windows = LICHEN_TABLE(steps_windows),
	.provides = LICHEN_TABLE(steps_provides),
	.needs = LICHEN_TABLE(steps_needs),
	.create = steps_create,
	.realize = steps_realize,
	.publish = steps_publish,
	.resume = steps_resume,
	.pause = steps_pause,
	.reset = steps_reset,
	.quiesce = steps_quiesce,
	.destroy = steps_destroy,
	.host_event = steps_host_event,
};

LICHEN_DEVICE_PLUGIN("steps", "1.0", steps_class);
