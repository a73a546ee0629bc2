/* SPDX-License-Identifier: MIT */
/*
 * linux_header.c: the setup header of a bzImage, "The Real-Mode Kernel Header"
 * in Linux's Documentation/arch/x86/boot.rst.  Multi-byte fields are
 * little-endian, as this machine is.
 */
#include "linux_header.h"

#include <inttypes.h>
#include <string.h>

enum {
	LINUX_SECTOR = 512,
	LINUX_DEFAULT_SETUP_SECTS = 4, /* what setup_sects 0 means */
	LINUX_BOOT_FLAG = 0xaa55,      /* at 0x1fe */
	LINUX_MAGIC_AT = 0x202,	       /* "HdrS" */
	LINUX_LENGTH_AT = 0x201,       /* the header ends at 0x202 plus this byte */
	LINUX_NEEDED_END = 0x264,      /* past init_size, the last field that we need */
	LINUX_OLDEST = 0x20c,	       /* xloadflags, and so the 64-bit entry, came with 2.12 */
	LINUX_SYSSIZE_UNIT = 16,       /* syssize counts paragraphs */
	LINUX_ENTRY_64 = 0x200,	       /* of the protected-mode part */
	LINUX_VERSION = 0x20f,	       /* what the zero page of a vmlinux says: 2.15 */
	LINUX_CMDLINE_SIZE = 2047,     /* what x86 kernels of all years take at most */
	LINUX_LARGE_PAGE = 2 << 20,
};

_Static_assert(offsetof(struct boot_params, hdr) == LINUX_HEADER_AT, "zero page layout");
_Static_assert(LINUX_HEADER_AT + sizeof(struct setup_header) <= LINUX_HEADER_BYTES,
	       "the header must fit before the zero page's next field");

/* Files that are mistaken for a bzImage, by the bytes that give them away. */
static const struct linux_foreign {
	uint32_t at;
	const char *magic;
	uint32_t size;
	const char *what;
} linux_foreign[] = {
	{ 0x38, "ARM\x64", 4, "an arm64 kernel" },
	{ 0x38, "RSC\x05", 4, "a RISC-V kernel" },
	{ 0x04, "zimg", 4, "an EFI zboot image" },
	{ 0x24, "\x18\x28\x6f\x01", 4, "an arm zImage" },
	{ 0x00, "\x27\x05\x19\x56", 4, "a U-Boot image" },
	{ 0x00, "\x1f\x8b", 2, "a gzip file" },
	{ 0x00,
	  "\xfd"
	  "7zXZ",
	  5, "an xz file" },
	{ 0x00, "\x28\xb5\x2f\xfd", 4, "a zstd file" },
	{ 0x00, "!<arch>", 7, "an archive (a .deb?)" },
};

static lichen_status linux_refuse_foreign(const uint8_t *bytes, uint64_t count,
					  uint64_t file_size, struct lichen_why *why)
{
	for (size_t i = 0; i < sizeof(linux_foreign) / sizeof(linux_foreign[0]); i++) {
		const struct linux_foreign *f = &linux_foreign[i];

		if (f->at <= count && f->size <= count - f->at &&
		    memcmp(bytes + f->at, f->magic, f->size) == 0)
			return lichen_refuse(why, -LICHEN_ENOEXEC,
					     "kernel: %s, not an x86 bzImage", f->what);
	}
	if (count < LINUX_NEEDED_END)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "kernel: truncated, %" PRIu64
				     " bytes of a header that ends at %d",
				     file_size, LINUX_NEEDED_END);
	return lichen_refuse(why, -LICHEN_ENOEXEC,
			     "kernel: not a bzImage, no \"HdrS\" at offset 0x202");
}

lichen_status linux_header_parse(const uint8_t *bytes, uint64_t count, uint64_t file_size,
				 struct linux_kernel *kernel, struct lichen_why *why)
{
	struct linux_kernel k = { .offset = 0 };
	const struct setup_header *h = &k.header;
	uint64_t end, sects;

	if (file_size == 0)
		return lichen_refuse(why, -LICHEN_ENOEXEC, "kernel: the file is empty");
	if (count < LINUX_NEEDED_END || memcmp(bytes + LINUX_MAGIC_AT, "HdrS", 4) != 0)
		return linux_refuse_foreign(bytes, count, file_size, why);

