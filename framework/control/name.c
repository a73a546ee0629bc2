/* SPDX-License-Identifier: MIT */
/*
 * name.c: a VM's name in the runtime folder.  NAME.lock is locked while the VM lives,
 * whatever becomes of its process: who gets the lock may clear away what is left
 * under the name.  NAME.sock listens.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control/server.h"

enum { NAME_FILE_SIZE = 80, NAME_BACKLOG = 128, NAME_TRIES = 100 };

/* A process that was killed keeps its lock until the kernel has taken it apart. */
enum { NAME_DYING_TRIES = 100, NAME_DYING_NS = 10000000 };

static void name_file(const struct fw_control *control, const char *ending,
		      char file[static NAME_FILE_SIZE])
{
	/* A name has 63 letters at most, and no slash. */
	(void)snprintf(file, NAME_FILE_SIZE, "%.63s%s", control->vm->profile->name, ending);
}

/* A folder in which nobody else can put things. */
static lichen_status name_folder(struct fw_control *control, const char *folder,
				 struct ld_error *error)
{
	struct stat status;

	control->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (control->folder < 0 || fstat(control->folder, &status) < 0) {
		ld_error_set(error, "runtime folder %s: %s", folder, strerror(errno));
		return -LICHEN_EACCES;
	}
	if (status.st_uid == geteuid() && !(status.st_mode & (S_IWGRP | S_IWOTH)))
		return 0;
	ld_error_set(error, "runtime folder %s: %s", folder,
		     status.st_uid == geteuid() ? "others may write there"
						: "belongs to another user");
	return -LICHEN_EACCES;
}

/* 1: the file that was locked is still the one of that name, which nobody else then locks. */
static int name_is_ours(const struct fw_control *control, const char *file)
{
	struct stat opened, there;

	return fstat(control->lock, &opened) == 0 &&
	       fstatat(control->folder, file, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       opened.st_dev == there.st_dev && opened.st_ino == there.st_ino;
}

/* 0: it is locked; -1: somebody else has it, and does not go. */
static int name_lock(int file)
{
	static const struct timespec pause = { 0, NAME_DYING_NS };

	for (uint32_t i = 0; i < NAME_DYING_TRIES; i++) {
		if (flock(file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
			return 0; /* or the file system has no locks */
		(void)nanosleep(&pause, NULL);
	}
	return -1;
}

lichen_status fw_name_take(struct fw_control *control, const char *folder,
			   struct ld_error *error)
{
	char file[NAME_FILE_SIZE];
	lichen_status status = name_folder(control, folder, error);

	name_file(control, ".lock", file);
	/* One that ends removes the file that we may have opened by then: once more. */
	for (uint32_t i = 0; status == 0 && i < NAME_TRIES; i++) {
		control->lock =
			openat(control->folder, file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
			       S_IRUSR | S_IWUSR);
		if (control->lock < 0)
			break;
		if (name_lock(control->lock) < 0) {
			ld_error_set(error, "name: %s: a VM of this name runs",
				     control->vm->profile->name);
			(void)close(control->lock);
			control->lock = -1; /* another's */
			return -LICHEN_EEXIST;
		}
		if (name_is_ours(control, file))
			return 0;
		(void)close(control->lock);
		control->lock = -1;
	}
	if (status == 0) {
		ld_error_set(error, "runtime folder %s: %s: %s", folder, file, strerror(errno));
		status = -LICHEN_EIO;
	}
	return status;
}

/* The address is by way of our descriptor of the folder, whose own path may be too long for
 * one. */
static int name_bind(const struct fw_control *control, int file)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[NAME_FILE_SIZE];

	name_file(control, ".sock", name);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%.70s",
		       control->folder, name);
	/* The lock is ours: what is there was left behind. */
	if (unlinkat(control->folder, name, 0) < 0 && errno != ENOENT)
		return -1;
	/* The name gets its mode from here, so that it never has another. */
	if (fchmod(file, S_IRUSR | S_IWUSR) < 0)
		return -1;
	if (bind(file, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -1;
	return listen(file, NAME_BACKLOG);
}

int fw_name_listen(struct fw_control *control, struct ld_error *error)
{
	const int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (file >= 0 && name_bind(control, file) == 0)
		return file;
	ld_error_set(error, "control socket %s.sock: %s", control->vm->profile->name,
		     strerror(errno));
	if (file >= 0)
		(void)close(file);
	return -1;
}

void fw_name_leave(struct fw_control *control)
{
	char file[NAME_FILE_SIZE];

	if (control->lock >= 0) {
		name_file(control, ".sock", file);
		(void)unlinkat(control->folder, file, 0);
		name_file(control, ".lock", file);
		(void)unlinkat(control->folder, file, 0);
		(void)close(control->lock);
	}
	if (control->folder >= 0)
		(void)close(control->folder);
}
