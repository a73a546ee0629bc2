/* SPDX-License-Identifier: MIT */
/*
 * later: answers what it is asked when, and as often as, it is told to.
 *
 * Port: W completes unplug_request, as a guest does that lets go of the device.
 */
#include <lichen/device.h>

enum later_how {
	LATER_NOW = 0,
	LATER_SOON = 1,	  /* a timer completes it */
	LATER_NEVER = 2,  /* or the guest does */
	LATER_REFUSE = 3, /* at once, with a sentence */
	LATER_FAIL = 4,	  /* soon, with a sentence */
	LATER_EARLY = 5,  /* completed before LICHEN_PENDING is returned */
	LATER_BOTH = 6,	  /* completed, and 0 returned */
	LATER_TWICE = 7,  /* soon, twice */
};

enum { LATER_OPERATIONS = LICHEN_OP_UNPLUG_REQUEST + 1, LATER_SOON_NS = 2000000 };

struct later {
	struct lichen_dev dev;
	uint16_t port;
	uint32_t realize, pause, quiesce, save, reset, unplug; /* enum later_how */
	uint32_t saved;
	lichen_handle timers[LATER_OPERATIONS];
};

static const char *const later_hows[] = { "now",  "soon",  "never", "refuse",
					  "fail", "early", "both",  "twice" };

#define LATER_PARAM(member)                                  \
	LICHEN_PARAM_AS(LICHEN_CHOICE, struct later, member, \
			.choices = LICHEN_TABLE(later_hows), .help = "how it answers")

static const struct lichen_param later_params[] = {
	LICHEN_PARAM(struct later, port, .unit = LICHEN_UNIT_PORT, .max = 0xffff,
		     .fallback = 0x900, .help = "the port"),
	LATER_PARAM(realize),
	LATER_PARAM(pause),
	LATER_PARAM(quiesce),
	LATER_PARAM(save),
	LATER_PARAM(reset),
	LATER_PARAM(unplug),
};

static const struct lichen_field later_state[] = {
	LICHEN_FIELD(struct later, saved, .since = 1),
};

static lichen_status later_answer(struct later *l, uint32_t operation, uint32_t how)
{
	const struct lichen_host *host = l->dev.host;

	host->log(l->dev.in, LICHEN_LOG_INFO, "asked %u", operation);
	switch (how) {
	case LATER_SOON:
	case LATER_FAIL:
	case LATER_TWICE:
		host->timer_arm(l->dev.in, l->timers[operation],
				host->clock_now(l->dev.in, LICHEN_CLOCK_HOST) + LATER_SOON_NS);
		return LICHEN_PENDING;
	case LATER_NEVER:
		return LICHEN_PENDING;
	case LATER_REFUSE:
		host->error(l->dev.in, "told to refuse");
		return -LICHEN_EBUSY;
	case LATER_EARLY:
		host->complete(l->dev.in, operation, 0);
		return LICHEN_PENDING;
	case LATER_BOTH:
		host->complete(l->dev.in, operation, 0);
		return 0;
	default:
		return 0;
	}
}

static uint32_t later_how(const struct later *l, uint32_t operation)
{
	switch (operation) {
	case LICHEN_OP_REALIZE:
		return l->realize;
	case LICHEN_OP_PAUSE:
		return l->pause;
	case LICHEN_OP_QUIESCE:
		return l->quiesce;
	case LICHEN_OP_SAVE:
		return l->save;
	case LICHEN_OP_RESET:
		return l->reset;
	default:
		return l->unplug;
	}
}

static void later_timer(void *self, uint64_t cookie)
{
	struct later *l = self;
	const struct lichen_host *host = l->dev.host;
	const uint32_t operation = (uint32_t)cookie, how = later_how(l, operation);

	if (how == LATER_FAIL)
		host->error(l->dev.in, "told to fail");
	host->complete(l->dev.in, operation, how == LATER_FAIL ? -LICHEN_EIO : 0);
	if (how == LATER_TWICE)
		host->complete(l->dev.in, operation, 0);
}

static void later_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
			uint64_t value)
{
	const struct later *l = self;

	(void)cookie, (void)off, (void)size;
	l->dev.host->complete(l->dev.in, LICHEN_OP_UNPLUG_REQUEST,
			      value ? -(lichen_status)value : 0);
}

static lichen_status later_realize(void *self)
{
	struct later *l = self;
	lichen_status status = 0;

	for (uint32_t i = 0; i < LATER_OPERATIONS && status == 0; i++)
		status = l->dev.host->timer_create(l->dev.in, LICHEN_CLOCK_HOST, i,
						   &l->timers[i]);
	return status < 0 ? status : later_answer(l, LICHEN_OP_REALIZE, l->realize);
}

static lichen_status later_pause(void *self)
{
	struct later *l = self;

	return later_answer(l, LICHEN_OP_PAUSE, l->pause);
}

static lichen_status later_quiesce(void *self)
{
	struct later *l = self;

	return later_answer(l, LICHEN_OP_QUIESCE, l->quiesce);
}

static lichen_status later_save(void *self)
{
	struct later *l = self;

	return later_answer(l, LICHEN_OP_SAVE, l->save);
}

static lichen_status later_reset(void *self, uint32_t kind)
{
	struct later *l = self;

	(void)kind;
	return later_answer(l, LICHEN_OP_RESET, l->reset);
}

static lichen_status later_unplug(void *self)
{
	struct later *l = self;

	return later_answer(l, LICHEN_OP_UNPLUG_REQUEST, l->unplug);
}

static void later_cancel(void *self, uint32_t operation)
{
	const struct later *l = self;

	l->dev.host->log(l->dev.in, LICHEN_LOG_INFO, "cancel %u", operation);
}

static const struct lichen_io_ops later_io = { LICHEN_STRUCT(struct lichen_io_ops),
					       .write = later_write };

static const struct lichen_window later_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "let-go", .size = 1,
	  .access_sizes = 1, .ops = &later_io, .place = LICHEN_PLACE_PORT,
	  .placed_by = "port" },
};

static const struct lichen_class later_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "answers later",
	.instance_size = sizeof(struct later),
	.params = LICHEN_TABLE(later_params),
	.windows = LICHEN_TABLE(later_windows),
	.state = LICHEN_TABLE(later_state),
	.state_version = 1,
	.realize = later_realize,
	.pause = later_pause,
	.quiesce = later_quiesce,
	.pre_save = later_save,
	.reset = later_reset,
	.unplug_request = later_unplug,
	.timer = later_timer,
	.cancel = later_cancel,
};

LICHEN_DEVICE_PLUGIN("later", "1.0", later_class);
