/* SPDX-License-Identifier: MIT */
/* sample: a device that records what is done to it, for the tests of the test host. */
#include "sample.h"

#include <stdlib.h>
#include <string.h>

static const struct lichen_param sample_params[] = {
	LICHEN_PARAM(struct sample, port, .unit = LICHEN_UNIT_PORT, .max = 0xfff8,
		     .fallback = SAMPLE_PORT, .help = "first of eight I/O ports"),
	LICHEN_PARAM(struct sample, fail, .text_fallback = "", .help = "what is to fail"),
	LICHEN_PARAM(struct sample, on_realize, .help = "what realize calls"),
	LICHEN_PARAM_AS(LICHEN_FILE, struct sample, file, .help = "a file"),
};

static const struct lichen_need sample_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .flags = LICHEN_NEED_OPTIONAL, .id = LICHEN_CHAR,
	  .key = "peer", .offset = (uint32_t)offsetof(struct sample, peer), .cookie = 7,
	  .help = "a peer" },
};

static void sample_record(struct sample *s, struct sample_call call)
{
	if (s->call_count < SAMPLE_CALLS)
		s->calls[s->call_count++] = call;
}

/* Each byte read is its own offset. */
static uint64_t sample_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	struct sample *s = self;
	uint64_t value = UINT64_MAX << 1; /* bits above the access are the host's to cut */

	sample_record(s, (struct sample_call){ .window = cookie, .off = off, .size = size });
	if (cookie == 0 && s->hook)
		s->hook(s);
	for (uint32_t i = 0; i < size; i++)
		value = (value & ~(0xffull << 8 * i)) | (off + i) << 8 * i;
	return value;
}

static void sample_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
			 uint64_t value)
{
	sample_record(self, (struct sample_call){ .window = cookie,
						  .off = off,
						  .value = value,
						  .size = size,
						  .write = 1 });
}

static const struct lichen_io_ops sample_io = {
	LICHEN_STRUCT(struct lichen_io_ops),
	.read = sample_read,
	.write = sample_write,
};

static const struct lichen_window sample_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "ports",
	  .size = SAMPLE_PORTS, .access_sizes = 1 | 2, .ops = &sample_io,
	  .place = LICHEN_PLACE_PORT, .placed_by = "port" },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "split", .size = 16,
	  .access_sizes = 4, .ops = &sample_io, .cookie = 1, .place = LICHEN_PLACE_GPA,
	  .address = SAMPLE_SPLIT_GPA },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "above", .size = 8,
	  .ops = &sample_io, .cookie = 2, .place = LICHEN_PLACE_GPA, .rank = 1,
	  .address = SAMPLE_ABOVE_GPA },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "refuse", .size = 16,
	  .access_sizes = 4, .split = LICHEN_REFUSE, .ops = &sample_io, .cookie = 3,
	  .place = LICHEN_PLACE_GPA, .address = SAMPLE_REFUSE_GPA },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "later", .size = 8,
	  .ops = &sample_io, .cookie = 4 },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_RAM, .name = "ram",
	  .size = 0x2000 },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_ROM, .name = "rom",
	  .size = 0x1000, .access_sizes = 2, .ops = &sample_io, .cookie = 6 },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_MAPPED, .name = "mapped",
	  .size = 0x1000 },
};

static lichen_status sample_region(void *self, uint32_t event,
				   const struct lichen_region *region)
{
	struct sample *s = self;

	if (s->region_count == SAMPLE_REGIONS)
		return 0;
	s->region_events[s->region_count] = event;
	if (region)
		s->regions[s->region_count] = *region;
	s->region_count++;
	return 0;
}

static lichen_status sample_told(struct sample *s, const char *callback)
{
	if (strcmp(s->fail, callback))
		return 0;
	s->dev.host->error(s->dev.in, "%s: told to fail", callback);
	return -LICHEN_EIO;
}

static lichen_status sample_create(void *self)
{
	struct sample *s = self;
	lichen_status status = sample_told(s, "create");

	if (status < 0)
		return status;
	s->memory = malloc(16);
	return s->memory ? 0 : -LICHEN_ENOMEM;
}

static lichen_status sample_realize(void *self)
{
	struct sample *s = self;

	if (s->on_realize)
		((void (*)(struct sample *))(uintptr_t)s->on_realize)(s);
	return sample_told(s, "realize");
}

static lichen_status sample_publish(void *self)
{
	((struct sample *)self)->published++;
	return sample_told(self, "publish");
}

static lichen_status sample_reset(void *self, uint32_t kind)
{
	((struct sample *)self)->resets += kind == LICHEN_RESET_WARM;
	return 0;
}

static lichen_status sample_quiesce(void *self)
{
	struct sample *s = self;

	if (strcmp(s->fail, "linger"))
		return 0;
	s->dev.host->complete(s->dev.in, LICHEN_OP_QUIESCE, 0);
	return LICHEN_PENDING;
}

static void sample_destroy(void *self)
{
	free(((struct sample *)self)->memory);
}

static void sample_timer(void *self, uint64_t cookie)
{
	struct sample *s = self;

	if (s->fired_count < SAMPLE_CALLS)
		s->fired[s->fired_count++] = cookie;
}

static void sample_ready(void *self, uint64_t cookie, uint32_t events)
{
	struct sample *s = self;

	s->ready_count++;
	s->ready_cookie = cookie;
	s->ready_events = events;
}

static void sample_event(void *self, uint64_t cookie, uint32_t event, const void *data,
			 uint32_t size)
{
	struct sample *s = self;

	(void)data;
	s->event_count += cookie == 7;
	s->event = event;
	s->event_size = size;
}

static void sample_client(void *self, const char *id, uint64_t client, uint32_t joined)
{
	struct sample *s = self;

	(void)id, (void)client;
	if (joined)
		s->joined++;
	else
		s->left++;
}

static void sample_thread(void *self, uint64_t cookie)
{
	struct sample *s = self;

	(void)s->dev.host->clock_now(s->dev.in, LICHEN_CLOCK_HOST);
	__atomic_add_fetch(&s->threads, (uint32_t)cookie, __ATOMIC_SEQ_CST);
}

static lichen_status sample_char_write(void *self, uint64_t client, const uint8_t *data,
				       uint32_t size, uint32_t *taken)
{
	struct sample *s = self;

	*taken = size;
	return s->dev.host->post(s->dev.in, client, LICHEN_CHAR_RECEIVED, data, size);
}

static const struct lichen_char_ops sample_char = {
	LICHEN_STRUCT(struct lichen_char_ops),
	.write = sample_char_write,
};

static const struct lichen_provide sample_provides[] = {
	LICHEN_PROVIDE(LICHEN_CHAR, sample_char),
};

static const struct lichen_class sample_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "records what is done to it",
	.instance_size = sizeof(struct sample),
	.params = LICHEN_TABLE(sample_params),
	.windows = LICHEN_TABLE(sample_windows),
	.provides = LICHEN_TABLE(sample_provides),
	.needs = LICHEN_TABLE(sample_needs),
	.create = sample_create,
	.realize = sample_realize,
	.publish = sample_publish,
	.reset = sample_reset,
	.quiesce = sample_quiesce,
	.destroy = sample_destroy,
	.timer = sample_timer,
	.region = sample_region,
	.ready = sample_ready,
	.event = sample_event,
	.client = sample_client,
	.thread = sample_thread,
};

LICHEN_DEVICE_PLUGIN("sample", "1.0", sample_class);
