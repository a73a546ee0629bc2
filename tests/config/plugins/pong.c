/* SPDX-License-Identifier: MIT */
/* pong: needs ping, which needs pong. */
#include "interfaces.h"

struct pong {
	struct lichen_dev dev;
};

static const struct test_ops pong_ops = { LICHEN_STRUCT(struct test_ops) };

static const struct lichen_provide pong_provides[] = {
	LICHEN_PROVIDE(TEST_PONG, pong_ops),
};

static const struct lichen_need pong_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .id = TEST_PING, .key = "peer",
	  .offset = LICHEN_NO_MEMBER, .help = "the other one" },
};

static const struct lichen_class pong_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "half of a circle of the profile tests",
	.instance_size = sizeof(struct pong),
	.provides = LICHEN_TABLE(pong_provides),
	.needs = LICHEN_TABLE(pong_needs),
};

LICHEN_DEVICE_PLUGIN("pong", "1.0", pong_class);
