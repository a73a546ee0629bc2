/* SPDX-License-Identifier: MIT */
/*
 * file: a character backend that writes what the device sends to a file, and
 * lets the device receive what another file holds.
 *
 *	devices:
 *	  - { plugin: serial16550, port: 0x3f8, irq: 4, backend: { plugin: file, path: log } }
 *
 * Limits: regular files only, so that nobody waits for a peer.  What cannot be
 * written (a full disk) is lost: the guest goes on, the log says so once, and
 * says how much it was at the end.  Several devices may share one instance:
 * their output is merged as it comes, input goes to the first.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lichen/backend.h>

enum { FILE_CHUNK = 4096 }; /* most that is read and posted in one go, bytes */

/* All is guarded by the instance lock. */
struct file {
	struct lichen_dev dev;
	int32_t path;  /* parameter; the host's descriptor */
	int32_t input; /* parameter; -1: nothing to receive */
	uint8_t append;
	uint8_t failing;    /* the loss was said */
	uint8_t ended;	    /* CLOSED was posted */
	uint64_t client;    /* who receives; 0: nobody yet */
	uint32_t credit;    /* bytes that may be posted */
	uint8_t begun;	    /* the file is as it is to be written to */
	uint64_t lost;	    /* bytes since create */
	uint64_t input_at;  /* in a state: where it goes on in `input` */
	lichen_handle more; /* timer: credit is left after a chunk */
};

static const struct lichen_param file_params[] = {
	LICHEN_PARAM_AS(LICHEN_FILE, struct file, path,
			.flags = LICHEN_PARAM_WRITE | LICHEN_PARAM_CREATE |
				 LICHEN_PARAM_REQUIRED,
			.help = "file that takes what the device sends"),
	LICHEN_PARAM_AS(LICHEN_BOOL, struct file, append,
			.help = "keep what the file holds and write behind it"),
	LICHEN_PARAM_AS(LICHEN_FILE, struct file, input, .flags = LICHEN_PARAM_READ,
			.help = "file whose bytes the device receives"),
};

static const struct lichen_field file_state[] = {
	LICHEN_FIELD(struct file, begun, .since = 1),
	LICHEN_FIELD(struct file, failing, .since = 1),
	LICHEN_FIELD(struct file, ended, .since = 1,
		     .help = "the device knows that nothing comes"),
	LICHEN_FIELD(struct file, credit, .since = 1, .help = "bytes that the device asks for"),
	LICHEN_FIELD(struct file, lost, .since = 1),
	LICHEN_FIELD(struct file, input_at, .since = 1,
		     .help = "where it goes on in the input"),
};

/* Counts bytes that could not be written, and tells of the first. */
static void file_lose(struct file *f, uint32_t size, const char *why)
{
	f->lost += size;
	if (f->failing)
		return;
	f->failing = 1;
	f->dev.host->log(f->dev.in, LICHEN_LOG_WARN, "output is lost: %s", why);
}

/* [vcpu or control or io, running] Takes everything; what the file refuses is lost. */
static lichen_status file_write(void *self, uint64_t client, const uint8_t *data, uint32_t size,
				uint32_t *taken)
{
	struct file *f = self;
	uint32_t done = 0;

	(void)client;
	while (done < size) {
		const ssize_t n = write(f->path, data + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			file_lose(f, size - done, n ? strerror(errno) : "nothing was written");
			break;
		}
		done += (uint32_t)n;
	}
	*taken = size;
	return 0;
}

static void file_end(struct file *f)
{
	f->ended = 1;
	f->dev.host->post(f->dev.in, f->client, LICHEN_CHAR_CLOSED, NULL, 0);
}

/* Posts one chunk of input; a timer that is due at once brings the next. */
static void file_deliver(struct file *f)
{
	uint8_t chunk[FILE_CHUNK];
	const uint32_t room = f->credit < sizeof(chunk) ? f->credit : (uint32_t)sizeof(chunk);
	ssize_t n;

	if (f->input < 0 || f->ended || room == 0)
		return;
	do
		n = read(f->input, chunk, room);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		f->dev.host->log(f->dev.in, LICHEN_LOG_WARN, "input ends early: %s",
				 strerror(errno));
	if (n <= 0) {
		file_end(f);
		return;
	}
	/* The event queue may be short of memory; the bytes stay for the next call. */
	if (f->dev.host->post(f->dev.in, f->client, LICHEN_CHAR_RECEIVED, chunk, (uint32_t)n)) {
		lseek(f->input, -n, SEEK_CUR);
		return;
	}
	f->credit -= (uint32_t)n;
	if (f->credit)
		f->dev.host->timer_arm(f->dev.in, f->more, 0);
}

