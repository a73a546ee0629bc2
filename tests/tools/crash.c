/* SPDX-License-Identifier: MIT */
/* crash: reads where nothing is, for debuggers and sanitizers to name it. */
#include <lichen/device.h>

/* Not NULL, of which another sanitizer tells without a trace; never mapped. */
enum { CRASH_NOWHERE = 0x1000 };

struct crash {
	struct lichen_dev dev;
	uintptr_t nowhere;
};

/* Not inlined: it is looked for in traces. */
__attribute__((noinline)) static lichen_status crash_here(struct crash *c)
{
	return (lichen_status) * (volatile uint64_t *)c->nowhere;
}

static lichen_status crash_create(void *self)
{
	((struct crash *)self)->nowhere = CRASH_NOWHERE;
	return crash_here(self) ? -LICHEN_EINVAL : 0;
}

static const struct lichen_class crash_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "crashes",
	.instance_size = sizeof(struct crash),
	.create = crash_create,
};

LICHEN_DEVICE_PLUGIN("crash", "1.0", crash_class);
