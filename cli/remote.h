/* SPDX-License-Identifier: MIT */
/* remote.h: a running VM, spoken to through its control socket. */
#ifndef CLI_REMOTE_H
#define CLI_REMOTE_H

#include <stddef.h>

#include <jansson.h>

enum { CLI_REMOTE_WAIT_MS = 30000, CLI_FILES_MAX = 16 };

struct cli_remote {
	const char *vm; /* its name; borrowed */
	int socket;
	int id;	   /* of the last call */
	int quiet; /* 1: failures are not told */
	char *in;
	size_t used, room;
};

/*
 * Connects to the VM of that name.  0; or 2 after a sentence: there is none, or 1:
 * it cannot be reached.  quiet: without the sentence.
 */
int cli_remote_open(struct cli_remote *remote, const char *vm, int quiet);
void cli_remote_close(struct cli_remote *remote);

/*
 * Calls `method` with `params` (taken; NULL: none) and descriptors, which stay the
 * caller's.  0: *result is the caller's to free.  1, or 2 where the input was wrong,
 * after the VM's own sentence; *result, where it may be NULL, is then NULL.
 */
int cli_remote_call(struct cli_remote *remote, const char *method, json_t *params,
		    const int *files, int file_count, json_t **result);
/* The same, waiting at most `ms` for the answer. */
int cli_remote_call_for(struct cli_remote *remote, const char *method, json_t *params,
			const int *files, int file_count, int ms, json_t **result);
/* As cli_remote_call(), and nothing is said: 0, or -1: no answer in `ms`. */
int cli_remote_ask(struct cli_remote *remote, const char *method, int ms, json_t **result);
/* Waits until the VM closes the connection, which it does at its end: 0; -1: `ms` went by. */
int cli_remote_wait_end(struct cli_remote *remote, int ms);

/*
 * device.c: opens the files that the entry names, and adds it to the VM.  section:
 * "devices" or "backends".  As cli_remote_call().
 */
int cli_device_send(struct cli_remote *remote, const char *entry, const char *section,
		    json_t **result);

/* The answer as it came, a value and a newline. */
void cli_print_json(const json_t *json);

#endif
