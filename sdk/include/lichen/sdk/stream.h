/* SPDX-License-Identifier: MIT */
/*
 * sdk/stream.h: the provider's side of "lichen.char/1" for a backend that speaks
 * through a descriptor to a peer that comes and goes.
 *
 *	struct foo {
 *		struct lichen_dev dev;
 *		struct lichen_stream stream;
 *	};
 *
 * The instance prepares it in create, makes it a timer in realize
 * (stream.again), forwards write, ask, client, ready and timer, attaches a peer
 * when one comes and detaches it when a function says that it has gone.
 *
 * Output that the peer does not take at once waits, LICHEN_STREAM_OUTPUT bytes at
 * most; what does not fit is then not taken from the device, or dropped and
 * counted, as when_full says.  While there is no peer when_absent says the same.
 * Input is read only as the device asks for it; what a peer sent before it went is
 * kept, LICHEN_STREAM_INPUT bytes at most.  The instance lock is held in all calls.
 */
#ifndef LICHEN_SDK_STREAM_H
#define LICHEN_SDK_STREAM_H

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lichen/char.h>
#include <lichen/class.h>

#ifdef __cplusplus
extern "C" {
#endif

enum lichen_stream_size {
	LICHEN_STREAM_OUTPUT = 64 << 10, /* bytes; a power of two */
	LICHEN_STREAM_INPUT = 256 << 10, /* bytes kept of peers that went */
	LICHEN_STREAM_CHUNK = 4096,	 /* bytes read and posted in one go */
	LICHEN_STREAM_FINISH_MS = 1000,	 /* at the end, for a peer that is slow */
};

/* Values of a LICHEN_CHOICE parameter with the choices "wait" and "drop". */
enum lichen_stream_policy { LICHEN_STREAM_WAIT = 0, LICHEN_STREAM_DROP = 1 };

struct lichen_stream {
	const struct lichen_dev *dev;
	int32_t descriptor; /* the peer's, not blocking; -1: there is none */
	uint32_t when_full; /* enum lichen_stream_policy */
	uint32_t when_absent;
	lichen_handle again;		   /* timer of LICHEN_CLOCK_HOST, the instance's */
	lichen_handle watch;		   /* of descriptor */
	uint32_t events;		   /* that it watches for */
	uint32_t credit;		   /* bytes that may be posted */
	uint64_t client;		   /* 0: none */
	uint64_t dropped;		   /* bytes since it was said */
	uint64_t dropped_in_all;	   /* bytes */
	uint8_t is_socket;		   /* writing to it could raise SIGPIPE */
	uint8_t open;			   /* OPENED was posted, and CLOSED since was not */
	uint8_t ended;			   /* the peer sends nothing more, but may still read */
	uint8_t broken;			   /* the peer has gone; detach is due */
	uint8_t cut;			   /* a write was cut short: WRITABLE is owed */
	uint8_t *left;			   /* input that was read and not posted */
	uint32_t left_first;		   /* of `left`, bytes that were posted */
	uint32_t left_size;		   /* bytes behind them */
	uint32_t out_first;		   /* oldest byte in `out` */
	uint32_t out_used;		   /* bytes */
	uint8_t out[LICHEN_STREAM_OUTPUT]; /* ring */
};

/* Empties it; when_full and when_absent are the caller's to set.  [control, created] */
static inline void lichen_stream_prepare(struct lichen_stream *s, const struct lichen_dev *dev)
{
	s->dev = dev;
	s->descriptor = -1;
}

static inline int lichen_stream_has_peer(const struct lichen_stream *s)
{
	return s->descriptor >= 0 && !s->broken;
}

/* --- output --- */

static inline void lichen_stream_drop(struct lichen_stream *s, uint32_t size)
{
	s->dropped += size;
	s->dropped_in_all += size;
}

/* Writes what the peer takes now.  Returns bytes written. */
static inline uint32_t lichen_stream_flush(struct lichen_stream *s)
{
	uint32_t total = 0;

	while (s->out_used && lichen_stream_has_peer(s)) {
		const uint32_t to_end = LICHEN_STREAM_OUTPUT - s->out_first;
		const uint32_t run = s->out_used < to_end ? s->out_used : to_end;
		const uint8_t *from = s->out + s->out_first;
		const ssize_t n = s->is_socket ? send(s->descriptor, from, run, MSG_NOSIGNAL)
					       : write(s->descriptor, from, run);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			s->broken = 1;
			break;
		}
		s->out_first = (s->out_first + (uint32_t)n) % LICHEN_STREAM_OUTPUT;
		s->out_used -= (uint32_t)n;
		total += (uint32_t)n;
	}
	return total;
}

