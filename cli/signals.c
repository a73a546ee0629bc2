/* SPDX-License-Identifier: MIT */
/* signals.c: what ends or stops the command, as a readable descriptor. */
#include <signal.h>
#include <sys/signalfd.h>

#include "cli.h"

int cli_signals_open(int stops)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (stops) {
		sigaddset(&set, SIGTSTP);
		sigaddset(&set, SIGCONT);
	}
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	(void)signal(SIGPIPE, SIG_IGN); /* a reader that has gone is an error of write() */
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}
