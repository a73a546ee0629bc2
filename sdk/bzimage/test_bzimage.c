/* SPDX-License-Identifier: MIT */
/* The payload of a bzImage: found and unpacked, bounded, and refused where it is damaged. */
#include <lichen/sdk/bzimage.h>

#include <lz4.h>
#include <lzma.h>
#include <stdlib.h>

#include "tap.h"

enum {
	SETUP = 2 * 512,      /* setup_sects is 1 */
	PAYLOAD = SETUP + 64, /* payload_offset is 64 */
	TEXT = 9 << 20,	      /* unpacked: two LZ4 blocks */
	BLOCK = 8 << 20,
	ROOM = 12 << 20,
	CANARY = 64, /* bytes past the room that must stay as they are */
};

static uint8_t image[ROOM], text[TEXT], out[TEXT + CANARY];
static uint64_t image_size;
static struct lichen_payload payload;
static struct lichen_why why;

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void put32(uint64_t at, uint32_t value)
{
	memcpy(image + at, &value, sizeof(value));
}

/* Runs and repeats of random length: packs well, and differs everywhere. */
static void make_text(void)
{
	uint64_t seed = 42;

	for (uint64_t at = 0; at < TEXT;) {
		uint64_t length = next(&seed) % 5000 + 1;

		memset(text + at, (int)(seed >> 56), length < TEXT - at ? length : TEXT - at);
		at += length;
	}
}

/* The header, for `size` packed bytes at PAYLOAD, and the size at their end. */
static void finish_image(uint64_t size, uint32_t unpacked)
{
	image[0x1f1] = 1;
	memcpy(image + 0x202, "HdrS\x0f\x02", 6);
	put32(0x238, 2047);
	put32(0x248, PAYLOAD - SETUP);
	put32(0x24c, (uint32_t)size + 4);
	put32(PAYLOAD + size, unpacked);
	image_size = PAYLOAD + size + 4;
}

static void make_lz4(uint32_t unpacked)
{
	uint64_t size = 4;

	make_text();
	memset(image, 0, sizeof(image));
	put32(PAYLOAD, 0x184c2102);
	for (uint64_t at = 0; at < TEXT; at += BLOCK) {
		int n = LZ4_compress_default((const char *)text + at,
					     (char *)image + PAYLOAD + size + 4,
					     TEXT - at < BLOCK ? (int)(TEXT - at) : BLOCK,
					     (int)(ROOM - PAYLOAD - size - 8));

		CHECK(n > 0);
		put32(PAYLOAD + size, (uint32_t)n);
		size += 4 + (uint64_t)n;
	}
	finish_image(size, unpacked);
}

static void make_xz(uint32_t unpacked)
{
	size_t size = 0;

	make_text();
	memset(image, 0, sizeof(image));
	CHECK_EQ(LZMA_OK, lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, text, TEXT,
						  image + PAYLOAD, &size, ROOM - PAYLOAD - 4));
	finish_image(size, unpacked);
}

static lichen_status find(void)
{
	const struct lichen_source source = lichen_source_of("kernel", image, image_size);

	return lichen_payload_find(&source, &payload, &why);
}

/* Into room for the text, or less: nothing past payload.unpacked may change. */
static lichen_status unpack(void)
{
	const struct lichen_source source = lichen_source_of("kernel", image, image_size);
	lichen_status status;

	CHECK(payload.unpacked <= TEXT);
	memset(out + payload.unpacked, 0xc5, CANARY);
	status = lichen_payload_unpack(&source, &payload, out, &why);
	for (uint32_t i = 0; i < CANARY; i++)
		CHECK_EQ(0xc5, out[payload.unpacked + i]);
	return status;
}

static void said(const char *words)
{
	if (strstr(why.text, words) == NULL)
		tap_fail("\"%s\" has no \"%s\"", why.text, words);
}

TEST(lz4_and_xz_give_back_what_was_packed)
{
	make_lz4(TEXT);
	CHECK_EQ(0, find());
	CHECK_EQ(LICHEN_PAYLOAD_LZ4, payload.format);
	CHECK_EQ(TEXT, payload.unpacked);
	CHECK_EQ(2047, payload.cmdline);
	CHECK_EQ(0, unpack());
	CHECK_EQ(0, memcmp(text, out, TEXT));

	make_xz(TEXT);
	memset(out, 0, sizeof(out));
	CHECK_EQ(0, find());
	CHECK_EQ(LICHEN_PAYLOAD_XZ, payload.format);
	CHECK_EQ(0, unpack());
	CHECK_EQ(0, memcmp(text, out, TEXT));
}

