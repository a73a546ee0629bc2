/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <time.h>

#include "testhost.h"

/* A backend on the console `input`, `output`, which stay the test's. */
static struct th *start(int input, int output, const char *escape)
{
	struct th *th = th_create("stdio");

	th_set_console(th, input, output);
	if (escape)
		th_set_text(th, "escape", escape);
	CHECK_EQ(0, th_start(th));
	return th;
}

static uint32_t put(struct th *th, const void *data, uint32_t size)
{
	const struct lichen_char_ops *ops = th_interface(th, LICHEN_CHAR);
	uint32_t taken = UINT32_MAX;

	CHECK_EQ(0, ops->write(th_self(th), 1, data, size, &taken));
	return taken;
}

static void ask(struct th *th, uint32_t size)
{
	const struct lichen_char_ops *ops = th_interface(th, LICHEN_CHAR);

	ops->ask(th_self(th), 1, size);
}

/* Lets the backend do what it can. */
static void settle(struct th *th)
{
	for (int i = 0; i < 4; i++) {
		th_poll(th, 5);
		th_advance(th, 1);
	}
}

static void check_received(struct th *th, const char *text)
{
	struct th_posted posted;

	settle(th);
	CHECK(th_posted(th, &posted));
	CHECK_EQ(LICHEN_CHAR_RECEIVED, posted.event);
	CHECK_EQ(strlen(text), posted.size);
	CHECK(!memcmp(text, posted.data, posted.size));
}

static void check_event(struct th *th, uint32_t event)
{
	struct th_posted posted;

	settle(th);
	CHECK(th_posted(th, &posted));
	CHECK_EQ(event, posted.event);
}

static void check_nothing(struct th *th)
{
	struct th_posted posted;

	settle(th);
	CHECK(!th_posted(th, &posted));
}

/* --- pipes and files --- */

struct pipes {
	int in[2], out[2]; /* read end, write end */
};

static struct th *start_pipes(struct pipes *p)
{
	CHECK_EQ(0, pipe2(p->in, O_CLOEXEC));
	CHECK_EQ(0, pipe2(p->out, O_CLOEXEC));
	return start(p->in[0], p->out[1], NULL);
}

static void close_pipes(struct pipes *p)
{
	for (int i = 0; i < 2; i++) {
		close(p->in[i]);
		close(p->out[i]);
	}
}

TEST(output_goes_to_the_pipe)
{
	struct pipes p;
	struct th *th = start_pipes(&p);
	char got[16];

	CHECK_EQ(5, put(th, "hello", 5));
	CHECK_EQ(5, read(p.out[0], got, sizeof(got)));
	CHECK(!memcmp("hello", got, 5));
	th_destroy(th);
	close_pipes(&p);
}

TEST(a_pipe_is_read_only_as_far_as_asked)
{
	struct pipes p;
	struct th *th = start_pipes(&p);
	int left = 0;

	CHECK_EQ(6, write(p.in[1], "abcdef", 6));
	check_nothing(th);
	ask(th, 2);
	check_received(th, "ab");
	check_nothing(th);
	CHECK_EQ(0, ioctl(p.in[0], FIONREAD, &left));
	CHECK_EQ(4, left);
	ask(th, 0);
	check_nothing(th);
	ask(th, 100);
	check_received(th, "cdef");
	th_destroy(th);
	close_pipes(&p);
}

TEST(the_escape_key_of_a_pipe_is_a_byte_like_others)
{
	struct pipes p;
	struct th *th = start_pipes(&p);

	CHECK_EQ(4, write(p.in[1], "\1x\1h", 4));
	ask(th, 100);
	check_received(th, "\1x\1h");
	CHECK_EQ(0, th_asked(th).end);
	th_destroy(th);
	close_pipes(&p);
}

TEST(the_end_of_a_pipe_is_said_once_after_its_last_byte)
{
	struct pipes p;
	struct th *th = start_pipes(&p);

	CHECK_EQ(3, write(p.in[1], "end", 3));
	close(p.in[1]);
	p.in[1] = -1;
	ask(th, 2);
	check_received(th, "en");
	check_nothing(th);
	ask(th, 5);
	check_received(th, "d");
	check_event(th, LICHEN_CHAR_CLOSED);
	ask(th, 5);
	check_nothing(th);
	th_destroy(th);
	close_pipes(&p);
}

