/* SPDX-License-Identifier: MIT */
/* text.h: what names and texts in plugins may be made of. */
#ifndef LD_TEXT_H
#define LD_TEXT_H

#include <stdbool.h>
#include <stddef.h>

enum {
	LD_KEY_MAX = 63,   /* bytes of a parameter's, field's or need's name */
	LD_ID_MAX = 127,   /* bytes of an interface's id */
	LD_LINE_MAX = 511, /* bytes of a summary or help text */
};

/* A plugin's name: [a-z0-9-]+, shorter than LICHEN_NAME_SIZE. */
bool ld_is_name(const char *text);
/* A YAML key or the name of a field: [a-z0-9_]+, at most LD_KEY_MAX bytes. */
bool ld_is_key(const char *text);
/* A key that every instance's entry has, whatever its plugin. */
bool ld_is_reserved(const char *text);
/* An interface's id: "lichen.char/1", [a-z0-9.-]+ '/' [0-9]+. */
bool ld_is_id(const char *text);
/* One line of UTF-8 without control characters, 1 to LD_LINE_MAX bytes. */
bool ld_is_line(const char *text);
/* `size` bytes of UTF-8 without control characters. */
bool ld_is_printable(const char *text, size_t size);

/* `path`, or its last part where it is too long for a sentence; never copied. */
const char *ld_short(const char *path);

#endif
