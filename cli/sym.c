/* SPDX-License-Identifier: MIT */
/* sym.c: what a guest ships with records and functions, for people.  See sym.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sym.h"

enum { SYM_NAMES = 512 };

int cli_sym_open(struct cli_remote *remote, const char *vm, const char *plugin)
{
	json_t *hello = NULL;
	const json_t *method;
	char wanted[32];
	size_t i;
	int found = 0, status = cli_remote_open(remote, vm, 0);

	if (status)
		return status;
	status = cli_remote_call(remote, "hello", NULL, NULL, 0, &hello);
	(void)snprintf(wanted, sizeof(wanted), "%s.info", plugin);
	json_array_foreach(json_object_get(hello, "methods"), i, method)
	{
		found |= json_is_string(method) &&
			 strcmp(json_string_value(method), wanted) == 0;
	}
	json_decref(hello);
	if (status == 0 && !found) {
		cli_say("%s: plugin %s is not in this VM: its profile has it not below "
			"`symbiotic:`",
			vm, plugin);
		status = LICHEN_VM_BAD_INPUT;
	}
	if (status)
		cli_remote_close(remote);
	return status;
}

const json_t *cli_sym_named(const json_t *list, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		if (strcmp(cli_text(one, "name"), name) == 0)
			return one;
	}
	return NULL;
}

const char *cli_sym_nearest(const json_t *list, const char *name)
{
	const char *names[SYM_NAMES];
	const json_t *one;
	uint32_t count = 0;
	size_t i;

	json_array_foreach(list, i, one)
	{
		if (count < SYM_NAMES && json_object_get(one, "name"))
			names[count++] = cli_text(one, "name");
	}
	return lichen_nearest(name, names, count);
}

void cli_sym_type(const char *schema, const char *field, char type[static CLI_SYM_VALUE])
{
	const size_t length = strlen(field);

	type[0] = '\0';
	while (*schema) {
		const size_t size = strcspn(schema, " ");

		if (size > length && schema[length] == ':' &&
		    strncmp(schema, field, length) == 0) {
			(void)snprintf(type, CLI_SYM_VALUE, "%.*s", (int)(size - length - 1),
				       schema + length + 1);
			return;
		}
		schema += size + (schema[size] == ' ');
	}
}

static const char *sym_size(uint64_t bytes, char text[static CLI_SYM_VALUE])
{
	static const char units[] = "KMGTPE";
	double value = (double)bytes;
	size_t unit = 0;

	if (bytes < 10000) {
		(void)snprintf(text, CLI_SYM_VALUE, "%" PRIu64, bytes);
		return text;
	}
	value /= 1024;
	while (value >= 1024 && units[unit + 1]) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(text, CLI_SYM_VALUE, "%.1f%c", value, units[unit]);
	return text;
}

const char *cli_sym_value(const json_t *value, const char *type,
			  char text[static CLI_SYM_VALUE])
{
	const char *string = json_string_value(value);
	const uint64_t number = json_is_integer(value) ? (uint64_t)json_integer_value(value)
				: string	       ? strtoull(string, NULL, 16)
						       : 0;

	if (!string && !json_is_integer(value))
		return "-";
	if (strcmp(type, "b") == 0)
		return sym_size(number, text);
	if (strcmp(type, "u64") == 0 && number == UINT64_MAX)
		return "-";
	if (strcmp(type, "ns") == 0)
		(void)snprintf(text, CLI_SYM_VALUE, "%" PRIu64 ".%06us", number / 1000000000,
			       (unsigned)(number % 1000000000 / 1000));
	else if (type[0] == 'u')
		(void)snprintf(text, CLI_SYM_VALUE, "%" PRIu64, number);
	else if (type[0] == 's')
		(void)snprintf(text, CLI_SYM_VALUE, "%" PRId64, (int64_t)number);
	else if (!string)
		(void)snprintf(text, CLI_SYM_VALUE, "%" JSON_INTEGER_FORMAT,
			       json_integer_value(value));
	else
		return string;
	return text;
}

/* The fields of the first item are those of all but perhaps the last, which may be cut off. */
static void sym_items(const json_t *items, const char *schema, int indent)
{
	json_t *first = json_array_get(items, 0), *value;
	char type[CLI_SYM_VALUE], text[CLI_SYM_VALUE];
	struct cli_table table;
	const json_t *item;
	const char *name;
	size_t i;

	cli_table_open(&table, json_object_size(first));
	json_object_foreach(first, name, value) cli_table_add(&table, "%s", name);
	json_array_foreach(items, i, item)
	{
		if (json_object_size(item) != table.columns)
			continue;
		json_object_foreach(first, name, value)
		{
			cli_sym_type(schema, name, type);
			cli_table_add(&table, "%s",
				      cli_sym_value(json_object_get(item, name), type, text));
		}
	}
	cli_table_close(&table, indent);
}

void cli_sym_print(const json_t *values, const char *schema, int indent)
{
	const json_t *items = json_object_get(values, "items");
	char type[CLI_SYM_VALUE], text[CLI_SYM_VALUE];
	json_t *value;
	const char *name;

	json_object_foreach((json_t *)(uintptr_t)values, name, value)
	{
		if (json_is_array(value))
			continue;
		cli_sym_type(schema, name, type);
		printf("%*s", indent, "");
		cli_put(name, stdout);
		fputs(": ", stdout);
		cli_put(cli_sym_value(value, type, text), stdout);
		(void)putchar('\n');
	}
	if (json_array_size(items))
		sym_items(items, schema, indent);
}
