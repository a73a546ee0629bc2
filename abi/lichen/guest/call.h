/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * call.h: SymCall.  The VMM invokes a function of the guest, by number.
 *
 * The guest publishes its functions as a directory (directory.h, magic CALL) in up to
 * LICHEN_CALL_TABLE_PAGES pages (LICHEN_MSR_CALL_TABLE).  A function is direct, deferred,
 * or both.  Status is 0 or a negative number of Linux's errno.
 *
 * DIRECT.  The VMM stops a vCPU, whatever it does, saves it whole, and enters the guest
 * at the registered place, on the registered stack, with interrupts masked:
 *	rax	serial of the call, never 0
 *	rdi	function
 *	rsi rdx rcx r8	arguments 0 to 3
 *	r9	bytes in the argument page
 *	rflags	2; cs, ss, gs base, cr3 as registered; rbx rbp r10 to r15: 0
 * The guest ends the call by writing LICHEN_MSR_CALL_DONE, on the same vCPU:
 *	edx:eax	serial << 32 | status as 32 bits
 *	rdi rsi	results 0 and 1
 *	r8	bytes of results in the argument page
 * The instruction behind it never runs: the VMM restores the vCPU.  A call that takes
 * longer than the caller's deadline, faults to death or halts is abandoned: the vCPU is
 * restored, and refuses direct calls until it registers again; if the registration has a
 * `cleanup`, it is entered once in the same way, with the function's number, to undo what
 * the abandoned call left.
 *
 * The code runs as in an NMI handler: on top of anything, interrupts off, page faults not
 * served.  No locks, no sleep, nothing that can fault without a fix-up.
 *
 * DEFERRED.  The guest gives memory for slots (LICHEN_MSR_CALL_AREA, one page each).  The
 * VMM fills a free one, makes it ASKED and raises LICHEN_CAUSE_CALLS.  The guest runs the
 * function where it may sleep, stores status and results, makes the slot DONE and writes
 * its serial to LICHEN_MSR_CALL_ANSWER.  Then the slot is the VMM's again.
 */
#ifndef LICHEN_GUEST_CALL_H
#define LICHEN_GUEST_CALL_H

#include <lichen/guest/directory.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	LICHEN_CALL_TABLE_PAGES = 16,
	LICHEN_CALL_ARGUMENTS = 4,
	LICHEN_CALL_RESULTS = 2,
	LICHEN_CALL_SLOTS = 64, /* pages of the area, at most */
};

enum lichen_call_flag { /* of a function */
			LICHEN_CALL_DIRECT = 1 << 0,
			LICHEN_CALL_DEFERRED = 1 << 1,
};

enum lichen_call_cr3 {
	LICHEN_CALL_CR3_KEEP = 0,
	LICHEN_CALL_CR3_CLEAR = 1, /* where cr3 & cr3_test: cr3 &= ~cr3_clear */
	LICHEN_CALL_CR3_FIXED = 2, /* cr3 = cr3_value */
};

/*
 * One vCPU's registration, all of it written by the guest.  LICHEN_MSR_CALL_VCPU takes the
 * guest-physical address of it, aligned to 16, | 1; it lies within one page and is read
 * once, during the write.  0 takes it back.  Addresses must be canonical, selectors those
 * of a 64-bit code and a data segment of privilege 0, bits of cr3 not reserved: #GP.
 */
struct lichen_call_vcpu {
	uint32_t struct_size;
	uint32_t flags;	  /* 0 */
	uint64_t entry;	  /* linear address */
	uint64_t cleanup; /* the same; 0: none */
	uint64_t stack;	  /* linear address of its end, aligned to 16 */
	uint64_t gs_base;
	uint64_t page; /* guest-physical, page-aligned: the argument page */
	uint32_t cs, ss;
	uint32_t cr3_rule; /* enum lichen_call_cr3 */
	uint32_t _pad;
	uint64_t cr3_test, cr3_clear, cr3_value;
};

enum lichen_call_state {
	LICHEN_CALL_FREE = 0,
	LICHEN_CALL_ASKED = 1,	  /* VMM writes */
	LICHEN_CALL_TAKEN = 2,	  /* guest writes */
	LICHEN_CALL_ANSWERED = 3, /* guest writes */
};

enum { LICHEN_CALL_DATA = 4016 };

struct lichen_call_slot {			   /* one page */
	uint32_t state;				   /* enum lichen_call_state */
	uint32_t serial;			   /* VMM writes */
	uint32_t function;			   /* VMM writes */
	int32_t status;				   /* guest writes */
	uint64_t arguments[LICHEN_CALL_ARGUMENTS]; /* VMM writes */
	uint64_t results[LICHEN_CALL_RESULTS];	   /* guest writes */
	uint32_t size; /* bytes of data: of arguments, then of results */
	uint32_t _pad[3];
	uint8_t data[LICHEN_CALL_DATA];
};

/* Functions whose meaning is fixed wherever they exist. */
#define LICHEN_CALL_NULL "lichen.null"	 /* does nothing */
#define LICHEN_CALL_ECHO "lichen.echo"	 /* gives arguments 0 and 1 and the page back */
#define LICHEN_CALL_START "lichen.start" /* calls int32_t f(void) at argument 0; its result */

#ifdef __cplusplus
}
#endif

#endif
