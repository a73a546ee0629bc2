/* SPDX-License-Identifier: MIT */
/*
 * boot_files.h: the smallest files that each boot plugin of the tree loads, written into the
 * folder of a world: image (flat), bzimage, vmlinux, pvh and multiboot.
 */
#ifndef TEST_BOOT_FILES_H
#define TEST_BOOT_FILES_H

#include "test_image.h"
#include "world.h"

enum { BOOT_FILE = 0x3000, BOOT_CODE = 0x1000, BOOT_NOTE = 0x2000, BOOT_AT = 0x1000000 };

/* An ELF kernel of one segment whose note names its entry. */
static inline void boot_file_pvh(struct world *world)
{
	static union {
		uint8_t bytes[BOOT_FILE];
		struct {
			Elf64_Ehdr header;
			Elf64_Phdr program[2];
		} elf;
		struct {
			uint8_t before[BOOT_NOTE];
			uint32_t owner_size, size, type;
			char owner[4];
			uint64_t entry;
		} note;
	} file;

	file.elf.header = (Elf64_Ehdr){ .e_ident = ELFMAG,
					.e_type = ET_EXEC,
					.e_machine = EM_X86_64,
					.e_phoff = sizeof(Elf64_Ehdr),
					.e_phentsize = sizeof(Elf64_Phdr),
					.e_phnum = 2 };
	file.bytes[EI_CLASS] = ELFCLASS64;
	file.bytes[EI_DATA] = ELFDATA2LSB;
	file.elf.program[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
					    .p_offset = BOOT_CODE,
					    .p_paddr = BOOT_AT,
					    .p_filesz = BOOT_NOTE - BOOT_CODE,
					    .p_memsz = BOOT_FILE };
	file.elf.program[1] = (Elf64_Phdr){
		.p_type = PT_NOTE, .p_offset = BOOT_NOTE, .p_filesz = 24, .p_align = 4
	};
	file.note.owner_size = 4;
	file.note.size = 8;
	file.note.type = 18; /* XEN_ELFNOTE_PHYS32_ENTRY */
	memcpy(file.note.owner, "Xen", 4);
	file.note.entry = BOOT_AT + 0x10;
	world_file(world, "pvh", &file, sizeof(file));
}

/* No ELF file: the header says what goes where. */
static inline void boot_file_multiboot(struct world *world)
{
	const uint32_t flags = 1 << 16 | 3, magic = 0x1badb002;
	const uint32_t header[] = { magic,   flags,	  0u - magic - flags,
				    BOOT_AT, BOOT_AT,	  BOOT_AT + BOOT_FILE,
				    0,	     BOOT_AT + 64 };
	static uint8_t file[BOOT_FILE];

	memcpy(file, header, sizeof(header));
	world_file(world, "multiboot", file, sizeof(file));
}

static inline void boot_files(struct world *world)
{
	static uint8_t bzimage[IMAGE_SIZE], vmlinux[ELF_SIZE];
	static const uint8_t image[64] = { 0xf4 };

	image_make(bzimage);
	elf_make(vmlinux);
	world_file(world, "image", image, sizeof(image));
	world_file(world, "bzimage", bzimage, sizeof(bzimage));
	world_file(world, "vmlinux", vmlinux, sizeof(vmlinux));
	boot_file_pvh(world);
	boot_file_multiboot(world);
}

#endif
