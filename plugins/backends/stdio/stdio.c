/* SPDX-License-Identifier: MIT */
/*
 * stdio: a character backend that speaks to the VM's console, which is the
 * standard input and output of `lichen run`.
 *
 *	devices:
 *	  - { plugin: serial16550, port: 0x3f8, irq: 4, backend: { plugin: stdio } }
 *
 * A terminal is in raw mode while the guest runs in the foreground, and is given
 * back when the VM ends, is stopped by job control, or is killed (terminal.h).
 * On a terminal the escape key, then one more, is for us:
 *	x  ends the VM			b  a break condition
 *	h  prints this list		the escape key itself: sends it
 *
 * Limits: 64 KiB of output wait for a slow reader, then the device waits, unless
 * when_full says that what does not fit is dropped.  From
 * a terminal up to 4 KiB are read ahead of the guest, so that the escape key
 * works while the guest does not read; from pipes and files nothing is.  One
 * device an instance.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lichen/backend.h>

#include "terminal.h"

enum {
	STDIO_OUTPUT = 64 << 10, /* bytes; a power of two */
	STDIO_INPUT = 4096,	 /* bytes; also the most that is posted in one go */
	STDIO_FLUSH_MS = 100,	 /* at the end, for a reader that is slow */
};

enum stdio_cookie {
	STDIO_COOKIE_INPUT = 0,
	STDIO_COOKIE_OUTPUT = 1,
};

enum stdio_policy { STDIO_WAIT = 0, STDIO_DROP = 1 };

/* All is guarded by the instance lock. */
struct stdio {
	struct lichen_dev dev;
	const char *escape; /* parameter */
	uint32_t when_full; /* parameter; enum stdio_policy */
	int32_t input;	    /* owned; -1: none */
	int32_t output;	    /* the same */
	struct terminal terminal;
	int16_t escape_key; /* -1: none */
	uint8_t escaped;    /* the escape key came, what it means comes next */
	uint8_t break_due;  /* BREAK is to be posted behind `break_after` bytes */
	uint8_t stopped;    /* in the background, the terminal is another's to read */
	uint8_t input_ended;
	uint8_t closed; /* CLOSED was posted */
	uint8_t output_failed;
	uint8_t cut;	  /* a write was cut short: WRITABLE is owed */
	uint64_t client;  /* 0: none */
	uint32_t credit;  /* bytes that may be posted */
	uint32_t in_used; /* bytes in `in`, read but not posted; terminals only */
	uint32_t break_after;
	uint32_t out_first; /* oldest byte in `out` */
	uint32_t out_used;
	uint64_t dropped;	 /* bytes of output since it was said */
	uint64_t dropped_in_all; /* bytes */
	lichen_handle watch_in;	 /* 0: not watched, `more` brings us back */
	lichen_handle watch_out; /* 0: never waits */
	lichen_handle more;	 /* timer */
	uint8_t in[STDIO_INPUT];
	uint8_t out[STDIO_OUTPUT]; /* ring */
};

static const char *const stdio_policies[] = { "wait", "drop" };

static const struct lichen_param stdio_params[] = {
	LICHEN_PARAM(
		struct stdio, escape, .text_fallback = "ctrl-a",
		.help = "key that starts a command on a terminal: ctrl- and a letter, or none"),
	LICHEN_PARAM_AS(LICHEN_CHOICE, struct stdio, when_full,
			.choices = LICHEN_TABLE(stdio_policies), .fallback = STDIO_WAIT,
			.help = "for output that a slow reader leaves no room for"),
};

/* --- output --- */

/*
 * write(2) without SIGPIPE, which the process may not have thought of.  Returns
 * bytes written or -errno.
 */
static ssize_t stdio_put(int descriptor, const uint8_t *data, size_t size)
{
	static const struct timespec at_once = { 0, 0 };
	sigset_t pipe, pending, old;
	ssize_t n;

	sigpending(&pending);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &old);
	do
		n = write(descriptor, data, size);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		n = -errno;
	/* The one that this write raised, not one that was waiting before. */
	if (n == -EPIPE && !sigismember(&pending, SIGPIPE))
		(void)sigtimedwait(&pipe, NULL, &at_once);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return n;
}

static void stdio_drop(struct stdio *s, uint32_t size)
{
	s->dropped += size;
	s->dropped_in_all += size;
}

