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

/* Folders in which plugins are looked for, in order. */
struct ld_path {
	char **folders;
	uint32_t count;
};

/*
 * Splits `text` at ':' into *path, after which ld_path_clear() is owed; empty
 * parts are skipped, NULL is an empty text.  -LICHEN_ENOMEM.
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
 * world-writable, file or folder; -LICHEN_ENOEXEC: not ELF, another machine, no
 * or a malformed note; -LICHEN_ENOTSUP: another ABI or kind.
 */
lichen_status ld_inspect(const char *file, struct ld_info *info, struct ld_error *error);

/*
 * Every *.so on `path`, sorted by name, the first of a name only (it is the one
 * that would be loaded); refused ones come with `why`, others with an empty one.
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

struct ld_plugin; /* an open plugin; opened twice (same content), it is shared and counted */

/*
 * Opens plugin `name` from the first folder of `path` that has NAME.so.
 * pin: 64 hex digits that the content must hash to, or NULL.  Refusals as
 * ld_inspect, and: -LICHEN_ENOENT: no folder has it; -LICHEN_EACCES: the hash
 * differs; -LICHEN_ENOEXEC: it does not open, lacks the entry, or its class or
 * tables are malformed; -LICHEN_ENOTSUP: a flag unknown to this host.
 * After success ld_close() is owed.
 */
lichen_status ld_open(const struct ld_path *path, const char *name, const char *pin,
		      struct ld_plugin **plugin, struct ld_error *error);

const struct ld_info *ld_plugin_info(const struct ld_plugin *plugin);

/*
 * The host's own copy of the class: as large as this host's struct, zero-filled
 * where the plugin's is shorter, and so is each item of its tables, whose
 * item_size is this host's.  Checked: names, types, offsets within the
 * instance, NULLs where none may be.  Valid until ld_close.
 */
const struct lichen_class *ld_plugin_class(const struct ld_plugin *plugin);

/*
 * Gives back one use; at the last, closes the file.  0: it is no longer mapped.
 * -LICHEN_EBUSY: pinned, and `error` says why (what maps it still, or a thread
 * that runs in it).
 */
lichen_status ld_close(struct ld_plugin *plugin, struct ld_error *error);

#endif
