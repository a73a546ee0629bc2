/* SPDX-License-Identifier: MIT */
/*
 * socket.h: UNIX stream sockets for parameters.  Descriptors are close-on-exec
 * and do not block; -1 and `why`, a constant text, on failure.
 */
#ifndef FW_SOCKET_H
#define FW_SOCKET_H

/* Connects to who listens at `path`; does not wait for a full queue.  [control] */
int fw_socket_connect(const char *path, const char **why);

/*
 * Listens at `path`, which nobody but our user may then connect to.  What a process
 * that died has left there is replaced; anything else is not.  Processes that do
 * so at the same time exclude one another for a second at most.  [control]
 */
int fw_socket_listen(const char *path, const char **why);

/* Removes a socket at `path` that nobody listens at; leaves anything else.  [control] */
void fw_socket_remove(const char *path);

#endif
