/* SPDX-License-Identifier: MIT */
/* methods_meta.c: what there is to be asked, and who is told unasked. */
#include <string.h>

#include "control/server.h"

#define STRINGIFY_(x) #x
#define STRINGIFY(x) STRINGIFY_(x)

static const struct fw_member hello_result[] = {
	{ .name = "lichen", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "its version" },
	{ .name = "abi",
	  .kind = FW_TEXT,
	  .flags = FW_REQUIRED,
	  .help = "of plugins that it takes" },
	{ .name = "vm", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "name of the VM" },
	{ .name = "methods",
	  .kind = FW_LIST,
	  .flags = FW_REQUIRED,
	  .help = "that can be called" },
	{ .name = "events",
	  .kind = FW_LIST,
	  .flags = FW_REQUIRED,
	  .help = "that can be subscribed to" },
	{ .name = "line_max",
	  .kind = FW_NUMBER,
	  .flags = FW_REQUIRED,
	  .help = "bytes of a line" },
	{ .name = "depth_max",
	  .kind = FW_NUMBER,
	  .flags = FW_REQUIRED,
	  .help = "arrays and objects in one another" },
	{ .name = "batch_max",
	  .kind = FW_NUMBER,
	  .flags = FW_REQUIRED,
	  .help = "calls in one array" },
};

static json_t *hello_names(const struct fw_methods *methods, json_t *list)
{
	for (uint32_t i = 0; i < methods->count; i++)
		if (json_array_append_new(list, json_string(methods->methods[i].name))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static void run_hello(struct fw_call *call)
{
	json_t *methods = json_array(), *events = hello_names(&fw_events, json_array());

	for (uint32_t g = 0; methods && fw_method_groups[g]; g++)
		methods = hello_names(fw_method_groups[g], methods);
	if (methods)
		fw_instance_methods(fw_call_vm(call), methods, NULL);
	fw_call_answer(
		call,
		json_pack("{s:s, s:s, s:s, s:o, s:o, s:i, s:i, s:i}", "lichen", LICHEN_VERSION,
			  "abi", STRINGIFY(LICHEN_ABI_MAJOR) "." STRINGIFY(LICHEN_ABI_MINOR),
			  "vm", fw_call_vm(call)->profile->name, "methods", methods, "events",
			  events, "line_max", (int)FW_RPC_LINE_MAX, "depth_max",
			  (int)FW_RPC_DEPTH_MAX, "batch_max", (int)FW_RPC_BATCH_MAX));
}

static void run_schema(struct fw_call *call)
{
	json_t *schema = fw_rpc_schema(fw_method_groups, &fw_events);

	if (schema)
		fw_instance_methods(fw_call_vm(call), NULL, json_object_get(schema, "methods"));
	fw_call_answer(call, schema);
}

/* --- subscriptions --- */

static const struct fw_member subscribe_params[] = {
	{ .name = "events",
	  .kind = FW_LIST,
	  .choices = fw_event_names,
	  .help = "which; without it all of them" },
};
static const struct fw_member subscribe_result[] = {
	{ .name = "events",
	  .kind = FW_LIST,
	  .flags = FW_REQUIRED,
	  .choices = fw_event_names,
	  .help = "those that this connection is told from now on" },
};

static uint32_t subscribe_bits(const struct fw_call *call)
{
	const json_t *events = json_object_get(call->params, "events");
	uint32_t bits = 0;

	if (!events)
		return (1u << FW_EVENTS) - 1;
	for (size_t i = 0; i < json_array_size(events); i++)
		for (uint32_t e = 0; e < FW_EVENTS; e++)
			if (strcmp(json_string_value(json_array_get(events, i)),
				   fw_event_names[e]) == 0)
				bits |= 1u << e;
	return bits;
}

static void subscribe_answer(struct fw_call *call, const struct fw_client *client)
{
	json_t *list = json_array();

	for (uint32_t e = 0; e < FW_EVENTS; e++)
		if (client->subscribed & 1u << e)
			(void)json_array_append_new(list, json_string(fw_event_names[e]));
	fw_call_answer(call, json_pack("{s:o}", "events", list));
}

static void run_subscribe(struct fw_call *call)
{
	struct fw_client *client = (struct fw_client *)fw_call_peer(call);

	client->subscribed |= subscribe_bits(call);
	subscribe_answer(call, client);
}

static void run_unsubscribe(struct fw_call *call)
{
	struct fw_client *client = (struct fw_client *)fw_call_peer(call);

	client->subscribed &= ~subscribe_bits(call);
	subscribe_answer(call, client);
}

static const struct fw_method meta_methods[] = {
	{ .name = "hello",
	  .help = "what this is, and what it can be asked",
	  FW_RESULT(hello_result),
	  .run = run_hello },
	{ .name = "schema",
	  .help = "the JSON schema of all methods and events",
	  .run = run_schema },
	{ .name = "subscribe",
	  .help = "has events told on this connection",
	  FW_PARAMS(subscribe_params),
	  FW_RESULT(subscribe_result),
	  .run = run_subscribe },
	{ .name = "unsubscribe",
	  .help = "has them told no more",
	  FW_PARAMS(subscribe_params),
	  FW_RESULT(subscribe_result),
	  .run = run_unsubscribe },
};

const struct fw_methods fw_methods_meta = { meta_methods,
					    sizeof(meta_methods) / sizeof(meta_methods[0]) };
