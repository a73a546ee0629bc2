/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <string.h>

#include <lichen/note.h>

#include "text.h"

enum { LD_SHORT_MAX = 160 }; /* bytes of a path in a sentence of LD_ERROR_SIZE */

/* 1 to max bytes, each a lower-case letter, a digit or one of `others`. */
static bool ld_made_of(const char *text, size_t max, const char *others)
{
	size_t n = strnlen(text, max + 1);

	if (n == 0 || n > max)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!(text[i] >= 'a' && text[i] <= 'z') &&
		    !(text[i] >= '0' && text[i] <= '9') && !strchr(others, text[i]))
			return false;
	return true;
}

bool ld_is_name(const char *text)
{
	return ld_made_of(text, LICHEN_NAME_SIZE - 1, "-");
}

bool ld_is_key(const char *text)
{
	return ld_made_of(text, LD_KEY_MAX, "_");
}

bool ld_is_reserved(const char *text)
{
	return !strcmp(text, "plugin") || !strcmp(text, "id") || !strcmp(text, "sha256") ||
	       !strcmp(text, "isolation");
}

bool ld_is_id(const char *text)
{
	const char *slash;

	if (!ld_made_of(text, LD_ID_MAX, ".-/"))
		return false;
	slash = strchr(text, '/');
	return slash && slash != text && slash[1] != '\0' &&
	       strspn(slash + 1, "0123456789") == strlen(slash + 1);
}

/*
 * The length of the UTF-8 sequence at `s` (`left` bytes follow, at least one);
 * 0 where it is malformed, overlong, a surrogate, or a control character
 * (U+0000 to U+001F, U+007F to U+009F).
 */
static size_t ld_sequence(const unsigned char *s, size_t left)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (n == 1)
		return s[0] >= 0x20 && s[0] != 0x7f;
	if (n == 0 || s[0] > 0xf4 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if (s[0] == 0xc2 && s[1] < 0xa0)
		return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))
		return 0;
	return n;
}

bool ld_is_printable(const char *text, size_t size)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n;

	for (size_t i = 0; i < size; i += n) {
		n = ld_sequence(s + i, size - i);
		if (n == 0)
			return false;
	}
	return true;
}

bool ld_is_line(const char *text)
{
	size_t n = strnlen(text, LD_LINE_MAX + 1);

	return n > 0 && n <= LD_LINE_MAX && ld_is_printable(text, n);
}

const char *ld_short(const char *path)
{
	size_t n = strlen(path);
	const char *slash;

	if (n <= LD_SHORT_MAX)
		return path;
	path += n - LD_SHORT_MAX;
	slash = strchr(path, '/');
	return slash ? slash + 1 : path;
}
