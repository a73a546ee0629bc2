/* SPDX-License-Identifier: MIT */
/*
 * instance.h: one use of a plugin in a VM: its memory, its lock, its windows and
 * links, and the ledger of what it holds.
 *
 * instance.c creates, realizes and takes it away; ledger.c keeps its claims;
 * placement.c its windows; link.c ties it to others; host*.c are the functions
 * that it calls, all of them the table fw_host.
 */
#ifndef FW_INSTANCE_H
#define FW_INSTANCE_H

#include <lichen/class.h>

#include "bus.h"
#include "check.h"
#include "guest_module.h"
#include "irq.h"
#include "layout.h"
#include "log.h"
#include "loop.h"
#include "pending.h"
#include "profile.h"
#include "symbiotic.h"

struct fw_stage;
struct lichen_vm;

extern const struct lichen_host fw_host;

enum fw_state {
	FW_CREATED = 1,
	FW_REALIZED = 2,
	FW_RUNNING = 3,
	FW_PAUSED = 4,
	FW_QUIESCING = 5,
	FW_DRAINED = 6,
};

/* --- the ledger --- */

enum fw_claim_kind {
	FW_CLAIM_LINE = 1,
	FW_CLAIM_MESSAGE = 2,
	FW_CLAIM_TIMER = 3,
	FW_CLAIM_WATCH = 4,
	FW_CLAIM_DOORBELL = 5,
	FW_CLAIM_THREAD = 6,
	FW_CLAIM_MSRS = 7,
	FW_CLAIM_MODULE = 8,
};

struct fw_bell {
	struct hv_doorbell hv;
	uint32_t window;
	uint64_t offset;
	uint32_t attached;
};

struct fw_claim {
	enum fw_claim_kind kind;
	uint32_t slot;
	struct lichen_instance *in;
	uint64_t cookie;
	uint32_t ended; /* a thread: guarded by the instance's start_lock */
	union {
		struct fw_line line;
		struct fw_message message;
		struct fw_timer timer;
		struct fw_watch watch;
		struct fw_bell bell;
		pthread_t thread;
		struct fw_msrs msrs;
		struct fw_module module;
	};
};

enum { FW_CLAIMS_MAX = 256 };

/*
 * A handle is (serial << 16 | slot + 1).  Serials are the VM's, so that a stale
 * handle is noticed, and one of another instance.
 */
struct fw_slot {
	_Atomic(struct fw_claim *) claim;
	_Atomic uint64_t serial;
};

/* --- links --- */

enum fw_link_gate {
	FW_LINK_OPEN = 0,
	FW_LINK_CLOSED = 1, /* it is empty */
	FW_LINK_SHUT = 2,   /* its provider is being replaced: who enters waits */
};

/*
 * Consumer's side of a tie.  `pub` is first: plugins hand its address back.  It lives
 * as long as the consumer, and is empty (closed) where its provider has gone.
 */
struct fw_link {
	struct lichen_link pub;
	struct lichen_instance *provider, *consumer;
	struct fw_link *next;	       /* of the consumer's */
	struct fw_table *table;	       /* of checked builds, behind pub.ops */
	uint64_t serial;	       /* of this tie; the VM's */
	uint32_t need;		       /* index in the consumer's class */
	_Atomic uint32_t closed;       /* enum fw_link_gate */
	_Atomic uint32_t uses;	       /* threads between enter and leave */
	uint32_t apart;		       /* another link has the client number at the provider */
	const struct fw_link *heir_of; /* whose number that is; while it is staged */
};

/* What one need is tied to, as host->link_at() counts.  [control] */
struct fw_links {
	struct fw_link **items; /* room for what may come, where it is MANY */
	uint32_t count;
};

/* --- windows --- */

/* Guarded by the VM's place_lock. */
struct fw_place {
	struct fw_target targets[2];	/* where it is, and where it was or is to be */
	uint32_t current;		/* index of the former */
	uint32_t moving;		/* by a thread, which may have let go of the lock */
	struct fw_bus *bus;		/* NULL: not placed */
	struct fw_memory_window memory; /* of a window that is memory */
	uint32_t counter;		/* of its accesses; 0: it has none yet */
};

/* Threads of a staged instance wait for what becomes of it. */
enum fw_start { FW_START_NOW = 0, FW_START_HELD = 1, FW_START_NEVER = 2 };

