/* SPDX-License-Identifier: MIT */
/*
 * borrow.h: a vCPU lent to an instance for a while, on the vCPU's own thread: whatever it
 * was doing is put aside, it runs where the instance says, and then is as it was.
 *
 * One at a time per vCPU.  Who asks leaves the request with the vCPU and kicks it; the
 * thread looks at requests after a kick only, so that exits cost what they did before.  A
 * park of the vCPUs waits for the end of a call, FW_BORROW_GRACE_NS at most; the end of
 * the VM does not.
 */
#ifndef FW_BORROW_H
#define FW_BORROW_H

#include <stdatomic.h>

#include <lichen/draft/symbiotic.h>

struct fw_memory;
struct fw_vcpu;
struct hv_tables;
struct lichen_instance;

/* How long a call goes on that the VM's standing still finds under way. */
#define FW_BORROW_GRACE_NS UINT64_C(50000000)

enum fw_borrow_phase {
	FW_BORROW_FREE = 0,
	FW_BORROW_ASKING = 1, /* the request is being written */
	FW_BORROW_ASKED = 2,
	FW_BORROW_LENT = 3,
	FW_BORROW_PHASES = 4, /* `word` is serial * FW_BORROW_PHASES + phase */
};

/* One a vCPU. */
struct fw_borrow {
	_Atomic uint64_t word;
	_Atomic uint64_t cancelled;		/* serial of the request that is taken back */
	_Atomic(struct lichen_instance *) in;	/* whose request it is */
	_Atomic(struct lichen_instance *) told; /* who is being told of the end of one */
	uint64_t cookie, deadline;		/* of the request, host clock */
	_Atomic uint32_t rests;			/* 1: the thread serves nobody: it is at the
						   gate, has ended or not begun */
	uint32_t ended;				/* the guest's call is over; the thread's own */
};

/* The thread has not begun. */
void fw_borrow_init(struct fw_borrow *borrow);
/* host->borrow, host->borrow_end, host->borrow_cancel. */
lichen_status fw_borrow_ask(struct lichen_instance *in, uint32_t vcpu, uint64_t cookie,
			    uint64_t deadline);
lichen_status fw_borrow_end(struct lichen_instance *in, uint32_t vcpu);
void fw_borrow_cancel(struct lichen_instance *in, uint32_t vcpu);
/* The instance goes: its requests are taken back, and borrow_left is behind it when this
 * returns; new ones are refused.  Its lock is not held.  [control] */
void fw_borrow_leave(struct lichen_instance *in);

/* --- the vCPU's thread --- */

/* After a kick: serves a request, if there is one. */
void fw_borrow_serve(struct fw_vcpu *vcpu);
/* It is about to wait at the gate, or to end: a request is refused. */
void fw_borrow_rest(struct fw_vcpu *vcpu);
/* It goes on. */
void fw_borrow_wake(struct fw_vcpu *vcpu);

/* --- borrow_check.c --- */

/*
 * Why no hardware takes the entry, or NULL.  found: what the vCPU is like;
 * physical_bits: of its guest-physical addresses.
 */
const char *fw_borrow_refuses(const struct lichen_vcpu_entry *entry,
			      const struct lichen_vcpu_context *found, uint32_t physical_bits);
/* SDM 1, 3.3.7.1: all bits above the highest that counts are copies of it. */
int fw_is_canonical(uint64_t address, uint64_t cr4);

/* --- borrow_fault.c --- */

/*
 * 1: on page tables `cr3` the guest takes a double fault: its gate, which has a stack of its
 * own, that stack and the first of the handler are there.  Then no fault, wherever its code
 * comes to, shuts the vCPU down, as long as that code leaves these alone.  0: perhaps not.
 */
int fw_borrow_faults_land(const struct fw_memory *memory, const struct hv_tables *tables,
			  uint64_t cr3);

#endif
