/* SPDX-License-Identifier: MIT */
/* state_stream.c: see state_stream.h.  The host is little-endian, as its guests are. */
#include <stdlib.h>
#include <string.h>

#include "state_stream.h"

enum { FW_BUFFER_FIRST = 4096 }; /* bytes */

void fw_buffer_clear(struct fw_buffer *buffer)
{
	free(buffer->bytes);
	*buffer = (struct fw_buffer){ .bytes = NULL };
}

/* Doubles, so that writing n bytes costs O(n). */
static int fw_buffer_grow(struct fw_buffer *buffer, uint64_t need)
{
	uint64_t room = buffer->room ? buffer->room : FW_BUFFER_FIRST;
	uint8_t *bytes;

	while (room < need) {
		if (room > UINT64_MAX / 2)
			return 0;
		room *= 2;
	}
	if (room > SIZE_MAX)
		return 0;
	bytes = realloc(buffer->bytes, (size_t)room);
	if (!bytes)
		return 0;
	buffer->bytes = bytes;
	buffer->room = room;
	return 1;
}

uint8_t *fw_buffer_extend(struct fw_buffer *buffer, uint64_t size)
{
	uint8_t *at;

	if (!buffer->failed && size > buffer->room - buffer->size &&
	    (size > UINT64_MAX - buffer->size || !fw_buffer_grow(buffer, buffer->size + size)))
		buffer->failed = 1;
	if (buffer->failed || !buffer->bytes)
		return NULL;
	at = buffer->bytes + buffer->size;
	buffer->size += size;
	return at;
}

void fw_put(struct fw_buffer *buffer, const void *from, uint64_t size)
{
	uint8_t *to = fw_buffer_extend(buffer, size);

	if (to && size)
		memcpy(to, from, size);
}

void fw_put_u8(struct fw_buffer *buffer, uint8_t value)
{
	fw_put(buffer, &value, sizeof(value));
}

void fw_put_u32(struct fw_buffer *buffer, uint32_t value)
{
	fw_put(buffer, &value, sizeof(value));
}

void fw_put_u64(struct fw_buffer *buffer, uint64_t value)
{
	fw_put(buffer, &value, sizeof(value));
}

void fw_put_text(struct fw_buffer *buffer, const char *text)
{
	const size_t size = strnlen(text, FW_TEXT_SIZE - 1);

	fw_put_u8(buffer, (uint8_t)size);
	fw_put(buffer, text, size);
}

const uint8_t *fw_take(struct fw_reader *reader, uint64_t size)
{
	const uint8_t *at = reader->at;

	if (size > reader->left)
		return NULL;
	if (size) {
		reader->at += size;
		reader->left -= size;
	}
	return at;
}

static lichen_status fw_take_into(struct fw_reader *reader, void *to, uint32_t size)
{
	const uint8_t *at = fw_take(reader, size);

	if (!at) {
		memset(to, 0, size);
		return -LICHEN_EBADMSG;
	}
	memcpy(to, at, size);
	return 0;
}

lichen_status fw_take_u8(struct fw_reader *reader, uint8_t *value)
{
	return fw_take_into(reader, value, sizeof(*value));
}

lichen_status fw_take_u32(struct fw_reader *reader, uint32_t *value)
{
	return fw_take_into(reader, value, sizeof(*value));
}

lichen_status fw_take_u64(struct fw_reader *reader, uint64_t *value)
{
	return fw_take_into(reader, value, sizeof(*value));
}

lichen_status fw_take_text(struct fw_reader *reader, char text[static FW_TEXT_SIZE])
{
	const uint8_t *from;
	uint8_t size;

	text[0] = '\0';
	if (fw_take_u8(reader, &size) < 0)
		return -LICHEN_EBADMSG;
	from = fw_take(reader, size);
	if (!from)
		return -LICHEN_EBADMSG;
	for (uint32_t i = 0; i < size; i++)
		if (from[i] < 0x20 || from[i] > 0x7e)
			return -LICHEN_EBADMSG;
	memcpy(text, from, size);
	text[size] = '\0';
	return 0;
}
