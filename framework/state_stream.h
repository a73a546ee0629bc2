/* SPDX-License-Identifier: MIT */
/*
 * state_stream.h: bytes of a state, little-endian, as they are written to memory
 * and read back.  What is read is hostile: no length in it is believed.
 */
#ifndef FW_STATE_STREAM_H
#define FW_STATE_STREAM_H

#include <stdint.h>

#include <lichen/status.h>

/* Grows as it is written to.  Starts as zeroes. */
struct fw_buffer {
	uint8_t *bytes; /* owned */
	uint64_t size, room;
	uint32_t failed; /* 1: there was no memory; what follows is not written */
};

void fw_buffer_clear(struct fw_buffer *buffer);
/* `size` more bytes to fill in, valid until the next call; NULL: no memory. */
uint8_t *fw_buffer_extend(struct fw_buffer *buffer, uint64_t size);
void fw_put(struct fw_buffer *buffer, const void *from, uint64_t size);
void fw_put_u8(struct fw_buffer *buffer, uint8_t value);
void fw_put_u32(struct fw_buffer *buffer, uint32_t value);
void fw_put_u64(struct fw_buffer *buffer, uint64_t value);
/* At most 255 bytes of it, after a byte that says how many. */
void fw_put_text(struct fw_buffer *buffer, const char *text);

/* What is left to be read; borrowed. */
struct fw_reader {
	const uint8_t *at;
	uint64_t left;
};

enum { FW_TEXT_SIZE = 256 }; /* bytes of a text, its end included */

/* The next `size` bytes, or NULL where there are fewer. */
const uint8_t *fw_take(struct fw_reader *reader, uint64_t size);
/* -LICHEN_EBADMSG: the bytes end before, and *value is 0. */
lichen_status fw_take_u8(struct fw_reader *reader, uint8_t *value);
lichen_status fw_take_u32(struct fw_reader *reader, uint32_t *value);
lichen_status fw_take_u64(struct fw_reader *reader, uint64_t *value);
/* Printable ASCII only: -LICHEN_EBADMSG. */
lichen_status fw_take_text(struct fw_reader *reader, char text[static FW_TEXT_SIZE]);

#endif
