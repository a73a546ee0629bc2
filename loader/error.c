/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "error.h"

void ld_error_set(struct ld_error *error, const char *format, ...)
{
	struct ld_error next; /* the arguments may point into *error */
	va_list arguments;

	if (!error)
		return;
	va_start(arguments, format);
	if (vsnprintf(next.text, sizeof(next.text), format, arguments) < 0)
		next.text[0] = '\0';
	va_end(arguments);
	/* File names are anyone's bytes; a sentence is one line and moves no cursor. */
	for (char *c = next.text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	memcpy(error->text, next.text, strlen(next.text) + 1);
}
