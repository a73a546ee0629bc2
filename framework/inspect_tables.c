/* SPDX-License-Identifier: MIT */
/* inspect_tables.c: see inspect_tables.h. */
#include <inttypes.h>

#include "class.h"
#include "inspect.h"
#include "inspect_tables.h"
#include "profile_tree.h"

static const char *const table_types[] = {
	[LICHEN_U8] = "u8",	    [LICHEN_U16] = "u16",	[LICHEN_U32] = "u32",
	[LICHEN_U64] = "u64",	    [LICHEN_S8] = "s8",		[LICHEN_S16] = "s16",
	[LICHEN_S32] = "s32",	    [LICHEN_S64] = "s64",	[LICHEN_TEXT] = "text",
	[LICHEN_BOOL] = "bool",	    [LICHEN_CHOICE] = "choice", [LICHEN_FILE] = "file",
	[LICHEN_NESTED] = "nested", [LICHEN_LIST] = "list",	[LICHEN_BLOB] = "blob",
};

static const char *const table_units[] = {
	[LICHEN_UNIT_NONE] = NULL,   [LICHEN_UNIT_BYTES] = "bytes", [LICHEN_UNIT_NS] = "ns",
	[LICHEN_UNIT_PORT] = "port", [LICHEN_UNIT_GPA] = "gpa",	    [LICHEN_UNIT_GSI] = "gsi",
};

static const char *const table_windows[] = {
	[LICHEN_IO] = "io",
	[LICHEN_RAM] = "ram",
	[LICHEN_ROM] = "rom",
	[LICHEN_MAPPED] = "mapped",
};

static const char *const table_places[] = {
	[LICHEN_PLACE_LATER] = NULL,
	[LICHEN_PLACE_PORT] = "port",
	[LICHEN_PLACE_GPA] = "gpa",
};

#define TABLE_NAME(names, index) \
	((index) < sizeof(names) / sizeof((names)[0]) ? (names)[index] : NULL)

/* Sets `key`, but not where there is no text; 0, or -1: no memory. */
static int table_text(json_t *to, const char *key, const char *text)
{
	return text ? json_object_set_new(to, key, fw_json_text(text)) : 0;
}

static int table_flag(json_t *to, const char *key, uint32_t is)
{
	return is ? json_object_set_new(to, key, json_true()) : 0;
}

/* 64 bits that JSON libraries take as an integer, else hexadecimal text. */
static json_t *table_number(uint64_t number)
{
	return number > INT64_MAX ? json_sprintf("0x%" PRIx64, number)
				  : json_integer((json_int_t)number);
}

static json_t *table_finish(json_t *json, int failed)
{
	if (!failed)
		return json;
	json_decref(json);
	return NULL;
}

/* The array of what `item(items, i)` gives. */
static json_t *table_list(const struct lichen_table *table,
			  json_t *(*item)(const struct lichen_table *table, uint32_t index))
{
	json_t *list = json_array();
	int failed = !list;

	for (uint32_t i = 0; i < table->count && !failed; i++)
		failed = json_array_append_new(list, item(table, i));
	return table_finish(list, failed);
}

static json_t *table_choices(const struct lichen_table *table, uint32_t index)
{
	const char *const *names = table->items;

	return fw_json_text(names[index]);
}

json_t *fw_json_access(uint32_t flags)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} known[] = {
		{ LICHEN_PARAM_READ, "read" },	   { LICHEN_PARAM_WRITE, "write" },
		{ LICHEN_PARAM_CREATE, "create" }, { LICHEN_PARAM_APPEND, "append" },
		{ LICHEN_PARAM_DEVICE, "device" }, { LICHEN_PARAM_DIRECTORY, "directory" },
		{ LICHEN_PARAM_SOCKET, "socket" }, { LICHEN_PARAM_LISTEN, "listen" },
	};
	const uint32_t opens = LICHEN_PARAM_WRITE | LICHEN_PARAM_DIRECTORY |
			       LICHEN_PARAM_SOCKET | LICHEN_PARAM_LISTEN;
	json_t *list = json_array();
	int failed = !list;

	if (!(flags & opens))
		flags |= LICHEN_PARAM_READ;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && !failed; i++)
		if (flags & known[i].flag)
			failed = json_array_append_new(list, json_string(known[i].name));
	return table_finish(list, failed);
}

/* A bound or default, as a profile writes it. */
static int param_written(json_t *to, const char *key, const struct lichen_param *param,
			 uint64_t number)
{
	char text[FW_WHY_SIZE];

	fw_scalar_write(param, number, text);
	return table_text(to, key, text);
}

static json_t *param_number(const struct lichen_param *param, uint64_t number)
{
	return ld_type_is_signed(param->type) ? json_integer((json_int_t)number)
					      : table_number(number);
}

static int param_integer(json_t *json, const struct lichen_param *param)
{
	json_t *yaml = json_object();
	uint64_t min, max;
	int failed;

	fw_scalar_bounds(param, &min, &max);
	failed = json_object_set_new(json, "min", param_number(param, min));
	failed |= json_object_set_new(json, "max", param_number(param, max));
	failed |= param_written(yaml, "min", param, min);
	failed |= param_written(yaml, "max", param, max);
	if (!(param->flags & LICHEN_PARAM_REQUIRED)) {
		failed |= json_object_set_new(json, "default",
					      param_number(param, param->fallback));
		failed |= param_written(yaml, "default", param, param->fallback);
	}
	return failed | json_object_set_new(json, "yaml", yaml);
}

