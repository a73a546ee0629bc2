/* SPDX-License-Identifier: MIT */
/*
 * status.h: what functions of the ABI return.
 *
 * >= 0 is good; a function that says so may return LICHEN_PENDING.  < 0 is one
 * of -LICHEN_E..., whose numbers equal Linux's errno, so that a plugin may
 * return -errno.  The sentence for the human goes through host->error() where
 * the cause is known; the code is for the caller.
 */
#ifndef LICHEN_STATUS_H
#define LICHEN_STATUS_H

#include <lichen/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, number, text) */
#define LICHEN_STATUS_MAP(X)                                \
	X(EPERM, 1, "not permitted")                        \
	X(ENOENT, 2, "not found")                           \
	X(EINTR, 4, "interrupted")                          \
	X(EIO, 5, "input or output failed")                 \
	X(E2BIG, 7, "too long")                             \
	X(ENOEXEC, 8, "not in a format that can be loaded") \
	X(EBADF, 9, "not an open descriptor")               \
	X(EAGAIN, 11, "not now, try again")                 \
	X(ENOMEM, 12, "out of memory")                      \
	X(EACCES, 13, "access denied")                      \
	X(EFAULT, 14, "outside guest memory")               \
	X(EBUSY, 16, "in use")                              \
	X(EEXIST, 17, "already there")                      \
	X(ENODEV, 19, "no such device")                     \
	X(EINVAL, 22, "not a valid value")                  \
	X(ENOSPC, 28, "no room left")                       \
	X(EPIPE, 32, "the peer is gone")                    \
	X(ERANGE, 34, "out of range")                       \
	X(ELOOP, 40, "goes round in a circle")              \
	X(EOVERFLOW, 75, "too large for its type")          \
	X(EBADMSG, 74, "malformed data")                    \
	X(ENOTSUP, 95, "not supported")                     \
	X(ETIMEDOUT, 110, "took too long")                  \
	X(ECANCELED, 125, "cancelled")

enum lichen_status_code {
#define LICHEN_STATUS_ENUM(name, number, text) LICHEN_##name = number,
	LICHEN_STATUS_MAP(LICHEN_STATUS_ENUM)
#undef LICHEN_STATUS_ENUM
};

/* The operation goes on and ends with host->complete(). */
#define LICHEN_PENDING ((lichen_status)1)

#ifdef __cplusplus
}
#endif

#endif
