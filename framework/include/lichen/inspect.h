/* SPDX-License-Identifier: MIT */
/* inspect.h: what can be told of profiles and plugins without running a VM. */
#ifndef LICHEN_INSPECT_H
#define LICHEN_INSPECT_H

#include <stdio.h>

#include <lichen/vm.h>

#ifdef __cplusplus
extern "C" {
#endif

enum lichen_form {
	LICHEN_FORM_TEXT = 0, /* for people */
	LICHEN_FORM_JSON = 1, /* for programs: one JSON value; what is in it only grows */
};

/*
 * Reads and checks options->profile as lichen_vm_create() would, creates nothing,
 * and writes the composed profile with defaults to `to`: as YAML, or as JSON that
 * is itself a profile.  Returns 0, or LICHEN_VM_BAD_INPUT with every fault in the
 * log; as JSON, with an array of {file, line, column, text} in `to` instead.  At
 * LICHEN_LOG_DEBUG the log says where each value came from.  LICHEN_VM_FAILED: no
 * memory for the JSON.  [control]
 */
int lichen_check(const struct lichen_vm_options *options, uint32_t form, FILE *to);

/*
 * Writes what there is on `plugin_path` (folders separated by ':'): name, kind,
 * version, file; for a refused file, why.  Runs none of their code.  Returns 0, or
 * LICHEN_VM_FAILED where memory ran out.  [control]
 */
int lichen_plugin_list(const char *plugin_path, uint32_t form, FILE *to);

/*
 * Writes what a plugin declares, as a JSON object: docs/man/lichen.1.md has its
 * members.  plugin: a name on `plugin_path`, or a file (with a slash in it, or
 * ending in .so).
 *
 * THIS RUNS CODE OF THE PLUGIN: its constructors and its entry.  Where the plugin
 * is not trusted, call it in a process that may do nothing else.
 *
 * Returns 0; or, with {"error": sentence} written instead, -LICHEN_ENOENT: there is
 * no such plugin; another negative status: it was refused, or memory ran out (then
 * perhaps with nothing written).  [control]
 */
int lichen_plugin_describe(const char *plugin_path, const char *plugin, FILE *to);

/* Writes `text` as a JSON string; bytes that are not UTF-8 become '?'.  [any] */
void lichen_json_text(const char *text, FILE *to);

/* The one of `words` most like `word`, or NULL where none is.  [any] */
const char *lichen_nearest(const char *word, const char *const *words, uint32_t count);

#ifdef __cplusplus
}
#endif

#endif
