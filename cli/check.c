/* SPDX-License-Identifier: MIT */
/* check.c: `lichen check`. */
#include "cli.h"

int cli_check(const struct cli_options *options)
{
	struct lichen_vm_options vm = {
		.struct_size = sizeof(vm),
		.log_level = options->log_level,
		.profile = options->operand,
		.sets = options->sets,
		.set_count = options->set_count,
		.console_in = -1,
		.console_out = -1,
	};
	struct cli_paths paths;
	int status;

	if (cli_paths_find(&paths, options))
		return CLI_FAILED;
	vm.plugin_path = paths.plugins;
	vm.fragment_path = paths.fragments;
	status = lichen_check(&vm, options->form, stdout);
	cli_paths_clear(&paths);
	if (status == LICHEN_VM_FAILED) {
		cli_say("out of memory");
		status = CLI_FAILED;
	}
	return cli_flush(status);
}
