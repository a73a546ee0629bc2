/* SPDX-License-Identifier: MIT */
/*
 * loader.h: finds, judges, opens and closes plugins.
 *
 * A file is copied to a sealed memfd; that copy is hashed, its notes are judged
 * without running any of its code, and only then is it opened.  Not thread-safe:
 * one thread at a time uses the functions of this file (the control thread).
 */
#ifndef LD_LOADER_H
#define LD_LOADER_H

#include <lichen/class.h>

#include "error.h"

enum { LD_HASH_SIZE = 32, LD_HASH_TEXT_SIZE = 65 }; /* SHA-256, and as hex with its NUL */

struct ld_shelf; /* the plugins that are open through one path */

/* Folders in which plugins are looked for, in order. */
struct ld_path {
	char **folders;
	uint32_t count;
	struct ld_shelf *shelf; /* private; lives until the path and its plugins are gone */
};

/*
 * Splits `text` at ':' into *path, after which ld_path_clear() is owed; empty
 * parts are skipped, NULL is an empty text.  -LICHEN_ENOMEM.  Clearing a path
 * closes no plugin.
 */
lichen_status ld_path_parse(struct ld_path *path, const char *text);
void ld_path_clear(struct ld_path *path);

/* What is known of a plugin file without running its code. */
struct ld_info {
	char name[LICHEN_NAME_SIZE];
	char version[LICHEN_VERSION_SIZE];
	uint32_t kind; /* enum lichen_kind */
	uint32_t abi_major, abi_minor;
	char hash[LD_HASH_TEXT_SIZE];
	char *file; /* full path, owned by the info */
};
void ld_info_clear(struct ld_info *info);

/* "device", "boot", ... or "unknown". */
const char *ld_kind_name(uint32_t kind);

/*
 * Reads what `file` is.  Refused (the sentence names the file or plugin, what
 * it has, what this host has, and the cure): -LICHEN_ENOENT; -LICHEN_EACCES:
 * world-writable, file or folder, or not readable; -LICHEN_ENOEXEC: not named
 * NAME.so, not ELF, another machine, no or a malformed note, a note of another
 * name, other symbols exported than the entry; -LICHEN_ENOTSUP: another ABI or
 * kind; -LICHEN_EIO, -LICHEN_ENOMEM.  After success ld_info_clear() is owed.
 */
lichen_status ld_inspect(const char *file, struct ld_info *info, struct ld_error *error);

/*
 * Every *.so on `path`, sorted by name, the first of a name only (it is the one
 * that would be loaded); refused ones come with `why`, others with an empty one.
 * Folders that cannot be read have none.  After success ld_list_free() is owed;
 * -LICHEN_ENOMEM.
 */
struct ld_listing {
	struct ld_info info; /* name is the file's base name where it was refused */
	struct ld_error why;
};
lichen_status ld_list(const struct ld_path *path, struct ld_listing **list, uint32_t *count);
void ld_list_free(struct ld_listing *list, uint32_t count);

/* The name on the path most like `name`, or NULL; borrowed from `buffer`. */
const char *ld_nearest(const struct ld_path *path, const char *name,
		       char buffer[static LICHEN_NAME_SIZE]);

/*
 * An open plugin.  Opened twice through one path (same content), it is shared
 * and counted; through two paths, as two VMs of a process do, it is not.
 */
struct ld_plugin;

/*
 * Opens plugin `name` from the first folder of `path` that has NAME.so.
 * pin: 64 hex digits that the content must hash to, or NULL.  Refusals as
 * ld_inspect, and: -LICHEN_ENOENT: no folder has it (ld_nearest() is not in the
 * sentence); -LICHEN_EINVAL: pin is not 64 hex digits; -LICHEN_EACCES: the hash
 * differs; -LICHEN_ENOEXEC: it does not open, lacks the entry, or its class or
 * tables are malformed; -LICHEN_ENOTSUP: a flag unknown to this host.
 * After success ld_close() is owed.
 */
lichen_status ld_open(const struct ld_path *path, const char *name, const char *pin,
		      struct ld_plugin **plugin, struct ld_error *error);

/*
 * The same from an open file, which stays the caller's; it holds plugin `name`.  Who
 * opened it answers for the folders on its way; the file itself must not be
 * world-writable, unless it has no name.  -LICHEN_EBADF.
 */
lichen_status ld_open_file(const struct ld_path *path, const char *name, int descriptor,
			   struct ld_plugin **plugin, struct ld_error *error);

/* One use more; returns the plugin.  ld_close() is owed for it as well. */
struct ld_plugin *ld_share(struct ld_plugin *plugin);

const struct ld_info *ld_plugin_info(const struct ld_plugin *plugin);

/*
 * The host's own copy of the class: as large as this host's struct, zero-filled
 * where the plugin's is shorter, and so is each item of its tables, whose
 * item_size is this host's; `ops` of windows and of blobs likewise, a field's
 * count 0 is 1 in it.  `ops` of provides are the plugin's own, of ops_size
 * bytes.  Checked: names, types, ranges, offsets within the instance, NULLs
 * where none may be.  Valid until ld_close.
 */
const struct lichen_class *ld_plugin_class(const struct ld_plugin *plugin);

/*
 * Gives back one use; at the last, closes the file.  0: it is no longer mapped.
 * -LICHEN_EBUSY: pinned, and `error` says why (what maps it still, or a thread
 * that runs in it).  The use is given back all the same: a pinned file stays
 * mapped, with its descriptor, until the process ends.
 */
lichen_status ld_close(struct ld_plugin *plugin, struct ld_error *error);

#endif
