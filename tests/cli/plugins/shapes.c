/* SPDX-License-Identifier: MIT */
/* A plugin that declares one of everything; it does nothing. */
#include <lichen/device.h>

struct shapes_inner {
	uint8_t index;
	uint16_t value;
};

struct shapes {
	struct lichen_dev dev;
	const struct lichen_link *backend, *all;
	uint64_t size, delay, address;
	int64_t offset;
	uint32_t irq, mode, used;
	uint16_t port;
	uint8_t level, fast;
	int32_t image, log;
	const char *title, *note;
	uint8_t memory[16];
	struct shapes_inner inner, list[4];
};

static const char *const shapes_modes[] = { "slow", "quick", "odd" };

static const struct lichen_param shapes_params[] = {
	LICHEN_PARAM(struct shapes, size, .unit = LICHEN_UNIT_BYTES, .min = 4096,
		     .max = 1 << 30, .fallback = 65536, .help = "how much"),
	LICHEN_PARAM(struct shapes, delay, .unit = LICHEN_UNIT_NS, .max = 1000000000,
		     .fallback = 20000000, .help = "how long"),
	LICHEN_PARAM(struct shapes, address, .unit = LICHEN_UNIT_GPA, .fallback = 0xfee00000,
		     .help = "where in memory"),
	LICHEN_PARAM(struct shapes, offset, .min = (uint64_t)-10, .max = 10,
		     .fallback = (uint64_t)-3, .help = "a signed number"),
	LICHEN_PARAM(struct shapes, irq, .unit = LICHEN_UNIT_GSI, .max = 23, .fallback = 5,
		     .flags = LICHEN_PARAM_SHARED, .help = "a line"),
	LICHEN_PARAM(struct shapes, port, .unit = LICHEN_UNIT_PORT, .max = 0xfff8,
		     .flags = LICHEN_PARAM_REQUIRED, .help = "first of eight"),
	LICHEN_PARAM(struct shapes, level, .min = 1, .max = 9, .fallback = 2,
		     .help = "a digit"),
	LICHEN_PARAM_AS(LICHEN_BOOL, struct shapes, fast, .fallback = 1, .help = "or not"),
	LICHEN_PARAM_AS(LICHEN_CHOICE, struct shapes, mode,
			.choices = LICHEN_TABLE(shapes_modes), .fallback = 1, .help = "how"),
	LICHEN_PARAM_AS(LICHEN_FILE, struct shapes, image, .flags = LICHEN_PARAM_REQUIRED,
			.help = "what is read"),
	LICHEN_PARAM_AS(LICHEN_FILE, struct shapes, log,
			.flags = LICHEN_PARAM_WRITE | LICHEN_PARAM_CREATE | LICHEN_PARAM_APPEND,
			.help = "what is written"),
	LICHEN_PARAM(struct shapes, title, .min = 1, .max = 8, .text_fallback = "none",
		     .help = "a short text"),
	LICHEN_PARAM(struct shapes, note, .help = "a text that may be absent"),
};

static const struct lichen_field shapes_inner_fields[] = {
	LICHEN_FIELD(struct shapes_inner, index, .since = 1),
	LICHEN_FIELD(struct shapes_inner, value, .since = 3, .help = "what it holds"),
};

static const struct lichen_field shapes_state[] = {
	LICHEN_FIELD_ARRAY(struct shapes, memory, .since = 1, .flags = LICHEN_FIELD_STICKY,
			   .help = "survives a reset"),
	{ LICHEN_STRUCT(struct lichen_field), .type = LICHEN_NESTED, .name = "inner",
	  .offset = offsetof(struct shapes, inner), .size = sizeof(struct shapes_inner),
	  .since = 2, .fields = LICHEN_TABLE(shapes_inner_fields) },
	{ LICHEN_STRUCT(struct lichen_field), .type = LICHEN_LIST, .name = "list",
	  .offset = offsetof(struct shapes, list), .size = sizeof(struct shapes_inner),
	  .count = 4, .since = 3, .flags = LICHEN_FIELD_COUNTED,
	  .used = offsetof(struct shapes, used), .fields = LICHEN_TABLE(shapes_inner_fields) },
};

static const struct lichen_io_ops shapes_ops = { LICHEN_STRUCT(struct lichen_io_ops) };

static const struct lichen_window shapes_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "registers",
	  .size = 8, .access_sizes = 1 | 4, .ops = &shapes_ops, .place = LICHEN_PLACE_PORT,
	  .placed_by = "port" },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "page", .size = 4096,
	  .split = LICHEN_REFUSE, .ops = &shapes_ops, .place = LICHEN_PLACE_GPA,
	  .address = 0xfed00000 },
};

struct shapes_thing {
	uint32_t struct_size;
	uint32_t _pad;
	void (*nudge)(void *self, uint64_t client);
};

static void shapes_nudge(void *self, uint64_t client)
{
	(void)self, (void)client;
}

static const struct shapes_thing shapes_thing = {
	LICHEN_STRUCT(struct shapes_thing),
	.nudge = shapes_nudge,
};

static const struct lichen_provide shapes_provides[] = {
	LICHEN_PROVIDE("org.example.thing/1", shapes_thing),
};

static const struct lichen_need shapes_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .flags = LICHEN_NEED_OPTIONAL,
	  .id = "lichen.char/1", .key = "backend", .offset = offsetof(struct shapes, backend),
	  .help = "the other end" },
	{ LICHEN_STRUCT(struct lichen_need), .flags = LICHEN_NEED_OPTIONAL | LICHEN_NEED_MANY,
	  .id = "org.example.other/2", .offset = LICHEN_NO_MEMBER },
};

static const struct lichen_class shapes_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "one of everything",
	.flags = LICHEN_CLASS_PARALLEL,
	.instance_size = sizeof(struct shapes),
	.params = LICHEN_TABLE(shapes_params),
	.windows = LICHEN_TABLE(shapes_windows),
	.state = LICHEN_TABLE(shapes_state),
	.state_version = 3,
	.provides = LICHEN_TABLE(shapes_provides),
	.needs = LICHEN_TABLE(shapes_needs),
};

LICHEN_DEVICE_PLUGIN("shapes", "2.1", shapes_class);
