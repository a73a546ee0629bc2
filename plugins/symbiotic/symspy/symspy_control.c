/* SPDX-License-Identifier: MIT */
/* symspy_control.c: symspy's methods of the control socket.  See symspy.h. */
#include <lichen/sdk/schema.h>

#include "symspy.h"

enum symspy_method { SYMSPY_INFO = 0, SYMSPY_LIST = 1, SYMSPY_READ = 2, SYMSPY_WISH = 3 };

enum { SYMSPY_RECORD_MAX = 64 << 10 }; /* bytes of a record that is shown */

static const struct lichen_control_method symspy_methods[] = {
	[SYMSPY_INFO] = { LICHEN_STRUCT(struct lichen_control_method), .name = "symspy.info",
			  .summary = "what is registered, and counters",
			  .parameters = "{\"type\": \"object\", \"properties\": {}}",
			  .result = "{\"type\": \"object\"}" },
	[SYMSPY_LIST] = { LICHEN_STRUCT(struct lichen_control_method), .name = "symspy.list",
			  .summary = "the records that there are, with their schemas",
			  .parameters = "{\"type\": \"object\", \"properties\": {}}",
			  .result =
				  "{\"type\": \"array\", \"items\": {\"type\": \"object\"}}" },
	[SYMSPY_READ] = { LICHEN_STRUCT(struct lichen_control_method), .name = "symspy.read",
			  .summary = "a record, of one vCPU or of all that have it",
			  .parameters = "{\"type\": \"object\", \"required\": [\"record\"], "
					"\"properties\": {\"record\": {\"type\": \"string\"}, "
					"\"vcpu\": {\"type\": \"integer\"}, "
					"\"raw\": {\"type\": \"boolean\"}}}",
			  .result =
				  "{\"type\": \"array\", \"items\": {\"type\": \"object\"}}" },
	[SYMSPY_WISH] = { LICHEN_STRUCT(struct lichen_control_method), .name = "symspy.wish",
			  .summary = "tells the guest how much memory it might do without",
			  .parameters = "{\"type\": \"object\", \"required\": [\"bytes\"], "
					"\"properties\": {\"bytes\": {\"type\": [\"integer\", "
					"\"string\"]}}}",
			  .result = "{\"type\": \"null\"}" },
};

/* Set `index` of all: the VM's, then the vCPUs'. */
static const struct lichen_shared *symspy_set(const struct symspy *s, uint32_t index)
{
	return index == 0 ? &s->global : &s->vcpus[index - 1];
}

static json_t *symspy_vcpu(uint32_t index)
{
	return index == 0 ? json_null() : json_integer(index - 1);
}

static void symspy_info(struct symspy *s, uint64_t token)
{
	uint32_t vcpus = 0;

	for (uint32_t i = 0; i < SYMSPY_VCPUS; i++)
		vcpus += s->vcpus[i].size != 0;
	lichen_control_answer(
		&s->dev, s->control, token,
		json_pack("{s:b, s:b, s:b, s:i, s:o, s:o, s:o, s:o, s:o}", "agreed",
			  (s->symbiotic->agreed(s->dev.in) & LICHEN_FEATURE_SPY) != 0, "global",
			  s->global.size != 0, "host", s->host.size != 0, "vcpus", vcpus,
			  "reads", lichen_control_hex(s->reads), "retries",
			  lichen_control_hex(s->retries), "unsettled",
			  lichen_control_hex(s->unsettled), "malformed",
			  lichen_control_hex(s->malformed), "refused",
			  lichen_control_hex(s->refused)));
}

/* The records of one set, appended to `all`; a set that is malformed is one entry that says so.
 */
static void symspy_list_set(struct symspy *s, uint32_t index, json_t *all)
{
	const struct lichen_shared *shared = symspy_set(s, index);
	struct lichen_directory_entry entries[LICHEN_DIRECTORY_MAX];
	char schema[LICHEN_SCHEMA_MAX + 1];
	uint32_t count;
	const lichen_status status =
		lichen_directory_read(shared, LICHEN_DIRECTORY_SPY, entries, &count);

	if (status == -LICHEN_ENOENT)
		return;
	if (status < 0) {
		s->malformed++;
		(void)json_array_append_new(all, json_pack("{s:o, s:s}", "vcpu",
							   symspy_vcpu(index), "error",
							   "the guest's directory is "
							   "malformed"));
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		json_t *name;

		if (lichen_directory_schema(shared, &entries[i], schema) < 0)
			schema[0] = '\0';
		/* Names that are no UTF-8 are nobody's to ask for. */
		name = json_string(entries[i].name);
		if (!name)
			continue;
		(void)json_array_append_new(all,
					    json_pack("{s:o, s:o, s:i, s:s?}", "name", name,
						      "vcpu", symspy_vcpu(index), "size",
						      (int)entries[i].size, "schema", schema));
	}
}

static void symspy_list(struct symspy *s, uint64_t token)
{
	json_t *all = json_array();

	for (uint32_t i = 0; all && i <= SYMSPY_VCPUS; i++)
		symspy_list_set(s, i, all);
	lichen_control_answer(&s->dev, s->control, token, all);
}

