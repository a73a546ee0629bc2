/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "loader.h"
#include "note.h"
#include "text.h"

/* NUL-terminated within `size` bytes, and NULs from there on. */
static bool ld_is_padded(const char *text, size_t size)
{
	size_t n = strnlen(text, size);

	if (n == size)
		return false;
	for (size_t i = n; i < size; i++)
		if (text[i] != '\0')
			return false;
	return true;
}

/* What is wrong with the note's form; NULL: nothing. */
static const char *ld_note_fault(const struct lichen_note *note)
{
	if (note->magic != LICHEN_NOTE_MAGIC || note->_pad != 0)
		return "has the wrong magic number";
	if (!ld_is_padded(note->name, sizeof(note->name)) || !ld_is_name(note->name))
		return "has a name that is not made of a-z, 0-9 and -";
	if (!ld_is_padded(note->version, sizeof(note->version)) ||
	    !ld_is_printable(note->version, strlen(note->version)))
		return "has a version that is not text";
	if (note->class_size == 0)
		return "has a class size of 0";
	return NULL;
}

struct ld_note_search {
	struct lichen_note *note;
	uint32_t ours, others; /* notes of this host's major, and of others */
	const char *fault;
};

static void ld_note_seen(struct ld_note_search *search, const struct lichen_note *note)
{
	search->fault = ld_note_fault(note);
	if (search->fault)
		return;
	if (note->abi_major == LICHEN_ABI_MAJOR) {
		if (search->ours++ == 0)
			*search->note = *note;
	} else if (search->others++ == 0 && search->ours == 0) {
		*search->note = *note;
	}
}

/*
 * gABI, "Note Section": { owner size, descriptor size, type }, owner,
 * descriptor, the latter two padded to 4 bytes, or to 8 where the segment is
 * aligned so.  Each round consumes at least 4 bytes.  A word of 0 where a note
 * should start is padding, which clang's address sanitizer leaves there.
 */
static void ld_note_segment(const struct ld_image *image, const Elf64_Phdr *segment,
			    struct ld_note_search *search)
{
	const uint64_t mask = segment->p_align == 8 ? 7 : 3, end = segment->p_filesz;
	uint64_t at = 0;
	Elf64_Nhdr header;

	while (!search->fault && end - at >= sizeof(header)) {
		uint64_t owner, descriptor, next;
		char name[sizeof(LICHEN_NOTE_OWNER)];
		struct lichen_note note;

		if (!ld_image_read(image, segment->p_offset + at, &header, sizeof(header)))
			return;
		if (header.n_namesz == 0) {
			at += 4;
			continue;
		}
		owner = at + sizeof(header);
		descriptor = (owner + header.n_namesz + mask) & ~mask;
		next = (descriptor + header.n_descsz + mask) & ~mask;
		if (descriptor > end || header.n_descsz > end - descriptor) {
			search->fault = "ends past its segment";
			return;
		}
		at = next < end ? next : end;
		if (header.n_namesz != sizeof(name) || header.n_type != LICHEN_NOTE_TYPE ||
		    !ld_image_read(image, segment->p_offset + owner, name, sizeof(name)) ||
		    memcmp(name, LICHEN_NOTE_OWNER, sizeof(name)) != 0)
			continue;
		if (header.n_descsz != sizeof(note)) {
			search->fault = "has the wrong size";
			return;
		}
		if (ld_image_read(image, segment->p_offset + descriptor, &note, sizeof(note)))
			ld_note_seen(search, &note);
	}
}

lichen_status ld_note_find(const struct ld_image *image, struct lichen_note *note,
			   struct ld_error *error)
{
	struct lichen_note found = { .magic = 0 };
	struct ld_note_search search = { .note = &found };

	for (uint32_t i = 0; i < image->count && !search.fault; i++)
		if (image->segments[i].p_type == PT_NOTE)
			ld_note_segment(image, &image->segments[i], &search);
	if (search.fault) {
		ld_error_set(error, "%s: its note %s: end its C file with LICHEN_PLUGIN",
			     image->subject, search.fault);
	} else if (search.ours + search.others == 0) {
		ld_error_set(error,
			     "%s: has no " LICHEN_NOTE_SECTION
			     " note, so it is not a plugin: end its C file with LICHEN_PLUGIN",
			     image->subject);
	} else if (search.ours > 1) {
		ld_error_set(error,
			     "%s: has %" PRIu32
			     " classes, this host takes 1 a file: build one file a class",
			     image->subject, search.ours);
	} else {
		*note = found;
		return 0;
	}
	return -LICHEN_ENOEXEC;
}

lichen_status ld_note_parse(const void *bytes, size_t size, const char *subject,
			    struct lichen_note *note, struct ld_error *error)
{
	struct ld_image image;
	lichen_status status = ld_image_open(&image, bytes, size, subject, error);

	return status < 0 ? status : ld_note_find(&image, note, error);
}

const char *ld_kind_name(uint32_t kind)
{
	switch (kind) {
	case LICHEN_KIND_DEVICE:
		return "device";
	case LICHEN_KIND_BOOT:
		return "boot";
	case LICHEN_KIND_BACKEND:
		return "backend";
	case LICHEN_KIND_MEMORY:
		return "memory";
	case LICHEN_KIND_SYMBIOTIC:
		return "symbiotic";
	case LICHEN_KIND_KERNEL:
		return "kernel";
	default:
		return "unknown";
	}
}

lichen_status ld_note_judge(const struct lichen_note *note, const char *subject,
			    struct ld_error *error)
{
	if (note->abi_major != LICHEN_ABI_MAJOR || note->abi_minor < LICHEN_ABI_MINOR_OLDEST) {
		ld_error_set(
			error,
			"%s: plugin %s %s is built for plugin ABI %" PRIu32 ".%" PRIu32
			", this host takes %u.%u to %u.%u: build it with this host's headers",
			subject, note->name, note->version, note->abi_major, note->abi_minor,
			LICHEN_ABI_MAJOR, LICHEN_ABI_MINOR_OLDEST, LICHEN_ABI_MAJOR,
			LICHEN_ABI_MINOR);
	} else if (note->abi_minor > LICHEN_ABI_MINOR) {
		ld_error_set(error,
			     "%s: plugin %s %s needs plugin ABI %" PRIu32 ".%" PRIu32
			     ", this host has %u.%u: use a newer host or build it with this "
			     "host's headers",
			     subject, note->name, note->version, note->abi_major,
			     note->abi_minor, LICHEN_ABI_MAJOR, LICHEN_ABI_MINOR);
	} else if (note->kind < LICHEN_KIND_DEVICE || note->kind > LICHEN_KIND_SYMBIOTIC) {
		ld_error_set(error,
			     "%s: plugin %s %s is of kind %s (%" PRIu32
			     "), this host takes device, boot, backend, memory and symbiotic: "
			     "use a newer "
			     "host",
			     subject, note->name, note->version, ld_kind_name(note->kind),
			     note->kind);
	} else {
		return 0;
	}
	return -LICHEN_ENOTSUP;
}
