/* SPDX-License-Identifier: MIT */
/*
 * churn.h: the test device `churn`, which holds one of every claim, and what others know
 * of it: `hub`, the guest, and tests, which look into its instance.
 *
 * Each of its windows (two of 8 ports, one of MMIO, one of RAM) shows at offset 0 one word,
 * the generation: no two instances have the same, and each load of its state makes it
 * another.  So a guest that reads a window, another and the first again, and finds the first
 * unchanged, must have found the same in the other.
 *
 *	ports	0 R	generation
 *		0 W	bit 0: level of the line
 *		4 R	writes so far
 *		4 W	stays in the handler so many microseconds, at most 1000
 *	MMIO	0 R	generation
 *		8 W	doorbell (an eventfd; no handler is called)
 *		16 W	asks the peer for an event
 *	RAM	0	generation; the rest is the guest's, zeroes in a fresh instance, and
 *			kept by a reload
 */
#ifndef TEST_CHURN_H
#define TEST_CHURN_H

#include <pthread.h>
#include <stdatomic.h>

#include <lichen/device.h>

#define TEST_CHURN "org.test.churn/1"

/* What `hub` asks of it. */
struct test_churn_ops {
	uint32_t struct_size;
	uint32_t _pad;
	/* The generation.  [any, running] */
	uint32_t (*poke)(void *self, uint64_t client);
};

enum {
	CHURN_PORTS = 8, /* of one window */
	CHURN_MMIO_SIZE = 0x1000,
	CHURN_RAM_SIZE = 0x2000,
	CHURN_BELL = 8,
	CHURN_ASK = 16,
	CHURN_STAY_MAX_US = 1000,
};

struct churn {
	struct lichen_dev dev;
	/* parameters */
	uint16_t port, port2;
	uint64_t gpa, ram;
	uint32_t irq, irq2; /* the line, and one that an eventfd pulses */
	uint32_t first;	    /* generation of a fresh instance */
	uint8_t fail;	    /* realize, after all was claimed */
	const struct lichen_link *peer;
	/* state; guarded by the instance's lock */
	uint32_t generation;
	uint32_t level;
	uint64_t writes;
	uint64_t pokes, events, rings, ticks;
	/* handles and descriptors; set by realize */
	lichen_handle line, edge, message, timer, watch, ring, bell;
	int32_t line_trigger, message_trigger; /* the host's */
	int32_t bell_event, watched;	       /* own eventfds */
	_Atomic uint64_t client;	       /* a consumer to post to; 0: none */
	_Atomic uint32_t inside;	       /* threads in a handler that stays */
	_Atomic uint64_t turns;		       /* of the thread */
	pthread_mutex_t rest;		       /* held for a turn; guards what follows */
	pthread_cond_t changed;
	uint32_t resting, quiet;
};

#endif
