/* SPDX-License-Identifier: MIT */
/*
 * sdk/directory.h: what a guest shares (<lichen/guest/directory.h>), read from outside
 * while the guest may be writing it.  Nothing in it is believed: every offset is checked
 * against the memory that was registered, every loop has a bound, and a writer that never
 * settles costs LICHEN_SPY_RETRIES tries.
 */
#ifndef LICHEN_SDK_DIRECTORY_H
#define LICHEN_SDK_DIRECTORY_H

#include <lichen/class.h>
#include <lichen/guest/spy.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Memory that the guest registered; gpa page-aligned, size whole pages. */
struct lichen_shared {
	const struct lichen_dev *dev; /* who reads it */
	lichen_gpa gpa;
	uint64_t size; /* bytes; 0: nothing is registered */
};

/*
 * What an MSR says (LICHEN_AT) of memory, at most `pages` of it, all of it RAM.  0: `shared`
 * is it; 1: the guest takes it back, and `shared` is empty; -LICHEN_EINVAL: malformed or too
 * large; -LICHEN_EFAULT: not all RAM in one piece.  [any, realized to running]
 */
lichen_status lichen_shared_at(const struct lichen_dev *dev, uint64_t value, uint32_t pages,
			       struct lichen_shared *shared);

/*
 * Copies the entries that have a name, at most LICHEN_DIRECTORY_MAX of them, whole and from
 * one state of the directory; names end within their room.  -LICHEN_ENOENT: nothing is
 * registered; -LICHEN_EBADMSG: not a directory with this magic, or parts of it lie outside;
 * -LICHEN_EAGAIN: it did not settle; -LICHEN_EFAULT.  [any, realized to running]
 */
lichen_status lichen_directory_read(const struct lichen_shared *shared, uint32_t magic,
				    struct lichen_directory_entry entries[LICHEN_DIRECTORY_MAX],
				    uint32_t *count);
/* The entry of that name.  The same errors; -LICHEN_ENOENT also: there is none. */
lichen_status lichen_directory_find(const struct lichen_shared *shared, uint32_t magic,
				    const char *name, struct lichen_directory_entry *entry);
/* Its schema with a NUL, "" where it has none.  -LICHEN_EBADMSG: too long, or outside;
 * -LICHEN_EFAULT.  [any, realized to running] */
lichen_status lichen_directory_schema(const struct lichen_shared *shared,
				      const struct lichen_directory_entry *entry,
				      char text[LICHEN_SCHEMA_MAX + 1]);
/*
 * The bytes of a record, whole.  room: at least entry->size.  *retries: how often the
 * writer was met.  -LICHEN_ENOENT: nothing is registered; -LICHEN_E2BIG; -LICHEN_EBADMSG:
 * outside, or not aligned to 8; -LICHEN_EAGAIN: it did not settle; -LICHEN_EFAULT.
 * [any, realized to running]
 */
lichen_status lichen_record_read(const struct lichen_shared *shared,
				 const struct lichen_directory_entry *entry, void *to,
				 uint32_t room, uint32_t *retries);
/* Both at once, of the record of that name; *size: its bytes.  The errors of both; *retries
 * is set where the record was found.  [any, realized to running] */
lichen_status lichen_record_find(const struct lichen_shared *shared, const char *name, void *to,
				 uint32_t room, uint32_t *size, uint32_t *retries);

#ifdef __cplusplus
}
#endif

#endif
