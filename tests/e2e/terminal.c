/* SPDX-License-Identifier: MIT */
/*
 * terminal: the caller's terminal, compared before and after every way in which
 * `lichen run` can end or stop.  Each test plays a shell on a pseudo terminal.
 */
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>

#include "tap.h"

enum { WAIT_MS = 20000 };

struct shell {
	int master, slave;
	pid_t lichen;
	struct termios before;
};

static void need_kvm(void)
{
	if (access("/dev/kvm", R_OK | W_OK) == 0)
		return;
	if (getenv("LICHEN_REQUIRE_KVM") && strcmp(getenv("LICHEN_REQUIRE_KVM"), "1") == 0)
		tap_fail("/dev/kvm is required and not usable");
	SKIP("no usable /dev/kvm");
}

static void nap(void)
{
	const struct timespec time = { .tv_nsec = 10000000 };

	nanosleep(&time, NULL);
}

static int same(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag &&
	       a->c_cflag == b->c_cflag && a->c_lflag == b->c_lflag &&
	       !memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc));
}

static int as_before(const struct shell *s)
{
	struct termios now;

	CHECK_EQ(0, tcgetattr(s->slave, &now));
	return same(&s->before, &now);
}

/* Waits until the terminal is as it was (1), or until it is not (0). */
static void wait_as_before(const struct shell *s, int wanted)
{
	for (int i = 0; i < WAIT_MS / 10; i++) {
		if (as_before(s) == wanted)
			return;
		nap();
	}
	tap_fail("the terminal is %s as it was", wanted ? "not" : "still");
}

static void run_lichen(const struct shell *s)
{
	const char *build = getenv("LICHEN_BUILD"), *source = getenv("LICHEN_SOURCE");
	char command[512], profile[512], image[512];

	snprintf(command, sizeof(command), "%s/lichen", build);
	snprintf(profile, sizeof(profile), "%s/tests/e2e/pebble.yaml", source);
	snprintf(image, sizeof(image), "boot.image=%s/guests/echo.bin", build);
	setsid();
	if (ioctl(s->slave, TIOCSCTTY, 0) || dup2(s->slave, 0) < 0 || dup2(s->slave, 1) < 0 ||
	    dup2(s->slave, 2) < 0)
		_exit(126);
	close_range(3, ~0u, 0);
	execl(command, "lichen", "run", profile, "--set", image, "--stop-timeout", "0",
	      (char *)NULL);
	_exit(127);
}

/* Reads what the guest prints until `text` has come. */
static void wait_for(const struct shell *s, const char *text)
{
	char seen[4096];
	size_t used = 0;

	for (int i = 0; i < WAIT_MS / 10 && used + 1 < sizeof(seen); i++) {
		const ssize_t n = read(s->master, seen + used, sizeof(seen) - 1 - used);

		if (n > 0)
			used += (size_t)n;
		seen[used] = '\0';
		if (strstr(seen, text))
			return;
		if (n <= 0)
			nap();
	}
	tap_fail("\"%s\" did not come, but \"%s\"", text, seen);
}

/* A VM on a terminal with settings of its own, its guest up. */
static void shell_start(struct shell *s)
{
	need_kvm();
	CHECK_EQ(0, openpty(&s->master, &s->slave, NULL, NULL, NULL));
	CHECK_EQ(0, fcntl(s->master, F_SETFL, O_NONBLOCK));
	CHECK_EQ(0, tcgetattr(s->slave, &s->before));
	s->before.c_cc[VINTR] = 7; /* not what anyone would set by default */
	s->before.c_lflag &= ~(tcflag_t)ECHOE;
	CHECK_EQ(0, tcsetattr(s->slave, TCSANOW, &s->before));
	s->lichen = fork();
	CHECK(s->lichen >= 0);
	if (s->lichen == 0)
		run_lichen(s);
	wait_for(s, "pebble: echo");
	CHECK(!as_before(s));
}

/* Reaps it; -1: it was ended by a signal, else its status. */
static int shell_wait(struct shell *s)
{
	int status;

	CHECK_EQ(s->lichen, waitpid(s->lichen, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void shell_end(struct shell *s)
{
	wait_as_before(s, 1);
	close(s->master);
	close(s->slave);
}

static void key(const struct shell *s, const char *keys)
{
	CHECK_EQ(strlen(keys), write(s->master, keys, strlen(keys)));
}

TEST(the_guests_own_end_gives_the_terminal_back)
{
	struct shell s;

	shell_start(&s);
	key(&s, "q");
	CHECK_EQ(1, shell_wait(&s));
	shell_end(&s);
}

TEST(the_escape_key_ends_it_and_gives_the_terminal_back)
{
	struct shell s;

	shell_start(&s);
	key(&s, "\001x");
	CHECK_EQ(8, shell_wait(&s));
	shell_end(&s);
}

static void ended_by(int signal, int status)
{
	struct shell s;

	shell_start(&s);
	CHECK_EQ(0, kill(s.lichen, signal));
	CHECK_EQ(status, shell_wait(&s));
	shell_end(&s);
}

TEST(sigterm_gives_the_terminal_back)
{
	ended_by(SIGTERM, 8);
}

TEST(sigint_from_elsewhere_gives_the_terminal_back)
{
	ended_by(SIGINT, 8);
}

TEST(sighup_gives_the_terminal_back)
{
	ended_by(SIGHUP, 8);
}

TEST(sigkill_gives_the_terminal_back)
{
	ended_by(SIGKILL, -1);
}

TEST(sigsegv_gives_the_terminal_back)
{
	ended_by(SIGSEGV, -1);
}

/* Stopped, the terminal is the user's; continued, it is the guest's again. */
static void stopped_by(int signal)
{
	struct shell s;
	int status;

	shell_start(&s);
	CHECK_EQ(0, kill(s.lichen, signal));
	CHECK_EQ(s.lichen, waitpid(s.lichen, &status, WUNTRACED));
	CHECK(WIFSTOPPED(status));
	wait_as_before(&s, 1);
	CHECK_EQ(0, kill(s.lichen, SIGCONT));
	wait_as_before(&s, 0);
	key(&s, "abcq");
	wait_for(&s, "abc");
	CHECK_EQ(1, shell_wait(&s));
	shell_end(&s);
}

TEST(sigtstp_lends_the_terminal_until_sigcont)
{
	stopped_by(SIGTSTP);
}

TEST(sigstop_lends_the_terminal_until_sigcont)
{
	stopped_by(SIGSTOP);
}

TEST(killed_while_stopped_leaves_the_terminal_as_it_was)
{
	struct shell s;
	int status;

	shell_start(&s);
	CHECK_EQ(0, kill(s.lichen, SIGSTOP));
	CHECK_EQ(s.lichen, waitpid(s.lichen, &status, WUNTRACED));
	CHECK_EQ(0, kill(s.lichen, SIGKILL));
	CHECK_EQ(-1, shell_wait(&s));
	shell_end(&s);
}
