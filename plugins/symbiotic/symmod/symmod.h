/* SPDX-License-Identifier: MIT */
/*
 * symmod.h: what the files of symmod share.  symmod.c has the MSRs and the life,
 * symmod_push.c a request from its beginning to its answer, symmod_copy.c the bytes'
 * way into the guest, symmod_control.c the methods, symmod_client.c what other plugins ask.
 */
#ifndef SYMMOD_H
#define SYMMOD_H

#include <lichen/draft/module.h>
#include <lichen/draft/symmod.h>
#include <lichen/draft/symspy.h>
#include <lichen/guest/discovery.h>
#include <lichen/sdk/control.h>
#include <lichen/sdk/directory.h>
#include <lichen/sdk/symbiotic.h>
#include <lichen/symbiotic.h>

enum {
	SYMMOD_WAITING = 64,  /* requests at a time, at most */
	SYMMOD_LOADED = 64,   /* modules that are remembered */
	SYMMOD_SYMBOLS = 512, /* that a guest may export */
	SYMMOD_CLIENTS = 256, /* plugins that are told when the guest takes modules */
};

/* A push or a drop, from symmod_ask() to its answer. */
struct symmod_request {
	struct symmod_request *next;
	uint64_t token;	 /* of the control socket, or the client's */
	uint64_t client; /* of lichen.symmod/1; 0: of the control socket */
	uint32_t nobody; /* 1: who asked has gone */
	uint32_t what;	 /* enum lichen_module_request */
	uint32_t serial; /* 0: it waits for its turn */
	uint32_t state;	 /* enum lichen_module_state that the guest was last heard in */
	uint64_t deadline;
	void *bytes; /* a client's file, until the control thread opens it; owned */
	uint64_t size;
	lichen_handle handle; /* of the module; 0: a drop */
	const struct lichen_module_info *info;
	char name[64];
	char parameters[1024];
};

/* What the guest has taken. */
struct symmod_module {
	char name[64]; /* empty: free */
	uint32_t kind;
	uint8_t sha256[32];
	uint64_t size;
};

struct symmod_counts {
	uint64_t pushed, dropped, refused_here, refused_there, failed, timeouts, bad_msr;
};

/* All is guarded by the instance lock. */
struct symmod {
	struct lichen_dev dev;
	const char *allow;	       /* parameter: a hash a line; NULL: any */
	uint64_t timeout;	       /* parameter, ns */
	const struct lichen_link *spy; /* optional: symbols of guests that take objects */
	const struct lichen_symbiotic_host *symbiotic;
	const struct lichen_module_host *module;
	const struct lichen_control_host *control; /* NULL: the VM has no control socket */
	uint64_t clients[SYMMOD_CLIENTS];	   /* 0: free */
	uint64_t page_at;			   /* as the guest wrote it */
	struct lichen_shared page;
	struct symmod_request *requests; /* the first is under way */
	struct symmod_request *done;	 /* answered; their modules are closed by control */
	uint32_t last_serial, waiting;
	lichen_handle tick; /* timer: a deadline, or work that a vCPU must not do */
	struct symmod_module modules[SYMMOD_LOADED];
	struct symmod_counts counts;
};

extern const struct lichen_control_ops symmod_control;
extern const struct lichen_symmod_ops symmod_ops;

uint64_t symmod_now(const struct symmod *s);

/* --- symmod_push.c --- */

/* What is wrong with asking now, or NULL. */
const char *symmod_unable(const struct symmod *s, uint32_t kind);
/* What is wrong with that module, by our rules and the guest's, or NULL. */
const char *symmod_unfit(const struct symmod *s, const struct lichen_module_info *info);
/* Queues it, and owns it; starts it when it is the first. */
void symmod_ask(struct symmod *s, struct symmod_request *request);
void symmod_request_free(struct symmod *s, struct symmod_request *request);
/* Frees those that are done.  [control] */
void symmod_sweep(struct symmod *s);
/* The guest answers the request of this serial.  -LICHEN_EINVAL: there is none. */
lichen_status symmod_answer(struct symmod *s, uint64_t serial);
/* The timer is due.  [control] */
void symmod_tick(struct symmod *s);
/* All come to nothing: the guest has taken its page back, or starts anew. */
void symmod_forget(struct symmod *s, const char *why);
/* All come to nothing by our wish, of which the guest is told. */
void symmod_cancel(struct symmod *s, const char *why);
/* Answers the first of them with one sentence, and goes on to the next. */
__attribute__((format(printf, 3, 4))) void symmod_fail(struct symmod *s, lichen_status status,
						       const char *format, ...);
/* Changes the page's state: the guest may look at any time, so after all else. */
void symmod_set_state(struct symmod *s, uint32_t state);
struct symmod_module *symmod_find(struct symmod *s, const char *name);

/* --- symmod_client.c --- */

/* The end of a client's request. */
void symmod_tell_client(struct symmod *s, const struct symmod_request *request,
			lichen_status status, int32_t answer, const char *text);
/* The guest takes modules, which all clients hear. */
void symmod_announce(struct symmod *s);
void symmod_client(void *self, const char *id, uint64_t client, uint32_t joined);

/* Copies a text into room for `size` bytes with its NUL; NULL is none.  0: it does not fit. */
int symmod_fits(char *to, size_t size, const char *text);

/* --- symmod_control.c --- */

void symmod_hex(const uint8_t hash[32], char text[65]);

/* --- symmod_copy.c --- */

/* The module's bytes into the memory that the guest gave, and the page's state COPIED.  A
 * failure was told to who asked.  [control] */
void symmod_copy(struct symmod *s);

#endif
