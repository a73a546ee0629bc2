/* SPDX-License-Identifier: MIT */
/*
 * linux_kaslr.c: see linux_kaslr.h.  The form of the relocations is that of Linux's
 * arch/x86/boot/compressed/misc.c: after the ELF file a zero, the locations of
 * 64-bit addresses, a zero, those of inverse 32-bit ones, a zero, those of 32-bit
 * ones, and the end.  Kernels without inverse ones lack that zero as well.
 */
#include "linux_kaslr.h"

#include <inttypes.h>

#define LINUX_MAP UINT64_C(0xffffffff80000000) /* __START_KERNEL_map: physical 0 */
#define LINUX_IMAGE_MAX (UINT64_C(1) << 30)    /* KERNEL_IMAGE_SIZE */

enum { LINUX_RELOC = 4 /* bytes */, LINUX_TABLES_MAX = 3 };

static uint32_t linux_u32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

lichen_status linux_relocs_find(const uint8_t *bytes, uint64_t size,
				const struct lichen_elf *elf, struct linux_relocs *relocs,
				struct lichen_why *why)
{
	const uint8_t *table[LINUX_TABLES_MAX] = { NULL };
	uint32_t count[LINUX_TABLES_MAX] = { 0 }, tables = 0;

	if (elf->end >= size)
		return lichen_refuse(why, -LICHEN_ENOTSUP,
				     "kernel: no relocations, it was built without KASLR");
	if ((size - elf->end) % LINUX_RELOC != 0 || linux_u32(bytes + elf->end) != 0)
		return lichen_refuse(why, -LICHEN_ENOTSUP,
				     "kernel: relocations of an unknown form");
	for (uint64_t at = elf->end; at < size; at += LINUX_RELOC) {
		if (linux_u32(bytes + at) != 0) {
			count[tables - 1]++; /* the first word is 0 */
			continue;
		}
		if (tables == LINUX_TABLES_MAX)
			return lichen_refuse(why, -LICHEN_ENOTSUP,
					     "kernel: more than %d tables of relocations",
					     LINUX_TABLES_MAX);
		table[tables++] = bytes + at + LINUX_RELOC;
	}
	if (tables < 2)
		return lichen_refuse(why, -LICHEN_ENOTSUP,
				     "kernel: one table of relocations, not two or three");
	*relocs = (struct linux_relocs){
		.wide = table[0],
		.wide_count = count[0],
		.inverse = tables == 3 ? table[1] : NULL,
		.inverse_count = tables == 3 ? count[1] : 0,
		.narrow = table[tables - 1],
		.narrow_count = count[tables - 1],
	};
	return 0;
}

/*
 * Where the `width` bytes at `location`, a virtual address without its upper half, are
 * in `bytes`; NULL: not in what the file has of a segment.  last: the segment of the
 * location before, where the next mostly is too.
 */
static uint8_t *linux_location(uint8_t *bytes, const struct lichen_elf *elf, uint32_t location,
			       uint32_t width, uint32_t *last)
{
	uint64_t gpa = (uint64_t)(int64_t)(int32_t)location - LINUX_MAP;

	for (uint32_t i = 0; i < elf->count; i++) {
		const struct lichen_elf_segment *s = &elf->segment[(i + *last) % elf->count];

		if (gpa < s->gpa || gpa - s->gpa >= s->file_size ||
		    width > s->file_size - (gpa - s->gpa))
			continue;
		*last = (i + *last) % elf->count;
		return bytes + s->offset + (gpa - s->gpa);
	}
	return NULL;
}

static lichen_status linux_outside(uint32_t location, struct lichen_why *why)
{
	return lichen_refuse(why, -LICHEN_EBADMSG,
			     "kernel: a relocation at 0x%x, outside its segments", location);
}

static lichen_status linux_apply_narrow(uint8_t *bytes, const struct lichen_elf *elf,
					const uint8_t *table, uint32_t count, uint32_t delta,
					struct lichen_why *why)
{
	uint32_t last = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t location = linux_u32(table + (uint64_t)i * LINUX_RELOC), value;
		uint8_t *at = linux_location(bytes, elf, location, sizeof(value), &last);

