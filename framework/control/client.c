/* SPDX-License-Identifier: MIT */
/*
 * client.c: one connection.  Nothing of it makes the VM wait or grow: a line has a
 * limit, as have the answers that nobody reads; while many of these wait no further
 * line is read, and of one client only so many lines are served in a turn.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/server.h"

enum { CLIENT_READ = 64 << 10, CLIENT_IN_FIRST = 4 << 10, CLIENT_OUT_FIRST = 4 << 10 };

/* --- what goes out --- */

/* Sends what the client takes now. */
static void client_flush(struct fw_client *client)
{
	while (client->out_used && !client->going) {
		const ssize_t n = send(client->descriptor, client->out + client->out_first,
				       client->out_used, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			client->going = 1;
		if (n <= 0)
			break;
		client->out_first += (size_t)n;
		client->out_used -= (size_t)n;
	}
	if (client->out_used)
		return;
	client->out_first = 0;
	if (client->out_room > CLIENT_READ) {
		free(client->out);
		client->out = NULL;
		client->out_room = 0;
	}
}

/* Room for `size` more bytes of `out`; -1: no memory. */
static int client_out_room(struct fw_client *client, size_t size)
{
	size_t room = client->out_room ? client->out_room : CLIENT_OUT_FIRST;
	char *out;

	if (client->out_first) {
		memmove(client->out, client->out + client->out_first, client->out_used);
		client->out_first = 0;
	}
	while (room - client->out_used < size)
		room *= 2;
	if (room == client->out_room)
		return 0;
	out = realloc(client->out, room);
	if (!out)
		return -1;
	client->out = out;
	client->out_room = room;
	return 0;
}

static void client_watch(struct fw_client *client)
{
	const uint32_t more =
		!client->ended && !client->waiting && client->out_used < FW_CLIENT_QUIET;

	fw_watch_update(&client->watch,
			(more ? (uint32_t)LICHEN_WATCH_READ : 0) |
				(client->out_used ? (uint32_t)LICHEN_WATCH_WRITE : 0));
}

int fw_client_line(struct fw_client *client, const char *text, size_t size, size_t max)
{
	if (client->going)
		return 0;
	if (client->out_used >= max || size >= max - client->out_used ||
	    client_out_room(client, size + 1)) {
		client->going = 1;
	} else {
		memcpy(client->out + client->out_used, text, size);
		client->out[client->out_used + size] = '\n';
		client->out_used += size + 1;
		client_flush(client);
	}
	/* Whoever says this may be anywhere: the client goes on a turn of its own. */
	if (client->going)
		fw_timer_arm(&client->again, 0);
	else
		client_watch(client);
	return (int)client->going;
}

static void client_send(struct fw_peer *peer, const char *text, size_t size)
{
	(void)fw_client_line((struct fw_client *)peer, text, size, FW_CLIENT_OUT_MAX);
}

/* --- what comes in --- */

/* Those that came with the bytes before `end`, all of them served. */
static void client_take_files(struct fw_client *client, size_t end, struct fw_files *files)
{
	uint32_t kept = 0;

	files->count = 0;
	for (uint32_t i = 0; i < client->held_count; i++) {
		if (client->held[i].at < end)
			files->files[files->count++] = client->held[i].file;
		else
			client->held[kept++] = client->held[i];
	}
	client->held_count = kept;
}

static void client_close_files(const struct fw_files *files)
{
	for (uint32_t i = 0; i < files->count; i++)
		if (files->files[i] >= 0)
			(void)close(files->files[i]);
}

/* The first `size` bytes of `in` are done with. */
static void client_drop(struct fw_client *client, size_t size)
{
	memmove(client->in, client->in + size, client->in_used - size);
	client->in_used -= size;
	for (uint32_t i = 0; i < client->held_count; i++)
		client->held[i].at -= size;
	if (client->in_used == 0 && client->in_room > CLIENT_READ) {
		free(client->in);
		client->in = NULL;
		client->in_room = 0;
	}
}

/* One line at `from`, its newline at `end`. */
static void client_line(struct fw_client *client, size_t from, size_t end)
{
	struct fw_files files;

	client_take_files(client, end + 1, &files);
	if (client->skipping)
		client->skipping = 0;
	else if (end - from > FW_RPC_LINE_MAX)
		fw_rpc_too_long(&client->peer);
	else if (end > from)
		fw_rpc_line(&client->peer, client->in + from, end - from, &files);
	client_close_files(&files);
}

/* A line that goes on past the limit: all that there is of it is dropped. */
static void client_too_long(struct fw_client *client)
{
	struct fw_files files;

	if (!client->skipping)
		fw_rpc_too_long(&client->peer);
	client->skipping = 1;
	client_take_files(client, client->in_used, &files);
	client_close_files(&files);
	client_drop(client, client->in_used);
}

/* Serves lines, as many as may be in one turn. */
static void client_lines(struct fw_client *client)
{
	size_t from = 0;

	client->waiting = 0;
	for (uint32_t i = 0; !client->going; i++) {
		const char *newline = client->in_used > from ? memchr(client->in + from, '\n',
								      client->in_used - from)
							     : NULL;

		if (!newline)
			break;
		if (i == FW_CLIENT_LINES || client->out_used >= FW_CLIENT_QUIET) {
			client->waiting = 1;
			break;
		}
		client_line(client, from, (size_t)(newline - client->in));
		from = (size_t)(newline - client->in) + 1;
	}
	client_drop(client, from);
	if (!client->waiting && client->in_used > FW_RPC_LINE_MAX)
		client_too_long(client);
	if (client->waiting && client->out_used < FW_CLIENT_QUIET)
		fw_timer_arm(&client->again, 0);
}

/* Room to read into; 0: no memory, or the limit of a line, which client_lines() sees to. */
static size_t client_in_room(struct fw_client *client)
{
	size_t room = client->in_room ? client->in_room : CLIENT_IN_FIRST;
	char *in;

	while (room - client->in_used < CLIENT_READ / 2 && room < 2 * (size_t)FW_RPC_LINE_MAX)
		room *= 2;
	if (room != client->in_room) {
		in = realloc(client->in, room);
		if (!in)
			return 0;
		client->in = in;
		client->in_room = room;
	}
	return room - client->in_used;
}

/* The message's descriptors, as far as they have room; `last`: offset of its last byte. */
static void client_keep_files(struct fw_client *client, struct msghdr *message, size_t last)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		uint32_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		for (uint32_t i = 0; i < count; i++) {
			int file;

			memcpy(&file, CMSG_DATA(c) + i * sizeof(int), sizeof(file));
			if (client->held_count < FW_RPC_FILES_MAX)
				client->held[client->held_count++] =
					(struct fw_held){ .file = file, .at = last };
			else
				(void)close(file);
		}
	}
}

