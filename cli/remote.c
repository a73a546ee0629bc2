/* SPDX-License-Identifier: MIT */
/* remote.c: JSON-RPC as a client speaks it.  See remote.h and docs/control.md. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "remote.h"

enum { REMOTE_ANSWER_MAX = 64 << 20 }; /* bytes of one line */

/* By way of a descriptor of the folder, whose path may be too long for an address. */
static int remote_connect(const char *vm)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char path[PATH_MAX];
	int folder, file, error;

	cli_runtime_path(path);
	folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return -1;
	(void)snprintf(address.sun_path, sizeof(address.sun_path),
		       "/proc/self/fd/%d/%.63s.sock", folder, vm);
	file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (file >= 0 &&
	    connect(file, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		error = errno;
		(void)close(file);
		file = -1;
		errno = error;
	}
	error = errno;
	(void)close(folder);
	errno = error;
	return file;
}

/* There is none of that name: which is most like it. */
static void remote_unknown(const char *vm)
{
	struct cli_names names;
	const char *nearest = NULL;
	char path[PATH_MAX];

	cli_runtime_path(path);
	if (cli_names_find(&names) == 0)
		nearest = lichen_nearest(vm, (const char *const *)names.names, names.count);
	if (nearest && strcmp(nearest, vm) != 0)
		cli_say("%s: no VM of this name runs, did you mean \"%s\"", vm, nearest);
	else
		cli_say("%s: no VM of this name runs (%s)", vm, path);
	cli_names_clear(&names);
}

int cli_remote_open(struct cli_remote *remote, const char *vm, int quiet)
{
	*remote = (struct cli_remote){ .vm = vm, .socket = -1 };
	if (strchr(vm, '/') || strlen(vm) > 63)
		errno = ENOENT;
	else
		remote->socket = remote_connect(vm);
	if (remote->socket >= 0)
		return 0;
	/* A process that was killed leaves its socket, at which nobody listens. */
	if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR) {
		if (!quiet)
			remote_unknown(vm);
		return LICHEN_VM_BAD_INPUT;
	}
	if (!quiet)
		cli_say("%s: %s", vm, strerror(errno));
	return CLI_FAILED;
}

void cli_remote_close(struct cli_remote *remote)
{
	if (remote->socket >= 0)
		(void)close(remote->socket);
	free(remote->in);
	*remote = (struct cli_remote){ .socket = -1 };
}

