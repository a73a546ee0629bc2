/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "testhost.h"

enum { WAIT = 0, DROP = 1 };
enum { RING = 64 << 10 };

/* A backend that listens at an address without a name in the file system. */
struct bench {
	struct th *th;
	struct sockaddr_un address;
	socklen_t size;
};

static struct bench started(uint64_t when_full, uint64_t when_absent)
{
	struct bench b = { .th = th_create("unix"), .size = sizeof(b.address) };
	const sa_family_t family = AF_UNIX;
	struct sockaddr_un any = { .sun_family = family };
	const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	CHECK_EQ(0, bind(server, (const struct sockaddr *)&any, sizeof(family)));
	CHECK_EQ(0, listen(server, 8));
	CHECK_EQ(0, getsockname(server, (struct sockaddr *)&b.address, &b.size));
	th_set_file(b.th, "listen", server);
	th_set(b.th, "when_full", when_full);
	th_set(b.th, "when_absent", when_absent);
	CHECK_EQ(0, th_start(b.th));
	return b;
}

static int dial(const struct bench *b)
{
	const int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_EQ(0, connect(peer, (const struct sockaddr *)&b->address, b->size));
	return peer;
}

/* Lets the backend do what it can. */
static void settle(struct th *th)
{
	for (int i = 0; i < 4; i++) {
		th_poll(th, 2);
		th_advance(th, 1);
	}
}

static uint32_t put(struct th *th, const void *data, uint32_t size)
{
	const struct lichen_char_ops *ops = th_interface(th, LICHEN_CHAR);
	uint32_t taken = UINT32_MAX;

	CHECK_EQ(0, ops->write(th_self(th), TH_CLIENT, data, size, &taken));
	CHECK(taken <= size);
	return taken;
}

static void ask(struct th *th, uint32_t size)
{
	const struct lichen_char_ops *ops = th_interface(th, LICHEN_CHAR);

	ops->ask(th_self(th), TH_CLIENT, size);
}

/* The next event, which another process may have to cause: up to 10 s from now. */
static struct th_posted next(struct th *th)
{
	struct th_posted posted;

	for (int i = 0; i < 1000; i++) {
		if (th_posted(th, &posted))
			return posted;
		th_poll(th, 10);
		th_advance(th, 1);
	}
	tap_fail("nothing is posted");
	return posted;
}

static void check_event(struct th *th, uint32_t event)
{
	CHECK_EQ(event, next(th).event);
}

static void check_received(struct th *th, const char *text)
{
	const struct th_posted posted = next(th);

	CHECK_EQ(LICHEN_CHAR_RECEIVED, posted.event);
	CHECK_EQ(strlen(text), posted.size);
	CHECK(!memcmp(text, posted.data, posted.size));
}

static void check_nothing(struct th *th)
{
	struct th_posted posted;

	settle(th);
	CHECK(!th_posted(th, &posted));
}

static void check_reads(int peer, const char *text)
{
	char got[256];

	CHECK_EQ(strlen(text), recv(peer, got, sizeof(got), MSG_DONTWAIT));
	CHECK(!memcmp(text, got, strlen(text)));
}

static int at_end(int peer)
{
	char byte;

	return recv(peer, &byte, 1, MSG_DONTWAIT) == 0;
}

TEST(bytes_go_both_ways)
{
	struct bench b = started(WAIT, DROP);
	const int peer = dial(&b);

	check_event(b.th, LICHEN_CHAR_OPENED);
	CHECK_EQ(5, put(b.th, "hello", 5));
	check_reads(peer, "hello");
	CHECK_EQ(5, write(peer, "world", 5));
	check_nothing(b.th);
	ask(b.th, 3);
	check_received(b.th, "wor");
	check_nothing(b.th);
	ask(b.th, 3);
	check_received(b.th, "ld");
	th_destroy(b.th);
	CHECK(at_end(peer));
	close(peer);
}

TEST(clients_come_one_after_another)
{
	struct bench b = started(WAIT, DROP);

	ask(b.th, 1000);
	for (int i = 0; i < 5; i++) {
		const int peer = dial(&b);

		check_event(b.th, LICHEN_CHAR_OPENED);
		CHECK_EQ(2, write(peer, "ab", 2));
		check_received(b.th, "ab");
		CHECK_EQ(1, put(b.th, "x", 1));
		check_reads(peer, "x");
		close(peer);
		check_event(b.th, LICHEN_CHAR_CLOSED);
		check_nothing(b.th);
	}
	th_destroy(b.th);
}

