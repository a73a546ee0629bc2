/* SPDX-License-Identifier: MIT */
/*
 * relay.c: a console between a backend, which has one end of a socket pair, and a client,
 * who comes and goes.  What the guest says is kept in a ring; while nobody is attached
 * the newest stays, while somebody is nothing is lost: what the client does not take yet
 * is not overwritten, the pair fills, and the backend waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/server.h"

enum { RELAY_RING = 64 << 10, RELAY_INPUT = 4 << 10, RELAY_TURN = 16 };

struct fw_relay {
	struct lichen_vm *vm;
	int guest;  /* our end of the pair */
	int client; /* -1: nobody is attached */
	struct fw_watch guest_watch, client_watch;
	uint32_t watched; /* 1: guest_watch was started */
	uint32_t client_gone;
	uint64_t written, sent; /* bytes put into the ring, and given to the client, so far */
	uint32_t typed;		/* bytes in `input` */
	char ring[RELAY_RING];
	char input[RELAY_INPUT]; /* from the client, on its way to the guest */
};

static size_t relay_room(const struct fw_relay *relay)
{
	if (relay->client < 0)
		return RELAY_RING;
	return RELAY_RING - (size_t)(relay->written - relay->sent);
}

/* From the guest into the ring, once.  1: something came. */
static int relay_take(struct fw_relay *relay)
{
	const size_t at = (size_t)(relay->written % RELAY_RING), to_end = RELAY_RING - at;
	const size_t room = relay_room(relay) < to_end ? relay_room(relay) : to_end;
	ssize_t n;

	if (room == 0)
		return 0;
	n = recv(relay->guest, relay->ring + at, room, MSG_DONTWAIT);
	if (n <= 0)
		return 0;
	relay->written += (uint64_t)n;
	return 1;
}

static void relay_detach(struct fw_relay *relay)
{
	if (relay->client < 0)
		return;
	fw_watch_stop(&relay->client_watch);
	(void)close(relay->client);
	relay->client = -1;
	relay->client_gone = 0;
}

/* From the ring to the client, once.  1: something went. */
static int relay_give(struct fw_relay *relay)
{
	const size_t at = (size_t)(relay->sent % RELAY_RING), to_end = RELAY_RING - at;
	const size_t left = (size_t)(relay->written - relay->sent);
	ssize_t n;

	if (relay->client < 0 || left == 0)
		return 0;
	n = send(relay->client, relay->ring + at, left < to_end ? left : to_end,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		relay->client_gone = 1;
	if (n <= 0)
		return 0;
	relay->sent += (uint64_t)n;
	return 1;
}

/* What was typed, to the guest. */
static void relay_type(struct fw_relay *relay)
{
	ssize_t n = 0;

	if (relay->typed)
		n = send(relay->guest, relay->input, relay->typed, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n <= 0)
		return;
	relay->typed -= (uint32_t)n;
	memmove(relay->input, relay->input + n, relay->typed);
}

static void relay_read_client(struct fw_relay *relay)
{
	ssize_t n;

	if (relay->client < 0 || relay->typed)
		return;
	n = recv(relay->client, relay->input, sizeof(relay->input), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		relay->client_gone = 1;
	if (n > 0)
		relay->typed = (uint32_t)n;
	relay_type(relay);
}

void fw_relay_flush(struct fw_relay *relay)
{
	for (uint32_t i = 0; i < RELAY_TURN; i++) {
		const int took = relay_take(relay), gave = relay_give(relay);

		if (!took && !gave)
			return;
	}
}

/* After each turn: who is to be waited for. */
static void relay_settle(struct fw_relay *relay)
{
	uint32_t events = 0;

	if (relay->client_gone)
		relay_detach(relay);
	events = (relay_room(relay) ? (uint32_t)LICHEN_WATCH_READ : 0) |
		 (relay->typed ? (uint32_t)LICHEN_WATCH_WRITE : 0);
	fw_watch_update(&relay->guest_watch, events);
	if (relay->client < 0)
		return;
	events = (relay->typed ? 0 : (uint32_t)LICHEN_WATCH_READ) |
		 (relay->written != relay->sent ? (uint32_t)LICHEN_WATCH_WRITE : 0);
	fw_watch_update(&relay->client_watch, events);
}

static void relay_guest_ready(struct fw_watch *watch, uint32_t events)
{
	struct fw_relay *relay =
		(struct fw_relay *)((char *)watch - offsetof(struct fw_relay, guest_watch));

	fw_relay_flush(relay);
	relay_type(relay);
	/* The backend has closed its end: it went. */
	if ((events & LICHEN_WATCH_HANGUP) && relay->watched) {
		fw_watch_stop(watch);
		relay->watched = 0;
		return;
	}
	relay_settle(relay);
}

static void relay_client_ready(struct fw_watch *watch, uint32_t events)
{
	struct fw_relay *relay =
		(struct fw_relay *)((char *)watch - offsetof(struct fw_relay, client_watch));

	relay_read_client(relay);
	fw_relay_flush(relay);
	if (events & LICHEN_WATCH_HANGUP)
		relay->client_gone = 1;
	relay_settle(relay);
}

lichen_status fw_relay_attach(struct fw_relay *relay, int descriptor)
{
	const uint64_t kept = relay->written < RELAY_RING ? relay->written : RELAY_RING;
	int type = 0, domain = 0;
	socklen_t size = sizeof(type);
	lichen_status status;

	if (getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
	    type != SOCK_STREAM ||
	    getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 ||
	    domain != AF_UNIX)
		return -LICHEN_EINVAL;
	relay_detach(relay);
	relay->client_watch = (struct fw_watch){ .ready = relay_client_ready };
	status = fw_watch_start(&relay->vm->loop, &relay->client_watch, descriptor,
				LICHEN_WATCH_READ);
	if (status < 0)
		return status;
	relay->client = descriptor;
	relay->sent = relay->written - kept;
	fw_relay_flush(relay);
	if (relay->watched)
		relay_settle(relay);
	return 0;
}

uint32_t fw_relay_attached(const struct fw_relay *relay)
{
	return relay->client >= 0;
}

struct fw_relay *fw_relay_open(struct lichen_vm *vm)
{
	struct fw_relay *relay = calloc(1, sizeof(*relay));
	int ends[2];

	if (!relay)
		return NULL;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
		free(relay);
		return NULL;
	}
	relay->vm = vm;
	relay->client = -1;
	relay->guest = ends[0];
	vm->console_in = ends[1];
	vm->console_out = fcntl(ends[1], F_DUPFD_CLOEXEC, 3);
	if (vm->console_out >= 0)
		return relay;
	(void)close(ends[1]);
	vm->console_in = -1;
	(void)close(ends[0]);
	free(relay);
	return NULL;
}

lichen_status fw_relay_start(struct fw_relay *relay)
{
	lichen_status status;

	relay->guest_watch.ready = relay_guest_ready;
	status = fw_watch_start(&relay->vm->loop, &relay->guest_watch, relay->guest,
				LICHEN_WATCH_READ);
	relay->watched = status == 0;
	return status;
}

void fw_relay_close(struct fw_relay *relay)
{
	fw_relay_flush(relay);
	relay_detach(relay);
	if (relay->watched)
		fw_watch_stop(&relay->guest_watch);
	(void)close(relay->guest);
	free(relay);
}
