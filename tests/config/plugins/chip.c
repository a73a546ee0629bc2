/* SPDX-License-Identifier: MIT */
/* chip: provides what all devices need; its window has a fixed place. */
#include "interfaces.h"

struct chip {
	struct lichen_dev dev;
};

static const struct lichen_io_ops chip_io = { LICHEN_STRUCT(struct lichen_io_ops) };

static const struct lichen_window chip_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "command", .size = 2,
	  .ops = &chip_io, .place = LICHEN_PLACE_PORT, .address = 0x20 },
};

static const struct test_ops chip_ops = { LICHEN_STRUCT(struct test_ops) };

static const struct lichen_provide chip_provides[] = {
	LICHEN_PROVIDE(TEST_CHIP, chip_ops),
	LICHEN_PROVIDE(TEST_NODE, chip_ops),
};

static const struct lichen_class chip_class = {
	LICHEN_STRUCT(struct lichen_class),	 .summary = "a chip of the profile tests",
	.instance_size = sizeof(struct chip),	 .windows = LICHEN_TABLE(chip_windows),
	.provides = LICHEN_TABLE(chip_provides),
};

LICHEN_DEVICE_PLUGIN("chip", "1.0", chip_class);
