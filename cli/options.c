/* SPDX-License-Identifier: MIT */
/* options.c: the command line's words. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lichen/host.h>

#include "cli.h"

#define CLI_STOP_TIMEOUT_NS UINT64_C(30000000000)

void cli_say(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	fputs("lichen: ", stderr);
	cli_put(text ? text : "out of memory", stderr); /* it may have a guest's words in it */
	fputc('\n', stderr);
	free(text);
}

/* "200us", "500ms", "30s", "2min", "0". */
static int cli_time(const char *text, uint64_t *ns)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = {
		{ "us", 1000 },
		{ "ms", 1000000 },
		{ "s", UINT64_C(1000000000) },
		{ "min", UINT64_C(60000000000) },
	};
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (end == text || errno || text[0] == '-')
		return -1;
	if (value == 0 && *end == '\0') {
		*ns = 0;
		return 0;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		if (value > UINT64_MAX / units[i].ns)
			return -1;
		*ns = value * units[i].ns;
		return 0;
	}
	return -1;
}

static int cli_number(const char *text, unsigned long max, int64_t *number)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (end == text || *end || errno || text[0] == '-' || value > max)
		return -1;
	*number = (int64_t)value;
	return 0;
}

static int cli_set(struct cli_options *options, const char *set)
{
	if (!strchr(set, '=')) {
		cli_say("--set %s: not of the form KEY.PATH=VALUE", set);
		return LICHEN_VM_BAD_INPUT;
	}
	if (options->set_count == CLI_SETS_MAX) {
		cli_say("--set %s: more than %d of them", set, CLI_SETS_MAX);
		return LICHEN_VM_BAD_INPUT;
	}
	options->sets[options->set_count++] = set;
	return 0;
}

static int cli_option(struct cli_options *options, int option, const char *value)
{
	switch (option) {
	case 's':
		return cli_set(options, value);
	case 'n':
		free(options->name_set);
		if (asprintf(&options->name_set, "name=%s", value) < 0) {
			options->name_set = NULL;
			return LICHEN_VM_FAILED;
		}
		return 0;
	case 'p':
		options->plugin_path = value;
		return 0;
	case 't':
		if (cli_time(value, &options->stop_timeout_ns) == 0)
			return 0;
		cli_say("--stop-timeout %s: not a time such as 500ms, 30s, 2min or 0", value);
		return LICHEN_VM_BAD_INPUT;
	case 'v':
		options->log_level = LICHEN_LOG_DEBUG;
		return 0;
	case 'j':
		options->form = LICHEN_FORM_JSON;
		return 0;
	case 'd':
		options->detach = 1;
		return 0;
	case 'l':
		options->log_file = value;
		return 0;
	case 'f':
		options->force = 1;
		return 0;
	case 'w':
		options->warm = 1;
		return 0;
	case 'e':
		options->escape = value;
		return 0;
	case 'N':
		options->no_instance = 1;
		return 0;
	case '1':
		options->once = 1;
		return 0;
	case 'B':
		options->backend = 1;
		return 0;
	case 'g':
		options->guest = value;
		return 0;
	case 'F':
		options->follow = 1;
		return 0;
	case 'V':
		if (cli_number(value, UINT32_MAX - 1, &options->vcpu) == 0)
			return 0;
		cli_say("--vcpu %s: not the number of a vCPU", value);
		return LICHEN_VM_BAD_INPUT;
	case 'D':
		if (cli_time(value, &options->deadline_ns) == 0 && options->deadline_ns)
			return 0;
		cli_say("--deadline %s: not a time such as 200us, 50ms or 10s", value);
		return LICHEN_VM_BAD_INPUT;
	case 'T':
		if (cli_time(value, &options->timeout_ns) == 0)
			return 0;
		cli_say("--timeout %s: not a time such as 500ms, 30s, 2min or 0", value);
		return LICHEN_VM_BAD_INPUT;
	default: /* 'h' */
		options->help = 1;
		return 0;
	}
}

