/* SPDX-License-Identifier: MIT */
/* socket.c: see socket.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "socket.h"

enum {
	SOCKET_BACKLOG = 8,
	SOCKET_LOCK_TRIES = 50, /* with SOCKET_LOCK_NS between them: a second */
	SOCKET_LOCK_NS = 20000000,
};

static const char *socket_reason(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return "not found";
	case EACCES:
	case EPERM:
		return "access denied";
	case ECONNREFUSED:
		return "nobody listens there";
	case EAGAIN:
		return "the queue of who listens there is full";
	case EPROTOTYPE:
		return "not a stream socket";
	case EADDRINUSE:
		return "in use";
	case EROFS:
		return "on a read-only file system";
	case EMFILE:
	case ENFILE:
		return "too many files are open";
	case ENOMEM:
	case ENOBUFS:
		return "out of memory";
	default:
		return "no socket can be made there";
	}
}

/* -1: longer than an address holds. */
static int socket_address(const char *path, struct sockaddr_un *address)
{
	const size_t size = strlen(path);

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (size >= sizeof(address->sun_path))
		return -1;
	memcpy(address->sun_path, path, size);
	return 0;
}

/* A socket for `path`, and its address. */
static int socket_open(const char *path, struct sockaddr_un *address, const char **why)
{
	int file;

	if (socket_address(path, address)) {
		*why = "longer than 107 bytes, which a socket's path may have";
		return -1;
	}
	file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (file < 0)
		*why = socket_reason(errno);
	return file;
}

int fw_socket_connect(const char *path, const char **why)
{
	struct sockaddr_un address;
	const int file = socket_open(path, &address, why);

	if (file < 0)
		return -1;
	if (connect(file, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return file;
	*why = socket_reason(errno);
	(void)close(file);
	return -1;
}

/* 1: a socket is at `path`, and nobody listens at it. */
static int socket_is_stale(const char *path)
{
	struct sockaddr_un address;
	struct stat status;
	const char *why;
	int file, stale;

	if (lstat(path, &status) < 0 || !S_ISSOCK(status.st_mode))
		return 0;
	file = socket_open(path, &address, &why);
	if (file < 0)
		return 0;
	stale = connect(file, (const struct sockaddr *)&address, sizeof(address)) < 0 &&
		errno == ECONNREFUSED;
	(void)close(file);
	return stale;
}

void fw_socket_remove(const char *path)
{
	if (socket_is_stale(path))
		(void)unlink(path);
}

/*
 * Locks the folder of `path`, so that no other of us takes a socket between its
 * bind and its listen for a stale one.  -1: not locked; *busy says that somebody
 * else holds it.  A folder that we may not read is not locked, and no less good.
 */
static int socket_lock(const char *path, int *busy)
{
	static const struct timespec pause = { 0, SOCKET_LOCK_NS };
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path) + 2];
	const char *slash = strrchr(path, '/');
	const size_t size = slash ? (size_t)(slash - path) + 1 : 0;
	int file;

	memcpy(folder, path, size); /* socket_open() has checked its length */
	memcpy(folder + size, ".", 2);
	file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*busy = 0;
	for (int i = 0; file >= 0 && i < SOCKET_LOCK_TRIES; i++) {
		*busy = flock(file, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
		if (!*busy)
			return file; /* locked, or the file system has no locks */
		(void)nanosleep(&pause, NULL);
	}
	if (file >= 0)
		(void)close(file);
	return -1;
}

static int socket_bind(int file, const struct sockaddr_un *address)
{
	const struct sockaddr *at = (const struct sockaddr *)address;

	/* The name gets its mode from here, so that it never has another. */
	if (fchmod(file, S_IRUSR | S_IWUSR) < 0)
		return -1;
	fw_socket_remove(address->sun_path);
	if (bind(file, at, sizeof(*address)) < 0)
		return -1;
	return listen(file, SOCKET_BACKLOG);
}

int fw_socket_listen(const char *path, const char **why)
{
	struct sockaddr_un address;
	int file = socket_open(path, &address, why), lock, busy;

	if (file < 0)
		return -1;
	lock = socket_lock(path, &busy);
	*why = NULL;
	if (busy)
		*why = "its folder stays locked by another process";
	else if (socket_bind(file, &address) < 0)
		*why = socket_reason(errno);
	if (lock >= 0)
		(void)close(lock);
	if (!*why)
		return file;
	(void)close(file);
	return -1;
}
