/* SPDX-License-Identifier: MIT */
/* interfaces.h: what the plugins of the profile tests offer one another. */
#ifndef CONFIG_INTERFACES_H
#define CONFIG_INTERFACES_H

#include <lichen/backend.h>
#include <lichen/boot.h>
#include <lichen/device.h>
#include <lichen/ram.h>

#define TEST_CHIP "org.test.chip/1"
#define TEST_NODE "org.test.node/1"
#define TEST_TABLE "org.test.table/1"
#define TEST_PING "org.test.ping/1"
#define TEST_PONG "org.test.pong/1"

/* Profiles are tested without calling anything: one function stands for each interface. */
struct test_ops {
	uint32_t struct_size;
	uint32_t _pad;
	/* Does nothing.  [any, any] */
	void (*nothing)(void *self, uint64_t client);
};

#endif
