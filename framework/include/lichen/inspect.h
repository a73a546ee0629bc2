/* SPDX-License-Identifier: MIT */
/* inspect.h: what can be told of profiles and plugins without running a VM. */
#ifndef LICHEN_INSPECT_H
#define LICHEN_INSPECT_H

#include <stdio.h>

#include <lichen/vm.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Reads and checks options->profile as lichen_vm_create() would, creates nothing,
 * and writes the composed profile with defaults to `to`.  Returns 0, or
 * LICHEN_VM_BAD_INPUT with every fault in the log.  [control]
 */
int lichen_check(const struct lichen_vm_options *options, FILE *to);

/*
 * Writes a line for each plugin on `plugin_path` (folders separated by ':'): name,
 * kind, version, file; for a refused one, why.  Runs none of their code.
 * Returns 0, or LICHEN_VM_FAILED where memory ran out.  [control]
 */
int lichen_plugin_list(const char *plugin_path, FILE *to);

#ifdef __cplusplus
}
#endif

#endif
