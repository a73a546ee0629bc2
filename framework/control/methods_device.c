/* SPDX-License-Identifier: MIT */
/* methods_device.c: instances: which there are, and that one come or go. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/server.h"
#include "inspect.h"
#include "plug.h"
#include "status.h"

enum { DEVICE_TIMEOUT_MS = 30000, DEVICE_FILES_MAX = FW_RPC_FILES_MAX, DEVICE_ID_SIZE = 64 };

/* --- which there are --- */

static const char *const state_words[] = { "created",	"realized", "running", "paused",
					   "quiescing", "drained",  NULL };
static const char *const bus_words[] = { "port", "mmio", NULL };
static const char *const section_words[] = { "devices", "backends", "symbiotic", NULL };

static const struct fw_member window_members[] = {
	{ .name = "name", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "as declared" },
	{ .name = "bus",
	  .kind = FW_TEXT,
	  .choices = bus_words,
	  .help = "where it lies; without it: nowhere now" },
	{ .name = "address", .kind = FW_HEX, .help = "of its first byte" },
	{ .name = "size", .kind = FW_HEX, .flags = FW_REQUIRED, .help = "bytes" },
};
static const struct fw_member device_members[] = {
	{ .name = "id", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "of the instance" },
	{ .name = "plugin", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "its plugin" },
	{ .name = "version", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "of the plugin" },
	{ .name = "kind", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "of the plugin" },
	{ .name = "state",
	  .kind = FW_TEXT,
	  .flags = FW_REQUIRED,
	  .choices = state_words,
	  .help = "of the instance" },
	{ .name = "windows",
	  .kind = FW_LIST,
	  .flags = FW_REQUIRED,
	  FW_MEMBERS(window_members),
	  .help = "what the guest can touch" },
};
static const struct fw_member list_result[] = {
	{ .name = "devices",
	  .kind = FW_LIST,
	  .flags = FW_REQUIRED,
	  FW_MEMBERS(device_members),
	  .help = "providers before those who need them" },
};

static json_t *device_window(const struct lichen_instance *in, uint32_t index)
{
	const struct lichen_window *window =
		&FW_ITEMS(struct lichen_window, in->class->windows)[index];
	const struct fw_place *place = &in->places[index];
	json_t *json = json_pack("{s:s, s:o}", "name", window->name, "size",
				 fw_json_hex(window->size));

	pthread_mutex_lock(&in->vm->place_lock);
	if (json && place->bus) {
		(void)json_object_set_new(
			json, "bus",
			json_string(place->bus == in->vm->ports ? "port" : "mmio"));
		(void)json_object_set_new(json, "address",
					  fw_json_hex(place->targets[place->current].start));
	}
	pthread_mutex_unlock(&in->vm->place_lock);
	return json;
}

static json_t *device_json(const struct lichen_instance *in)
{
	const struct ld_info *info = ld_plugin_info(in->spec->plugin);
	const uint32_t state = atomic_load(&in->state);
	json_t *windows = json_array();

	for (uint32_t i = 0; i < in->class->windows.count; i++)
		(void)json_array_append_new(windows, device_window(in, i));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "id", in->spec->id, "plugin",
			 info->name, "version", info->version, "kind", ld_kind_name(info->kind),
			 "state", state ? state_words[state - 1] : state_words[0], "windows",
			 windows);
}

static void run_list(struct fw_call *call)
{
	const struct lichen_vm *vm = fw_call_vm(call);
	json_t *list = json_array();

	for (uint32_t i = 0; i < vm->instance_count; i++)
		(void)json_array_append_new(list, device_json(vm->instances[i]));
	fw_call_answer(call, json_pack("{s:o}", "devices", list));
}

/* --- entries --- */

