/* SPDX-License-Identifier: MIT */
/*
 * terminal.c: raw mode, given back whatever happens.  A process of its own, which
 * shares nothing with us but the terminal and a pipe, sees by the end of the pipe
 * that we have gone without having done it ourselves.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli.h"

/* Its whole life.  Every signal is blocked, among them the SIGTTOU of what it does at the
 * end. */
static _Noreturn void terminal_guard(int pipe, int descriptor, const struct termios *saved)
{
	char raw = 0, word;
	ssize_t n;

	(void)setpgid(0, 0); /* a terminal's ^C is not for it */
	(void)prctl(PR_SET_NAME, "lichen-terminal");
	if (dup2(pipe, 3) < 0 || dup2(descriptor, 4) < 0)
		_exit(1);
	(void)close_range(5, ~0u, 0);
	for (;;) {
		n = read(3, &word, 1);
		if (n == 1)
			raw = word;
		else if (n == 0 || errno != EINTR)
			break;
	}
	if (raw)
		(void)tcsetattr(4, TCSANOW, saved);
	_exit(0);
}

int cli_terminal_open(struct cli_terminal *terminal, int descriptor)
{
	sigset_t all, before;
	int ends[2], high;
	pid_t guard;

	*terminal = (struct cli_terminal){ .descriptor = -1, .guard = -1 };
	if (tcgetattr(descriptor, &terminal->saved) < 0)
		return 0; /* not a terminal */
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	guard = fork();
	if (guard == 0) {
		(void)close(ends[1]);
		/* By way of a number that is none of those that it wants. */
		high = fcntl(descriptor, F_DUPFD, 16);
		terminal_guard(fcntl(ends[0], F_DUPFD, 16), high, &terminal->saved);
	}
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	(void)close(ends[0]);
	if (guard < 0) {
		(void)close(ends[1]);
		return -1;
	}
	terminal->descriptor = descriptor;
	terminal->guard = ends[1];
	return 0;
}

/* A guard that was killed costs the protection, no more. */
static void terminal_tell(const struct cli_terminal *terminal, char raw)
{
	if (write(terminal->guard, &raw, 1) < 0)
		return;
}

void cli_terminal_raw(const struct cli_terminal *terminal)
{
	struct termios raw = terminal->saved;

	if (terminal->descriptor < 0)
		return;
	cfmakeraw(&raw);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	terminal_tell(terminal, 1); /* first, so that there is no moment without it */
	(void)tcsetattr(terminal->descriptor, TCSANOW, &raw);
}

void cli_terminal_restore(const struct cli_terminal *terminal)
{
	sigset_t ttou, before;

	if (terminal->descriptor < 0)
		return;
	/* From the background this would stop us instead. */
	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	(void)sigprocmask(SIG_BLOCK, &ttou, &before);
	(void)tcsetattr(terminal->descriptor, TCSANOW, &terminal->saved);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	terminal_tell(terminal, 0);
}

void cli_terminal_close(struct cli_terminal *terminal)
{
	cli_terminal_restore(terminal);
	if (terminal->guard >= 0)
		(void)close(terminal->guard);
	terminal->descriptor = terminal->guard = -1;
}
