/* SPDX-License-Identifier: MIT */
/*
 * note.h: the ELF note by which a file says what it is before any of its code
 * runs, and the macro that writes it.  Section ".note.lichen", owner "Lichen",
 * type LICHEN_NOTE_TYPE, one note a (ABI major, class).  Fixed size, no
 * pointers, little-endian: readable with plain file I/O.
 */
#ifndef LICHEN_NOTE_H
#define LICHEN_NOTE_H

#include <lichen/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LICHEN_NOTE_SECTION ".note.lichen"
#define LICHEN_NOTE_OWNER "Lichen"
#define LICHEN_NOTE_TYPE 0x4c696368u  /* "Lich" */
#define LICHEN_NOTE_MAGIC 0x6e656863u /* "chen" */

enum lichen_kind {
	LICHEN_KIND_DEVICE = 1,
	LICHEN_KIND_BOOT = 2,
	LICHEN_KIND_BACKEND = 3,
	LICHEN_KIND_MEMORY = 4,
	LICHEN_KIND_SYMBIOTIC = 5,
	LICHEN_KIND_KERNEL = 6, /* refused by hosts of 0.1 */
};

enum { LICHEN_NAME_SIZE = 32, LICHEN_VERSION_SIZE = 32 };

/* The descriptor.  This layout is for ever: a new one gets a new type. */
struct lichen_note {
	uint32_t magic;	     /* LICHEN_NOTE_MAGIC */
	uint32_t abi_major;  /* of the entry symbol lichen_plugin_vN */
	uint32_t abi_minor;  /* the lowest minor of a host that will do */
	uint32_t kind;	     /* enum lichen_kind */
	uint32_t class_size; /* bytes of struct lichen_class as compiled; never 0 */
	uint32_t _pad;
	char name[LICHEN_NAME_SIZE];	   /* [a-z0-9-]+, NUL-padded */
	char version[LICHEN_VERSION_SIZE]; /* any text, NUL-padded */
};

struct lichen_note_entry {   /* as ELF lays it out (gABI, "Note Section") */
	uint32_t owner_size; /* 7 */
	uint32_t size;	     /* sizeof(struct lichen_note) */
	uint32_t type;
	char owner[8];
	struct lichen_note note;
};

#define LICHEN_NOTE(kind_, name_, version_, class_size_)                                 \
	__attribute__((                                                                  \
		section(LICHEN_NOTE_SECTION), used,                                      \
		aligned(4))) static const struct lichen_note_entry lichen_note_entry = { \
		.owner_size = sizeof(LICHEN_NOTE_OWNER),                                 \
		.size = sizeof(struct lichen_note),                                      \
		.type = LICHEN_NOTE_TYPE,                                                \
		.owner = LICHEN_NOTE_OWNER,                                              \
		.note = { .magic = LICHEN_NOTE_MAGIC,                                    \
			  .abi_major = LICHEN_ABI_MAJOR,                                 \
			  .abi_minor = LICHEN_ABI_MINOR,                                 \
			  .kind = (kind_),                                               \
			  .class_size = (class_size_),                                   \
			  ._pad = 0,                                                     \
			  .name = name_,                                                 \
			  .version = version_ },                                         \
	}

#ifdef __cplusplus
}
#endif

#endif
