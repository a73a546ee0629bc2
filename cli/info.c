/* SPDX-License-Identifier: MIT */
/*
 * info.c: a plugin's description for people.  It comes from a child that ran the
 * plugin's code: a member that is missing or of another type is told as little as
 * one that is not there, and no text of it reaches the terminal unseen.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* The text of a member, or NULL. */
static const char *info_text(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

/* The same, or "?". */
static const char *info_word(const json_t *json, const char *key)
{
	const char *text = info_text(json, key);

	return text ? text : "?";
}

static int info_flag(const json_t *json, const char *key)
{
	return json_is_true(json_object_get(json, key));
}

/* As fprintf, with nothing but what is seen. */
__attribute__((format(printf, 2, 3))) static void info_say(FILE *to, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text)
		cli_put(text, to);
	free(text);
}

/* Ends the line; the help is a line of its own, indented as deep as it belongs. */
static void info_help(const json_t *item, int depth, FILE *to)
{
	const char *help = info_text(item, "help");

	fputc('\n', to);
	if (help) {
		fprintf(to, "%*s", 6 + 4 * depth, "");
		cli_put(help, to);
		fputc('\n', to);
	}
}

/* How a FILE is opened, where it is not a file that is meant. */
static const char *info_file(const json_t *access)
{
	static const struct {
		const char *name, *word;
	} words[] = { { "directory", "folder" },
		      { "device", "device node" },
		      { "socket", "socket" },
		      { "listen", "socket to make" } };

	for (size_t at = 0; at < json_array_size(access); at++) {
		const char *name = json_string_value(json_array_get(access, at));

		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (name && strcmp(name, words[i].name) == 0)
				return words[i].word;
	}
	return "file";
}

/* What kind of value a parameter takes, in the words of the man pages. */
static const char *info_type(const json_t *param)
{
	static const struct {
		const char *key, *name, *word;
	} words[] = { { "unit", "bytes", "size" },	   { "unit", "ns", "time" },
		      { "unit", "port", "I/O port" },	   { "unit", "gpa", "guest address" },
		      { "unit", "gsi", "interrupt line" }, { "type", "text", "text" },
		      { "type", "bool", "yes or no" } };
	const json_t *access = json_object_get(param, "access");

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const char *name = info_text(param, words[i].key);

		if (name && strcmp(name, words[i].name) == 0)
			return words[i].word;
	}
	return access ? info_file(access) : "number";
}

static void info_choices(const json_t *choices, FILE *to)
{
	const size_t count = json_array_size(choices);

	for (size_t i = 0; i < count; i++) {
		const char *name = json_string_value(json_array_get(choices, i));

		fputs(i == 0 ? "" : i + 1 == count ? " or " : ", ", to);
		info_say(to, "%s", name ? name : "?");
	}
}

/* ", default X" as a profile writes it. */
static void info_default(const json_t *param, FILE *to)
{
	const json_t *value = json_object_get(param, "default");
	const char *text = info_text(json_object_get(param, "yaml"), "default");

	if (!text)
		text = json_string_value(value);
	if (json_is_boolean(value))
		text = json_is_true(value) ? "yes" : "no";
	if (text)
		info_say(to, ", default %s", text[0] ? text : "\"\"");
}

/* How long a text may be. */
static void info_length(const json_t *param, FILE *to)
{
	const json_t *min = json_object_get(param, "min_length");
	const json_t *max = json_object_get(param, "max_length");

	if (min)
		fprintf(to, ", at least %" JSON_INTEGER_FORMAT " bytes",
			json_integer_value(min));
	if (max)
		fprintf(to, ", at most %" JSON_INTEGER_FORMAT " bytes",
			json_integer_value(max));
}

static void info_param(const json_t *param, FILE *to)
{
	const json_t *choices = json_object_get(param, "choices");
	const json_t *yaml = json_object_get(param, "yaml");

	info_say(to, "  %s: ", info_word(param, "name"));
	if (choices)
		info_choices(choices, to);
	else
		fputs(info_type(param), to);
	if (info_text(yaml, "min") && info_text(yaml, "max"))
		info_say(to, ", %s to %s", info_text(yaml, "min"), info_text(yaml, "max"));
	info_length(param, to);
	info_default(param, to);
	fprintf(to, "%s%s", info_flag(param, "required") ? ", required" : "",
		info_flag(param, "shared") ? ", shared" : "");
	info_help(param, 0, to);
}

