/* SPDX-License-Identifier: MIT */
/*
 * unix: a character backend that speaks through a UNIX stream socket.
 *
 *	devices:
 *	  - plugin: serial16550
 *	    port: 0x2f8
 *	    irq: 3
 *	    backend: { plugin: unix, listen: com2.sock }
 *
 * With `listen` clients come and go, one at a time; with `connect` the socket is
 * that of a process which is there when the VM starts, and its end is for good.
 *
 * Limits: 64 KiB of output wait for a slow client.  A client that comes while
 * another is served is turned away at once.  One device an instance.
 */
#include <lichen/backend.h>
#include <lichen/sdk/stream.h>

enum { UNIX_COOKIE_PEER = 0, UNIX_COOKIE_LISTEN = 1 };	/* of watches */
enum { UNIX_COOKIE_AGAIN = 0, UNIX_COOKIE_ACCEPT = 1 }; /* of timers */

static const uint64_t UNIX_RETRY_NS = 1000000000; /* after accept ran out of descriptors */

/* All is guarded by the instance lock. */
struct unix_backend {
	struct lichen_dev dev;
	int32_t listen;	 /* parameter; -1: connect is given */
	int32_t connect; /* parameter; -1: not given, or the stream has it */
	uint32_t when_full;
	uint32_t when_absent;
	lichen_handle watch_listen;
	lichen_handle retry; /* timer: to accept again */
	uint8_t connected;   /* 1: `connect` was given, and its peer has not gone */
	struct lichen_stream stream;
};

static const char *const unix_policies[] = { "wait", "drop" };

static const struct lichen_param unix_params[] = {
	LICHEN_PARAM_AS(LICHEN_FILE, struct unix_backend, listen, .flags = LICHEN_PARAM_LISTEN,
			.help = "socket to make, for clients to connect to"),
	LICHEN_PARAM_AS(LICHEN_FILE, struct unix_backend, connect, .flags = LICHEN_PARAM_SOCKET,
			.help = "socket to connect to"),
	LICHEN_PARAM_AS(LICHEN_CHOICE, struct unix_backend, when_full,
			.choices = LICHEN_TABLE(unix_policies), .fallback = LICHEN_STREAM_WAIT,
			.help = "for output that a slow peer leaves no room for"),
	LICHEN_PARAM_AS(LICHEN_CHOICE, struct unix_backend, when_absent,
			.choices = LICHEN_TABLE(unix_policies), .fallback = LICHEN_STREAM_DROP,
			.help = "for output while nobody is connected"),
};

/* [vcpu or control or io, running] */
static lichen_status unix_write(void *self, uint64_t client, const uint8_t *data, uint32_t size,
				uint32_t *taken)
{
	struct unix_backend *u = self;

	return lichen_stream_write(&u->stream, client, data, size, taken);
}

/* [vcpu or control or io, running] */
static void unix_ask(void *self, uint64_t client, uint32_t size)
{
	struct unix_backend *u = self;

	lichen_stream_ask(&u->stream, client, size);
}

static const struct lichen_char_ops unix_char = {
	LICHEN_STRUCT(struct lichen_char_ops),
	.write = unix_write,
	.ask = unix_ask,
};

static const struct lichen_provide unix_provides[] = {
	LICHEN_PROVIDE(LICHEN_CHAR, unix_char),
};

static void unix_detach(struct unix_backend *u)
{
	close(lichen_stream_detach(&u->stream));
	if (u->connected) {
		u->connected = 0;
		u->dev.host->log(u->dev.in, LICHEN_LOG_WARN,
				 "the peer has gone: output is dropped from here on");
	}
}

/* Owns `peer` from here on. */
static void unix_attach(struct unix_backend *u, int32_t peer)
{
	const lichen_status status = lichen_stream_attach(&u->stream, peer, UNIX_COOKIE_PEER);

	if (status == 0)
		return;
	u->dev.host->log_guest(u->dev.in, LICHEN_LOG_WARN, "a peer cannot be watched: %s",
			       strerror(-status));
	close(peer);
}

/* 1: the client that is served has gone, though we were not told yet. */
static int unix_peer_gone(const struct unix_backend *u)
{
	struct pollfd peer = { .fd = u->stream.descriptor };

	return u->stream.broken ||
	       (poll(&peer, 1, 0) == 1 && peer.revents & (POLLHUP | POLLERR));
}

