/* SPDX-License-Identifier: MIT */
/*
 * wire FOLDER NAME: standard input to the control socket NAME.sock, and what comes from
 * there to standard output, until either end closes.  For shell tests.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Moves what there is, once.  -1: the end. */
static int move(int from, int to)
{
	char bytes[4096];
	const ssize_t n = read(from, bytes, sizeof(bytes));

	if (n <= 0)
		return -1;
	return write(to, bytes, (size_t)n) == n ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct pollfd polls[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
				   { .events = POLLIN } };

	if (argc != 3)
		return 2;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s.sock", argv[1],
		       argv[2]);
	polls[1].fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(polls[1].fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		perror(address.sun_path);
		return 1;
	}
	while (poll(polls, 2, -1) > 0) {
		if (polls[1].revents && move(polls[1].fd, STDOUT_FILENO) < 0)
			return 0;
		if (polls[0].revents && move(STDIN_FILENO, polls[1].fd) < 0)
			return 0;
	}
	return 1;
}
