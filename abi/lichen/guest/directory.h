/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * directory.h: a named list in shared memory: of a SymSpy set's records (spy.h), of a
 * guest's functions (call.h).  Its one writer is whoever made the memory's contents;
 * the reader trusts nothing in it and takes a bounded number of tries.
 *
 * Offsets are bytes from the start of the memory.  Everything lies inside the `size`
 * bytes that the head states, which in turn lie inside the pages that were registered.
 */
#ifndef LICHEN_GUEST_DIRECTORY_H
#define LICHEN_GUEST_DIRECTORY_H

#include <lichen/guest/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LICHEN_DIRECTORY_SPY 0x7953694cu  /* "LiSy", of a set of records */
#define LICHEN_DIRECTORY_CALL 0x6143694cu /* "LiCa", of a table of functions */

enum { LICHEN_DIRECTORY_NAME = 48, LICHEN_DIRECTORY_MAX = 256 /* entries */ };

struct lichen_directory { /* at offset 0 */
	uint32_t magic;
	uint32_t version;  /* 1 */
	uint32_t size;	   /* bytes, head included */
	uint32_t entries;  /* offset of the first entry, a multiple of 8 */
	uint32_t count;	   /* entries, at most LICHEN_DIRECTORY_MAX */
	uint32_t sequence; /* odd while the writer changes count, entries or schemas */
};

struct lichen_directory_entry {
	char name[LICHEN_DIRECTORY_NAME]; /* "linux.task/1", NUL-padded; empty: no entry */
	union {
		uint32_t offset; /* spy: of the record, a multiple of 8 */
		uint32_t number; /* call: of the function */
	};
	union {
		uint32_t size;	/* spy: bytes of the record, its head apart */
		uint32_t flags; /* call: enum lichen_call_flag */
	};
	uint32_t schema;      /* offset of text that says how to read it; 0: none */
	uint32_t schema_size; /* bytes, at most LICHEN_SCHEMA_MAX */
};

/*
 * Schemas are ASCII, fields separated by one space, laid out in their order without
 * padding: `name:type`, where type is
 *	u8 u16 u32 u64 s8 s16 s32 s64	integers
 *	x8 x16 x32 x64			the same, shown in hexadecimal
 *	ns				u64, nanoseconds
 *	b				u64, bytes
 *	cN				N bytes of text, NUL-padded
 *	pN				N bytes without meaning (the name is then `_`)
 * `[` starts a part that repeats to the end of the record.  Of functions, the part before
 * `->` describes arguments and the part behind it results: up to four (two) integers
 * travel in registers; `|` starts what lies in the page.  In arguments that is one
 * `name:text` or `name:data`.
 */
enum { LICHEN_SCHEMA_MAX = 1024 };

#ifdef __cplusplus
}
#endif

#endif
