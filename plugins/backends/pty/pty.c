/* SPDX-License-Identifier: MIT */
/*
 * pty: a character backend that speaks through a pseudo terminal, for programs
 * that talk to a serial line: screen, minicom, a getty's other end.
 *
 *	devices:
 *	  - { plugin: serial16550, port: 0x2f8, irq: 3, backend: { plugin: pty } }
 *
 * The log says which terminal it is.  It is in raw mode, and again after each
 * program that had it open.  Programs come and go.
 *
 * Limits: 64 KiB of output wait for a slow program.  That one has come is noticed
 * within 100 ms, or by what it sends.  One device an instance.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

#include <lichen/backend.h>
#include <lichen/sdk/stream.h>

static const uint64_t PTY_POLL_NS = 100000000; /* between looks while nobody is there */

/* All is guarded by the instance lock. */
struct pty {
	struct lichen_dev dev;
	int32_t ptmx; /* parameter; the master side */
	uint32_t when_full;
	uint32_t when_absent;
	struct lichen_stream stream;
};

static const char *const pty_policies[] = { "wait", "drop" };

static const struct lichen_param pty_params[] = {
	LICHEN_PARAM_AS(LICHEN_FILE, struct pty, ptmx,
			.flags = LICHEN_PARAM_DEVICE | LICHEN_PARAM_READ | LICHEN_PARAM_WRITE,
			.text_fallback = "/dev/ptmx", .help = "device that makes the terminal"),
	LICHEN_PARAM_AS(LICHEN_CHOICE, struct pty, when_full,
			.choices = LICHEN_TABLE(pty_policies), .fallback = LICHEN_STREAM_WAIT,
			.help = "for output that a slow program leaves no room for"),
	LICHEN_PARAM_AS(LICHEN_CHOICE, struct pty, when_absent,
			.choices = LICHEN_TABLE(pty_policies), .fallback = LICHEN_STREAM_DROP,
			.help = "for output while nobody has the terminal open"),
};

/* 1: a program has the terminal open, or has left something in it. */
static int pty_is_open(const struct pty *p)
{
	struct pollfd master = { .fd = p->ptmx, .events = POLLIN };

	return poll(&master, 1, 0) == 0 || !(master.revents & POLLHUP) ||
	       master.revents & POLLIN;
}

/* [vcpu or control or io, running] */
static lichen_status pty_write(void *self, uint64_t client, const uint8_t *data, uint32_t size,
			       uint32_t *taken)
{
	struct pty *p = self;
	lichen_status status;

	if (p->stream.descriptor < 0 && pty_is_open(p)) {
		/* It is kept for who has just come; the timer lets them in. */
		p->stream.when_absent = LICHEN_STREAM_WAIT;
		p->dev.host->timer_arm(p->dev.in, p->stream.again, 0);
	}
	status = lichen_stream_write(&p->stream, client, data, size, taken);
	p->stream.when_absent = p->when_absent;
	return status;
}

/* [vcpu or control or io, running] */
static void pty_ask(void *self, uint64_t client, uint32_t size)
{
	struct pty *p = self;

	lichen_stream_ask(&p->stream, client, size);
}

static const struct lichen_char_ops pty_char = {
	LICHEN_STRUCT(struct lichen_char_ops),
	.write = pty_write,
	.ask = pty_ask,
};

static const struct lichen_provide pty_provides[] = {
	LICHEN_PROVIDE(LICHEN_CHAR, pty_char),
};

/* No echo, no lines, no signals: bytes as they are.  Set on the master it is the terminal's. */
static int pty_make_raw(const struct pty *p)
{
	struct termios settings;

	if (tcgetattr(p->ptmx, &settings))
		return -1;
	cfmakeraw(&settings);
	return tcsetattr(p->ptmx, TCSANOW, &settings);
}

/* Lets in who has come, or has itself called again. */
static void pty_look(struct pty *p)
{
	const struct lichen_host *host = p->dev.host;

	lichen_stream_receive(&p->stream); /* what the last one left */
	if (!pty_is_open(p) || lichen_stream_attach(&p->stream, p->ptmx, 0) < 0)
		host->timer_arm(p->dev.in, p->stream.again,
				host->clock_now(p->dev.in, LICHEN_CLOCK_HOST) + PTY_POLL_NS);
}

