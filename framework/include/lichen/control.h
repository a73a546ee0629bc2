/* SPDX-License-Identifier: MIT */
/*
 * control.h: a VM that can be talked to while it runs, through a UNIX socket that
 * speaks JSON-RPC 2.0, a message a line; docs/control.md describes it.
 *
 *	options.control = &lichen_control;
 *	options.control_folder = "/run/lichen";
 *
 * A program that does not name lichen_control links neither the server nor the
 * JSON library.
 */
#ifndef LICHEN_CONTROL_H
#define LICHEN_CONTROL_H

#include <stdio.h>

#include <lichen/vm.h>

#ifdef __cplusplus
extern "C" {
#endif

extern const struct lichen_control lichen_control;

/*
 * Writes the JSON schema of the protocol: each method, its parameters and its
 * result, and each event.  Returns 0, or LICHEN_VM_FAILED: no memory.  [any]
 */
int lichen_control_schema(FILE *to);

#ifdef __cplusplus
}
#endif

#endif
