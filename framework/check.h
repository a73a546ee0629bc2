/* SPDX-License-Identifier: MIT */
/*
 * check.h: checked dispatch, of builds with LICHEN_CHECKED.  Between an instance and the host
 * stand shims, both ways: callbacks and handlers on one side, struct lichen_host on the other.
 * They check thread, state, re-entrancy, locks, ranges, and that the instance keeps to its own
 * memory; interfaces of other instances are called through thunks that know when a table is
 * stale.  An offence is logged as misbehaviour of the plugin or of the host, with function and
 * instance; what would do harm is refused, the rest is done.
 *
 * Builds without it dispatch directly: what is below is then nothing.
 *
 * check.c: who is in which callback of whom.  check_class.c: callbacks and handlers.
 * check_host.c: the host's functions.  check_link.c: interfaces.
 */
#ifndef FW_CHECK_H
#define FW_CHECK_H

#include <stdlib.h>

#include <lichen/class.h>

struct fw_link;
struct fw_checked;
struct lichen_vm;

/* A thread's role, and sets of them. */
enum fw_role {
	FW_ROLE_NONE = 0, /* a thread that the host does not know */
	FW_ROLE_CONTROL = 1 << 0,
	FW_ROLE_VCPU = 1 << 1,
	FW_ROLE_THREAD = 1 << 2, /* of thread_start */
	FW_ROLE_ANY = FW_ROLE_CONTROL | FW_ROLE_VCPU | FW_ROLE_THREAD,
};

#ifdef LICHEN_CHECKED

/* What this thread is from here on; returns what it was. */
enum fw_role fw_check_thread(enum fw_role role);
/*
 * Memory of an instance, with guards around it, and what is kept of it in in->checked.  NULL:
 * no memory.  in->class is a table of shims in front of `class` afterwards.  [control]
 */
void *fw_check_new(struct lichen_instance *in, const struct lichen_class *class);
void fw_check_free(struct lichen_instance *in);
/* Its code is another from here on; -LICHEN_ENOMEM.  [control] */
lichen_status fw_check_class(struct lichen_instance *in, const struct lichen_class *class);
const struct lichen_host *fw_check_host(void);
/* Window `index` as it is dispatched to, and the first argument of its handlers. */
const struct lichen_window *fw_check_window(struct lichen_instance *in, uint32_t index,
					    void **self);
/* The table through which the consumer of `link` calls.  [control] */
const void *fw_check_ops(struct fw_link *link, const struct lichen_provide *provide);
/* Who kept that table is told apart from here on.  [control] */
void fw_check_ops_stale(struct fw_link *link);
/* Stale tables of the VM are forgotten: none of its plugins runs any more.  [control] */
void fw_check_clear(struct lichen_vm *vm);

#else

extern const struct lichen_host fw_host;

static inline enum fw_role fw_check_thread(enum fw_role role)
{
	return role;
}

#define fw_check_new(in, class_) ((in)->class = (class_), calloc(1, (class_)->instance_size))
#define fw_check_free(in) free((in)->self)
#define fw_check_class(in, class_) ((in)->class = (class_), 0)
#define fw_check_host() (&fw_host)
#define fw_check_window(in, index, self_) \
	(*(self_) = (in)->self,           \
	 &((const struct lichen_window *)(in)->class->windows.items)[index])
#define fw_check_ops(link, provide) ((provide)->ops)
#define fw_check_ops_stale(link) ((void)(link))
#define fw_check_clear(vm) ((void)(vm))

#endif

#endif
