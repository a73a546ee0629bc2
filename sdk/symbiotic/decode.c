/* SPDX-License-Identifier: MIT */
/* decode.c: bytes as JSON, and JSON as arguments, by a schema.  See <lichen/sdk/schema.h>. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lichen/sdk/schema.h>

static uint64_t decode_number(const uint8_t *at, uint32_t size)
{
	uint64_t value = 0;

	memcpy(&value, at, size);
	return value;
}

static int64_t decode_signed(uint64_t value, uint32_t size)
{
	const uint32_t spare = 64 - 8 * size;

	return (int64_t)(value << spare) >> spare;
}

static json_t *decode_integer(const struct lichen_schema_field *field, uint64_t value)
{
	char text[32];

	if (field->type == LICHEN_SCHEMA_SIGNED && field->size < 8)
		return json_integer(decode_signed(value, field->size));
	if (field->size < 8 && field->type == LICHEN_SCHEMA_UNSIGNED)
		return json_integer((json_int_t)value);
	(void)snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
	return json_string(text);
}

/* How many bytes of `at` are one character of UTF-8; 0: none are. */
static uint32_t decode_character(const uint8_t *at, uint32_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const uint32_t size = at[0] < 0x80	   ? 1
			      : at[0] >> 5 == 0x06 ? 2
			      : at[0] >> 4 == 0x0e ? 3
			      : at[0] >> 3 == 0x1e ? 4
						   : 0;
	uint32_t point = size > 1 ? at[0] & (0x7fu >> size) : at[0];

	if (size == 0 || size > left)
		return 0;
	for (uint32_t i = 1; i < size; i++) {
		if (at[i] >> 6 != 2)
			return 0;
		point = point << 6 | (at[i] & 0x3f);
	}
	if (point < least[size] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return 0;
	return size;
}

/* Up to the first NUL. */
static json_t *decode_text(const uint8_t *at, uint32_t size)
{
	uint32_t used = 0;
	json_t *json;
	char *text;

	size = (uint32_t)strnlen((const char *)at, size);
	text = malloc((size_t)size + 1);
	if (!text)
		return NULL;
	while (used < size) {
		const uint32_t whole = decode_character(at + used, size - used);

		if (whole)
			memcpy(text + used, at + used, whole);
		else
			text[used] = '?';
		used += whole ? whole : 1;
	}
	json = json_stringn(text, size);
	free(text);
	return json;
}

static json_t *decode_data(const uint8_t *at, uint32_t size)
{
	static const char digits[] = "0123456789abcdef";
	char *text = malloc(2 * (size_t)size + 1);
	json_t *json;

	if (!text)
		return NULL;
	for (uint32_t i = 0; i < size; i++) {
		text[2 * i] = digits[at[i] >> 4];
		text[2 * i + 1] = digits[at[i] & 15];
	}
	json = json_stringn(text, 2 * (size_t)size);
	free(text);
	return json;
}

static json_t *decode_field(const struct lichen_schema_field *field, const uint8_t *at,
			    uint32_t size)
{
	switch (field->type) {
	case LICHEN_SCHEMA_TEXT:
		return decode_text(at, size);
	case LICHEN_SCHEMA_DATA:
		return decode_data(at, size);
	default:
		return decode_integer(field, decode_number(at, size));
	}
}

/* Fields [first, last) from *at on, into `object`; 0: the bytes end before the last of them. */
static int decode_fields(const struct lichen_schema *schema, uint32_t first, uint32_t last,
			 const uint8_t **at, uint32_t *left, json_t *object)
{
	for (uint32_t i = first; i < last; i++) {
		const struct lichen_schema_field *field = &schema->fields[i];
		const uint32_t size = field->size ? field->size : *left;

		if (size > *left)
			return 0;
		if (field->type != LICHEN_SCHEMA_PAD)
			(void)json_object_set_new(object, field->name,
						  decode_field(field, *at, size));
		*at += size;
		*left -= size;
	}
	return 1;
}

json_t *lichen_schema_decode(const struct lichen_schema *schema, const void *bytes,
			     uint32_t size)
{
	json_t *object = json_object(), *items;
	const uint8_t *at = bytes;

	if (!object || !decode_fields(schema, 0, schema->repeat, &at, &size, object) ||
	    schema->repeat == schema->count)
		return object;
	items = json_array();
	while (size) { /* each round takes at least one byte */
		json_t *item = json_object();

		if (!item ||
		    !decode_fields(schema, schema->repeat, schema->count, &at, &size, item)) {
			json_decref(item);
			break;
		}
		(void)json_array_append_new(items, item);
	}
	(void)json_object_set_new(object, "items", items);
	return object;
}

json_t *lichen_schema_registers(const struct lichen_schema *schema, const uint64_t *values,
				uint32_t count)
{
	json_t *object = json_object();

	for (uint32_t i = 0; object && i < schema->count && i < count; i++)
		(void)json_object_set_new(object, schema->fields[i].name,
					  decode_integer(&schema->fields[i], values[i]));
	return object;
}

/* --- the way in --- */

static lichen_status encode_number(const struct lichen_schema_field *field, json_t *json,
				   uint64_t *value, struct lichen_why *why)
{
	const char *text = json_string_value(json);
	char *end;

	if (json_is_integer(json)) {
		*value = (uint64_t)json_integer_value(json);
	} else if (text && text[0]) {
		errno = 0;
		*value = text[0] == '-' ? (uint64_t)strtoll(text, &end, 0)
					: strtoull(text, &end, 0);
		if (*end || errno)
			return lichen_refuse(why, -LICHEN_EINVAL, "%s: %.40s: not a number",
					     field->name, text);
	} else {
		return lichen_refuse(why, -LICHEN_EINVAL, "%s: not a number", field->name);
	}
	if (field->size == 8 || *value >> (8 * field->size) == 0)
		return 0;
	if (field->type == LICHEN_SCHEMA_SIGNED &&
	    decode_signed(*value, field->size) == (int64_t)*value)
		return 0;
	return lichen_refuse(why, -LICHEN_EINVAL, "%s: 0x%llx: more than %u bits", field->name,
			     (unsigned long long)*value, 8 * field->size);
}

static int encode_digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;

	return at ? (int)(at - digits) : -1;
}