/* Nothing is written any more; it is still counted. */
static void stdio_fail_output(struct stdio *s, const char *why)
{
	s->output_failed = 1;
	stdio_drop(s, s->out_used);
	s->out_used = 0;
	s->dev.host->log(s->dev.in, LICHEN_LOG_WARN, "output is dropped from here on: %s", why);
}

/* Says how much was dropped, once the reader reads again. */
static void stdio_tell(struct stdio *s)
{
	if (s->dropped)
		s->dev.host->log_guest(s->dev.in, LICHEN_LOG_WARN,
				       "%llu bytes of output were dropped while nobody read",
				       (unsigned long long)s->dropped);
	s->dropped = 0;
}

/* Writes what the reader takes now.  Returns bytes written. */
static uint32_t stdio_flush(struct stdio *s)
{
	uint32_t total = 0;

	while (s->out_used && !s->output_failed) {
		const uint32_t to_end = STDIO_OUTPUT - s->out_first;
		const uint32_t run = s->out_used < to_end ? s->out_used : to_end;
		const ssize_t n = stdio_put(s->output, s->out + s->out_first, run);

		if (n == -EAGAIN)
			break;
		if (n <= 0) {
			stdio_fail_output(s, n ? strerror((int)-n) : "nothing was written");
			break;
		}
		s->out_first = (s->out_first + (uint32_t)n) % STDIO_OUTPUT;
		s->out_used -= (uint32_t)n;
		total += (uint32_t)n;
	}
	return total;
}

/* Copies what fits into the ring.  Returns bytes copied. */
static uint32_t stdio_queue(struct stdio *s, const uint8_t *data, uint32_t size)
{
	const uint32_t last = (s->out_first + s->out_used) % STDIO_OUTPUT;
	const uint32_t room = STDIO_OUTPUT - s->out_used;
	const uint32_t n = size < room ? size : room;
	const uint32_t to_end = STDIO_OUTPUT - last;
	const uint32_t first = n < to_end ? n : to_end;

	memcpy(s->out + last, data, first);
	memcpy(s->out, data + first, n - first);
	s->out_used += n;
	return n;
}

/* Has us called when the reader takes more, while there is something for it. */
static void stdio_watch_output(struct stdio *s)
{
	if (s->watch_out)
		s->dev.host->watch_update(s->dev.in, s->watch_out,
					  s->out_used ? LICHEN_WATCH_WRITE : 0);
}

/* [vcpu or control or io, running] */
static lichen_status stdio_write(void *self, uint64_t client, const uint8_t *data,
				 uint32_t size, uint32_t *taken)
{
	struct stdio *s = self;
	uint32_t done = 0;

	if (client != s->client || s->output_failed) {
		if (client == s->client)
			stdio_drop(s, size);
		*taken = size;
		return 0;
	}
	do
		done += stdio_queue(s, data + done, size - done);
	while (stdio_flush(s) && done < size);
	if (done < size && !s->watch_out) /* it hung up before: nobody would tell of room */
		stdio_fail_output(s, "the reader is gone");
	if (done < size &&
	    (s->output_failed /* since this write */ || s->when_full == STDIO_DROP)) {
		stdio_drop(s, size - done);
		done = size;
	}
	s->cut = done < size;
	stdio_watch_output(s);
	*taken = done;
	return 0;
}

/* What is left for the reader went on its way; tells a device that waits. */
static void stdio_ready_output(struct stdio *s, uint32_t events)
{
	stdio_flush(s);
	if (events & LICHEN_WATCH_HANGUP) {
		/* Reported without end: look no more.  A later write says EPIPE itself. */
		s->dev.host->watch_release(s->dev.in, s->watch_out);
		s->watch_out = 0;
		if (s->out_used)
			stdio_fail_output(s, "the reader is gone");
	}
	stdio_watch_output(s);
	if (s->out_used == 0 && !s->output_failed)
		stdio_tell(s);
	if (s->cut && s->out_used < STDIO_OUTPUT / 2) {
		s->cut = 0;
		s->dev.host->post(s->dev.in, s->client, LICHEN_CHAR_WRITABLE, NULL, 0);
	}
}

