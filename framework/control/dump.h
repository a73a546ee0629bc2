/* SPDX-License-Identifier: MIT */
/* dump.h: an instance's declared state, for people and programs to read. */
#ifndef FW_DUMP_H
#define FW_DUMP_H

#include <jansson.h>

#include <lichen/state.h>

/*
 * An array of {name, type, since, value, and where they apply sticky, help}.  value: a
 * number; "0x1f" for 64-bit types; for bytes more than one, two digits each in one text; an
 * array for other arrays; for a structure the same array of its fields, and for several
 * of them an array of these.  Blobs have none.  A count above its maximum is cut, and
 * `cut` says so.  NULL: no memory.
 */
json_t *fw_dump_fields(const struct lichen_table *fields, const void *self);

#endif
