/* SPDX-License-Identifier: MIT */
/*
 * state_field.h: a class's declared fields (<lichen/state.h>), written to a stream
 * and read from one.
 *
 *	table:	u32 fields, then each:
 *	field:	text name, u8 type, u8 flags, u32 elements, u64 fallback,
 *		LIST: text name of the key,
 *		then the elements
 *	integers of the type's size | NESTED, LIST: a table each |
 *	BLOB (1 element): u32 size, bytes; again until size is 0
 *
 * flags: LICHEN_FIELD_COUNTED, or 0.  A receiver takes fields by name.  What it
 * does not have may be dropped when it says nothing: integers that equal their
 * fallback, counted fields and blobs that are empty, structures of such fields;
 * anything else is refused.  What the stream does not have gets its fallback where
 * the field is younger than the stream, else the stream is refused.  So are other
 * types, too many elements, a field twice.  A LIST that is counted is replaced; one
 * that is not keeps its elements, each of which takes what is under its key.
 */
#ifndef FW_STATE_FIELD_H
#define FW_STATE_FIELD_H

#include <lichen/state.h>

#include "error.h"
#include "state_stream.h"

/* Blobs are streamed in parts of at most so many bytes. */
enum { FW_BLOB_PART = 1 << 16 };

/*
 * Writes the fields of `self`, whose tables are normalised.  -LICHEN_EINVAL: a count
 * is above its maximum; -LICHEN_ENOMEM; what a blob's function says.  The field is
 * named in `error`.
 */
lichen_status fw_fields_save(const struct lichen_table *fields, void *self,
			     struct fw_buffer *out, struct ld_error *error);
/*
 * Reads what fw_fields_save() wrote, moving *in past it.  version: the class's
 * state_version then.  store 0: all is checked and nothing changed.  -LICHEN_EBADMSG:
 * refused, with the field's name in `error`; then `self` may have changed in part;
 * -LICHEN_ENOMEM; what a blob's function says.
 */
lichen_status fw_fields_load(const struct lichen_table *fields, void *self, uint32_t version,
			     int store, struct fw_reader *in, struct ld_error *error);

#endif
