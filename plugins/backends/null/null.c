/* SPDX-License-Identifier: MIT */
/*
 * null: a character backend that takes and drops everything, and never sends.
 *
 *	devices:
 *	  - { plugin: serial16550, port: 0x2f8, irq: 3, backend: { plugin: null } }
 */
#include <lichen/backend.h>

struct null {
	struct lichen_dev dev;
};

/* [vcpu or control or io, running] */
static lichen_status null_write(void *self, uint64_t client, const uint8_t *data, uint32_t size,
				uint32_t *taken)
{
	(void)self, (void)client, (void)data;
	*taken = size;
	return 0;
}

/* [vcpu or control or io, running] Nothing ever comes. */
static void null_ask(void *self, uint64_t client, uint32_t size)
{
	(void)self, (void)client, (void)size;
}

static const struct lichen_char_ops null_char = {
	LICHEN_STRUCT(struct lichen_char_ops),
	.write = null_write,
	.ask = null_ask,
};

static const struct lichen_provide null_provides[] = {
	LICHEN_PROVIDE(LICHEN_CHAR, null_char),
};

static const struct lichen_class null_class = {
	LICHEN_STRUCT(struct lichen_class),
	.flags = LICHEN_CLASS_PARALLEL, /* there is nothing to guard */
	.summary = "takes and drops everything",
	.instance_size = sizeof(struct null),
	.state_version = 1, /* it has none, and nothing is lost with it */
	.provides = LICHEN_TABLE(null_provides),
};

LICHEN_BACKEND_PLUGIN("null", "0.1", null_class);
