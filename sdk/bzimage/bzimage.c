/* SPDX-License-Identifier: MIT */
/* bzimage.c: finds and unpacks the payload of a bzImage.  See lichen/sdk/bzimage.h. */
#include <stdlib.h>

#include <lz4.h>
#include <lzma.h>

#include <lichen/sdk/bzimage.h>

enum {
	BZ_HEADER_AT = 0x1f1, /* of the setup header in the file: its byte setup_sects */
	BZ_MAGIC_AT = 0x202,  /* "HdrS" */
	BZ_VERSION_AT = 0x206,
	BZ_CMDLINE_AT = 0x238,
	BZ_PAYLOAD_AT = 0x248, /* payload_offset, payload_length */
	BZ_HEADER_END = 0x250,
	BZ_OLDEST = 0x208, /* the payload's place is known since protocol 2.08 */
	BZ_SECTOR = 512,
	BZ_DEFAULT_SECTS = 4,	  /* what setup_sects 0 means */
	BZ_TRAILER = 4,		  /* the unpacked size, little-endian */
	BZ_LZ4_BLOCK = 8 << 20,	  /* a legacy block unpacks to this at most */
	BZ_XZ_MEMORY = 128 << 20, /* bytes that the decoder may allocate; kernels need 32 MiB */
	BZ_XZ_CHUNK = 256 << 10,  /* read at a time */
};

/* Ways of packing, by their first bytes. */
static const struct bz_format {
	const char *magic;
	uint32_t size;
	uint32_t format; /* 0: not unpacked here */
	const char *name;
} bz_formats[] = {
	{ "\x02\x21\x4c\x18", 4, LICHEN_PAYLOAD_LZ4, "LZ4" },
	{ "\xfd\x37\x7a\x58\x5a\x00", 6, LICHEN_PAYLOAD_XZ, "XZ" },
	{ "\x28\xb5\x2f\xfd", 4, 0, "zstd" },
	{ "\x1f\x8b", 2, 0, "gzip" },
	{ "BZh", 3, 0, "bzip2" },
	{ "\x5d\x00\x00", 3, 0, "LZMA" },
	{ "\x89LZO", 4, 0, "LZO" },
};

static uint32_t bz_u16(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8;
}

static uint32_t bz_u32(const uint8_t *at)
{
	return bz_u16(at) | bz_u16(at + 2) << 16;
}

static lichen_status bz_format(const struct lichen_source *source,
			       struct lichen_payload *payload, struct lichen_why *why)
{
	uint8_t magic[8];
	lichen_status status =
		lichen_source_read_all(source, payload->offset, magic, sizeof(magic));

	if (status < 0)
		return lichen_refuse(why, -LICHEN_EIO, "%s: its payload cannot be read",
				     source->name);
	for (size_t i = 0; i < sizeof(bz_formats) / sizeof(bz_formats[0]); i++) {
		const struct bz_format *f = &bz_formats[i];

		if (memcmp(magic, f->magic, f->size) != 0)
			continue;
		payload->format = f->format;
		return f->format != 0 ? 0
				      : lichen_refuse(why, -LICHEN_ENOTSUP,
						      "%s: packed with %s, only LZ4 and XZ "
						      "are unpacked here",
						      source->name, f->name);
	}
	return lichen_refuse(why, -LICHEN_ENOTSUP,
			     "%s: packed in an unknown way, only LZ4 and XZ are unpacked here",
			     source->name);
}

lichen_status lichen_payload_find(const struct lichen_source *source,
				  struct lichen_payload *out, struct lichen_why *why)
{
	const char *name = source->name;
	struct lichen_payload payload = { .format = 0 };
	uint8_t header[BZ_HEADER_END], trailer[BZ_TRAILER];
	uint64_t done = 0, sects;
	lichen_status status;
	uint32_t version;