/* Copies what fits into the ring.  Returns bytes copied. */
static inline uint32_t lichen_stream_queue(struct lichen_stream *s, const uint8_t *data,
					   uint32_t size)
{
	const uint32_t last = (s->out_first + s->out_used) % LICHEN_STREAM_OUTPUT;
	const uint32_t room = LICHEN_STREAM_OUTPUT - s->out_used;
	const uint32_t n = size < room ? size : room;
	const uint32_t to_end = LICHEN_STREAM_OUTPUT - last;
	const uint32_t first = n < to_end ? n : to_end;

	memcpy(s->out + last, data, first);
	memcpy(s->out, data + first, n - first);
	s->out_used += n;
	return n;
}

/* Says once how much was dropped, when somebody reads again. */
static inline void lichen_stream_tell(struct lichen_stream *s)
{
	if (s->dropped == 0)
		return;
	s->dev->host->log_guest(s->dev->in, LICHEN_LOG_WARN,
				"%llu bytes of output were dropped while nobody read",
				(unsigned long long)s->dropped);
	s->dropped = 0;
}

/* Bytes that may be read of the descriptor now. */
static inline uint32_t lichen_stream_room(const struct lichen_stream *s)
{
	if (!lichen_stream_has_peer(s) || s->ended || s->left_size || s->client == 0)
		return 0;
	return s->credit < LICHEN_STREAM_CHUNK ? s->credit : (uint32_t)LICHEN_STREAM_CHUNK;
}

/* After every change: what to wait for, and what the device is owed. */
static inline void lichen_stream_settle(struct lichen_stream *s)
{
	const struct lichen_host *host = s->dev->host;
	uint32_t events = 0;

	if (s->broken) { /* on a vCPU's thread: the timer detaches */
		host->timer_arm(s->dev->in, s->again, 0);
	} else if (s->descriptor >= 0) {
		events = (lichen_stream_room(s) ? (uint32_t)LICHEN_WATCH_READ : 0) |
			 (s->out_used ? (uint32_t)LICHEN_WATCH_WRITE : 0);
		if (events != s->events)
			host->watch_update(s->dev->in, s->watch, events);
		s->events = events;
		if (s->out_used == 0)
			lichen_stream_tell(s);
	}
	if (s->cut && s->out_used < LICHEN_STREAM_OUTPUT / 2) {
		s->cut = 0;
		host->post(s->dev->in, s->client, LICHEN_CHAR_WRITABLE, NULL, 0);
	}
}

/* lichen_char_ops.write.  [vcpu or control or io, running] */
static inline lichen_status lichen_stream_write(struct lichen_stream *s, uint64_t client,
						const uint8_t *data, uint32_t size,
						uint32_t *taken)
{
	uint32_t done = 0;

	if (client != s->client) {
		*taken = size;
		return 0;
	}
	if (lichen_stream_has_peer(s) || s->when_absent == LICHEN_STREAM_WAIT)
		do
			done += lichen_stream_queue(s, data + done, size - done);
		while (lichen_stream_flush(s) && done < size);
	if (done < size &&
	    (lichen_stream_has_peer(s) ? s->when_full : s->when_absent) == LICHEN_STREAM_DROP) {
		lichen_stream_drop(s, size - done);
		done = size;
	}
	*taken = done;
	/* Not before settle: what settle finds is what was owed before this write. */
	lichen_stream_settle(s);
	s->cut = done < size;
	return 0;
}

