/* SPDX-License-Identifier: MIT */
/*
 * plug.h: instances and plugins that come to a VM and leave it, while it runs as well
 * as before.  All of it is [control]; nobody calls it from a callback of an instance.
 */
#ifndef FW_PLUG_H
#define FW_PLUG_H

#include "profile.h"

struct lichen_vm;

struct fw_plug_entry {
	const char *section; /* "devices", "backends" or "symbiotic" */
	const char *text;    /* one YAML mapping: "{ plugin: x, id: y, backend: {...} }" */
	const char *origin;  /* what stands for a file in places: "device add" */
	const struct fw_given_file *files; /* opened by who asks, by the name in the text */
	uint32_t file_count;
};

/*
 * Makes the entry's instance and those nested in it: create, realize, resume, providers
 * first; the guest reaches them when all of that is done.  publish comes with the next
 * reset of the VM.  Those who need MANY of what it provides find it from the next call
 * on (acpi: when it publishes again); an optional need that stayed empty stays so.
 * 0: *in is the entry's.  -LICHEN_EINVAL, -LICHEN_ENOMEM and what the instance says:
 * `diags` has the sentences, and the VM is as before.
 */
lichen_status fw_plug_add(struct lichen_vm *vm, const struct fw_plug_entry *entry,
			  struct lichen_instance **in, struct fw_diags *diags);

/* The end of a removal that took time; why is "" when status is 0.  [control] */
typedef void (*fw_plug_done_fn)(void *context, lichen_status status, const char *why);

/*
 * Takes away the instance and those nested in it.  Asks the guest for it
 * (unplug_request) where the class can and the VM runs, then lets the instance finish
 * (quiesce), both until the timeout; what it holds is then taken back with vCPUs
 * running, and it is destroyed.  force: nobody is asked, nothing waited for.
 * 0: it is gone; `error` has a sentence when a file stays mapped.  LICHEN_PENDING: it is
 * under way, and `done` will be called once.  -LICHEN_EBUSY: somebody needs it, or it
 * is going already; -LICHEN_EPERM: it cannot go while the VM lives; -LICHEN_EAGAIN: the
 * VM is paused, so that the guest cannot be asked; what the instance answers: `error`
 * says who and why, and the instance is as before.
 */
lichen_status fw_plug_remove(struct lichen_vm *vm, struct lichen_instance *in, uint32_t force,
			     uint64_t timeout_ns, fw_plug_done_fn done, void *context,
			     struct ld_error *error);

/* The instance of that id, or NULL. */
struct lichen_instance *fw_plug_find(struct lichen_vm *vm, const char *id);

/*
 * Makes plugin `name` of an open file, which stays the caller's, the one that later
 * additions mean by the name.  Other versions of it stay with the instances that have
 * them.  Errors as ld_open_file(); `error` says what.
 */
lichen_status fw_plug_load(struct lichen_vm *vm, const char *name, int descriptor,
			   struct ld_error *error);
/*
 * Closes what was loaded of that name, all versions.  0: `error` is "", or says why a
 * file stays mapped (pinned).  -LICHEN_ENOENT: nothing was loaded; -LICHEN_EBUSY:
 * instances use it, and `error` names them.
 */
lichen_status fw_plug_unload(struct lichen_vm *vm, const char *name, struct ld_error *error);

/* vm.c: ends removals that are under way; the instances stay. */
void fw_plug_cancel(struct lichen_vm *vm);
/* vm.c: closes plugins that were loaded by hand. */
void fw_plug_clear(struct lichen_vm *vm);

#endif
