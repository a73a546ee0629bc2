/* SPDX-License-Identifier: MIT */
/* paired: nothing but a driver for nothing. */
#include <lichen/device.h>
#include <lichen/sdk/pair.h>

struct paired {
	struct lichen_dev dev;
	struct lichen_pair pair;
};

static const char paired_linux[] = "linux paired\n", paired_object[] = "object paired\n";

static const struct lichen_pair_driver paired_driver = {
	.name = "paired",
	.parameters = "loud=1",
	.linux_module = paired_linux,
	.linux_end = paired_linux + sizeof(paired_linux) - 1,
	.object = paired_object,
	.object_end = paired_object + sizeof(paired_object) - 1,
};

static const struct lichen_need paired_needs[] = {
	LICHEN_PAIR_NEED(struct paired, pair),
};

static const struct lichen_field paired_state[] = {
	LICHEN_PAIR_FIELD(struct paired, pair),
};

static void paired_resume(void *self)
{
	struct paired *p = self;

	lichen_pair_resume(&p->dev, &p->pair, &paired_driver);
}

static void paired_event(void *self, uint64_t cookie, uint32_t event, const void *data,
			 uint32_t size)
{
	struct paired *p = self;

	(void)cookie;
	lichen_pair_event(&p->dev, &p->pair, &paired_driver, event, data, size);
}

static lichen_status paired_unplug(void *self)
{
	struct paired *p = self;

	return lichen_pair_unplug(&p->dev, &p->pair, &paired_driver);
}

static void paired_cancel(void *self, uint32_t operation)
{
	struct paired *p = self;

	lichen_pair_cancel(&p->pair, operation);
}

static lichen_status paired_reset(void *self, uint32_t kind)
{
	struct paired *p = self;

	(void)kind;
	lichen_pair_reset(&p->dev, &p->pair);
	return 0;
}

static const struct lichen_class paired_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "a driver for nothing",
	.instance_size = sizeof(struct paired),
	.state = LICHEN_TABLE(paired_state),
	.state_version = 1,
	.needs = LICHEN_TABLE(paired_needs),
	.resume = paired_resume,
	.reset = paired_reset,
	.unplug_request = paired_unplug,
	.event = paired_event,
	.cancel = paired_cancel,
};

LICHEN_DEVICE_PLUGIN("paired", "1.0", paired_class);