/* All of it, the descriptors with its first byte.  -1: the VM has gone. */
static int remote_send(const struct cli_remote *remote, const char *text, size_t size,
		       const int *files, int file_count)
{
	union {
		char room[CMSG_SPACE(CLI_FILES_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec piece;
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };

	if (file_count) {
		const size_t bytes = (size_t)file_count * sizeof(int);
		struct cmsghdr *head;

		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(bytes);
		head = CMSG_FIRSTHDR(&message);
		*head = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
					  .cmsg_type = SCM_RIGHTS,
					  .cmsg_len = CMSG_LEN(bytes) };
		memcpy(CMSG_DATA(head), files, bytes);
	}
	while (size) {
		ssize_t n;

		piece = (struct iovec){ .iov_base = (void *)(uintptr_t)text, .iov_len = size };
		n = sendmsg(remote->socket, &message, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		message.msg_control = NULL;
		message.msg_controllen = 0;
		text += n;
		size -= (size_t)n;
	}
	return 0;
}

static int64_t remote_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* More bytes into `in`.  1: there are; 0: the VM has closed; -1: it was too late. */
static int remote_read(struct cli_remote *remote, int64_t end)
{
	struct pollfd ready = { .fd = remote->socket, .events = POLLIN };
	ssize_t n;

	if (remote->room - remote->used < 4096) {
		const size_t room = remote->room ? 2 * remote->room : 16384;
		char *in = room <= REMOTE_ANSWER_MAX ? realloc(remote->in, room) : NULL;

		if (!in)
			return 0;
		remote->in = in;
		remote->room = room;
	}
	for (;;) {
		const int64_t left = end - remote_now_ms();
		const int count = poll(&ready, 1, left < 0 ? 0 : (int)left);

		if (count == 0)
			return -1;
		if (count < 0)
			continue;
		n = recv(remote->socket, remote->in + remote->used, remote->room - remote->used,
			 MSG_DONTWAIT);
		if (n >= 0 || (errno != EINTR && errno != EAGAIN))
			break;
	}
	if (n > 0)
		remote->used += (size_t)n;
	return n > 0;
}

/* The next message; NULL: none came, and *late says whether it was time or the VM. */
static json_t *remote_message(struct cli_remote *remote, int64_t end, int *late)
{
	*late = 0;
	for (;;) {
		const char *newline =
			remote->used ? memchr(remote->in, '\n', remote->used) : NULL;
		json_t *message;
		size_t size;
		int more;

		if (!newline) {
			more = remote_read(remote, end);
			*late = more < 0;
			if (more <= 0)
				return NULL;
			continue;
		}
		size = (size_t)(newline - remote->in);
		message = json_loadb(remote->in, size, 0, NULL);
		remote->used -= size + 1;
		memmove(remote->in, newline + 1, remote->used);
		return message ? message : json_object();
	}
}

/* The answer to call `id`; events and what else comes before are dropped. */
static json_t *remote_answer(struct cli_remote *remote, int64_t end, int *late)
{
	json_t *message;

	while ((message = remote_message(remote, end, late))) {
		const json_t *id = json_object_get(message, "id");

		if (json_is_integer(id) && json_integer_value(id) == remote->id)
			return message;
		/* An error without an id is about this call: there is only one at a time. */
		if (json_is_null(id) && json_object_get(message, "error"))
			return message;
		json_decref(message);
	}
	return NULL;
}

static json_t *remote_ask(struct cli_remote *remote, const char *method, json_t *params,
			  const int *files, int file_count, int ms, int *late)
{
	json_t *request =
		json_pack("{s:s, s:i, s:s, s:o}", "jsonrpc", "2.0", "id", ++remote->id,
			  "method", method, "params", params ? params : json_object());
	char *text = json_dumps(request, JSON_COMPACT);
	json_t *answer = NULL;
	const size_t size = text ? strlen(text) : 0;

	*late = 0;
	json_decref(request);
	if (text) {
		text[size] = '\n'; /* in place of its end */
		if (remote_send(remote, text, size + 1, files, file_count) == 0)
			answer = remote_answer(remote, remote_now_ms() + ms, late);
	}
	free(text);
	return answer;
}

int cli_remote_call_for(struct cli_remote *remote, const char *method, json_t *params,
			const int *files, int file_count, int ms, json_t **result)
{
	int late, status = CLI_FAILED;
	json_t *answer = remote_ask(remote, method, params, files, file_count, ms, &late);
	const json_t *error = json_object_get(answer, "error");
	const json_int_t code = json_integer_value(json_object_get(error, "code"));
	const char *sentence = json_string_value(json_object_get(error, "message"));

	if (result)
		*result = NULL;
	if (!answer && remote->quiet) {
		status = CLI_FAILED;
	} else if (!answer) {
		cli_say("%s: %s", remote->vm, late ? "does not answer" : "ended meanwhile");
	} else if (error) {
		/* What we asked in a wrong way, or of one that does not know it, is no input.
		 */
		status = code == -32001 || code == -32602 ? LICHEN_VM_BAD_INPUT : CLI_FAILED;
		if (!remote->quiet)
			cli_say("%s: %s", remote->vm, sentence ? sentence : "it failed");
	} else {
		status = 0;
		if (result)
			*result = json_incref(json_object_get(answer, "result"));
	}
	json_decref(answer);
	return status;
}

int cli_remote_call(struct cli_remote *remote, const char *method, json_t *params,
		    const int *files, int file_count, json_t **result)
{
	return cli_remote_call_for(remote, method, params, files, file_count,
				   CLI_REMOTE_WAIT_MS, result);
}

int cli_remote_ask(struct cli_remote *remote, const char *method, int ms, json_t **result)
{
	int late;
	json_t *answer = remote_ask(remote, method, NULL, NULL, 0, ms, &late);

	*result = json_incref(json_object_get(answer, "result"));
	json_decref(answer);
	return *result ? 0 : -1;
}

int cli_remote_wait_end(struct cli_remote *remote, int ms)
{
	const int64_t end = remote_now_ms() + ms;
	json_t *message;
	int late;

	while ((message = remote_message(remote, end, &late)))
		json_decref(message);
	return late ? -1 : 0;
}

void cli_print_json(const json_t *json)
{
	(void)json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	(void)putchar('\n');
}
