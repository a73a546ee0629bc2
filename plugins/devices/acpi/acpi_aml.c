/* SPDX-License-Identifier: MIT */
/* acpi_aml.c: encodes AML terms and resource descriptors; ACPI 6.4, 20.2 and 6.4. */
#include "acpi_aml.h"

#include <string.h>

enum { /* 20.3, table 20.2 */
       AML_ZERO = 0x00,
       AML_ONE = 0x01,
       AML_NAME = 0x08,
       AML_BYTE = 0x0a,
       AML_WORD = 0x0b,
       AML_DWORD = 0x0c,
       AML_STRING = 0x0d,
       AML_QWORD = 0x0e,
       AML_SCOPE = 0x10,
       AML_BUFFER = 0x11,
       AML_PACKAGE = 0x12,
       AML_EXT = 0x5b,
       AML_EXT_DEVICE = 0x82,
};

enum { AML_SEGMENT = 4 }; /* characters of a NameSeg, 20.2.2 */

enum { /* 6.4.2 and 6.4.3: first byte of a resource descriptor */
       CRS_IRQ_NO_FLAGS = 0x22,
       CRS_IO = 0x47,
       CRS_END = 0x79,
       CRS_MEMORY32_FIXED = 0x86,
       CRS_WORD_SPACE = 0x88,
       CRS_INTERRUPT = 0x89,
       CRS_QWORD_SPACE = 0x8a,
};

enum { /* 6.4.3.5: address space descriptors */
       CRS_SPACE_MEMORY = 0,
       CRS_SPACE_IO = 1,
       CRS_SPACE_FIXED = 0x0d, /* consumed; least and greatest address are fixed */
       CRS_IO_ENTIRE = 0x03,
       CRS_MEMORY_WRITABLE = 0x01,
};

enum {
	CRS_IO_MAX = 0xff, /* ports that an I/O Port Descriptor can say, 6.4.2.5 */
	CRS_ISA_IRQS = 16,
	/* four of the longest of each, and the end */
	CRS_MAX = LICHEN_ACPI_PORTS * 16 + LICHEN_ACPI_GSIS * 9 + LICHEN_ACPI_RANGES * 46 + 2
};

void acpi_put_bytes(struct acpi_buf *buf, const void *bytes, uint32_t size)
{
	if (size > buf->room - buf->used) {
		buf->full = 1;
		return;
	}
	memcpy(buf->bytes + buf->used, bytes, size);
	buf->used += size;
}

void acpi_put(struct acpi_buf *buf, uint64_t value, uint32_t size)
{
	uint8_t bytes[sizeof(value)];

	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(value >> 8 * i);
	acpi_put_bytes(buf, bytes, size);
}

void acpi_aml_name(struct acpi_buf *buf, const char *segment)
{
	acpi_put(buf, AML_NAME, 1);
	acpi_put_bytes(buf, segment, AML_SEGMENT);
}

/* The shortest form, as compilers give it. */
void acpi_aml_integer(struct acpi_buf *buf, uint64_t value)
{
	if (value <= 1) {
		acpi_put(buf, value ? AML_ONE : AML_ZERO, 1);
	} else if (value <= UINT8_MAX) {
		acpi_put(buf, AML_BYTE, 1);
		acpi_put(buf, value, 1);
	} else if (value <= UINT16_MAX) {
		acpi_put(buf, AML_WORD, 1);
		acpi_put(buf, value, 2);
	} else if (value <= UINT32_MAX) {
		acpi_put(buf, AML_DWORD, 1);
		acpi_put(buf, value, 4);
	} else {
		acpi_put(buf, AML_QWORD, 1);
		acpi_put(buf, value, 8);
	}
}

/* 16 for what is no upper-case hexadecimal digit. */
static uint32_t acpi_hex(char c)
{
	if (c >= '0' && c <= '9')
		return (uint32_t)(c - '0');
	return c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10 : 16;
}

static int acpi_hex4(const char *text)
{
	for (int i = 0; i < 4; i++)
		if (acpi_hex(text[i]) > 15)
			return 0;
	return 1;
}

