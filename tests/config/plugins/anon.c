/* SPDX-License-Identifier: MIT */
/* anon: the memory plugin that profiles have by default, without any memory. */
#include "interfaces.h"

struct anon {
	struct lichen_dev dev;
	uint8_t huge;
};

static const struct lichen_param anon_params[] = {
	LICHEN_PARAM_AS(LICHEN_BOOL, struct anon, huge, .help = "ask for large pages"),
};

/* [control, realized] Never called: profiles are only read here. */
static lichen_status anon_allocate(void *self, uint64_t client, uint64_t size,
				   struct lichen_ram *runs, uint32_t count, uint32_t *used)
{
	(void)self, (void)client, (void)size, (void)runs, (void)count, (void)used;
	return -LICHEN_ENOTSUP;
}

static const struct lichen_memory_ops anon_memory = { LICHEN_STRUCT(struct lichen_memory_ops),
						      .allocate = anon_allocate };

static const struct lichen_provide anon_provides[] = {
	LICHEN_PROVIDE(LICHEN_MEMORY, anon_memory),
};

static const struct lichen_class anon_class = {
	LICHEN_STRUCT(struct lichen_class),	 .summary = "memory of the profile tests",
	.instance_size = sizeof(struct anon),	 .params = LICHEN_TABLE(anon_params),
	.provides = LICHEN_TABLE(anon_provides),
};

LICHEN_MEMORY_PLUGIN("anon", "1.0", anon_class);