static const struct fw_member files_params[] = {
	{ .name = "entry",
	  .kind = FW_TEXT,
	  .flags = FW_REQUIRED,
	  .help = "one YAML mapping, as in a profile: {plugin: x, port: 0x500}" },
	{ .name = "section",
	  .kind = FW_TEXT,
	  .choices = section_words,
	  .help = "of the profile, in which it would be; devices without it" },
};
static const struct fw_member file_members[] = {
	{ .name = "path",
	  .kind = FW_TEXT,
	  .flags = FW_REQUIRED,
	  .help = "as the entry has it" },
	{ .name = "access",
	  .kind = FW_LIST,
	  .flags = FW_REQUIRED,
	  .help = "read, write, create, append, device, directory, socket, listen" },
};
static const struct fw_member files_result[] = {
	{ .name = "files",
	  .kind = FW_LIST,
	  .flags = FW_REQUIRED,
	  FW_MEMBERS(file_members),
	  .help = "that the entry names, to be opened by who adds it" },
};
static const struct fw_member given_members[] = {
	{ .name = "path",
	  .kind = FW_TEXT,
	  .flags = FW_REQUIRED,
	  .help = "as the entry has it" },
	{ .name = "file", .kind = FW_FILE, .flags = FW_REQUIRED, .help = "opened for it" },
};
static const struct fw_member add_params[] = {
	{ .name = "entry",
	  .kind = FW_TEXT,
	  .flags = FW_REQUIRED,
	  .help = "one YAML mapping, as in a profile: {plugin: x, port: 0x500}" },
	{ .name = "section",
	  .kind = FW_TEXT,
	  .choices = section_words,
	  .help = "of the profile, in which it would be; devices without it" },
	{ .name = "files",
	  .kind = FW_LIST,
	  FW_MEMBERS(given_members),
	  .help = "that it names; others the VM opens itself" },
};
static const struct fw_member id_result[] = {
	{ .name = "id", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "of the instance" },
};

void fw_call_diags(struct fw_call *call, lichen_status status, struct fw_diags *diags)
{
	char text[1024] = "";
	FILE *to = fmemopen(text, sizeof(text) - 1, "w");

	if (to) {
		fw_diags_print(diags, to);
		(void)fclose(to);
	}
	text[strcspn(text, "\n")] = '\0'; /* the first; the rest would be another line */
	fw_diags_clear(diags);
	fw_call_status(call, status, text[0] ? text : fw_status_text(status));
}

static struct fw_plug_entry device_entry(const struct fw_call *call)
{
	const char *section = json_string_value(json_object_get(call->params, "section"));

	return (struct fw_plug_entry){
		.section = section ? section : "devices",
		.text = json_string_value(json_object_get(call->params, "entry")),
		.origin = "device add",
	};
}

/* One declared FILE of an entry that the entry itself gives. */
static void device_file(json_t *files, const struct lichen_param *param, const char *path)
{
	json_t *access = fw_json_access(param->flags);

	(void)json_array_append_new(
		files, json_pack("{s:o, s:o}", "path", fw_json_text(path), "access", access));
}

/* The entry is typed as if it were to come, and forgotten. */
static void run_files(struct fw_call *call)
{
	struct lichen_vm *vm = fw_call_vm(call);
	const struct fw_plug_entry entry = device_entry(call);
	const struct fw_extend_options options = { .section = entry.section,
						   .text = entry.text,
						   .origin = entry.origin,
						   .plugins = &vm->plugins,
						   .offers = vm->offers };
	struct fw_spec *family[FW_INSTANCES_MAX], *spec;
	struct fw_diags diags = { 0 };
	struct ld_error error = { "" };
	lichen_status status = fw_profile_extend(vm->profile, &options, &spec, &diags);
	json_t *files;
	uint32_t count;

	if (status < 0) {
		fw_call_diags(call, status, &diags);
		return;
	}
	files = json_array();
	count = fw_profile_family(vm->profile, spec, family);
	for (uint32_t i = 0; i < count; i++) {
		const struct lichen_class *class = family[i]->class;

		for (uint32_t p = 0; p < class->params.count; p++) {
			const struct lichen_param *param =
				&FW_ITEMS(struct lichen_param, class->params)[p];

			if (param->type == LICHEN_FILE && family[i]->values[p].written)
				device_file(files, param, family[i]->values[p].written);
		}
	}
	(void)fw_profile_shrink(vm->profile, spec, &error);
	fw_diags_clear(&diags);
	fw_call_answer(call, json_pack("{s:o}", "files", files));
}

/* Descriptors that the call brings, taken from it; -1: one is missing. */
static int device_given(struct fw_call *call, struct fw_given_file *files, uint32_t *count)
{
	const json_t *list = json_object_get(call->params, "files");

	*count = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		const int file =
			*count < DEVICE_FILES_MAX
				? fw_call_take(call,
					       json_integer_value(json_object_get(one, "file")))
				: -1;

		if (file < 0)
			return -1;
		files[*count].path = json_string_value(json_object_get(one, "path"));
		files[(*count)++].descriptor = file;
	}
	return 0;
}

