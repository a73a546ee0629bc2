/* SPDX-License-Identifier: MIT */
/* start: a boot protocol that wants a kernel and takes a table where there is one. */
#include "interfaces.h"

struct start {
	struct lichen_dev dev;
	const char *cmdline;
	int32_t kernel;
	int32_t initrd;
};

static const struct lichen_param start_params[] = {
	LICHEN_PARAM_AS(LICHEN_FILE, struct start, kernel, .flags = LICHEN_PARAM_REQUIRED,
			.help = "what to start"),
	LICHEN_PARAM_AS(LICHEN_FILE, struct start, initrd, .help = "what it starts from"),
	LICHEN_PARAM(struct start, cmdline, .max = 2047, .text_fallback = "quiet",
		     .help = "what it is told"),
};

/* [control, realized or paused] Never called: profiles are only read here. */
static lichen_status start_load(void *self, uint64_t client)
{
	(void)self, (void)client;
	return -LICHEN_ENOTSUP;
}

static const struct lichen_boot_ops start_boot = { LICHEN_STRUCT(struct lichen_boot_ops),
						   .load = start_load };

static const struct lichen_provide start_provides[] = {
	LICHEN_PROVIDE(LICHEN_BOOT, start_boot),
};

static const struct lichen_need start_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .flags = LICHEN_NEED_OPTIONAL, .id = TEST_TABLE,
	  .offset = LICHEN_NO_MEMBER },
};

static const struct lichen_class start_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "starts guests of the profile tests",
	.instance_size = sizeof(struct start),
	.params = LICHEN_TABLE(start_params),
	.provides = LICHEN_TABLE(start_provides),
	.needs = LICHEN_TABLE(start_needs),
};

LICHEN_BOOT_PLUGIN("start", "1.0", start_class);