static void pty_detach(struct pty *p)
{
	lichen_stream_detach(&p->stream);
	if (pty_make_raw(p))
		p->dev.host->log_guest(p->dev.in, LICHEN_LOG_WARN,
				       "the terminal cannot be made raw: %s", strerror(errno));
	pty_look(p);
}

/* [control or io, running] */
static void pty_ready(void *self, uint64_t cookie, uint32_t events)
{
	struct pty *p = self;

	(void)cookie;
	if (lichen_stream_ready(&p->stream, events))
		pty_detach(p);
}

/* [control or io, running] */
static void pty_timer(void *self, uint64_t cookie)
{
	struct pty *p = self;

	(void)cookie;
	if (p->stream.descriptor < 0)
		pty_look(p);
	else if (lichen_stream_ready(&p->stream, 0))
		pty_detach(p);
}

/* [control, created to running] */
static void pty_client(void *self, const char *id, uint64_t client, uint32_t joined)
{
	struct pty *p = self;

	(void)id;
	lichen_stream_client(&p->stream, client, joined);
}

/* What ptmx is of: -errno where it is not that. */
static int pty_open(const struct pty *p, uint32_t *number)
{
	const int unlocked = 0;
	int slave;

	if (ioctl(p->ptmx, TIOCGPTN, number) || ioctl(p->ptmx, TIOCSPTLCK, &unlocked) ||
	    pty_make_raw(p) || fcntl(p->ptmx, F_SETFL, O_RDWR | O_NONBLOCK))
		return -errno;
	/* Only a terminal that was opened and closed says that nobody has it open. */
	slave = ioctl(p->ptmx, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return -errno;
	close(slave);
	return 0;
}

/* [control, created] */
static lichen_status pty_create(void *self)
{
	struct pty *p = self;
	uint32_t number;
	int status;

	lichen_stream_prepare(&p->stream, &p->dev);
	p->stream.when_full = p->when_full;
	p->stream.when_absent = p->when_absent;
	status = p->ptmx < 0 ? -LICHEN_ENODEV : pty_open(p, &number);
	if (status) {
		p->dev.host->error(p->dev.in, "ptmx: no pseudo terminal: %s",
				   strerror(-status));
		return status;
	}
	p->dev.host->log(p->dev.in, LICHEN_LOG_INFO, "the terminal is /dev/pts/%u", number);
	return 0;
}

/* [control, created] */
static lichen_status pty_realize(void *self)
{
	struct pty *p = self;

	return p->dev.host->timer_create(p->dev.in, LICHEN_CLOCK_HOST, 0, &p->stream.again);
}

/* [control, realized or paused] */
static void pty_resume(void *self)
{
	struct pty *p = self;

	if (p->stream.descriptor < 0)
		pty_look(p);
}

/*
 * The end of the master takes what nobody has read yet with it: waits until the
 * program has, LICHEN_STREAM_FINISH_MS at most.
 */
static void pty_wait_read(const struct pty *p)
{
	struct pollfd slave = { .fd = ioctl(p->ptmx, TIOCGPTPEER,
					    O_RDWR | O_NOCTTY | O_CLOEXEC),
				.events = POLLIN };
	int left = 0;

	if (slave.fd < 0)
		return;
	for (int i = 0; i < LICHEN_STREAM_FINISH_MS / 10; i++) {
		/* Bytes are still on their way after a write; poll() makes them arrive. */
		if (poll(&slave, 1, 0) < 0 || ioctl(slave.fd, FIONREAD, &left) || left == 0)
			break;
		(void)poll(NULL, 0, 10);
	}
	close(slave.fd);
}

/* [control, drained] */
static void pty_destroy(void *self)
{
	struct pty *p = self;
	const int is_open = p->stream.descriptor >= 0 && pty_is_open(p);

	lichen_stream_finish(&p->stream);
	if (is_open)
		pty_wait_read(p);
}

static const struct lichen_class pty_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "speaks through a pseudo terminal",
	.instance_size = sizeof(struct pty),
	.params = LICHEN_TABLE(pty_params),
	.provides = LICHEN_TABLE(pty_provides),
	.create = pty_create,
	.realize = pty_realize,
	.resume = pty_resume,
	.destroy = pty_destroy,
	.timer = pty_timer,
	.ready = pty_ready,
	.client = pty_client,
};

LICHEN_BACKEND_PLUGIN("pty", "0.1", pty_class);
