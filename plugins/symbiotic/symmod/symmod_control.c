/* SPDX-License-Identifier: MIT */
/* symmod_control.c: symmod's methods of the control socket.  See symmod.h. */
#include "symmod.h"

enum symmod_method { SYMMOD_INFO = 0, SYMMOD_LIST = 1, SYMMOD_PUSH = 2, SYMMOD_DROP = 3 };

static const struct lichen_control_method symmod_methods[] = {
	[SYMMOD_INFO] = { LICHEN_STRUCT(struct lichen_control_method), .name = "symmod.info",
			  .summary = "the guest's policy, and counters",
			  .parameters = "{\"type\": \"object\", \"properties\": {}}",
			  .result = "{\"type\": \"object\"}" },
	[SYMMOD_LIST] = { LICHEN_STRUCT(struct lichen_control_method), .name = "symmod.list",
			  .summary = "the modules that were pushed and not dropped",
			  .parameters = "{\"type\": \"object\", \"properties\": {}}",
			  .result =
				  "{\"type\": \"array\", \"items\": {\"type\": \"object\"}}" },
	[SYMMOD_PUSH] = { LICHEN_STRUCT(struct lichen_control_method), .name = "symmod.push",
			  .summary =
				  "gives the guest the module whose file comes as descriptor",
			  .parameters = "{\"type\": \"object\", \"properties\": {\"name\": "
					"{\"type\": \"string\"}, \"parameters\": {\"type\": "
					"\"string\"}}}",
			  .result = "{\"type\": \"object\"}" },
	[SYMMOD_DROP] = { LICHEN_STRUCT(struct lichen_control_method), .name = "symmod.drop",
			  .summary = "has the guest unload a module",
			  .parameters = "{\"type\": \"object\", \"required\": [\"name\"], "
					"\"properties\": {\"name\": {\"type\": \"string\"}}}",
			  .result = "{\"type\": \"object\"}" },
};