TEST(a_pipe_that_ended_is_not_looked_at_without_end)
{
	struct pipes p;
	struct th *th = start_pipes(&p);

	close(p.in[1]);
	p.in[1] = -1;
	ask(th, 5);
	settle(th);
	CHECK_EQ(0, th_poll(th, 0));
	th_destroy(th);
	close_pipes(&p);
}

TEST(a_plain_file_is_read_as_asked)
{
	const int input = memfd_create("test", MFD_CLOEXEC), output = open("/dev/null", O_RDWR);

	CHECK_EQ(6, write(input, "\1xfile", 6));
	lseek(input, 0, SEEK_SET);
	struct th *th = start(input, output, NULL);

	check_nothing(th);
	ask(th, 3);
	check_received(th, "\1xf");
	check_nothing(th);
	CHECK_EQ(3, lseek(input, 0, SEEK_CUR));
	ask(th, 100);
	check_received(th, "ile");
	check_event(th, LICHEN_CHAR_CLOSED);
	check_nothing(th);
	th_destroy(th);
	close(input);
	close(output);
}

TEST(a_full_pipe_makes_the_device_wait)
{
	static uint8_t data[256 << 10], got[256 << 10];
	struct pipes p;
	struct th *th = start_pipes(&p);
	uint32_t sent, received = 0;

	for (uint32_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + (i >> 8));
	sent = put(th, data, sizeof(data));
	CHECK(sent >= 128 << 10 && sent < sizeof(data)); /* pipe and ring, 64 KiB each */
	CHECK_EQ(0, put(th, data, 1));
	check_nothing(th);
	for (uint32_t rounds = 0; received < sizeof(data); rounds++) {
		struct th_posted posted;
		ssize_t n;

		CHECK(rounds < 1000);
		n = read(p.out[0], got + received, 8192);
		CHECK(n > 0);
		received += (uint32_t)n;
		th_poll(th, 0);
		while (th_posted(th, &posted)) {
			CHECK_EQ(LICHEN_CHAR_WRITABLE, posted.event);
			sent += put(th, data + sent, (uint32_t)sizeof(data) - sent);
		}
	}
	CHECK_EQ(sizeof(data), sent);
	CHECK(!memcmp(data, got, sizeof(data)));
	check_nothing(th);
	th_destroy(th);
	close_pipes(&p);
}

TEST(a_reader_that_went_costs_output_only)
{
	struct pipes p;
	struct th *th = start_pipes(&p);

	close(p.out[0]);
	p.out[0] = -1;
	for (int i = 0; i < 3; i++)
		CHECK_EQ(4, put(th, "lost", 4));
	CHECK_EQ(3, write(p.in[1], "abc", 3));
	ask(th, 10);
	check_received(th, "abc");
	th_destroy(th);
	close_pipes(&p);
}

TEST(a_reader_that_goes_while_output_waits_is_noticed)
{
	static const uint8_t data[256 << 10];
	struct pipes p;
	struct th *th = start_pipes(&p);

	CHECK(put(th, data, sizeof(data)) < sizeof(data));
	close(p.out[0]);
	p.out[0] = -1;
	check_event(th, LICHEN_CHAR_WRITABLE);
	CHECK_EQ(sizeof(data), put(th, data, sizeof(data)));
	CHECK_EQ(0, th_poll(th, 0));
	th_destroy(th);
	close_pipes(&p);
}

TEST(a_slow_reader_loses_output_where_the_profile_says_so)
{
	static uint8_t data[1 << 20], got[256 << 10];
	struct pipes p;
	struct th *th = th_create("stdio");
	ssize_t total = 0, n;

	CHECK_EQ(0, pipe2(p.in, O_CLOEXEC));
	CHECK_EQ(0, pipe2(p.out, O_CLOEXEC));
	th_set_console(th, p.in[0], p.out[1]);
	th_set(th, "when_full", 1);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(sizeof(data), put(th, data, sizeof(data)));
	check_nothing(th);
	fcntl(p.out[0], F_SETFL, O_NONBLOCK);
	do {
		n = read(p.out[0], got, sizeof(got));
		total += n > 0 ? n : 0;
		th_poll(th, 0);
	} while (n > 0);
	CHECK(total >= 64 << 10 && total < (ssize_t)sizeof(data));
	CHECK_EQ(3, put(th, "now", 3));
	CHECK_EQ(3, read(p.out[0], got, sizeof(got)));
	th_destroy(th);
	close_pipes(&p);
}

