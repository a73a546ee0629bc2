/* SPDX-License-Identifier: MIT */
/* sym.h: what the commands of the symbiotic interfaces share. */
#ifndef CLI_SYM_H
#define CLI_SYM_H

#include "cli.h"
#include "remote.h"

/* Longest time that a request of symcall or symmod may take by its profile, and then some. */
enum { CLI_SYM_WAIT_MS = 3630000, CLI_SYM_VALUE = 32 };

/* Connects, and sees that the VM has that plugin.  0, or a status after a sentence. */
int cli_sym_open(struct cli_remote *remote, const char *vm, const char *plugin);

/* The member of `list` with that name; NULL: there is none. */
const json_t *cli_sym_named(const json_t *list, const char *name);
/* The name in `list` that is most like it, or NULL. */
const char *cli_sym_nearest(const json_t *list, const char *name);

/*
 * What a field means: its type in `schema` (docs/symbiotic-abi.md), or in that of the results
 * of a function; "" where the schema has no such field.
 */
void cli_sym_type(const char *schema, const char *field, char type[static CLI_SYM_VALUE]);
/* A number as people read it: "512.0M", "1.250s", "-" where all bits of a u64 are ones.  Texts
 * are as they are. */
const char *cli_sym_value(const json_t *value, const char *type,
			  char text[static CLI_SYM_VALUE]);

/* What was decoded by `schema`, as lines or, where a part repeats, as a table. */
void cli_sym_print(const json_t *values, const char *schema, int indent);

/*
 * sym_call.c: calls `function`, as one of `functions` (the answer of symcall.functions).
 * As cli_remote_call().
 */
struct cli_sym_how {
	int64_t vcpu;	      /* -1: any */
	uint64_t deadline_ns; /* 0: the profile's */
};
int cli_sym_invoke(struct cli_remote *remote, const char *function, json_t *arguments,
		   const struct cli_sym_how *how, json_t **result);
/* After a sentence, where the function itself says that it failed: 1; else 0. */
int cli_sym_failed(const struct cli_remote *remote, const json_t *result);

/* sym_repair.c: of a function `repair`, gives what the caller did not: the host's time, and
 * bytes of its random generator. */
void cli_sym_repair_arguments(const json_t *function, json_t *arguments);
/* Prints what was repaired.  1: not all of it, after a sentence; 0. */
int cli_sym_repair_print(const struct cli_remote *remote, const json_t *result, int quiet);

#endif
