/* SPDX-License-Identifier: MIT */
/* cli.h: the parts of the `lichen` command. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <termios.h>

#include <jansson.h>

#include <lichen/inspect.h>

enum { CLI_FAILED = 1, CLI_SETS_MAX = 64, CLI_OPERANDS_MAX = 64 };

/* A command's bit, by which options say whose they are. */
enum cli_commands {
	CLI_RUN = 1 << 0,
	CLI_CHECK = 1 << 1,
	CLI_PLUGIN_LIST = 1 << 2,
	CLI_PLUGIN_INFO = 1 << 3,
	CLI_PS = 1 << 4,
	CLI_STOP = 1 << 5,
	CLI_PAUSE = 1 << 6,
	CLI_RESUME = 1 << 7,
	CLI_RESET = 1 << 8,
	CLI_CONSOLE = 1 << 9,
	CLI_SCHEMA = 1 << 10,
	CLI_DEVICE_LIST = 1 << 11,
	CLI_DEVICE_ADD = 1 << 12,
	CLI_DEVICE_REMOVE = 1 << 13,
	CLI_DEVICE_DUMP = 1 << 14,
	CLI_PLUGIN_LOAD = 1 << 15,
	CLI_PLUGIN_UNLOAD = 1 << 16,
	CLI_PLUGIN_RELOAD = 1 << 17,
	CLI_METRICS = 1 << 18,
	CLI_TOP = 1 << 19,
	CLI_SYM_INFO = 1 << 20,
	CLI_SYM_SPY = 1 << 21,
	CLI_SYM_CALL = 1 << 22,
	CLI_SYM_LIST = 1 << 23,
	CLI_SYM_PUSH = 1 << 24,
	CLI_SYM_DROP = 1 << 25,
};

struct cli_options;

struct cli_command {
	uint32_t bit;	      /* enum cli_commands */
	const char *words[2]; /* the second is NULL where one names it */
	/* What its operands are called, as in "VM PLUGIN [KEY=VALUE]...": those in brackets
	 * may be absent, three dots are for any number.  NULL: it takes none. */
	const char *operand;
	const char *help; /* one line */
	int (*run)(const struct cli_options *options);
};

/* What the command line says, typed. */
struct cli_options {
	const char *operand; /* the first */
	const char *operands[CLI_OPERANDS_MAX];
	uint32_t operand_count;
	const char *plugin_path; /* --plugin-path; else LICHEN_PLUGIN_PATH; else NULL */
	const char *sets[CLI_SETS_MAX];
	uint32_t set_count;
	char *name_set;		  /* "name=N" from --name, among the sets */
	uint64_t stop_timeout_ns; /* 30 s unless --stop-timeout says otherwise */
	uint32_t log_level;
	uint32_t form;	      /* enum lichen_form */
	const char *log_file; /* of a detached VM; NULL: none */
	const char *escape;   /* of console */
	uint64_t timeout_ns;  /* of device remove; 30 s unless --timeout says otherwise */
	const char *guest;    /* of ps: the VM whose processes are meant */
	uint64_t deadline_ns; /* of sym call; 0: the profile's */
	int64_t vcpu;	      /* -1: not said */
	int detach, force, warm, backend, no_instance, once, follow;
	uint32_t strict; /* LICHEN_STRICT is 1 */
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

/*
 * What ends the command, and with `stops` what stops it and has it go on, as a readable
 * descriptor; all threads to come have it blocked.  -1: errno says why.
 */
int cli_signals_open(int stops);

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

/* Text that is not ours: control characters, those of U+0080 to U+009F too, become '?'. */
void cli_put(const char *text, FILE *to);

/* Columns as wide as they need; those of numbers stand at the right.  The first row is the
 * head; a cell for which there is no memory is left out. */
enum { CLI_COLUMNS_MAX = 80 };
struct cli_table {
	char **cells;
	size_t columns, count, room;
};
void cli_table_open(struct cli_table *table, size_t columns);
/* The same, and the first row. */
void cli_table_open_with(struct cli_table *table, const char *const *heads, size_t columns);
__attribute__((format(printf, 2, 3))) void cli_table_add(struct cli_table *table,
							 const char *format, ...);
/* Prints it on standard output, and frees it. */
void cli_table_close(struct cli_table *table, int indent);

/* A plugin's description, as lichen_plugin_describe() wrote it, for people.  0, or -1:
 * it is not such a description. */

int cli_info_print(const json_t *plugin, FILE *to);

/* --- running VMs --- */

/* Where their names are: LICHEN_RUNTIME_DIR, or what the system has for such things. */
void cli_runtime_path(char path[static PATH_MAX]);
/* Makes the folder where it is not there.  0; -1: errno says why not. */
int cli_runtime_make(char path[static PATH_MAX]);
/* The names there, sorted; some may be left over.  0, or -1: no memory. */
struct cli_names {
	char **names;
	uint32_t count;
};
int cli_names_find(struct cli_names *names);
void cli_names_clear(struct cli_names *names);

/* Members of an answer: 0 and "?" where there is none. */
uint64_t cli_hex(const json_t *object, const char *name);
const char *cli_text(const json_t *object, const char *name);

/*
 * A process of its own for the VM, in a session of its own.  In it returns 0, and
 * *ready is where cli_detach_ready() says that the guest runs.  In the caller's
 * never 0: *status is what the command ends with, once the guest runs or the start
 * has failed.
 */
int cli_detach(const struct cli_options *options, int *ready, int *status);
/* The caller may go; from here on nothing is written to its terminal.  -1: it has gone. */
int cli_detach_ready(int ready, const char *log_file);

/* A terminal in raw mode, which gets its settings back even if this process is killed. */
struct cli_terminal {
	int descriptor; /* -1: not a terminal, and nothing is done */
	int guard;	/* its process reads here */
	struct termios saved;
};
/* 0, or -1: errno says why. */
int cli_terminal_open(struct cli_terminal *terminal, int descriptor);
void cli_terminal_raw(const struct cli_terminal *terminal);
void cli_terminal_restore(const struct cli_terminal *terminal);
void cli_terminal_close(struct cli_terminal *terminal);

int cli_run(const struct cli_options *options);
int cli_ps(const struct cli_options *options);
int cli_ps_guest(const struct cli_options *options);
int cli_stop(const struct cli_options *options);
int cli_pause(const struct cli_options *options);
int cli_resume(const struct cli_options *options);
int cli_reset(const struct cli_options *options);
int cli_attach(const struct cli_options *options);
int cli_schema(const struct cli_options *options);
int cli_plugin_load(const struct cli_options *options);
int cli_plugin_unload(const struct cli_options *options);
int cli_plugin_reload(const struct cli_options *options);
int cli_metrics(const struct cli_options *options);
int cli_top(const struct cli_options *options);
int cli_device_list(const struct cli_options *options);
int cli_device_add(const struct cli_options *options);
int cli_device_remove(const struct cli_options *options);
int cli_device_dump(const struct cli_options *options);
int cli_sym_info(const struct cli_options *options);
int cli_sym_spy(const struct cli_options *options);
int cli_sym_call(const struct cli_options *options);
int cli_sym_list(const struct cli_options *options);
int cli_sym_push(const struct cli_options *options);
int cli_sym_drop(const struct cli_options *options);
int cli_check(const struct cli_options *options);
int cli_plugin_list(const struct cli_options *options);
int cli_plugin_info(const struct cli_options *options);

#endif
