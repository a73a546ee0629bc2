/* SPDX-License-Identifier: MIT */
/*
 * serial16550_2: the plugin serial16550 with one more field in its state, as a later version
 * might have it.  Its own source is included whole.
 */
#include <lichen/device.h>

#undef LICHEN_DEVICE_PLUGIN
#define LICHEN_DEVICE_PLUGIN(...) _Static_assert(1, "")
#include "serial16550.c"

enum { SERIAL_FIELDS = sizeof(serial16550_state) / sizeof(serial16550_state[0]) };

struct serial16550_2 {
	struct serial16550 uart; /* first: what its functions are given */
	uint32_t revision;
};

static const struct lichen_field revision[] = {
	LICHEN_FIELD(struct serial16550_2, revision, .since = 2, .fallback = 5),
};

static struct lichen_field fields[SERIAL_FIELDS + 1];
static struct lichen_class class_2;

/* [control, created] */
static lichen_status serial16550_2_create(void *self)
{
	((struct serial16550_2 *)self)->revision = 5;
	return 0;
}

__attribute__((constructor)) static void serial16550_2_make(void)
{
	memcpy(fields, serial16550_state, sizeof(serial16550_state));
	fields[SERIAL_FIELDS] = revision[0];
	class_2 = serial16550_class;
	class_2.instance_size = sizeof(struct serial16550_2);
	class_2.state_version = 2;
	class_2.state =
		(struct lichen_table){ fields, SERIAL_FIELDS + 1, (uint32_t)sizeof(fields[0]) };
	class_2.create = serial16550_2_create;
}

LICHEN_PLUGIN(LICHEN_KIND_DEVICE, "serial16550", "0.2", class_2);
