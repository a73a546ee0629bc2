/* SPDX-License-Identifier: MIT */
/* state_sample.h: a class's state with a field of every shape, as the loader leaves it. */
#ifndef STATE_SAMPLE_H
#define STATE_SAMPLE_H

#include <string.h>

#include "state_field.h"

enum { SAMPLE_FIFO = 8, SAMPLE_QUEUES = 3, SAMPLE_ROUTES = 4, SAMPLE_BLOB = 100000 };

struct sample_queue {
	uint32_t head;
	uint16_t ring[2];
};

struct sample_route {
	uint16_t pin; /* the key */
	uint64_t to;
};

struct sample {
	void *dev[2];
	uint8_t control;
	int16_t level;
	uint64_t base;
	uint8_t enabled; /* BOOL */
	uint16_t table[4];
	uint8_t fifo[SAMPLE_FIFO];
	uint32_t fifo_used;
	struct sample_queue queues[SAMPLE_QUEUES];
	struct sample_route routes[SAMPLE_ROUTES]; /* counted list */
	uint32_t routes_used;
	struct sample_route fixed[SAMPLE_ROUTES]; /* list that is not counted */
	uint32_t late;				  /* since version 2 */
	uint8_t blob[SAMPLE_BLOB];
	uint32_t blob_size, blob_at;
};

static const struct lichen_field sample_queue_fields[] = {
	LICHEN_FIELD(struct sample_queue, head, .count = 1, .since = 1),
	LICHEN_FIELD_ARRAY(struct sample_queue, ring, .since = 1, .fallback = 0xffff),
};

static const struct lichen_field sample_route_fields[] = {
	LICHEN_FIELD(struct sample_route, to, .count = 1, .since = 1, .fallback = 7),
	LICHEN_FIELD(struct sample_route, pin, .count = 1, .since = 1),
};

static inline lichen_status sample_save(void *self, uint64_t cookie, uint8_t *to, uint32_t size,
					uint32_t *written)
{
	struct sample *s = self;
	uint32_t left = s->blob_size - s->blob_at;

	(void)cookie;
	*written = left < size ? left : size;
	memcpy(to, s->blob + s->blob_at, *written);
	s->blob_at += *written;
	if (s->blob_at < s->blob_size)
		return 1;
	s->blob_at = 0;
	return 0;
}

static inline lichen_status sample_load(void *self, uint64_t cookie, const uint8_t *from,
					uint32_t size)
{
	struct sample *s = self;

	(void)cookie;
	if (size > SAMPLE_BLOB - s->blob_size)
		return -LICHEN_EBADMSG;
	memcpy(s->blob + s->blob_size, from, size);
	s->blob_size += size;
	return 0;
}

static const struct lichen_blob_ops sample_blob = { LICHEN_STRUCT(struct lichen_blob_ops),
						    .save = sample_save, .load = sample_load };

#define SAMPLE_LIST(member, ...)                                                           \
	{                                                                                  \
		LICHEN_STRUCT(struct lichen_field),                                        \
			.type = LICHEN_LIST, .name = #member,                              \
			.offset = offsetof(struct sample, member),                         \
			.size = sizeof(struct sample_route), .count = SAMPLE_ROUTES,       \
			.since = 1, .fields = LICHEN_TABLE(sample_route_fields), .key = 1, \
			__VA_ARGS__                                                        \
	}

static const struct lichen_field sample_fields[] = {
	LICHEN_FIELD(struct sample, control, .count = 1, .since = 1),
	LICHEN_FIELD(struct sample, level, .count = 1, .since = 1, .fallback = (uint64_t)-1),
	LICHEN_FIELD(struct sample, base, .count = 1, .since = 1),
	{ LICHEN_STRUCT(struct lichen_field), .type = LICHEN_BOOL, .name = "enabled",
	  .offset = offsetof(struct sample, enabled), .size = 1, .count = 1, .since = 1 },
	LICHEN_FIELD_ARRAY(struct sample, table, .since = 1, .fallback = 9),
	LICHEN_FIELD_ARRAY(struct sample, fifo, .since = 1, .flags = LICHEN_FIELD_COUNTED,
			   .used = offsetof(struct sample, fifo_used)),
	{ LICHEN_STRUCT(struct lichen_field), .type = LICHEN_NESTED, .name = "queues",
	  .offset = offsetof(struct sample, queues), .size = sizeof(struct sample_queue),
	  .count = SAMPLE_QUEUES, .since = 1, .fields = LICHEN_TABLE(sample_queue_fields) },
	SAMPLE_LIST(routes, .flags = LICHEN_FIELD_COUNTED,
		    .used = offsetof(struct sample, routes_used)),
	SAMPLE_LIST(fixed, .flags = 0),
	{ LICHEN_STRUCT(struct lichen_field), .type = LICHEN_BLOB, .name = "blob", .count = 1,
	  .since = 1, .blob = &sample_blob },
	LICHEN_FIELD(struct sample, late, .count = 1, .since = 2, .fallback = 5),
};

enum { SAMPLE_LATE = 10, SAMPLE_FIELDS = 11 };

static const struct lichen_table sample_table = { sample_fields, SAMPLE_FIELDS,
						  sizeof(struct lichen_field) };

/* As create leaves it: the list that is not counted has its keys. */
static inline void sample_new(struct sample *s)
{
	memset(s, 0, sizeof(*s));
	for (uint32_t i = 0; i < SAMPLE_ROUTES; i++)
		s->fixed[i].pin = (uint16_t)(10 + i);
}

/* Something in every field. */
static inline void sample_fill(struct sample *s)
{
	sample_new(s);
	s->control = 0xa5;
	s->level = -2;
	s->base = UINT64_C(0x123456789abcdef0);
	s->enabled = 1;
	for (uint32_t i = 0; i < 4; i++)
		s->table[i] = (uint16_t)(100 + i);
	s->fifo_used = 3;
	memcpy(s->fifo, "abc", 3);
	for (uint32_t i = 0; i < SAMPLE_QUEUES; i++)
		s->queues[i] = (struct sample_queue){ .head = i, .ring = { 1, 2 } };
	s->routes_used = 2;
	s->routes[0] = (struct sample_route){ .pin = 3, .to = 30 };
	s->routes[1] = (struct sample_route){ .pin = 1, .to = 10 };
	for (uint32_t i = 0; i < SAMPLE_ROUTES; i++)
		s->fixed[i].to = 1000 + i;
	s->late = 77;
	s->blob_size = SAMPLE_BLOB;
	for (uint32_t i = 0; i < SAMPLE_BLOB; i++)
		s->blob[i] = (uint8_t)(i * 7);
}

#endif
