/* SPDX-License-Identifier: MIT */
/*
 * e2e-peer: the other end of a character backend.
 *
 * The first argument says what it does, the second where:
 *
 *	cat PATH		copies stdin to it, and what it says to stdout
 *	mirror PATH SIZE [slow]	sends SIZE bytes and wants them back in order
 *	send PATH FIRST END [die]
 *				sends the bytes FIRST to END of pebble's stream
 *	receive PATH SIZE [die]	sends a byte, wants the stream's first SIZE bytes
 *	rest PATH END		wants the stream's last bytes up to END, says how many
 *
 * PATH: a socket, a terminal, or - for stdin and stdout; waited for up to 20 s.
 * With "die" it ends by SIGKILL, its descriptors open.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 4096, TRIES = 200, TRY_NS = 100000000, SLOW_NS = 5000000 };

struct ends {
	int in, out; /* from and to the backend; not blocking */
};

static int fail(const char *what)
{
	fprintf(stderr, "e2e-peer: %s: %s\n", what, strerror(errno));
	return 1;
}

static void pause_ns(long ns)
{
	const struct timespec time = { 0, ns };

	nanosleep(&time, NULL);
}

static int dial(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0 || errno != ENXIO) /* what a socket says */
		return fd;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int open_ends(const char *path, struct ends *e)
{
	if (strcmp(path, "-") == 0) {
		*e = (struct ends){ 0, 1 };
	} else {
		e->in = dial(path);
		for (int i = 0; e->in < 0 && i < TRIES; i++) {
			pause_ns(TRY_NS);
			e->in = dial(path);
		}
		e->out = e->in;
	}
	if (e->in < 0)
		return -1;
	fcntl(e->in, F_SETFL, fcntl(e->in, F_GETFL) | O_NONBLOCK);
	fcntl(e->out, F_SETFL, fcntl(e->out, F_GETFL) | O_NONBLOCK);
	return 0;
}

static int cat(const struct ends *e)
{
	struct pollfd fds[2] = { { .fd = 0, .events = POLLIN },
				 { .fd = e->in, .events = POLLIN } };
	char data[CHUNK];

	for (;;) {
		ssize_t n;

		poll(fds, 2, -1);
		if (fds[1].revents) {
			n = read(e->in, data, sizeof(data));
			if (n <= 0 && errno != EAGAIN)
				return 0; /* the VM has gone */
			if (n > 0 && write(1, data, (size_t)n) != n)
				return fail("stdout");
		}
		if (fds[0].revents) {
			n = read(0, data, sizeof(data));
			if (n <= 0)
				fds[0].fd = -1;
			for (ssize_t done = 0, put; done<n; done += put> 0 ? put : 0) {
				put = write(e->out, data + done, (size_t)(n - done));
				if (put < 0 && errno != EAGAIN)
					return fail("write");
				if (put < 0)
					pause_ns(1000000);
			}
		}
	}
}

static uint8_t byte_at(uint32_t i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

static int mirror(const struct ends *e, uint32_t size, int slow)
{
	uint32_t sent = 0, got = 0;

	while (got < size) {
		struct pollfd fds[2] = { { .fd = e->in, .events = POLLIN },
					 { .fd = sent < size ? e->out : -1,
					   .events = POLLOUT } };
		uint8_t data[CHUNK];
		ssize_t n;

		if (poll(fds, 2, 60000) <= 0) {
			fprintf(stderr, "e2e-peer: nothing comes after %u of %u bytes\n", got,
				size);
			return 1;
		}
		if (fds[1].revents) {
			uint32_t count = size - sent < CHUNK ? size - sent : CHUNK;

			for (uint32_t i = 0; i < count; i++)
				data[i] = byte_at(sent + i);
			n = write(e->out, data, count);
			if (n < 0 && errno != EAGAIN)
				return fail("write");
			sent += n > 0 ? (uint32_t)n : 0;
		}
		if (!fds[0].revents)
			continue;
		n = read(e->in, data, slow ? 512 : sizeof(data));
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			fprintf(stderr, "e2e-peer: the end after %u of %u bytes\n", got, size);
			return 1;
		}
		for (ssize_t i = 0; i < n; i++, got++)
			if (data[i] != byte_at(got)) {
				fprintf(stderr, "e2e-peer: byte %u: want 0x%02x, got 0x%02x\n",
					got, byte_at(got), data[i]);
				return 1;
			}
		if (slow)
			pause_ns(SLOW_NS);
	}
	return 0;
}

