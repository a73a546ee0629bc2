/* SPDX-License-Identifier: MIT */
/*
 * host.h: what the host offers an instance, as one table.
 *
 * Every function takes the instance first.  What an instance takes through
 * these functions is entered in its ledger, and the host takes it back when the
 * instance goes, so that nothing needs to be released in destroy.
 *
 * Tags: [role, state].  Roles: control, one at a time per VM, may block;
 * vcpu, a vCPU's thread; io, an event loop's thread; any.  States are the
 * instance's: created, realized, running, paused, quiescing, drained.
 * THREADS.md says more.  Failures leave nothing behind unless said otherwise,
 * and out-parameters are written on success only.
 */
#ifndef LICHEN_HOST_H
#define LICHEN_HOST_H

#include <lichen/interface.h>
#include <lichen/interrupt.h>
#include <lichen/memory.h>
#include <lichen/status.h>
#include <lichen/timer.h>
#include <lichen/window.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lichen_instance; /* opaque */

enum lichen_level {
	LICHEN_LOG_ERROR = 1, /* a function is lost */
	LICHEN_LOG_WARN = 2,  /* degraded */
	LICHEN_LOG_INFO = 3,  /* an event an operator cares about */
	LICHEN_LOG_DEBUG = 4,
	LICHEN_LOG_TRACE = 5, /* per access */
	LICHEN_LOG_HOST_MISBEHAVING = 6,
	LICHEN_LOG_PLUGIN_MISBEHAVING = 7,
};

enum lichen_reset {
	LICHEN_RESET_POWER_ON = 1,
	LICHEN_RESET_WARM = 2,
	LICHEN_RESET_BUS = 3,
	LICHEN_RESET_FUNCTION = 4, /* one instance, vCPUs running */
};

/* What ended the guest, for request_end. */
enum lichen_end {
	LICHEN_END_POWER_OFF = 1, /* clean: status 0 */
	LICHEN_END_STATUS = 2,	  /* the guest's own status, `detail`, forced odd, 1 to 255 */
	LICHEN_END_CRASH = 3,	  /* the guest says that it crashed: status 6 */
	LICHEN_END_STOP = 4,	  /* the operator ends it, from a console say: status 8 */
};

enum lichen_watch {
	LICHEN_WATCH_READ = 1 << 0,
	LICHEN_WATCH_WRITE = 1 << 1,
	LICHEN_WATCH_HANGUP = 1 << 2, /* reported whether asked for or not */
};

enum lichen_operation { /* what host->complete() completes */
			LICHEN_OP_REALIZE = 1,
			LICHEN_OP_PAUSE = 2,
			LICHEN_OP_QUIESCE = 3,
			LICHEN_OP_SAVE = 4,
			LICHEN_OP_RESET = 5,
			LICHEN_OP_UNPLUG_REQUEST = 6,
};

struct lichen_host {
	uint32_t struct_size;
	uint32_t abi_minor; /* of the host */

	/* --- telling --- */

	/*
	 * One sentence about why the call in progress fails: what, the value, the
	 * limit; no newline, no capital, no place: the host adds that of the
	 * parameter with whose name the sentence begins, else the instance's.
	 * The last one before the failing return counts.  [any, any]
	 */
	__attribute__((format(printf, 2, 3))) void (*error)(struct lichen_instance *in,
							    const char *format, ...);
	/* level: enum lichen_level.  Not for what a guest can trigger.  [any, any] */
	__attribute__((format(printf, 3, 4))) void (*log)(struct lichen_instance *in,
							  uint32_t level, const char *format,
							  ...);
	/* The same, limited in rate; the number suppressed is reported.  [any, any] */
	__attribute__((format(printf, 3, 4))) void (*log_guest)(struct lichen_instance *in,
								uint32_t level,
								const char *format, ...);

	/* --- the end, and starting again --- */

	/*
	 * Ends the VM with `status`, forced odd (debug-exit).  Posted: the end
	 * comes after the handler returns.  The first request counts.  [any, running]
	 */
	void (*request_exit)(struct lichen_instance *in, uint8_t status);
	/* how: enum lichen_end.  Posted; the first counts.  [any, running] */
	void (*request_end)(struct lichen_instance *in, uint32_t how, uint32_t detail);
	/* kind: POWER_ON or WARM, of the whole VM.  Posted.  [any, running] */
	void (*request_reset)(struct lichen_instance *in, uint32_t kind);

