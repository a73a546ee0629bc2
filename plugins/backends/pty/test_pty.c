/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "testhost.h"

enum { WAIT = 0, DROP = 1 };
enum { RING = 64 << 10 };

static const uint64_t LOOK_NS = 100000000; /* how often it looks while nobody is there */

struct bench {
	struct th *th;
	char name[32];
};

static struct bench started(uint64_t when_full, uint64_t when_absent)
{
	struct bench b = { .th = th_create("pty") };
	const int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	uint32_t number = 0;

	if (master < 0)
		SKIP("there are no pseudo terminals");
	CHECK_EQ(0, ioctl(master, TIOCGPTN, &number));
	snprintf(b.name, sizeof(b.name), "/dev/pts/%u", number);
	th_set_file(b.th, "ptmx", master);
	th_set(b.th, "when_full", when_full);
	th_set(b.th, "when_absent", when_absent);
	CHECK_EQ(0, th_start(b.th));
	return b;
}

static int attach(const struct bench *b)
{
	const int peer = open(b->name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (peer < 0)
		SKIP("terminals cannot be opened by name");
	return peer;
}

static void settle(struct th *th)
{
	for (int i = 0; i < 4; i++) {
		th_poll(th, 2);
		th_advance(th, LOOK_NS);
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
		th_advance(th, LOOK_NS);
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

	CHECK_EQ(strlen(text), read(peer, got, sizeof(got)));
	CHECK(!memcmp(text, got, strlen(text)));
}

TEST(bytes_go_both_ways_untouched)
{
	struct bench b = started(WAIT, DROP);
	const int peer = attach(&b);

	ask(b.th, 100);
	check_event(b.th, LICHEN_CHAR_OPENED);
	CHECK_EQ(7, put(b.th, "a\r\n\3\4\x11\x13", 7));
	check_reads(peer, "a\r\n\3\4\x11\x13");
	CHECK_EQ(7, write(peer, "b\r\n\3\4\x11\x13", 7));
	check_received(b.th, "b\r\n\3\4\x11\x13");
	check_nothing(b.th); /* no echo of either */
	close(peer);
	th_destroy(b.th);
}

TEST(no_more_is_read_than_was_asked_for)
{
	struct bench b = started(WAIT, DROP);
	const int peer = attach(&b);

	check_event(b.th, LICHEN_CHAR_OPENED);
	CHECK_EQ(5, write(peer, "abcde", 5));
	check_nothing(b.th);
	ask(b.th, 2);
	check_received(b.th, "ab");
	check_nothing(b.th);
	ask(b.th, 9);
	check_received(b.th, "cde");
	close(peer);
	th_destroy(b.th);
}

TEST(programs_come_one_after_another_and_find_a_raw_terminal)
{
	struct bench b = started(WAIT, DROP);
	struct termios settings;

	ask(b.th, 100);
	for (int i = 0; i < 3; i++) {
		const int peer = attach(&b);

		check_event(b.th, LICHEN_CHAR_OPENED);
		CHECK_EQ(0, tcgetattr(peer, &settings));
		CHECK_EQ(0, settings.c_lflag & (ECHO | ICANON | ISIG));
		settings.c_lflag |= ECHO | ICANON;
		CHECK_EQ(0, tcsetattr(peer, TCSANOW, &settings));
		CHECK_EQ(1, write(peer, "x", 1));
		check_received(b.th, "x");
		close(peer);
		check_event(b.th, LICHEN_CHAR_CLOSED);
		check_nothing(b.th);
	}
	th_destroy(b.th);
}

TEST(who_writes_and_goes_between_two_looks_is_heard)
{
	struct bench b = started(WAIT, DROP);
	int peer;

	check_nothing(b.th);
	peer = attach(&b);
	CHECK_EQ(2, write(peer, "hi", 2));
	close(peer);
	check_event(b.th, LICHEN_CHAR_OPENED);
	ask(b.th, 100);
	check_received(b.th, "hi");
	check_event(b.th, LICHEN_CHAR_CLOSED);
	th_destroy(b.th);
}

TEST(what_was_sent_by_who_went_is_received_when_asked_for)
{
	struct bench b = started(WAIT, DROP);
	int peer = attach(&b);

	check_event(b.th, LICHEN_CHAR_OPENED);
	CHECK_EQ(4, write(peer, "old ", 4));
	close(peer);
	CHECK_EQ(1, put(b.th, "x", 1));
	check_nothing(b.th);
	peer = attach(&b);
	CHECK_EQ(3, write(peer, "new", 3));
	check_nothing(b.th);
	ask(b.th, 2);
	check_received(b.th, "ol");
	ask(b.th, 100);
	struct th_posted rest = next(b.th);
	CHECK(!memcmp("d ", rest.data, 2)); /* at once or in two, as it was read */
	if (rest.size == 2)
		check_received(b.th, "new");
	else
		CHECK_EQ(5, rest.size);
	close(peer);
	check_event(b.th, LICHEN_CHAR_CLOSED);
	th_destroy(b.th);
}

TEST(output_without_a_program_is_dropped)
{
	struct bench b = started(WAIT, DROP);

	settle(b.th);
	CHECK_EQ(6, put(b.th, "nobody", 6));
	const int peer = attach(&b);
	check_event(b.th, LICHEN_CHAR_OPENED);
	CHECK_EQ(4, put(b.th, "here", 4));
	check_reads(peer, "here");
	close(peer);
	th_destroy(b.th);
}

TEST(output_for_who_has_just_come_is_not_dropped)
{
	struct bench b = started(WAIT, DROP);

	check_nothing(b.th);
	const int peer = attach(&b);
	CHECK_EQ(5, put(b.th, "early", 5)); /* before it was noticed */
	check_event(b.th, LICHEN_CHAR_OPENED);
	check_reads(peer, "early");
	close(peer);
	th_destroy(b.th);
}

TEST(output_without_a_program_waits_where_the_profile_says_so)
{
	static const uint8_t zeroes[RING];
	static char got[RING];
	struct bench b = started(WAIT, WAIT);
	uint32_t total = 4;

	CHECK_EQ(4, put(b.th, "kept", 4));
	CHECK_EQ(RING - 4, put(b.th, zeroes, RING));
	CHECK_EQ(0, put(b.th, "x", 1));
	check_nothing(b.th);
	const int peer = attach(&b);
	check_event(b.th, LICHEN_CHAR_OPENED);
	CHECK_EQ(4, read(peer, got, 4));
	CHECK(!memcmp("kept", got, 4));
	while (total < RING) {
		const ssize_t n = read(peer, got, sizeof(got));

		total += n > 0 ? (uint32_t)n : 0;
		th_poll(b.th, 1);
	}
	CHECK_EQ(RING, total);
	check_event(b.th, LICHEN_CHAR_WRITABLE);
	close(peer);
	th_destroy(b.th);
}

/* Fills terminal and ring; returns how much was taken. */
static uint32_t fill(struct th *th)
{
	static const uint8_t data[RING];
	uint32_t total = 0, taken;

	do
		total += taken = put(th, data, sizeof(data));
	while (taken == sizeof(data) && total < 8 << 20);
	return total;
}

TEST(a_slow_program_loses_output_where_the_profile_says_so)
{
	static char got[RING];
	struct bench b = started(DROP, DROP);
	const int peer = attach(&b);
	uint32_t read_back = 0;

	check_event(b.th, LICHEN_CHAR_OPENED);
	CHECK_EQ(8 << 20, fill(b.th));
	check_nothing(b.th);
	for (int idle = 0; idle < 20;) {
		const ssize_t n = read(peer, got, sizeof(got));

		idle = n > 0 ? 0 : idle + 1;
		read_back += n > 0 ? (uint32_t)n : 0;
		th_poll(b.th, 1);
	}
	CHECK(read_back >= RING && read_back < 8 << 20);
	CHECK_EQ(3, put(b.th, "now", 3));
	check_reads(peer, "now");
	close(peer);
	th_destroy(b.th);
}

TEST(a_program_killed_in_mid_stream_costs_nothing_else)
{
	struct bench b = started(WAIT, DROP);
	int status;

	for (int round = 0; round < 3; round++) {
		fflush(stdout);
		const pid_t child = fork();

		if (child == 0) {
			const int peer = attach(&b);

			if (write(peer, "hello", 5) != 5)
				_exit(1);
			pause();
			_exit(1);
		}
		check_event(b.th, LICHEN_CHAR_OPENED);
		ask(b.th, 5);
		check_received(b.th, "hello");
		CHECK(fill(b.th) < 8 << 20);
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
	int status = -1;

	for (uint32_t i = 0; i < SIZE; i++)
		data[i] = (uint8_t)(i * 31 + (i >> 11));
	fflush(stdout);
	const pid_t child = fork();

	if (child == 0) {
		const int peer = attach(&b);
		uint32_t sent = 0, in = 0;

		alarm(25);
		while (sent < SIZE || in < SIZE) {
			uint8_t got[3000];
			ssize_t n = write(peer, data + sent,
					  SIZE - sent < 4500 ? SIZE - sent : 4500);

			sent += n > 0 ? (uint32_t)n : 0;
			n = read(peer, got, sizeof(got));
			if (n > 0 && memcmp(data + in, got, (size_t)n))
				_exit(1);
			in += n > 0 ? (uint32_t)n : 0;
			if (in % 16 == 0)
				usleep(200);
		}
		pause(); /* what nobody has read yet goes with the terminal */
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
	for (int i = 0; i < 20; i++)
		th_poll(b.th, 5);
	CHECK_EQ(0, waitpid(child, &status, WNOHANG)); /* it has found no fault */
	CHECK_EQ(0, kill(child, SIGKILL));
	CHECK_EQ(child, waitpid(child, &status, 0));
	th_destroy(b.th);
}

TEST(the_terminal_goes_with_the_vm)
{
	struct bench b = started(WAIT, DROP);
	const int peer = attach(&b);
	char byte;

	check_event(b.th, LICHEN_CHAR_OPENED);
	th_destroy(b.th);
	CHECK(read(peer, &byte, 1) <= 0);
	CHECK(errno != EAGAIN);
	close(peer);
	CHECK_EQ(-1, open(b.name, O_RDWR | O_NOCTTY | O_CLOEXEC));
}

TEST(output_left_at_the_end_is_read_if_the_program_reads)
{
	enum { SIZE = 40000 };
	static uint8_t data[SIZE];
	struct bench b = started(WAIT, DROP);
	int status = -1;

	fflush(stdout);
	const pid_t child = fork();

	if (child == 0) {
		const int peer = attach(&b);
		uint32_t got = 0;

		alarm(10);
		while (got < SIZE) {
			uint8_t some[500];
			const ssize_t n = read(peer, some, sizeof(some));

			if (n == 0 || (n < 0 && errno != EAGAIN))
				_exit(1);
			got += n > 0 ? (uint32_t)n : 0;
			usleep(100);
		}
		_exit(0);
	}
	check_event(b.th, LICHEN_CHAR_OPENED);
	CHECK_EQ(SIZE, put(b.th, data, SIZE));
	th_destroy(b.th);
	CHECK_EQ(child, waitpid(child, &status, 0));
	CHECK_EQ(0, status);
}

/* On a busy machine it may not get to it at once. */
TEST(output_left_at_the_end_waits_for_a_program_that_is_late)
{
	struct bench b = started(WAIT, DROP);
	int status = -1;

	fflush(stdout);
	const pid_t child = fork();

	if (child == 0) {
		const int peer = attach(&b);
		char got[16];

		usleep(300000);
		_exit(read(peer, got, sizeof(got)) == 4 ? 0 : 1);
	}
	check_event(b.th, LICHEN_CHAR_OPENED);
	CHECK_EQ(4, put(b.th, "last", 4));
	th_destroy(b.th);
	CHECK_EQ(child, waitpid(child, &status, 0));
	CHECK_EQ(0, status);
}

TEST(what_makes_no_terminals_is_refused)
{
	struct th *th = th_create("pty");

	th_set_file(th, "ptmx", open("/dev/null", O_RDWR | O_CLOEXEC));
	CHECK(th_start(th) < 0);
	CHECK(strstr(th_error(th), "ptmx: no pseudo terminal: "));
	th_destroy(th);
	th = th_create("pty");
	CHECK_EQ(-LICHEN_ENODEV, th_start(th));
	th_destroy(th);
}