/* Those that look for plugins. */
#define CLI_PLUGINS                                                                  \
	(CLI_RUN | CLI_CHECK | CLI_PLUGIN_LIST | CLI_PLUGIN_INFO | CLI_PLUGIN_LOAD | \
	 CLI_PLUGIN_RELOAD)
/* Those that print JSON or nothing, or are JSON anyway. */
#define CLI_JSON (~(uint32_t)(CLI_CONSOLE | CLI_TOP | CLI_SCHEMA))

static const struct cli_known {
	const char *name;     /* with its dashes */
	const char *argument; /* NULL: takes none */
	int letter;	      /* for cli_option() */
	uint32_t commands;    /* enum cli_commands */
	const char *help;     /* lines after the first are indented by their own spaces */
} cli_known[] = {
	{ "--name", "N", 'n', CLI_RUN | CLI_CHECK,
	  "name of the VM, in place of the profile's" },
	{ "--set", "K=V", 's', CLI_RUN | CLI_CHECK,
	  "overrides a value of the profile: devices.com1.port=0x2f8" },
	{ "--detach", NULL, 'd', CLI_RUN,
	  "returns once the guest runs; lichen console has its console then" },
	{ "--log", "FILE", 'l', CLI_RUN,
	  "with --detach: what the VM says from then on is appended there" },
	{ "--stop-timeout", "T", 't', CLI_RUN | CLI_STOP,
	  "how long the guest has to power itself off when the VM is stopped (run: by "
	  "SIGTERM,\n"
	  "SIGINT or SIGHUP): 500ms, 30s (the default), 2min, or 0 for no time" },
	{ "--warm", NULL, 'w', CLI_RESET, "as by a reset button, not as by a power switch" },
	{ "--force", NULL, 'f', CLI_CONSOLE | CLI_DEVICE_REMOVE | CLI_PLUGIN_UNLOAD,
	  "console: takes it from whoever has it; else: nobody is asked" },
	{ "--timeout", "T", 'T', CLI_DEVICE_REMOVE | CLI_PLUGIN_UNLOAD,
	  "how long guest and instance have to let go: 500ms, 30s (the default), 2min" },
	{ "--no-instance", NULL, 'N', CLI_PLUGIN_LOAD, "makes no instance of it" },
	{ "--once", NULL, '1', CLI_TOP, "prints one frame, and needs no terminal" },
	{ "--guest", "VM", 'g', CLI_PS,
	  "the processes of that VM's guest, as the guest lists them" },
	{ "--follow", NULL, 'F', CLI_SYM_SPY, "once a second, until it is interrupted" },
	{ "--vcpu", "N", 'V', CLI_SYM_SPY | CLI_SYM_CALL,
	  "spy: that vCPU's records alone; call: on that vCPU" },
	{ "--deadline", "T", 'D', CLI_SYM_CALL,
	  "after which the call is given up: 200us, 50ms, 10s; else what the profile says" },
	{ "--backend", NULL, 'B', CLI_DEVICE_ADD, "the entry is one of backends:" },
	{ "--escape", "KEY", 'e', CLI_CONSOLE,
	  "key that starts a command: ctrl-a (the default), ctrl- and a letter, or none" },
	{ "--plugin-path", "P", 'p', CLI_PLUGINS,
	  "folders of plugins, separated by ':' (else LICHEN_PLUGIN_PATH, else Lichen's own)" },
	{ "--json", NULL, 'j', CLI_JSON, "what is printed is JSON" },
	{ "--verbose", NULL, 'v', CLI_RUN | CLI_CHECK,
	  "debug messages too: where each value came from, which plugins were loaded" },
	{ "--help", NULL, 'h', ~0u, "says how the command is used" },
};

enum { CLI_KNOWN = sizeof(cli_known) / sizeof(cli_known[0]) };

