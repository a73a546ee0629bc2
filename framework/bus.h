/* SPDX-License-Identifier: MIT */
/*
 * bus.h: an address space of windows (ports, or MMIO).  Readers, the vCPUs, find
 * a window in an immutable sorted snapshot under RCU; changes publish a new one.
 */
#ifndef FW_BUS_H
#define FW_BUS_H

#include <pthread.h>

#include <lichen/window.h>
#include <lichen/status.h>

#include "mutex.h"

/* A placed window.  Owned by the instance; lives until removed from its bus. */
struct fw_target {
	const struct lichen_window *window; /* declaration: size, ops, access sizes, rank */
	void *self;			    /* first argument of the handlers */
	struct fw_mutex *lock; /* held around handlers; NULL: the class is parallel */
	uint64_t start;	       /* where it is placed */
	const void *owner;     /* for messages about clashes, and for fw_bus_show() */
	uint32_t counter;      /* for fw_bus_tally() */
	uint32_t hidden;       /* it holds its place, and no access finds it until shown */
};

struct fw_bus;

/* limit: the first address past the bus (0x10000 for ports; 0: 2^64).  NULL: no memory. */
struct fw_bus *fw_bus_create(uint64_t limit);
/* When no reader is left.  Targets are not freed. */
void fw_bus_destroy(struct fw_bus *bus);

/*
 * Publishes target at target->start.  -LICHEN_ERANGE: past the limit;
 * -LICHEN_EEXIST: overlaps one of the same rank, *clash (may be NULL) is set;
 * -LICHEN_ENOMEM.  A higher rank hides what lies below it.  [control or vcpu]
 */
lichen_status fw_bus_insert(struct fw_bus *bus, struct fw_target *target,
			    const struct fw_target **clash);
/*
 * Takes it out.  When it returns, no handler of it runs or will run, but for one
 * that the calling thread is in itself.  The caller may hold the target's lock, but
 * nothing else that a handler of it waits for.  -LICHEN_ENOENT.  [control or vcpu]
 */
lichen_status fw_bus_remove(struct fw_bus *bus, struct fw_target *target);
/* The same for all that the owner has there, gone at once; what it lacks is no error. */
void fw_bus_remove_all(struct fw_bus *bus, const void *owner);
/* What the owner has hidden there answers from here on, all of it at once.  [control] */
void fw_bus_show(struct fw_bus *bus, const void *owner);

/* A part of a placed window that no other hides. */
struct fw_bus_part {
	const struct lichen_window *window;
	void *self;	      /* of its target */
	uint64_t base;	      /* where the window starts */
	uint64_t start, last; /* the part */
};
/* Calls `visit` for each, ascending; nothing changes meanwhile.  [control or vcpu] */
void fw_bus_visit(struct fw_bus *bus, void (*visit)(void *, const struct fw_bus_part *),
		  void *context);
/* Windows placed. */
uint32_t fw_bus_count(struct fw_bus *bus);

/*
 * A change of several windows that readers see as one.  fw_bus_prepare() does all that can
 * fail and changes nothing; then exactly one of commit, which cannot, and abandon is owed.
 * Between the two nobody else changes the bus.  [control, no reader inside]
 */
struct fw_bus_change;
/* Errors as fw_bus_insert(), of any of `in` against what stays and one another. */
lichen_status fw_bus_prepare(struct fw_bus *bus, struct fw_target *const *out, uint32_t outs,
			     struct fw_target *const *in, uint32_t ins,
			     struct fw_bus_change **change, const struct fw_target **clash);
void fw_bus_commit(struct fw_bus_change *change);
void fw_bus_abandon(struct fw_bus_change *change); /* NULL: nothing */
/* What fw_bus_insert() would say of the target if nothing were there of `owner`, memory
 * apart.  [control or vcpu] */
lichen_status fw_bus_check(struct fw_bus *bus, const struct fw_target *target,
			   const void *owner, const struct fw_target **clash);

/*
 * One guest access of 1, 2, 4 or 8 bytes (MMIO: 1 to 8).  Parts that no window
 * covers read as all ones and drop writes; parts that straddle windows are cut.
 * Returns 1 when at least one window was hit.  [vcpu]
 */
int fw_bus_read(struct fw_bus *bus, uint64_t address, uint32_t size, uint64_t *value);
int fw_bus_write(struct fw_bus *bus, uint64_t address, uint32_t size, uint64_t value);

/*
 * From here on the calling thread counts its accesses to a window in counts[] at the
 * target's `counter`; it alone writes there.  NULL: it does not count.
 */
void fw_bus_tally(uint64_t *counts);
/* Must bracket a thread's use of fw_bus_read and _write: registers it with RCU. */
void fw_bus_thread_enter(void);
void fw_bus_thread_leave(void);

#endif
