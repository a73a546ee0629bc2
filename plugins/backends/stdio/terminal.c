/* SPDX-License-Identifier: MIT */
/* terminal.c: see terminal.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "terminal.h"

/* What the guard is told: one packet each time. */
struct terminal_order {
	uint32_t restore; /* 1: `settings` are to be restored at the end; 0: nothing is */
	struct termios settings;
};

enum { GUARD_TERMINAL = 0, GUARD_SOCKET = 1, GUARD_STATE = 2, GUARD_FIRST_UNUSED = 3 };

/* How often the guard looks whether we were stopped: SIGSTOP says nothing to anyone. */
enum { GUARD_LOOK_MS = 250 };

/*
 * Our state in /proc/PID/stat, the letter after the last parenthesis (proc(5)), is
 * that of a process that job control has stopped.
 */
static int terminal_guard_stopped(void)
{
	char text[256];
	ssize_t n = pread(GUARD_STATE, text, sizeof(text), 0);

	while (n > 0 && text[n - 1] != ')')
		n--;
	return n > 0 && n + 1 < (ssize_t)sizeof(text) && text[n + 1] == 'T';
}

/*
 * The guard's whole life.  It was forked from a process that may have threads,
 * so only async-signal-safe functions are called; every signal is blocked, among
 * them SIGTTOU, which would stop it as it sets the terminal from the background.
 */
static _Noreturn void terminal_guard(int descriptor, int socket, int state)
{
	struct terminal_order order = { .restore = 0 }, next;
	struct pollfd wait = { .fd = GUARD_SOCKET, .events = POLLIN };
	int given = 0; /* back, for as long as we are stopped */
	ssize_t n;

	/* Out of the way of signals to our process group, a terminal's ^C among them. */
	setpgid(0, 0);
	prctl(PR_SET_NAME, "lichen-terminal");
	if (chdir("/"))
		_exit(1);
	/* By way of numbers that are none of those wanted. */
	descriptor = fcntl(descriptor, F_DUPFD, GUARD_FIRST_UNUSED);
	socket = fcntl(socket, F_DUPFD, GUARD_FIRST_UNUSED);
	state = fcntl(state, F_DUPFD, GUARD_FIRST_UNUSED);
	if (dup2(descriptor, GUARD_TERMINAL) < 0 || dup2(socket, GUARD_SOCKET) < 0 ||
	    dup2(state, GUARD_STATE) < 0)
		_exit(1);
	/* Nothing of the VM's stays open on our account. */
	close_range(GUARD_FIRST_UNUSED, ~0u, 0);
	for (;;) {
		if (poll(&wait, 1, order.restore ? GUARD_LOOK_MS : -1) == 0) {
			if (!terminal_guard_stopped()) {
				given = 0;
			} else if (!given) {
				tcsetattr(GUARD_TERMINAL, TCSANOW, &order.settings);
				given = 1; /* what the user changes meanwhile stays */
			}
			continue;
		}
		n = recv(GUARD_SOCKET, &next, sizeof(next), 0);
		if (n == (ssize_t)sizeof(next))
			order = next;
		else if (n == 0 || (n < 0 && errno != EINTR))
			break;
	}
	if (order.restore)
		tcsetattr(GUARD_TERMINAL, TCSANOW, &order.settings);
	_exit(0);
}

int terminal_open(struct terminal *t, int descriptor)
{
	sigset_t all, old;
	int ends[2];
	int error, state;
	pid_t pid;

	state = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	if (state < 0)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		error = errno;
		close(state);
		return -error;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = _Fork(); /* no handlers of pthread_atfork(): the guard needs none */
	error = errno;
	if (pid == 0)
		terminal_guard(descriptor, ends[1], state);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	close(ends[1]);
	close(state);
	if (pid < 0) {
		close(ends[0]);
		return -error;
	}
	t->descriptor = descriptor;
	t->socket = ends[0];
	t->guard = pid;
	t->raw = 0;
	return 0;
}

int terminal_foreground(const struct terminal *t)
{
	const pid_t group = tcgetpgrp(t->descriptor);

	/* -1: not our controlling terminal, so there is no job control on it. */
	return group < 0 || group == getpgrp();
}

/* Sends without waiting; a guard that was killed costs the protection, not the VM. */
static void terminal_tell(const struct terminal *t, uint32_t restore)
{
	struct terminal_order order;

	memset(&order, 0, sizeof(order));
	order.restore = restore;
	order.settings = t->saved;
	(void)send(t->socket, &order, sizeof(order), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int terminal_same(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag &&
	       a->c_cflag == b->c_cflag && a->c_lflag == b->c_lflag &&
	       !memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc));
}

int terminal_raw(struct terminal *t)
{
	struct termios now;

	if (tcgetattr(t->descriptor, &now))
		return -errno;
	if (t->raw && terminal_same(&now, &t->ours))
		return 0;
	t->saved = now;
	cfmakeraw(&now);
	now.c_cc[VMIN] = 1;
	now.c_cc[VTIME] = 0;
	/* The guard first: from here on the user gets the terminal back. */
	terminal_tell(t, 1);
	if (tcsetattr(t->descriptor, TCSANOW, &now))
		return -errno;
	/* As the terminal took them, which need not be all that was asked. */
	if (tcgetattr(t->descriptor, &t->ours))
		t->ours = now;
	t->raw = 1;
	return 0;
}

void terminal_restore(struct terminal *t)
{
	sigset_t ttou, old;

	if (!t->raw)
		return;
	/* From the background this would stop us instead of working. */
	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &ttou, &old);
	tcsetattr(t->descriptor, TCSANOW, &t->saved);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	t->raw = 0;
	terminal_tell(t, 0);
}

void terminal_close(struct terminal *t)
{
	if (t->socket < 0)
		return;
	terminal_restore(t);
	close(t->socket);
	t->socket = -1;
	while (waitpid(t->guard, NULL, 0) < 0 && errno == EINTR)
		;
}