static lichen_status encode_data(const struct lichen_schema_field *field, const char *text,
				 size_t size, uint8_t *page, struct lichen_why *why)
{
	for (size_t i = 0; i < size; i++) {
		const int high = encode_digit(text[2 * i]), low = encode_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return lichen_refuse(why, -LICHEN_EINVAL,
					     "%s: not pairs of hexadecimal digits",
					     field->name);
		page[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

static lichen_status encode_page(const struct lichen_schema_field *field, json_t *json,
				 uint8_t *page, uint32_t room, uint32_t *page_size,
				 struct lichen_why *why)
{
	const char *text = json_string_value(json);
	const int is_data = field->type == LICHEN_SCHEMA_DATA;
	size_t size;

	if (!text)
		return lichen_refuse(why, -LICHEN_EINVAL, "%s: not a text", field->name);
	size = json_string_length(json);
	if (is_data && size % 2)
		return lichen_refuse(why, -LICHEN_EINVAL, "%s: an odd number of digits",
				     field->name);
	size /= is_data ? 2 : 1;
	if (size > room)
		return lichen_refuse(why, -LICHEN_E2BIG, "%s: %zu bytes: the page takes %u",
				     field->name, size, room);
	*page_size = (uint32_t)size;
	if (is_data)
		return encode_data(field, text, size, page, why);
	memcpy(page, text, size);
	return 0;
}

/* 1: one of the schema's. */
static int encode_knows(const struct lichen_schema_call *call, const char *name)
{
	for (uint32_t i = 0; i < call->arguments.count; i++)
		if (strcmp(call->arguments.fields[i].name, name) == 0)
			return 1;
	return call->arguments_page.count &&
	       strcmp(call->arguments_page.fields[0].name, name) == 0;
}

static lichen_status encode_judge(const struct lichen_schema_call *call, json_t *from,
				  struct lichen_why *why)
{
	const uint32_t most = call->arguments.count + call->arguments_page.count;
	const char *name;
	json_t *value;

	if (json_is_array(from)) {
		if (json_array_size(from) <= most)
			return 0;
		return lichen_refuse(why, -LICHEN_EINVAL, "%zu arguments: it takes %u",
				     json_array_size(from), most);
	}
	if (!json_is_object(from))
		return lichen_refuse(why, -LICHEN_EINVAL,
				     "arguments are neither an object nor an array");
	json_object_foreach(from, name, value)
	{
		if (!encode_knows(call, name))
			return lichen_refuse(why, -LICHEN_EINVAL, "%.40s: no such argument",
					     name);
	}
	return 0;
}

lichen_status lichen_schema_encode(const struct lichen_schema_call *call, json_t *from,
				   uint64_t values[LICHEN_CALL_ARGUMENTS], uint8_t *page,
				   uint32_t room, uint32_t *page_size, struct lichen_why *why)
{
	const struct lichen_schema *arguments = &call->arguments;
	const uint32_t most = arguments->count + call->arguments_page.count;
	lichen_status status = encode_judge(call, from, why);

	memset(values, 0, LICHEN_CALL_ARGUMENTS * sizeof(*values));
	*page_size = 0;
	for (uint32_t i = 0; i < most && status == 0; i++) {
		const struct lichen_schema_field *field =
			i < arguments->count ? &arguments->fields[i]
					     : &call->arguments_page.fields[0];
		json_t *json = json_is_array(from) ? json_array_get(from, i)
						   : json_object_get(from, field->name);

		if (!json || json_is_null(json))
			continue;
		status = i < arguments->count
				 ? encode_number(field, json, &values[i], why)
				 : encode_page(field, json, page, room, page_size, why);
	}
	return status;
}
