/* SPDX-License-Identifier: MIT */
/* schema.c: parameters against the tables that declare them, and the tables as a JSON
 * schema.  See rpc.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/rpc.h"
#include "profile_tree.h"

/* What every JSON reader takes exactly. */
#define SCHEMA_NUMBER_MAX ((UINT64_C(1) << 53) - 1)

json_t *fw_json_hex(uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "0x%" PRIx64, value);
	return json_string(text);
}

int fw_hex_read(const char *text, uint64_t *value)
{
	uint64_t number = 0;

	if (strncmp(text, "0x", 2) != 0 || !text[2] || strlen(text) > 18)
		return -1;
	for (const char *c = text + 2; *c; c++) {
		const char *digits = "0123456789abcdef", *digit = strchr(digits, *c | 0x20);

		if (!digit || !strchr("0123456789abcdefABCDEF", *c))
			return -1;
		number = number << 4 | (uint64_t)(digit - digits);
	}
	*value = number;
	return 0;
}

static int schema_choice(const struct fw_member *member, const char *text)
{
	for (uint32_t i = 0; member->choices && member->choices[i]; i++)
		if (strcmp(member->choices[i], text) == 0)
			return 1;
	return !member->choices;
}

static const char *schema_kind(const struct fw_member *member)
{
	switch (member->kind) {
	case FW_TEXT:
		return member->choices ? "one of its words" : "text";
	case FW_NUMBER:
		return "a whole number in its range";
	case FW_FLAG:
		return "true or false";
	case FW_HEX:
		return "64 bits in hexadecimal, as \"0x1f\"";
	case FW_FILE:
		return "the number of a descriptor that came with the line";
	case FW_OBJECT:
		return "an object";
	case FW_LIST:
		return member->members ? "an array of objects as the schema has them"
				       : "an array of its words";
	case FW_FILES:
		return "an array of numbers of descriptors";
	}
	return "known";
}

static int schema_number(const json_t *value, uint64_t max)
{
	return json_is_integer(value) && json_integer_value(value) >= 0 &&
	       (uint64_t)json_integer_value(value) <= max;
}

static int schema_fits(const struct fw_member *member, const json_t *value);

/* An object of these members, and no others. */
static int schema_is(const struct fw_member *members, uint32_t count, const json_t *object)
{
	size_t known = 0;

	for (uint32_t i = 0; i < count; i++) {
		const json_t *value = json_object_get(object, members[i].name);

		if (!value && (members[i].flags & FW_REQUIRED))
			return 0;
		if (value && !schema_fits(&members[i], value))
			return 0;
		known += value != NULL;
	}
	return json_is_object(object) && known == json_object_size(object);
}

static int schema_item(const struct fw_member *member, const json_t *item)
{
	if (member->kind == FW_FILES)
		return schema_number(item, FW_RPC_FILES_MAX - 1);
	if (member->members)
		return schema_is(member->members, member->member_count, item);
	return json_is_string(item) && schema_choice(member, json_string_value(item));
}

static int schema_list(const struct fw_member *member, const json_t *value)
{
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!schema_item(member, json_array_get(value, i)))
			return 0;
	return json_is_array(value);
}

static int schema_fits(const struct fw_member *member, const json_t *value)
{
	uint64_t number;

	switch (member->kind) {
	case FW_TEXT:
		return json_is_string(value) && schema_choice(member, json_string_value(value));
	case FW_NUMBER:
		return schema_number(value, member->max ? member->max : SCHEMA_NUMBER_MAX);
	case FW_FLAG:
		return json_is_boolean(value);
	case FW_HEX:
		return json_is_string(value) &&
		       fw_hex_read(json_string_value(value), &number) == 0;
	case FW_FILE:
		return schema_number(value, FW_RPC_FILES_MAX - 1);
	case FW_OBJECT:
		return json_is_object(value);
	case FW_LIST:
	case FW_FILES:
		return schema_list(member, value);
	}
	return 0;
}

static const struct fw_member *schema_find(const struct fw_method *method, const char *name)
{
	for (uint32_t i = 0; i < method->param_count; i++)
		if (strcmp(method->params[i].name, name) == 0)
			return &method->params[i];
	return NULL;
}

static void schema_unknown(const struct fw_method *method, const char *name,
			   char why[static FW_RPC_WHY])
{
	struct fw_nearest nearest = { .word = name };

	for (uint32_t i = 0; i < method->param_count; i++)
		fw_nearest_try(&nearest, method->params[i].name);
	if (nearest.best)
		(void)snprintf(why, FW_RPC_WHY,
			       "%s: no parameter \"%.64s\", did you mean \"%s\"", method->name,
			       name, nearest.best);
	else
		(void)snprintf(why, FW_RPC_WHY, "%s: no parameter \"%.64s\"", method->name,
			       name);
}