/* Three letters and four digits: "PNP0501". */
static int acpi_eisa(const char *id)
{
	if (strlen(id) != 7)
		return 0;
	for (int i = 0; i < 3; i++)
		if (id[i] < 'A' || id[i] > 'Z')
			return 0;
	return acpi_hex4(id + 3);
}

int acpi_aml_id_valid(const char *id)
{
	if (acpi_eisa(id))
		return 1;
	if (strlen(id) != 8)
		return 0;
	for (int i = 0; i < 4; i++)
		if (!(id[i] >= 'A' && id[i] <= 'Z') && !(id[i] >= '0' && id[i] <= '9'))
			return 0;
	return acpi_hex4(id + 4);
}

void acpi_aml_id(struct acpi_buf *buf, const char *id)
{
	uint32_t packed = 0;

	if (!acpi_eisa(id)) {
		acpi_put(buf, AML_STRING, 1);
		acpi_put_bytes(buf, id, (uint32_t)strlen(id) + 1);
		return;
	}
	for (int i = 0; i < 3; i++) /* five bits a letter, 'A' is 1 */
		packed = packed << 5 | (uint32_t)(id[i] - 'A' + 1);
	for (int i = 3; i < 7; i++)
		packed = packed << 4 | acpi_hex(id[i]);
	/* The compressed form is big-endian (19.3.4). */
	acpi_put(buf, AML_DWORD, 1);
	acpi_put(buf, __builtin_bswap32(packed), 4);
}

uint32_t acpi_aml_scope(struct acpi_buf *buf, const char *segment)
{
	uint32_t start;

	acpi_put(buf, AML_SCOPE, 1);
	start = buf->used;
	acpi_put(buf, '\\', 1);
	acpi_put_bytes(buf, segment, AML_SEGMENT);
	return start;
}

uint32_t acpi_aml_device(struct acpi_buf *buf, const char *segment)
{
	uint32_t start;

	acpi_put(buf, AML_EXT, 1);
	acpi_put(buf, AML_EXT_DEVICE, 1);
	start = buf->used;
	acpi_put_bytes(buf, segment, AML_SEGMENT);
	return start;
}

uint32_t acpi_aml_package(struct acpi_buf *buf, uint8_t elements)
{
	uint32_t start;

	acpi_put(buf, AML_PACKAGE, 1);
	start = buf->used;
	acpi_put(buf, elements, 1);
	return start;
}

/*
 * Puts the PkgLength (20.2.4) in front of what was appended since `start`.  It
 * counts its own one to four bytes.
 */
void acpi_aml_end(struct acpi_buf *buf, uint32_t start)
{
	uint32_t content = buf->used - start, more = 0, length;
	uint8_t head[4];

	while (more < 3 && content + 1 + more >= (more ? 1u << (4 + 8 * more) : 1u << 6))
		more++;
	length = content + 1 + more;
	if (buf->full || more + 1 > buf->room - buf->used) {
		buf->full = 1;
		return;
	}
	head[0] = (uint8_t)(more ? more << 6 | (length & 0xf) : length);
	for (uint32_t i = 0; i < more; i++)
		head[1 + i] = (uint8_t)(length >> (4 + 8 * i));
	memmove(buf->bytes + start + 1 + more, buf->bytes + start, content);
	memcpy(buf->bytes + start, head, 1 + more);
	buf->used += 1 + more;
}

static void acpi_crs_ports(struct acpi_buf *crs, const struct lichen_acpi_ports *ports)
{
	if (ports->size <= CRS_IO_MAX) { /* 6.4.2.5 */
		acpi_put(crs, CRS_IO, 1);
		acpi_put(crs, 1, 1); /* decodes 16 bits */
		acpi_put(crs, ports->base, 2);
		acpi_put(crs, ports->base, 2);
		acpi_put(crs, 1, 1); /* alignment */
		acpi_put(crs, ports->size, 1);
		return;
	}
	acpi_put(crs, CRS_WORD_SPACE, 1); /* 6.4.3.5.3 */
	acpi_put(crs, 13, 2);
	acpi_put(crs, CRS_SPACE_IO, 1);
	acpi_put(crs, CRS_SPACE_FIXED, 1);
	acpi_put(crs, CRS_IO_ENTIRE, 1);
	acpi_put(crs, 0, 2); /* granularity */
	acpi_put(crs, ports->base, 2);
	acpi_put(crs, ports->base + ports->size - 1u, 2);
	acpi_put(crs, 0, 2); /* translation */
	acpi_put(crs, ports->size, 2);
}