static void stdio_help(struct stdio *s)
{
	const char *const key = s->escape;
	char text[256];
	int size;

	if (s->output_failed)
		return;
	size = snprintf(text, sizeof(text),
			"\r\n%s x  end the VM\r\n%s b  send a break\r\n%s h  this help\r\n"
			"%s %s  send the key itself\r\n",
			key, key, key, key, key);
	if (size <= 0 || size >= (int)sizeof(text)) /* the key has at most 6 letters */
		return;
	stdio_queue(s, (const uint8_t *)text, (uint32_t)size);
	stdio_flush(s);
	stdio_watch_output(s);
}

/* --- input --- */

/* Bytes that may be read now. */
static uint32_t stdio_room(const struct stdio *s)
{
	uint32_t limit = STDIO_INPUT;

	if (s->input < 0 || s->input_ended || s->stopped)
		return 0;
	if (s->terminal.descriptor < 0 && s->credit < limit)
		limit = s->credit;
	return limit > s->in_used ? limit - s->in_used : 0;
}

/* Has us called when there is more to read, while there is room for it. */
static void stdio_watch_input(struct stdio *s)
{
	const uint32_t room = stdio_room(s);

	if (s->watch_in)
		s->dev.host->watch_update(s->dev.in, s->watch_in, room ? LICHEN_WATCH_READ : 0);
	else if (room)
		s->dev.host->timer_arm(s->dev.in, s->more, 0);
}

/* Posts what was read, as far as the device takes it, then a break or the end. */
static void stdio_deliver(struct stdio *s)
{
	uint32_t n = s->in_used;

	if (s->break_due && n > s->break_after)
		n = s->break_after;
	if (n > s->credit)
		n = s->credit;
	if (n && s->dev.host->post(s->dev.in, s->client, LICHEN_CHAR_RECEIVED, s->in, n))
		n = 0; /* no memory: they stay for the next call */
	memmove(s->in, s->in + n, s->in_used - n);
	s->in_used -= n;
	s->credit -= n;
	if (s->break_due) {
		s->break_after -= n;
		if (s->break_after == 0 && s->client) {
			s->break_due = 0;
			s->dev.host->post(s->dev.in, s->client, LICHEN_CHAR_BREAK, NULL, 0);
			stdio_deliver(s);
			return;
		}
	}
	if (s->input_ended && s->in_used == 0 && !s->closed && s->client) {
		s->closed = 1;
		s->dev.host->post(s->dev.in, s->client, LICHEN_CHAR_CLOSED, NULL, 0);
	}
}

/* Takes one byte from the terminal: the guest's, or a command for us. */
static void stdio_key(struct stdio *s, uint8_t byte)
{
	if (!s->escaped && byte == s->escape_key) {
		s->escaped = 1;
		return;
	}
	if (!s->escaped || byte == s->escape_key) {
		s->escaped = 0;
		s->in[s->in_used++] = byte;
		return;
	}
	s->escaped = 0;
	switch (byte) {
	case 'x':
		s->dev.host->request_end(s->dev.in, LICHEN_END_STOP, 0);
		break;
	case 'b':
		/* A second one while the guest takes nothing is the same one. */
		s->break_after = s->in_used;
		s->break_due = 1;
		break;
	case 'h':
		stdio_help(s);
		break;
	default: /* not a command: neither is it the guest's */
		break;
	}
}

static void stdio_end_input(struct stdio *s)
{
	s->input_ended = 1;
	if (s->watch_in) {
		s->dev.host->watch_release(s->dev.in, s->watch_in);
		s->watch_in = 0;
	}
	stdio_deliver(s);
}

/* [control or io, running] Reads once, so that a fast writer cannot keep us here. */
static void stdio_read(struct stdio *s)
{
	uint8_t *const to = s->in + s->in_used;
	const uint32_t room = stdio_room(s);
	ssize_t n;

	if (room == 0)
		return;
	if (s->terminal.descriptor >= 0 && !terminal_foreground(&s->terminal)) {
		/* Reading would stop the process; RESUME brings us back. */
		s->stopped = 1;
		return;
	}
	n = read(s->input, to, room);
	/* After a hang-up nobody is left whom to wait for. */
	if (n < 0 && (errno == EINTR || (errno == EAGAIN && s->watch_in)))
		return;
	if (n <= 0) {
		/* A terminal that hung up says EIO. */
		if (n < 0 && errno != EIO && errno != EAGAIN)
			s->dev.host->log(s->dev.in, LICHEN_LOG_WARN, "input ends early: %s",
					 strerror(errno));
		stdio_end_input(s);
		return;
	}
	if (s->terminal.descriptor < 0) {
		s->in_used += (uint32_t)n;
	} else {
		/* In place: a byte is kept at or before where it was read. */
		for (ssize_t i = 0; i < n; i++)
			stdio_key(s, to[i]);
	}
	stdio_deliver(s);
}

