/* SPDX-License-Identifier: MIT */
/* talk.h: a client of a control socket, for tests. */
#ifndef TEST_TALK_H
#define TEST_TALK_H

#include <jansson.h>
#include <stddef.h>

struct talk {
	int socket;
	char in[1 << 20];
	size_t used;
	int id;
	int wait_ms; /* for each line; 0: 10 s */
};

/* Connects to NAME.sock in `folder`; ends the program where that fails. */
void talk_open(struct talk *talk, const char *folder, const char *name);
/* The same; -1: it fails. */
int talk_try(struct talk *talk, const char *folder, const char *name);
void talk_close(struct talk *talk);
/* Bytes as they are, with a descriptor where it is not -1. */
void talk_send(struct talk *talk, const void *bytes, size_t size, int file);
/* The next line, without its end, or NULL: the VM closed, or time is up. */
const char *talk_line(struct talk *talk);
/* A call and its result, which is the caller's; NULL: an error, or no answer. */
json_t *talk_call(struct talk *talk, const char *method, const char *params);
/* A call that fails: its code, and the sentence in `talk->in` until the next call. */
int talk_fails(struct talk *talk, const char *method, const char *params, const char *sentence);

#endif
