/* SPDX-License-Identifier: MIT */
/*
 * A class that was not begun with LICHEN_STRUCT is known before anything of the file runs: the
 * registration macro keeps the class' address in a section of its own (lichen/class.h).  Where
 * that section was stripped, the class is judged only when the file is open.
 */
#include <string.h>

#include <lichen/class.h>

#include "class.h"
#include "image.h"

/* Section headers and relocations looked at; linkers write some forty, and two a table item. */
enum { LD_SECTIONS_MAX = 512, LD_RELOCATIONS_MAX = 1 << 16 };

static bool ld_section(const struct ld_image *image, const Elf64_Ehdr *h, uint32_t index,
		       Elf64_Shdr *section)
{
	return index < h->e_shnum && index < LD_SECTIONS_MAX &&
	       ld_image_read(image, h->e_shoff + (uint64_t)index * sizeof(*section), section,
			     sizeof(*section));
}

/* The address where the class' address is stored; 0: nothing is known. */
static uint64_t ld_class_slot(const struct ld_image *image, const Elf64_Ehdr *h)
{
	char name[sizeof(LICHEN_CLASS_SECTION)];
	Elf64_Shdr names, section;

	if (!ld_section(image, h, h->e_shstrndx, &names))
		return 0;
	for (uint32_t i = 0; ld_section(image, h, i, &section); i++)
		if (section.sh_size == sizeof(uint64_t) && section.sh_name < image->size &&
		    ld_image_read(image, names.sh_offset + section.sh_name, name,
				  sizeof(name)) &&
		    memcmp(name, LICHEN_CLASS_SECTION, sizeof(name)) == 0)
			return section.sh_addr;
	return 0;
}

/* What the dynamic linker will write at `slot`, from address 0 of the file on; 0: unknown. */
static uint64_t ld_relocated(const struct ld_image *image, const Elf64_Ehdr *h, uint64_t slot)
{
	Elf64_Shdr section;
	Elf64_Rela entry;

	for (uint32_t i = 0; ld_section(image, h, i, &section); i++) {
		if (section.sh_type != SHT_RELA || !(section.sh_flags & SHF_ALLOC))
			continue;
		for (uint32_t n = 0;
		     n < LD_RELOCATIONS_MAX && n < section.sh_size / sizeof(entry) &&
		     ld_image_read(image, section.sh_offset + (uint64_t)n * sizeof(entry),
				   &entry, sizeof(entry));
		     n++)
			if (entry.r_offset == slot &&
			    ELF64_R_TYPE(entry.r_info) == R_X86_64_RELATIVE)
				return (uint64_t)entry.r_addend;
	}
	return 0;
}

lichen_status ld_image_class(const struct ld_image *image, uint32_t compiled,
			     struct ld_error *error)
{
	uint64_t slot, class, offset;
	uint32_t struct_size;
	Elf64_Ehdr header;

	if (!ld_image_read(image, 0, &header, sizeof(header)) ||
	    header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shoff >= image->size)
		return 0;
	slot = ld_class_slot(image, &header);
	class = slot ? ld_relocated(image, &header, slot) : 0;
	if (class == 0 || !ld_image_at(image, class, sizeof(struct_size), PF_R, &offset) ||
	    !ld_image_read(image, offset, &struct_size, sizeof(struct_size)) ||
	    (struct_size != 0 && struct_size == compiled))
		return 0;
	return ld_class_misfit(image->subject, struct_size, compiled, error);
}