struct lichen_instance {
	struct lichen_vm *vm;
	struct fw_spec *spec;
	const struct lichen_class *class;
	void *self;
	struct fw_checked *checked; /* of checked builds; NULL in others */
	struct fw_mutex lock;	    /* the instance lock; unused where the class is PARALLEL */
	_Atomic uint32_t state;	    /* enum fw_state; 0 before create */
	struct fw_place *places;    /* one a declared window */
	uint32_t hidden;	    /* windows that it places answer only when they are shown */
	_Atomic uint32_t leaving;   /* windows are not placed any more; set under place_lock */
	uint32_t stuck;		    /* a thread of its has not ended: its memory stays */
	const char *fixed;	    /* why it cannot go while the VM lives; NULL: it can */
	struct fw_links *links;	    /* one a declared need */
	struct fw_link *all_links;  /* those that are empty too */
	/* Consumers of what it provides; client n is clients[n - 1], NULL where it has gone. */
	struct fw_link **clients;
	uint32_t client_count;
	pthread_mutex_t clients_lock; /* guards the two: threads of the instance read them */
	_Atomic uint64_t operations[FW_OPERATIONS]; /* that are pending; pending.c */
	uint32_t quieted;      /* quiesce has ended: it is not asked again */
	uint32_t going;	       /* its removal is under way */
	struct ld_error error; /* last sentence of host->error */
	pthread_mutex_t error_lock;
	struct fw_log_limit limit;
	pthread_mutex_t ledger_lock; /* guards the filling of slots */
	struct fw_slot slots[FW_CLAIMS_MAX];
	struct fw_stage *stage;		   /* while it is made ready to stand in for another */
	const struct fw_spec *heir;	   /* of what its parameters opened; NULL: none */
	struct lichen_instance *successor; /* the staged one, while there is one */
	_Atomic uint32_t replaced;	   /* another has taken over what it held */
	uint32_t start;			   /* enum fw_start; guarded by start_lock */
	pthread_mutex_t start_lock;
	pthread_cond_t started;
	pthread_cond_t ended;		/* one of its threads; waits by the monotonic clock */
	_Atomic uint32_t lends_nothing; /* it goes: no vCPU is lent to it any more */
};

static inline uint32_t fw_is_parallel(const struct lichen_instance *in)
{
	return in->class->flags & LICHEN_CLASS_PARALLEL;
}

/* Around every callback but create, realize and destroy. */
void fw_lock(struct lichen_instance *in);
void fw_unlock(struct lichen_instance *in);

/* Its memory and the two pointers of the host's.  NULL: there is none. */
struct lichen_instance *fw_instance_new(struct lichen_vm *vm, struct fw_spec *spec,
					struct fw_diags *diags);
/* Of one that has nothing but its memory. */
void fw_instance_free(struct lichen_instance *in);
/*
 * Makes the instance: memory, parameters, links (their providers exist), create.
 * A failure is in diags with its place, and *in is NULL.  [control]
 */
lichen_status fw_instance_create(struct lichen_vm *vm, struct fw_spec *spec,
				 struct lichen_instance **in, struct fw_diags *diags);
/* Places declared windows, calls realize.  [control] */
lichen_status fw_instance_realize(struct lichen_instance *in, struct fw_diags *diags);
/* It is paused, whatever it answers.  [control] */
void fw_instance_pause(struct lichen_instance *in);
/* It runs; what it has hidden is shown.  [control] */
void fw_instance_resume(struct lichen_instance *in);
/*
 * quiesce (where it was realized, or has threads), revoke, destroy, free; from any
 * state.  NULL is ignored.  [control]
 */
void fw_instance_destroy(struct lichen_instance *in);
/* Before a call that may be blamed: what the instance said of earlier ones is forgotten. */
void fw_instance_begin(struct lichen_instance *in);
/* Puts the instance's own sentence, or else the status, in diags with its place. */
void fw_instance_blame(struct lichen_instance *in, const char *what, lichen_status status,
		       struct fw_diags *diags);

/* ledger.c.  New: NULL when there is no memory; the claim is not yet in. */
struct fw_claim *fw_claim_new(struct lichen_instance *in, enum fw_claim_kind kind,
			      uint64_t cookie);
/* Enters it; returns its handle, or 0 when the ledger is full. */
lichen_handle fw_claim_enter(struct fw_claim *claim);
/* The claim behind a handle, or NULL (and a line that names the misbehaviour).  [any] */
struct fw_claim *fw_claim_at(struct lichen_instance *in, lichen_handle handle,
			     enum fw_claim_kind kind, const char *function);
