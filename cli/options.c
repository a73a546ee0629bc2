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

	va_start(args, format);
	fputs("lichen: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

/* "500ms", "30s", "2min", "0". */
static int cli_time(const char *text, uint64_t *ns)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = {
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
	case 'h':
		options->help = 1;
		return 0;
	default: /* getopt has said what is wrong */
		return LICHEN_VM_BAD_INPUT;
	}
}

int cli_options_read(struct cli_options *options, int argc, char **argv, const char *operand)
{
	static const struct option known[] = {
		{ "set", required_argument, NULL, 's' },
		{ "name", required_argument, NULL, 'n' },
		{ "plugin-path", required_argument, NULL, 'p' },
		{ "stop-timeout", required_argument, NULL, 't' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option, status;

	*options = (struct cli_options){ .stop_timeout_ns = CLI_STOP_TIMEOUT_NS,
					 .log_level = LICHEN_LOG_INFO,
					 .plugin_path = getenv("LICHEN_PLUGIN_PATH") };
	while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		status = cli_option(options, option, optarg);
		if (status)
			return status;
	}
	if (options->help)
		return 0;
	if (options->name_set) {
		status = cli_set(options, options->name_set);
		if (status)
			return status;
	}
	if (operand && optind < argc)
		options->profile = argv[optind++];
	else if (operand) {
		cli_say("%s is missing: see lichen --help", operand);
		return LICHEN_VM_BAD_INPUT;
	}
	if (optind < argc) {
		cli_say("%s: one word too many: see lichen --help", argv[optind]);
		return LICHEN_VM_BAD_INPUT;
	}
	return 0;
}

void cli_options_clear(struct cli_options *options)
{
	free(options->name_set);
	options->name_set = NULL;
}
