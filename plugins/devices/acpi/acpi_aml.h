/* SPDX-License-Identifier: MIT */
/*
 * acpi_aml.h: a bounded buffer of table bytes, and the few AML terms (ACPI 6.4,
 * chapter 20) that describe devices.
 */
#ifndef ACPI_AML_H
#define ACPI_AML_H

#include <lichen/acpi.h>
#include <lichen/status.h>

/* What does not fit is dropped and remembered, so that callers check once, at the end. */
struct acpi_buf {
	uint8_t *bytes;
	uint32_t room; /* bytes */
	uint32_t used; /* bytes, at most room */
	uint32_t full; /* 1: something was dropped */
};

/* Appends the low `size` (1 to 8) bytes of `value`, little-endian. */
void acpi_put(struct acpi_buf *buf, uint64_t value, uint32_t size);
void acpi_put_bytes(struct acpi_buf *buf, const void *bytes, uint32_t size);

/* NameOp and `segment`, four characters; the object's data follows. */
void acpi_aml_name(struct acpi_buf *buf, const char *segment);
void acpi_aml_integer(struct acpi_buf *buf, uint64_t value);
/* The data of a _HID or _CID: compressed where `id` is an EISA id (19.3.4), else a string. */
void acpi_aml_id(struct acpi_buf *buf, const char *id);
/* 1 where `id` is one that ACPI allows (6.1.5): EISA ids and four of [A-Z0-9] with four
 * hexadecimal digits. */
int acpi_aml_id_valid(const char *id);

/* A term whose contents follow until acpi_aml_end() gets what this returned. */
uint32_t acpi_aml_scope(struct acpi_buf *buf, const char *segment);
uint32_t acpi_aml_device(struct acpi_buf *buf, const char *segment);
uint32_t acpi_aml_package(struct acpi_buf *buf, uint8_t elements);
void acpi_aml_end(struct acpi_buf *buf, uint32_t start);

/* The resources of `node` as a _CRS (6.2.2), nothing where it has none; they are valid. */
void acpi_aml_crs(struct acpi_buf *buf, const struct lichen_acpi_node *node);

#endif
