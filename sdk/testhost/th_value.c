/* SPDX-License-Identifier: MIT */
/* th_value.c: parameters, from the test's th_set...() to members of the instance. */
#include "th.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct lichen_param *th_params(const struct th *th)
{
	return th->class.params.items;
}

static uint32_t th_param_index(const struct th *th, const char *function, const char *key)
{
	for (uint32_t i = 0; i < th->class.params.count; i++)
		if (!strcmp(th_params(th)[i].name, key))
			return i;
	th_fail(th, function, "there is no parameter %s", key);
}

static uint32_t th_type_size(uint32_t type)
{
	switch (type) {
	case LICHEN_U8:
	case LICHEN_S8:
	case LICHEN_BOOL:
		return 1;
	case LICHEN_U16:
	case LICHEN_S16:
		return 2;
	case LICHEN_U32:
	case LICHEN_S32:
	case LICHEN_CHOICE:
	case LICHEN_FILE:
		return 4;
	case LICHEN_U64:
	case LICHEN_S64:
	case LICHEN_TEXT:
		return 8;
	default:
		return 0;
	}
}

static void th_number_check(const struct th *th, const struct lichen_param *p, uint64_t value)
{
	const uint32_t bits = p->size * 8;

	switch (p->type) {
	case LICHEN_S8:
	case LICHEN_S16:
	case LICHEN_S32:
	case LICHEN_S64: {
		const int64_t top = (int64_t)(UINT64_MAX >> (65 - bits));
		const int64_t max = p->max ? (int64_t)p->max : top;
		const int64_t min = p->min || p->max ? (int64_t)p->min : -top - 1;

		if ((int64_t)value < min || (int64_t)value > max)
			th_fail(th, "th_set", "%s: %lld is not in %lld to %lld", p->name,
				(long long)value, (long long)min, (long long)max);
		break;
	}
	case LICHEN_BOOL:
		if (value > 1)
			th_fail(th, "th_set", "%s: %llu is neither 0 nor 1", p->name,
				(unsigned long long)value);
		break;
	case LICHEN_CHOICE:
		if (value >= p->choices.count)
			th_fail(th, "th_set", "%s: there is no choice %llu", p->name,
				(unsigned long long)value);
		break;
	default: {
		const uint64_t max = p->max ? p->max : UINT64_MAX >> (64 - bits);

		if (value < p->min || value > max)
			th_fail(th, "th_set", "%s: %#llx is not in %#llx to %#llx", p->name,
				(unsigned long long)value, (unsigned long long)p->min,
				(unsigned long long)max);
		break;
	}
	}
}

/* The declarations are the plugin's: what a real host refuses at load fails here. */
void th_values_init(struct th *th)
{
	th->values = th_alloc(sizeof(*th->values) * (th->class.params.count + 1));
	for (uint32_t i = 0; i < th->class.params.count; i++) {
		const struct lichen_param *p = &th_params(th)[i];

		th->values[i].descriptor = -1;
		if (!p->name || !p->help)
			th_fail(th, "class", "params[%u] lacks its name or help", i);
		if (p->size != th_type_size(p->type) || p->offset < sizeof(struct lichen_dev) ||
		    p->offset > th->class.instance_size ||
		    p->size > th->class.instance_size - p->offset)
			th_fail(th, "class", "parameter %s does not fit the instance", p->name);
		for (uint32_t j = 0; j < i; j++)
			if (!strcmp(p->name, th_params(th)[j].name))
				th_fail(th, "class", "parameter %s is declared twice", p->name);
		if (p->type != LICHEN_TEXT && p->type != LICHEN_FILE &&
		    !(p->flags & LICHEN_PARAM_REQUIRED))
			th_number_check(th, p, p->fallback);
	}
}

static struct th_value *th_set_any(struct th *th, const char *function, const char *key,
				   const struct lichen_param **p)
{
	const uint32_t i = th_param_index(th, function, key);

	if (th->state != TH_NEW)
		th_fail(th, function, "%s is set after th_start()", key);
	*p = &th_params(th)[i];
	th->values[i].given = 1;
	return &th->values[i];
}

void th_set(struct th *th, const char *key, uint64_t value)
{
	const struct lichen_param *p;
	struct th_value *v = th_set_any(th, "th_set", key, &p);

	if (p->type == LICHEN_TEXT || p->type == LICHEN_FILE)
		th_fail(th, "th_set", "%s is not a number", key);
	th_number_check(th, p, value);
	v->number = value;
}

void th_set_text(struct th *th, const char *key, const char *text)
{
	const struct lichen_param *p;
	struct th_value *v = th_set_any(th, "th_set_text", key, &p);

	if (p->type != LICHEN_TEXT)
		th_fail(th, "th_set_text", "%s is not a text", key);
	if (strlen(text) < p->min || (p->max && strlen(text) > p->max))
		th_fail(th, "th_set_text", "%s: %zu bytes are not in %llu to %llu", key,
			strlen(text), (unsigned long long)p->min, (unsigned long long)p->max);
	free(v->text);
	v->text = th_copy_text(text);
}

void th_set_file(struct th *th, const char *key, int descriptor)
{
	const struct lichen_param *p;
	struct th_value *v = th_set_any(th, "th_set_file", key, &p);

	if (p->type != LICHEN_FILE)
		th_fail(th, "th_set_file", "%s is not a file", key);
	if (v->descriptor >= 0)
		close(v->descriptor);
	v->descriptor = descriptor;
}

uint64_t th_value_of(struct th *th, const char *name)
{
	const uint32_t i = th_param_index(th, "class", name);

	return th->values[i].given ? th->values[i].number : th_params(th)[i].fallback;
}

static int32_t th_duplicate(const struct th *th, const char *key, int32_t descriptor)
{
	int32_t copy;

	if (descriptor < 0)
		return -1;
	copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		th_fail(th, "th_set_file", "%s: %s", key, strerror(errno));
	return copy;
}

void th_values_store(struct th *th)
{
	for (uint32_t i = 0; i < th->class.params.count; i++) {
		const struct lichen_param *p = &th_params(th)[i];
		const struct th_value *v = &th->values[i];
		const uint64_t number = v->given ? v->number : p->fallback;
		const char *text = v->given ? v->text : p->text_fallback;
		uint8_t *to = th->self + p->offset;

		if (!v->given && p->flags & LICHEN_PARAM_REQUIRED)
			th_fail(th, "th_start", "parameter %s is required", p->name);
		if (p->type == LICHEN_TEXT)
			memcpy(to, &text, sizeof(text));
		else if (p->type == LICHEN_FILE)
			memcpy(to, &(int32_t){ th_duplicate(th, p->name, v->descriptor) },
			       sizeof(int32_t));
		else
			memcpy(to, &number, p->size); /* little-endian */
	}
}

/* A plugin that closed a descriptor of its own says so with -1 in the member. */
void th_values_close(struct th *th)
{
	for (uint32_t i = 0; i < th->class.params.count; i++) {
		const struct lichen_param *p = &th_params(th)[i];
		int32_t descriptor;

		if (p->type != LICHEN_FILE)
			continue;
		memcpy(&descriptor, th->self + p->offset, sizeof(descriptor));
		if (descriptor >= 0 && close(descriptor))
			th_fail(th, "destroy", "%s was closed, and its member is not -1",
				p->name);
	}
}

void th_values_free(struct th *th)
{
	for (uint32_t i = 0; i < th->class.params.count; i++) {
		free(th->values[i].text);
		if (th->values[i].descriptor >= 0)
			close(th->values[i].descriptor);
	}
	free(th->values);
}
