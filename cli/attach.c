/* SPDX-License-Identifier: MIT */
/*
 * attach.c: `lichen console`.  One end of a socket pair goes to the VM, which speaks
 * on it as on a terminal's line; the other is tied to standard input and output here.
 * The escape key, then one more, is for us:
 *	d  detaches			h  prints this list
 *	the escape key itself: sends it
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli.h"
#include "remote.h"

enum { ATTACH_ROOM = 4096, ATTACH_NO_KEY = -1, ATTACH_BAD_KEY = -2 };

enum attach_end { ATTACH_GOES_ON = 0, ATTACH_DETACHED, ATTACH_LINE_ENDED, ATTACH_FAILED };

struct attach {
	struct cli_terminal terminal;
	int line, signals;
	int key, escaped;	 /* the escape key; it came, what it means comes next */
	int typed_ended;	 /* standard input has */
	char typed[ATTACH_ROOM]; /* on its way to the VM */
	size_t typed_first, typed_used;
};

/* "none", or "ctrl-" and one of a to z [ \ ] ^ _. */
static int attach_key(const char *text)
{
	if (!text)
		text = "ctrl-a";
	if (strcmp(text, "none") == 0)
		return ATTACH_NO_KEY;
	if (strncmp(text, "ctrl-", 5) != 0 || text[5] == '\0' || text[6] != '\0')
		return ATTACH_BAD_KEY;
	if ((text[5] >= 'a' && text[5] <= 'z') || (text[5] >= '[' && text[5] <= '_'))
		return text[5] & 0x1f;
	return ATTACH_BAD_KEY;
}

