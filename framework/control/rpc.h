/* SPDX-License-Identifier: MIT */
/*
 * rpc.h: JSON-RPC 2.0 without its transport: a line of text comes in, methods are
 * called, lines go out.
 *
 * rpc.c takes lines apart and puts answers together; schema.c checks parameters by
 * the tables in which methods are declared, and prints the schema of these; the
 * methods_*.c have the methods, a group a file.
 */
#ifndef FW_RPC_H
#define FW_RPC_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include <lichen/status.h>

enum {
	FW_RPC_LINE_MAX = 1 << 20, /* bytes of a line, its newline not counted */
	FW_RPC_DEPTH_MAX = 32,	   /* arrays and objects in one another */
	FW_RPC_BATCH_MAX = 64,	   /* calls in an array */
	FW_RPC_FILES_MAX = 16,	   /* descriptors that come with a line */
};

/* The protocol's own numbers, and two of ours. */
enum fw_rpc_error {
	FW_RPC_PARSE = -32700,
	FW_RPC_REQUEST = -32600,
	FW_RPC_METHOD = -32601,
	FW_RPC_PARAMS = -32602,
	FW_RPC_FAILED = -32000, /* what was asked for did not succeed */
	FW_RPC_INPUT =
		-32001, /* what was asked for cannot be: a wrong value, an unknown name */
};

/* --- what methods and events are declared with --- */

enum fw_member_kind {
	FW_TEXT = 1,
	FW_NUMBER = 2, /* 0 to `max`, or to 2^53 */
	FW_FLAG = 3,   /* true or false */
	FW_HEX = 4,    /* 64 bits, as text: "0x1f" */
	FW_FILE = 5,   /* number of a descriptor that comes with the line, from 0 */
	FW_OBJECT = 6, /* of `members`; any where there are none */
	FW_LIST = 7,   /* of objects of `members`, or of texts where there are none */
	FW_FILES = 8,  /* list of numbers of descriptors */
};

enum fw_member_flag { FW_REQUIRED = 1 << 0, FW_NULLABLE = 1 << 1 };

struct fw_member {
	const char *name;
	enum fw_member_kind kind;
	uint32_t flags; /* enum fw_member_flag */
	const char *help;
	uint64_t max;		    /* NUMBER; 0: 2^53 */
	const char *const *choices; /* TEXT, LIST of texts: NULL-terminated; NULL: any */
	const struct fw_member *members;
	uint32_t member_count;
};

#define FW_MEMBERS(array) .members = (array), .member_count = sizeof(array) / sizeof((array)[0])

struct fw_call;

struct fw_method {
	const char *name;
	const char *help;
	const struct fw_member *params, *result;
	uint32_t param_count, result_count;
	uint32_t open; /* 1: its parameters are not declared here, and not checked */
	/* Answers or fails the call, now or later, once.  Its parameters fit the table. */
	void (*run)(struct fw_call *call);
};

#define FW_PARAMS(array) .params = (array), .param_count = sizeof(array) / sizeof((array)[0])
#define FW_RESULT(array) .result = (array), .result_count = sizeof(array) / sizeof((array)[0])

struct fw_methods {
	const struct fw_method *methods;
	uint32_t count;
};

/* --- calls --- */

/* Who asks.  What it embeds is the transport's. */
struct fw_peer {
	const struct fw_methods *const *groups; /* NULL-terminated */
	void *context;				/* the VM; whatever methods want */
	/* A method of a name that no group has; NULL: there is none.  May be NULL. */
	const struct fw_method *(*find)(struct fw_peer *peer, const char *name);
	/* A line, without its newline.  Not called any more after fw_peer_gone(). */
	void (*send)(struct fw_peer *peer, const char *text, size_t size);
	struct fw_batch *batches; /* whose answers are not all there */
	uint64_t calls;		  /* so far */
};

/* Descriptors that came with a line; -1 where somebody took them. */
struct fw_files {
	int files[FW_RPC_FILES_MAX];
	uint32_t count;
};

struct fw_call {
	struct fw_batch *batch; /* of which it is one */
	const struct fw_method *method;
	json_t *params;		/* an object, perhaps empty; owned */
	json_t *id;		/* owned; NULL: a notification, which is not answered */
	struct fw_files *files; /* until `run` returns */
	const char *name;	/* as it was called; until `run` returns */
	void *data;		/* the method's own */
};

/*
 * Takes a line apart and runs what it asks for.  Any bytes will do: what is wrong is
 * answered with an error.  Descriptors that nobody takes stay in `files`.
 */
void fw_rpc_line(struct fw_peer *peer, const char *line, size_t size, struct fw_files *files);
/* A line that is longer than may be: answered as such. */
void fw_rpc_too_long(struct fw_peer *peer);
/* Calls that are still to be answered will not be. */
void fw_peer_gone(struct fw_peer *peer);

/* The peer, or NULL: it is gone. */
struct fw_peer *fw_call_peer(const struct fw_call *call);
/* Takes `result`; NULL stands for "out of memory".  Frees the call. */
void fw_call_answer(struct fw_call *call, json_t *result);
/* An error with a sentence; status: a negative one tells programs more, 0 nothing.
 * Frees the call. */
__attribute__((format(printf, 4, 5))) void fw_call_fail(struct fw_call *call,
							enum fw_rpc_error code,
							lichen_status status,
							const char *format, ...);
/* The same with FW_RPC_INPUT where the status speaks of the input, else FW_RPC_FAILED. */
void fw_call_status(struct fw_call *call, lichen_status status, const char *sentence);
/* The descriptor that FILE parameter `name` speaks of, now the caller's; -1: there is none. */
int fw_call_file(struct fw_call *call, const char *name);
/* The same by its number. */
int fw_call_take(struct fw_call *call, json_int_t number);

/* --- schema.c --- */

/* 0, or -1 with a sentence in `why`. */
enum { FW_RPC_WHY = 256 };
int fw_params_check(const struct fw_method *method, const json_t *params,
		    char why[static FW_RPC_WHY]);
/* "0x1f" */
json_t *fw_json_hex(uint64_t value);
/* The number that fw_json_hex() wrote; -1: it is none. */
int fw_hex_read(const char *text, uint64_t *value);
/* NULL: no memory. */
json_t *fw_rpc_schema(const struct fw_methods *const *groups, const struct fw_methods *events);

#endif
