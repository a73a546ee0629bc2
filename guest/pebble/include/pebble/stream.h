/* SPDX-License-Identifier: MIT */
/*
 * pebble/stream.h: the mebibyte that guests send and receive at the first serial port, as
 * chunks of 16 bytes: the chunk's number, in little endian, then 0x44 to 0x4f.
 */
#ifndef PEBBLE_STREAM_H
#define PEBBLE_STREAM_H

#include <stdint.h>

enum { STREAM_SIZE = 1 << 20, STREAM_CHUNK = 16 };

struct stream_chunk {
	uint32_t number;
	uint8_t rest[STREAM_CHUNK - 4];
};

static inline void stream_make(struct stream_chunk *chunk)
{
	for (uint32_t i = 0; i < sizeof(chunk->rest); i++)
		chunk->rest[i] = (uint8_t)(0x44 + i);
}

#endif