/* All of it, however slow the reader. */
static int attach_write(const char *text, size_t size)
{
	while (size) {
		const ssize_t n = write(STDOUT_FILENO, text, size);
		struct pollfd room = { .fd = STDOUT_FILENO, .events = POLLOUT };

		if (n < 0 && errno == EAGAIN)
			(void)poll(&room, 1, -1);
		else if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			text += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

static void attach_help(const struct attach *attach)
{
	char text[160];
	const int c = attach->key + 0x60;
	const int size = snprintf(text, sizeof(text),
				  "\r\nctrl-%c d  detach\r\nctrl-%c h  this help\r\n"
				  "ctrl-%c ctrl-%c  send the key itself\r\n",
				  c, c, c, c);

	if (size > 0)
		(void)attach_write(text, (size_t)size);
}

/* Keeps what is the VM's; 1: the user wants to leave. */
static int attach_keys(struct attach *attach, const char *keys, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (!attach->escaped && keys[i] == attach->key) {
			attach->escaped = 1;
			continue;
		}
		if (!attach->escaped || keys[i] == attach->key)
			attach->typed[attach->typed_used++] = keys[i];
		else if (keys[i] == 'd')
			return 1;
		else if (keys[i] == 'h')
			attach_help(attach);
		attach->escaped = 0;
	}
	return 0;
}

/* Only when all that was typed before has gone: so there is room for it. */
static enum attach_end attach_type(struct attach *attach)
{
	char keys[ATTACH_ROOM];
	const ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return ATTACH_GOES_ON;
	if (n <= 0) {
		attach->typed_ended = 1;
		return attach->terminal.descriptor >= 0 ? ATTACH_DETACHED : ATTACH_GOES_ON;
	}
	attach->typed_first = attach->typed_used = 0;
	return attach_keys(attach, keys, (size_t)n) ? ATTACH_DETACHED : ATTACH_GOES_ON;
}

static enum attach_end attach_send(struct attach *attach)
{
	const ssize_t n =
		send(attach->line, attach->typed + attach->typed_first,
		     attach->typed_used - attach->typed_first, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return ATTACH_LINE_ENDED;
	if (n > 0)
		attach->typed_first += (size_t)n;
	return ATTACH_GOES_ON;
}

static enum attach_end attach_show(const struct attach *attach)
{
	char text[ATTACH_ROOM];
	const ssize_t n = recv(attach->line, text, sizeof(text), MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return ATTACH_GOES_ON;
	if (n <= 0)
		return ATTACH_LINE_ENDED;
	return attach_write(text, (size_t)n) ? ATTACH_FAILED : ATTACH_GOES_ON;
}

static enum attach_end attach_signalled(const struct attach *attach)
{
	struct signalfd_siginfo info;

	if (read(attach->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return ATTACH_GOES_ON;
	if (info.ssi_signo == SIGCONT) {
		cli_terminal_raw(&attach->terminal);
		return ATTACH_GOES_ON;
	}
	if (info.ssi_signo != SIGTSTP)
		return ATTACH_DETACHED;
	cli_terminal_restore(&attach->terminal);
	(void)raise(SIGSTOP);
	return ATTACH_GOES_ON;
}

static enum attach_end attach_turn(struct attach *attach)
{
	const int typing = attach->typed_first < attach->typed_used;
	struct pollfd polls[] = {
		{ .fd = attach->line, .events = (short)(POLLIN | (typing ? POLLOUT : 0)) },
		{ .fd = attach->signals, .events = POLLIN },
		{ .fd = typing || attach->typed_ended ? -1 : STDIN_FILENO, .events = POLLIN },
	};
	enum attach_end end = ATTACH_GOES_ON;

	if (poll(polls, 3, -1) < 0)
		return errno == EINTR ? ATTACH_GOES_ON : ATTACH_FAILED;
	if (polls[1].revents)
		end = attach_signalled(attach);
	if (end == ATTACH_GOES_ON && polls[0].revents & (POLLIN | POLLHUP | POLLERR))
		end = attach_show(attach);
	if (end == ATTACH_GOES_ON && polls[0].revents & POLLOUT)
		end = attach_send(attach);
	if (end == ATTACH_GOES_ON && polls[2].revents)
		end = attach_type(attach);
	return end;
}

/* Says how it ended, once the terminal is the user's again. */
static int attach_said(struct cli_remote *remote, enum attach_end end)
{
	if (end == ATTACH_FAILED) {
		cli_say("standard output: cannot be written");
		return CLI_FAILED;
	}
	if (end != ATTACH_LINE_ENDED || cli_remote_wait_end(remote, 500) == 0)
		return 0;
	cli_say("%s: another client took the console", remote->vm);
	return CLI_FAILED;
}

static int attach_run(struct cli_remote *remote, struct attach *attach)
{
	enum attach_end end = ATTACH_GOES_ON;

	attach->signals = cli_signals_open(1);
	if (attach->signals < 0 || cli_terminal_open(&attach->terminal, STDIN_FILENO) < 0) {
		cli_say("the terminal: %s", strerror(errno));
		return CLI_FAILED;
	}
	if (attach->terminal.descriptor >= 0 && attach->key >= 0)
		fprintf(stderr, "console of %s; ctrl-%c d detaches\n", remote->vm,
			attach->key + 0x60);
	cli_terminal_raw(&attach->terminal);
	while (end == ATTACH_GOES_ON)
		end = attach_turn(attach);
	cli_terminal_close(&attach->terminal);
	(void)close(attach->signals);
	return attach_said(remote, end);
}

/* A closed standard stream would be the number of the next descriptor that we open. */
static void attach_streams(void)
{
	int file;

	do
		file = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (file >= 0 && file <= STDERR_FILENO);
	if (file >= 0)
		(void)close(file);
}

int cli_attach(const struct cli_options *options)
{
	struct attach attach = { .key = attach_key(options->escape) };
	struct cli_remote remote;
	int ends[2], status;

	attach_streams();

	if (attach.key == ATTACH_BAD_KEY) {
		cli_say("--escape %s: neither none nor ctrl- and a letter or one of [ \\ ] ^ _",
			options->escape);
		return LICHEN_VM_BAD_INPUT;
	}
	status = cli_remote_open(&remote, options->operand, 0);
	if (status)
		return status;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
		cli_say("console: %s", strerror(errno));
		cli_remote_close(&remote);
		return CLI_FAILED;
	}
	status = cli_remote_call(&remote, "console.attach",
				 json_pack("{s:i, s:b}", "console", 0, "force", options->force),
				 &ends[1], 1, NULL);
	(void)close(ends[1]);
	attach.line = ends[0];
	if (status == 0)
		status = attach_run(&remote, &attach);
	(void)close(ends[0]);
	cli_remote_close(&remote);
	return status;
}
