/* SPDX-License-Identifier: MIT */
/* schema.c: parses schemas.  See <lichen/sdk/schema.h>. */
#include <stdlib.h>
#include <string.h>

#include <lichen/sdk/schema.h>

static int name_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* "c16", "p4": the number behind the letter; 0: none that fits. */
static uint32_t type_length(const char *text)
{
	char *end;
	const unsigned long n = strtoul(text, &end, 10);

	return *text >= '1' && *text <= '9' && *end == '\0' && n <= LICHEN_SCHEMA_FIELD_MAX
		       ? (uint32_t)n
		       : 0;
}

/* `size` 0 of a TEXT and DATA: all that is left.  Returns 0 for a type that is none. */
static int type_of(const char *text, struct lichen_schema_field *field)
{
	static const struct {
		const char *text;
		uint32_t type, size;
	} known[] = {
		{ "u8", LICHEN_SCHEMA_UNSIGNED, 1 },  { "u16", LICHEN_SCHEMA_UNSIGNED, 2 },
		{ "u32", LICHEN_SCHEMA_UNSIGNED, 4 }, { "u64", LICHEN_SCHEMA_UNSIGNED, 8 },
		{ "s8", LICHEN_SCHEMA_SIGNED, 1 },    { "s16", LICHEN_SCHEMA_SIGNED, 2 },
		{ "s32", LICHEN_SCHEMA_SIGNED, 4 },   { "s64", LICHEN_SCHEMA_SIGNED, 8 },
		{ "x8", LICHEN_SCHEMA_HEX, 1 },	      { "x16", LICHEN_SCHEMA_HEX, 2 },
		{ "x32", LICHEN_SCHEMA_HEX, 4 },      { "x64", LICHEN_SCHEMA_HEX, 8 },
		{ "ns", LICHEN_SCHEMA_NS, 8 },	      { "b", LICHEN_SCHEMA_BYTES, 8 },
		{ "text", LICHEN_SCHEMA_TEXT, 0 },    { "data", LICHEN_SCHEMA_DATA, 0 },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(text, known[i].text) == 0) {
			field->type = known[i].type;
			field->size = known[i].size;
			return 1;
		}
	}
	field->type = text[0] == 'c' ? LICHEN_SCHEMA_TEXT : LICHEN_SCHEMA_PAD;
	field->size = text[0] == 'c' || text[0] == 'p' ? type_length(text + 1) : 0;
	return field->size != 0;
}

static lichen_status parse_field(const char *word, struct lichen_schema *schema,
				 struct lichen_why *why)
{
	struct lichen_schema_field *field = &schema->fields[schema->count];
	const char *colon = strchr(word, ':');
	const size_t size = colon ? (size_t)(colon - word) : 0;

	if (schema->count == LICHEN_SCHEMA_FIELDS)
		return lichen_refuse(why, -LICHEN_EBADMSG, "schema: more than %d fields",
				     LICHEN_SCHEMA_FIELDS);
	if (size == 0 || size >= LICHEN_SCHEMA_NAME)
		return lichen_refuse(why, -LICHEN_EBADMSG, "schema: \"%.40s\": not name:type",
				     word);
	for (size_t i = 0; i < size; i++)
		if (!name_letter(word[i]))
			return lichen_refuse(why, -LICHEN_EBADMSG,
					     "schema: \"%.40s\": not a name", word);
	if (!type_of(colon + 1, field))
		return lichen_refuse(why, -LICHEN_EBADMSG, "schema: \"%.40s\": no such type",
				     word);
	memcpy(field->name, word, size);
	field->name[size] = '\0';
	schema->count++;
	return 0;
}

/* What follows a field of no fixed size, and what repeats without taking any room. */
static lichen_status parse_judge(const struct lichen_schema *schema, struct lichen_why *why)
{
	for (uint32_t i = 0; i < schema->count; i++)
		if (schema->fields[i].size == 0 &&
		    (i + 1 < schema->count || schema->repeat < schema->count))
			return lichen_refuse(why, -LICHEN_EBADMSG,
					     "schema: %s: text and data come last, and once",
					     schema->fields[i].name);
	return 0;
}

