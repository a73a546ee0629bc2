/* SPDX-License-Identifier: MIT */
/*
 * symcall.h: what the files of symcall share.  symcall.c has the MSRs and the life,
 * symcall_direct.c calls on a borrowed vCPU, symcall_deferred.c calls through slots,
 * symcall_request.c a call from its beginning to its answer, symcall_control.c the methods.
 */
#ifndef SYMCALL_H
#define SYMCALL_H

#include <lichen/draft/symcall.h>
#include <lichen/guest/call.h>
#include <lichen/guest/discovery.h>
#include <lichen/sdk/control.h>
#include <lichen/sdk/directory.h>
#include <lichen/sdk/schema.h>
#include <lichen/sdk/symbiotic.h>
#include <lichen/symbiotic.h>

enum {
	SYMCALL_VCPUS = 32,
	SYMCALL_WAITING = 256, /* calls under way at a time, at most */
	SYMCALL_BUCKETS = 32,  /* of a histogram: 2^n ns and more */
	SYMCALL_FLAGS = 8,     /* kinds of moments that are counted */
};

/* ns that a caller, or the profile, may give a call. */
#define SYMCALL_DIRECT_MAX UINT64_C(60000000000)
#define SYMCALL_DEFERRED_MAX UINT64_C(3600000000000)

/* What a vCPU was doing when it was called: enum lichen_vcpu_flag's bits, and two more. */
enum { SYMCALL_AT_SWAPGS = 6, SYMCALL_AT_USER_CR3 = 7 };

/* A call, from symcall_request_new() to symcall_finish(). */
struct symcall_request {
	struct symcall_request *next; /* in a queue */
	/* who asked: a client of the socket (token), or a plugin (client, its token) */
	uint64_t token, client, event_token;
	uint64_t event_id; /* not 0: the client was answered with it and hears by an event */
	uint32_t function; /* number */
	uint32_t flags;	   /* enum lichen_call_flag that are allowed */
	uint32_t vcpu;	   /* that was asked for, or LICHEN_SYMCALL_ANY */
	uint32_t on;	   /* the vCPU, or the slot, where it runs */
	uint32_t deferred; /* 1: runs, or ran, through a slot */
	uint32_t serial;
	uint64_t begun, deadline, allowed; /* host clock, ns; allowed: from each beginning */
	uint64_t values[LICHEN_CALL_ARGUMENTS];
	uint64_t results[LICHEN_CALL_RESULTS];
	int32_t answer; /* the function's */
	uint32_t size;	/* of data: of arguments, then of results */
	char name[LICHEN_DIRECTORY_NAME];
	struct lichen_schema_call schema;
	uint8_t data[LICHEN_GUEST_PAGE];
};

struct symcall_vcpu {
	struct lichen_call_vcpu registration; /* entry 0: none */
	uint8_t dead;			      /* a call was abandoned on it */
	uint8_t cleaning;		      /* borrowed for the cleanup of such a call */
	uint8_t entered, done;		      /* of the call under way */
	struct symcall_request *current, *first;
};

struct symcall_slot {
	struct symcall_request *request;
	uint32_t serial; /* 0: free; else the guest has it, also when nobody waits any more */
};

struct symcall_counts {
	uint64_t calls, failed, timeouts, crashed, refused, late;
	uint64_t moments[SYMCALL_FLAGS];
	uint64_t histogram[2][SYMCALL_BUCKETS]; /* direct, deferred */
};

/* All is guarded by the instance lock. */
struct symcall {
	struct lichen_dev dev;
	uint64_t timeout;	   /* parameter, ns: of direct calls */
	uint64_t deferred_timeout; /* parameter, ns */
	const struct lichen_symbiotic_host *symbiotic;
	const struct lichen_control_host *control; /* NULL: the VM has no control socket */
	uint64_t table_at, area_at;		   /* as the guest wrote them */
	struct lichen_shared table, area;
	struct symcall_vcpu vcpus[SYMCALL_VCPUS];
	struct symcall_slot slots[LICHEN_CALL_SLOTS];
	struct symcall_request *first_deferred; /* waiting for a slot */
	uint32_t next_vcpu, last_serial, under_way;
	uint64_t last_event;
	lichen_handle tick; /* timer: the earliest deadline, or a try again */
	struct symcall_counts counts;
};

extern const struct lichen_control_ops symcall_control;

uint64_t symcall_now(const struct symcall *s);
/* A serial that is not 0, and that no call under way has. */
uint32_t symcall_serial(struct symcall *s);
/* 1: the guest agreed to `feature`. */
int symcall_agreed(const struct symcall *s, uint64_t feature);

/* --- symcall_request.c --- */

/* Looks the function up; the caller fills in who asks, values and data.  Errors as
 * lichen_symcall_ops.call; *request is then unchanged. */
lichen_status symcall_request_new(struct symcall *s, const char *name, uint32_t mode,
				  uint32_t vcpu, uint64_t deadline_ns,
				  struct symcall_request **request);
/* Drops it before it was begun. */
void symcall_request_free(struct symcall *s, struct symcall_request *request);
/* Starts it; it is finished later, or during the call. */
void symcall_begin(struct symcall *s, struct symcall_request *request);
/* Tells who asked; the request is gone then.  status 0: answer and results count. */
void symcall_finish(struct symcall *s, struct symcall_request *request, lichen_status status);
/* The same for all that are under way; borrowed vCPUs are given back. */
void symcall_cancel_all(struct symcall *s);
/* The timer is due. */
void symcall_tick(struct symcall *s);
void symcall_arm(struct symcall *s, uint64_t deadline);

/* Appends, takes the first. */
void symcall_queue_put(struct symcall_request **queue, struct symcall_request *request);
struct symcall_request *symcall_queue_take(struct symcall_request **queue);

/* --- symcall_direct.c --- */

/* -LICHEN_EINVAL, -LICHEN_EFAULT: #GP, and nothing has changed. */
lichen_status symcall_vcpu_register(struct symcall *s, uint32_t vcpu, uint64_t at);
int symcall_registration_right(const struct lichen_call_vcpu *r);
/* One that is registered and alive, from the next in turn on; SYMCALL_VCPUS: none is. */
uint32_t symcall_vcpu_any(struct symcall *s);
void symcall_direct_begin(struct symcall *s, struct symcall_request *request);
lichen_status symcall_direct_done(struct symcall *s, uint32_t vcpu, uint64_t value);
void symcall_direct_next(struct symcall *s, uint32_t vcpu);
extern const struct lichen_symbiotic_ops symcall_symbiotic;

/* --- symcall_deferred.c --- */

void symcall_deferred_begin(struct symcall *s, struct symcall_request *request);
lichen_status symcall_deferred_answer(struct symcall *s, uint64_t serial);
/* Ends what is past its deadline; returns the earliest of the others, or UINT64_MAX. */
uint64_t symcall_deferred_overdue(struct symcall *s, uint64_t now);
/* The guest takes its area back: calls in it come to nothing. */
void symcall_deferred_forget(struct symcall *s);

#endif
