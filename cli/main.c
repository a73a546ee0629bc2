/* SPDX-License-Identifier: MIT */
/* main.c: `lichen`, its commands and its help. */
#include <string.h>

#include "cli.h"

static const struct cli_command cli_commands[] = {
	{ CLI_RUN,
	  { "run", NULL },
	  "PROFILE",
	  "boots the machine that PROFILE describes and waits for its end",
	  cli_run },
	{ CLI_CHECK,
	  { "check", NULL },
	  "PROFILE",
	  "reports every fault of PROFILE, or prints it composed, with defaults",
	  cli_check },
	{ CLI_PS, { "ps", NULL }, NULL, "the VMs that run", cli_ps },
	{ CLI_STOP,
	  { "stop", NULL },
	  "VM",
	  "asks the guest to power itself off, ends the VM if it has not in time, and waits",
	  cli_stop },
	{ CLI_PAUSE, { "pause", NULL }, "VM", "has a VM stand still", cli_pause },
	{ CLI_RESUME, { "resume", NULL }, "VM", "has it go on", cli_resume },
	{ CLI_RESET, { "reset", NULL }, "VM", "starts the guest of a VM anew", cli_reset },
	{ CLI_CONSOLE,
	  { "console", NULL },
	  "VM",
	  "this terminal becomes the console of a VM that was started with --detach",
	  cli_attach },
	{ CLI_DEVICE_LIST,
	  { "device", "list" },
	  "VM",
	  "the instances of plugins in a VM, and where their windows lie",
	  cli_device_list },
	{ CLI_DEVICE_ADD,
	  { "device", "add" },
	  "VM ENTRY",
	  "adds an instance to a VM; ENTRY is as in a profile: '{plugin: x, port: 0x500}'",
	  cli_device_add },
	{ CLI_DEVICE_REMOVE,
	  { "device", "remove" },
	  "VM ID",
	  "asks guest and instance to let go, and takes the instance away",
	  cli_device_remove },
	{ CLI_DEVICE_DUMP,
	  { "device", "dump" },
	  "VM [ID]",
	  "the state of one instance or of all, field by field",
	  cli_device_dump },
	{ CLI_METRICS,
	  { "metrics", NULL },
	  "VM",
	  "what a VM counts: exits, accesses, time, memory, as Prometheus reads it",
	  cli_metrics },
	{ CLI_TOP, { "top", NULL }, "VM", "the same, live, on a terminal", cli_top },
	{ CLI_SYM_INFO,
	  { "sym", "info" },
	  "VM",
	  "what VM and guest agreed upon: records, functions, modules, and what was counted",
	  cli_sym_info },
	{ CLI_SYM_SPY,
	  { "sym", "spy" },
	  "VM [RECORD]",
	  "reads one record that the guest shares, or all",
	  cli_sym_spy },
	{ CLI_SYM_CALL,
	  { "sym", "call" },
	  "VM FUNCTION [ARGUMENT]...",
	  "calls a function of the guest; an argument is VALUE, in order, or NAME=VALUE",
	  cli_sym_call },
	{ CLI_SYM_LIST,
	  { "sym", "list" },
	  "VM",
	  "the modules that the guest was given",
	  cli_sym_list },
	{ CLI_SYM_PUSH,
	  { "sym", "push" },
	  "VM FILE [PARAMETER]...",
	  "gives the guest a module: a .ko of Linux, or a relocatable object",
	  cli_sym_push },
	{ CLI_SYM_DROP,
	  { "sym", "drop" },
	  "VM NAME",
	  "has the guest unload one of them",
	  cli_sym_drop },
	{ CLI_SCHEMA,
	  { "schema", "control" },
	  NULL,
	  "the JSON schema of what can be asked of a VM through its control socket",
	  cli_schema },
	{ CLI_PLUGIN_LIST,
	  { "plugin", "list" },
	  NULL,
	  "the plugins that a profile can name, and the refused ones with the reason",
	  cli_plugin_list },
	{ CLI_PLUGIN_LOAD,
	  { "plugin", "load" },
	  "VM PLUGIN [KEY=VALUE]...",
	  "brings a plugin to a running VM, and makes an instance with these parameters",
	  cli_plugin_load },
	{ CLI_PLUGIN_UNLOAD,
	  { "plugin", "unload" },
	  "VM PLUGIN",
	  "takes its instances away and closes it",
	  cli_plugin_unload },
	{ CLI_PLUGIN_RELOAD,
	  { "plugin", "reload" },
	  "VM PLUGIN",
	  "replaces the code of all its instances by that of the file, their state kept",
	  cli_plugin_reload },
	{ CLI_PLUGIN_INFO,
	  { "plugin", "info" },
	  "PLUGIN",
	  "what a plugin, by its name or file, takes, offers, needs and saves",
	  cli_plugin_info },
};

