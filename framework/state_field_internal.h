/* SPDX-License-Identifier: MIT */
/* state_field_internal.h: what state_field.c and state_field_load.c share. */
#ifndef FW_STATE_FIELD_INTERNAL_H
#define FW_STATE_FIELD_INTERNAL_H

#include "state_field.h"

enum { FW_FIELD_PATH = 192 }; /* bytes; a longer one is cut */

/* "queues[2].head" */
struct fw_field_path {
	char text[FW_FIELD_PATH];
	uint32_t size;
};

/* Appends a field's name; fw_path_leave() takes back what this returned. */
uint32_t fw_path_enter(struct fw_field_path *path, const char *name);
void fw_path_element(struct fw_field_path *path, uint64_t index);
void fw_path_leave(struct fw_field_path *path, uint32_t before);
/* "field PATH: " and the rest. */
__attribute__((format(printf, 3, 4))) void fw_field_blame(const struct fw_field_path *path,
							  struct ld_error *error,
							  const char *format, ...);

/* Bytes of an integer type; 0: it is none. */
uint32_t fw_field_size(uint32_t type);

static inline const struct lichen_field *fw_field_at(const struct lichen_table *table,
						     uint32_t index)
{
	return (const struct lichen_field *)table->items + index;
}

#endif
