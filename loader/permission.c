/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "permission.h"
#include "text.h"

/*
 * Checks `folder`, an absolute path without links, and each one above it, by
 * cutting it at its slashes; the text is as before when this returns.
 */
static lichen_status ld_check_folders(const char *subject, char *folder, struct ld_error *error)
{
	size_t whole = strlen(folder), n = whole;
	lichen_status status = 0;
	struct stat st;

	while (status == 0) {
		char cut = folder[n];

		folder[n] = '\0';
		if (stat(n ? folder : "/", &st) != 0) {
			ld_error_set(error, "%s: folder %s cannot be looked at: %s", subject,
				     ld_short(n ? folder : "/"), strerrordesc_np(errno));
			status = -LICHEN_EIO;
		} else if ((st.st_mode & S_IWOTH) && (n == whole || !(st.st_mode & S_ISVTX))) {
			ld_error_set(error,
				     "%s: anyone may write to folder %s (mode %04o): take "
				     "write permission from others",
				     subject, ld_short(n ? folder : "/"),
				     (unsigned)(st.st_mode & 07777));
			status = -LICHEN_EACCES;
		}
		folder[n] = cut;
		if (n == 0)
			break;
		while (n > 0 && folder[--n] != '/')
			;
	}
	return status;
}

/* The real path of the folder in which `file` is named; NULL with errno. */
static char *ld_folder_of(const char *file)
{
	const char *slash = strrchr(file, '/');
	char *folder =
		slash ? strndup(file, slash == file ? 1 : (size_t)(slash - file)) : strdup(".");
	char *real = folder ? realpath(folder, NULL) : NULL;

	free(folder);
	return real;
}

/* The folder of the open file itself, whatever links led to it. */
static lichen_status ld_check_target(const char *subject, int descriptor, const char *checked,
				     struct ld_error *error)
{
	char link[64], target[PATH_MAX];
	ssize_t n;
	char *slash;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
	n = readlink(link, target, sizeof(target) - 1);
	if (n <= 0 || target[0] != '/') {
		ld_error_set(error, "%s: %s does not say where the file lies", subject, link);
		return -LICHEN_EIO;
	}
	target[n] = '\0';
	slash = strrchr(target, '/');
	*slash = '\0';
	if (!strcmp(target[0] ? target : "/", checked))
		return 0;
	return ld_check_folders(subject, target, error);
}

lichen_status ld_permission_check(const char *file, int descriptor, char **folder,
				  struct ld_error *error)
{
	const char *subject = ld_short(file);
	lichen_status status;
	struct stat st;
	char *real;

	if (fstat(descriptor, &st) != 0) {
		ld_error_set(error, "%s: cannot be looked at: %s", subject,
			     strerrordesc_np(errno));
		return -LICHEN_EIO;
	}
	if (st.st_mode & S_IWOTH) {
		ld_error_set(error,
			     "%s: anyone may write to the file (mode %04o): take write "
			     "permission from others",
			     subject, (unsigned)(st.st_mode & 07777));
		return -LICHEN_EACCES;
	}
	real = ld_folder_of(file);
	if (!real) {
		ld_error_set(error, "%s: its folder cannot be found: %s", subject,
			     strerrordesc_np(errno));
		return errno == ENOMEM ? -LICHEN_ENOMEM : -LICHEN_EIO;
	}
	status = ld_check_folders(subject, real, error);
	if (status == 0)
		status = ld_check_target(subject, descriptor, real, error);
	if (status < 0)
		free(real);
	else
		*folder = real;
	return status;
}