/* [vcpu or control or io, running] */
static void stdio_ask(void *self, uint64_t client, uint32_t size)
{
	struct stdio *s = self;

	if (client != s->client)
		return;
	s->credit = size;
	stdio_deliver(s);
	stdio_watch_input(s);
}

static const struct lichen_char_ops stdio_char = {
	LICHEN_STRUCT(struct lichen_char_ops),
	.write = stdio_write,
	.ask = stdio_ask,
};

static const struct lichen_provide stdio_provides[] = {
	LICHEN_PROVIDE(LICHEN_CHAR, stdio_char),
};

/* [control or io, running] */
static void stdio_ready(void *self, uint64_t cookie, uint32_t events)
{
	struct stdio *s = self;

	if (cookie == STDIO_COOKIE_OUTPUT) {
		stdio_ready_output(s, events);
		return;
	}
	if (events & LICHEN_WATCH_HANGUP && s->watch_in) {
		/*
		 * Reported without end, credit or not: from here on the timer
		 * reads what is left, as it is asked for.
		 */
		s->dev.host->watch_release(s->dev.in, s->watch_in);
		s->watch_in = 0;
	}
	stdio_read(s);
	stdio_watch_input(s);
}

/* [control or io, running] Input that cannot be watched: a plain file, or what a peer left. */
static void stdio_timer(void *self, uint64_t cookie)
{
	(void)cookie;
	stdio_read(self);
	stdio_watch_input(self);
}

/* --- life --- */

/* [control, created to running] */
static void stdio_client(void *self, const char *id, uint64_t client, uint32_t joined)
{
	struct stdio *s = self;

	(void)id;
	if (!joined) {
		if (s->client == client) {
			s->client = 0;
			s->credit = 0;
		}
	} else if (s->client == 0) {
		s->client = client;
	} else {
		s->dev.host->log(s->dev.in, LICHEN_LOG_WARN,
				 "a second device shares this console; it is not served");
	}
}

/* [control, running] */
static void stdio_host_event(void *self, uint32_t event)
{
	struct stdio *s = self;
	int status;

	if (s->terminal.descriptor < 0)
		return;
	if (event == LICHEN_HOST_SUSPEND) {
		terminal_restore(&s->terminal);
	} else if (event == LICHEN_HOST_RESUME && terminal_foreground(&s->terminal)) {
		status = terminal_raw(&s->terminal);
		if (status)
			s->dev.host->log(s->dev.in, LICHEN_LOG_WARN,
					 "the terminal cannot be made raw: %s",
					 strerror(-status));
		s->stopped = 0;
		stdio_watch_input(s);
	}
}

/* "none", or "ctrl-" and one of a to z [ \ ] ^ _.  Returns the key, -1 for none, -2 for
 * neither. */
static int16_t stdio_escape_key(const char *text)
{
	if (!strcmp(text, "none"))
		return -1;
	if (strncmp(text, "ctrl-", 5) || text[5] == '\0' || text[6] != '\0')
		return -2;
	if ((text[5] >= 'a' && text[5] <= 'z') || (text[5] >= '[' && text[5] <= '_'))
		return (int16_t)(text[5] & 0x1f);
	return -2;
}

static void stdio_close(struct stdio *s)
{
	terminal_close(&s->terminal);
	if (s->input >= 0)
		close(s->input);
	if (s->output >= 0)
		close(s->output);
}

