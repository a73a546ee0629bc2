/* SPDX-License-Identifier: MIT */
/* main.c: `lichen`, its commands and its help. */
#include <stdio.h>
#include <string.h>

#include <lichen/inspect.h>

#include "cli.h"

static const char cli_help[] =
	"usage: lichen run PROFILE [--name N] [--set KEY.PATH=VALUE]... [--stop-timeout T]\n"
	"       lichen check PROFILE [--set KEY.PATH=VALUE]...\n"
	"       lichen plugin list\n"
	"       lichen --help | --version\n"
	"\n"
	"run     boots the machine that PROFILE describes and waits for its end\n"
	"check   reports every fault of PROFILE, or prints it composed, with defaults\n"
	"plugin list\n"
	"        the plugins that a profile can name, and the refused ones with the reason\n"
	"\n"
	"  --name N            name of the VM, in place of the profile's\n"
	"  --set K=V           overrides a value: devices.com1.port=0x2f8\n"
	"  --stop-timeout T    after SIGTERM, SIGINT or SIGHUP the guest has this long to "
	"power\n"
	"                      itself off: 500ms, 30s (the default), 2min, or 0 for no time\n"
	"  --plugin-path P     folders of plugins, separated by ':' (else LICHEN_PLUGIN_PATH,\n"
	"                      else Lichen's own)\n"
	"  --verbose           debug messages too\n"
	"\n"
	"exit status: 0 done; 1 failed; 2 the input was wrong and nothing was started.\n"
	"run: 0 the guest powered off; odd: the guest's own (debug-exit); 2 as above;\n"
	"4 Lichen failed; 6 the guest crashed; 8 ended by the operator or a signal.\n";

enum { CLI_FAILED = 1 };

/* Output that did not get out is a failure, not a success. */
static int cli_flush(int status)
{
	if (fflush(stdout) == 0 || status)
		return status;
	cli_say("standard output: cannot be written");
	return CLI_FAILED;
}

static int cli_check(const struct cli_options *options)
{
	struct lichen_vm_options vm = {
		.struct_size = sizeof(vm),
		.log_level = options->log_level,
		.profile = options->profile,
		.sets = options->sets,
		.set_count = options->set_count,
		.console_in = -1,
		.console_out = -1,
	};
	struct cli_paths paths;
	int status;

	if (cli_paths_find(&paths)) {
		cli_say("this program's own folder cannot be found");
		return CLI_FAILED;
	}
	vm.plugin_path = options->plugin_path ? options->plugin_path : paths.plugins;
	vm.fragment_path = paths.fragments;
	status = lichen_check(&vm, stdout);
	cli_paths_clear(&paths);
	return cli_flush(status);
}

static int cli_plugin_list(const struct cli_options *options)
{
	struct cli_paths paths;
	int status;

	if (cli_paths_find(&paths)) {
		cli_say("this program's own folder cannot be found");
		return CLI_FAILED;
	}
	status = lichen_plugin_list(options->plugin_path ? options->plugin_path : paths.plugins,
				    stdout);
	cli_paths_clear(&paths);
	if (status)
		cli_say("out of memory");
	return cli_flush(status ? CLI_FAILED : 0);
}

struct cli_command {
	const char *words[2];
	const char *operand;
	int (*run)(const struct cli_options *options);
};

static const struct cli_command cli_commands[] = {
	{ { "run", NULL }, "PROFILE", cli_run },
	{ { "check", NULL }, "PROFILE", cli_check },
	{ { "plugin", "list" }, NULL, cli_plugin_list },
};

/* How many words of argv name the command: 0, 1 or 2. */
static int cli_matches(const struct cli_command *command, int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], command->words[0]) != 0)
		return 0;
	if (!command->words[1])
		return 1;
	return argc > 2 && strcmp(argv[2], command->words[1]) == 0 ? 2 : 0;
}

static int cli_dispatch(const struct cli_command *command, int argc, char **argv)
{
	struct cli_options options;
	int status = cli_options_read(&options, argc, argv, command->operand);

	if (status == 0 && options.help) {
		fputs(cli_help, stdout);
		status = cli_flush(0);
	} else if (status == 0) {
		status = command->run(&options);
	}
	cli_options_clear(&options);
	return status;
}

int main(int argc, char **argv)
{
	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(cli_help, stdout);
		return cli_flush(0);
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("lichen " LICHEN_VERSION);
		return cli_flush(0);
	}
	for (size_t i = 0; i < sizeof(cli_commands) / sizeof(cli_commands[0]); i++) {
		const int words = cli_matches(&cli_commands[i], argc, argv);

		if (words) {
			/* getopt starts after argv[0]; its messages carry that word. */
			argv[words] = argv[0];
			return cli_dispatch(&cli_commands[i], argc - words, argv + words);
		}
	}
	if (argc < 2)
		cli_say("a command is missing: see lichen --help");
	else
		cli_say("%s: not a command: see lichen --help", argv[1]);
	return LICHEN_VM_BAD_INPUT;
}
