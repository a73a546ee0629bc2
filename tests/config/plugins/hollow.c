/* SPDX-License-Identifier: MIT */
/* hollow: a memory plugin by its kind, without what the kind has to provide. */
#include "interfaces.h"

struct hollow {
	struct lichen_dev dev;
};

static const struct lichen_class hollow_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "no memory of the profile tests",
	.instance_size = sizeof(struct hollow),
};

LICHEN_MEMORY_PLUGIN("hollow", "1.0", hollow_class);
