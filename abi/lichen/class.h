/* SPDX-License-Identifier: MIT */
/*
 * class.h: the one table through which the host reaches a plugin.  All kinds
 * share it; what tells a boot protocol from a backend is the kind in its note
 * and the interfaces it provides.
 *
 * An instance is `instance_size` zeroed bytes that start with struct lichen_dev.
 * Its life: create -> realize -> run <-> pause, reset -> quiesce -> the host
 * takes back what the ledger holds -> destroy.  Absent callbacks (NULL) do
 * nothing and succeed.  Callbacks run under the instance's lock unless the
 * class is PARALLEL; create, realize and destroy always run alone.  While the VM
 * runs, SIGPIPE is blocked wherever the host calls in: writing to a peer that has
 * gone is an error, never a signal.
 */
#ifndef LICHEN_CLASS_H
#define LICHEN_CLASS_H

#include <lichen/host.h>
#include <lichen/note.h>
#include <lichen/param.h>
#include <lichen/state.h>

#ifdef __cplusplus
extern "C" {
#endif

/* First member of every instance, filled by the host before create.  Never grows. */
struct lichen_dev {
	const struct lichen_host *host;
	struct lichen_instance *in;
};

enum lichen_class_flag {
	LICHEN_CLASS_PARALLEL = 1
				<< 0, /* handlers and provided functions lock for themselves */
};

enum lichen_host_event {
	LICHEN_HOST_SUSPEND = 1, /* the process is about to be stopped (job control) */
	LICHEN_HOST_RESUME = 2,	 /* it goes on */
};

struct lichen_class {
	uint32_t struct_size;
	uint32_t flags;	     /* enum lichen_class_flag; others are refused (-LICHEN_ENOTSUP) */
	const char *summary; /* one line, no full stop */
	uint32_t instance_size;	      /* bytes, at least sizeof(struct lichen_dev) */
	uint32_t state_version;	      /* of `state`, from 1; 0: no state */
	struct lichen_table params;   /* of struct lichen_param */
	struct lichen_table windows;  /* of struct lichen_window */
	struct lichen_table state;    /* of struct lichen_field */
	struct lichen_table provides; /* of struct lichen_provide */
	struct lichen_table needs;    /* of struct lichen_need */

	/*
	 * Parameters and links are in place.  Checks what no table can say and
	 * allocates; claims nothing but host->interface's.  After a failure
	 * destroy is not called.  -LICHEN_EINVAL, -LICHEN_ENOMEM and what the
	 * sentence says.  [control, created]
	 */
	lichen_status (*create)(void *self);
	/*
	 * Claims windows, lines, timers.  Providers of its needs are realized.
	 * May return LICHEN_PENDING: timers, descriptors, events come before resume.
	 * After a failure the host takes back what was claimed.  [control, created]
	 */
	lichen_status (*realize)(void *self);
	/*
	 * All instances are realized, memory is there: writes into guest memory
	 * what firmware would have left.  At the start and after each reset of the
	 * VM, in dependency order, before the boot protocol's load.
	 * [control, realized or paused]
	 */
	lichen_status (*publish)(void *self);
	/* Guest clocks and vCPUs are about to go; from here handlers may be called.
	 * [control, realized or paused] */
	void (*resume)(void *self);
	/* vCPUs stand still; flush what cannot wait.  May return LICHEN_PENDING.
	 * [control, running] */
	lichen_status (*pause)(void *self);
	/* kind: enum lichen_reset.  Back to what create and realize left, but for
	 * sticky fields unless POWER_ON; windows go back where realize had them.
	 * [control, paused; FUNCTION: vcpu, running] */
	lichen_status (*reset)(void *self, uint32_t kind);
	/* The instance is to go: finish or drop what is under way.  LICHEN_PENDING:
	 * not yet, host->complete() follows; until then it works as before.
	 * [control, running or paused] */
	lichen_status (*quiesce)(void *self);
	/* The operator asks that the guest lets go of the device; LICHEN_PENDING
	 * until it has.  -LICHEN_ENOTSUP: it has no way to ask.  [control, running] */
	lichen_status (*unplug_request)(void *self);
	/* Everything claimed is gone, nothing of the class runs: frees what create
	 * and realize allocated.  [control, drained] */
	void (*destroy)(void *self);

	/* Brings `state` up to date, from hardware for instance.  [control, paused] */
	lichen_status (*pre_save)(void *self);
	/* Rebuilds what is derived; -LICHEN_EBADMSG refuses a state that cannot be.
	 * from: the state_version of the stream.  [control, realized or paused] */
	lichen_status (*post_load)(void *self, uint32_t from);

	/* A timer is due.  [control or io, running] */
	void (*timer)(void *self, uint64_t cookie);
	/* A watched descriptor is ready; events: enum lichen_watch.  [control or io, running]
	 */
	void (*ready)(void *self, uint64_t cookie, uint32_t events);
	/* A provider posts; cookie: of the need.  data is borrowed for the call.
	 * [control or io, running] */
	void (*event)(void *self, uint64_t cookie, uint32_t event, const void *data,
		      uint32_t size);
	/* A consumer came (joined 1) or went (0), its number is free again then.
	 * [control, created to running] */
	void (*client)(void *self, const char *id, uint64_t client, uint32_t joined);
	/* Runs on a thread of its own, without the instance's lock; returns soon after
	 * quiesce.  From the return of pause until resume, and before the first resume, it
	 * rests: nothing that is saved or that others notice changes.  [any, running] */
	void (*thread)(void *self, uint64_t cookie);
	/* event: enum lichen_region_event.  ADD may fail.  memory_listen() calls it itself.
	 * [control, created to running] */
	lichen_status (*region)(void *self, uint32_t event, const struct lichen_region *region);
	/* event: enum lichen_host_event.  [control, running] */
	void (*host_event)(void *self, uint32_t event);
	/*
	 * The host waits no longer for an operation that is pending (enum
	 * lichen_operation): its time is over, or it is not wanted any more.  A
	 * completion that comes all the same is ignored.  After UNPLUG_REQUEST and
	 * QUIESCE the instance works on.  [control, created to running]
	 */
	void (*cancel)(void *self, uint32_t operation);
};

/*
 * The one symbol that a plugin exports: class `index` of the file, in the order
 * of its notes, or NULL past the last.  Until 1.0 its major in the note is 0.
 * [control, any]
 */
typedef const struct lichen_class *(*lichen_plugin_fn)(uint32_t index);
#define LICHEN_PLUGIN_SYMBOL "lichen_plugin_v1"
/* Holds the class' address, for hosts that judge it before anything of the file runs. */
#define LICHEN_CLASS_SECTION ".lichen.class"

#ifdef __cplusplus
#define LICHEN_EXTERN_C extern "C"
#define LICHEN_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define LICHEN_EXTERN_C extern
#define LICHEN_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

/* At the end of the plugin's one C file: the note, sizes, versions, the entry. */
#define LICHEN_PLUGIN(kind, name, version, class_)                                         \
	LICHEN_NOTE(kind, name, version, sizeof(struct lichen_class));                     \
	__attribute__((section(LICHEN_CLASS_SECTION),                                      \
		       used)) static const struct lichen_class *const lichen_class_at =    \
		&(class_);                                                                 \
	LICHEN_EXTERN_C __attribute__((visibility("default"))) const struct lichen_class * \
	lichen_plugin_v1(uint32_t index);                                                  \
	const struct lichen_class *lichen_plugin_v1(uint32_t index)                        \
	{                                                                                  \
		return index == 0 ? &(class_) : NULL;                                      \
	}                                                                                  \
	LICHEN_STATIC_ASSERT(sizeof(name) <= LICHEN_NAME_SIZE, "plugin name too long")

#ifdef __cplusplus
}
#endif

#endif