/* What a read of one record comes to, as JSON. */
static json_t *symspy_shown(const struct lichen_shared *shared,
			    const struct lichen_directory_entry *entry, const uint8_t *bytes,
			    int raw)
{
	struct lichen_schema schema = { .fields = { { .name = "bytes",
						      .type = LICHEN_SCHEMA_DATA } },
					.count = 1,
					.repeat = 1 };
	char text[LICHEN_SCHEMA_MAX + 1] = "";
	struct lichen_why why;

	if (!raw && lichen_directory_schema(shared, entry, text) == 0 && text[0]) {
		struct lichen_schema own;

		if (lichen_schema_record(text, &own, &why) == 0)
			schema = own;
	}
	return lichen_schema_decode(&schema, bytes, entry->size);
}

/* Appends what set `index` has of `name`.  -LICHEN_ENOENT: nothing. */
static lichen_status symspy_read_set(struct symspy *s, uint32_t index, const char *name,
				     int raw, uint8_t *room, json_t *all)
{
	const struct lichen_shared *shared = symspy_set(s, index);
	struct lichen_directory_entry entry;
	uint32_t retries = 0;
	lichen_status status =
		lichen_directory_find(shared, LICHEN_DIRECTORY_SPY, name, &entry);

	if (status == 0) {
		status = lichen_record_read(shared, &entry, room, SYMSPY_RECORD_MAX, &retries);
		(void)symspy_counted(s, status, retries);
	}
	if (status == 0)
		(void)json_array_append_new(
			all, json_pack("{s:o, s:o}", "vcpu", symspy_vcpu(index), "values",
				       symspy_shown(shared, &entry, room, raw)));
	return status;
}

static const char *symspy_reason(lichen_status status)
{
	switch (status) {
	case -LICHEN_ENOENT:
		return "the guest shares no such record";
	case -LICHEN_EAGAIN:
		return "its writer does not settle";
	case -LICHEN_E2BIG:
		return "larger than 64 KiB";
	default:
		return "the guest's directory is malformed";
	}
}

static void symspy_read_all(struct symspy *s, uint64_t token, const char *name, uint32_t first,
			    uint32_t last, int raw)
{
	uint8_t *room = malloc(SYMSPY_RECORD_MAX);
	json_t *all = json_array();
	lichen_status failed = -LICHEN_ENOENT;

	for (uint32_t i = first; room && i <= last; i++) {
		const lichen_status status = symspy_read_set(s, i, name, raw, room, all);

		if (status < 0 && status != -LICHEN_ENOENT)
			failed = status;
	}
	free(room);
	if (!room || json_array_size(all)) {
		lichen_control_answer(&s->dev, s->control, token, room ? all : NULL);
		return;
	}
	json_decref(all);
	if (!(s->symbiotic->agreed(s->dev.in) & LICHEN_FEATURE_SPY))
		lichen_control_refuse(
			&s->dev, s->control, token, -LICHEN_ENODEV,
			"record %.60s: the guest has no symbiotic side, or has not "
			"agreed to SymSpy",
			name);
	else
		lichen_control_refuse(&s->dev, s->control, token, failed, "record %.60s: %s",
				      name, symspy_reason(failed));
}

static void symspy_read_one(struct symspy *s, uint64_t token, const json_t *parameters)
{
	const char *name = json_string_value(json_object_get(parameters, "record"));
	const int raw = json_is_true(json_object_get(parameters, "raw"));
	uint64_t vcpu;
	const int given = lichen_control_number(parameters, "vcpu", &vcpu);

	if (!name)
		lichen_control_refuse(&s->dev, s->control, token, -LICHEN_EINVAL,
				      "record: missing, or not a text");
	else if (given < 0 || (given && vcpu >= s->dev.host->cpu_count(s->dev.in)))
		lichen_control_refuse(&s->dev, s->control, token, -LICHEN_ERANGE,
				      "vcpu: not one of the VM's %u",
				      s->dev.host->cpu_count(s->dev.in));
	else if (given)
		symspy_read_all(s, token, name, (uint32_t)vcpu + 1, (uint32_t)vcpu + 1, raw);
	else
		symspy_read_all(s, token, name, 0, SYMSPY_VCPUS, raw);
}

static void symspy_wish(struct symspy *s, uint64_t token, const json_t *parameters)
{
	uint64_t bytes;

	if (lichen_control_number(parameters, "bytes", &bytes) <= 0) {
		lichen_control_refuse(&s->dev, s->control, token, -LICHEN_EINVAL,
				      "bytes: missing, or not a number");
		return;
	}
	s->wish = bytes;
	symspy_host_update(s);
	s->symbiotic->notify(s->dev.in, LICHEN_CAUSE_SPY_HOST);
	lichen_control_answer(&s->dev, s->control, token, json_null());
}

/* [control, realized to running] */
static void symspy_call(void *self, uint64_t client, uint64_t token, uint32_t method,
			const char *text, uint32_t size, const int32_t *descriptors,
			uint32_t descriptor_count)
{
	struct symspy *s = self;
	json_t *parameters = lichen_control_parameters(text, size);

	(void)client, (void)descriptors, (void)descriptor_count;
	if (!parameters) {
		lichen_control_refuse(&s->dev, s->control, token, -LICHEN_EINVAL,
				      "parameters: not an object");
		return;
	}
	switch (method) {
	case SYMSPY_INFO:
		symspy_info(s, token);
		break;
	case SYMSPY_LIST:
		symspy_list(s, token);
		break;
	case SYMSPY_READ:
		symspy_read_one(s, token, parameters);
		break;
	default:
		symspy_wish(s, token, parameters);
		break;
	}
	json_decref(parameters);
}

const struct lichen_control_ops symspy_control = {
	LICHEN_STRUCT(struct lichen_control_ops),
	.methods = LICHEN_TABLE(symspy_methods),
	.call = symspy_call,
};