	/* --- windows (window.h) --- */

	/*
	 * Places or moves window `window` (index) to ports [port, port + size).
	 * -LICHEN_EINVAL: no such window, or it is memory; -LICHEN_ERANGE: past 0xffff;
	 * -LICHEN_EEXIST: taken by a window of the same rank.
	 * [control or vcpu, created to running]
	 */
	lichen_status (*place_port)(struct lichen_instance *in, uint32_t window, uint16_t port);
	/*
	 * The same, in an address space.  -LICHEN_ENOTSUP: space is not 0 (hosts
	 * of 0.1 have the system's only); -LICHEN_EEXIST: RAM is there too.  Of memory:
	 * -LICHEN_EINVAL: gpa is not a page's, or nothing backs a MAPPED window;
	 * -LICHEN_ERANGE: past the guest's address width; -LICHEN_ENOSPC: the hardware
	 * has no more memory slots; -LICHEN_EIO: it refuses.  The guest sees it without
	 * a gap in which the place is nothing.
	 * [control or vcpu, created to running]
	 */
	lichen_status (*place_mmio)(struct lichen_instance *in, uint32_t window,
				    lichen_space space, lichen_gpa gpa);
	/* Takes the window out; when it returns no handler of it runs, but the
	 * caller's own.  -LICHEN_ENOENT: not placed.  [control or vcpu, created to running] */
	lichen_status (*unplace)(struct lichen_instance *in, uint32_t window);
	/*
	 * -LICHEN_EINVAL: outside the window, or it is memory; -LICHEN_EEXIST: one is there;
	 * -LICHEN_ENOSPC: the hardware has no more.  [control, created to running]
	 */
	lichen_status (*doorbell_claim)(struct lichen_instance *in,
					const struct lichen_doorbell *bell,
					lichen_handle *handle);
	/* [control, created to running] */
	void (*doorbell_release)(struct lichen_instance *in, lichen_handle handle);

	/* --- interrupts (interrupt.h) --- */

	/*
	 * -LICHEN_ENODEV: there is no irqchip; -LICHEN_ERANGE: no such GSI;
	 * -LICHEN_EBUSY: claimed by someone and not shared.  [control, created to running]
	 */
	lichen_status (*line_claim)(struct lichen_instance *in, const struct lichen_line *line,
				    lichen_handle *handle);
	/* Edge: level 1 pulses.  Level: 0 or 1, this claimant's part of the OR.
	 * Setting the level it has costs nothing.  [any, realized to running] */
	void (*line_set)(struct lichen_instance *in, lichen_handle handle, uint32_t level);
	/*
	 * Eventfds that do it without the host: a write to *trigger pulses (edge)
	 * or asserts until the guest's EOI, which is written to *resample
	 * (level; -1 for edge).  Owned by the host, valid until release.
	 * [control, created to running]
	 */
	lichen_status (*line_eventfd)(struct lichen_instance *in, lichen_handle handle,
				      int32_t *trigger, int32_t *resample);
	/* Drops this claimant's level first.  [control, created to running] */
	void (*line_release)(struct lichen_instance *in, lichen_handle handle);
	/* A message, masked and without address until updated.  -LICHEN_ENODEV: no
	 * irqchip; -LICHEN_ENOSPC: no route left.  [control, created to running] */
	lichen_status (*message_claim)(struct lichen_instance *in, lichen_handle *handle);
	/* -LICHEN_EINVAL: the address is no MSI address.  [control or vcpu, created to running]
	 */
	lichen_status (*message_update)(struct lichen_instance *in, lichen_handle handle,
					const struct lichen_message *message);
	/* mask 1: sends only set `pending`; 0: a pending one is sent.
	 * [control or vcpu, created to running] */
	void (*message_mask)(struct lichen_instance *in, lichen_handle handle, uint32_t mask);
	/* 1 when one was sent while masked.  [any, running] */
	uint32_t (*message_pending)(struct lichen_instance *in, lichen_handle handle);
	/* [any, running] */
	void (*message_send)(struct lichen_instance *in, lichen_handle handle);
	/* A write to *trigger sends.  Owned by the host, valid until release.
	 * [control, created to running] */
	lichen_status (*message_eventfd)(struct lichen_instance *in, lichen_handle handle,
					 int32_t *trigger);
	/* [control, created to running] */
	void (*message_release)(struct lichen_instance *in, lichen_handle handle);

