/* SPDX-License-Identifier: MIT */
/*
 * symcall.h (draft): the interface of plugin symcall, by which other plugins call functions
 * of the guest (<lichen/guest/call.h>).
 */
#ifndef LICHEN_DRAFT_SYMCALL_H
#define LICHEN_DRAFT_SYMCALL_H

#include <lichen/abi.h>
#include <lichen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LICHEN_SYMCALL "lichen.symcall/1"

#define LICHEN_SYMCALL_ANY UINT32_MAX /* as `vcpu`: one that is registered */

enum lichen_symcall_mode {
	LICHEN_SYMCALL_AUTO = 0, /* direct where the function can, deferred where that fails
				    with EAGAIN */
	LICHEN_SYMCALL_DIRECT = 1,
	LICHEN_SYMCALL_DEFERRED = 2,
};

struct lichen_symcall {
	uint32_t struct_size;
	uint32_t vcpu; /* of a direct call, or LICHEN_SYMCALL_ANY */
	uint32_t mode; /* enum lichen_symcall_mode */
	uint32_t size; /* bytes of `data` */
	uint64_t arguments[4];
	uint64_t deadline_ns; /* from now; 0: the plugin's own */
	const char *function; /* by name */
	const void *data;     /* for the argument page, borrowed for the call */
	uint64_t token;	      /* comes back in the event */
};

/* The event that ends a call; `size` bytes of results follow it. */
enum { LICHEN_SYMCALL_DONE = 1 };
struct lichen_symcall_done {
	uint32_t struct_size;
	lichen_status status; /* the host's: the call took place where it is 0 */
	int32_t answer;	      /* then the function's own: 0 or a negative errno */
	uint32_t size;
	uint64_t results[2];
	uint64_t token;
};

struct lichen_symcall_ops {
	uint32_t struct_size;
	uint32_t _pad;
	/*
	 * Calls; the event LICHEN_SYMCALL_DONE follows exactly once after success.
	 * -LICHEN_ENODEV: the guest has not registered for that; -LICHEN_ENOENT: it has no
	 * such function, or not in that mode; -LICHEN_ERANGE: no such vCPU; -LICHEN_E2BIG:
	 * data; -LICHEN_EBUSY: too many calls wait; -LICHEN_EBADMSG: the guest's table is
	 * malformed; -LICHEN_ENOMEM.  [any, running]
	 */
	lichen_status (*call)(void *self, uint64_t client, const struct lichen_symcall *call);
};

#ifdef __cplusplus
}
#endif

#endif
