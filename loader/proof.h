/* SPDX-License-Identifier: MIT */
/* proof.h: what the kernel says about a file that should no longer be in use. */
#ifndef LD_PROOF_H
#define LD_PROOF_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Whether `file` (a descriptor) is mapped into this process; true as well where
 * the kernel does not say.
 */
bool ld_is_mapped(int file);

/*
 * A thread of this process that is inside the code that `file` maps or was
 * started there, or 0.  Finds threads that sleep; one that computes on another
 * processor shows itself to nobody.
 */
pid_t ld_thread_inside(int file);

#endif
