/* SPDX-License-Identifier: MIT */
/* peer: a symbiotic plugin that offers nothing. */
#include <lichen/draft/symbiotic.h>

#include "interfaces.h"

struct peer {
	struct lichen_dev dev;
	uint32_t level;
	const char *friends;
};

static const struct lichen_param peer_params[] = {
	LICHEN_PARAM(struct peer, level, .max = 9, .fallback = 3, .help = "of intimacy"),
	LICHEN_PARAM(struct peer, friends, .flags = LICHEN_PARAM_LIST, .max = 16,
		     .help = "who else may come"),
};

/* [vcpu or control, running or paused] */
static void peer_agreed(void *self, uint64_t client, uint64_t features)
{
	(void)self, (void)client, (void)features;
}

static const struct lichen_symbiotic_ops peer_ops = {
	LICHEN_STRUCT(struct lichen_symbiotic_ops), .agreed = peer_agreed
};

static const struct lichen_provide peer_provides[] = {
	LICHEN_PROVIDE(LICHEN_SYMBIOTIC, peer_ops),
};

static const struct lichen_class peer_class = {
	LICHEN_STRUCT(struct lichen_class),	 .summary = "symbiosis of the profile tests",
	.instance_size = sizeof(struct peer),	 .params = LICHEN_TABLE(peer_params),
	.provides = LICHEN_TABLE(peer_provides),
};

LICHEN_SYMBIOTIC_PLUGIN("peer", "1.0", peer_class);
