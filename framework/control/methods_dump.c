/* SPDX-License-Identifier: MIT */
/*
 * methods_dump.c: `device.dump`.  State that its class has to fetch (pre_save) and that of
 * classes without a lock is read while the VM stands still for a moment; other state under
 * the instance's lock, with vCPUs running.
 */
#include <string.h>

#include "control/dump.h"
#include "control/server.h"
#include "plug.h"
#include "status.h"

static const struct fw_member dump_params[] = {
	{ .name = "id", .kind = FW_TEXT, .help = "of one instance; without it all of them" },
};
static const struct fw_member dump_device[] = {
	{ .name = "id", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "of the instance" },
	{ .name = "plugin", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "its plugin" },
	{ .name = "version", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "of the plugin" },
	{ .name = "state_version",
	  .kind = FW_NUMBER,
	  .flags = FW_REQUIRED,
	  .help = "of its state; 0: it has none" },
	{ .name = "state",
	  .kind = FW_LIST,
	  .flags = FW_REQUIRED,
	  .help = "its fields: name, type, since, value, help; see docs/control.md",
	  .members = dump_params },
};
static const struct fw_member dump_result[] = {
	{ .name = "devices",
	  .kind = FW_LIST,
	  .flags = FW_REQUIRED,
	  FW_MEMBERS(dump_device),
	  .help = "each that was asked for" },
};

static int dump_is_asked(const struct fw_call *call, const struct lichen_instance *in)
{
	const char *id = json_string_value(json_object_get(call->params, "id"));

	return id ? strcmp(id, in->spec->id) == 0 : 1;
}

static int dump_wants_still(const struct fw_call *call)
{
	const struct lichen_vm *vm = fw_call_vm(call);

	for (uint32_t i = 0; i < vm->instance_count; i++) {
		const struct lichen_instance *in = vm->instances[i];

		if (dump_is_asked(call, in) && in->class->state_version &&
		    (in->class->pre_save || fw_is_parallel(in)))
			return 1;
	}
	return 0;
}

/* What the class says of a failure is no reason to show nothing: the rest is what it is. */
static json_t *dump_one(struct lichen_instance *in)
{
	const struct ld_info *info = ld_plugin_info(in->spec->plugin);
	lichen_status status = 0;
	json_t *fields, *device;

	fw_lock(in);
	if (in->class->state_version && in->class->pre_save)
		status = in->class->pre_save(in->self);
	fields = fw_dump_fields(&in->class->state, in->self);
	fw_unlock(in);
	device = json_pack("{s:s, s:s, s:s, s:I, s:o}", "id", in->spec->id, "plugin",
			   info->name, "version", info->version, "state_version",
			   (json_int_t)in->class->state_version, "state", fields);
	if (device && status < 0)
		(void)json_object_set_new(device, "stale", json_string(fw_status_text(status)));
	return device;
}

static void run_dump(struct fw_call *call)
{
	struct lichen_vm *vm = fw_call_vm(call);
	const char *id = json_string_value(json_object_get(call->params, "id"));
	const int still = dump_wants_still(call);
	json_t *list = json_array();
	int held = 0, failed = !list;

	if (id && !fw_plug_find(vm, id)) {
		json_decref(list);
		fw_call_fail(call, FW_RPC_INPUT, -LICHEN_ENOENT,
			     "device %.64s: there is none of this id", id);
		return;
	}
	if (still)
		held = fw_vm_hold(vm);
	for (uint32_t i = 0; i < vm->instance_count && !failed; i++)
		if (dump_is_asked(call, vm->instances[i]))
			failed = json_array_append_new(list, dump_one(vm->instances[i]));
	if (held)
		fw_vm_release(vm);
	if (!failed) {
		fw_call_answer(call, json_pack("{s:o}", "devices", list));
		return;
	}
	json_decref(list);
	fw_call_answer(call, NULL);
}

static const struct fw_method dump_methods[] = {
	{ .name = "device.dump",
	  .help = "the declared state of instances, field by field",
	  FW_PARAMS(dump_params),
	  FW_RESULT(dump_result),
	  .run = run_dump },
};

const struct fw_methods fw_methods_dump = { dump_methods,
					    sizeof(dump_methods) / sizeof(dump_methods[0]) };
