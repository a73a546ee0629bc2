/* SPDX-License-Identifier: MIT */
/*
 * event.c: what happens to a VM, told to those who subscribed.  A subscriber that does
 * not read is let go: what it missed cannot be told it later.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/server.h"
#include "inspect.h"

const char *const fw_event_names[FW_EVENTS + 1] = {
	[FW_EVENT_STATE] = "state",
	[FW_EVENT_DEVICE_ADDED] = "device-added",
	[FW_EVENT_REMOVAL_REQUESTED] = "removal-requested",
	[FW_EVENT_REMOVED] = "removed",
	[FW_EVENT_PANIC] = "panic",
	[FW_EVENT_RESET] = "reset",
	[FW_EVENT_MISBEHAVIOUR] = "misbehaviour",
	[FW_EVENT_INSTANCE] = "instance",
	[FW_EVENTS] = NULL,
};

static const char *const state_words[] = { "running", "paused", "stopping", "ended", NULL };
static const char *const reset_words[] = { "power-on", "warm", NULL };

#define EVENT_HEAD                                                                      \
	{ .name = "event", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "its name" }, \
		{ .name = "vm",                                                         \
		  .kind = FW_TEXT,                                                      \
		  .flags = FW_REQUIRED,                                                 \
		  .help = "name of the VM" },                                           \
	{                                                                               \
		.name = "time_ns", .kind = FW_HEX, .flags = FW_REQUIRED,                \
		.help = "since the VM was put together"                                 \
	}

static const struct fw_member state_members[] = {
	EVENT_HEAD,
	{ .name = "state",
	  .kind = FW_TEXT,
	  .flags = FW_REQUIRED,
	  .choices = state_words,
	  .help = "what it is from now on" },
	{ .name = "detail", .kind = FW_TEXT, .help = "why; of ended: the status" },
};
static const struct fw_member added_members[] = {
	EVENT_HEAD,
	{ .name = "id", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "of the instance" },
	{ .name = "detail", .kind = FW_TEXT, .help = "its plugin" },
};
static const struct fw_member id_members[] = {
	EVENT_HEAD,
	{ .name = "id", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "of the instance" },
};
static const struct fw_member text_members[] = {
	EVENT_HEAD,
	{ .name = "text", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "a sentence" },
};
static const struct fw_member reset_members[] = {
	EVENT_HEAD,
	{ .name = "kind",
	  .kind = FW_TEXT,
	  .flags = FW_REQUIRED,
	  .choices = reset_words,
	  .help = "what was reset" },
};

static const struct fw_member instance_members[] = {
	EVENT_HEAD,
	{ .name = "id", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "of the instance" },
	{ .name = "name", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "of its event" },
	{ .name = "data", .kind = FW_OBJECT, .flags = FW_NULLABLE, .help = "what it tells" },
};

static const struct fw_method event_table[FW_EVENTS] = {
	[FW_EVENT_STATE] = { .name = "state",
			     .help = "the VM runs, stands still or ends",
			     FW_PARAMS(state_members) },
	[FW_EVENT_DEVICE_ADDED] = { .name = "device-added",
				    .help = "an instance is there",
				    FW_PARAMS(added_members) },
	[FW_EVENT_REMOVAL_REQUESTED] = { .name = "removal-requested",
					 .help = "an instance was asked to go",
					 FW_PARAMS(id_members) },
	[FW_EVENT_REMOVED] = { .name = "removed",
			       .help = "an instance is gone",
			       FW_PARAMS(id_members) },
	[FW_EVENT_PANIC] = { .name = "panic",
			     .help = "the guest crashed, or said so",
			     FW_PARAMS(text_members) },
	[FW_EVENT_RESET] = { .name = "reset",
			     .help = "the guest starts again",
			     FW_PARAMS(reset_members) },
	[FW_EVENT_MISBEHAVIOUR] = { .name = "misbehaviour",
				    .help = "a plugin, or the host, breaks the contract",
				    FW_PARAMS(text_members) },
	[FW_EVENT_INSTANCE] = { .name = "instance",
				.help = "an instance has something to tell",
				FW_PARAMS(instance_members) },
};

const struct fw_methods fw_events = { event_table, FW_EVENTS };

struct event_post {
	struct fw_post post;
	struct lichen_vm *vm;
	enum fw_event_kind event;
	uint64_t time_ns;
	char subject[256], detail[128];
};

/* The member after the head is the subject; its name tells which. */
static json_t *event_message(const struct event_post *post)
{
	const struct fw_method *event = &event_table[post->event];
	json_t *params = json_object();
	int failed = json_object_set_new(params, "event", json_string(event->name));

	failed |= json_object_set_new(params, "vm", json_string(post->vm->profile->name));
	failed |= json_object_set_new(params, "time_ns", fw_json_hex(post->time_ns));
	failed |=
		json_object_set_new(params, event->params[3].name, fw_json_text(post->subject));
	if (post->detail[0])
		failed |= json_object_set_new(params, "detail", fw_json_text(post->detail));
	if (!failed)
		return json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method", "event",
				 "params", params);
	json_decref(params);
	return NULL;
}

