/* SPDX-License-Identifier: MIT */
/*
 * copy.h: a plugin file as it was at one moment.  The copy cannot change any
 * more, so what was judged is what runs, whatever becomes of the file.
 */
#ifndef LD_COPY_H
#define LD_COPY_H

#include "loader.h"

enum { LD_FILE_MAX = 64 << 20 }; /* bytes; larger files are no plugins */

struct ld_copy {
	int descriptor; /* of the sealed memfd, named "lichen:NAME"; -1: none */
	const void *bytes;
	size_t size;
	char *file;		      /* full path of the original */
	char name[LICHEN_NAME_SIZE];  /* the original's, without ".so", cut to fit */
	char hash[LD_HASH_TEXT_SIZE]; /* of the copy */
};

/*
 * Copies `file`.  After success ld_copy_clear() is owed.  -LICHEN_ENOENT;
 * -LICHEN_EACCES: not readable, or others may write to it or its folders;
 * -LICHEN_ENOEXEC: not a plain file, not named NAME.so, empty or too large;
 * -LICHEN_EIO, -LICHEN_ENOMEM.
 */
lichen_status ld_copy_make(const char *file, struct ld_copy *copy, struct ld_error *error);

/* The same of an open file, which holds plugin `name`; -LICHEN_EBADF. */
lichen_status ld_copy_open(const char *name, int descriptor, struct ld_copy *copy,
			   struct ld_error *error);

/* Forgets the bytes; the descriptor and the texts stay. */
void ld_copy_unmap(struct ld_copy *copy);
void ld_copy_clear(struct ld_copy *copy);

#endif
