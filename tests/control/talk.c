/* SPDX-License-Identifier: MIT */
/* talk.c: see talk.h. */
#include "talk.h"

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { TALK_WAIT_MS = 10000 };

int talk_try(struct talk *talk, const char *folder, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memset(talk, 0, sizeof(*talk));
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s.sock", folder, name);
	talk->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(talk->socket, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return 0;
	(void)close(talk->socket);
	return -1;
}

void talk_open(struct talk *talk, const char *folder, const char *name)
{
	if (talk_try(talk, folder, name) == 0)
		return;
	printf("# %s/%s.sock: cannot be connected to\n", folder, name);
	(void)fflush(stdout);
	_exit(1);
}

void talk_close(struct talk *talk)
{
	(void)close(talk->socket);
}

void talk_send(struct talk *talk, const void *bytes, size_t size, int file)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec piece = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = size };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };

	if (file >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.room);
		*CMSG_FIRSTHDR(&message) =
			(struct cmsghdr){ .cmsg_level = SOL_SOCKET,
					  .cmsg_type = SCM_RIGHTS,
					  .cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &file, sizeof(file));
	}
	while (piece.iov_len) {
		const ssize_t n = sendmsg(talk->socket, &message, MSG_NOSIGNAL);

		if (n < 0)
			return; /* the answer that does not come tells */
		piece.iov_base = (char *)piece.iov_base + n;
		piece.iov_len -= (size_t)n;
		message.msg_control = NULL;
		message.msg_controllen = 0;
	}
}

/* A line stays in `in`, ended by a zero, until the next call. */
const char *talk_line(struct talk *talk)
{
	static char line[1 << 20];

	for (;;) {
		char *newline = talk->used ? memchr(talk->in, '\n', talk->used) : NULL;
		struct pollfd ready = { .fd = talk->socket, .events = POLLIN };
		ssize_t n;

		if (newline) {
			const size_t size = (size_t)(newline - talk->in);

			memcpy(line, talk->in, size);
			line[size] = '\0';
			talk->used -= size + 1;
			memmove(talk->in, newline + 1, talk->used);
			return line;
		}
		if (poll(&ready, 1, talk->wait_ms ? talk->wait_ms : TALK_WAIT_MS) <= 0)
			return NULL;
		n = recv(talk->socket, talk->in + talk->used, sizeof(talk->in) - talk->used, 0);
		if (n <= 0)
			return NULL;
		talk->used += (size_t)n;
	}
}

static json_t *talk_ask(struct talk *talk, const char *method, const char *params)
{
	char text[4096];
	const char *line;
	const int size =
		snprintf(text, sizeof(text),
			 "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"%s\",\"params\":%s}\n",
			 ++talk->id, method, params ? params : "{}");

	talk_send(talk, text, (size_t)size, -1);
	while ((line = talk_line(talk))) {
		json_t *answer = json_loads(line, 0, NULL);

		if (json_integer_value(json_object_get(answer, "id")) == talk->id)
			return answer;
		json_decref(answer);
	}
	return NULL;
}

json_t *talk_call(struct talk *talk, const char *method, const char *params)
{
	json_t *answer = talk_ask(talk, method, params);
	json_t *result = json_incref(json_object_get(answer, "result"));

	json_decref(answer);
	return result;
}

int talk_fails(struct talk *talk, const char *method, const char *params, const char *sentence)
{
	json_t *answer = talk_ask(talk, method, params);
	const json_t *error = json_object_get(answer, "error");
	const char *said = json_string_value(json_object_get(error, "message"));
	int code = (int)json_integer_value(json_object_get(error, "code"));

	if (!said || !strstr(said, sentence)) {
		printf("# want \"%s\", got \"%s\"\n", sentence, said ? said : "no error");
		code = 0;
	}
	json_decref(answer);
	return code;
}
