/* SPDX-License-Identifier: MIT */
/*
 * sdk/schema.h: the schemas that guests ship with their records and functions
 * (<lichen/guest/directory.h>), parsed, and bytes turned into JSON and back by them.
 * Link lichen::symbiotic, which brings jansson.
 *
 * Text and bytes come from a guest: parsing is bounded and refuses, decoding shows
 * what there is.  Numbers of 64 bits and hexadecimal ones become text, "0x1f"; others
 * JSON integers; text that is not UTF-8 has '?' for what is not.
 */
#ifndef LICHEN_SDK_SCHEMA_H
#define LICHEN_SDK_SCHEMA_H

#include <jansson.h>

#include <lichen/guest/call.h>
#include <lichen/sdk/why.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	LICHEN_SCHEMA_FIELDS = 64,
	LICHEN_SCHEMA_NAME = 32,
	LICHEN_SCHEMA_FIELD_MAX = 4096, /* bytes of a field */
};

enum lichen_schema_type {
	LICHEN_SCHEMA_UNSIGNED = 1,
	LICHEN_SCHEMA_SIGNED = 2,
	LICHEN_SCHEMA_HEX = 3,
	LICHEN_SCHEMA_NS = 4,
	LICHEN_SCHEMA_BYTES = 5,
	LICHEN_SCHEMA_TEXT = 6, /* of `size` bytes; 0: all that is left */
	LICHEN_SCHEMA_DATA = 7, /* all that is left, as hexadecimal text */
	LICHEN_SCHEMA_PAD = 8,
};

struct lichen_schema_field {
	char name[LICHEN_SCHEMA_NAME];
	uint32_t type; /* enum lichen_schema_type */
	uint32_t size; /* bytes */
};

/* Fields [repeat, count) repeat to the end. */
struct lichen_schema {
	struct lichen_schema_field fields[LICHEN_SCHEMA_FIELDS];
	uint32_t count, repeat;
};

/* Of a function: what travels in registers, and what in the page. */
struct lichen_schema_call {
	struct lichen_schema arguments, arguments_page, results, results_page;
};

/* -LICHEN_EBADMSG: not a schema, and `why` says where.  [any, any] */
lichen_status lichen_schema_record(const char *text, struct lichen_schema *schema,
				   struct lichen_why *why);
lichen_status lichen_schema_function(const char *text, struct lichen_schema_call *call,
				     struct lichen_why *why);

/*
 * `size` bytes as a JSON object; a part that repeats is the array "items".  Fields that lie
 * past the end are left out.  NULL: no memory.  [any, any]
 */
json_t *lichen_schema_decode(const struct lichen_schema *schema, const void *bytes,
			     uint32_t size);
/* The same of registers, one integer field each. */
json_t *lichen_schema_registers(const struct lichen_schema *schema, const uint64_t *values,
				uint32_t count);
/*
 * Arguments by a schema from a JSON object (by name) or array (in order): integers, or text
 * like "0x10" or "42", into `values`; one field of text or data into `page` (*page_size
 * bytes used).  An argument that is missing is 0.  -LICHEN_EINVAL: `why` says which and
 * what is wrong; -LICHEN_E2BIG: it does not fit in `room`.  [any, any]
 */
lichen_status lichen_schema_encode(const struct lichen_schema_call *call, json_t *from,
				   uint64_t values[LICHEN_CALL_ARGUMENTS], uint8_t *page,
				   uint32_t room, uint32_t *page_size, struct lichen_why *why);

#ifdef __cplusplus
}
#endif

#endif
