/* SPDX-License-Identifier: MIT */
/*
 * th.h: what the files of the test host share.  One recursive lock guards all of
 * it: callbacks run under it, so that threads of a plugin see a serial host.
 */
#ifndef TH_H
#define TH_H

#include <pthread.h>

#include <lichen/backend.h>

#include "testhost.h"

/* States of an instance and roles of a thread, as bits, so that sets of them can be given. */
enum th_state {
	TH_NEW = 1 << 0, /* th_create() was called, create was not */
	TH_CREATED = 1 << 1,
	TH_REALIZED = 1 << 2,
	TH_RUNNING = 1 << 3,
	TH_PAUSED = 1 << 4,
	TH_QUIESCING = 1 << 5,
	TH_DRAINED = 1 << 6,
	/* the ranges that tags name; a paused or quiescing instance may do what a running one
	   may */
	TH_FROM_RUNNING = TH_RUNNING | TH_PAUSED | TH_QUIESCING,
	TH_FROM_REALIZED = TH_REALIZED | TH_FROM_RUNNING,
	TH_FROM_CREATED = TH_CREATED | TH_FROM_REALIZED,
	TH_ANY_STATE = TH_FROM_CREATED | TH_DRAINED,
};

enum th_role {
	TH_CONTROL = 1 << 0,
	TH_VCPU = 1 << 1,
	TH_THREAD = 1 << 2, /* one that thread_start made: only [any] */
	TH_NOT_THREAD = TH_CONTROL | TH_VCPU,
	TH_ANY_ROLE = TH_NOT_THREAD | TH_THREAD,
};

struct lichen_instance {
	struct th *th;
};

enum th_kind {
	TH_FREE = 0,
	TH_LINE = 1,
	TH_MESSAGE = 2,
	TH_TIMER = 3,
	TH_WATCH = 4,
	TH_DOORBELL = 5,
	TH_MAP = 6,
	TH_MSRS = 7,   /* `gsi` is the first, `events` how many */
	TH_MODULE = 8, /* `size` bytes of the file are in `module` */
};

/* What a handle names.  A handle is never given out twice. */
struct th_object {
	enum th_kind kind;
	lichen_handle handle;
	uint64_t cookie;
	int32_t trigger;  /* line, message, doorbell: eventfd of ours, -1: none */
	int32_t resample; /* line: the same */
	uint32_t gsi, flags, level;
	struct lichen_message message;
	uint32_t masked, pending, updated;
	uint32_t clock, armed;
	uint64_t deadline;
	int32_t descriptor; /* watch */
	uint32_t events;
	struct lichen_doorbell bell;
	uint64_t size, offset; /* map; offset in its window */
	uint32_t access, window;
	uint8_t *module; /* its bytes, owned; `size` of them */
	struct lichen_module_info info;
};

enum {
	TH_OBJECTS = 512,
	TH_THREADS = 16,
	TH_PROVIDERS = 32,
	TH_RESERVED = 32,
	TH_TEXT = 512,
	TH_PATH = 4096,
	TH_CLOCKS = 4, /* indexed by enum lichen_clock */
	TH_VCPUS = 32,
	TH_CALLS = 64, /* of the control socket, not yet fetched */
};

struct th_value {
	uint64_t number;
	char *text;
	int32_t descriptor; /* owned; every start gets a duplicate */
	uint32_t given;
};

struct th_placed {
	uint32_t place; /* enum lichen_place; LATER: nowhere */
	uint64_t start;
	/* Of a window of memory. */
	uint8_t *memory;	   /* NULL: MAPPED, and nothing was given yet */
	uint32_t writable;	   /* by the guest */
	uint8_t *dirty;		   /* one a page; NULL: nobody has asked */
	struct lichen_region told; /* what the instance that listens has; size 0: nothing */
};

struct th_provider { /* the test, standing in for one */
	char *id;
	const void *ops;
	void *self;
	struct lichen_link link; /* filled between enter and leave only */
	uint32_t entered;
};

struct th_event {
	struct th_event *next;
	uint32_t need; /* its cookie is meant; unused in `posted` */
	uint32_t event;
	uint32_t size;
	uint8_t data[];
};

struct th_queue {
	struct th_event *first, **last;
};

struct th_borrow {
	uint32_t asked, entered, ended, cancelled;
	uint64_t cookie, deadline;
};

struct th_symbiotic {
	uint32_t block; /* the VM has a discovery block */
	uint64_t offered, agreed, causes;
	struct th_borrow borrows[TH_VCPUS];
};

struct th_answer { /* token 0: free */
	uint64_t token;
	uint32_t answered;
	lichen_status status;
	char *text; /* the test's once fetched */
};

struct th_irq {
	uint32_t edges[TH_PINS];
	uint32_t sent;
	struct lichen_message last;
};

struct th {
	char *name;
	char path[TH_PATH];
	void *library;
	const struct lichen_class *their_class;
	struct lichen_class class; /* ours: full size, tables of our item sizes */
	struct lichen_instance in;
	struct lichen_host host;
	enum th_state state;
	const char *doing; /* callback in progress; NULL: none */
	uint32_t depth;	   /* callbacks in progress */
	uint8_t *self;
	char error[TH_TEXT];

	struct th_value *values;   /* as class.params */
	struct th_placed *windows; /* as class.windows */
	struct th_object *objects; /* TH_OBJECTS */
	uint64_t last_handle;
	uint32_t entered;
	uint32_t joined; /* consumers were announced */

	uint8_t *ram;
	uint64_t memory;  /* bytes of RAM in all */
	uint32_t listens; /* memory_listen() was called */
	uint32_t telling; /* th_banks_tell() is under way */
	struct lichen_range reserved[TH_RESERVED];
	uint32_t reserved_count;

