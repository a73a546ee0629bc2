/* SPDX-License-Identifier: MIT */
/*
 * test_image.h: makes small bzImages and vmlinuxes for the tests of the linux plugin.
 */
#ifndef TEST_IMAGE_H
#define TEST_IMAGE_H

#include <asm/bootparam.h>
#include <elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	IMAGE_SETUP = 2 * 512, /* setup_sects is 1 */
	IMAGE_CODE = 64 << 10,
	IMAGE_SIZE = IMAGE_SETUP + IMAGE_CODE,
	IMAGE_PREFERRED = 16 << 20,
	IMAGE_ROOM = 8 << 20, /* init_size */
	ELF_TEXT = 2 << 20,   /* offset of the first segment; zeroes before it */
	ELF_DATA = ELF_TEXT + 8192,
	ELF_SIZE = ELF_DATA + 4096,
	ELF_AT = 16 << 20,
	ELF_DATA_AT = ELF_AT + 4096,
	ELF_END = ELF_DATA_AT + (3 << 20), /* with the zeroed end of the second segment */
};

static inline struct setup_header *image_header(uint8_t *image)
{
	return (struct setup_header *)(image + 0x1f1);
}

/* A valid image; byte i of its code is the low byte of i * 7 + (i >> 8). */
static inline void image_make(uint8_t image[IMAGE_SIZE])
{
	struct setup_header *h = image_header(image);

	memset(image, 0, IMAGE_SIZE);
	h->setup_sects = 1;
	h->syssize = IMAGE_CODE / 16;
	h->boot_flag = 0xaa55;
	h->jump = 0x6aeb; /* the header ends at 0x26c */
	h->header = 0x53726448;
	h->version = 0x20f;
	h->loadflags = LOADED_HIGH;
	h->initrd_addr_max = 0x7fffffff;
	h->kernel_alignment = 2 << 20;
	h->relocatable_kernel = 1;
	h->xloadflags = XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G;
	h->cmdline_size = 2047;
	h->pref_address = IMAGE_PREFERRED;
	h->init_size = IMAGE_ROOM;
	for (uint32_t i = 0; i < IMAGE_CODE; i++)
		image[IMAGE_SETUP + i] = (uint8_t)(i * 7 + (i >> 8));
}

/* What a vmlinux starts with. */
struct elf_file {
	Elf64_Ehdr header;
	Elf64_Phdr program[2];
};

static inline struct elf_file *elf_file(uint8_t *elf)
{
	return (struct elf_file *)(void *)elf;
}

/* A vmlinux of two segments of 4 KiB; the entry is at 0x40 of the first. */
static inline void elf_make(uint8_t elf[ELF_SIZE])
{
	struct elf_file *f = elf_file(elf);

	memset(elf, 0, ELF_TEXT);
	for (uint32_t i = ELF_TEXT; i < ELF_SIZE; i++)
		elf[i] = (uint8_t)(i * 7 + (i >> 8));
	memcpy(f->header.e_ident, ELFMAG, SELFMAG);
	f->header.e_ident[EI_CLASS] = ELFCLASS64;
	f->header.e_ident[EI_DATA] = ELFDATA2LSB;
	f->header.e_type = ET_EXEC;
	f->header.e_machine = EM_X86_64;
	f->header.e_entry = ELF_AT + 0x40;
	f->header.e_phoff = sizeof(f->header);
	f->header.e_phentsize = sizeof(f->program[0]);
	f->header.e_phnum = 2;
	f->program[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
				      .p_offset = ELF_TEXT,
				      .p_paddr = ELF_AT,
				      .p_filesz = 4096,
				      .p_memsz = 4096 };
	f->program[1] = (Elf64_Phdr){ .p_type = PT_LOAD,
				      .p_offset = ELF_DATA,
				      .p_paddr = ELF_DATA_AT,
				      .p_filesz = 4096,
				      .p_memsz = ELF_END - ELF_DATA_AT };
}

/* A descriptor of an unnamed file with these bytes. */
static inline int image_file(const void *bytes, size_t size)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
		abort();
	return fd;
}

/* xorshift64: the same numbers in every run. */
static inline uint64_t image_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

#endif
