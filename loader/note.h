/* SPDX-License-Identifier: MIT */
/* note.h: finds a plugin's note in a buffer and says whether this host takes it. */
#ifndef LD_NOTE_H
#define LD_NOTE_H

#include <lichen/note.h>
#include <lichen/status.h>

#include "error.h"
#include "image.h"

/*
 * Copies the one note of `image` that is for this host's major to *note, or the
 * first note where none is.  Its texts are then well-formed, and what it asks
 * for is not judged yet.  -LICHEN_ENOEXEC: none, malformed, or several.
 */
lichen_status ld_note_find(const struct ld_image *image, struct lichen_note *note,
			   struct ld_error *error);

/* The same on the bytes of a whole file, which `subject` names in sentences. */
lichen_status ld_note_parse(const void *bytes, size_t size, const char *subject,
			    struct lichen_note *note, struct ld_error *error);

/* -LICHEN_ENOTSUP: this host is of another ABI or does not load this kind. */
lichen_status ld_note_judge(const struct lichen_note *note, const char *subject,
			    struct ld_error *error);

#endif
