/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* types.h: integers of fixed width, wherever the guest side is compiled. */
#ifndef LICHEN_GUEST_TYPES_H
#define LICHEN_GUEST_TYPES_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdint.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Everything that VMM and guest share is little-endian, without pointers and without
 * holes.  "guest writes" and "VMM writes" at a member say who does; the other side
 * only reads.
 */

#ifdef __cplusplus
}
#endif

#endif