	/* --- guest memory (memory.h): the system's RAM, and windows of RAM; ROM to be read ---
	 */

	/* Copies out of guest memory.  -LICHEN_EFAULT: not all of it is RAM; `to` is
	 * then undefined.  [any, realized to running] */
	lichen_status (*memory_read)(struct lichen_instance *in, lichen_space space,
				     lichen_gpa gpa, void *to, uint64_t size);
	/* Copies into guest memory.  -LICHEN_EFAULT: not all of it is RAM, and
	 * nothing was written.  [any, realized to running] */
	lichen_status (*memory_write)(struct lichen_instance *in, lichen_space space,
				      lichen_gpa gpa, const void *from, uint64_t size);
	/*
	 * Maps [gpa, gpa + size) until memory_unmap; access: enum lichen_access.
	 * -LICHEN_EFAULT: it is not all in one piece of RAM.  Not held across the
	 * return of the call in progress.  [any, realized to running]
	 */
	lichen_status (*memory_map)(struct lichen_instance *in, lichen_space space,
				    lichen_gpa gpa, uint64_t size, uint32_t access,
				    struct lichen_map *map);
	/* written: bytes written, from the start; marked dirty.  [any, realized to running] */
	void (*memory_unmap)(struct lichen_instance *in, struct lichen_map *map,
			     uint64_t written);
	/* Range `index` of the guest's memory as firmware would report it (RAM less
	 * what was reserved).  -LICHEN_ENOENT: past the last.  [control, realized] */
	lichen_status (*memory_range)(struct lichen_instance *in, uint32_t index,
				      struct lichen_range *range);
	/* Keeps part of RAM out of RAM ranges; type: enum lichen_range_type.
	 * -LICHEN_EFAULT: not RAM; -LICHEN_EEXIST: reserved.  [control, created to realized] */
	lichen_status (*memory_reserve)(struct lichen_instance *in, lichen_gpa gpa,
					uint64_t size, uint32_t type);
	/* The class's `region` callback hears of the layout, before this returns, and of
	 * each change.  -LICHEN_EINVAL: the class has none; -LICHEN_EEXIST: it listens;
	 * -LICHEN_ENOTSUP: space is not 0; what the callback says to an ADD.
	 * [control, created to realized] */
	lichen_status (*memory_listen)(struct lichen_instance *in, lichen_space space);

	/* --- vCPUs --- */

	/* [any, any] */
	uint32_t (*cpu_count)(struct lichen_instance *in);
	/* The local APIC id of vCPU `index`.  [any, any] */
	uint32_t (*cpu_apic_id)(struct lichen_instance *in, uint32_t index);

	/* --- time (timer.h) --- */

	/* ns; 0 for an unknown clock.  [any, any] */
	uint64_t (*clock_now)(struct lichen_instance *in, uint32_t clock);
	/* The class's `timer` callback gets `cookie`.  -LICHEN_EINVAL: no such clock.
	 * [control, created to running] */
	lichen_status (*timer_create)(struct lichen_instance *in, uint32_t clock,
				      uint64_t cookie, lichen_handle *handle);
	/* Fires once at `deadline` (ns of its clock; past: at once), replacing an
	 * earlier deadline.  [any, created to running] */
	void (*timer_arm)(struct lichen_instance *in, lichen_handle handle, uint64_t deadline);
	/* When it returns the callback will not start for the old deadline, unless
	 * it runs already.  [any, created to running] */
	void (*timer_cancel)(struct lichen_instance *in, lichen_handle handle);
	/* [control, created to running] */
	void (*timer_release)(struct lichen_instance *in, lichen_handle handle);

	/* --- descriptors and threads --- */

