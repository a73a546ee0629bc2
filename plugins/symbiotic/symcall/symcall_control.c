/* SPDX-License-Identifier: MIT */
/* symcall_control.c: symcall's methods of the control socket.  See symcall.h. */
#include "symcall.h"

enum symcall_method { SYMCALL_INFO = 0, SYMCALL_FUNCTIONS = 1, SYMCALL_CALL = 2 };

static const struct lichen_control_method symcall_methods[] = {
	[SYMCALL_INFO] = { LICHEN_STRUCT(struct lichen_control_method), .name = "symcall.info",
			   .summary = "what is registered, counters and histograms",
			   .parameters = "{\"type\": \"object\", \"properties\": {}}",
			   .result = "{\"type\": \"object\"}" },
	[SYMCALL_FUNCTIONS] = { LICHEN_STRUCT(struct lichen_control_method),
				.name = "symcall.functions",
				.summary = "the functions that the guest offers",
				.parameters = "{\"type\": \"object\", \"properties\": {}}",
				.result = "{\"type\": \"array\", \"items\": {\"type\": "
					  "\"object\"}}" },
	[SYMCALL_CALL] = { LICHEN_STRUCT(struct lichen_control_method), .name = "symcall.call",
			   .summary = "calls a function of the guest and waits for its answer",
			   .parameters =
				   "{\"type\": \"object\", \"required\": [\"function\"], "
				   "\"properties\": {\"function\": {\"type\": \"string\"}, "
				   "\"arguments\": {\"type\": [\"object\", \"array\"]}, "
				   "\"vcpu\": {\"type\": \"integer\"}, "
				   "\"deadline_ns\": {\"type\": [\"integer\", \"string\"]}, "
				   "\"mode\": {\"enum\": [\"auto\", \"direct\", "
				   "\"deferred\"]}, \"wait\": {\"type\": \"boolean\"}}}",
			   .result = "{\"type\": \"object\"}" },
};

static const char *const symcall_modes[] = {
	[LICHEN_SYMCALL_AUTO] = "auto",
	[LICHEN_SYMCALL_DIRECT] = "direct",
	[LICHEN_SYMCALL_DEFERRED] = "deferred",
};

static json_t *symcall_histogram(const uint64_t buckets[SYMCALL_BUCKETS])
{
	json_t *all = json_array();

	for (uint32_t i = 0; all && i < SYMCALL_BUCKETS; i++)
		(void)json_array_append_new(all, lichen_control_hex(buckets[i]));
	return all;
}

static json_t *symcall_moments_shown(const struct symcall *s)
{
	static const char *const names[SYMCALL_FLAGS] = {
		"user",	    "interrupts_off", "halted", "shadow",
		"injected", "completed",      "swapgs", "user_cr3",
	};
	json_t *all = json_object();

	for (uint32_t i = 0; all && i < SYMCALL_FLAGS; i++)
		(void)json_object_set_new(all, names[i],
					  lichen_control_hex(s->counts.moments[i]));
	return all;
}

static json_t *symcall_vcpus_shown(const struct symcall *s)
{
	const uint32_t count = s->dev.host->cpu_count(s->dev.in);
	json_t *all = json_array();

	for (uint32_t i = 0; all && i < count && i < SYMCALL_VCPUS; i++)
		(void)json_array_append_new(all,
					    json_string(!s->vcpus[i].registration.entry ? "none"
							: s->vcpus[i].dead		? "dead"
									   : "ready"));
	return all;
}

static void symcall_info(struct symcall *s, uint64_t token)
{
	const struct symcall_counts *c = &s->counts;

	lichen_control_answer(
		&s->dev, s->control, token,
		json_pack("{s:b, s:b, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			  "direct", symcall_agreed(s, LICHEN_FEATURE_CALL), "deferred",
			  s->area.size != 0, "vcpus", symcall_vcpus_shown(s), "under_way",
			  s->under_way, "calls", lichen_control_hex(c->calls), "failed",
			  lichen_control_hex(c->failed), "timeouts",
			  lichen_control_hex(c->timeouts), "crashed",
			  lichen_control_hex(c->crashed), "refused",
			  lichen_control_hex(c->refused), "late", lichen_control_hex(c->late),
			  "moments", symcall_moments_shown(s), "direct_log2_ns",
			  symcall_histogram(c->histogram[0]), "deferred_log2_ns",
			  symcall_histogram(c->histogram[1])));
}

static const char *symcall_unable(const struct symcall *s, lichen_status status)
{
	switch (status) {
	case -LICHEN_ENODEV:
		return symcall_agreed(s, LICHEN_FEATURE_CALL | LICHEN_FEATURE_CALL_DEFERRED)
			       ? "the guest offers no functions"
			       : "the guest has no symbiotic side, or has not agreed to "
				 "SymCall";
	case -LICHEN_ENOENT:
		return "the guest has no such function, or not in this mode";
	case -LICHEN_EBUSY:
		return "256 calls are under way";
	case -LICHEN_ENOMEM:
		return "out of memory";
	default:
		return "the guest's table of functions is malformed";
	}
}