/* Takes the message; NULL: nothing is told. */
static void event_tell(struct lichen_vm *vm, enum fw_event_kind event, json_t *message)
{
	struct fw_control *control = vm->control_state;
	char *text = message ? json_dumps(message, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	for (struct fw_client *client = control->clients; client && text; client = client->next)
		if ((client->subscribed & 1u << event) && !client->going)
			control->subscribers_dropped += (uint64_t)fw_client_line(
				client, text, strlen(text), FW_CLIENT_EVENTS_MAX);
	free(text);
	json_decref(message);
}

static void event_run(struct fw_post *base)
{
	const struct event_post *post = (const struct event_post *)base;

	if (post->vm->control_state)
		event_tell(post->vm, post->event, event_message(post));
}

void fw_event_post(struct lichen_vm *vm, enum fw_event_kind event, const char *subject,
		   const char *detail)
{
	struct event_post *post = calloc(1, sizeof(*post));

	if (!post)
		return;
	post->post.run = event_run;
	post->vm = vm;
	post->event = event;
	post->time_ns = fw_now_ns() - vm->log.start_ns;
	(void)snprintf(post->subject, sizeof(post->subject), "%s", subject);
	(void)snprintf(post->detail, sizeof(post->detail), "%s", detail ? detail : "");
	fw_loop_post(&vm->loop, &post->post);
}

struct instance_post {
	struct fw_post post;
	struct lichen_vm *vm;
	uint64_t time_ns;
	char id[64], name[64];
	uint32_t size;
	char data[];
};

static void instance_run(struct fw_post *base)
{
	const struct instance_post *post = (const struct instance_post *)base;
	json_t *data;

	if (!post->vm->control_state)
		return;
	data = json_loadb(post->data, post->size, JSON_DECODE_ANY, NULL);
	event_tell(post->vm, FW_EVENT_INSTANCE,
		   json_pack("{s:s, s:s, s:{s:s, s:s, s:o, s:s, s:s, s:o}}", "jsonrpc", "2.0",
			     "method", "event", "params", "event", "instance", "vm",
			     post->vm->profile->name, "time_ns", fw_json_hex(post->time_ns),
			     "id", post->id, "name", post->name, "data",
			     data ? data : json_null()));
}

void fw_event_instance(struct lichen_vm *vm, const char *id, const char *name, const char *data,
		       uint32_t size)
{
	struct instance_post *post = calloc(1, sizeof(*post) + size + 1);

	if (!post)
		return;
	post->post.run = instance_run;
	post->vm = vm;
	post->time_ns = fw_now_ns() - vm->log.start_ns;
	post->size = size;
	(void)snprintf(post->id, sizeof(post->id), "%s", id);
	(void)snprintf(post->name, sizeof(post->name), "%s", name);
	if (size)
		memcpy(post->data, data, size);
	fw_loop_post(&vm->loop, &post->post);
}
