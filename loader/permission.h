/* SPDX-License-Identifier: MIT */
/* permission.h: whether someone else could have put the plugin there. */
#ifndef LD_PERMISSION_H
#define LD_PERMISSION_H

#include <lichen/status.h>

#include "error.h"

/*
 * Refuses `file` (any path) where it, the folder that holds it or the folder
 * that a symbolic link leads to is world-writable, or a folder further up is
 * and lacks the sticky bit.  A sticky folder further up, such as /tmp, is good:
 * nobody but its owner can replace the folder below it.  `descriptor` is of the
 * open file.  *folder: the real path of the folder that holds it, owned by the
 * caller.  -LICHEN_EACCES; -LICHEN_EIO: a folder cannot be looked at; -LICHEN_ENOMEM.
 */
lichen_status ld_permission_check(const char *file, int descriptor, char **folder,
				  struct ld_error *error);

#endif
