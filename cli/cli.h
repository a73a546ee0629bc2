/* SPDX-License-Identifier: MIT */
/* cli.h: the parts of the `lichen` command. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdint.h>

#include <lichen/vm.h>

enum { CLI_SETS_MAX = 64 };

/* What the command line says, typed. */
struct cli_options {
	const char *profile;
	const char *plugin_path; /* --plugin-path; else LICHEN_PLUGIN_PATH; else NULL */
	const char *sets[CLI_SETS_MAX];
	uint32_t set_count;
	char *name_set;		  /* "name=N" from --name, among the sets */
	uint64_t stop_timeout_ns; /* 30 s unless --stop-timeout says otherwise */
	uint32_t log_level;
	int help;
};

/*
 * Reads options and the one operand (`operand`: what it is called, NULL where the
 * command takes none).  0, or 2 after a sentence on stderr.
 */
int cli_options_read(struct cli_options *options, int argc, char **argv, const char *operand);
void cli_options_clear(struct cli_options *options);

/* "lichen: " and one sentence, on stderr. */
__attribute__((format(printf, 1, 2))) void cli_say(const char *format, ...);

/* Where plugins and shipped fragments are when nobody says: the build tree's or the
 * installation's own folders, found from the running program.  0, or 4. */
struct cli_paths {
	char *plugins, *fragments;
};
int cli_paths_find(struct cli_paths *paths);
void cli_paths_clear(struct cli_paths *paths);

/* Non-blocking descriptors of our own for standard input and output; -1 where closed. */
void cli_console_open(int32_t *input, int32_t *output);

int cli_run(const struct cli_options *options);

#endif
