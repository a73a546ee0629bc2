/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copy.h"
#include "permission.h"
#include "text.h"

#ifndef MFD_NOEXEC_SEAL /* Linux 6.3; where sysctl vm.memfd_noexec is 2, the only way */
#define MFD_NOEXEC_SEAL 8u
#endif

enum { LD_CHUNK = 32768 }; /* bytes read at a time */

static lichen_status ld_fail(const char *subject, const char *what, int number,
			     struct ld_error *error)
{
	ld_error_set(error, "%s: %s: %s", subject, what, strerrordesc_np(number));
	switch (number) {
	case ENOENT:
	case ENOTDIR:
		return -LICHEN_ENOENT;
	case EACCES:
	case EPERM:
		return -LICHEN_EACCES;
	case ENOMEM:
		return -LICHEN_ENOMEM;
	case EBADF:
		return -LICHEN_EBADF;
	default:
		return -LICHEN_EIO;
	}
}

/* Takes the plugin's name from the file's: "/a/b/NAME.so". */
static lichen_status ld_name_from(const char *file, char name[static LICHEN_NAME_SIZE],
				  struct ld_error *error)
{
	const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
	size_t n = strlen(base);

	if (n > 3 && n - 3 < LICHEN_NAME_SIZE && !strcmp(base + n - 3, ".so")) {
		memcpy(name, base, n - 3);
		name[n - 3] = '\0';
		if (ld_is_name(name))
			return 0;
	}
	ld_error_set(error,
		     "%s: not named as a plugin: want NAME.so, NAME of a-z, 0-9 and -, at most "
		     "%d bytes",
		     ld_short(file), LICHEN_NAME_SIZE - 1);
	return -LICHEN_ENOEXEC;
}

static lichen_status ld_too_large(const char *subject, struct ld_error *error)
{
	ld_error_set(error, "%s: larger than %d MiB, the most that a plugin may be", subject,
		     LD_FILE_MAX >> 20);
	return -LICHEN_ENOEXEC;
}

/* O_NONBLOCK: a FIFO without a writer would make us wait; plain files do not care. */
static lichen_status ld_open_plain(const char *file, int *descriptor, struct ld_error *error)
{
	int fd = open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno != ENXIO) /* ENXIO: a socket */
		return ld_fail(ld_short(file), "cannot be opened", errno, error);
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		ld_error_set(error, "%s: not a plain file; a plugin is a shared object",
			     ld_short(file));
		if (fd >= 0)
			close(fd);
		return -LICHEN_ENOEXEC;
	}
	if (st.st_size > LD_FILE_MAX) {
		close(fd);
		return ld_too_large(ld_short(file), error);
	}
	*descriptor = fd;
	return 0;
}

