/* SPDX-License-Identifier: MIT */
/*
 * name.c: a VM's name in the runtime folder.  NAME.lock is locked while the VM lives,
 * whatever becomes of its process: who gets the lock may clear away what is left
 * under the name.  In it is the process' number, only to tell how long to wait for the lock.
 * NAME.sock listens.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control/server.h"

enum { NAME_FILE_SIZE = 80, NAME_BACKLOG = 128, NAME_TRIES = 100 };

/*
 * A process that was killed keeps its lock until the kernel has taken it apart, which takes a
 * busy host seconds.  Whether it was killed can be seen, but for one of another PID namespace.
 */
enum {
	NAME_TRY_NS = 10000000,
	NAME_ALIVE_TRIES = 20,	 /* 0.2 s: one that is ending by itself has that */
	NAME_DYING_TRIES = 6000, /* a minute */
	NAME_LINE = 512,
	NAME_PID = 24,
	NAME_EXITING = 4, /* PF_EXITING of proc(5)'s flags */
};

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

static FILE *name_proc(long pid, const char *file)
{
	char path[NAME_FILE_SIZE];

	(void)snprintf(path, sizeof(path), "/proc/%ld/%s", pid, file);
	return fopen(path, "re");
}

/* 1: the process is being ended, or is a zombie with threads that are (proc(5), stat). */
static int name_is_exiting(long pid)
{
	FILE *file = name_proc(pid, "stat");
	char line[NAME_LINE], state = 0;
	const char *after = NULL;
	unsigned flags = 0;

	if (file && fgets(line, sizeof(line), file))
		after = strrchr(line, ')'); /* what is before it the process chose */
	if (file)
		(void)fclose(file);
	if (!after || sscanf(after, ") %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2)
		return 0;
	return state == 'Z' || state == 'X' || (flags & NAME_EXITING);
}

/* 1: SIGKILL waits for it (proc(5), status). */
static int name_is_killed(long pid)
{
	const unsigned long long bit = 1ull << (SIGKILL - 1);
	FILE *file = name_proc(pid, "status");
	char line[NAME_LINE];
	unsigned long long mask;
	int killed = 0;

	while (file && !killed && fgets(line, sizeof(line), file))
		killed = (sscanf(line, "SigPnd: %llx", &mask) == 1 ||
			  sscanf(line, "ShdPnd: %llx", &mask) == 1) &&
			 (mask & bit);
	if (file)
		(void)fclose(file);
	return killed;
}

/* 1: whose lock it is was killed, and is not gone yet. */
static int name_is_dying(int file)
{
	char text[NAME_PID] = "";
	long pid;

	if (pread(file, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	pid = strtol(text, NULL, 10);
	return pid > 0 && (name_is_exiting(pid) || name_is_killed(pid));
}

/* 0: it is locked; -1: somebody else has it, and does not go. */
static int name_lock(int file)
{
	static const struct timespec pause = { 0, NAME_TRY_NS };

	for (uint32_t i = 0;
	     i < NAME_ALIVE_TRIES || (i < NAME_DYING_TRIES && name_is_dying(file)); i++) {
		if (flock(file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
			return 0; /* or the file system has no locks */
		(void)nanosleep(&pause, NULL);
	}
	return -1;
}

/* What is not written is not missed: nobody then waits longer. */
static void name_sign(int file)
{
	if (ftruncate(file, 0) == 0)
		(void)dprintf(file, "%ld\n", (long)getpid());
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
		if (name_is_ours(control, file)) {
			name_sign(control->lock);
			return 0;
		}
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
