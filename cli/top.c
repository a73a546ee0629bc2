/* SPDX-License-Identifier: MIT */
/*
 * top.c: `lichen top`: a VM as it goes, once a second, on a terminal of 80 by 24 or more.
 * q, ctrl-c or the VM's end leave, and the terminal is what it was.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "top.h"

enum { TOP_MS = 1000, TOP_LINES = 24, TOP_WINDOWS = 64, TOP_HEAD = 8 };

/* What is shown: two answers and the time between them. */
struct top {
	const json_t *before, *now, *status;
	struct cli_top_guest guest;
	double seconds;
	int lines, left; /* of the screen; not yet written */
	int live;	 /* 1: each line clears what was there */
};

static void top_end_line(struct top *top)
{
	fputs(top->live ? "\x1b[K\r\n" : "\n", stdout);
	top->left--;
}

static double top_rate(const json_t *before, const json_t *now, const char *member,
		       double seconds)
{
	const uint64_t was = cli_hex(before, member), is = cli_hex(now, member);

	return seconds > 0 && is >= was ? (double)(is - was) / seconds : 0;
}

static void top_head(struct top *top)
{
	const json_t *memory = json_object_get(top->now, "memory");
	const uint64_t up = cli_hex(top->now, "uptime_ns") / 1000000000;

	printf("%.32s  %s  up %" PRIu64 ":%02u:%02u  pid %" JSON_INTEGER_FORMAT,
	       cli_text(top->now, "name"), cli_text(top->status, "state"), up / 3600,
	       (unsigned)(up % 3600 / 60), (unsigned)(up % 60),
	       json_integer_value(json_object_get(top->status, "pid")));
	top_end_line(top);
	printf("memory %" PRIu64 " MiB, resident %" PRIu64 " MiB   instances "
	       "%" JSON_INTEGER_FORMAT "   console %s   clients %" JSON_INTEGER_FORMAT,
	       cli_hex(memory, "guest") >> 20, cli_hex(memory, "resident") >> 20,
	       json_integer_value(json_object_get(top->status, "instances")),
	       cli_text(top->status, "console"),
	       json_integer_value(json_object_get(top->status, "clients")));
	top_end_line(top);
	if (cli_top_guest_line(&top->guest))
		top_end_line(top);
	top_end_line(top);
}

static void top_vcpus(struct top *top, int lines)
{
	const json_t *list = json_object_get(top->now, "vcpus"), *vcpu;
	size_t i;

	printf("%4s %6s %9s %9s %9s %9s %12s", "VCPU", "CPU%", "IO/S", "MMIO/S", "MSR/S",
	       "OTHER/S", "DISPATCH");
	if (top->guest.tasks)
		fputs(" TASK", stdout);
	top_end_line(top);
	json_array_foreach(list, i, vcpu)
	{
		const json_t *was = json_array_get(json_object_get(top->before, "vcpus"), i);
		const json_t *exits = json_object_get(vcpu, "exits");
		const json_t *before = json_object_get(was, "exits");
		const double s = top->seconds;
		const uint64_t sampled = cli_hex(vcpu, "sampled");
		const double mean =
			sampled ? (double)cli_hex(vcpu, "sampled_ns") / 1000 / (double)sampled
				: 0;
		char task[CLI_TOP_TASK];

		if (lines-- == 0)
			return;
		printf("%4zu %6.1f %9.0f %9.0f %9.0f %9.0f %9.2f us", i,
		       top_rate(was, vcpu, "cpu_ns", s) / 1e7, top_rate(before, exits, "io", s),
		       top_rate(before, exits, "mmio", s), top_rate(before, exits, "msr", s),
		       top_rate(before, exits, "kick", s) + top_rate(before, exits, "other", s),
		       mean);
		cli_top_guest_task(&top->guest, i, task);
		if (task[0])
			(void)putchar(' ');
		cli_put(task, stdout);
		top_end_line(top);
	}
	top_end_line(top);
}

struct top_window {
	const json_t *window;
	double rate;
};

static int top_compare(const void *a, const void *b)
{
	const double x = ((const struct top_window *)a)->rate;
	const double y = ((const struct top_window *)b)->rate;

	return (x < y) - (x > y);
}

/* The same window in the answer before; NULL: it has come since. */
static const json_t *top_before(const struct top *top, const json_t *window)
{
	const json_t *list = json_object_get(top->before, "windows"), *was;
	size_t i;

	json_array_foreach(list, i,
			   was) if (strcmp(cli_text(was, "id"), cli_text(window, "id")) == 0 &&
				    strcmp(cli_text(was, "window"),
					   cli_text(window, "window")) == 0) return was;
	return NULL;
}

