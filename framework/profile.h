/* SPDX-License-Identifier: MIT */
/*
 * profile.h: a machine as its YAML profile describes it, checked and typed.
 *
 * profile_yaml.c reads a file into a tree that keeps places; profile_compose.c
 * joins includes and overrides (profile_merge.c); profile_bind.c types the tree
 * by what the plugins declare; profile_order.c ties needs to providers and orders
 * creation; profile_print.c writes the composed profile; profile_extend.c adds instances
 * to a profile in use.  Every fault goes to the list of diagnostics and the work goes on,
 * so that one run tells them all.
 */
#ifndef FW_PROFILE_H
#define FW_PROFILE_H

#include <stdio.h>

#include <lichen/class.h>

#include "loader.h"

enum { FW_INSTANCES_MAX = 256 }; /* of one profile, and entries of one list of them */

/* Where something was written: 1-based; file is owned by the profile. */
struct fw_mark {
	const char *file; /* "--set" for overrides; NULL: nowhere, a default */
	uint32_t line, column;
};

struct fw_diag {
	struct fw_mark mark;
	char *text; /* one sentence without its place; mark.file lies in the same block */
};

enum { FW_DIAGS_MAX = 1000 };

struct fw_diags {
	struct fw_diag *items; /* sorted by place; equal places in the order of telling */
	uint32_t count, room;
	uint32_t more; /* told when FW_DIAGS_MAX were kept */
	uint32_t lost; /* told when there was no memory */
};

/*
 * Adds a sentence: subject, value, limit; the place is appended when printed.
 * All is copied, mark.file too; control characters become '?'.
 */
__attribute__((format(printf, 3, 4))) void fw_diag(struct fw_diags *diags, struct fw_mark mark,
						   const char *format, ...);
/* "text (file:line:column)", each on a line. */
void fw_diags_print(const struct fw_diags *diags, FILE *to);
void fw_diags_clear(struct fw_diags *diags);

/* The value of one declared parameter. */
struct fw_value {
	struct fw_mark mark; /* file NULL: the declaration's fallback */
	uint64_t number;     /* integers (signed ones as int64_t), BOOL, CHOICE's index */
	char *text;	     /* TEXT; FILE: full path; NULL: absent */
	int given;	     /* FILE: duplicated in place of opening `text`; 0: none */
	const char *written; /* as the YAML has it; NULL: a default */
};

/* What one need of an instance is tied to. */
struct fw_tie {
	struct fw_spec **providers; /* in creation order; several only where MANY */
	uint32_t count;
	struct fw_mark mark; /* of the key's value; else of the instance */
};

struct lichen_instance;

/* One instance to be. */
struct fw_spec {
	char *id;			  /* unique in the VM */
	struct ld_plugin *plugin;	  /* one use of it is the spec's */
	const struct lichen_class *class; /* the plugin's, normalised */
	uint32_t kind;			  /* enum lichen_kind */
	uint32_t index;			  /* place in fw_profile.specs */
	char *path;	     /* where it stands: "devices[2]", "boot", "devices[0].backend" */
	struct fw_mark mark; /* of its entry */
	struct fw_value *values;	  /* one a declared parameter, in the class's order */
	struct fw_tie *ties;		  /* one a declared need, in the class's order */
	struct lichen_instance *instance; /* what a VM made of it; NULL: nothing */
	void *own; /* where values and ties lie once it was bound anew; NULL: the profile's */
	uint32_t stuck; /* a thread runs in the plugin for this one: all of it stays */
};

/* A plugin that is open: its name means it before any file. */
struct fw_offer {
	struct fw_offer *next;
	struct ld_plugin *plugin; /* one use of it is the offer's */
};

enum fw_paging { FW_PAGING_ANY = 0, FW_PAGING_NESTED = 1, FW_PAGING_SHADOW = 2 };

/* What follows a reboot, a crash or a panic of the guest. */
enum fw_policy { FW_RESTART = 0, FW_STOP = 1, FW_PAUSE = 2 };

enum fw_register { FW_EAX = 0, FW_EBX = 1, FW_ECX = 2, FW_EDX = 3 };

/* value = (value & and_) | or_, in one register of one CPUID leaf. */
struct fw_mask {
	uint32_t leaf, index;
	enum fw_register reg;
	uint32_t and_, or_;
	struct fw_mark mark;
};

struct fw_profile {
	char *name;
	uint32_t cpus; /* 1 to 32 */
	struct fw_mark cpus_mark;
	uint64_t memory_size; /* bytes, a multiple of 4096 */
	struct fw_mark memory_mark;
	enum fw_paging paging;
	struct fw_mark paging_mark;
	enum fw_policy on_reboot, on_crash, on_panic; /* restart, stop, stop by default */
	struct fw_mask *masks;
	uint32_t mask_count;
	uint32_t symbiotic;	/* 1: the key is there, perhaps empty */
	struct fw_spec **specs; /* providers before those who need them */
	uint32_t count;
	struct fw_spec *memory, *boot; /* also in specs */
	void *private_;		       /* tree, texts, plugins: freed with the profile */
};