TEST(output_left_at_the_end_is_written_if_the_reader_reads)
{
	static uint8_t data[100 << 10], got[200 << 10];
	struct pipes p;
	struct th *th = start_pipes(&p);
	ssize_t total = 0, n;
	pid_t reader;

	CHECK_EQ(sizeof(data), put(th, data, sizeof(data)));
	fflush(stdout);
	reader = fork();
	if (reader == 0) {
		alarm(10);
		while (total < (ssize_t)sizeof(data) &&
		       (n = read(p.out[0], got, sizeof(got))) > 0)
			total += n;
		_exit(total == sizeof(data) ? 0 : 1);
	}
	th_destroy(th);
	close_pipes(&p);
	int status = -1;

	CHECK_EQ(reader, waitpid(reader, &status, 0));
	CHECK_EQ(0, status);
}

TEST(a_reader_that_sleeps_does_not_hold_up_the_end)
{
	static const uint8_t data[256 << 10];
	struct timespec before, after;
	struct pipes p;
	struct th *th = start_pipes(&p);

	CHECK(put(th, data, sizeof(data)) < sizeof(data));
	clock_gettime(CLOCK_MONOTONIC, &before);
	th_destroy(th);
	clock_gettime(CLOCK_MONOTONIC, &after);
	CHECK(after.tv_sec - before.tv_sec < 3);
	close_pipes(&p);
}

/* 1 MiB each way through pipes that a second process fills and empties. */
TEST(a_mebibyte_arrives_in_order_both_ways)
{
	enum { SIZE = 1 << 20 };
	static uint8_t data[SIZE], got[SIZE];
	uint32_t sent = 0, received = 0, credit = 0;
	struct pipes p;
	struct th *th = start_pipes(&p);

	for (uint32_t i = 0; i < SIZE; i++)
		data[i] = (uint8_t)(i * 31 + (i >> 11));
	fcntl(p.in[1], F_SETFL, O_NONBLOCK);
	fcntl(p.out[0], F_SETFL, O_NONBLOCK);
	uint32_t out = 0, in = 0, blocked = 0;

	for (uint32_t rounds = 0; received < SIZE || in < SIZE; rounds++) {
		struct th_posted posted;
		ssize_t n;

		CHECK(rounds < 100000);
		if (!blocked && out < SIZE) {
			const uint32_t size = SIZE - out < 5000 ? SIZE - out : 5000;
			const uint32_t taken = put(th, data + out, size);

			out += taken;
			blocked = taken < size;
		}
		n = read(p.out[0], got + in, SIZE - in < 3000 ? SIZE - in : 3000);
		in += n > 0 ? (uint32_t)n : 0;
		n = write(p.in[1], data + sent, SIZE - sent < 4500 ? SIZE - sent : 4500);
		sent += n > 0 ? (uint32_t)n : 0;
		if (credit == 0)
			ask(th, credit = 16 + rounds % 3000);
		th_poll(th, 0);
		while (th_posted(th, &posted)) {
			if (posted.event == LICHEN_CHAR_WRITABLE) {
				blocked = 0;
				continue;
			}
			CHECK_EQ(LICHEN_CHAR_RECEIVED, posted.event);
			CHECK(posted.size <= credit);
			CHECK(!memcmp(data + received, posted.data, posted.size));
			credit -= posted.size;
			received += posted.size;
		}
	}
	CHECK(!memcmp(data, got, SIZE));
	th_destroy(th);
	close_pipes(&p);
}