static void symcall_functions(struct symcall *s, uint64_t token)
{
	struct lichen_directory_entry entries[LICHEN_DIRECTORY_MAX];
	char schema[LICHEN_SCHEMA_MAX + 1];
	uint32_t count;
	json_t *all;
	lichen_status status =
		lichen_directory_read(&s->table, LICHEN_DIRECTORY_CALL, entries, &count);

	if (status < 0) {
		if (status == -LICHEN_ENOENT)
			status = -LICHEN_ENODEV;
		lichen_control_refuse(&s->dev, s->control, token, status, "functions: %s",
				      symcall_unable(s, status));
		return;
	}
	all = json_array();
	for (uint32_t i = 0; all && i < count; i++) {
		json_t *name = json_string(entries[i].name);

		if (!name)
			continue;
		if (lichen_directory_schema(&s->table, &entries[i], schema) < 0)
			schema[0] = '\0';
		(void)json_array_append_new(
			all, json_pack("{s:o, s:b, s:b, s:s?}", "name", name, "direct",
				       (entries[i].flags & LICHEN_CALL_DIRECT) != 0, "deferred",
				       (entries[i].flags & LICHEN_CALL_DEFERRED) != 0, "schema",
				       schema));
	}
	lichen_control_answer(&s->dev, s->control, token, all);
}

/* A vCPU is the caller's for so long, and a slot: what is beyond has no use, and would be a
 * mistake of units.  0: told. */
static int symcall_fits(struct symcall *s, uint64_t token,
			const struct symcall_request *request)
{
	const int direct = (request->flags & LICHEN_CALL_DIRECT) != 0;
	const uint64_t most = direct ? SYMCALL_DIRECT_MAX : SYMCALL_DEFERRED_MAX;

	if (request->allowed > most)
		lichen_control_refuse(&s->dev, s->control, token, -LICHEN_ERANGE,
				      "deadline: more than the %s of a %s call",
				      direct ? "1min" : "60min",
				      direct ? "direct" : "deferred");
	else if (request->vcpu != LICHEN_SYMCALL_ANY && !direct)
		lichen_control_refuse(&s->dev, s->control, token, -LICHEN_EINVAL,
				      "vcpu: function %s cannot be called on a vCPU, only "
				      "deferred",
				      request->name);
	else
		return 1;
	return 0;
}

/* Of a call that is asked for: NULL and an answer, or what it is. */
static struct symcall_request *symcall_asked(struct symcall *s, uint64_t token,
					     const json_t *parameters)
{
	const char *name = json_string_value(json_object_get(parameters, "function"));
	const char *mode_name = json_string_value(json_object_get(parameters, "mode"));
	uint64_t vcpu = LICHEN_SYMCALL_ANY, deadline = 0;
	struct symcall_request *request;
	uint32_t mode = LICHEN_SYMCALL_AUTO;
	lichen_status status;

	while (mode_name && mode <= LICHEN_SYMCALL_DEFERRED &&
	       strcmp(mode_name, symcall_modes[mode]) != 0)
		mode++;
	if (!name || mode > LICHEN_SYMCALL_DEFERRED ||
	    lichen_control_number(parameters, "deadline_ns", &deadline) < 0) {
		lichen_control_refuse(&s->dev, s->control, token, -LICHEN_EINVAL, "%s",
				      !name ? "function: missing, or not a text"
				      : mode > LICHEN_SYMCALL_DEFERRED
					      ? "mode: neither auto nor direct nor deferred"
					      : "deadline_ns: not a number");
		return NULL;
	}
	if (lichen_control_number(parameters, "vcpu", &vcpu) < 0 || vcpu > UINT32_MAX)
		vcpu = UINT32_MAX - 1; /* no such one */
	status = symcall_request_new(s, name, mode, (uint32_t)vcpu, deadline, &request);
	if (status == 0) {
		if (symcall_fits(s, token, request))
			return request;
		symcall_request_free(s, request);
		return NULL;
	}
	if (status == -LICHEN_ERANGE)
		lichen_control_refuse(&s->dev, s->control, token, status,
				      "vcpu: not one of the VM's %u",
				      s->dev.host->cpu_count(s->dev.in));
	else
		lichen_control_refuse(&s->dev, s->control, token, status, "function %.60s: %s",
				      name, symcall_unable(s, status));
	return NULL;
}

static void symcall_call_method(struct symcall *s, uint64_t token, const json_t *parameters)
{
	json_t *arguments = json_object_get(parameters, "arguments");
	struct symcall_request *request = symcall_asked(s, token, parameters);
	struct lichen_why why;
	lichen_status status = 0;

	if (!request)
		return;
	if (arguments)
		status = lichen_schema_encode(&request->schema, arguments, request->values,
					      request->data, sizeof(request->data),
					      &request->size, &why);
	if (status < 0) {
		lichen_control_refuse(&s->dev, s->control, token, status, "%s: %s",
				      request->name, why.text);
		symcall_request_free(s, request);
		return;
	}
	if (json_is_false(json_object_get(parameters, "wait"))) {
		request->event_id = ++s->last_event;
		lichen_control_answer(
			&s->dev, s->control, token,
			json_pack("{s:o}", "id", lichen_control_hex(request->event_id)));
	} else {
		request->token = token;
	}
	symcall_begin(s, request);
}

/* [control, realized to running] */
static void symcall_on_call(void *self, uint64_t client, uint64_t token, uint32_t method,
			    const char *text, uint32_t size, const int32_t *descriptors,
			    uint32_t descriptor_count)
{
	struct symcall *s = self;
	json_t *parameters = lichen_control_parameters(text, size);

	(void)client, (void)descriptors, (void)descriptor_count;
	if (!parameters) {
		lichen_control_refuse(&s->dev, s->control, token, -LICHEN_EINVAL,
				      "parameters: not an object");
		return;
	}
	if (method == SYMCALL_INFO)
		symcall_info(s, token);
	else if (method == SYMCALL_FUNCTIONS)
		symcall_functions(s, token);
	else
		symcall_call_method(s, token, parameters);
	json_decref(parameters);
}

const struct lichen_control_ops symcall_control = {
	LICHEN_STRUCT(struct lichen_control_ops),
	.methods = LICHEN_TABLE(symcall_methods),
	.call = symcall_on_call,
};
