/* SPDX-License-Identifier: MIT */
/* relay.h: what the test plugin `sender` offers and `receiver` needs. */
#ifndef TEST_RELAY_H
#define TEST_RELAY_H

#include <lichen/abi.h>

#define TEST_RELAY "org.test.relay/1"

struct test_relay_ops {
	uint32_t struct_size;
	uint32_t _pad;
	/* Posts `times` events, numbered from `first`.  [any, running] */
	void (*echo)(void *self, uint64_t client, uint32_t first, uint32_t times);
};

#endif