	end = (uint64_t)LINUX_MAGIC_AT + bytes[LINUX_LENGTH_AT];
	if (end > LINUX_HEADER_AT + sizeof(k.header))
		end = LINUX_HEADER_AT + sizeof(k.header); /* fields of a later protocol */
	if (end > count)
		end = count;
	memcpy(&k.header, bytes + LINUX_HEADER_AT, (size_t)(end - LINUX_HEADER_AT));

	if (h->boot_flag != LINUX_BOOT_FLAG)
		return lichen_refuse(why, -LICHEN_ENOEXEC, "kernel: boot flag 0x%x, not 0x%x",
				     h->boot_flag, LINUX_BOOT_FLAG);
	if (h->version < LINUX_OLDEST)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "kernel: boot protocol %u.%02u, at least 2.12 is needed",
				     h->version >> 8, h->version & 0xffu);
	if (end < LINUX_NEEDED_END)
		return lichen_refuse(
			why, -LICHEN_ENOEXEC,
			"kernel: its header ends at 0x%" PRIx64 ", protocol %u.%02u needs 0x%x",
			end, h->version >> 8, h->version & 0xffu, LINUX_NEEDED_END);
	if (!(h->loadflags & LOADED_HIGH))
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "kernel: a zImage, which loads low; not a bzImage");
	if (!(h->xloadflags & XLF_KERNEL_64))
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "kernel: built for 32-bit x86, it has no 64-bit entry");
	if (h->kernel_alignment == 0 || (h->kernel_alignment & (h->kernel_alignment - 1)) != 0)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "kernel: alignment 0x%x, not a power of two",
				     h->kernel_alignment);

	sects = h->setup_sects != 0 ? h->setup_sects : LINUX_DEFAULT_SETUP_SECTS;
	k.offset = (sects + 1) * LINUX_SECTOR;
	k.size = (uint64_t)h->syssize * LINUX_SYSSIZE_UNIT;
	k.file_size = k.offset + k.size;
	if (file_size < k.file_size)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "kernel: truncated, %" PRIu64 " bytes of %" PRIu64
				     " that its header promises",
				     file_size, k.file_size);
	if (k.size <= LINUX_ENTRY_64)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "kernel: %" PRIu64
				     " bytes of code, the 64-bit entry is at byte %d",
				     k.size, LINUX_ENTRY_64);

	k.room = h->init_size > k.size ? h->init_size : k.size;
	k.align = h->kernel_alignment > LINUX_PAGE ? h->kernel_alignment : LINUX_PAGE;
	k.entry = LINUX_ENTRY_64;
	if (!h->relocatable_kernel && h->pref_address % k.align != 0)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "kernel: bound to 0x%" PRIx64
				     ", not a multiple of its alignment 0x%" PRIx64,
				     (uint64_t)h->pref_address, k.align);
	*kernel = k;
	return 0;
}

lichen_status linux_elf_judge(const struct lichen_elf *elf, struct linux_kernel *kernel,
			      struct lichen_why *why)
{
	struct linux_kernel k = { .is_elf = 1 };
	struct setup_header *h = &k.header;

	if (elf->bits != 64)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "kernel: built for 32-bit x86, it has no 64-bit entry");
	if (elf->low < LICHEN_E820_MIB)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "kernel: a segment at 0x%" PRIx64
				     ", kernels lie from 1 MiB on",
				     elf->low);
	if (lichen_elf_at(elf, elf->entry) == NULL)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "kernel: its entry 0x%" PRIx64 " lies in no segment",
				     elf->entry);
	k.room = elf->high - elf->low;
	k.size = k.room;
	k.align = LINUX_LARGE_PAGE;
	k.entry = elf->entry - elf->low;
	h->boot_flag = LINUX_BOOT_FLAG;
	memcpy(&h->header, "HdrS", sizeof(h->header));
	h->version = LINUX_VERSION;
	h->loadflags = LOADED_HIGH;
	h->kernel_alignment = LINUX_LARGE_PAGE;
	h->xloadflags = XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G;
	h->cmdline_size = LINUX_CMDLINE_SIZE;
	h->pref_address = elf->low;
	h->init_size = (uint32_t)k.room; /* below 4 GiB, as all of it */
	*kernel = k;
	return 0;
}