static void run_add(struct fw_call *call)
{
	struct lichen_vm *vm = fw_call_vm(call);
	struct fw_given_file files[DEVICE_FILES_MAX];
	struct fw_plug_entry entry = device_entry(call);
	struct fw_diags diags = { 0 };
	struct lichen_instance *in;
	lichen_status status = -LICHEN_EINVAL;

	if (device_given(call, files, &entry.file_count) < 0) {
		fw_diag(&diags, (struct fw_mark){ 0 },
			"device.add: files: a descriptor did not come with the line");
	} else {
		entry.files = files;
		status = fw_plug_add(vm, &entry, &in, &diags);
	}
	for (uint32_t i = 0; i < entry.file_count; i++)
		(void)close(files[i].descriptor);
	if (status < 0) {
		fw_call_diags(call, status, &diags);
		return;
	}
	fw_diags_clear(&diags);
	fw_vm_event(vm, FW_EVENT_DEVICE_ADDED, in->spec->id,
		    ld_plugin_info(in->spec->plugin)->name);
	fw_call_answer(call, json_pack("{s:s}", "id", in->spec->id));
}

/* --- going --- */

static const struct fw_member remove_params[] = {
	{ .name = "id", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "of the instance" },
	{ .name = "force",
	  .kind = FW_FLAG,
	  .help = "nobody is asked and nothing waited for: surprise removal" },
	{ .name = "timeout_ms",
	  .kind = FW_NUMBER,
	  .max = 86400000,
	  .help = "how long guest and instance have to let go; 30000 without it" },
};
static const struct fw_member remove_result[] = {
	{ .name = "id", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "of what is gone" },
	{ .name = "pinned",
	  .kind = FW_TEXT,
	  .help = "why a plugin's file stays mapped, where it does" },
};

/* What outlives the call's line: the instance is gone when it is answered. */
struct device_removal {
	struct fw_call *call;
	struct lichen_vm *vm;
	char id[DEVICE_ID_SIZE];
};

static void removal_end(struct device_removal *removal, lichen_status status, const char *why)
{
	struct fw_call *call = removal->call;

	if (status == 0) {
		json_t *result = json_pack("{s:s}", "id", removal->id);

		if (result && why[0])
			(void)json_object_set_new(result, "pinned", fw_json_text(why));
		fw_vm_event(removal->vm, FW_EVENT_REMOVED, removal->id, NULL);
		fw_call_answer(call, result);
	} else {
		fw_call_fail(call, FW_RPC_FAILED, status, "%s",
			     why[0] ? why : fw_status_text(status));
	}
	free(removal);
}

static void removal_done(void *context, lichen_status status, const char *why)
{
	removal_end(context, status, why);
}

static void run_remove(struct fw_call *call)
{
	const char *id = json_string_value(json_object_get(call->params, "id"));
	const json_t *timeout = json_object_get(call->params, "timeout_ms");
	const uint32_t force = json_is_true(json_object_get(call->params, "force"));
	const json_int_t ms = timeout ? json_integer_value(timeout) : DEVICE_TIMEOUT_MS;
	struct lichen_vm *vm = fw_call_vm(call);
	struct lichen_instance *in = fw_plug_find(vm, id);
	struct device_removal *removal = calloc(1, sizeof(*removal));
	struct ld_error error = { "" };
	lichen_status status;

	if (!in || !removal) {
		free(removal);
		if (in)
			fw_call_answer(call, NULL);
		else
			fw_call_fail(call, FW_RPC_INPUT, -LICHEN_ENOENT,
				     "device %.64s: there is none of this id", id);
		return;
	}
	*removal = (struct device_removal){ .call = call, .vm = vm };
	(void)snprintf(removal->id, sizeof(removal->id), "%s", in->spec->id);
	if (!force)
		fw_vm_event(vm, FW_EVENT_REMOVAL_REQUESTED, removal->id, NULL);
	status = fw_plug_remove(vm, in, force, (uint64_t)ms * 1000000, removal_done, removal,
				&error);
	if (status <= 0)
		removal_end(removal, status, error.text);
}

static const struct fw_method device_methods[] = {
	{ .name = "device.list",
	  .help = "the instances of plugins",
	  FW_RESULT(list_result),
	  .run = run_list },
	{ .name = "device.files",
	  .help = "which files an entry names, before it is added",
	  FW_PARAMS(files_params),
	  FW_RESULT(files_result),
	  .run = run_files },
	{ .name = "device.add",
	  .help = "makes an instance, and what is nested in it",
	  FW_PARAMS(add_params),
	  FW_RESULT(id_result),
	  .run = run_add },
	{ .name = "device.remove",
	  .help = "asks guest and instance to let go, then takes the instance away, and what "
		  "is "
		  "nested in it; answered when it is gone",
	  FW_PARAMS(remove_params),
	  FW_RESULT(remove_result),
	  .run = run_remove },
};

const struct fw_methods fw_methods_device = {
	device_methods, sizeof(device_methods) / sizeof(device_methods[0])
};