TEST(a_second_client_is_turned_away_and_the_first_stays)
{
	struct bench b = started(WAIT, DROP);
	const int first = dial(&b), second = dial(&b);

	check_event(b.th, LICHEN_CHAR_OPENED);
	settle(b.th);
	CHECK(at_end(second));
	CHECK_EQ(1, put(b.th, "x", 1));
	check_reads(first, "x");
	check_nothing(b.th);
	close(first);
	close(second);
	th_destroy(b.th);
}

TEST(who_comes_at_the_moment_another_goes_is_let_in)
{
	struct bench b = started(WAIT, DROP);
	int peer = dial(&b);

	check_event(b.th, LICHEN_CHAR_OPENED);
	close(peer);
	peer = dial(&b); /* the listening socket may be looked at first */
	check_event(b.th, LICHEN_CHAR_CLOSED);
	check_event(b.th, LICHEN_CHAR_OPENED);
	CHECK_EQ(1, put(b.th, "x", 1));
	check_reads(peer, "x");
	close(peer);
	th_destroy(b.th);
}

TEST(what_a_client_sent_before_it_went_is_received_first)
{
	struct bench b = started(WAIT, DROP);
	int peer = dial(&b);

	check_event(b.th, LICHEN_CHAR_OPENED);
	CHECK_EQ(4, write(peer, "old ", 4));
	close(peer);
	peer = dial(&b);
	check_nothing(b.th);
	CHECK_EQ(3, write(peer, "new", 3));
	CHECK_EQ(1, put(b.th, "x", 1)); /* the new one is served meanwhile */
	check_reads(peer, "x");
	ask(b.th, 2);
	check_received(b.th, "ol");
	ask(b.th, 100);
	check_received(b.th, "d ");
	check_received(b.th, "new");
	close(peer);
	check_event(b.th, LICHEN_CHAR_CLOSED);
	th_destroy(b.th);
}

TEST(a_client_that_sends_no_more_may_still_read)
{
	struct bench b = started(WAIT, DROP);
	const int peer = dial(&b);

	ask(b.th, 100);
	check_event(b.th, LICHEN_CHAR_OPENED);
	CHECK_EQ(1, write(peer, "q", 1));
	CHECK_EQ(0, shutdown(peer, SHUT_WR));
	check_received(b.th, "q");
	check_event(b.th, LICHEN_CHAR_CLOSED);
	CHECK_EQ(6, put(b.th, "answer", 6));
	check_reads(peer, "answer");
	CHECK_EQ(0, th_poll(b.th, 0));
	close(peer);
	check_nothing(b.th);
	th_destroy(b.th);
}

TEST(without_a_client_output_is_dropped)
{
	struct bench b = started(WAIT, DROP);

	CHECK_EQ(6, put(b.th, "nobody", 6));
	const int peer = dial(&b);
	check_event(b.th, LICHEN_CHAR_OPENED);
	CHECK_EQ(4, put(b.th, "here", 4));
	check_reads(peer, "here");
	close(peer);
	th_destroy(b.th);
}

TEST(without_a_client_output_waits_where_the_profile_says_so)
{
	static const uint8_t zeroes[RING];
	static char got[RING + 100];
	struct bench b = started(WAIT, WAIT);
	ssize_t total = 4, n;

	CHECK_EQ(4, put(b.th, "kept", 4));
	CHECK_EQ(RING - 4, put(b.th, zeroes, RING));
	CHECK_EQ(0, put(b.th, "x", 1));
	check_nothing(b.th);
	const int peer = dial(&b);
	check_event(b.th, LICHEN_CHAR_OPENED);
	check_event(b.th, LICHEN_CHAR_WRITABLE);
	CHECK_EQ(1, put(b.th, "x", 1));
	CHECK_EQ(4, read(peer, got, 4));
	CHECK(!memcmp("kept", got, 4));
	while (total < RING + 1 && (n = read(peer, got, sizeof(got))) > 0)
		total += n;
	CHECK_EQ(RING + 1, total);
	close(peer);
	th_destroy(b.th);
}

/* Fills the socket and the ring; returns how much was taken. */
static uint32_t fill(struct th *th)
{
	static const uint8_t data[RING];
	uint32_t total = 0, taken;

	do
		total += taken = put(th, data, sizeof(data));
	while (taken == sizeof(data) && total < 64 << 20);
	return total;
}

TEST(a_slow_client_makes_the_device_wait)
{
	static char got[RING];
	struct bench b = started(WAIT, DROP);
	const int peer = dial(&b);
	uint32_t total, read_back = 0;

	check_event(b.th, LICHEN_CHAR_OPENED);
	total = fill(b.th);
	CHECK_EQ(0, put(b.th, "x", 1));
	check_nothing(b.th);
	while (read_back < total) {
		const ssize_t n = read(peer, got, sizeof(got));

		CHECK(n > 0);
		read_back += (uint32_t)n;
		th_poll(b.th, 0);
	}
	CHECK_EQ(total, read_back);
	check_event(b.th, LICHEN_CHAR_WRITABLE);
	check_nothing(b.th);
	close(peer);
	th_destroy(b.th);
}

