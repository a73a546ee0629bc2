/* SPDX-License-Identifier: MIT */
/* reload.h: the code of instances is replaced, in place, while the guest runs. */
#ifndef FW_RELOAD_H
#define FW_RELOAD_H

#include "profile.h"

struct lichen_vm;

struct fw_reloaded {
	uint32_t instances; /* how many went over */
	uint64_t pause_ns;  /* for which vCPUs stood still */
	uint64_t total_ns;
	struct ld_error
		pinned; /* why the old file stays mapped; "": it does not, or is in use */
};

/*
 * Every instance of plugin `name` goes over to the code of `fresh`, or none does.
 *
 * New instances are made beside the old ones while the guest runs; then vCPUs are parked,
 * the old ones paused, their state saved, loaded and checked; then the new ones are in
 * their place: windows, doorbells, lines with their levels, messages, timers with their
 * deadlines, watches, links both ways and events on their way.  In a VM that is paused, or
 * does not run yet, it stays so.  `struct lichen_instance *` of the old ones are dead
 * afterwards.
 *
 * 0: `fresh`, of which the caller has one use, is the VM's.  Otherwise it stays the
 * caller's, diags says why, and the old code goes on: -LICHEN_ENOENT: no instance is of
 * that plugin; -LICHEN_EINVAL: it is another plugin, or an entry does not fit it;
 * -LICHEN_EBADMSG: a state does not fit it, and the field is named; -LICHEN_EBUSY: what it
 * claims is held by others, or what others need it does not give; -LICHEN_ENOTSUP: memory
 * strategies are not reloaded; -LICHEN_ENOMEM, and what create, realize,
 * pre_save and post_load say.  done may be NULL.  [control]
 */
lichen_status fw_reload(struct lichen_vm *vm, const char *name, struct ld_plugin *fresh,
			struct fw_reloaded *done, struct fw_diags *diags);
/*
 * The same with the file that is NAME.so on the VM's path by now.  And as ld_open().
 * [control]
 */
lichen_status fw_reload_file(struct lichen_vm *vm, const char *name, struct fw_reloaded *done,
			     struct fw_diags *diags);

#endif