TEST(bad_escape_keys_are_refused)
{
	static const char *const bad[] = { "", "ctrl-", "ctrl-1", "ctrl-aa", "Ctrl-a", "a" };
	int ends[2];

	CHECK_EQ(0, pipe2(ends, O_CLOEXEC));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct th *th = th_create("stdio");

		th_set_console(th, ends[0], ends[1]);
		th_set_text(th, "escape", bad[i]);
		CHECK_EQ(-LICHEN_EINVAL, th_start(th));
		CHECK(strstr(th_error(th), "escape"));
		th_destroy(th);
	}
	close(ends[0]);
	close(ends[1]);
}

TEST(without_a_console_it_does_not_start)
{
	struct th *th = th_create("stdio");

	CHECK_EQ(-LICHEN_ENODEV, th_start(th));
	CHECK(strstr(th_error(th), "console"));
	th_destroy(th);
}

/* --- terminals --- */

struct terminal_pair {
	int master, slave;
	struct termios before;
};

static struct th *start_terminal(struct terminal_pair *t, const char *escape)
{
	CHECK_EQ(0, openpty(&t->master, &t->slave, NULL, NULL, NULL));
	fcntl(t->master, F_SETFL, O_RDWR | O_NONBLOCK);
	CHECK_EQ(0, tcgetattr(t->slave, &t->before));
	return start(t->slave, t->slave, escape);
}

static void close_terminal(const struct terminal_pair *t)
{
	close(t->master);
	close(t->slave);
}

static int is_raw(int fd)
{
	struct termios now;

	CHECK_EQ(0, tcgetattr(fd, &now));
	return !(now.c_lflag & (ICANON | ECHO | ISIG | IEXTEN)) && !(now.c_oflag & OPOST) &&
	       !(now.c_iflag & (ICRNL | IXON));
}

static void check_same(int fd, const struct termios *want)
{
	struct termios now;

	CHECK_EQ(0, tcgetattr(fd, &now));
	CHECK_EQ(want->c_iflag, now.c_iflag);
	CHECK_EQ(want->c_oflag, now.c_oflag);
	CHECK_EQ(want->c_cflag, now.c_cflag);
	CHECK_EQ(want->c_lflag, now.c_lflag);
	CHECK(!memcmp(want->c_cc, now.c_cc, sizeof(now.c_cc)));
}

static void type(const struct terminal_pair *t, const char *keys)
{
	CHECK_EQ(strlen(keys), write(t->master, keys, strlen(keys)));
}

static void host_event(struct th *th, uint32_t event)
{
	th_class(th)->host_event(th_self(th), event);
}

TEST(a_terminal_is_raw_while_the_vm_runs_and_restored_after)
{
	struct terminal_pair t;
	struct th *th = start_terminal(&t, NULL);

	CHECK(is_raw(t.slave));
	th_destroy(th);
	check_same(t.slave, &t.before);
	errno = 0;
	CHECK_EQ(-1, waitpid(-1, NULL, WNOHANG)); /* no child is left, zombies neither */
	CHECK_EQ(ECHILD, errno);
	close_terminal(&t);
}

TEST(a_terminal_is_restored_after_sigkill)
{
	struct terminal_pair t;
	int ready[2], status, rounds;
	char byte;
	pid_t vm;

	CHECK_EQ(0, openpty(&t.master, &t.slave, NULL, NULL, NULL));
	CHECK_EQ(0, tcgetattr(t.slave, &t.before));
	CHECK_EQ(0, pipe(ready));
	fflush(stdout);
	vm = fork();
	if (vm == 0) {
		start(t.slave, t.slave, NULL);
		if (write(ready[1], "r", 1) == 1)
			pause();
		_exit(1);
	}
	CHECK_EQ(1, read(ready[0], &byte, 1));
	CHECK(is_raw(t.slave));
	CHECK_EQ(0, kill(vm, SIGKILL));
	CHECK_EQ(vm, waitpid(vm, &status, 0));
	for (rounds = 0; is_raw(t.slave) && rounds < 500; rounds++)
		usleep(10000);
	check_same(t.slave, &t.before);
	close(ready[0]);
	close(ready[1]);
	close_terminal(&t);
}