TEST(a_slow_client_loses_output_where_the_profile_says_so)
{
	static const uint8_t data[1 << 20];
	static char got[RING];
	struct bench b = started(DROP, DROP);
	const int peer = dial(&b);
	uint32_t read_back = 0;
	ssize_t n;

	check_event(b.th, LICHEN_CHAR_OPENED);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(sizeof(data), put(b.th, data, sizeof(data)));
	check_nothing(b.th);
	do {
		n = recv(peer, got, sizeof(got), MSG_DONTWAIT);
		read_back += n > 0 ? (uint32_t)n : 0;
		th_poll(b.th, 0);
	} while (n > 0);
	CHECK(read_back >= RING && read_back < 4 * sizeof(data));
	CHECK_EQ(3, put(b.th, "now", 3));
	check_reads(peer, "now");
	close(peer);
	th_destroy(b.th);
}

TEST(a_client_that_goes_frees_a_device_that_waits_for_it)
{
	struct bench b = started(WAIT, DROP);
	const int peer = dial(&b);

	check_event(b.th, LICHEN_CHAR_OPENED);
	fill(b.th);
	close(peer);
	check_event(b.th, LICHEN_CHAR_CLOSED);
	check_event(b.th, LICHEN_CHAR_WRITABLE);
	CHECK_EQ(1, put(b.th, "x", 1));
	th_destroy(b.th);
}

/* A client in a process of its own: reads a little, then is killed. */
TEST(a_client_killed_in_mid_stream_costs_nothing_else)
{
	struct bench b = started(WAIT, DROP);
	int status;

	for (int round = 0; round < 3; round++) {
		fflush(stdout);
		const pid_t child = fork();

		if (child == 0) {
			char got[1000];
			const int peer = dial(&b);

			if (write(peer, "hello", 5) != 5 || read(peer, got, 1000) < 1)
				_exit(1);
			pause();
			_exit(1);
		}
		check_event(b.th, LICHEN_CHAR_OPENED);
		ask(b.th, 5);
		check_received(b.th, "hello");
		fill(b.th);
		CHECK_EQ(0, kill(child, SIGKILL));
		CHECK_EQ(child, waitpid(child, &status, 0));
		check_event(b.th, LICHEN_CHAR_CLOSED);
		check_event(b.th, LICHEN_CHAR_WRITABLE);
		CHECK_EQ(4, put(b.th, "lost", 4));
		check_nothing(b.th);
	}
	th_destroy(b.th);
}

/* 1 MiB each way, with another process that is slow at times. */
TEST(a_mebibyte_arrives_in_order_both_ways)
{
	enum { SIZE = 1 << 20 };
	static uint8_t data[SIZE];
	struct bench b = started(WAIT, DROP);
	uint32_t out = 0, received = 0, credit = 0, blocked = 0;
	int status;

	for (uint32_t i = 0; i < SIZE; i++)
		data[i] = (uint8_t)(i * 31 + (i >> 11));
	fflush(stdout);
	const pid_t child = fork();

	if (child == 0) {
		const int peer = dial(&b);
		uint32_t sent = 0, in = 0;

		alarm(20);
		while (sent < SIZE || in < SIZE) {
			uint8_t got[3000];
			ssize_t n = send(peer, data + sent,
					 SIZE - sent < 4500 ? SIZE - sent : 4500, MSG_DONTWAIT);

			sent += n > 0 ? (uint32_t)n : 0;
			n = recv(peer, got, sizeof(got), MSG_DONTWAIT);
			if (n > 0 && memcmp(data + in, got, (size_t)n))
				_exit(1);
			in += n > 0 ? (uint32_t)n : 0;
			if (in % 16 == 0)
				usleep(200);
		}
		_exit(0);
	}
	check_event(b.th, LICHEN_CHAR_OPENED);
	while (received < SIZE || out < SIZE) {
		struct th_posted posted;

		if (!blocked && out < SIZE) {
			const uint32_t size = SIZE - out < 5000 ? SIZE - out : 5000;
			const uint32_t taken = put(b.th, data + out, size);

			out += taken;
			blocked = taken < size;
		}
		if (credit == 0)
			ask(b.th, credit = 16 + received % 3000);
		th_poll(b.th, 1);
		while (th_posted(b.th, &posted)) {
			blocked &= posted.event != LICHEN_CHAR_WRITABLE;
			if (posted.event != LICHEN_CHAR_RECEIVED)
				continue;
			CHECK(posted.size <= credit);
			CHECK(!memcmp(data + received, posted.data, posted.size));
			credit -= posted.size;
			received += posted.size;
		}
	}
	for (int i = 0; i < 1000 && waitpid(child, &status, WNOHANG) == 0; i++)
		th_poll(b.th, 10);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	th_destroy(b.th);
}