static void info_window(const json_t *window, FILE *to)
{
	const json_t *sizes = json_object_get(window, "access_sizes");
	const json_t *address = json_object_get(window, "address");
	const char *by = info_text(window, "placed_by");

	info_say(to, "  %s: %s", info_word(window, "name"), info_word(window, "kind"));
	fprintf(to, ", %" JSON_INTEGER_FORMAT " bytes, accesses of ",
		json_integer_value(json_object_get(window, "size")));
	for (size_t i = 0; i < json_array_size(sizes); i++)
		fprintf(to, "%s%" JSON_INTEGER_FORMAT, i ? ", " : "",
			json_integer_value(json_array_get(sizes, i)));
	info_say(to, ", others %s%s%s%s", info_word(window, "other_sizes"),
		 by ? ", where " : "", by ? by : "", by ? " says" : "");
	if (address)
		fprintf(to, ", at 0x%llx", (unsigned long long)json_integer_value(address));
	fputc('\n', to);
}

static void info_fields(const json_t *fields, int depth, FILE *to)
{
	for (size_t i = 0; i < json_array_size(fields); i++) {
		const json_t *field = json_array_get(fields, i);
		const json_t *count = json_object_get(field, "count");

		info_say(to, "  %*s%s: %s", 4 * depth, "", info_word(field, "name"),
			 info_word(field, "type"));
		if (count)
			fprintf(to, "[%s%" JSON_INTEGER_FORMAT "]",
				info_flag(field, "counted") ? "up to " : "",
				json_integer_value(count));
		fprintf(to, ", since %" JSON_INTEGER_FORMAT "%s",
			json_integer_value(json_object_get(field, "since")),
			info_flag(field, "sticky") ? ", sticky" : "");
		info_help(field, depth, to);
		if (depth < 8)
			info_fields(json_object_get(field, "fields"), depth + 1, to);
	}
}

static void info_need(const json_t *need, FILE *to)
{
	const char *key = info_text(need, "key");

	info_say(to, "  %s%s%s%s%s", key ? key : "", key ? ": " : "",
		 info_word(need, "interface"),
		 info_flag(need, "many") ? ", of every provider" : "",
		 info_flag(need, "optional") ? ", optional" : "");
	info_help(need, 0, to);
}

static void info_list(const json_t *plugin, const char *key, const char *head,
		      void (*item)(const json_t *item, FILE *to), FILE *to)
{
	const json_t *list = json_object_get(plugin, key);

	if (json_array_size(list) == 0)
		return;
	fprintf(to, "\n%s:\n", head);
	for (size_t i = 0; i < json_array_size(list); i++)
		item(json_array_get(list, i), to);
}

static void info_provide(const json_t *id, FILE *to)
{
	info_say(to, "  %s", json_is_string(id) ? json_string_value(id) : "?");
	fputc('\n', to);
}

int cli_info_print(const json_t *plugin, FILE *to)
{
	static const char *const lines[] = { "file", "sha256", "abi" };
	const char *name = info_text(plugin, "name"), *kind = info_text(plugin, "kind");
	const char *version = info_text(plugin, "version");
	const char *summary = info_text(plugin, "summary");

	if (!name || !kind || !version || !summary)
		return -1;
	info_say(to, "%s %s, %s: %s", name, version, kind, summary);
	fputc('\n', to);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		info_say(to, "  %-7s %s", lines[i], info_word(plugin, lines[i]));
		fputc('\n', to);
	}
	if (info_flag(plugin, "parallel"))
		fputs("  parallel: its handlers run on several threads at once\n", to);
	info_list(plugin, "parameters", "parameters", info_param, to);
	info_list(plugin, "windows", "windows", info_window, to);
	if (json_array_size(json_object_get(plugin, "state"))) {
		fprintf(to, "\nstate, version %" JSON_INTEGER_FORMAT ":\n",
			json_integer_value(json_object_get(plugin, "state_version")));
		info_fields(json_object_get(plugin, "state"), 0, to);
	}
	info_list(plugin, "provides", "provides", info_provide, to);
	info_list(plugin, "needs", "needs", info_need, to);
	return 0;
}
