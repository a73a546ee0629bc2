/* SPDX-License-Identifier: MIT */
/*
 * sdk/source.h: what a boot plugin loads from, a file or bytes in memory, and
 * the way from there into guest memory without a copy in between.
 *
 * A file is read, never mapped: one that is cut short while the VM runs is an
 * error and not a signal.
 */
#ifndef LICHEN_SDK_SOURCE_H
#define LICHEN_SDK_SOURCE_H

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lichen/class.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { LICHEN_GUEST_PAGE = 4096 };

struct lichen_source {
	const char *name;     /* of the parameter that gave it, for sentences; borrowed */
	const uint8_t *bytes; /* NULL: the descriptor's; borrowed */
	uint64_t size;	      /* bytes */
	int32_t descriptor;   /* of a plain file; borrowed */
	int32_t _pad;
};

/*
 * Makes a source of the descriptor that parameter `name` gave.  -LICHEN_EINVAL:
 * no plain file, or an empty one; other errors of fstat().  Says why.
 * [control, created]
 */
static inline lichen_status lichen_source_open(const struct lichen_dev *dev, const char *name,
					       int32_t descriptor, struct lichen_source *source)
{
	struct stat st;

	if (fstat(descriptor, &st) < 0) {
		lichen_status status = -errno;

		dev->host->error(dev->in, "%s: its size cannot be read: %s", name,
				 strerror(-status));
		return status;
	}
	if (!S_ISREG(st.st_mode)) {
		dev->host->error(dev->in, "%s: not a regular file", name);
		return -LICHEN_EINVAL;
	}
	if (st.st_size <= 0) {
		dev->host->error(dev->in, "%s: the file is empty", name);
		return -LICHEN_EINVAL;
	}
	memset(source, 0, sizeof(*source));
	source->name = name;
	source->size = (uint64_t)st.st_size;
	source->descriptor = descriptor;
	return 0;
}

/* A source of `size` bytes in memory, borrowed for the source's life.  [any, any] */
static inline struct lichen_source lichen_source_of(const char *name, const void *bytes,
						    uint64_t size)
{
	struct lichen_source source;

	memset(&source, 0, sizeof(source));
	source.name = name;
	source.bytes = (const uint8_t *)bytes;
	source.size = size;
	source.descriptor = -1;
	return source;
}

/*
 * Reads `size` bytes at `offset`.  *done: bytes read, fewer than size at the
 * end only.  Moves the descriptor's offset.  Errors of lseek() and read(); *done is then
 * unchanged.  [control, any]
 */
static inline lichen_status lichen_source_read(const struct lichen_source *source,
					       uint64_t offset, void *to, uint64_t size,
					       uint64_t *done)
{
	uint8_t *out = (uint8_t *)to;
	uint64_t had = 0;

	if (source->bytes != NULL) {
		uint64_t left = offset < source->size ? source->size - offset : 0;

		had = size < left ? size : left;
		memcpy(out, source->bytes + (offset < source->size ? offset : 0), (size_t)had);
		*done = had;
		return 0;
	}
	/* Not pread(), which plain C11 does not declare. */
	if (offset > INT64_MAX || lseek(source->descriptor, (int64_t)offset, SEEK_SET) < 0)
		return offset > INT64_MAX ? -LICHEN_EINVAL : -errno;
	while (had < size) {
		ssize_t n = read(source->descriptor, out + had, (size_t)(size - had));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		had += (uint64_t)n;
	}
	*done = had;
	return 0;
}

/* As above where all of it must be there: -LICHEN_EBADMSG for what ends too soon. */
static inline lichen_status lichen_source_read_all(const struct lichen_source *source,
						   uint64_t offset, void *to, uint64_t size)
{
	uint64_t done = 0;
	lichen_status status = lichen_source_read(source, offset, to, size, &done);

	return status < 0 ? status : done < size ? -LICHEN_EBADMSG : 0;
}

/*
 * Maps guest memory at `gpa` for writing: as much of *size bytes as is in one
 * piece, which ends at a page's end or is all.  Guest memory whose strategy gave
 * several pieces is so gone through.  -LICHEN_EFAULT: no RAM; says why.  After
 * success memory_unmap is owed.  [control, realized or paused]
 */
static inline lichen_status lichen_guest_map(const struct lichen_dev *dev, const char *name,
					     lichen_gpa gpa, uint64_t *size,
					     struct lichen_map *map)
{
	uint64_t least = LICHEN_GUEST_PAGE - gpa % LICHEN_GUEST_PAGE, want = *size;
	lichen_status status;

	for (;;) {
		memset(map, 0, sizeof(*map));
		map->struct_size = (uint32_t)sizeof(*map);
		status = dev->host->memory_map(dev->in, 0, gpa, want, LICHEN_ACCESS_WRITE, map);
		if (status != -LICHEN_EFAULT || want <= least)
			break;
		want = want / 2 > least ? want / 2 : least;
	}
	if (status < 0) {
		dev->host->error(dev->in, "%s: no guest memory at 0x%" PRIx64, name, gpa);
		return status;
	}
	*size = want;
	return 0;
}

/*
 * Copies `size` bytes of the source at `offset` to `gpa`.  -LICHEN_EFAULT: no
 * RAM; -LICHEN_EIO: a file that has become shorter; errors of read().  Says why;
 * a part may have been copied.  [control, realized or paused]
 */
static inline lichen_status lichen_source_load(const struct lichen_dev *dev,
					       const struct lichen_source *source,
					       uint64_t offset, uint64_t size, lichen_gpa gpa)
{
	const struct lichen_host *host = dev->host;
	uint64_t had = 0;

	while (had < size) {
		struct lichen_map map;
		uint64_t want = size - had, done = 0;
		lichen_status status =
			lichen_guest_map(dev, source->name, gpa + had, &want, &map);

		if (status < 0)
			return status;
		status = lichen_source_read(source, offset + had, map.data, want, &done);
		host->memory_unmap(dev->in, &map, status < 0 ? want : done);
		if (status < 0) {
			host->error(dev->in, "%s: cannot be read at byte %" PRIu64 ": %s",
				    source->name, offset + had, strerror(-status));
			return status;
		}
		if (done < want) {
			host->error(dev->in,
				    "%s: shrank to %" PRIu64 " bytes, %" PRIu64
				    " were there at the start",
				    source->name, offset + had + done, source->size);
			return -LICHEN_EIO;
		}
		had += want;
	}
	return 0;
}

/* Zeroes [gpa, gpa + size); name: whose memory it is to be.  -LICHEN_EFAULT: no RAM;
 * says why.  [control, realized or paused] */
static inline lichen_status lichen_guest_zero(const struct lichen_dev *dev, const char *name,
					      lichen_gpa gpa, uint64_t size)
{
	uint64_t had = 0;

	while (had < size) {
		struct lichen_map map;
		uint64_t want = size - had;
		lichen_status status = lichen_guest_map(dev, name, gpa + had, &want, &map);

		if (status < 0)
			return status;
		memset(map.data, 0, (size_t)want);
		dev->host->memory_unmap(dev->in, &map, want);
		had += want;
	}
	return 0;
}

#ifdef __cplusplus
}
#endif

#endif
