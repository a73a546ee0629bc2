/* SPDX-License-Identifier: MIT */
/*
 * terminal.h: a terminal in raw mode that is given back whatever becomes of us.
 *
 * A guard process holds the terminal and one end of a socket.  It is told of
 * the settings to restore before each change, and restores them when the socket
 * ends, which the kernel sees to even after SIGKILL.  It also looks now and then
 * whether we were stopped by SIGSTOP, and gives the terminal back meanwhile; what
 * continues us has to call terminal_raw().
 */
#ifndef STDIO_TERMINAL_H
#define STDIO_TERMINAL_H

#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

struct terminal {
	int descriptor;	      /* of the terminal, borrowed; -1: there is none */
	int socket;	      /* to the guard, owned; -1: there is no guard */
	pid_t guard;	      /* our child; reaped by terminal_close() */
	uint32_t raw;	      /* 1 while the terminal is as `ours` says */
	struct termios saved; /* the user's settings, while raw */
	struct termios ours;
};

/*
 * Starts the guard of `descriptor`, borrowed until terminal_close(); the
 * terminal itself stays as it is.  Forks: to be called before guest memory
 * exists.  Returns 0 or -errno, and then nothing is left.
 */
int terminal_open(struct terminal *t, int descriptor);

/* Whether `descriptor` may be read and set without the kernel stopping us for it. */
int terminal_foreground(const struct terminal *t);

/*
 * Sets raw mode; where the terminal was changed meanwhile by someone else, the
 * new settings are what will be restored.  Returns 0 or -errno.
 */
int terminal_raw(struct terminal *t);

/* Gives the user's settings back.  Nothing where the terminal is not raw. */
void terminal_restore(struct terminal *t);

/* Restores, ends the guard and reaps it. */
void terminal_close(struct terminal *t);

#endif