/* --- input --- */

/* Keeps input for later: a peer went, or the event queue had no memory. */
static inline void lichen_stream_keep(struct lichen_stream *s, const uint8_t *data,
				      uint32_t size)
{
	uint8_t *grown = NULL;

	if (size <= LICHEN_STREAM_INPUT - s->left_size) {
		if (s->left_size)
			memmove(s->left, s->left + s->left_first, s->left_size);
		s->left_first = 0;
		grown = (uint8_t *)realloc(s->left, (size_t)s->left_size + size);
	}
	if (!grown) {
		s->dev->host->log_guest(s->dev->in, LICHEN_LOG_WARN,
					"%u bytes of input are dropped: %u are waiting", size,
					s->left_size);
		return;
	}
	memcpy(grown + s->left_size, data, size);
	s->left = grown;
	s->left_size += size;
}

/* Posts what was kept, as far as the device takes it. */
static inline void lichen_stream_post_left(struct lichen_stream *s)
{
	const struct lichen_host *host = s->dev->host;

	while (s->left_size && s->credit) {
		uint32_t n = s->left_size < s->credit ? s->left_size : s->credit;

		n = n < LICHEN_STREAM_CHUNK ? n : (uint32_t)LICHEN_STREAM_CHUNK;
		if (host->post(s->dev->in, s->client, LICHEN_CHAR_RECEIVED,
			       s->left + s->left_first, n)) {
			/* No memory: once more in 10 ms. */
			host->timer_arm(s->dev->in, s->again,
					host->clock_now(s->dev->in, LICHEN_CLOCK_HOST) +
						10000000);
			return;
		}
		s->left_first += n;
		s->left_size -= n;
		s->credit -= n;
	}
	if (s->left_size == 0) {
		free(s->left);
		s->left = NULL;
		s->left_first = 0;
	}
}

/* Posts input, one chunk of it from the descriptor, and its end. */
static inline void lichen_stream_receive(struct lichen_stream *s)
{
	const struct lichen_host *host = s->dev->host;
	uint8_t chunk[LICHEN_STREAM_CHUNK];
	uint32_t room;

	lichen_stream_post_left(s);
	room = lichen_stream_room(s);
	if (room) {
		const ssize_t n = read(s->descriptor, chunk, room);

		if (n == 0) {
			s->ended = 1;
		} else if (n < 0) {
			s->broken = errno != EAGAIN && errno != EINTR;
		} else if (host->post(s->dev->in, s->client, LICHEN_CHAR_RECEIVED, chunk,
				      (uint32_t)n)) {
			lichen_stream_keep(s, chunk, (uint32_t)n);
			lichen_stream_post_left(s);
		} else {
			s->credit -= (uint32_t)n;
		}
	}
	if (s->open && s->left_size == 0 && (s->ended || s->descriptor < 0) && s->client) {
		s->open = 0;
		host->post(s->dev->in, s->client, LICHEN_CHAR_CLOSED, NULL, 0);
	}
}

/* lichen_char_ops.ask.  [vcpu or control or io, running] */
static inline void lichen_stream_ask(struct lichen_stream *s, uint64_t client, uint32_t size)
{
	if (client != s->client)
		return;
	s->credit = size;
	lichen_stream_receive(s);
	lichen_stream_settle(s);
}

/* --- peers --- */

/* lichen_class.client; one device is served.  [control, created to running] */
static inline void lichen_stream_client(struct lichen_stream *s, uint64_t client,
					uint32_t joined)
{
	if (joined && s->client == 0) {
		s->client = client;
	} else if (joined) {
		s->dev->host->log(s->dev->in, LICHEN_LOG_WARN,
				  "a second device shares this backend; it is not served");
	} else if (s->client == client) {
		s->client = 0;
		s->credit = 0;
		s->cut = 0;
	}
}