int fw_params_check(const struct fw_method *method, const json_t *params,
		    char why[static FW_RPC_WHY])
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)params, name, value)
	{
		const struct fw_member *member = schema_find(method, name);

		if (!member) {
			schema_unknown(method, name, why);
			return -1;
		}
		if (!schema_fits(member, value)) {
			(void)snprintf(why, FW_RPC_WHY, "%s: %s: not %s", method->name, name,
				       schema_kind(member));
			return -1;
		}
	}
	for (uint32_t i = 0; i < method->param_count; i++)
		if ((method->params[i].flags & FW_REQUIRED) &&
		    !json_object_get(params, method->params[i].name)) {
			(void)snprintf(why, FW_RPC_WHY, "%s: parameter \"%s\" is missing",
				       method->name, method->params[i].name);
			return -1;
		}
	return 0;
}

/* --- as JSON schema --- */

static json_t *schema_object(const struct fw_member *members, uint32_t count, int closed);

static json_t *schema_words(const char *const *choices)
{
	json_t *words = json_array();

	for (uint32_t i = 0; choices[i]; i++)
		(void)json_array_append_new(words, json_string(choices[i]));
	return json_pack("{s:s, s:o}", "type", "string", "enum", words);
}

static json_t *schema_text(const struct fw_member *member)
{
	return member->choices ? schema_words(member->choices)
			       : json_pack("{s:s}", "type", "string");
}

static json_t *schema_range(uint64_t max)
{
	return json_pack("{s:s, s:i, s:I}", "type", "integer", "minimum", 0, "maximum",
			 (json_int_t)max);
}

static json_t *schema_items(json_t *items)
{
	return json_pack("{s:s, s:o}", "type", "array", "items", items);
}

static json_t *schema_value(const struct fw_member *member, int closed)
{
	switch (member->kind) {
	case FW_TEXT:
		return schema_text(member);
	case FW_NUMBER:
		return schema_range(member->max ? member->max : SCHEMA_NUMBER_MAX);
	case FW_FLAG:
		return json_pack("{s:s}", "type", "boolean");
	case FW_HEX:
		return json_pack("{s:s, s:s}", "type", "string", "pattern",
				 "^0x[0-9a-fA-F]{1,16}$");
	case FW_FILE:
		return schema_range(FW_RPC_FILES_MAX - 1);
	case FW_OBJECT:
		return schema_object(member->members, member->member_count,
				     closed && member->members);
	case FW_LIST:
		return schema_items(member->members ? schema_object(member->members,
								    member->member_count, 0)
						    : schema_text(member));
	case FW_FILES:
		return schema_items(schema_range(FW_RPC_FILES_MAX - 1));
	}
	return NULL;
}

/* closed: nothing else may be in it, as with parameters. */
static json_t *schema_object(const struct fw_member *members, uint32_t count, int closed)
{
	json_t *object = json_pack("{s:s}", "type", "object");
	json_t *properties = json_object(), *required = json_array();

	for (uint32_t i = 0; i < count; i++) {
		json_t *value = schema_value(&members[i], closed);

		if (members[i].flags & FW_NULLABLE)
			value = json_pack("{s:[o, {s:s}]}", "anyOf", value, "type", "null");
		(void)json_object_set_new(value, "description", json_string(members[i].help));
		(void)json_object_set_new(properties, members[i].name, value);
		if (members[i].flags & FW_REQUIRED)
			(void)json_array_append_new(required, json_string(members[i].name));
	}
	(void)json_object_set_new(object, "properties", properties);
	(void)json_object_set_new(object, "required", required);
	if (closed)
		(void)json_object_set_new(object, "additionalProperties", json_false());
	return object;
}

/* What a message of this method, or a notification of this event, is. */
static json_t *schema_entry(const struct fw_method *method, int event)
{
	json_t *entry = json_pack("{s:s}", "description", method->help);

	(void)json_object_set_new(entry, "params",
				  schema_object(method->params, method->param_count, !event));
	if (!event)
		(void)json_object_set_new(
			entry, "result",
			schema_object(method->result, method->result_count, 0));
	return entry;
}

json_t *fw_rpc_schema(const struct fw_methods *const *groups, const struct fw_methods *events)
{
	json_t *methods = json_object(), *told = json_object();
	json_t *schema = json_pack(
		"{s:s, s:s, s:s}", "$schema", "https://json-schema.org/draft/2020-12/schema",
		"title", "control socket of a Lichen VM", "description",
		"JSON-RPC 2.0, a message a line; each entry of methods has the "
		"schemas of its params and its result, each of events that of "
		"the params of the notification \"event\"");

	for (uint32_t g = 0; groups[g]; g++)
		for (uint32_t i = 0; i < groups[g]->count; i++)
			(void)json_object_set_new(methods, groups[g]->methods[i].name,
						  schema_entry(&groups[g]->methods[i], 0));
	for (uint32_t i = 0; i < events->count; i++)
		(void)json_object_set_new(told, events->methods[i].name,
					  schema_entry(&events->methods[i], 1));
	(void)json_object_set_new(schema, "methods", methods);
	(void)json_object_set_new(schema, "events", told);
	return schema;
}
