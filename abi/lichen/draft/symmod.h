/* SPDX-License-Identifier: MIT */
/*
 * symmod.h (draft): the interface of plugin symmod, by which other plugins give the guest
 * code (<lichen/guest/module.h>) and take it away.  <lichen/sdk/pair.h> is the usual use:
 * a device with its driver.
 */
#ifndef LICHEN_DRAFT_SYMMOD_H
#define LICHEN_DRAFT_SYMMOD_H

#include <lichen/abi.h>
#include <lichen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LICHEN_SYMMOD "lichen.symmod/1"

struct lichen_symmod_push {
	uint32_t struct_size;
	uint32_t flags;		/* 0; others are refused (-LICHEN_ENOTSUP) */
	const void *bytes;	/* the module's file, borrowed for the call */
	uint64_t size;		/* of it */
	const char *name;	/* of an object, which has none of its own; else NULL */
	const char *parameters; /* as on insmod's command line; NULL: none */
	uint64_t token;		/* comes back in the event */
};

enum lichen_symmod_event {
	LICHEN_SYMMOD_TAKES = 1, /* struct lichen_symmod_takes */
	LICHEN_SYMMOD_DONE = 2,	 /* struct lichen_symmod_done, and `size` bytes of text */
};

/* The guest takes modules from now on: it has started its side, or done so again. */
struct lichen_symmod_takes {
	uint32_t struct_size;
	uint32_t kinds; /* enum lichen_module_kind */
};

/* The end of a push or a drop. */
struct lichen_symmod_done {
	uint32_t struct_size;
	/*
	 * 0: it was done.  -LICHEN_EPERM: the guest, or the profile, does not allow it;
	 * -LICHEN_EINVAL: the guest tried, and failed; -LICHEN_ENODEV: it takes none now;
	 * -LICHEN_ENOEXEC: not a module; -LICHEN_ENOENT, -LICHEN_ERANGE: an object cannot be
	 * linked; -LICHEN_ETIMEDOUT; -LICHEN_EBADMSG: the guest's answer is malformed;
	 * -LICHEN_ECANCELED: a pause, a reset, or the guest's side has gone.
	 */
	lichen_status status;
	uint64_t token;
	uint32_t size;	/* of the text: a sentence, with the guest's own words; no NUL */
	int32_t answer; /* the guest's own status, a negative errno of Linux; 0: none */
};

struct lichen_symmod_ops {
	uint32_t struct_size;
	uint32_t _pad;
	/* Kinds that the guest takes now (enum lichen_module_kind); 0: none.  [any, running] */
	uint32_t (*takes)(void *self, uint64_t client);
	/*
	 * Gives the guest a module; the event LICHEN_SYMMOD_DONE follows exactly once after
	 * success.  -LICHEN_ENOTSUP: a flag; -LICHEN_E2BIG: more than LICHEN_MODULE_SIZE_MAX
	 * bytes; -LICHEN_EINVAL: none, or name or parameters do not fit into the guest's page;
	 * -LICHEN_EBUSY: too many requests wait; -LICHEN_ENOMEM.  [any, running]
	 */
	lichen_status (*push)(void *self, uint64_t client,
			      const struct lichen_symmod_push *push);
	/*
	 * Has the guest unload what was pushed by that name, by whomever; the event follows
	 * as above.  -LICHEN_ENODEV: the guest takes no requests now; -LICHEN_ENOENT: there
	 * is no such module; -LICHEN_EBUSY, -LICHEN_ENOMEM.  [any, running]
	 */
	lichen_status (*drop)(void *self, uint64_t client, const char *name, uint64_t token);
};

#ifdef __cplusplus
}
#endif

#endif
