/* SPDX-License-Identifier: MIT */
/* sym.h: what the files of the symbiotic side share. */
#ifndef PEBBLE_SYM_H
#define PEBBLE_SYM_H

#include <pebble/symbiotic.h>

/* An array of whole pages. */
#define SYM_PAGES(name, count)                         \
	static uint8_t name[(count)*LICHEN_GUEST_PAGE] \
		__attribute__((aligned(LICHEN_GUEST_PAGE)))

/*
 * A new entry, named, with its schema, while the sequence is odd; sym_added() ends that.
 * NULL: no room, and nothing has begun.
 */
struct lichen_directory_entry *sym_add_entry(struct sym_set *set, const char *name,
					     const char *schema);
void sym_added(struct sym_set *set);

/* The table and the slots, as far as they were agreed upon. */
void sym_call_init(void);
void sym_call_serve(void);

void sym_module_init(void);
void sym_module_serve(void);

/* sym_entry.S, and what it calls: a direct call, whose status goes to *status. */
void sym_entry(void);
void sym_cleanup(void);
void sym_direct(struct sym_call *call, uint64_t function, uint64_t *status);

extern uint64_t sym_cleanups; /* times that sym_cleanup() was entered */

#endif
