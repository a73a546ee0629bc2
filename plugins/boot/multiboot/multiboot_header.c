/* SPDX-License-Identifier: MIT */
/* multiboot_header.c: finds and judges the header.  See multiboot_header.h. */
#include "multiboot_header.h"

#define MULTIBOOT_MAGIC 0x1badb002u
#define MULTIBOOT_REQUIRED 0xffffu /* flags that must be understood */

/* The header as it is in the file; what follows `checksum` is there with ADDRESSES. */
struct multiboot_header {
	uint32_t magic;
	uint32_t flags;
	uint32_t checksum; /* makes the sum of the three 0 */
	uint32_t header_addr;
	uint32_t load_addr;
	uint32_t load_end_addr; /* 0: to the end of the file */
	uint32_t bss_end_addr;	/* 0: nothing to zero */
	uint32_t entry_addr;
};

/* *at: its offset in the file.  Bytes that the file ends before are zero. */
static lichen_status multiboot_find(const struct lichen_source *source,
				    struct multiboot_header *header, uint64_t *at,
				    struct lichen_why *why)
{
	uint8_t bytes[MULTIBOOT_SEARCH + sizeof(*header)] = { 0 };
	uint64_t count = 0;

	if (lichen_source_read(source, 0, bytes, sizeof(bytes), &count) < 0)
		return lichen_refuse(why, -LICHEN_EIO, "kernel: its header cannot be read");
	for (uint64_t i = 0; i <= MULTIBOOT_SEARCH - 12 && i + 12 <= count;
	     i += MULTIBOOT_ALIGN) {
		memcpy(header, bytes + i, sizeof(*header));
		if (header->magic != MULTIBOOT_MAGIC ||
		    header->magic + header->flags + header->checksum != 0)
			continue;
		*at = i;
		return 0;
	}
	return lichen_refuse(why, -LICHEN_ENOEXEC,
			     "kernel: no Multiboot header in its first %d bytes",
			     MULTIBOOT_SEARCH);
}

/* The addresses of the header as one segment. */
static lichen_status multiboot_addresses(const struct lichen_source *source,
					 const struct multiboot_header *h, uint64_t at,
					 struct multiboot_image *image, struct lichen_why *why)
{
	struct lichen_elf_segment *s = &image->elf.segment[0];

	if (h->header_addr < h->load_addr || h->header_addr - h->load_addr > at)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "kernel: its header at byte %" PRIu64
				     " says 0x%x, which does not go with a start at 0x%x",
				     at, h->header_addr, h->load_addr);
	s->offset = at - (h->header_addr - h->load_addr);
	s->gpa = s->address = h->load_addr;
	s->file_size = source->size - s->offset;
	if (h->load_end_addr != 0) {
		if (h->load_end_addr <= h->load_addr ||
		    h->load_end_addr - h->load_addr > s->file_size)
			return lichen_refuse(why, -LICHEN_ENOEXEC,
					     "kernel: 0x%x to 0x%x is not in its file, %" PRIu64
					     " bytes from byte %" PRIu64 " on are",
					     h->load_addr, h->load_end_addr, s->file_size,
					     s->offset);
		s->file_size = h->load_end_addr - h->load_addr;
	}
	if (s->file_size > LICHEN_ELF_REACH - s->gpa)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "kernel: %" PRIu64 " bytes at 0x%x, past 4 GiB",
				     s->file_size, h->load_addr);
	s->size = s->file_size;
	if (h->bss_end_addr != 0) {
		if (h->bss_end_addr < s->gpa + s->file_size)
			return lichen_refuse(why, -LICHEN_ENOEXEC,
					     "kernel: its zeroed memory ends at 0x%x, in what "
					     "is loaded",
					     h->bss_end_addr);
		s->size = h->bss_end_addr - s->gpa;
	}
	image->elf.bits = 32;
	image->elf.count = 1;
	image->elf.low = s->gpa;
	image->elf.high = s->gpa + s->size;
	image->entry = h->entry_addr;
	return 0;
}

/* e_entry is virtual where a segment's virtual addresses hold it (as GRUB has it). */
static lichen_gpa multiboot_entry(const struct lichen_elf *elf)
{
	for (uint32_t i = 0; i < elf->count; i++) {
		const struct lichen_elf_segment *s = &elf->segment[i];

		if (elf->entry >= s->address && elf->entry - s->address < s->file_size)
			return s->gpa + (elf->entry - s->address);
	}
	return elf->entry;
}

lichen_status multiboot_judge(const struct lichen_source *source, struct multiboot_image *out,
			      struct lichen_why *why)
{
	struct multiboot_image image = { .entry = 0 };
	struct multiboot_header header = { .magic = 0 };
	lichen_status status;
	uint64_t at = 0;
	uint32_t other;

	status = multiboot_find(source, &header, &at, why);
	if (status < 0)
		return status;
	image.flags = header.flags;
	other = header.flags & MULTIBOOT_REQUIRED &
		~((uint32_t)MULTIBOOT_PAGE_ALIGN | MULTIBOOT_MEMORY_INFO);
	if (other & MULTIBOOT_VIDEO)
		return lichen_refuse(why, -LICHEN_ENOTSUP,
				     "kernel: asks for a video mode, there is no video");
	if (other != 0)
		return lichen_refuse(why, -LICHEN_ENOTSUP,
				     "kernel: asks for 0x%x, of which nothing is known", other);
	if (header.flags & MULTIBOOT_ADDRESSES) {
		status = multiboot_addresses(source, &header, at, &image, why);
	} else {
		status = lichen_elf_parse(source, &image.elf, why);
		image.entry = multiboot_entry(&image.elf);
	}
	if (status < 0)
		return status;
	if (lichen_elf_at(&image.elf, image.entry) == NULL)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "kernel: its entry 0x%" PRIx64 " is not in what is loaded",
				     image.entry);
	*out = image;
	return 0;
}