	/* The class's `ready` callback gets cookie and what is ready.  events: enum
	 * lichen_watch; the descriptor stays the instance's.  -LICHEN_EEXIST: it is
	 * watched; -LICHEN_EPERM: it is always ready (a plain file).  [control, created to
	 * running] */
	lichen_status (*watch)(struct lichen_instance *in, int32_t descriptor, uint32_t events,
			       uint64_t cookie, lichen_handle *handle);
	/* events 0: none for now.  [any, created to running] */
	void (*watch_update)(struct lichen_instance *in, lichen_handle handle, uint32_t events);
	/* [control or io, created to running] */
	void (*watch_release)(struct lichen_instance *in, lichen_handle handle);
	/* A thread for the class's `thread` callback; joined at drain.  name: at most
	 * 15 bytes.  [control, created to running] */
	lichen_status (*thread_start)(struct lichen_instance *in, const char *name,
				      uint64_t cookie);

	/* --- other instances (interface.h) --- */

	/*
	 * Pins the provider behind `link` and takes its lock.  -LICHEN_ENODEV: the
	 * link is empty.  After success exactly one leave is owed, in the same
	 * function.  NULL is an empty link.  [any, any]
	 */
	lichen_status (*enter)(struct lichen_instance *in, const struct lichen_link *link);
	/* [any, any] */
	void (*leave)(struct lichen_instance *in, const struct lichen_link *link);
	/* For needs that are MANY: how many, and link `index`.  Valid as any link is.
	 * [control, realized to running] */
	uint32_t (*link_count)(struct lichen_instance *in, uint32_t need);
	/* NULL: no such link.  [control, realized to running] */
	const struct lichen_link *(*link_at)(struct lichen_instance *in, uint32_t need,
					     uint32_t index);
	/*
	 * Tells consumer `client` of an interface that this instance provides; its
	 * `event` callback runs later, with only its own lock held.  data (at most
	 * 64 KiB) is copied.  Events to one client keep their order.
	 * -LICHEN_ENODEV: no such client; -LICHEN_E2BIG.  [any, created to running]
	 */
	lichen_status (*post)(struct lichen_instance *in, uint64_t client, uint32_t event,
			      const void *data, uint32_t size);
	/* An interface of the host itself; NULL: it has none of this id.  Valid for
	 * the instance's life.  [control, any] */
	const void *(*interface)(struct lichen_instance *in, const char *id);
	/* Ends an operation that returned LICHEN_PENDING; operation: enum
	 * lichen_operation.  A second completion is misbehaviour.  [any, any] */
	void (*complete)(struct lichen_instance *in, uint32_t operation, lichen_status status);

	/* --- windows of memory (window.h) --- */

	/* Copies out of a window of RAM or ROM, wherever it is placed.  -LICHEN_EINVAL:
	 * no such window, or of another kind; -LICHEN_ERANGE: not all of it lies in the
	 * window.  [any, created to running] */
	lichen_status (*window_read)(struct lichen_instance *in, uint32_t window,
				     uint64_t offset, void *to, uint64_t size);
	/* Copies into one; the same errors, and then nothing was written.
	 * [any, created to running] */
	lichen_status (*window_write)(struct lichen_instance *in, uint32_t window,
				      uint64_t offset, const void *from, uint64_t size);
	/*
	 * A MAPPED window is to show `descriptor` (the host keeps a duplicate) from
	 * `offset`, a multiple of a page; access: enum lichen_access, READ with or without
	 * WRITE; without it the guest's writes call ops->write.  Replaces an earlier one.
	 * The file must not shrink.  -LICHEN_EINVAL: no such window, of another kind,
	 * offset, or the file ends before the window does; -LICHEN_EBUSY: it is placed;
	 * -LICHEN_ENOTSUP: other access; -LICHEN_EBADF, -LICHEN_EACCES, -LICHEN_ENODEV,
	 * -LICHEN_ENOMEM: it cannot be mapped.  [control, created to running]
	 */
	lichen_status (*window_back)(struct lichen_instance *in, uint32_t window,
				     int32_t descriptor, uint64_t offset, uint32_t access);
	/*
	 * One bit a page of a window of RAM, lowest first: written since the last call, by
	 * the guest or through the host.  The first call switches it on and says all; so
	 * does the next one after the window was moved or partly hidden.  words: 64-bit
	 * words in `bits`.  -LICHEN_EINVAL: no such window, of another kind, or `bits` is
	 * too small; -LICHEN_ENOMEM.  [control or vcpu, realized to running]
	 */
	lichen_status (*window_dirty)(struct lichen_instance *in, uint32_t window,
				      uint64_t *bits, uint64_t words);
};

#ifdef __cplusplus
}
#endif

#endif
