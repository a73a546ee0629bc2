/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lichen_guest.h: how other modules add records that the VMM reads (SymSpy) and functions
 * that it calls (SymCall), and take them away again.  All may sleep unless said otherwise.
 *
 * DIRECT FUNCTIONS RUN AS IN AN NMI, on top of whatever the CPU was doing: no locks, no
 * sleep, no memory allocation, nothing that faults without a fix-up.  What an NMI handler
 * may do, they may: read RCU-protected lists, copy_from_kernel_nofault(),
 * copy_from_user_nofault(), printk().  A direct function that does not return within the
 * VMM's deadline is abandoned where it is: what it changed stays changed.
 */
#ifndef LICHEN_GUEST_KERNEL_H
#define LICHEN_GUEST_KERNEL_H

#include <linux/module.h>
#include <linux/types.h>

#include <lichen/guest/call.h>
#include <lichen/guest/spy.h>

struct lichen_guest_record;

enum lichen_guest_where {
	LICHEN_GUEST_VM = 0,   /* one for the VM */
	LICHEN_GUEST_VCPU = 1, /* one for each CPU */
};

/*
 * Adds a record of `size` zero bytes.  schema: as lichen/guest/directory.h says; NULL: none.
 * -EEXIST: there is one of this name; -ENOSPC: no room; -EINVAL: name or schema too long.
 */
struct lichen_guest_record *lichen_guest_record_add(const char *name, u32 size,
						    const char *schema,
						    enum lichen_guest_where where);

/* The VMM sees it no longer when this returns, unless it is just reading.  NULL: nothing. */
void lichen_guest_record_remove(struct lichen_guest_record *record);

/*
 * Around every change of a record, by one writer at a time: returns its bytes.  Any context
 * in which nothing can come between that writes the same record, or reads it by waiting.
 * cpu: 0 for a record of the VM.
 */
void *lichen_guest_record_begin(struct lichen_guest_record *record, unsigned int cpu);
void lichen_guest_record_end(struct lichen_guest_record *record, unsigned int cpu);

struct lichen_guest_call {
	u64 arguments[LICHEN_CALL_ARGUMENTS];
	u64 results[LICHEN_CALL_RESULTS]; /* zero */
	void *data; /* the arguments' bytes; the results' take their place */
	u32 size;   /* bytes of it, then bytes of results */
	u32 room;   /* bytes that results may take */
	bool direct;
};

struct lichen_guest_function {
	const char *name;   /* "subsystem.verb" */
	const char *schema; /* of arguments and results; NULL: none */
	u32 flags;	    /* enum lichen_call_flag */
	u32 any;	    /* direct: 1: it is fit for a CPU that RCU does not watch */
	struct module *owner;
	int (*call)(struct lichen_guest_call *call); /* 0 or a negative errno */
};

/* The structure is kept until it is removed.  -EEXIST, -ENOSPC, -EINVAL as above. */
int lichen_guest_function_add(const struct lichen_guest_function *function);

/* When it returns, no CPU is inside and none will be.  Not from a function of its own. */
void lichen_guest_function_remove(const struct lichen_guest_function *function);

/*
 * Copies up to `size` bytes of a record that the VMM writes ("lichen.host/1").  Returns
 * their number; -ENOENT: there is none; -EAGAIN: it does not settle.  Any context.
 */
int lichen_guest_host_read(const char *name, void *to, u32 size);

#endif