	if (lichen_source_read(source, 0, header, sizeof(header), &done) < 0)
		return lichen_refuse(why, -LICHEN_EIO, "%s: its header cannot be read", name);
	if (done < sizeof(header) || memcmp(header + BZ_MAGIC_AT, "HdrS", 4) != 0)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "%s: neither an ELF file nor a bzImage", name);
	version = bz_u16(header + BZ_VERSION_AT);
	if (version < BZ_OLDEST)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "%s: boot protocol %u.%02u, its payload is found from "
				     "2.08 on",
				     name, version >> 8, version & 0xffu);
	payload.cmdline = bz_u32(header + BZ_CMDLINE_AT);
	sects = header[BZ_HEADER_AT] != 0 ? header[BZ_HEADER_AT] : BZ_DEFAULT_SECTS;
	payload.offset = (sects + 1) * BZ_SECTOR + bz_u32(header + BZ_PAYLOAD_AT);
	payload.size = bz_u32(header + BZ_PAYLOAD_AT + 4);
	if (payload.offset > source->size || payload.size > source->size - payload.offset)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "%s: truncated, its payload is %" PRIu64
				     " bytes at %" PRIu64 ", the file has %" PRIu64,
				     name, payload.size, payload.offset, source->size);
	if (payload.size < 2 * sizeof(uint64_t))
		return lichen_refuse(why, -LICHEN_ENOEXEC, "%s: a payload of %" PRIu64 " bytes",
				     name, payload.size);
	payload.size -= BZ_TRAILER;
	if (lichen_source_read_all(source, payload.offset + payload.size, trailer,
				   sizeof(trailer)) < 0)
		return lichen_refuse(why, -LICHEN_EIO, "%s: its payload cannot be read", name);
	payload.unpacked = bz_u32(trailer);
	status = bz_format(source, &payload, why);
	if (status < 0)
		return status;
	if (payload.unpacked == 0 || payload.unpacked > LICHEN_PAYLOAD_MAX)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "%s: a payload that says it unpacks to %" PRIu64
				     " bytes, at most %" PRIu64 " are taken",
				     name, payload.unpacked, (uint64_t)LICHEN_PAYLOAD_MAX);
	*out = payload;
	return 0;
}

static lichen_status bz_damaged(const struct lichen_source *source, uint64_t at,
				struct lichen_why *why)
{
	return lichen_refuse(why, -LICHEN_EBADMSG,
			     "%s: its payload is damaged at byte %" PRIu64, source->name, at);
}

static lichen_status bz_wrong_size(const struct lichen_source *source,
				   const struct lichen_payload *payload, const char *than,
				   struct lichen_why *why)
{
	return lichen_refuse(why, -LICHEN_EBADMSG,
			     "%s: its payload unpacks to %s than the %" PRIu64
			     " bytes that it says",
			     source->name, than, payload->unpacked);
}

static lichen_status bz_no_memory(const struct lichen_source *source, struct lichen_why *why)
{
	return lichen_refuse(why, -LICHEN_ENOMEM, "%s: out of memory while it is unpacked",
			     source->name);
}

static lichen_status bz_unreadable(const struct lichen_source *source, struct lichen_why *why)
{
	return lichen_refuse(why, -LICHEN_EIO, "%s: its payload cannot be read", source->name);
}

/*
 * The legacy LZ4 frame: a magic number, then blocks, each after its packed size.
 * Another magic number in the place of a size starts a frame that was appended.
 */
static lichen_status bz_unpack_lz4(const struct lichen_source *source,
				   const struct lichen_payload *payload, uint8_t *to,
				   struct lichen_why *why)
{
	const uint32_t magic = bz_u32((const uint8_t *)bz_formats[0].magic);
	const uint32_t block_max = (uint32_t)LZ4_COMPRESSBOUND(BZ_LZ4_BLOCK);
	uint8_t *block = malloc(block_max);
	uint64_t at = 0, had = 0;
	lichen_status status = block == NULL ? bz_no_memory(source, why) : 0;

