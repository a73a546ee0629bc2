/* SPDX-License-Identifier: MIT */
/*
 * e2e-peer: the other end of a character backend.
 *
 *	e2e-peer cat PATH		copies stdin to it and what it says to stdout, to its
 *end e2e-peer mirror PATH SIZE [slow]	sends SIZE bytes and wants them back in order
 *
 * PATH: a socket, a terminal, or - for stdin and stdout; waited for up to 20 s.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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

int main(int argc, char **argv)
{
	struct ends e;

	if (argc < 3) {
		fprintf(stderr, "usage: e2e-peer cat|mirror PATH [SIZE [slow]]\n");
		return 2;
	}
	if (open_ends(argv[2], &e))
		return fail(argv[2]);
	if (strcmp(argv[1], "cat") == 0)
		return cat(&e);
	return mirror(&e, argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 0) : 0, argc > 4);
}
