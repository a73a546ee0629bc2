/* SPDX-License-Identifier: MIT */
/* methods_vm.c: the VM as a whole: how it is, and that it stop, stand still, go on. */
#include <string.h>
#include <unistd.h>

#include "control/server.h"

static const char *const vm_states[] = { "running", "paused", "stopping", NULL };

static const char *vm_state(const struct lichen_vm *vm)
{
	if (atomic_load(&vm->stops))
		return "stopping";
	return vm->paused ? "paused" : "running";
}

static const struct fw_member state_result[] = {
	{ .name = "state",
	  .kind = FW_TEXT,
	  .flags = FW_REQUIRED,
	  .choices = vm_states,
	  .help = "of the VM" },
};

static void answer_state(struct fw_call *call)
{
	fw_call_answer(call, json_pack("{s:s}", "state", vm_state(fw_call_vm(call))));
}

/* --- status --- */

static const char *const pause_words[] = { "policy", "outside", NULL };
static const char *const console_words[] = { "attached", "detached", "elsewhere", NULL };

static const struct fw_member status_result[] = {
	{ .name = "name", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "of the VM" },
	{ .name = "pid", .kind = FW_NUMBER, .flags = FW_REQUIRED, .help = "its process" },
	{ .name = "state",
	  .kind = FW_TEXT,
	  .flags = FW_REQUIRED,
	  .choices = vm_states,
	  .help = "of the VM" },
	{ .name = "paused_by",
	  .kind = FW_TEXT,
	  .choices = pause_words,
	  .help = "where it is paused: the profile's policy, or somebody outside" },
	{ .name = "cpus", .kind = FW_NUMBER, .flags = FW_REQUIRED, .help = "vCPUs" },
	{ .name = "memory", .kind = FW_HEX, .flags = FW_REQUIRED, .help = "bytes of RAM" },
	{ .name = "uptime_ns",
	  .kind = FW_HEX,
	  .flags = FW_REQUIRED,
	  .help = "since the VM was put together" },
	{ .name = "guest_ns",
	  .kind = FW_HEX,
	  .flags = FW_REQUIRED,
	  .help = "of these the guest was not paused" },
	{ .name = "instances", .kind = FW_NUMBER, .flags = FW_REQUIRED, .help = "of plugins" },
	{ .name = "console",
	  .kind = FW_TEXT,
	  .flags = FW_REQUIRED,
	  .choices = console_words,
	  .help = "whether a client has it; elsewhere: it is not this socket's" },
	{ .name = "clients",
	  .kind = FW_NUMBER,
	  .flags = FW_REQUIRED,
	  .help = "connections to this socket now" },
	{ .name = "clients_seen",
	  .kind = FW_HEX,
	  .flags = FW_REQUIRED,
	  .help = "connections so far" },
	{ .name = "clients_refused",
	  .kind = FW_HEX,
	  .flags = FW_REQUIRED,
	  .help = "of them those of other users, or one too many" },
	{ .name = "subscribers_dropped",
	  .kind = FW_HEX,
	  .flags = FW_REQUIRED,
	  .help = "connections that were ended because they did not read their events" },
};

static const char *status_console(const struct fw_control *control)
{
	if (!control->relay)
		return "elsewhere";
	return fw_relay_attached(control->relay) ? "attached" : "detached";
}

static void run_status(struct fw_call *call)
{
	struct lichen_vm *vm = fw_call_vm(call);
	const struct fw_control *control = vm->control_state;
	json_t *result = json_pack(
		"{s:s, s:I, s:s, s:i, s:o, s:o, s:o, s:i, s:s, s:i, s:o, s:o, s:o}", "name",
		vm->profile->name, "pid", (json_int_t)getpid(), "state", vm_state(vm), "cpus",
		(int)vm->profile->cpus, "memory", fw_json_hex(vm->profile->memory_size),
		"uptime_ns", fw_json_hex(fw_now_ns() - vm->log.start_ns), "guest_ns",
		fw_json_hex(fw_clock_now(&vm->loop, LICHEN_CLOCK_GUEST)), "instances",
		(int)vm->instance_count, "console", status_console(control), "clients",
		(int)control->client_count, "clients_seen", fw_json_hex(control->clients_seen),
		"clients_refused", fw_json_hex(control->clients_refused), "subscribers_dropped",
		fw_json_hex(control->subscribers_dropped));

	if (result && vm->paused)
		(void)json_object_set_new(
			result, "paused_by",
			json_string(vm->paused == FW_PAUSED_POLICY ? "policy" : "outside"));
	fw_call_answer(call, result);
}

/* --- the rest --- */

enum { VM_STOP_MS = 30000 };

static const struct fw_member stop_params[] = {
	{ .name = "timeout_ms",
	  .kind = FW_NUMBER,
	  .max = 86400000,
	  .help = "how long the guest has to power itself off; 30000 without it, 0: none" },
};

static void run_stop(struct fw_call *call)
{
	const json_t *timeout = json_object_get(call->params, "timeout_ms");
	const json_int_t ms = timeout ? json_integer_value(timeout) : VM_STOP_MS;

	lichen_vm_stop(fw_call_vm(call), (uint64_t)ms * 1000000);
	answer_state(call);
}

static void run_pause(struct fw_call *call)
{
	fw_vm_pause(fw_call_vm(call));
	answer_state(call);
}

static void run_resume(struct fw_call *call)
{
	fw_vm_go_on(fw_call_vm(call));
	answer_state(call);
}

static const char *const reset_kinds[] = { "power-on", "warm", NULL };

static const struct fw_member reset_params[] = {
	{ .name = "kind",
	  .kind = FW_TEXT,
	  .choices = reset_kinds,
	  .help = "power-on, as it is without it, or warm, which some state survives" },
};

static void run_reset(struct fw_call *call)
{
	const char *kind = json_string_value(json_object_get(call->params, "kind"));
	struct lichen_vm *vm = fw_call_vm(call);

	fw_vm_reset(vm, kind && strcmp(kind, "warm") == 0 ? LICHEN_RESET_WARM
							  : LICHEN_RESET_POWER_ON);
	if (atomic_load(&vm->end))
		fw_call_fail(call, FW_RPC_FAILED, 0, "reset: %s: it cannot be reset, and ends",
			     vm->profile->name);
	else
		answer_state(call);
}

static const struct fw_method vm_methods[] = {
	{ .name = "status",
	  .help = "how the VM is",
	  FW_RESULT(status_result),
	  .run = run_status },
	{ .name = "stop",
	  .help = "asks the guest to power itself off, and ends the VM when it has not in "
		  "time; "
		  "a second time: at once.  The connection ends with the VM",
	  FW_PARAMS(stop_params),
	  FW_RESULT(state_result),
	  .run = run_stop },
	{ .name = "pause",
	  .help = "has the VM stand still",
	  FW_RESULT(state_result),
	  .run = run_pause },
	{ .name = "resume",
	  .help = "has it go on",
	  FW_RESULT(state_result),
	  .run = run_resume },
	{ .name = "reset",
	  .help = "starts the guest anew; a VM that was paused runs then",
	  FW_PARAMS(reset_params),
	  FW_RESULT(state_result),
	  .run = run_reset },
};

const struct fw_methods fw_methods_vm = { vm_methods,
					  sizeof(vm_methods) / sizeof(vm_methods[0]) };
