/* SPDX-License-Identifier: MIT */
/* ears: listens to the memory layout and says what it hears; takes no region at `refuse`. */
#include <lichen/device.h>

struct ears {
	struct lichen_dev dev;
	uint64_t refuse; /* 0: it takes all */
};

static const struct lichen_param ears_params[] = {
	LICHEN_PARAM(struct ears, refuse, .max = UINT64_MAX, .unit = LICHEN_UNIT_GPA,
		     .help = "address of a region that it does not take"),
};

static lichen_status ears_realize(void *self)
{
	const struct ears *e = self;

	return e->dev.host->memory_listen(e->dev.in, 0);
}

static lichen_status ears_region(void *self, uint32_t event, const struct lichen_region *region)
{
	static const char *const names[] = { "?", "begin", "add", "remove", "commit" };
	const struct ears *e = self;

	if (!region) {
		e->dev.host->log(e->dev.in, LICHEN_LOG_INFO, "%s.", names[event]);
		return 0;
	}
	e->dev.host->log(e->dev.in, LICHEN_LOG_INFO, "%s 0x%llx 0x%llx %s+0x%llx.",
			 names[event], (unsigned long long)region->gpa,
			 (unsigned long long)region->size,
			 region->descriptor >= 0 ? "shared" : "private",
			 (unsigned long long)region->offset);
	if (event != LICHEN_REGION_ADD || !e->refuse || e->refuse != region->gpa)
		return 0;
	e->dev.host->error(e->dev.in, "region 0x%llx: told to refuse it",
			   (unsigned long long)region->gpa);
	return -LICHEN_EIO;
}

static const struct lichen_class ears_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "says what it hears of the memory layout",
	.instance_size = sizeof(struct ears),
	.params = LICHEN_TABLE(ears_params),
	.realize = ears_realize,
	.region = ears_region,
};

LICHEN_DEVICE_PLUGIN("ears", "1.0", ears_class);
