/* SPDX-License-Identifier: MIT */
/* block: a device in the address space whose line may be shared, with files of every sort. */
#include "interfaces.h"

struct block {
	struct lichen_dev dev;
	uint64_t base;
	uint32_t irq;
	int32_t image;
	int32_t journal;
	int32_t folder;
	int32_t node;
};

static const struct lichen_param block_params[] = {
	LICHEN_PARAM(struct block, base, .unit = LICHEN_UNIT_GPA, .fallback = 0xd0000000,
		     .help = "of its registers"),
	LICHEN_PARAM(struct block, irq, .unit = LICHEN_UNIT_GSI, .flags = LICHEN_PARAM_SHARED,
		     .max = 23, .fallback = 10, .help = "interrupt line"),
	LICHEN_PARAM_AS(LICHEN_FILE, struct block, image, .help = "content"),
	LICHEN_PARAM_AS(LICHEN_FILE, struct block, journal,
			.flags = LICHEN_PARAM_WRITE | LICHEN_PARAM_CREATE | LICHEN_PARAM_APPEND,
			.help = "what was done"),
	LICHEN_PARAM_AS(LICHEN_FILE, struct block, folder, .flags = LICHEN_PARAM_DIRECTORY,
			.help = "of more of them"),
	LICHEN_PARAM_AS(LICHEN_FILE, struct block, node,
			.flags = LICHEN_PARAM_DEVICE | LICHEN_PARAM_READ | LICHEN_PARAM_WRITE,
			.help = "of the host"),
};

static const struct lichen_io_ops block_io = { LICHEN_STRUCT(struct lichen_io_ops) };

static const struct lichen_window block_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "registers",
	  .size = 0x200, .ops = &block_io, .place = LICHEN_PLACE_GPA, .placed_by = "base" },
};

static const struct test_ops block_node = { LICHEN_STRUCT(struct test_ops) };

static const struct lichen_provide block_provides[] = {
	LICHEN_PROVIDE(TEST_NODE, block_node),
};

static const struct lichen_need block_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .id = TEST_CHIP, .offset = LICHEN_NO_MEMBER },
};

static const struct lichen_class block_class = {
	LICHEN_STRUCT(struct lichen_class),	.summary = "a disk of the profile tests",
	.instance_size = sizeof(struct block),	.params = LICHEN_TABLE(block_params),
	.windows = LICHEN_TABLE(block_windows), .provides = LICHEN_TABLE(block_provides),
	.needs = LICHEN_TABLE(block_needs),
};

LICHEN_DEVICE_PLUGIN("block", "1.0", block_class);