		if (at == NULL)
			return linux_outside(location, why);
		value = linux_u32(at) + delta;
		memcpy(at, &value, sizeof(value));
	}
	return 0;
}

lichen_status linux_relocs_apply(uint8_t *bytes, const struct lichen_elf *elf,
				 const struct linux_relocs *relocs, uint32_t delta,
				 struct lichen_why *why)
{
	lichen_status status;
	uint32_t last = 0;

	status = linux_apply_narrow(bytes, elf, relocs->narrow, relocs->narrow_count, delta,
				    why);
	if (status >= 0)
		status = linux_apply_narrow(bytes, elf, relocs->inverse, relocs->inverse_count,
					    0u - delta, why);
	for (uint32_t i = 0; status >= 0 && i < relocs->wide_count; i++) {
		uint32_t location = linux_u32(relocs->wide + (uint64_t)i * LINUX_RELOC);
		uint64_t value;
		uint8_t *at = linux_location(bytes, elf, location, sizeof(value), &last);

		if (at == NULL)
			return linux_outside(location, why);
		memcpy(&value, at, sizeof(value));
		value += delta;
		memcpy(at, &value, sizeof(value));
	}
	return status;
}

/* Adds the places in [low, high) to *count; sets *at where number `index` is among them. */
static void linux_slots_in(const struct linux_kernel *kernel, lichen_gpa low, lichen_gpa high,
			   uint64_t index, uint64_t *count, lichen_gpa *at)
{
	uint64_t here;

	if (low < kernel->header.pref_address)
		low = kernel->header.pref_address;
	low = lichen_round_up(low, kernel->align);
	if (high > LICHEN_X86_REACH)
		high = LICHEN_X86_REACH;
	if (low >= high || kernel->room > high - low)
		return;
	here = (high - low - kernel->room) / kernel->align + 1;
	if (index >= *count && index - *count < here)
		*at = low + (index - *count) * kernel->align;
	*count += here;
}

uint64_t linux_slots(const struct lichen_e820 *map, const struct linux_kernel *kernel,
		     lichen_gpa taken, lichen_gpa taken_end, uint64_t index, lichen_gpa *at)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < map->count; i++) {
		const struct lichen_e820_range *r = &map->range[i];
		lichen_gpa end = r->gpa + r->size;

		if (r->type != LICHEN_RANGE_RAM || end <= LICHEN_E820_MIB)
			continue;
		if (taken >= end || taken_end <= r->gpa) {
			linux_slots_in(kernel, r->gpa, end, index, &count, at);
			continue;
		}
		linux_slots_in(kernel, r->gpa, taken, index, &count, at);
		linux_slots_in(kernel, taken_end, end, index, &count, at);
	}
	return count;
}

uint64_t linux_virtual_slots(const struct linux_kernel *kernel)
{
	uint64_t start = kernel->header.pref_address;

	if (start > LINUX_IMAGE_MAX || kernel->room > LINUX_IMAGE_MAX - start)
		return 0;
	return (LINUX_IMAGE_MAX - start - kernel->room) / kernel->align + 1;
}

/* 1 when a word of the command line starts with, or with `whole` is, `word`. */
static uint32_t linux_has_word(const char *cmdline, const char *word, uint32_t whole)
{
	size_t length = strlen(word);

	for (const char *at = strstr(cmdline, word); at != NULL; at = strstr(at + 1, word)) {
		if (at != cmdline && at[-1] != ' ')
			continue;
		if (!whole || at[length] == ' ' || at[length] == '\0')
			return 1;
	}
	return 0;
}

uint32_t linux_words_place(const char *cmdline)
{
	return linux_has_word(cmdline, "mem=", 0) || linux_has_word(cmdline, "memmap=", 0) ||
	       linux_has_word(cmdline, "hugepages", 0) ||
	       linux_has_word(cmdline, "movable_node", 1);
}

uint32_t linux_words_fixed(const char *cmdline)
{
	return linux_has_word(cmdline, "nokaslr", 1);
}
