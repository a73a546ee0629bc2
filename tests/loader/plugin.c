/* SPDX-License-Identifier: MIT */
/*
 * A plugin for the loader's tests, built several times: as it should be, and
 * with one thing wrong each.  Its constructor leaves a mark in the environment,
 * and the file that LOADER_TEST_MARK names, by which a test knows whether any of
 * its code ran.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <lichen/device.h>

#ifndef PLUGIN_VERSION
#define PLUGIN_VERSION "1.0"
#endif

#ifdef PLUGIN_BAD_PARAM
#define PLUGIN_PARAM_FLAGS (1u << 31)
#else
#define PLUGIN_PARAM_FLAGS 0
#endif

struct sample {
	struct lichen_dev dev;
	uint16_t port;
	uint32_t writes;
	pthread_t thread;
	int pipe[2];
};

__attribute__((constructor)) static void sample_mark(void)
{
	const char *mark = getenv("LOADER_TEST_MARK");

	setenv("LOADER_TEST_RAN", "yes", 1);
	if (mark)
		close(open(mark, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static const struct lichen_param sample_params[] = {
	LICHEN_PARAM(struct sample, port, .unit = LICHEN_UNIT_PORT, .max = 0xfffc,
		     .fallback = 0xf4, .flags = PLUGIN_PARAM_FLAGS,
		     .help = "first of four I/O ports"),
};

static uint32_t sample_calls; /* one a copy of the file: tells copies apart */

static uint64_t sample_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	(void)self, (void)cookie, (void)off, (void)size;
#ifdef PLUGIN_UNDEFINED
	extern uint32_t sample_nowhere(void);
	sample_calls += sample_nowhere();
#endif
	return ++sample_calls;
}

static const struct lichen_io_ops sample_io = {
	LICHEN_STRUCT(struct lichen_io_ops),
	.read = sample_read,
};

static const struct lichen_window sample_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "registers",
	  .size = 4, .ops = &sample_io, .place = LICHEN_PLACE_PORT, .placed_by = "port" },
};

static const struct lichen_field sample_state[] = {
	LICHEN_FIELD(struct sample, writes, .since = 1),
};

#ifdef PLUGIN_THREAD
static void *sample_wait(void *argument)
{
	struct sample *s = argument;
	char byte;

	(void)pthread_setname_np(pthread_self(), "sample");
	while (read(s->pipe[0], &byte, 1) < 0)
		;
	return NULL;
}

static lichen_status sample_create(void *self)
{
	struct sample *s = self;

	if (pipe(s->pipe) != 0)
		return -LICHEN_EIO;
	return -pthread_create(&s->thread, NULL, sample_wait, s);
}

static void sample_destroy(void *self)
{
	struct sample *s = self;

	close(s->pipe[1]);
	pthread_join(s->thread, NULL);
	close(s->pipe[0]);
}
#endif

static const struct lichen_class sample_class = {
#ifndef PLUGIN_NO_SIZE
	LICHEN_STRUCT(struct lichen_class),
#endif
	.summary = "plugin " PLUGIN_NAME " " PLUGIN_VERSION,
	.instance_size = sizeof(struct sample),
	.params = LICHEN_TABLE(sample_params),
	.windows = LICHEN_TABLE(sample_windows),
	.state = LICHEN_TABLE(sample_state),
	.state_version = 1,
#ifdef PLUGIN_THREAD
	.create = sample_create,
	.destroy = sample_destroy,
#endif
};

#if defined(PLUGIN_NO_ENTRY)
LICHEN_NOTE(LICHEN_KIND_DEVICE, PLUGIN_NAME, PLUGIN_VERSION, sizeof(sample_class));
const struct lichen_class *sample_unused(void);
const struct lichen_class *sample_unused(void)
{
	return &sample_class;
}
#elif defined(PLUGIN_NO_NOTE) || defined(PLUGIN_NO_CLASS)
#ifndef PLUGIN_NO_NOTE
LICHEN_NOTE(LICHEN_KIND_DEVICE, PLUGIN_NAME, PLUGIN_VERSION, sizeof(sample_class));
#endif
__attribute__((visibility("default"))) const struct lichen_class *lichen_plugin_v1(
	uint32_t index);
const struct lichen_class *lichen_plugin_v1(uint32_t index)
{
	return index == UINT32_MAX ? &sample_class : NULL;
}
#else
LICHEN_PLUGIN(LICHEN_KIND_DEVICE, PLUGIN_NAME, PLUGIN_VERSION, sample_class);
#endif

#ifdef PLUGIN_TWO_NOTES
__attribute__((section(LICHEN_NOTE_SECTION), used,
	       aligned(4))) static const struct lichen_note_entry sample_second = {
	.owner_size = sizeof(LICHEN_NOTE_OWNER),
	.size = sizeof(struct lichen_note),
	.type = LICHEN_NOTE_TYPE,
	.owner = LICHEN_NOTE_OWNER,
	.note = { .magic = LICHEN_NOTE_MAGIC,
		  .abi_major = LICHEN_ABI_MAJOR,
		  .abi_minor = LICHEN_ABI_MINOR,
		  .kind = LICHEN_KIND_DEVICE,
		  .class_size = sizeof(struct lichen_class),
		  .name = PLUGIN_NAME,
		  .version = PLUGIN_VERSION },
};
#endif

#ifdef PLUGIN_EXTRA
__attribute__((visibility("default"))) uint32_t sample_extra(void);
uint32_t sample_extra(void)
{
	return sample_calls;
}
#endif
