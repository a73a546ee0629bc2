/* SPDX-License-Identifier: MIT */
/*
 * world.h: a VM over hv_fake out of a profile that the test writes, its plugins
 * being those in its folder, those of
 * tests/framework/plugins and the real ones, and all that it logs.
 */
#ifndef TEST_WORLD_H
#define TEST_WORLD_H

#include <pthread.h>

#include "hv/fake/fake.h"
#include "vm.h"

enum { WORLD_LOG = 1 << 20, WORLD_STORY = 1 << 12 };

struct world {
	char folder[64]; /* temporary; world.yaml and what world_file() put there */
	struct lichen_vm *vm;
	struct hv_vm *hvm; /* the fake's */
	/* Between world_begin() and world_create(): a server, in the folder; and its console.
	 */
	const struct lichen_control *control;
	uint32_t control_console;
	pthread_mutex_t lock;
	uint32_t size;
	char log[WORLD_LOG];	 /* lines as they came */
	char story[WORLD_STORY]; /* "id:text ..." of what the plugin `steps` said */
	uint32_t said;
};

/* Whether misbehaviour ends the test: as LICHEN_STRICT says, until a test sets it. */
extern int world_strict;

/* Puts the folder there.  `profile`: its text, after "lichen: 1". */
void world_begin(struct world *world, const char *profile);
/* A file in the folder. */
void world_file(struct world *world, const char *name, const void *data, size_t size);
void world_end(struct world *world); /* destroys the VM and the folder */

/* What lichen_vm_create() returned. */
int world_create(struct world *world);
/* The same with console descriptors. */
int world_create_console(struct world *world, int in, int out);
/* The same on another hypervisor, -1: no console. */
int world_create_on(struct world *world, const struct hv_ops *hv, int in, int out);
/* world_begin() and world_create(), which has to succeed. */
void world_start(struct world *world, const char *profile);

/* How often `text` is in the log. */
uint32_t world_heard(struct world *world, const char *text);
/* Mappings of the process; under a sanitizer, which maps what it likes, those of files. */
uint32_t world_maps(void);
/* lichen_vm_stop() from another thread, `ms` from now; until world_end(). */
struct world_stop {
	pthread_t thread;
	struct world *world;
	const char *heard; /* it waits for this in the log first, where it is not NULL */
	uint32_t ms;
	uint64_t timeout_ns;
};
void world_stop_later(struct world_stop *stop, struct world *world, uint32_t ms,
		      uint64_t timeout_ns);
/* The same as soon as `text` is in the log. */
void world_stop_once(struct world_stop *stop, struct world *world, const char *text,
		     uint64_t timeout_ns);
void world_stop_join(struct world_stop *stop);

#endif