TEST(output_left_at_the_end_is_written_if_the_client_reads)
{
	static uint8_t got[RING];
	struct bench b = started(WAIT, DROP);
	const int peer = dial(&b);
	uint32_t total, read_back = 0;
	int status;

	check_event(b.th, LICHEN_CHAR_OPENED);
	total = fill(b.th);
	fflush(stdout);
	const pid_t child = fork();

	if (child == 0) {
		ssize_t n;

		alarm(10);
		while (read_back < total && (n = read(peer, got, sizeof(got))) > 0)
			read_back += (uint32_t)n;
		_exit(read_back == total ? 0 : 1);
	}
	th_destroy(b.th);
	CHECK_EQ(child, waitpid(child, &status, 0));
	CHECK_EQ(0, status);
	close(peer);
}

TEST(a_client_that_sleeps_does_not_hold_up_the_end)
{
	struct timespec before, after;
	struct bench b = started(WAIT, DROP);
	const int peer = dial(&b);

	check_event(b.th, LICHEN_CHAR_OPENED);
	fill(b.th);
	clock_gettime(CLOCK_MONOTONIC, &before);
	th_destroy(b.th);
	clock_gettime(CLOCK_MONOTONIC, &after);
	CHECK(after.tv_sec - before.tv_sec < 3);
	close(peer);
}

TEST(without_descriptors_to_spare_a_client_waits_and_nothing_spins)
{
	struct bench b = started(WAIT, DROP);
	const int peer = dial(&b);
	struct rlimit limit, none;

	CHECK_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none = limit;
	none.rlim_cur = 3;
	CHECK_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	settle(b.th);
	CHECK_EQ(0, th_poll(b.th, 0));
	CHECK_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	check_nothing(b.th);
	th_advance(b.th, 1000000000);
	check_event(b.th, LICHEN_CHAR_OPENED);
	close(peer);
	th_destroy(b.th);
}

TEST(a_socket_that_was_connected_serves_until_its_peer_goes)
{
	struct th *th = th_create("unix");
	int ends[2];

	CHECK_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
	th_set_file(th, "connect", fcntl(ends[0], F_DUPFD_CLOEXEC, 0));
	close(ends[0]);
	CHECK_EQ(0, th_start(th));
	ask(th, 100);
	check_event(th, LICHEN_CHAR_OPENED);
	CHECK_EQ(1, put(th, "x", 1));
	check_reads(ends[1], "x");
	CHECK_EQ(1, write(ends[1], "y", 1));
	check_received(th, "y");
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	CHECK_EQ(1, put(th, "z", 1));
	check_reads(ends[1], "z");
	th_destroy(th);
	close(ends[1]);
}

TEST(a_connected_peer_that_goes_is_gone_for_good)
{
	struct th *th = th_create("unix");
	int ends[2];

	CHECK_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
	th_set_file(th, "connect", ends[0]);
	CHECK_EQ(0, th_start(th));
	ask(th, 100);
	check_event(th, LICHEN_CHAR_OPENED);
	close(ends[1]);
	CHECK_EQ(1, put(th, "x", 1)); /* found out by a write, as by the loop */
	check_event(th, LICHEN_CHAR_CLOSED);
	CHECK_EQ(1, put(th, "x", 1));
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	check_nothing(th);
	th_destroy(th);
}

TEST(exactly_one_of_listen_and_connect_is_given)
{
	struct th *th = th_create("unix");
	int ends[2];

	CHECK_EQ(-LICHEN_EINVAL, th_start(th));
	CHECK_STR("neither listen nor connect is given", th_error(th));
	th_destroy(th);
	CHECK_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	th = th_create("unix");
	th_set_file(th, "listen", fcntl(ends[0], F_DUPFD_CLOEXEC, 0));
	th_set_file(th, "connect", fcntl(ends[0], F_DUPFD_CLOEXEC, 0));
	CHECK_EQ(-LICHEN_EINVAL, th_start(th));
	CHECK_STR("listen and connect are both given", th_error(th));
	th_destroy(th);
	th = th_create("unix");
	th_set_file(th, "connect", ends[0]);
	th_set(th, "when_absent", WAIT);
	CHECK_EQ(-LICHEN_EINVAL, th_start(th));
	CHECK(strstr(th_error(th), "when_absent"));
	th_destroy(th);
	close(ends[1]);
}