TEST(sigkill_while_suspended_leaves_the_terminal_alone)
{
	struct terminal_pair t;
	struct termios changed;
	int ready[2], status;
	char byte;
	pid_t vm;

	CHECK_EQ(0, openpty(&t.master, &t.slave, NULL, NULL, NULL));
	CHECK_EQ(0, pipe(ready));
	fflush(stdout);
	vm = fork();
	if (vm == 0) {
		struct th *th = start(t.slave, t.slave, NULL);

		host_event(th, LICHEN_HOST_SUSPEND);
		if (write(ready[1], "r", 1) == 1)
			pause();
		_exit(1);
	}
	CHECK_EQ(1, read(ready[0], &byte, 1));
	CHECK_EQ(0, tcgetattr(t.slave, &changed));
	changed.c_lflag ^= ECHO;
	CHECK_EQ(0, tcsetattr(t.slave, TCSANOW, &changed));
	CHECK_EQ(0, kill(vm, SIGKILL));
	CHECK_EQ(vm, waitpid(vm, &status, 0));
	usleep(100000);
	check_same(t.slave, &changed);
	close(ready[0]);
	close(ready[1]);
	close_terminal(&t);
}

TEST(suspend_gives_the_terminal_back_and_resume_takes_it)
{
	struct terminal_pair t;
	struct th *th = start_terminal(&t, NULL);

	host_event(th, LICHEN_HOST_SUSPEND);
	check_same(t.slave, &t.before);
	host_event(th, LICHEN_HOST_RESUME);
	CHECK(is_raw(t.slave));
	th_destroy(th);
	check_same(t.slave, &t.before);
	close_terminal(&t);
}

TEST(what_the_user_set_meanwhile_is_what_is_restored)
{
	struct terminal_pair t;
	struct th *th = start_terminal(&t, NULL);

	host_event(th, LICHEN_HOST_SUSPEND);
	t.before.c_lflag ^= ECHOCTL;
	CHECK_EQ(0, tcsetattr(t.slave, TCSANOW, &t.before));
	host_event(th, LICHEN_HOST_RESUME);
	host_event(th, LICHEN_HOST_RESUME); /* raw settings are not mistaken for the user's */
	CHECK(is_raw(t.slave));
	th_destroy(th);
	check_same(t.slave, &t.before);
	close_terminal(&t);
}

TEST(a_stop_that_was_not_announced_is_recovered_from)
{
	struct terminal_pair t;
	struct th *th = start_terminal(&t, NULL);

	CHECK_EQ(0, tcsetattr(t.slave, TCSANOW, &t.before)); /* the shell, after SIGSTOP */
	host_event(th, LICHEN_HOST_RESUME);
	CHECK(is_raw(t.slave));
	th_destroy(th);
	check_same(t.slave, &t.before);
	close_terminal(&t);
}

TEST(keys_reach_the_guest_untouched)
{
	struct terminal_pair t;
	struct th *th = start_terminal(&t, NULL);

	ask(th, 100);
	type(&t, "ls\r\3\4\x1a\x13");
	check_received(th, "ls\r\3\4\x1a\x13");
	th_destroy(th);
	close_terminal(&t);
}

TEST(escape_x_ends_the_vm_even_when_the_guest_reads_nothing)
{
	struct terminal_pair t;
	struct th *th = start_terminal(&t, NULL);

	type(&t, "typed in vain\1x");
	settle(th);
	CHECK_EQ(LICHEN_END_STOP, th_asked(th).end);
	check_nothing(th);
	th_destroy(th);
	close_terminal(&t);
}

TEST(escape_twice_sends_the_key)
{
	struct terminal_pair t;
	struct th *th = start_terminal(&t, NULL);

	ask(th, 100);
	type(&t, "a\1\1b");
	check_received(th, "a\1b");
	th_destroy(th);
	close_terminal(&t);
}

TEST(escape_works_when_the_keys_come_one_by_one)
{
	struct terminal_pair t;
	struct th *th = start_terminal(&t, NULL);

	ask(th, 100);
	type(&t, "\1");
	check_nothing(th);
	type(&t, "x");
	settle(th);
	CHECK_EQ(LICHEN_END_STOP, th_asked(th).end);
	th_destroy(th);
	close_terminal(&t);
}