/*
 * The peer at `descriptor`, which stays the caller's, is there from now on; ready
 * gets `cookie` for it.  There was none.  Errors are host->watch()'s.
 * [control, running]
 */
static inline lichen_status lichen_stream_attach(struct lichen_stream *s, int32_t descriptor,
						 uint64_t cookie)
{
	const struct lichen_host *host = s->dev->host;
	int type;
	socklen_t size = sizeof(type);
	const lichen_status status = host->watch(s->dev->in, descriptor, 0, cookie, &s->watch);

	if (status < 0)
		return status;
	s->descriptor = descriptor;
	s->is_socket = getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
	s->events = 0;
	s->ended = s->broken = 0;
	if (!s->open && s->client) {
		s->open = 1;
		host->post(s->dev->in, s->client, LICHEN_CHAR_OPENED, NULL, 0);
	}
	lichen_stream_flush(s);
	lichen_stream_tell(s);
	lichen_stream_receive(s);
	lichen_stream_settle(s);
	return 0;
}

/*
 * The peer has gone: keeps what it sent, drops what waits for it unless
 * when_absent says wait.  Returns its descriptor.  [control, running]
 */
static inline int32_t lichen_stream_detach(struct lichen_stream *s)
{
	const int32_t descriptor = s->descriptor;
	uint8_t chunk[LICHEN_STREAM_CHUNK];
	/* Bounded although the descriptor may be a terminal that a next peer writes to. */
	uint32_t budget = LICHEN_STREAM_INPUT;

	while (!s->ended && budget) {
		const ssize_t n = read(descriptor, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		lichen_stream_keep(s, chunk, (uint32_t)n);
		budget -= (uint32_t)n;
	}
	s->dev->host->watch_release(s->dev->in, s->watch);
	s->watch = 0;
	s->descriptor = -1;
	s->broken = 0;
	if (s->when_absent == LICHEN_STREAM_DROP) {
		lichen_stream_drop(s, s->out_used);
		s->out_used = 0;
	}
	lichen_stream_receive(s);
	lichen_stream_settle(s);
	return descriptor;
}

/*
 * For lichen_class.ready, and for `timer` with events 0, which see to all that is due.
 * Returns 1 when the peer has gone: detach it.  [control or io, running]
 */
static inline int lichen_stream_ready(struct lichen_stream *s, uint32_t events)
{
	if (events & LICHEN_WATCH_HANGUP)
		s->broken = 1;
	if (!s->broken) {
		lichen_stream_receive(s);
		lichen_stream_flush(s);
	}
	if (s->broken)
		return 1;
	lichen_stream_settle(s);
	return 0;
}

/*
 * Offers a slow peer what waits for it, LICHEN_STREAM_FINISH_MS in all, and says how
 * much was dropped since the start.  [control, drained]
 */
static inline void lichen_stream_finish(struct lichen_stream *s)
{
	/* The peer of a descriptor that was watched; nothing else is done with it. */
	struct pollfd peer = { s->descriptor, POLLOUT, 0 };

	for (int i = 0; s->out_used && i < LICHEN_STREAM_FINISH_MS / 10; i++) {
		lichen_stream_flush(s);
		if (!lichen_stream_has_peer(s) || s->out_used == 0)
			break;
		(void)poll(&peer, 1, 10);
	}
	lichen_stream_drop(s, s->out_used);
	s->out_used = 0;
	if (s->dropped_in_all)
		s->dev->host->log(s->dev->in, LICHEN_LOG_WARN,
				  "%llu bytes of output were dropped in all",
				  (unsigned long long)s->dropped_in_all);
	free(s->left);
	s->left = NULL;
}

#ifdef __cplusplus
}
#endif

#endif
