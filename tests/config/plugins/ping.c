/* SPDX-License-Identifier: MIT */
/* ping: needs pong, which needs ping. */
#include "interfaces.h"

struct ping {
	struct lichen_dev dev;
};

static const struct test_ops ping_ops = { LICHEN_STRUCT(struct test_ops) };

static const struct lichen_provide ping_provides[] = {
	LICHEN_PROVIDE(TEST_PING, ping_ops),
};

static const struct lichen_need ping_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .id = TEST_PONG, .key = "peer",
	  .offset = LICHEN_NO_MEMBER, .help = "the other one" },
};

static const struct lichen_class ping_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "half of a circle of the profile tests",
	.instance_size = sizeof(struct ping),
	.provides = LICHEN_TABLE(ping_provides),
	.needs = LICHEN_TABLE(ping_needs),
};

LICHEN_DEVICE_PLUGIN("ping", "1.0", ping_class);
