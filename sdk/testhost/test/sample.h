/* SPDX-License-Identifier: MIT */
/* sample.h: the instance of the sample plugin, into which the test host's tests look. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <lichen/char.h>
#include <lichen/device.h>

enum {
	SAMPLE_PORT = 0x100,
	SAMPLE_PORTS = 8,
	SAMPLE_CALLS = 16,
};

/* Of the windows in memory, between 3 and 4 GiB. */
#define SAMPLE_SPLIT_GPA UINT64_C(0xd0000000) /* takes 4 bytes, cuts and widens */
#define SAMPLE_ABOVE_GPA UINT64_C(0xd0000008) /* hides its upper half, takes all sizes */
#define SAMPLE_REFUSE_GPA UINT64_C(0xd0001000)

/* Windows by index. */
enum {
	SAMPLE_LATER = 4,
	SAMPLE_RAM = 5, /* 8 KiB */
	SAMPLE_ROM = 6, /* 4 KiB, takes writes of 2 bytes */
	SAMPLE_MAPPED = 7,
	SAMPLE_REGIONS = 16,
};

struct sample_call { /* of a handler */
	uint64_t window, off, value;
	uint32_t size, write;
};

struct sample {
	struct lichen_dev dev;
	const struct lichen_link *peer;
	const char *fail;    /* the callback that is to fail */
	uint64_t on_realize; /* address of a function of the test's, called in realize; 0: none
			      */
	uint16_t port;
	int32_t file;
	struct sample_call calls[SAMPLE_CALLS];
	uint32_t call_count;
	uint32_t region_events[SAMPLE_REGIONS]; /* as they came */
	struct lichen_region regions[SAMPLE_REGIONS];
	uint32_t region_count;
	uint64_t fired[SAMPLE_CALLS]; /* cookies of timers */
	uint32_t fired_count;
	uint32_t ready_count, ready_events;
	uint64_t ready_cookie;
	uint32_t event_count, event, event_size;
	uint32_t joined, left, published, resets;
	uint32_t threads;		/* runs of the thread callback */
	void (*hook)(struct sample *s); /* called by the read handler of the ports */
	void *memory;			/* allocated by create */
};

#endif
