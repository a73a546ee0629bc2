/* SPDX-License-Identifier: MIT */
/* diag.c: the list of faults of a profile, sorted by place. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "profile.h"

static int diag_compare(struct fw_mark a, struct fw_mark b)
{
	int files = 0;

	if (!a.file || !b.file)
		files = (a.file != NULL) - (b.file != NULL);
	else
		files = strcmp(a.file, b.file);
	if (files)
		return files;
	if (a.line != b.line)
		return a.line < b.line ? -1 : 1;
	return (a.column > b.column) - (a.column < b.column);
}

/*
 * Values from a profile are quoted in sentences that end up on a terminal: no
 * C0 controls, no DEL, and no C1 controls (U+0080 to U+009F, in UTF-8 C2 80 to C2 9F).
 */
static void diag_clean(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
		else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f)
			c[0] = c[1] = '?';
	}
}

/* The sentence and the file's name in one block; NULL: no memory. */
__attribute__((format(printf, 2, 0))) static char *diag_text(struct fw_mark *mark,
							     const char *format,
							     va_list arguments)
{
	size_t file_size = mark->file ? strlen(mark->file) + 1 : 0;
	va_list again;
	int length;
	char *text;

	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length < 0)
		return NULL;
	text = malloc((size_t)length + 1 + file_size);
	if (!text)
		return NULL;
	(void)vsnprintf(text, (size_t)length + 1, format, arguments);
	diag_clean(text);
	if (mark->file) {
		memcpy(text + length + 1, mark->file, file_size);
		diag_clean(text + length + 1);
		mark->file = text + length + 1;
	}
	return text;
}

static int diag_grow(struct fw_diags *diags)
{
	uint32_t room = diags->room ? diags->room * 2 : 16;
	struct fw_diag *items;

	if (diags->count < diags->room)
		return 0;
	items = realloc(diags->items, room * sizeof(*items));
	if (!items)
		return -1;
	diags->items = items;
	diags->room = room;
	return 0;
}

void fw_diag(struct fw_diags *diags, struct fw_mark mark, const char *format, ...)
{
	uint32_t low = 0, high = diags->count;
	va_list arguments;
	char *text;

	if (diags->count >= FW_DIAGS_MAX) {
		diags->more++;
		return;
	}
	va_start(arguments, format);
	text = diag_grow(diags) == 0 ? diag_text(&mark, format, arguments) : NULL;
	va_end(arguments);
	if (!text) {
		diags->lost++;
		return;
	}
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (diag_compare(diags->items[middle].mark, mark) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	memmove(diags->items + low + 1, diags->items + low,
		(diags->count - low) * sizeof(*diags->items));
	diags->items[low] = (struct fw_diag){ .mark = mark, .text = text };
	diags->count++;
}

void fw_diags_print(const struct fw_diags *diags, FILE *to)
{
	for (uint32_t i = 0; i < diags->count; i++) {
		const struct fw_diag *diag = &diags->items[i];

		if (!diag->mark.file)
			(void)fprintf(to, "%s\n", diag->text);
		else if (diag->mark.line == 0)
			(void)fprintf(to, "%s (%s)\n", diag->text, diag->mark.file);
		else
			(void)fprintf(to, "%s (%s:%u:%u)\n", diag->text, diag->mark.file,
				      diag->mark.line, diag->mark.column);
	}
	if (diags->more)
		(void)fprintf(to, "%u more faults are not shown\n", diags->more);
	if (diags->lost)
		(void)fprintf(to, "%u more faults, and no memory to tell them\n", diags->lost);
}

void fw_diags_clear(struct fw_diags *diags)
{
	for (uint32_t i = 0; i < diags->count; i++)
		free(diags->items[i].text);
	free(diags->items);
	*diags = (struct fw_diags){ 0 };
}
