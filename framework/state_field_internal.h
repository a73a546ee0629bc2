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

/* --- reading --- */

enum {
	FW_TABLE_MAX = 1024, /* fields of one table, as the loader has it */
	FW_DEPTH_MAX = 5,    /* tables in one another, as the loader has it */
	FW_LIST_MAX = 4096,  /* elements of a stream's list, where there is no room for more */
};

struct fw_load {
	void *self;
	uint32_t version;
	int store;
	struct fw_reader *in;
	struct ld_error *error;
	struct fw_field_path path;
};

/* What stands before the elements of a field. */
struct fw_head {
	char name[FW_TEXT_SIZE];
	char key[FW_TEXT_SIZE]; /* LIST */
	uint8_t type, flags;
	uint32_t count;
	uint64_t fallback;
};

#define fw_load_refuse(load, ...) \
	(fw_field_blame(&(load)->path, (load)->error, __VA_ARGS__), -LICHEN_EBADMSG)

static inline int fw_is_struct(uint32_t type)
{
	return type == LICHEN_NESTED || type == LICHEN_LIST;
}

/* "the state ends within it"; -LICHEN_EBADMSG. */
lichen_status fw_load_cut(struct fw_load *load);
/* How many fields follow. */
lichen_status fw_take_fields(struct fw_load *load, uint32_t *count);
/* Enters its name; after success fw_path_leave(*before) is owed. */
lichen_status fw_take_head(struct fw_load *load, struct fw_head *head, uint32_t *before);
/* An integer of `type`, as its bits. */
lichen_status fw_take_integer(struct fw_load *load, uint32_t type, uint64_t *value);
/* The next part of a blob; *size 0: the end. */
lichen_status fw_take_part(struct fw_load *load, const uint8_t **at, uint32_t *size);
/* A value cut to the size of its type, so that -1 equals itself. */
uint64_t fw_bits(uint32_t type, uint64_t value);
/* Past the elements of `head`; strict: they must say nothing. */
lichen_status fw_skip_field(struct fw_load *load, const struct fw_head *head, int strict,
			    uint32_t depth);
/* except: a field that may say something; NULL: none. */
lichen_status fw_skip_table(struct fw_load *load, int strict, const char *except,
			    uint32_t depth);

#endif
