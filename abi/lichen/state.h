/* SPDX-License-Identifier: MIT */
/*
 * state.h: the state that a class saves, restores, keeps over a reload and
 * shows in a dump, as a table of fields.
 *
 *	static const struct lichen_field foo_state[] = {
 *		LICHEN_FIELD(struct foo, control, .since = 1, .help = "CR at offset 4"),
 *		LICHEN_FIELD_ARRAY(struct foo, fifo, .since = 1),
 *	};
 *
 * Types travel in the stream.  A field that the receiver does not know is
 * dropped only when it equals its fallback; otherwise the load is refused with
 * the field's name.  A stream is hostile input: the host checks types, counts
 * and maxima, and post_load refuses what is consistent in form and a lie in
 * content.  Hosts of 0.1 stream the tables, and offer no command for it yet.
 */
#ifndef LICHEN_STATE_H
#define LICHEN_STATE_H

#include <lichen/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

enum lichen_field_flag {
	LICHEN_FIELD_STICKY = 1 << 0,  /* survives every reset but power-on */
	LICHEN_FIELD_COUNTED = 1 << 1, /* `used` holds how many elements are in use */
};

/* How a class streams a LICHEN_BLOB in bounded memory; iterative, so that it can run live. */
struct lichen_blob_ops {
	uint32_t struct_size;
	uint32_t _pad;
	/*
	 * Writes the next part into `to` (room: size bytes) and its length into
	 * *written.  Returns 0 at the end of the blob, 1 when there is more, or
	 * the error that ends the save.  [control, running or paused]
	 */
	lichen_status (*save)(void *self, uint64_t cookie, uint8_t *to, uint32_t size,
			      uint32_t *written);
	/*
	 * Takes the next part, borrowed for the call.  -LICHEN_EBADMSG: refused;
	 * the instance is then destroyed.  [control, created]
	 */
	lichen_status (*load)(void *self, uint64_t cookie, const uint8_t *from, uint32_t size);
};

/* A flag that the host does not know: the plugin is refused (-LICHEN_ENOTSUP). */
struct lichen_field {
	uint32_t struct_size;
	uint32_t type;	   /* enum lichen_type */
	const char *name;  /* unique in its table, [a-z0-9_]+ */
	uint32_t offset;   /* of the member, bytes */
	uint32_t size;	   /* of one element, bytes */
	uint32_t count;	   /* elements; 0 is read as 1 */
	uint32_t since;	   /* the class's state_version that introduced the field, from 1 */
	uint32_t flags;	   /* enum lichen_field_flag */
	uint32_t used;	   /* COUNTED: offset of a uint32_t, at most `count` */
	uint64_t fallback; /* value that an older stream stands for; each element's */
	struct lichen_table fields; /* NESTED, LIST: offsets count from the element */
	uint32_t key;		    /* LIST: index in `fields` of what tells elements apart */
	uint32_t _pad;
	const struct lichen_blob_ops *blob; /* BLOB */
	uint64_t cookie;		    /* BLOB: passed to its functions */
	const char *help;		    /* one line for dumps; NULL: the name says it */
};

#define LICHEN_FIELD(type_, member, ...)                                               \
	{                                                                              \
		LICHEN_STRUCT(struct lichen_field),                                    \
			.type = LICHEN_TYPE_OF(((type_ *)0)->member), .name = #member, \
			.offset = (uint32_t)offsetof(type_, member),                   \
			.size = LICHEN_MEMBER_SIZE(type_, member), __VA_ARGS__         \
	}

/* An array of integers. */
#define LICHEN_FIELD_ARRAY(type_, member, ...)                                            \
	{                                                                                 \
		LICHEN_STRUCT(struct lichen_field),                                       \
			.type = LICHEN_TYPE_OF(((type_ *)0)->member[0]), .name = #member, \
			.offset = (uint32_t)offsetof(type_, member),                      \
			.size = LICHEN_MEMBER_SIZE(type_, member[0]),                     \
			.count = LICHEN_MEMBER_SIZE(type_, member) /                      \
				 LICHEN_MEMBER_SIZE(type_, member[0]),                    \
			__VA_ARGS__                                                       \
	}

#ifdef __cplusplus
}
#endif

#endif