/* [control, created] */
static lichen_status stdio_create(void *self)
{
	struct stdio *s = self;
	const struct lichen_host *host = s->dev.host;
	const struct lichen_console *console = host->interface(s->dev.in, LICHEN_CONSOLE);
	struct termios settings;
	lichen_status status;

	s->terminal.descriptor = -1;
	s->terminal.socket = -1;
	s->escape_key = stdio_escape_key(s->escape);
	if (s->escape_key < -1) {
		host->error(s->dev.in,
			    "escape: \"%s\" is neither \"none\" nor \"ctrl-\" and a "
			    "letter or one of [ \\ ] ^ _",
			    s->escape);
		return -LICHEN_EINVAL;
	}
	if (!console) {
		host->error(s->dev.in, "there is no console to speak to");
		return -LICHEN_ENODEV;
	}
	status = console->take(s->dev.in, &s->input, &s->output);
	if (status) {
		host->error(s->dev.in, "the console: %s",
			    status == -LICHEN_EBUSY ? "another instance has it already"
						    : strerror(-status));
		return status;
	}
	if (s->output >= 0 && s->output == s->input) {
		s->output = fcntl(s->input, F_DUPFD_CLOEXEC, 0);
		if (s->output < 0) {
			status = -errno;
			host->error(s->dev.in, "the console: %s", strerror(-status));
			stdio_close(s);
			return status;
		}
	}
	s->output_failed = s->output < 0; /* input alone is no fault */
	if (s->input >= 0 && tcgetattr(s->input, &settings) == 0) {
		status = terminal_open(&s->terminal, s->input);
		if (status) {
			host->error(s->dev.in, "no process to guard the terminal: %s",
				    strerror(-status));
			stdio_close(s);
			return status;
		}
	}
	return 0;
}

/* Watches `descriptor`; one that is always ready is not an error. */
static lichen_status stdio_watch(struct stdio *s, int descriptor, uint64_t cookie,
				 lichen_handle *handle)
{
	lichen_status status = 0;

	if (descriptor >= 0)
		status = s->dev.host->watch(s->dev.in, descriptor, 0, cookie, handle);
	return status == -LICHEN_EPERM ? 0 : status;
}

/* [control, created] */
static lichen_status stdio_realize(void *self)
{
	struct stdio *s = self;
	lichen_status status;

	status = s->dev.host->timer_create(s->dev.in, LICHEN_CLOCK_HOST, 0, &s->more);
	if (status == 0)
		status = stdio_watch(s, s->input, STDIO_COOKIE_INPUT, &s->watch_in);
	if (status == 0)
		status = stdio_watch(s, s->output, STDIO_COOKIE_OUTPUT, &s->watch_out);
	if (status == 0 && s->terminal.descriptor >= 0 && s->escape_key >= 0)
		s->dev.host->log(s->dev.in, LICHEN_LOG_INFO,
				 "the console is this terminal; %s h lists its keys",
				 s->escape);
	return status;
}

/* [control, realized or paused] The terminal is ours from the first run on, not before. */
static void stdio_resume(void *self)
{
	struct stdio *s = self;

	stdio_host_event(s, LICHEN_HOST_RESUME);
	stdio_watch_input(s);
}

/* [control, drained] */
static void stdio_destroy(void *self)
{
	struct stdio *s = self;
	struct pollfd reader = { .fd = s->output, .events = POLLOUT };
	struct timespec now;
	int64_t left = STDIO_FLUSH_MS, end;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end = now.tv_sec * 1000 + now.tv_nsec / 1000000 + STDIO_FLUSH_MS;
	stdio_flush(s);
	while (s->out_used && left > 0 && poll(&reader, 1, (int)left) > 0) {
		stdio_flush(s);
		clock_gettime(CLOCK_MONOTONIC, &now);
		left = end - (now.tv_sec * 1000 + now.tv_nsec / 1000000);
	}
	stdio_drop(s, s->out_used);
	if (s->dropped_in_all)
		s->dev.host->log(s->dev.in, LICHEN_LOG_WARN,
				 "%llu bytes of output were dropped in all",
				 (unsigned long long)s->dropped_in_all);
	stdio_close(s);
}

static const struct lichen_class stdio_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "the VM's console: a terminal, pipes or files",
	.instance_size = sizeof(struct stdio),
	.params = LICHEN_TABLE(stdio_params),
	.provides = LICHEN_TABLE(stdio_provides),
	.create = stdio_create,
	.realize = stdio_realize,
	.resume = stdio_resume,
	.destroy = stdio_destroy,
	.timer = stdio_timer,
	.ready = stdio_ready,
	.client = stdio_client,
	.host_event = stdio_host_event,
};

LICHEN_BACKEND_PLUGIN("stdio", "0.1", stdio_class);
