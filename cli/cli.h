/* SPDX-License-Identifier: MIT */
/* cli.h: the parts of the `lichen` command. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include <lichen/inspect.h>

enum { CLI_FAILED = 1, CLI_SETS_MAX = 64 };

/* A command's bit, by which options say whose they are. */
enum cli_commands {
	CLI_RUN = 1 << 0,
	CLI_CHECK = 1 << 1,
	CLI_PLUGIN_LIST = 1 << 2,
	CLI_PLUGIN_INFO = 1 << 3,
};

struct cli_options;

struct cli_command {
	uint32_t bit;	      /* enum cli_commands */
	const char *words[2]; /* the second is NULL where one names it */
	const char *operand;  /* what its operand is called; NULL: it takes none */
	const char *help;     /* one line */
	int (*run)(const struct cli_options *options);
};

/* What the command line says, typed. */
struct cli_options {
	const char *operand;
	const char *plugin_path; /* --plugin-path; else LICHEN_PLUGIN_PATH; else NULL */
	const char *sets[CLI_SETS_MAX];
	uint32_t set_count;
	char *name_set;		  /* "name=N" from --name, among the sets */
	uint64_t stop_timeout_ns; /* 30 s unless --stop-timeout says otherwise */
	uint32_t log_level;
	uint32_t form; /* enum lichen_form */
	int help;
};

/* Reads options and the operand.  0, or 2 after a sentence on stderr. */
int cli_options_read(struct cli_options *options, int argc, char **argv,
		     const struct cli_command *command);
void cli_options_clear(struct cli_options *options);
/* The options of the commands whose bits are given, a paragraph each. */
void cli_options_help(uint32_t commands, FILE *to);

/* "lichen: " and one sentence, on stderr. */
__attribute__((format(printf, 1, 2))) void cli_say(const char *format, ...);

/* Output that did not get out is a failure, not a success. */
int cli_flush(int status);

/*
 * Where plugins and shipped fragments are: what the operator says, else the build
 * tree's or the installation's own folders, found from the running program.
 * 0, or 4 after a sentence on stderr.
 */
struct cli_paths {
	char *plugins, *fragments;
};
int cli_paths_find(struct cli_paths *paths, const struct cli_options *options);
void cli_paths_clear(struct cli_paths *paths);

/* Non-blocking descriptors of our own for standard input and output; -1 where closed. */
void cli_console_open(int32_t *input, int32_t *output);

/*
 * Runs `work` in a child that can compute, read files and write to `to`, and
 * nothing else, for 2 s at most.  Returns the child's exit status, 0 to 255, with
 * what it wrote in *text (free() is owed), or -1 with a sentence in `why`: it
 * crashed, hung, wrote too much, or could not be started.
 */
enum { CLI_WHY_SIZE = 128 };
int cli_sandbox_run(int (*work)(void *context, FILE *to), void *context, char **text,
		    size_t *size, char why[static CLI_WHY_SIZE]);

/* A plugin's description, as lichen_plugin_describe() wrote it, for people.  0, or -1:
 * it is not such a description. */

int cli_info_print(const json_t *plugin, FILE *to);

int cli_run(const struct cli_options *options);
int cli_check(const struct cli_options *options);
int cli_plugin_list(const struct cli_options *options);
int cli_plugin_info(const struct cli_options *options);

#endif