	uint32_t cpus;
	struct lichen_cpu cpu;
	uint32_t cpu_set;
	struct th_asked asked;
	struct th_irq *irq;
	uint64_t clocks[TH_CLOCKS];

	struct th_provider providers[TH_PROVIDERS];
	uint32_t provider_count;
	struct lichen_link empty_link;
	struct th_queue events; /* to the instance */
	struct th_queue posted; /* by the instance */
	struct th_peer *peer;
	uint32_t peer_cut; /* a write was cut short and WRITABLE is owed */

	pthread_t threads[TH_THREADS];
	uint32_t thread_count;
	uint32_t pending; /* bits 1 << enum lichen_operation */
	lichen_status completed;

	struct th_symbiotic symbiotic;
	struct th_answer calls[TH_CALLS];
	uint64_t last_token;

	int console_in, console_out; /* -1: none; the test's */
	uint32_t console_taken;
	uint32_t irqchip, pit; /* created */
	uint8_t irqchip_state[3][LICHEN_IRQCHIP_STATE_SIZE];
	uint8_t pit_state[LICHEN_PIT_STATE_SIZE];
};

/* The plugin misbehaves, or the test asks the impossible: ends the program. */
__attribute__((noreturn, format(printf, 3, 4))) void th_fail(const struct th *th,
							     const char *function,
							     const char *format, ...);
/* Memory that th_fail_allocation() does not touch; never NULL; zeroed.  Free with free(). */
void *th_alloc(uint64_t size);
char *th_copy_text(const char *text);

void th_lock(void);
void th_unlock(void);

/* Locks, and checks that the instance may call `function` of the host now and here. */
struct th *th_guard(struct lichen_instance *in, const char *function, uint32_t states,
		    uint32_t roles);
void th_unguard(struct th **th);
#define TH_GUARD(in, function, states, roles)                \
	struct th *th __attribute__((cleanup(th_unguard))) = \
		th_guard((in), (function), (states), (roles))

/* Brackets of every callback: lock, role; on return nothing may be entered or mapped. */
struct th_frame {
	const char *outer;
	enum th_role role;
	uint32_t entered, maps;
};
void th_begin(struct th *th, struct th_frame *frame, const char *name, enum th_role role);
void th_end(struct th *th, const struct th_frame *frame);

struct th_object *th_object_new(struct th *th, const char *function, enum th_kind kind);
/* Fails the program where `handle` names nothing of that kind. */
struct th_object *th_object_of(struct th *th, const char *function, enum th_kind kind,
			       lichen_handle handle);
/* The first object of `kind` from *at on, which is moved past it; NULL: no more. */
struct th_object *th_object_next(struct th *th, enum th_kind kind, uint32_t *at);
void th_object_free(struct th_object *object);

/* Parts of the lifecycle, by file. */
lichen_status th_pause(struct th *th);
void th_resume(struct th *th);
void th_open_plugin(struct th *th);
void th_close_plugin(struct th *th);
void th_values_init(struct th *th);
void th_values_store(struct th *th);
void th_values_close(struct th *th); /* after destroy */
void th_values_free(struct th *th);
uint64_t th_value_of(struct th *th, const char *name); /* what the parameter has */
void th_links_store(struct th *th);
void th_links_deliver(struct th *th); /* what th_event() queued, outside callbacks */
void th_links_free(struct th *th);
void th_clients(struct th *th, uint32_t joined);
lichen_status th_windows_place(struct th *th);
/* Parts of windows of memory, by file th_bank.c. */
const struct lichen_window *th_window(const struct th *th, uint32_t index);
void th_banks_make(struct th *th); /* before create */
void th_banks_free(struct th *th); /* after destroy */
void th_banks_zero(struct th *th); /* a power-on reset */
lichen_status th_bank_check(struct th *th, uint32_t index, uint32_t place, uint64_t start);
/* What the guest does at `off`; 0: the handlers are to do it. */
int th_bank_access(struct th *th, uint32_t index, int write, uint64_t off, uint32_t size,
		   uint64_t *value);
/* The host address of guest memory that is all in one window, or NULL; *index: which. */
uint8_t *th_bank_address(const struct th *th, uint64_t gpa, uint64_t size, uint32_t access,
			 uint32_t *index);
void th_bank_mark(struct th *th, uint32_t index, uint64_t off, uint64_t size);
/* The instance that listens hears what has changed; outside callbacks, or in memory_listen().
 */
lichen_status th_banks_tell(struct th *th);
lichen_status th_listen(struct th *th);
void th_bank_fill(struct lichen_host *host);
/* The highest window at `address`, or the number of windows. */
uint32_t th_topmost(const struct th *th, uint32_t place, uint64_t address);
uint32_t th_memory_is_ram(const struct th *th, uint64_t gpa, uint64_t size);
uint32_t th_memory_touches_ram(const struct th *th, uint64_t gpa, uint64_t size);
void th_queue_put(struct th_queue *queue, uint32_t need, uint32_t event, const void *data,
		  uint32_t size);
struct th_event *th_queue_take(struct th_queue *queue);

extern const struct lichen_module_host th_module_host;
/* LICHEN_SYMBIOTIC_HOST and LICHEN_CONTROL_HOST; NULL for others. */
const void *th_symbiotic_interface(const struct th *th, const char *id);

/* The table's functions, by file. */
void th_host_fill(struct lichen_host *host);
void th_window_fill(struct lichen_host *host);
void th_irq_fill(struct lichen_host *host);
void th_memory_fill(struct lichen_host *host);
void th_time_fill(struct lichen_host *host);
void th_link_fill(struct lichen_host *host);

/* The current thread's role, and the maps that it holds. */
extern _Thread_local enum th_role th_role;
extern _Thread_local uint32_t th_maps;

#endif