static int param_text(json_t *json, const struct lichen_param *param)
{
	int failed =
		table_text(json, "default",
			   param->flags & LICHEN_PARAM_REQUIRED ? NULL : param->text_fallback);

	if (param->type == LICHEN_FILE)
		return failed |
		       json_object_set_new(json, "access", fw_json_access(param->flags));
	if (param->min)
		failed |= json_object_set_new(json, "min_length", table_number(param->min));
	if (param->max)
		failed |= json_object_set_new(json, "max_length", table_number(param->max));
	return failed;
}

static int param_choice(json_t *json, const struct lichen_param *param)
{
	const char *const *names = param->choices.items;
	int failed = json_object_set_new(json, "choices",
					 table_list(&param->choices, table_choices));

	if (!(param->flags & LICHEN_PARAM_REQUIRED))
		failed |= table_text(json, "default", names[param->fallback]);
	return failed;
}

static json_t *table_param(const struct lichen_table *table, uint32_t index)
{
	const struct lichen_param *param = (const struct lichen_param *)table->items + index;
	json_t *json = json_object();
	int failed = table_text(json, "name", param->name);

	failed |= table_text(json, "type", TABLE_NAME(table_types, param->type));
	failed |= table_text(json, "unit", TABLE_NAME(table_units, param->unit));
	failed |= table_flag(json, "required", param->flags & LICHEN_PARAM_REQUIRED);
	failed |= table_flag(json, "shared", param->flags & LICHEN_PARAM_SHARED);
	if (param->flags & LICHEN_PARAM_LIST)
		failed |= table_flag(json, "list", 1);
	if (param->type == LICHEN_CHOICE)
		failed |= param_choice(json, param);
	else if (param->type == LICHEN_TEXT || param->type == LICHEN_FILE)
		failed |= param_text(json, param);
	else if (param->type != LICHEN_BOOL)
		failed |= param_integer(json, param);
	else if (!(param->flags & LICHEN_PARAM_REQUIRED))
		failed |= json_object_set_new(json, "default",
					      json_boolean(param->fallback != 0));
	failed |= table_text(json, "help", param->help);
	return table_finish(json, failed);
}

json_t *fw_json_params(const struct lichen_class *class)
{
	return table_list(&class->params, table_param);
}

static json_t *window_sizes(uint32_t sizes)
{
	json_t *list = json_array();
	int failed = !list;

	for (uint32_t size = 1; size <= 8 && !failed; size *= 2)
		if (sizes == 0 || (sizes & size))
			failed = json_array_append_new(list, json_integer(size));
	return table_finish(list, failed);
}

static json_t *table_window(const struct lichen_table *table, uint32_t index)
{
	const struct lichen_window *window = (const struct lichen_window *)table->items + index;
	json_t *json = json_object();
	int failed = table_text(json, "name", window->name);

	failed |= table_text(json, "kind", TABLE_NAME(table_windows, window->kind));
	failed |= json_object_set_new(json, "size", table_number(window->size));
	failed |= json_object_set_new(json, "access_sizes", window_sizes(window->access_sizes));
	failed |= table_text(json, "other_sizes",
			     window->split == LICHEN_REFUSE ? "refused" : "split");
	failed |= table_text(json, "place", TABLE_NAME(table_places, window->place));
	failed |= table_text(json, "placed_by", window->placed_by);
	if (window->place != LICHEN_PLACE_LATER && !window->placed_by)
		failed |= json_object_set_new(json, "address", table_number(window->address));
	return table_finish(json, failed);
}

json_t *fw_json_windows(const struct lichen_class *class)
{
	return table_list(&class->windows, table_window);
}

static json_t *table_field(const struct lichen_table *table, uint32_t index)
{
	const struct lichen_field *field = (const struct lichen_field *)table->items + index;
	json_t *json = json_object();
	int failed = table_text(json, "name", field->name);

	failed |= table_text(json, "type", TABLE_NAME(table_types, field->type));
	failed |= json_object_set_new(json, "since", json_integer(field->since));
	if (field->count > 1)
		failed |= json_object_set_new(json, "count", json_integer(field->count));
	failed |= table_flag(json, "counted", field->flags & LICHEN_FIELD_COUNTED);
	failed |= table_flag(json, "sticky", field->flags & LICHEN_FIELD_STICKY);
	if (field->fields.count)
		failed |= json_object_set_new(json, "fields", fw_json_fields(&field->fields));
	failed |= table_text(json, "help", field->help);
	return table_finish(json, failed);
}

/* As deep as the loader lets tables of fields nest. */
json_t *fw_json_fields(const struct lichen_table *fields)
{
	return table_list(fields, table_field);
}

static json_t *table_provide(const struct lichen_table *table, uint32_t index)
{
	return fw_json_text(((const struct lichen_provide *)table->items)[index].id);
}

json_t *fw_json_provides(const struct lichen_class *class)
{
	return table_list(&class->provides, table_provide);
}

static json_t *table_need(const struct lichen_table *table, uint32_t index)
{
	const struct lichen_need *need = (const struct lichen_need *)table->items + index;
	json_t *json = json_object();
	int failed = table_text(json, "interface", need->id);

	failed |= table_text(json, "key", need->key);
	failed |= table_flag(json, "optional", need->flags & LICHEN_NEED_OPTIONAL);
	failed |= table_flag(json, "many", need->flags & LICHEN_NEED_MANY);
	failed |= table_text(json, "help", need->help);
	return table_finish(json, failed);
}

json_t *fw_json_needs(const struct lichen_class *class)
{
	return table_list(&class->needs, table_need);
}
