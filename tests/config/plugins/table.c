/* SPDX-License-Identifier: MIT */
/* table: comes after every node there is, and before who needs the table. */
#include "interfaces.h"

struct table {
	struct lichen_dev dev;
};

static const struct test_ops table_ops = { LICHEN_STRUCT(struct test_ops) };

static const struct lichen_provide table_provides[] = {
	LICHEN_PROVIDE(TEST_TABLE, table_ops),
};

static const struct lichen_need table_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .flags = LICHEN_NEED_MANY, .id = TEST_NODE,
	  .offset = LICHEN_NO_MEMBER },
};

static const struct lichen_class table_class = {
	LICHEN_STRUCT(struct lichen_class),    .summary = "a table of the profile tests",
	.instance_size = sizeof(struct table), .provides = LICHEN_TABLE(table_provides),
	.needs = LICHEN_TABLE(table_needs),
};

LICHEN_DEVICE_PLUGIN("table", "1.0", table_class);