static void acpi_crs_gsi(struct acpi_buf *crs, const struct lichen_acpi_gsi *gsi)
{
	const uint32_t flags = gsi->flags & (LICHEN_ACPI_GSI_EDGE | LICHEN_ACPI_GSI_ACTIVE_LOW |
					     LICHEN_ACPI_GSI_SHARED);

	/* What ISA interrupts are by themselves; guests then honour overrides. */
	if (gsi->gsi < CRS_ISA_IRQS && flags == LICHEN_ACPI_GSI_EDGE) {
		acpi_put(crs, CRS_IRQ_NO_FLAGS, 1); /* 6.4.2.1 */
		acpi_put(crs, 1u << gsi->gsi, 2);
		return;
	}
	acpi_put(crs, CRS_INTERRUPT, 1); /* 6.4.3.6 */
	acpi_put(crs, 6, 2);
	acpi_put(crs, flags | 1, 1); /* consumed */
	acpi_put(crs, 1, 1);
	acpi_put(crs, gsi->gsi, 4);
}

static void acpi_crs_range(struct acpi_buf *crs, const struct lichen_acpi_range *range)
{
	const uint64_t last = range->base + range->size - 1;

	if (last <= UINT32_MAX && range->size <= UINT32_MAX) {
		acpi_put(crs, CRS_MEMORY32_FIXED, 1); /* 6.4.3.4 */
		acpi_put(crs, 9, 2);
		acpi_put(crs, CRS_MEMORY_WRITABLE, 1);
		acpi_put(crs, range->base, 4);
		acpi_put(crs, range->size, 4);
		return;
	}
	acpi_put(crs, CRS_QWORD_SPACE, 1); /* 6.4.3.5.1 */
	acpi_put(crs, 43, 2);
	acpi_put(crs, CRS_SPACE_MEMORY, 1);
	acpi_put(crs, CRS_SPACE_FIXED, 1);
	acpi_put(crs, CRS_MEMORY_WRITABLE, 1);
	acpi_put(crs, 0, 8); /* granularity */
	acpi_put(crs, range->base, 8);
	acpi_put(crs, last, 8);
	acpi_put(crs, 0, 8); /* translation */
	acpi_put(crs, range->size, 8);
}

void acpi_aml_crs(struct acpi_buf *buf, const struct lichen_acpi_node *node)
{
	uint8_t bytes[CRS_MAX];
	struct acpi_buf crs = { .bytes = bytes, .room = sizeof(bytes) };
	uint32_t start;

	for (uint32_t i = 0; i < LICHEN_ACPI_PORTS; i++)
		if (node->ports[i].size)
			acpi_crs_ports(&crs, &node->ports[i]);
	for (uint32_t i = 0; i < LICHEN_ACPI_RANGES; i++)
		if (node->ranges[i].size)
			acpi_crs_range(&crs, &node->ranges[i]);
	for (uint32_t i = 0; i < LICHEN_ACPI_GSIS; i++)
		if (node->gsis[i].flags & LICHEN_ACPI_GSI_USED)
			acpi_crs_gsi(&crs, &node->gsis[i]);
	if (!crs.used)
		return;
	acpi_put(&crs, CRS_END, 1);
	acpi_put(&crs, 0, 1); /* 6.4.2.9: a checksum of 0 counts as right */
	acpi_aml_name(buf, "_CRS");
	acpi_put(buf, AML_BUFFER, 1);
	start = buf->used;
	acpi_aml_integer(buf, crs.used);
	acpi_put_bytes(buf, crs.bytes, crs.used);
	acpi_aml_end(buf, start);
}