static void top_windows(struct top *top)
{
	const json_t *list = json_object_get(top->now, "windows"), *window;
	struct top_window windows[TOP_WINDOWS] = { 0 };
	size_t i, count = 0;

	json_array_foreach(list, i, window)
	{
		if (count < TOP_WINDOWS)
			windows[count++] =
				(struct top_window){ window,
						     top_rate(top_before(top, window), window,
							      "accesses", top->seconds) };
	}
	qsort(windows, count, sizeof(windows[0]), top_compare);
	printf("%-20s %-16s %-16s %10s %14s", "DEVICE", "PLUGIN", "WINDOW", "ACCESS/S",
	       "ACCESSES");
	top_end_line(top);
	for (i = 0; i < count && top->left > 1; i++) {
		printf("%-20.20s %-16.16s %-16.16s %10.0f %14" PRIu64,
		       cli_text(windows[i].window, "id"), cli_text(windows[i].window, "plugin"),
		       cli_text(windows[i].window, "window"), windows[i].rate,
		       cli_hex(windows[i].window, "accesses"));
		top_end_line(top);
	}
}

static void top_frame(struct top *top)
{
	const int vcpus = (int)json_array_size(json_object_get(top->now, "vcpus"));
	const int room = (top->lines - TOP_HEAD) / 2;

	top->left = top->lines;
	if (top->live)
		fputs("\x1b[H", stdout);
	top_head(top);
	top_vcpus(top, vcpus < room ? vcpus : room);
	top_windows(top);
	if (top->live)
		fputs("\x1b[J", stdout);
	(void)fflush(stdout);
}

static int top_lines(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > TOP_HEAD)
		return size.ws_row;
	return TOP_LINES;
}

/* Waits for the next second; 1: a key or a signal says to leave. */
static int top_wait(int signals, int live)
{
	struct pollfd polls[] = { { .fd = signals, .events = POLLIN },
				  { .fd = live ? STDIN_FILENO : -1, .events = POLLIN } };
	struct signalfd_siginfo info;
	char key;

	if (poll(polls, 2, TOP_MS) <= 0)
		return 0;
	if (polls[0].revents)
		return read(signals, &info, sizeof(info)) > 0;
	if (read(STDIN_FILENO, &key, 1) != 1)
		return 1;
	return key == 'q' || key == 3 || key == 4; /* ctrl-c, ctrl-d */
}

/* One round: asks, shows.  0: it went on. */
static int top_round(struct cli_remote *remote, struct top *top, json_t **before)
{
	json_t *now = NULL, *status = NULL;
	int failed = cli_remote_call(remote, "metrics", NULL, NULL, 0, &now);

	if (!failed)
		failed = cli_remote_call(remote, "status", NULL, NULL, 0, &status);
	if (!failed) {
		top->before = *before;
		top->now = now;
		top->status = status;
		top->seconds =
			(double)(cli_hex(now, "uptime_ns") - cli_hex(*before, "uptime_ns")) /
			1e9;
		top->lines = top->live ? top_lines() : 4096;
		cli_top_guest_ask(remote, &top->guest);
		if (*before || !top->live)
			top_frame(top);
		cli_top_guest_clear(&top->guest);
		json_decref(*before);
		*before = json_incref(now);
	}
	json_decref(now);
	json_decref(status);
	return failed;
}

static int top_live(struct cli_remote *remote)
{
	const int signals = cli_signals_open(0);
	struct cli_terminal terminal;
	struct top top = { .live = 1 };
	json_t *before = NULL;
	int status = 0;

	if (signals < 0 || cli_terminal_open(&terminal, STDIN_FILENO) < 0) {
		cli_say("the terminal: %s", strerror(errno));
		return CLI_FAILED;
	}
	cli_terminal_raw(&terminal);
	fputs("\x1b[?1049h\x1b[?25l\x1b[2J", stdout);
	do
		status = top_round(remote, &top, &before);
	while (status == 0 && !top_wait(signals, 1));
	fputs("\x1b[?25h\x1b[?1049l", stdout);
	(void)fflush(stdout);
	cli_terminal_close(&terminal);
	(void)close(signals);
	json_decref(before);
	return status;
}

/* One frame, whose rates are those of the next second. */
static int top_once(struct cli_remote *remote)
{
	json_t *before = NULL;
	struct top top = { 0 };
	int status = cli_remote_call(remote, "metrics", NULL, NULL, 0, &before);

	if (status == 0) {
		(void)poll(NULL, 0, TOP_MS);
		status = top_round(remote, &top, &before);
	}
	json_decref(before);
	return status;
}

int cli_top(const struct cli_options *options)
{
	struct cli_remote remote;
	int status;

	if (!options->once && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))) {
		cli_say("top: standard input and output are no terminal: see --once");
		return LICHEN_VM_BAD_INPUT;
	}
	status = cli_remote_open(&remote, options->operand, 0);
	if (status)
		return status;
	status = options->once ? top_once(&remote) : top_live(&remote);
	cli_remote_close(&remote);
	return cli_flush(status);
}
