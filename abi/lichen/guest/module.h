/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * module.h: SymMod.  The VMM gives the guest code while it runs.
 *
 * The guest gives one page (LICHEN_MSR_MODULE_PAGE) in which requests are made, one at a
 * time.  Who writes next:
 *	VMM	fills in the request, state ASKED, raises LICHEN_CAUSE_MODULE
 *	guest	judges an offer by its own policy: REFUSED, with status and text; or
 *		gives memory for it: list (and address, for objects), state ACCEPTED
 *	VMM	copies the bytes into that memory, state COPIED, raises the cause again
 *	guest	loads it by its own means: LOADED, or FAILED with status and text
 * A request to drop goes ASKED -> DROPPED or FAILED.  After each of its steps the guest
 * writes the serial to LICHEN_MSR_MODULE_ANSWER.  Its memory for the bytes is its own
 * again after it has said LOADED or FAILED.  A request that the VMM gives up becomes
 * CANCELLED, and whatever the guest says of it later is dropped.
 */
#ifndef LICHEN_GUEST_MODULE_H
#define LICHEN_GUEST_MODULE_H

#include <lichen/guest/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LICHEN_MODULE_SIZE_MAX ((uint64_t)64 << 20) /* bytes of a module's file */

enum lichen_module_state {
	LICHEN_MODULE_IDLE = 0,
	LICHEN_MODULE_ASKED = 1,
	LICHEN_MODULE_ACCEPTED = 2,
	LICHEN_MODULE_REFUSED = 3,
	LICHEN_MODULE_COPIED = 4,
	LICHEN_MODULE_LOADED = 5,
	LICHEN_MODULE_FAILED = 6,
	LICHEN_MODULE_DROPPED = 7,
	LICHEN_MODULE_CANCELLED = 8,
};

enum lichen_module_request { LICHEN_MODULE_OFFER = 1, LICHEN_MODULE_DROP = 2 };

enum lichen_module_kind { /* bits, of what a guest takes */
			  LICHEN_MODULE_LINUX =
				  1 << 0, /* a .ko file, for the guest's own loader */
			  LICHEN_MODULE_OBJECT =
				  1 << 1, /* a relocatable ELF object, linked by the VMM */
};

enum lichen_module_policy {
	LICHEN_MODULE_OFF = 0,
	LICHEN_MODULE_SIGNED = 1, /* while the guest's loader checks signatures */
	LICHEN_MODULE_ANY = 2,
};

struct lichen_module_page {
	/* guest writes, before it registers the page */
	uint32_t kinds;	 /* enum lichen_module_kind */
	uint32_t policy; /* enum lichen_module_policy */
	/* VMM writes */
	uint32_t serial;
	uint32_t request;   /* enum lichen_module_request */
	uint32_t kind;	    /* one of enum lichen_module_kind */
	uint32_t state;	    /* enum lichen_module_state; both write */
	uint64_t size;	    /* OFFER: bytes that the guest is to find room for */
	uint64_t entry;	    /* COPIED, of an object: linear address of its init function */
	uint64_t leave;	    /* the same, of its exit function; 0: it has none */
	uint8_t sha256[32]; /* of the module's file */
	char name[64];
	char parameters[1024]; /* as on insmod's command line */
	/* guest writes */
	int32_t status;
	uint32_t text_size;
	uint64_t list;	  /* ACCEPTED: guest-physical address of the first lichen_module_list */
	uint64_t address; /* ACCEPTED, of an object: linear address of that memory */
	char text[1024];  /* the guest's own words about a failure */
};

/* Pages for the bytes, in order; as many as `size` takes. */
struct lichen_module_list {
	uint64_t next; /* guest-physical address of the next list; 0: the last */
	uint64_t pages[511];
};

#ifdef __cplusplus
}
#endif

#endif
