/* SPDX-License-Identifier: MIT */
/* print.c: text that is not ours on a terminal, and tables of it. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Bytes that the character at `c` takes which no terminal is to see; 0: it may. */
static int print_control(const unsigned char *c)
{
	if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f)
		return 2;
	return *c < 0x20 || *c == 0x7f;
}

void cli_put(const char *text, FILE *to)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		const int control = print_control(c);

		fputc(control ? '?' : *c, to);
		c += control == 2;
	}
}

/* Characters, where each takes one place. */
static size_t print_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

void cli_table_open(struct cli_table *table, size_t columns)
{
	*table = (struct cli_table){ .columns = columns < CLI_COLUMNS_MAX ? columns
									  : CLI_COLUMNS_MAX };
}

void cli_table_open_with(struct cli_table *table, const char *const *heads, size_t columns)
{
	cli_table_open(table, columns);
	for (size_t i = 0; i < columns; i++)
		cli_table_add(table, "%s", heads[i]);
}

void cli_table_add(struct cli_table *table, const char *format, ...)
{
	char **cells = table->cells, *text = NULL;
	size_t size;
	va_list args;
	FILE *to;

	if (table->count == table->room) {
		cells = realloc(cells, (2 * table->room + 64) * sizeof(*cells));
		if (!cells)
			return;
		table->cells = cells;
		table->room = 2 * table->room + 64;
	}
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	to = text ? open_memstream(&cells[table->count], &size) : NULL;
	if (to) {
		cli_put(text, to);
		table->count += fclose(to) == 0;
	}
	free(text);
}

enum { PRINT_NUMBER = 20 }; /* what is longer, a hash say, is none to compare by eye */

/* 1: all below the head are numbers, which stand at the right. */
static int print_is_number(const struct cli_table *table, size_t column)
{
	for (size_t i = table->columns + column; i < table->count; i += table->columns) {
		const char *text = table->cells[i];

		text += *text == '-';
		if (strlen(text) > PRINT_NUMBER || (*text && (*text < '0' || *text > '9')))
			return 0;
	}
	return 1;
}

static int print_column_width(const struct cli_table *table, size_t column)
{
	size_t width = 0;

	for (size_t i = column; i < table->count; i += table->columns) {
		const size_t own = print_width(table->cells[i]);

		width = own > width ? own : width;
	}
	return (int)width;
}

static void print_row(const struct cli_table *table, size_t row, const int *widths,
		      const int *right)
{
	const size_t left = table->count - row;
	const size_t columns = left < table->columns ? left : table->columns;

	for (size_t c = 0; c < columns; c++) {
		const char *text = table->cells[row + c];
		const int gap = widths[c] - (int)print_width(text);

		printf("%*s%s", right[c] ? gap : 0, "", text);
		if (c + 1 < columns)
			printf("%*s", (right[c] ? 0 : gap) + 2, "");
	}
	(void)putchar('\n');
}

void cli_table_close(struct cli_table *table, int indent)
{
	int widths[CLI_COLUMNS_MAX], right[CLI_COLUMNS_MAX];

	for (size_t c = 0; c < table->columns; c++) {
		widths[c] = print_column_width(table, c);
		right[c] = print_is_number(table, c);
	}
	for (size_t row = 0; row < table->count; row += table->columns) {
		printf("%*s", indent, "");
		print_row(table, row, widths, right);
	}
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
	*table = (struct cli_table){ 0 };
}