static int ld_memfd(const char *name)
{
	char title[LICHEN_NAME_SIZE + sizeof("lichen:")];
	int fd;

	snprintf(title, sizeof(title), "lichen:%s", name);
	/* The copy is mapped, never executed; older kernels do not know the flag. */
	fd = memfd_create(title, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(title, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd;
}

static bool ld_write_all(int fd, const char *from, size_t n)
{
	while (n > 0) {
		ssize_t written = write(fd, from, n);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		from += written;
		n -= (size_t)written;
	}
	return true;
}

/* Copies to the end of the file as it is met, at most LD_FILE_MAX bytes. */
static lichen_status ld_fill(const char *subject, int from, int to, size_t *size,
			     struct ld_error *error)
{
	char chunk[LD_CHUNK];
	size_t total = 0;

	for (;;) {
		ssize_t n = read(from, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ld_fail(subject, "cannot be read", errno, error);
		if (n == 0)
			break;
		if ((size_t)n > LD_FILE_MAX - total) /* it grows while it is read */
			return ld_too_large(subject, error);
		if (!ld_write_all(to, chunk, (size_t)n))
			return ld_fail(subject, "cannot be copied", errno, error);
		total += (size_t)n;
	}
	if (total == 0) {
		ld_error_set(error, "%s: empty; a plugin is a shared object", subject);
		return -LICHEN_ENOEXEC;
	}
	*size = total;
	return 0;
}

/*
 * From here on nobody can change the copy, not even this process.  FUTURE_WRITE,
 * not WRITE: nobody has it mapped for writing yet, and WRITE makes the kernel
 * wait for every processor to let go of the pages just written (milliseconds).
 */
static lichen_status ld_seal(const char *subject, struct ld_copy *copy, struct ld_error *error)
{
	void *bytes;

	if (fcntl(copy->descriptor, F_ADD_SEALS,
		  F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE) != 0)
		return ld_fail(subject, "its copy cannot be sealed", errno, error);
	bytes = mmap(NULL, copy->size, PROT_READ, MAP_PRIVATE, copy->descriptor, 0);
	if (bytes == MAP_FAILED)
		return ld_fail(subject, "its copy cannot be mapped", errno, error);
	copy->bytes = bytes;
	SHA256Data(copy->bytes, copy->size, copy->hash);
	return 0;
}

/* Copies what is read, as the plugin that copy->name names. */
static lichen_status ld_take_bytes(const char *subject, int from, struct ld_copy *copy,
				   struct ld_error *error)
{
	lichen_status status;

	copy->descriptor = ld_memfd(copy->name);
	if (copy->descriptor < 0)
		return ld_fail(subject, "cannot be copied", errno, error);
	status = ld_fill(subject, from, copy->descriptor, &copy->size, error);
	return status < 0 ? status : ld_seal(subject, copy, error);
}

static lichen_status ld_take(const char *file, int from, struct ld_copy *copy,
			     struct ld_error *error)
{
	const char *subject = ld_short(file);
	char *folder;
	lichen_status status = ld_permission_check(file, from, &folder, error);

	if (status < 0)
		return status;
	if (asprintf(&copy->file, "%s/%s.so", strcmp(folder, "/") ? folder : "", copy->name) <
	    0) {
		copy->file = NULL;
		status = ld_fail(subject, "cannot be copied", ENOMEM, error);
	}
	free(folder);
	return status < 0 ? status : ld_take_bytes(subject, from, copy, error);
}

lichen_status ld_copy_make(const char *file, struct ld_copy *copy, struct ld_error *error)
{
	lichen_status status;
	int from = -1;

	*copy = (struct ld_copy){ .descriptor = -1 };
	status = ld_open_plain(file, &from, error);
	if (status < 0)
		return status;
	status = ld_name_from(file, copy->name, error);
	if (status == 0)
		status = ld_take(file, from, copy, error);
	close(from);
	if (status < 0)
		ld_copy_clear(copy);
	return status;
}

/* What is open must be a plain file that nobody else can write to. */
static lichen_status ld_check_open(const char *name, int descriptor, struct ld_error *error)
{
	struct stat st;

	if (fstat(descriptor, &st) != 0)
		return ld_fail(name, "its descriptor cannot be looked at", errno, error);
	if (!S_ISREG(st.st_mode)) {
		ld_error_set(error, "%s: not a plain file; a plugin is a shared object", name);
		return -LICHEN_ENOEXEC;
	}
	if ((st.st_mode & S_IWOTH) && st.st_nlink > 0) {
		ld_error_set(error,
			     "%s: anyone may write to the file (mode %04o): take write "
			     "permission from others",
			     name, (unsigned)(st.st_mode & 07777));
		return -LICHEN_EACCES;
	}
	if (st.st_size > LD_FILE_MAX)
		return ld_too_large(name, error);
	return lseek(descriptor, 0, SEEK_SET) == 0
		       ? 0
		       : ld_fail(name, "cannot be read", errno, error);
}

/* The path of an open file, or "descriptor of NAME". */
static char *ld_path_of(const char *name, int descriptor)
{
	char link[64], path[PATH_MAX], *text = NULL;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
	n = readlink(link, path, sizeof(path) - 1);
	if (n > 0 && path[0] == '/')
		return strndup(path, (size_t)n);
	return asprintf(&text, "descriptor of %s", name) < 0 ? NULL : text;
}

lichen_status ld_copy_open(const char *name, int descriptor, struct ld_copy *copy,
			   struct ld_error *error)
{
	lichen_status status;

	*copy = (struct ld_copy){ .descriptor = -1 };
	if (!ld_is_name(name) || strlen(name) >= sizeof(copy->name)) {
		ld_error_set(error,
			     "plugin %.64s: no such plugin: names are made of a-z, 0-9 and -, "
			     "at most %d",
			     name, LICHEN_NAME_SIZE - 1);
		return -LICHEN_ENOENT;
	}
	status = ld_check_open(name, descriptor, error);
	if (status < 0)
		return status;
	memcpy(copy->name, name, strlen(name) + 1);
	copy->file = ld_path_of(name, descriptor);
	status = copy->file ? ld_take_bytes(ld_short(copy->file), descriptor, copy, error)
			    : ld_fail(name, "cannot be copied", ENOMEM, error);
	if (status < 0)
		ld_copy_clear(copy);
	return status;
}

void ld_copy_unmap(struct ld_copy *copy)
{
	if (!copy->bytes)
		return;
	munmap((void *)(uintptr_t)copy->bytes, copy->size);
	copy->bytes = NULL;
}

void ld_copy_clear(struct ld_copy *copy)
{
	ld_copy_unmap(copy);
	if (copy->descriptor >= 0)
		close(copy->descriptor);
	copy->descriptor = -1;
	free(copy->file);
	copy->file = NULL;
}