	while (status >= 0 && at < payload->size) {
		uint64_t left = payload->unpacked - had;
		uint8_t word[4];
		uint32_t size;
		int n;

		if (payload->size - at < sizeof(word)) {
			status = bz_damaged(source, at, why);
			break;
		}
		if (lichen_source_read_all(source, payload->offset + at, word, sizeof(word)) <
		    0) {
			status = bz_unreadable(source, why);
			break;
		}
		size = bz_u32(word);
		at += sizeof(word);
		if (size == magic)
			continue;
		if (size == 0 || size > block_max || size > payload->size - at) {
			status = bz_damaged(source, at, why);
			break;
		}
		if (lichen_source_read_all(source, payload->offset + at, block, size) < 0) {
			status = bz_unreadable(source, why);
			break;
		}
		n = LZ4_decompress_safe((const char *)block, (char *)to + had, (int)size,
					left < BZ_LZ4_BLOCK ? (int)left : BZ_LZ4_BLOCK);
		if (n < 0)
			status = left < BZ_LZ4_BLOCK
					 ? bz_wrong_size(source, payload, "more", why)
					 : bz_damaged(source, at, why);
		else
			had += (uint64_t)n;
		at += size;
	}
	free(block);
	if (status >= 0 && had < payload->unpacked)
		status = bz_wrong_size(source, payload, "less", why);
	return status;
}

static lichen_status bz_xz_status(const struct lichen_source *source,
				  const struct lichen_payload *payload, lzma_ret result,
				  const lzma_stream *stream, struct lichen_why *why)
{
	switch (result) {
	case LZMA_STREAM_END:
		if (stream->avail_out > 0)
			return bz_wrong_size(source, payload, "less", why);
		return stream->total_in == payload->size
			       ? 0
			       : bz_damaged(source, stream->total_in, why);
	case LZMA_MEM_ERROR:
		return bz_no_memory(source, why);
	case LZMA_MEMLIMIT_ERROR:
		return lichen_refuse(why, -LICHEN_EBADMSG,
				     "%s: unpacking it takes more than %d bytes of memory",
				     source->name, BZ_XZ_MEMORY);
	case LZMA_BUF_ERROR:
		if (stream->avail_out == 0 && stream->total_in < payload->size)
			return bz_wrong_size(source, payload, "more", why);
		return bz_damaged(source, stream->total_in, why);
	default:
		return bz_damaged(source, stream->total_in, why);
	}
}

static lichen_status bz_unpack_xz(const struct lichen_source *source,
				  const struct lichen_payload *payload, uint8_t *to,
				  struct lichen_why *why)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	uint8_t *chunk = malloc(BZ_XZ_CHUNK);
	lzma_ret result =
		chunk == NULL ? LZMA_MEM_ERROR : lzma_stream_decoder(&stream, BZ_XZ_MEMORY, 0);
	lichen_status status;
	uint64_t at = 0;

	stream.next_out = to;
	stream.avail_out = payload->unpacked;
	/* A decoder that can do nothing says so at its second call: the loop ends. */
	while (result == LZMA_OK) {
		uint64_t left = payload->size - at;

		if (stream.avail_in == 0 && left > 0) {
			uint64_t want = left < BZ_XZ_CHUNK ? left : BZ_XZ_CHUNK;

			if (lichen_source_read_all(source, payload->offset + at, chunk, want) <
			    0)
				break;
			stream.next_in = chunk;
			stream.avail_in = want;
			at += want;
		}
		result = lzma_code(&stream, at == payload->size ? LZMA_FINISH : LZMA_RUN);
	}
	status = result == LZMA_OK ? bz_unreadable(source, why)
				   : bz_xz_status(source, payload, result, &stream, why);
	lzma_end(&stream);
	free(chunk);
	return status;
}

lichen_status lichen_payload_unpack(const struct lichen_source *source,
				    const struct lichen_payload *payload, void *to,
				    struct lichen_why *why)
{
	return payload->format == LICHEN_PAYLOAD_LZ4 ? bz_unpack_lz4(source, payload, to, why)
						     : bz_unpack_xz(source, payload, to, why);
}