TEST(escape_b_sends_a_break_in_its_place)
{
	struct terminal_pair t;
	struct th *th = start_terminal(&t, NULL);

	type(&t, "ab\1bcd");
	check_nothing(th);
	ask(th, 1);
	check_received(th, "a");
	check_nothing(th);
	ask(th, 100);
	check_received(th, "b");
	check_event(th, LICHEN_CHAR_BREAK);
	check_received(th, "cd");
	th_destroy(th);
	close_terminal(&t);
}

TEST(escape_h_helps_the_user_and_not_the_guest)
{
	struct terminal_pair t;
	struct th *th = start_terminal(&t, "ctrl-]");
	char got[512];
	ssize_t n;

	ask(th, 100);
	type(&t, "\x1dh");
	check_nothing(th);
	n = read(t.master, got, sizeof(got) - 1);
	CHECK(n > 0);
	got[n] = '\0';
	CHECK(strstr(got, "ctrl-] x  end the VM\r\n"));
	th_destroy(th);
	close_terminal(&t);
}

TEST(unknown_escapes_are_swallowed)
{
	struct terminal_pair t;
	struct th *th = start_terminal(&t, NULL);

	ask(th, 100);
	type(&t, "a\1qb");
	check_received(th, "ab");
	CHECK_EQ(0, th_asked(th).end);
	th_destroy(th);
	close_terminal(&t);
}

TEST(escape_none_leaves_every_key_to_the_guest)
{
	struct terminal_pair t;
	struct th *th = start_terminal(&t, "none");

	ask(th, 100);
	type(&t, "\1x");
	check_received(th, "\1x");
	CHECK_EQ(0, th_asked(th).end);
	th_destroy(th);
	close_terminal(&t);
}

TEST(keys_wait_for_the_guest_and_keep_their_order)
{
	struct terminal_pair t;
	struct th *th = start_terminal(&t, NULL);

	type(&t, "0123456789");
	check_nothing(th);
	ask(th, 3);
	check_received(th, "012");
	type(&t, "abc");
	check_nothing(th);
	ask(th, 100);
	check_received(th, "3456789abc");
	th_destroy(th);
	close_terminal(&t);
}

TEST(more_keys_than_fit_wait_in_the_terminal)
{
	static char keys[3000];
	struct terminal_pair t;
	struct th *th = start_terminal(&t, NULL);
	uint32_t got = 0;

	memset(keys, 'k', sizeof(keys) - 1);
	for (int i = 0; i < 3; i++) {
		type(&t, keys);
		settle(th);
	}
	for (int i = 0; i < 10; i++) {
		struct th_posted posted;

		ask(th, 2000);
		settle(th);
		while (th_posted(th, &posted))
			got += posted.size;
	}
	CHECK_EQ(3 * (sizeof(keys) - 1), got);
	th_destroy(th);
	close_terminal(&t);
}

TEST(a_terminal_that_hangs_up_is_the_end_of_input)
{
	struct terminal_pair t;
	struct th *th = start_terminal(&t, NULL);

	ask(th, 100);
	close(t.master);
	t.master = -1;
	check_event(th, LICHEN_CHAR_CLOSED);
	check_nothing(th);
	CHECK_EQ(0, th_poll(th, 0));
	CHECK_EQ(4, put(th, "lost", 4));
	th_destroy(th);
	close_terminal(&t);
}

TEST(a_guard_that_was_killed_costs_the_protection_only)
{
	struct terminal_pair t;
	struct th *th = start_terminal(&t, NULL);
	char path[64], children[64] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	fd = open(path, O_RDONLY);
	if (fd < 0)
		SKIP("the kernel does not list children");
	CHECK(read(fd, children, sizeof(children) - 1) > 0);
	close(fd);
	CHECK_EQ(0, kill(atoi(children), SIGKILL));
	host_event(th, LICHEN_HOST_SUSPEND);
	check_same(t.slave, &t.before);
	host_event(th, LICHEN_HOST_RESUME);
	CHECK(is_raw(t.slave));
	th_destroy(th);
	check_same(t.slave, &t.before);
	close_terminal(&t);
}