struct fw_profile_options {
	const char *file;	 /* the profile */
	const char *const *sets; /* "devices.com1.port=0x2f8" */
	uint32_t set_count;
	const struct ld_path *plugins;
	const struct ld_path *fragments; /* where `include: [pc]` finds pc.yaml */
};

/*
 * Reads, composes, types, ties and orders.  0: *profile is complete and
 * fw_profile_free() is owed; nothing but plugins was opened.  -LICHEN_EINVAL:
 * `diags` has at least one fault and *profile is unchanged; -LICHEN_ENOMEM.
 */
lichen_status fw_profile_load(const struct fw_profile_options *options,
			      struct fw_profile **profile, struct fw_diags *diags);
void fw_profile_free(struct fw_profile *profile);

/* A FILE that somebody else has opened. */
struct fw_given_file {
	const char *path; /* as the entry writes it */
	int descriptor;	  /* borrowed */
};

struct fw_extend_options {
	const char *section; /* "devices" or "backends" */
	const char *text;    /* one YAML mapping, with what is nested in it */
	const char *origin;  /* what stands for a file in places: "device add" */
	const struct ld_path *plugins;
	const struct fw_offer *offers; /* the newest first; NULL: none */
	const struct fw_given_file *files;
	uint32_t file_count;
};

/*
 * Adds what the entry asks for, typed, tied and ordered with what is there; the other
 * specs keep their address and may get another index.  Existing needs that are MANY
 * are tied to it as well, other needs are not.  0: *added is the entry's spec, and
 * fw_profile_shrink() may be called.  -LICHEN_EINVAL: `diags` has at least one fault more;
 * -LICHEN_ENOMEM; the profile is then as before.
 */
lichen_status fw_profile_extend(struct fw_profile *profile,
				const struct fw_extend_options *options, struct fw_spec **added,
				struct fw_diags *diags);
/*
 * The spec and what is nested in it, consumers before their providers.  Returns how
 * many of `family`, which has room for profile->count, were filled.
 */
uint32_t fw_profile_family(const struct fw_profile *profile, const struct fw_spec *spec,
			   struct fw_spec **family);
/*
 * Who outside its family needs `spec` or one of its family: a sentence in `why`, and 1;
 * else 0.  A need that is MANY and OPTIONAL, or has another provider, holds nobody.
 */
int fw_profile_needed(const struct fw_profile *profile, const struct fw_spec *spec,
		      struct ld_error *why);
/*
 * Takes away the spec and its family, whom nobody needs.  0, or -LICHEN_EBUSY: it is
 * done, but a plugin stays mapped and `why` says by what.
 */
lichen_status fw_profile_shrink(struct fw_profile *profile, struct fw_spec *spec,
				struct ld_error *why);

/* The composed profile as YAML, defaults filled in, keys in the order declared. */
void fw_profile_print(const struct fw_profile *profile, FILE *to);

/*
 * profile_rebind.c: a spec as its entry reads to another file of the same plugin.  made:
 * the spec as it would be, `spec` itself is unchanged.  Refused, with the parameter's or
 * the need's name in diags: what the entry says must mean something to the other class,
 * and what that asks for must be said.  -LICHEN_EINVAL, -LICHEN_EACCES: the entry pins
 * another file; -LICHEN_ENOMEM.  After success fw_rebind_free() is owed.  [control]
 */
struct fw_rebind;
lichen_status fw_rebind_make(struct fw_profile *profile, const struct fw_spec *spec,
			     struct ld_plugin *plugin, struct fw_rebind **made,
			     struct fw_diags *diags);
/* The other one of the two: first the spec to be, once swapped the spec that was. */
struct fw_spec *fw_rebind_spec(struct fw_rebind *rebind);
/* The spec, at its old address, becomes what it was to be. */
void fw_rebind_swap(struct fw_rebind *rebind);
/*
 * Frees fw_rebind_spec(), which nobody uses any more, and gives back its use of a plugin.
 * NULL: nothing.  -LICHEN_EBUSY: that stays mapped, and `why` says by what.
 */
lichen_status fw_rebind_free(struct fw_rebind *rebind, struct ld_error *why);

/*
 * Stores the values in `instance` (class->instance_size bytes); opens FILEs.
 * A file that does not open: a sentence with its place in diags, and what was
 * opened is closed: -LICHEN_EINVAL.  Texts stay the spec's.
 */
lichen_status fw_values_store(const struct fw_spec *spec, void *instance,
			      struct fw_diags *diags);
/*
 * The same for an instance that stands in for `old`: a FILE that both have alike is the
 * same open file, not opened again.
 */
lichen_status fw_values_inherit(const struct fw_spec *spec, void *instance,
				const struct fw_spec *old, const void *old_instance,
				struct fw_diags *diags);
/* Closes what fw_values_store() opened, and removes the names of sockets that listened. */
void fw_values_close(const struct fw_spec *spec, void *instance);
/* The same, but the names that are `heir`'s as well stay. */
void fw_values_leave(const struct fw_spec *spec, void *instance, const struct fw_spec *heir);

#endif
