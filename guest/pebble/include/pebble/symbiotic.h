/* SPDX-License-Identifier: MIT */
/*
 * pebble/symbiotic.h: the guest's side of SymSpy, SymCall and SymMod, without Linux.
 * docs/symbiotic-abi.md specifies what the VMM sees of it.
 *
 *	if (!sym_find())
 *		return PEBBLE_PASS;		a VMM like any other
 *	sym_add_function(&count);
 *	sym_agree(SYM_ALL);
 *	sym_vcpu(0);				on each CPU
 *	for (;;) {
 *		sym_wait();
 *		sym_serve();
 *	}
 */
#ifndef PEBBLE_SYMBIOTIC_H
#define PEBBLE_SYMBIOTIC_H

#include <lichen/guest/call.h>
#include <lichen/guest/discovery.h>
#include <lichen/guest/module.h>
#include <lichen/guest/spy.h>
#include <pebble/pebble.h>

enum {
	SYM_CPUS = 5,	    /* that can be registered */
	SYM_FUNCTIONS = 24, /* at most */
	SYM_SLOTS = 4,
	SYM_VECTOR = 48, /* of the notification line */
	SYM_ALL = LICHEN_FEATURE_SPY | LICHEN_FEATURE_SPY_HOST | LICHEN_FEATURE_CALL |
		  LICHEN_FEATURE_CALL_DEFERRED | LICHEN_FEATURE_MODULE,
};

extern uint32_t sym_first;  /* MSR that the others are counted from */
extern uint32_t sym_line;   /* GSI, or LICHEN_GUEST_NO_LINE */
extern uint64_t sym_agreed; /* features */

/* Looks for the discovery block; 0: there is none whose contract is known. */
int sym_find(void);

/* Registers what belongs to the features that are wanted and on offer, but for vCPUs; so does
 * sym_serve() when other features are on offer.  Features of third parties are agreed to, and
 * the rest is the caller's.  Returns those features. */
uint64_t sym_agree(uint64_t wanted);

/* Registers the CPU it runs on, of this number. */
void sym_vcpu(uint32_t number);

/* The MSR counted from the first; the vector of the exception, -1: none. */
int sym_read(uint32_t msr, uint64_t *value);
int sym_write(uint32_t msr, uint64_t value);

/* --- sets of records --- */

struct sym_set {
	struct lichen_directory *head;
	uint32_t used; /* bytes, from the start */
};

extern struct sym_set sym_global, sym_cpu_sets[SYM_CPUS];

/* memory: `pages` of them, page-aligned and zero. */
void sym_set_init(struct sym_set *set, uint32_t magic, void *memory, uint32_t pages);

/* Adds a record of zeros; its bytes, NULL: no room.  schema: NULL: none. */
void *sym_add_record(struct sym_set *set, const char *name, uint32_t size, const char *schema);
void sym_remove_record(struct sym_set *set, const char *name);

/* Around every change of a record's bytes, by one writer at a time. */
void sym_begin(void *bytes);
void sym_end(void *bytes);

/* --- functions --- */

struct sym_call {
	uint64_t arguments[LICHEN_CALL_ARGUMENTS];
	uint64_t results[LICHEN_CALL_RESULTS];
	uint8_t *data;	 /* arguments', then results' */
	uint32_t size;	 /* bytes of it */
	uint32_t direct; /* 1: as in an NMI */
	uint64_t serial; /* of a direct call */
	uint64_t _pad;	 /* sym_entry.S keeps the stack aligned */
};

struct sym_function {
	const char *name, *schema;
	uint32_t flags; /* enum lichen_call_flag */
	int32_t (*call)(struct sym_call *call);
};

/* Gives its number, from 1; 0: no room.  The structure is kept. */
uint32_t sym_add_function(const struct sym_function *function);
void sym_remove_function(const struct sym_function *function);

/* Waits for a notification: until the line is pulsed, or, without one, for a moment. */
void sym_wait(void);

/* Answers all deferred calls and module requests that are there.  Returns the causes that there
 * were (enum lichen_guest_cause), for those of third parties. */
uint64_t sym_serve(void);

#endif