TEST(a_bomb_is_held_to_the_size_that_it_says)
{
	make_lz4(TEXT - 1);
	CHECK_EQ(0, find());
	CHECK_EQ(-LICHEN_EBADMSG, unpack());
	said("more than the 9437183 bytes");
	make_lz4(1);
	CHECK_EQ(0, find());
	CHECK_EQ(-LICHEN_EBADMSG, unpack());
	make_xz(TEXT - 1);
	CHECK_EQ(0, find());
	CHECK_EQ(-LICHEN_EBADMSG, unpack());
	said("more than the 9437183 bytes");
}

TEST(less_than_it_says_is_refused)
{
	make_lz4(TEXT);
	CHECK_EQ(0, find());
	payload.size = 4;
	CHECK_EQ(-LICHEN_EBADMSG, unpack());
	said("less than the 9437184 bytes");
	make_xz(TEXT);
	CHECK_EQ(0, find());
	payload.size -= 12;
	CHECK_EQ(-LICHEN_EBADMSG, unpack());
	said("damaged");
}

TEST(a_size_past_the_limit_is_refused_before_it_is_unpacked)
{
	make_lz4((512u << 20) + 1);
	CHECK_EQ(-LICHEN_ENOEXEC, find());
	said("unpacks to 536870913 bytes, at most 536870912");
	make_lz4(0);
	CHECK_EQ(-LICHEN_ENOEXEC, find());
	make_lz4(512u << 20);
	CHECK_EQ(0, find());
}

TEST(headers_that_do_not_add_up_are_refused)
{
	make_lz4(TEXT);
	image_size--;
	CHECK_EQ(-LICHEN_ENOEXEC, find());
	said("truncated");
	put32(0x248, UINT32_MAX);
	CHECK_EQ(-LICHEN_ENOEXEC, find());
	put32(0x248, 0);
	put32(0x24c, UINT32_MAX);
	CHECK_EQ(-LICHEN_ENOEXEC, find());
	put32(0x24c, 3);
	CHECK_EQ(-LICHEN_ENOEXEC, find());
	said("a payload of 3 bytes");
	make_lz4(TEXT);
	image[0x206] = 7;
	CHECK_EQ(-LICHEN_ENOEXEC, find());
	said("protocol 2.07");
	image[0x202] = 'h';
	CHECK_EQ(-LICHEN_ENOEXEC, find());
	said("neither an ELF file nor a bzImage");
	image_size = 0x24f;
	CHECK_EQ(-LICHEN_ENOEXEC, find());
}

TEST(other_ways_of_packing_are_refused_by_name)
{
	make_lz4(TEXT);
	memcpy(image + PAYLOAD, "\x1f\x8b\x08\x00", 4);
	CHECK_EQ(-LICHEN_ENOTSUP, find());
	said("packed with gzip");
	memcpy(image + PAYLOAD, "\x28\xb5\x2f\xfd", 4);
	CHECK_EQ(-LICHEN_ENOTSUP, find());
	said("packed with zstd");
	memset(image + PAYLOAD, 0, 8);
	CHECK_EQ(-LICHEN_ENOTSUP, find());
	said("unknown way");
}

TEST(damaged_blocks_are_refused)
{
	make_lz4(TEXT);
	CHECK_EQ(0, find());
	put32(PAYLOAD + 4, UINT32_MAX);
	CHECK_EQ(-LICHEN_EBADMSG, unpack());
	said("damaged at byte 8");
	put32(PAYLOAD + 4, 0);
	CHECK_EQ(-LICHEN_EBADMSG, unpack());
	make_xz(TEXT);
	CHECK_EQ(0, find());
	image[PAYLOAD + payload.size / 2] ^= 1;
	CHECK_EQ(-LICHEN_EBADMSG, unpack());
	said("damaged");
}

TEST(a_file_that_shrinks_cannot_be_read)
{
	make_lz4(TEXT);
	CHECK_EQ(0, find());
	image_size = PAYLOAD + 20;
	CHECK_EQ(-LICHEN_EIO, unpack());
	make_xz(TEXT);
	CHECK_EQ(0, find());
	image_size = PAYLOAD + 20;
	CHECK_EQ(-LICHEN_EIO, unpack());
	said("cannot be read");
}

TEST(random_damage_never_writes_past_the_room)
{
	uint64_t seed = 0xdecade;

	for (uint32_t round = 0; round < 60; round++) {
		if (round % 20 == 0)
			(round % 40 == 0 ? make_lz4 : make_xz)(TEXT);
		for (uint32_t n = 0; n < 3; n++)
			image[PAYLOAD + 4 + next(&seed) % (image_size - PAYLOAD - 8)] =
				(uint8_t)(seed >> 40);
		if (find() >= 0 && payload.unpacked <= TEXT)
			(void)unpack();
	}
}