/* Reads once, so that a fast writer cannot keep us here. */
static void client_read(struct fw_client *client)
{
	union {
		char room[CMSG_SPACE(FW_RPC_FILES_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec piece = { .iov_len = client_in_room(client) };
	struct msghdr message = { .msg_iov = &piece,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n;

	if (piece.iov_len == 0) {
		client->going = 1;
		return;
	}
	piece.iov_base = client->in + client->in_used;
	n = recvmsg(client->descriptor, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0)
		client->going = 1;
	if (n == 0)
		client->ended = 1;
	if (n <= 0)
		return;
	client->in_used += (size_t)n;
	client_keep_files(client, &message, client->in_used - 1);
}

/* Nothing more will be said either way. */
static int client_is_done(const struct fw_client *client)
{
	return client->ended && !client->waiting && client->out_used == 0 &&
	       !client->peer.batches && !client->subscribed;
}

/* What follows each turn: it goes, or is watched for what comes next. */
static void client_settle(struct fw_client *client)
{
	if (client->going || client_is_done(client))
		fw_client_close(client);
	else
		client_watch(client);
}

static void client_ready(struct fw_watch *watch, uint32_t events)
{
	struct fw_client *client =
		(struct fw_client *)((char *)watch - offsetof(struct fw_client, watch));

	client_flush(client);
	if (!client->going && !client->ended && !client->waiting &&
	    client->out_used < FW_CLIENT_QUIET)
		client_read(client);
	if (!client->going && client->out_used < FW_CLIENT_QUIET)
		client_lines(client);
	/* Nobody is there to be answered; what it wrote before it went has been read. */
	if ((events & LICHEN_WATCH_HANGUP) && (client->ended || client->out_used))
		client->going = 1;
	client_settle(client);
}

static void client_again(struct fw_timer *timer)
{
	struct fw_client *client =
		(struct fw_client *)((char *)timer - offsetof(struct fw_client, again));

	if (!fw_timer_fired(timer))
		return;
	if (!client->going)
		client_lines(client);
	client_settle(client);
}

/* --- life --- */

int fw_client_open(struct fw_control *control, int descriptor)
{
	struct fw_client *client = calloc(1, sizeof(*client));

	if (!client) {
		(void)close(descriptor);
		return -1;
	}
	client->peer = (struct fw_peer){ .groups = fw_method_groups,
					 .find = fw_instance_method,
					 .context = control->vm,
					 .send = client_send };
	client->control = control;
	client->descriptor = descriptor;
	client->again = (struct fw_timer){ .loop = &control->vm->loop,
					   .clock = LICHEN_CLOCK_HOST,
					   .due = client_again };
	client->watch.ready = client_ready;
	if (fw_watch_start(&control->vm->loop, &client->watch, descriptor, LICHEN_WATCH_READ) <
	    0) {
		(void)close(descriptor);
		free(client);
		return -1;
	}
	client->next = control->clients;
	control->clients = client;
	control->client_count++;
	return 0;
}

void fw_client_close(struct fw_client *client)
{
	struct fw_control *control = client->control;
	struct fw_client **at;

	fw_peer_gone(&client->peer);
	fw_instance_calls_gone(control);
	fw_timer_cancel(&client->again);
	fw_watch_stop(&client->watch);
	(void)close(client->descriptor);
	for (uint32_t i = 0; i < client->held_count; i++)
		(void)close(client->held[i].file);
	for (at = &control->clients; *at != client; at = &(*at)->next)
		;
	*at = client->next;
	control->client_count--;
	free(client->in);
	free(client->out);
	free(client);
}