/* A byte of the stream that the guests flood and sink know (pebble/stream.h). */
static uint8_t stream_at(uint32_t i)
{
	return (uint8_t)(i % 16 < 4 ? i / 16 >> i % 16 * 8 : 0x40 + i % 16);
}

static int send_stream(const struct ends *e, uint32_t first, uint32_t end)
{
	while (first < end) {
		const uint32_t count = end - first < CHUNK ? end - first : CHUNK;
		struct pollfd fd = { .fd = e->out, .events = POLLOUT };
		uint8_t data[CHUNK];
		ssize_t n;

		for (uint32_t i = 0; i < count; i++)
			data[i] = stream_at(first + i);
		if (poll(&fd, 1, 60000) <= 0) {
			fprintf(stderr, "e2e-peer: nothing is taken from %u on\n", first);
			return 1;
		}
		n = write(e->out, data, count);
		if (n < 0 && errno != EAGAIN)
			return fail("write");
		first += n > 0 ? (uint32_t)n : 0;
	}
	return 0;
}

/* Into `got` what comes, `size` bytes or up to the end; returns how many. */
static uint32_t collect(const struct ends *e, uint8_t *got, uint32_t size)
{
	uint32_t count = 0;

	while (count < size) {
		struct pollfd fd = { .fd = e->in, .events = POLLIN };
		const uint32_t room = size - count < CHUNK ? size - count : CHUNK;
		ssize_t n;

		if (poll(&fd, 1, 60000) <= 0)
			break;
		n = read(e->in, got + count, room);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			break;
		count += n > 0 ? (uint32_t)n : 0;
	}
	return count;
}

/* `count` bytes, the first being the stream's at `first`. */
static int in_order(const uint8_t *got, uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (got[i] != stream_at(first + i)) {
			fprintf(stderr, "e2e-peer: byte %u: want 0x%02x, got 0x%02x\n",
				first + i, stream_at(first + i), got[i]);
			return 0;
		}
	return 1;
}

static int receive_stream(const struct ends *e, uint32_t size, int rest)
{
	static uint8_t got[1 << 20];
	const uint32_t limit = size < sizeof(got) ? size : sizeof(got);
	const uint32_t count = collect(e, got, limit);

	if (rest)
		printf("%u\n", count);
	else if (count != size)
		fprintf(stderr, "e2e-peer: want %u bytes, got %u\n", size, count);
	return !in_order(got, rest ? size - count : 0, count) || (!rest && count != size);
}

static int act(int argc, char **argv, const struct ends *e)
{
	const char *last = argv[argc - 1];
	uint32_t number[2] = { 0, 0 };
	int status;

	for (int i = 3; i < argc && i < 5; i++)
		number[i - 3] = (uint32_t)strtoul(argv[i], NULL, 0);
	if (strcmp(argv[1], "cat") == 0)
		return cat(e);
	if (strcmp(argv[1], "mirror") == 0)
		return mirror(e, number[0], strcmp(last, "slow") == 0);
	if (strcmp(argv[1], "send") == 0)
		status = send_stream(e, number[0], number[1]);
	else if (strcmp(argv[1], "receive") == 0 && write(e->out, "g", 1) != 1)
		status = fail("write");
	else
		status = receive_stream(e, number[0], strcmp(argv[1], "rest") == 0);
	if (status == 0 && strcmp(last, "die") == 0)
		(void)raise(SIGKILL);
	return status;
}

int main(int argc, char **argv)
{
	struct ends e;

	if (argc < 3) {
		fprintf(stderr, "usage: e2e-peer cat|mirror|send|receive|rest PATH [...]\n");
		return 2;
	}
	if (open_ends(argv[2], &e))
		return fail(argv[2]);
	return act(argc, argv, &e);
}
