/* SPDX-License-Identifier: MIT */
/* methods_plugin.c: plugin files that come to a running VM, go, and are replaced. */
#include <string.h>
#include <unistd.h>

#include "control/server.h"
#include "inspect.h"
#include "plug.h"
#include "reload.h"
#include "status.h"

#define PLUGIN_NAME                                                                            \
	{                                                                                      \
		.name = "name", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "of the plugin" \
	}
#define PLUGIN_PINNED                                                                    \
	{                                                                                \
		.name = "pinned", .kind = FW_TEXT,                                       \
		.help = "why a file stays mapped; without it: it does not, or is in use" \
	}

static const struct fw_member load_params[] = {
	PLUGIN_NAME,
	{ .name = "file", .kind = FW_FILE, .flags = FW_REQUIRED, .help = "the plugin, open" },
};
static const struct fw_member load_result[] = {
	PLUGIN_NAME,
	{ .name = "kind",
	  .kind = FW_TEXT,
	  .flags = FW_REQUIRED,
	  .help = "device, backend, ..." },
	{ .name = "version", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "of the plugin" },
	{ .name = "sha256", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "of the file" },
};

static const char *plugin_name(const struct fw_call *call)
{
	return json_string_value(json_object_get(call->params, "name"));
}

static void run_load(struct fw_call *call)
{
	const int file = fw_call_file(call, "file");
	const char *name = plugin_name(call);
	struct lichen_vm *vm = fw_call_vm(call);
	struct ld_error error = { "" };
	const struct ld_info *info;
	lichen_status status;

	if (file < 0) {
		fw_call_fail(call, FW_RPC_PARAMS, 0,
			     "plugin.load: no descriptor came with the line");
		return;
	}
	status = fw_plug_load(vm, name, file, &error);
	(void)close(file);
	if (status < 0) {
		fw_call_status(call, status, error.text);
		return;
	}
	info = ld_plugin_info(vm->offers->plugin); /* the newest is first */
	fw_call_answer(call, json_pack("{s:s, s:s, s:s, s:s}", "name", info->name, "kind",
				       ld_kind_name(info->kind), "version", info->version,
				       "sha256", info->hash));
}

static const struct fw_member unload_params[] = {
	PLUGIN_NAME,
	{ .name = "if_loaded",
	  .kind = FW_FLAG,
	  .help = "that it was not loaded by hand is no error" },
};
static const struct fw_member unload_result[] = {
	{ .name = "closed",
	  .kind = FW_FLAG,
	  .flags = FW_REQUIRED,
	  .help = "whether one was loaded by hand" },
	PLUGIN_PINNED,
};

static void run_unload(struct fw_call *call)
{
	struct ld_error error = { "" };
	lichen_status status = fw_plug_unload(fw_call_vm(call), plugin_name(call), &error);
	const int absent = status == -LICHEN_ENOENT &&
			   json_is_true(json_object_get(call->params, "if_loaded"));
	json_t *result;

	if (status < 0 && !absent) {
		fw_call_status(call, status, error.text);
		return;
	}
	result = json_pack("{s:b}", "closed", !absent);
	if (result && error.text[0] && !absent)
		(void)json_object_set_new(result, "pinned", fw_json_text(error.text));
	fw_call_answer(call, result);
}

static const struct fw_member reload_params[] = {
	PLUGIN_NAME,
	{ .name = "file",
	  .kind = FW_FILE,
	  .help = "the plugin, open; without it the file of that name on the VM's plugin "
		  "path" },
};
static const struct fw_member reload_result[] = {
	{ .name = "instances",
	  .kind = FW_NUMBER,
	  .flags = FW_REQUIRED,
	  .help = "that went over to the new code" },
	{ .name = "pause_ns",
	  .kind = FW_HEX,
	  .flags = FW_REQUIRED,
	  .help = "for which vCPUs stood still" },
	{ .name = "total_ns", .kind = FW_HEX, .flags = FW_REQUIRED, .help = "that it took" },
	PLUGIN_PINNED,
};

/* The code in an open file, which is then the VM's or is closed. */
static lichen_status reload_from(struct lichen_vm *vm, const char *name, int file,
				 struct fw_reloaded *done, struct fw_diags *diags)
{
	struct ld_plugin *fresh = NULL;
	struct ld_error error = { "" };
	lichen_status status = ld_open_file(&vm->plugins, name, file, &fresh, &error);

	if (status < 0) {
		fw_diag(diags, (struct fw_mark){ 0 }, "%s", error.text);
		return status;
	}
	status = fw_reload(vm, name, fresh, done, diags);
	if (status < 0)
		(void)ld_close(fresh, NULL);
	return status;
}

static void run_reload(struct fw_call *call)
{
	struct lichen_vm *vm = fw_call_vm(call);
	const int wanted = json_object_get(call->params, "file") != NULL;
	const int file = fw_call_file(call, "file");
	struct fw_reloaded done = { 0 };
	struct fw_diags diags = { 0 };
	lichen_status status;
	json_t *result;

	if (wanted && file < 0) {
		fw_call_fail(call, FW_RPC_PARAMS, 0,
			     "plugin.reload: no descriptor came with the line");
		return;
	}
	status = wanted ? reload_from(vm, plugin_name(call), file, &done, &diags)
			: fw_reload_file(vm, plugin_name(call), &done, &diags);
	if (file >= 0)
		(void)close(file);
	if (status < 0) {
		fw_call_diags(call, status, &diags);
		return;
	}
	fw_diags_clear(&diags);
	result = json_pack("{s:I, s:o, s:o}", "instances", (json_int_t)done.instances,
			   "pause_ns", fw_json_hex(done.pause_ns), "total_ns",
			   fw_json_hex(done.total_ns));
	if (result && done.pinned.text[0])
		(void)json_object_set_new(result, "pinned", fw_json_text(done.pinned.text));
	fw_call_answer(call, result);
}

static const struct fw_method plugin_methods[] = {
	{ .name = "plugin.load",
	  .help = "makes a plugin of a file the one that entries mean by its name from now on",
	  FW_PARAMS(load_params),
	  FW_RESULT(load_result),
	  .run = run_load },
	{ .name = "plugin.unload",
	  .help = "closes what was loaded of a plugin, of which no instance is left",
	  FW_PARAMS(unload_params),
	  FW_RESULT(unload_result),
	  .run = run_unload },
	{ .name = "plugin.reload",
	  .help = "all instances of a plugin go over to other code, their state kept, or none "
		  "does",
	  FW_PARAMS(reload_params),
	  FW_RESULT(reload_result),
	  .run = run_reload },
};

const struct fw_methods fw_methods_plugin = {
	plugin_methods, sizeof(plugin_methods) / sizeof(plugin_methods[0])
};