void cli_options_help(uint32_t commands, FILE *to)
{
	for (size_t i = 0; i < CLI_KNOWN; i++) {
		const struct cli_known *known = &cli_known[i];

		if (!(known->commands & commands))
			continue;
		fprintf(to, "  %s%s%s\n      ", known->name, known->argument ? " " : "",
			known->argument ? known->argument : "");
		for (const char *c = known->help; *c; c++) {
			fputc(*c, to);
			if (*c == '\n')
				fputs("      ", to);
		}
		fputc('\n', to);
	}
}

/* What getopt did not take: ':' lacks its argument, '?' is none of the command's. */
static void cli_option_bad(int option, const struct cli_command *command, char **argv)
{
	const char *given = argv[optind - 1], *nearest = NULL, *names[CLI_KNOWN];
	const char *second = command->words[1];
	uint32_t count = 0;

	if (option == ':') {
		cli_say("%s: its value is missing", given);
		return;
	}
	for (size_t i = 0; i < CLI_KNOWN; i++)
		if (cli_known[i].commands & command->bit)
			names[count++] = cli_known[i].name;
	if (strncmp(given, "--", 2) == 0)
		nearest = lichen_nearest(given, names, count);
	cli_say("%s: not an option of %s%s%s%s%s%s", given, command->words[0],
		second ? " " : "", second ? second : "",
		nearest ? ", did you mean \"" : ": see lichen --help", nearest ? nearest : "",
		nearest ? "\"" : "");
}

static int cli_options_parse(struct cli_options *options, int argc, char **argv,
			     const struct cli_command *command)
{
	struct option known[CLI_KNOWN + 1] = { { NULL, 0, NULL, 0 } };
	int option, status, count = 0;

	for (size_t i = 0; i < CLI_KNOWN; i++)
		if (cli_known[i].commands & command->bit)
			known[count++] = (struct option){
				.name = cli_known[i].name + 2,
				.has_arg =
					cli_known[i].argument ? required_argument : no_argument,
				.val = cli_known[i].letter,
			};
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", known, NULL)) != -1) {
		if (option == '?' || option == ':') {
			cli_option_bad(option, command, argv);
			return LICHEN_VM_BAD_INPUT;
		}
		status = cli_option(options, option, optarg);
		if (status)
			return status;
	}
	return 0;
}

/* As many words as `names` has, in its order. */
static int cli_operands_read(struct cli_options *options, int argc, char **argv,
			     const char *names)
{
	while (*names) {
		const size_t length = strcspn(names, " ");
		const int more = length > 3 && strncmp(names + length - 3, "...", 3) == 0;

		if (optind == argc && *names != '[') {
			cli_say("%.*s is missing: see lichen --help", (int)length, names);
			return LICHEN_VM_BAD_INPUT;
		}
		while (optind < argc && options->operand_count < CLI_OPERANDS_MAX) {
			options->operands[options->operand_count++] = argv[optind++];
			if (!more)
				break;
		}
		names += length + (names[length] == ' ');
	}
	options->operand = options->operands[0];
	if (optind < argc) {
		cli_say("%s: one word too many: see lichen --help", argv[optind]);
		return LICHEN_VM_BAD_INPUT;
	}
	return 0;
}

int cli_options_read(struct cli_options *options, int argc, char **argv,
		     const struct cli_command *command)
{
	const char *strict = getenv("LICHEN_STRICT");
	int status;

	*options = (struct cli_options){ .strict = strict && strcmp(strict, "1") == 0,
					 .stop_timeout_ns = CLI_STOP_TIMEOUT_NS,
					 .timeout_ns = CLI_STOP_TIMEOUT_NS,
					 .vcpu = -1,
					 .log_level = LICHEN_LOG_INFO,
					 .plugin_path = getenv("LICHEN_PLUGIN_PATH") };
	status = cli_options_parse(options, argc, argv, command);
	if (status == 0 && options->name_set && !options->help)
		status = cli_set(options, options->name_set);
	if (status || options->help)
		return status;
	return cli_operands_read(options, argc, argv, command->operand ? command->operand : "");
}

void cli_options_clear(struct cli_options *options)
{
	free(options->name_set);
	options->name_set = NULL;
}
