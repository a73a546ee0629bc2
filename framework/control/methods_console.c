/* SPDX-License-Identifier: MIT */
/* methods_console.c: the console, for one client at a time. */
#include <unistd.h>

#include "control/server.h"
#include "status.h"

static const struct fw_member attach_params[] = {
	{ .name = "console",
	  .kind = FW_FILE,
	  .flags = FW_REQUIRED,
	  .help = "one end of a pair of UNIX stream sockets, on which the console speaks from "
		  "then on" },
	{ .name = "force", .kind = FW_FLAG, .help = "take it from whoever has it" },
};

static void run_attach(struct fw_call *call)
{
	struct fw_relay *relay = fw_call_vm(call)->control_state->relay;
	const int file = fw_call_file(call, "console");
	lichen_status status;

	if (file < 0) {
		fw_call_fail(call, FW_RPC_PARAMS, 0,
			     "console.attach: no descriptor came with the line");
		return;
	}
	if (!relay) {
		(void)close(file);
		fw_call_fail(call, FW_RPC_INPUT, -LICHEN_ENODEV,
			     "console: it is where the VM was started");
		return;
	}
	if (fw_relay_attached(relay) && !json_is_true(json_object_get(call->params, "force"))) {
		(void)close(file);
		fw_call_fail(call, FW_RPC_FAILED, -LICHEN_EBUSY,
			     "console: another client has it");
		return;
	}
	status = fw_relay_attach(relay, file);
	if (status < 0) {
		(void)close(file);
		fw_call_fail(call, FW_RPC_INPUT, status, "console: %s",
			     status == -LICHEN_EINVAL ? "not a UNIX stream socket"
						      : fw_status_text(status));
		return;
	}
	fw_call_answer(call, json_object());
}

static const struct fw_method console_methods[] = {
	{ .name = "console.attach",
	  .help = "connects the VM's console: first what was said lately, then all that comes",
	  FW_PARAMS(attach_params),
	  .run = run_attach },
};

const struct fw_methods fw_methods_console = {
	console_methods, sizeof(console_methods) / sizeof(console_methods[0])
};
