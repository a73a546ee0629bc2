/* SPDX-License-Identifier: MIT */
/*
 * sdk/control.h: methods of the control socket (<lichen/draft/control.h>) with jansson,
 * which the plugin links.  `control` is host->interface(in, LICHEN_CONTROL_HOST).
 */
#ifndef LICHEN_SDK_CONTROL_H
#define LICHEN_SDK_CONTROL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <lichen/class.h>
#include <lichen/draft/control.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Answers with `result`, which it takes; NULL: there was no memory.  [any, running] */
static inline void lichen_control_answer(const struct lichen_dev *dev,
					 const struct lichen_control_host *control,
					 uint64_t token, json_t *result)
{
	char *text = result ? json_dumps(result, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	if (text)
		control->answer(dev->in, token, 0, text, (uint32_t)strlen(text));
	else
		control->answer(dev->in, token, -LICHEN_ENOMEM, "out of memory", 13);
	free(text);
	json_decref(result);
}

/* Answers with one sentence: subject, value, limit.  [any, running] */
__attribute__((format(printf, 5, 6))) static inline void lichen_control_refuse(
	const struct lichen_dev *dev, const struct lichen_control_host *control, uint64_t token,
	lichen_status status, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	control->answer(dev->in, token, status, text, (uint32_t)strlen(text));
}

/* The parameters as an object, the caller's; NULL: not one.  [any, any] */
static inline json_t *lichen_control_parameters(const char *text, uint32_t size)
{
	json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);

	if (json && json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}

/* A number, or text that is one ("0x10"); 1: *value is it; 0: absent; -1: neither. */
static inline int lichen_control_number(const json_t *parameters, const char *key,
					uint64_t *value)
{
	const json_t *json = json_object_get(parameters, key);
	const char *text = json_string_value(json);
	char *end;

	if (!json || json_is_null(json))
		return 0;
	if (json_is_integer(json) && json_integer_value(json) >= 0) {
		*value = (uint64_t)json_integer_value(json);
		return 1;
	}
	if (!text || text[0] < '0' || text[0] > '9')
		return -1;
	*value = strtoull(text, &end, 0);
	return *end ? -1 : 1;
}

/* 64-bit numbers travel as text.  NULL: no memory. */
static inline json_t *lichen_control_hex(uint64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
	return json_string(text);
}

#ifdef __cplusplus
}
#endif

#endif
