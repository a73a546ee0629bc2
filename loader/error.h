/* SPDX-License-Identifier: MIT */
/* error.h: one sentence about what went wrong, kept until someone prints it. */
#ifndef LD_ERROR_H
#define LD_ERROR_H

enum { LD_ERROR_SIZE = 512 };

struct ld_error {
	char text[LD_ERROR_SIZE]; /* "" when nothing was said */
};

/* Replaces the sentence; cut where it is too long.  error may be NULL. */
__attribute__((format(printf, 2, 3))) void ld_error_set(struct ld_error *error,
							const char *format, ...);

#endif