/* One client at a time: the next is let in if the last has gone, else turned away. */
static void unix_accept(struct unix_backend *u)
{
	const struct lichen_host *host = u->dev.host;
	const int32_t peer = accept4(u->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (peer < 0) {
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		/* The client stays in the queue, and the socket ready without end. */
		host->log_guest(u->dev.in, LICHEN_LOG_WARN, "a client has to wait: %s",
				strerror(errno));
		host->watch_update(u->dev.in, u->watch_listen, 0);
		host->timer_arm(u->dev.in, u->retry,
				host->clock_now(u->dev.in, LICHEN_CLOCK_HOST) + UNIX_RETRY_NS);
		return;
	}
	if (u->stream.descriptor >= 0 && unix_peer_gone(u))
		unix_detach(u);
	if (u->stream.descriptor < 0) {
		unix_attach(u, peer);
		return;
	}
	close(peer);
	host->log_guest(u->dev.in, LICHEN_LOG_INFO,
			"a client was turned away: another is connected");
}

/* [control or io, running] */
static void unix_ready(void *self, uint64_t cookie, uint32_t events)
{
	struct unix_backend *u = self;

	if (cookie == UNIX_COOKIE_LISTEN)
		unix_accept(u);
	else if (lichen_stream_ready(&u->stream, events))
		unix_detach(u);
}

/* [control or io, running] */
static void unix_timer(void *self, uint64_t cookie)
{
	struct unix_backend *u = self;

	if (cookie == UNIX_COOKIE_ACCEPT) {
		u->dev.host->watch_update(u->dev.in, u->watch_listen, LICHEN_WATCH_READ);
		return;
	}
	if (u->stream.descriptor < 0)
		lichen_stream_receive(&u->stream);
	else if (lichen_stream_ready(&u->stream, 0))
		unix_detach(u);
}

/* [control, created to running] */
static void unix_client(void *self, const char *id, uint64_t client, uint32_t joined)
{
	struct unix_backend *u = self;

	(void)id;
	lichen_stream_client(&u->stream, client, joined);
}

/* [control, created] */
static lichen_status unix_create(void *self)
{
	struct unix_backend *u = self;

	if ((u->listen < 0) == (u->connect < 0)) {
		u->dev.host->error(u->dev.in, "%s",
				   u->listen < 0 ? "neither listen nor connect is given"
						 : "listen and connect are both given");
		return -LICHEN_EINVAL;
	}
	if (u->connect >= 0 && u->when_absent == LICHEN_STREAM_WAIT) {
		u->dev.host->error(u->dev.in, "when_absent: wait: nobody comes after the peer "
					      "of connect has gone");
		return -LICHEN_EINVAL;
	}
	lichen_stream_prepare(&u->stream, &u->dev);
	u->stream.when_full = u->when_full;
	u->stream.when_absent = u->when_absent;
	u->connected = u->connect >= 0;
	return 0;
}

/* [control, created] */
static lichen_status unix_realize(void *self)
{
	struct unix_backend *u = self;
	const struct lichen_host *host = u->dev.host;
	lichen_status status = host->timer_create(u->dev.in, LICHEN_CLOCK_HOST,
						  UNIX_COOKIE_AGAIN, &u->stream.again);

	if (status == 0)
		status = host->timer_create(u->dev.in, LICHEN_CLOCK_HOST, UNIX_COOKIE_ACCEPT,
					    &u->retry);
	if (status == 0 && u->listen >= 0)
		status = host->watch(u->dev.in, u->listen, LICHEN_WATCH_READ,
				     UNIX_COOKIE_LISTEN, &u->watch_listen);
	return status;
}

/* [control, realized or paused] */
static void unix_resume(void *self)
{
	struct unix_backend *u = self;
	const int32_t peer = u->connect;

	if (peer < 0)
		return;
	u->connect = -1; /* from here on the stream's */
	unix_attach(u, peer);
}

/* [control, drained] */
static void unix_destroy(void *self)
{
	struct unix_backend *u = self;

	lichen_stream_finish(&u->stream);
	if (u->stream.descriptor >= 0)
		close(u->stream.descriptor);
}

static const struct lichen_class unix_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "speaks through a UNIX stream socket",
	.instance_size = sizeof(struct unix_backend),
	.params = LICHEN_TABLE(unix_params),
	.provides = LICHEN_TABLE(unix_provides),
	.create = unix_create,
	.realize = unix_realize,
	.resume = unix_resume,
	.destroy = unix_destroy,
	.timer = unix_timer,
	.ready = unix_ready,
	.client = unix_client,
};

LICHEN_BACKEND_PLUGIN("unix", "0.1", unix_class);