void symmod_hex(const uint8_t hash[32], char text[65])
{
	for (uint32_t i = 0; i < 32; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", hash[i]);
}

static const char *symmod_kind(uint32_t kind)
{
	return kind == LICHEN_MODULE_LINUX ? "linux" : "object";
}

static void symmod_info(struct symmod *s, uint64_t token)
{
	const struct symmod_counts *c = &s->counts;
	const char *why = symmod_unable(s, 0);

	lichen_control_answer(&s->dev, s->control, token,
			      json_pack("{s:b, s:s?, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
					"takes", !why, "why_not", why, "waiting", s->waiting,
					"pushed", lichen_control_hex(c->pushed), "dropped",
					lichen_control_hex(c->dropped), "refused_here",
					lichen_control_hex(c->refused_here), "refused_there",
					lichen_control_hex(c->refused_there), "failed",
					lichen_control_hex(c->failed), "timeouts",
					lichen_control_hex(c->timeouts), "refused",
					lichen_control_hex(c->bad_msr)));
}

static void symmod_list(struct symmod *s, uint64_t token)
{
	json_t *all = json_array();
	char hash[65];

	for (uint32_t i = 0; all && i < SYMMOD_LOADED; i++) {
		const struct symmod_module *m = &s->modules[i];

		if (!m->name[0])
			continue;
		symmod_hex(m->sha256, hash);
		(void)json_array_append_new(
			all, json_pack("{s:s, s:s, s:o, s:s}", "name", m->name, "kind",
				       symmod_kind(m->kind), "size",
				       lichen_control_hex(m->size), "sha256", hash));
	}
	lichen_control_answer(&s->dev, s->control, token, all);
}

/* Takes the text of `key` into room for `size` bytes with its NUL; -1: told. */
static int symmod_take(struct symmod *s, uint64_t token, const json_t *parameters,
		       const char *key, char *to, size_t size)
{
	const json_t *json = json_object_get(parameters, key);
	const char *text = json_string_value(json);

	if (!json)
		return 0;
	if (text && symmod_fits(to, size, text))
		return 0;
	lichen_control_refuse(&s->dev, s->control, token, -LICHEN_EINVAL,
			      "%s: not a text of at most %zu bytes", key, size - 1);
	return -1;
}

/* Opens the file and judges it by our own rules and the guest's; NULL: told. */
static int symmod_offer(struct symmod *s, uint64_t token, struct symmod_request *request,
			int32_t descriptor)
{
	const char *why;
	const lichen_status status =
		s->module->open(s->dev.in, descriptor, request->name[0] ? request->name : NULL,
				&request->info, &request->handle);

	if (status < 0) {
		request->handle = 0;
		s->counts.refused_here++;
		lichen_control_refuse(&s->dev, s->control, token, status,
				      "%s: not a module for this guest: not a relocatable ELF "
				      "file for x86-64, cut short, or without a name",
				      request->name[0] ? request->name : "module");
		return -1;
	}
	memcpy(request->name, request->info->name, sizeof(request->name));
	why = symmod_unfit(s, request->info);
	if (!why)
		return 0;
	s->counts.refused_here++;
	lichen_control_refuse(&s->dev, s->control, token, -LICHEN_EPERM, "%s: %s",
			      request->name, why);
	return -1;
}

static void symmod_request(struct symmod *s, uint64_t token, const json_t *parameters,
			   uint32_t what, int32_t descriptor)
{
	struct symmod_request *request;
	const char *why = symmod_unable(s, 0);

	if (s->waiting >= SYMMOD_WAITING || why) {
		lichen_control_refuse(&s->dev, s->control, token, -LICHEN_EBUSY, "module: %s",
				      why ? why : "64 requests wait");
		return;
	}
	request = calloc(1, sizeof(*request));
	if (!request) {
		lichen_control_refuse(&s->dev, s->control, token, -LICHEN_ENOMEM,
				      "out of memory");
		return;
	}
	request->token = token;
	request->what = what;
	if (symmod_take(s, token, parameters, "name", request->name, sizeof(request->name)) ==
		    0 &&
	    symmod_take(s, token, parameters, "parameters", request->parameters,
			sizeof(request->parameters)) == 0 &&
	    (what == LICHEN_MODULE_DROP || symmod_offer(s, token, request, descriptor) == 0)) {
		symmod_ask(s, request);
		return;
	}
	symmod_request_free(s, request);
}

static void symmod_push(struct symmod *s, uint64_t token, const json_t *parameters,
			const int32_t *descriptors, uint32_t count)
{
	if (count != 1)
		lichen_control_refuse(&s->dev, s->control, token, -LICHEN_EINVAL,
				      "%u descriptors: a push takes one, the module's file",
				      count);
	else
		symmod_request(s, token, parameters, LICHEN_MODULE_OFFER, descriptors[0]);
}

static void symmod_drop(struct symmod *s, uint64_t token, const json_t *parameters)
{
	const char *name = json_string_value(json_object_get(parameters, "name"));

	if (!name || !name[0])
		lichen_control_refuse(&s->dev, s->control, token, -LICHEN_EINVAL,
				      "name: missing, or not a text");
	else if (!symmod_find(s, name))
		lichen_control_refuse(&s->dev, s->control, token, -LICHEN_ENOENT,
				      "%.64s: no module of this name was pushed", name);
	else
		symmod_request(s, token, parameters, LICHEN_MODULE_DROP, -1);
}

/* [control, realized to running] */
static void symmod_call(void *self, uint64_t client, uint64_t token, uint32_t method,
			const char *text, uint32_t size, const int32_t *descriptors,
			uint32_t count)
{
	struct symmod *s = self;
	json_t *parameters = lichen_control_parameters(text, size);

	(void)client;
	if (!parameters) {
		lichen_control_refuse(&s->dev, s->control, token, -LICHEN_EINVAL,
				      "parameters: not an object");
		return;
	}
	switch (method) {
	case SYMMOD_INFO:
		symmod_info(s, token);
		break;
	case SYMMOD_LIST:
		symmod_list(s, token);
		break;
	case SYMMOD_PUSH:
		symmod_push(s, token, parameters, descriptors, count);
		break;
	default:
		symmod_drop(s, token, parameters);
		break;
	}
	json_decref(parameters);
}

const struct lichen_control_ops symmod_control = {
	LICHEN_STRUCT(struct lichen_control_ops),
	.methods = LICHEN_TABLE(symmod_methods),
	.call = symmod_call,
};