/* [vcpu or control or io, running] */
static void file_ask(void *self, uint64_t client, uint32_t size)
{
	struct file *f = self;

	if (client != f->client)
		return;
	f->credit = size;
	file_deliver(f);
}

static const struct lichen_char_ops file_char = {
	LICHEN_STRUCT(struct lichen_char_ops),
	.write = file_write,
	.ask = file_ask,
};

static const struct lichen_provide file_provides[] = {
	LICHEN_PROVIDE(LICHEN_CHAR, file_char),
};

/* [control or io, running] */
static void file_timer(void *self, uint64_t cookie)
{
	(void)cookie;
	file_deliver(self);
}

/* [control, created to running] */
static void file_client(void *self, const char *id, uint64_t client, uint32_t joined)
{
	struct file *f = self;

	(void)id;
	if (joined && f->client == 0)
		f->client = client;
	if (!joined && f->client == client) {
		f->client = 0;
		f->credit = 0;
	}
}

/* Whether `descriptor` is a regular file; says so where it is not. */
static lichen_status file_check(struct file *f, const char *name, int32_t descriptor)
{
	struct stat st;

	if (fstat(descriptor, &st)) {
		const int error = errno;

		f->dev.host->error(f->dev.in, "%s: %s", name, strerror(error));
		return -error;
	}
	if (!S_ISREG(st.st_mode)) {
		f->dev.host->error(f->dev.in, "%s: not a regular file", name);
		return -LICHEN_EINVAL;
	}
	return 0;
}

/* [control, created] */
static lichen_status file_create(void *self)
{
	struct file *f = self;
	lichen_status status = file_check(f, "path", f->path);

	if (status == 0 && f->input >= 0)
		status = file_check(f, "input", f->input);
	return status;
}

/* [control, created] */
static lichen_status file_realize(void *self)
{
	struct file *f = self;

	/* Other processes may append to the same log: each write goes to the end. */
	if (f->append && fcntl(f->path, F_SETFL, O_APPEND)) {
		const int error = errno;

		f->dev.host->error(f->dev.in, "path: %s", strerror(error));
		return -error;
	}
	return f->dev.host->timer_create(f->dev.in, LICHEN_CLOCK_HOST, 0, &f->more);
}

/* [control, realized or paused] Emptied once, by the first that runs; not after a restore. */
static void file_resume(void *self)
{
	struct file *f = self;

	if (!f->begun && !f->append && ftruncate(f->path, 0))
		file_lose(f, 0, strerror(errno));
	f->begun = 1;
	if (f->credit)
		f->dev.host->timer_arm(f->dev.in, f->more, 0);
}

/* [control, running or paused] */
static lichen_status file_pre_save(void *self)
{
	struct file *f = self;
	const off_t at = f->input < 0 ? 0 : lseek(f->input, 0, SEEK_CUR);

	f->input_at = at < 0 ? 0 : (uint64_t)at;
	return 0;
}

/* [control, created or realized] Goes on behind what is there. */
static lichen_status file_post_load(void *self, uint32_t from)
{
	struct file *f = self;

	(void)from;
	if (f->begun > 1 || f->failing > 1 || f->ended > 1 || f->input_at > INT64_MAX) {
		f->dev.host->error(f->dev.in,
				   "begun, failing, ended or input_at: out of range");
		return -LICHEN_EBADMSG;
	}
	if ((f->begun && lseek(f->path, 0, SEEK_END) < 0) ||
	    (f->input >= 0 && lseek(f->input, (off_t)f->input_at, SEEK_SET) < 0))
		return -errno;
	return 0;
}

/* [control, drained] */
static void file_destroy(void *self)
{
	const struct file *f = self;

	if (f->lost)
		f->dev.host->log(f->dev.in, LICHEN_LOG_WARN,
				 "%" PRIu64 " bytes of output were lost", f->lost);
}

static const struct lichen_class file_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "writes what the device sends to a file",
	.instance_size = sizeof(struct file),
	.params = LICHEN_TABLE(file_params),
	.state = LICHEN_TABLE(file_state),
	.state_version = 1,
	.provides = LICHEN_TABLE(file_provides),
	.create = file_create,
	.realize = file_realize,
	.resume = file_resume,
	.pre_save = file_pre_save,
	.post_load = file_post_load,
	.destroy = file_destroy,
	.timer = file_timer,
	.client = file_client,
};

LICHEN_BACKEND_PLUGIN("file", "0.1", file_class);
