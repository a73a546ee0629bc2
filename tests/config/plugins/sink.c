/* SPDX-License-Identifier: MIT */
/* sink: a character backend. */
#include "interfaces.h"

struct sink {
	struct lichen_dev dev;
	uint32_t limit;
};

static const struct lichen_param sink_params[] = {
	LICHEN_PARAM(struct sink, limit, .unit = LICHEN_UNIT_BYTES, .fallback = 1 << 20,
		     .help = "bytes taken"),
};

static const struct lichen_char_ops sink_char = { LICHEN_STRUCT(struct lichen_char_ops) };

static const struct lichen_provide sink_provides[] = {
	LICHEN_PROVIDE(LICHEN_CHAR, sink_char),
};

static const struct lichen_class sink_class = {
	LICHEN_STRUCT(struct lichen_class),	 .summary = "takes bytes of the profile tests",
	.instance_size = sizeof(struct sink),	 .params = LICHEN_TABLE(sink_params),
	.provides = LICHEN_TABLE(sink_provides),
};

LICHEN_BACKEND_PLUGIN("sink", "1.0", sink_class);