enum { CLI_COMMANDS = sizeof(cli_commands) / sizeof(cli_commands[0]), CLI_NAME_SIZE = 32 };

/* "plugin list". */
static const char *cli_command_name(const struct cli_command *command,
				    char name[static CLI_NAME_SIZE])
{
	snprintf(name, CLI_NAME_SIZE, "%s%s%s", command->words[0], command->words[1] ? " " : "",
		 command->words[1] ? command->words[1] : "");
	return name;
}

int cli_flush(int status)
{
	if ((fflush(stdout) == 0 && !ferror(stdout)) || status)
		return status;
	cli_say("standard output: cannot be written");
	return CLI_FAILED;
}

/* command NULL: all of them. */
static void cli_help(const struct cli_command *command)
{
	char name[CLI_NAME_SIZE];
	uint32_t bits = 0;

	if (!command)
		puts("usage: lichen COMMAND [OPERAND] [OPTION]...\n"
		     "       lichen --help | --version\n");
	for (size_t i = 0; i < CLI_COMMANDS; i++) {
		const struct cli_command *one = &cli_commands[i];

		if (command && command != one)
			continue;
		bits |= one->bit;
		printf("%s%s%s%s%s\n    %s\n", command ? "usage: lichen " : "",
		       cli_command_name(one, name), one->operand ? " " : "",
		       one->operand ? one->operand : "", command ? " [OPTION]..." : "",
		       one->help);
	}
	putchar('\n');
	cli_options_help(bits, stdout);
	if (command && command->bit != CLI_RUN)
		puts("\nexit status: 0 done; 1 failed; 2 the input was wrong");
	else
		puts("\nexit status: 0 done; 1 failed; 2 the input was wrong and nothing was "
		     "started.\n"
		     "run: 0 the guest powered off; odd: the guest's own (debug-exit); 2 as "
		     "above;\n"
		     "4 Lichen failed; 6 the guest crashed; 8 ended by the operator or a "
		     "signal");
	if (!command)
		puts("\nlichen COMMAND --help has the options of one command; man lichen has "
		     "it "
		     "all");
}

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
	int status = cli_options_read(&options, argc, argv, command);

	if (status == 0 && options.help) {
		cli_help(command);
		status = cli_flush(0);
	} else if (status == 0) {
		status = command->run(&options);
	}
	cli_options_clear(&options);
	return status;
}

/* Says that `given` is nothing of ours, and what is most like it. */
static void cli_unknown(const char *given, const char *what, const char *const *words,
			uint32_t count)
{
	const char *nearest = lichen_nearest(given, words, count);

	if (nearest)
		cli_say("%s: not %s, did you mean \"%s\"", given, what, nearest);
	else
		cli_say("%s: not %s: see lichen --help", given, what);
}

static void cli_unknown_command(int argc, char **argv)
{
	static const char *const options[] = { "--help", "--version" };
	char names[CLI_COMMANDS][CLI_NAME_SIZE], given[2 * CLI_NAME_SIZE];
	const char *words[CLI_COMMANDS];
	int group = 0;

	if (argc < 2) {
		cli_say("a command is missing: see lichen --help");
		return;
	}
	if (argv[1][0] == '-') {
		cli_unknown(argv[1], "an option", options, 2);
		return;
	}
	for (size_t i = 0; i < CLI_COMMANDS; i++)
		group |= strcmp(argv[1], cli_commands[i].words[0]) == 0;
	/* `plugin lst` is like `plugin list`; of `plgin list` the first word is compared. */
	for (size_t i = 0; i < CLI_COMMANDS; i++)
		words[i] = group ? cli_command_name(&cli_commands[i], names[i])
				 : cli_commands[i].words[0];
	if (!group) {
		cli_unknown(argv[1], "a command", words, CLI_COMMANDS);
	} else if (argc < 3 || argv[2][0] == '-') {
		cli_say("%s: a word is missing after it: see lichen --help", argv[1]);
	} else {
		snprintf(given, sizeof(given), "%s %.*s", argv[1], CLI_NAME_SIZE, argv[2]);
		cli_unknown(given, "a command", words, CLI_COMMANDS);
	}
}

int main(int argc, char **argv)
{
	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		cli_help(NULL);
		return cli_flush(0);
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("lichen " LICHEN_VERSION);
		return cli_flush(0);
	}
	for (size_t i = 0; i < CLI_COMMANDS; i++) {
		const int words = cli_matches(&cli_commands[i], argc, argv);

		if (words) {
			/* getopt starts after argv[0]. */
			argv[words] = argv[0];
			return cli_dispatch(&cli_commands[i], argc - words, argv + words);
		}
	}
	cli_unknown_command(argc, argv);
	return LICHEN_VM_BAD_INPUT;
}
