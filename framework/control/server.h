/* SPDX-License-Identifier: MIT */
/*
 * server.h: the control server of one VM, on its loop.
 *
 * name.c takes the VM's name in the runtime folder; server.c listens there and
 * lets clients in; client.c reads their lines and keeps what they are slow to
 * read, bounded; event.c tells those who subscribed; relay.c is the console.
 */
#ifndef FW_SERVER_H
#define FW_SERVER_H

#include "control.h"
#include "control/rpc.h"
#include "vm.h"

enum {
	FW_CLIENTS_MAX = 256,
	/* Bytes that wait for a slow reader: past the first it is not served until it
	 * reads, past the second, which only events and large answers reach, it goes. */
	FW_CLIENT_QUIET = 256 << 10,
	FW_CLIENT_OUT_MAX = 8 << 20,
	FW_CLIENT_EVENTS_MAX = 1 << 20, /* waiting bytes past which a subscriber is dropped */
	FW_CLIENT_LINES = 32,		/* of one client in one turn of the loop */
};

struct fw_relay;

/* A descriptor, and the offset in `in` of the last byte that came with it: it belongs to the
 * line with that byte. */
struct fw_held {
	int file;
	size_t at;
};

struct fw_client {
	struct fw_peer peer; /* first: methods get its address */
	struct fw_control *control;
	struct fw_client *next;
	struct fw_watch watch;
	struct fw_timer again; /* lines wait, or it is to go */
	int descriptor;
	uint32_t going;	     /* 1: to be closed at the end of the callback */
	uint32_t ended;	     /* 1: it writes no more */
	uint32_t skipping;   /* 1: in a line that is too long */
	uint32_t subscribed; /* a bit for each enum fw_event_kind */
	uint32_t waiting;    /* 1: whole lines are in `in` */
	char *in;	     /* what was read and not yet handled */
	size_t in_used, in_room;
	struct fw_held held[FW_RPC_FILES_MAX];
	uint32_t held_count;
	char *out; /* what was said and not yet sent */
	size_t out_first, out_used, out_room;
};

struct fw_control {
	struct lichen_vm *vm;
	int folder, lock, listener; /* -1: not open */
	struct fw_watch accept;	    /* of the listener */
	struct fw_timer again;	    /* no descriptor was left for a client */
	struct fw_client *clients;
	uint32_t client_count;
	uint64_t clients_seen, clients_refused; /* so far */
	uint64_t subscribers_dropped;
	struct fw_relay *relay; /* NULL: the console is not ours */
	struct fw_owed *owed;	/* calls that instances have not answered yet */
	uint64_t tokens;	/* of such calls, so far */
};

/* --- name.c --- */

/* Opens the folder, which is ours alone, and takes the name; errors as open in control.h. */
lichen_status fw_name_take(struct fw_control *control, const char *folder,
			   struct ld_error *error);
/* A socket that listens under the name, or -1. */
int fw_name_listen(struct fw_control *control, struct ld_error *error);
/* The name is free. */
void fw_name_leave(struct fw_control *control);

/* --- client.c --- */

/* Takes the descriptor.  -1: there is no memory, and it is closed. */
int fw_client_open(struct fw_control *control, int descriptor);
void fw_client_close(struct fw_client *client);
/* Queues a line, sends what goes.  1: more waits than may, and the client is to go. */
int fw_client_line(struct fw_client *client, const char *text, size_t size, size_t max);

/* --- event.c --- */

extern const char *const fw_event_names[FW_EVENTS + 1]; /* NULL-terminated */
extern const struct fw_methods fw_events;
void fw_event_post(struct lichen_vm *vm, enum fw_event_kind event, const char *subject,
		   const char *detail);

/* --- relay.c --- */

/* Sets the VM's console to one end of a pair; NULL: no descriptors, no memory. */
struct fw_relay *fw_relay_open(struct lichen_vm *vm);
lichen_status fw_relay_start(struct fw_relay *relay);
void fw_relay_close(struct fw_relay *relay);
/* Moves what there is to be moved, without waiting. */
void fw_relay_flush(struct fw_relay *relay);
/*
 * Takes a stream socket: first what is in the ring goes there, then all that comes.
 * Who had it before loses it.
 */
lichen_status fw_relay_attach(struct fw_relay *relay, int descriptor);
uint32_t fw_relay_attached(const struct fw_relay *relay);

/* --- methods --- */

extern const struct fw_methods *const fw_method_groups[]; /* NULL-terminated */
extern const struct fw_methods fw_methods_meta, fw_methods_vm, fw_methods_console,
	fw_methods_device, fw_methods_dump, fw_methods_metrics, fw_methods_plugin,
	fw_methods_symbiotic;

/* Fails the call with the first of the sentences, which are cleared. */
void fw_call_diags(struct fw_call *call, lichen_status status, struct fw_diags *diags);

/* --- methods_instance.c --- */

struct lichen_control_host;
extern const struct lichen_control_host fw_control_host;
/* For fw_peer.find, with the VM as context. */
const struct fw_method *fw_instance_method(struct fw_peer *peer, const char *name);
/* Adds their names to a list, their schemas to an object, where these are given. */
void fw_instance_methods(const struct lichen_vm *vm, json_t *names, json_t *schemas);
/* A client has gone: instances are told whose calls nobody waits for. */
void fw_instance_calls_gone(struct fw_control *control);
/* The instance goes, or with NULL all do: what is owed is answered with an error. */
void fw_instance_calls_drop(struct lichen_vm *vm, const struct lichen_instance *in);
/* event.c; data is JSON and copied.  [any] */
void fw_event_instance(struct lichen_vm *vm, const char *id, const char *name, const char *data,
		       uint32_t size);

static inline struct lichen_vm *fw_call_vm(const struct fw_call *call)
{
	return fw_call_peer(call)->context;
}

#endif