/* One part: fields up to the end of `text`, which is cut up. */
static lichen_status parse_part(char *text, struct lichen_schema *schema,
				struct lichen_why *why)
{
	char *rest, *word;

	schema->count = 0;
	schema->repeat = LICHEN_SCHEMA_FIELDS;
	for (word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		lichen_status status;

		if (strcmp(word, "[") == 0 && schema->repeat == LICHEN_SCHEMA_FIELDS) {
			schema->repeat = schema->count;
			continue;
		}
		status = parse_field(word, schema, why);
		if (status < 0)
			return status;
	}
	if (schema->repeat >= schema->count)
		schema->repeat = schema->count;
	return parse_judge(schema, why);
}

static lichen_status parse_copy(const char *text, char copy[LICHEN_SCHEMA_MAX + 1],
				struct lichen_why *why)
{
	const size_t size = strnlen(text, LICHEN_SCHEMA_MAX + 1);

	if (size > LICHEN_SCHEMA_MAX)
		return lichen_refuse(why, -LICHEN_EBADMSG, "schema: longer than %d bytes",
				     LICHEN_SCHEMA_MAX);
	memcpy(copy, text, size + 1);
	return 0;
}

lichen_status lichen_schema_record(const char *text, struct lichen_schema *schema,
				   struct lichen_why *why)
{
	char copy[LICHEN_SCHEMA_MAX + 1];
	lichen_status status = parse_copy(text, copy, why);

	return status < 0 ? status : parse_part(copy, schema, why);
}

/* Cuts `text` at the first `mark`; what follows it, or an empty text at its end. */
static char *parse_cut(char *text, const char *mark)
{
	char *at = strstr(text, mark);

	if (!at)
		return text + strlen(text);
	*at = '\0';
	return at + strlen(mark);
}

/* Integers alone, at most `most` of them. */
static lichen_status parse_registers(const struct lichen_schema *schema, uint32_t most,
				     const char *what, struct lichen_why *why)
{
	if (schema->count > most || schema->repeat != schema->count)
		return lichen_refuse(why, -LICHEN_EBADMSG, "schema: more than %u %s", most,
				     what);
	for (uint32_t i = 0; i < schema->count; i++)
		if (schema->fields[i].type >= LICHEN_SCHEMA_TEXT)
			return lichen_refuse(why, -LICHEN_EBADMSG,
					     "schema: %s: travels in a register and is no "
					     "number",
					     schema->fields[i].name);
	return 0;
}

lichen_status lichen_schema_function(const char *text, struct lichen_schema_call *call,
				     struct lichen_why *why)
{
	char copy[LICHEN_SCHEMA_MAX + 1];
	char *arguments = copy, *arguments_page, *results, *results_page;
	lichen_status status = parse_copy(text, copy, why);

	if (status < 0)
		return status;
	results = parse_cut(arguments, "->");
	arguments_page = parse_cut(arguments, "|");
	results_page = parse_cut(results, "|");
	status = parse_part(arguments, &call->arguments, why);
	if (status == 0)
		status = parse_part(arguments_page, &call->arguments_page, why);
	if (status == 0)
		status = parse_part(results, &call->results, why);
	if (status == 0)
		status = parse_part(results_page, &call->results_page, why);
	if (status == 0)
		status = parse_registers(&call->arguments, LICHEN_CALL_ARGUMENTS, "arguments",
					 why);
	if (status == 0)
		status = parse_registers(&call->results, LICHEN_CALL_RESULTS, "results", why);
	if (status == 0 &&
	    (call->arguments_page.count > 1 ||
	     (call->arguments_page.count == 1 && call->arguments_page.fields[0].size)))
		status = lichen_refuse(why, -LICHEN_EBADMSG,
				       "schema: in the page arguments are one text or data");
	return status;
}