/* Takes it out and undoes it.  [control] */
void fw_claim_drop(struct fw_claim *claim);
/* Takes it out, where there is nothing to undo, and frees it.  [control] */
void fw_claim_forget(struct fw_claim *claim);
/* 1 when it has threads, which only quiesce ends.  [control] */
int fw_ledger_threads(struct lichen_instance *in);
/* All of them, in an order in which nothing is in use any more when it goes.  [control] */
void fw_ledger_revoke(struct lichen_instance *in);
const char *fw_claim_kind_name(enum fw_claim_kind kind);

/*
 * window_memory.c.  Places for all windows, with memory where the host gives it.
 * -LICHEN_ENOMEM; then fw_places_free() is owed all the same.  [control]
 */
lichen_status fw_places_make(struct lichen_instance *in, struct fw_diags *diags);
void fw_places_free(struct lichen_instance *in);
/* Its windows of RAM, and all counters, are those of `old` for windows that have the same
 * name and size.  [control] */
void fw_places_inherit(struct lichen_instance *in, const struct lichen_instance *old);
/* Counters that `other` has as well are that one's.  [control] */
void fw_places_yield(struct lichen_instance *in, const struct lichen_instance *other);
/* A power-on reset: windows of RAM are zeroes.  [control] */
void fw_places_zero(struct lichen_instance *in);

/* placement.c; errors as host->place_port and host->place_mmio. */
lichen_status fw_place(struct lichen_instance *in, uint32_t window, struct fw_bus *bus,
		       uint64_t start);
lichen_status fw_unplace(struct lichen_instance *in, uint32_t window);
/* What it has hidden is found from here on.  [control] */
void fw_places_show(struct lichen_instance *in);
/* Takes away all of them, each bus's at once, and lets none be placed again.  [control] */
void fw_unplace_all(struct lichen_instance *in);
/* Why `window` cannot be there, as the instance's sentence.  clash may be NULL. */
void fw_place_blame(struct lichen_instance *in, const struct lichen_window *window,
		    const struct fw_bus *bus, uint64_t start, lichen_status status,
		    const struct fw_target *clash);
/* What the bus is to see of the window. */
struct fw_target fw_place_target(struct lichen_instance *in, struct fw_place *place,
				 const struct lichen_window *declared, uint64_t start);
/* Callers hold the VM's place_lock. */
lichen_status fw_bell_attach(struct fw_claim *claim);
void fw_bell_detach(struct fw_claim *claim);

/* link.c.  -LICHEN_ENOMEM.  [control] */
lichen_status fw_links_make(struct lichen_instance *in);
/* Consumers that were there before, and need MANY of what it provides, get links to it. */
lichen_status fw_links_offer(struct lichen_instance *in);
/* Those links are empty from here on, and nobody is inside; posts from it are dropped. */
void fw_links_withdraw(struct lichen_instance *in);
/* Room for the links of its ties, none of them made. */
lichen_status fw_links_room(struct lichen_instance *in);
/* An empty link for need `index`; NULL: no memory. */
struct fw_link *fw_link_new(struct lichen_instance *in, uint32_t index);
/* Ties need `index` to `provider`, who hears of it. */
lichen_status fw_link_add(struct lichen_instance *in, uint32_t index,
			  struct lichen_instance *provider);
/* Enters a link that was made in another way among those that host->link_at() knows. */
void fw_link_list(struct fw_link *link);
/* Stores the address of need `index`'s link where the class wants it. */
void fw_link_store(struct lichen_instance *in, uint32_t index);
/* Whoever enters waits; nobody is inside when it returns. */
void fw_link_shut(struct fw_link *link);
/* This thread passes links that are shut. */
void fw_links_pass(int pass);
/* Events on their way from `from` come from `to`. */
void fw_events_pass(struct lichen_vm *vm, struct lichen_instance *from,
		    struct lichen_instance *to);
/* Hands over the events that were posted up to now. */
void fw_events_drain(struct lichen_vm *vm);
/* host_time.c: lets threads that wait run, or end. */
void fw_threads_start(struct lichen_instance *in, enum fw_start start);
void fw_links_break(struct lichen_instance *in);
void fw_links_free(struct lichen_instance *in);

/* What the class provides under `id`, or NULL. */
const struct lichen_provide *fw_provided(const struct lichen_class *class, const char *id);
/* 1 when the interface has the function at `offset` of its struct. */
int fw_provides(const struct lichen_provide *provide, size_t offset);

/* Items of a normalised table. */
#define FW_ITEMS(type, table) ((const type *)(table).items)

#endif
