/* SPDX-License-Identifier: MIT */
/*
 * module_link.c: an object's image, relocated (System V ABI, AMD64 supplement, 4.4).
 * See module.h.
 */
#include <inttypes.h>
#include <string.h>

#include "module.h"

#define LD_MODULE_INIT "lichen_module_init"
#define LD_MODULE_EXIT "lichen_module_exit"

struct ld_link {
	const struct ld_module *module;
	uint64_t address; /* of the image in the guest */
	ld_symbol_fn symbol;
	void *context;
	uint8_t *image;
	struct ld_error *error;
};

static const char *ld_symbol_name(const struct ld_module *module, const Elf64_Sym *symbol)
{
	return symbol->st_name < module->strings_size ? module->strings + symbol->st_name : "";
}

/* 1: section `index` has memory in the image. */
static int ld_in_image(const struct ld_module *module, uint32_t index)
{
	return index < module->section_count && (module->sections[index].sh_flags & SHF_ALLOC);
}

static lichen_status ld_symbol_value(const struct ld_link *link, uint32_t index,
				     uint64_t *value)
{
	const struct ld_module *module = link->module;
	const Elf64_Sym *symbol;
	const char *name;

	if (index >= module->symbol_count) {
		ld_error_set(link->error, "module: a relocation names symbol %u of %u", index,
			     module->symbol_count);
		return -LICHEN_ENOEXEC;
	}
	symbol = &module->symbols[index];
	name = ld_symbol_name(module, symbol);
	if (index == 0) {
		*value = 0;
	} else if (symbol->st_shndx == SHN_ABS) {
		*value = symbol->st_value;
	} else if (ld_in_image(module, symbol->st_shndx)) {
		*value = link->address + module->places[symbol->st_shndx] + symbol->st_value;
	} else if (symbol->st_shndx == SHN_UNDEF) {
		*value = link->symbol(link->context, name);
		if (*value == 0 && ELF64_ST_BIND(symbol->st_info) != STB_WEAK) {
			ld_error_set(link->error, "module: unknown symbol %.80s", name);
			return -LICHEN_ENOENT;
		}
	} else {
		ld_error_set(link->error,
			     "module: symbol %.80s lies in no section of the image; compile "
			     "with -fno-common",
			     name);
		return -LICHEN_ENOEXEC;
	}
	return 0;
}

/* Writes `value` as `size` bytes; signed_: 1, 0 or -1: either will do. */
static lichen_status ld_put(const struct ld_link *link, uint64_t at, uint32_t size, int signed_,
			    uint64_t value)
{
	const int64_t as_signed = (int64_t)value;
	const int fits_signed = as_signed >= INT32_MIN && as_signed <= INT32_MAX;

	if (size == 4 && !(signed_ ? fits_signed : value <= UINT32_MAX)) {
		ld_error_set(link->error,
			     "module: 0x%" PRIx64 " is out of a 32-bit relocation's reach from "
			     "0x%" PRIx64,
			     value, link->address + at);
		return -LICHEN_ERANGE;
	}
	memcpy(link->image + at, &value, size);
	return 0;
}

static lichen_status ld_relocate(const struct ld_link *link, uint32_t section,
				 const Elf64_Rela *rela)
{
	const struct ld_module *module = link->module;
	const Elf64_Shdr *target = &module->sections[section];
	const uint32_t type = (uint32_t)ELF64_R_TYPE(rela->r_info);
	const uint32_t size = type == R_X86_64_64 || type == R_X86_64_PC64 ? 8 : 4;
	const uint64_t at = module->places[section] + rela->r_offset;
	uint64_t value;
	lichen_status status;

	if (type == R_X86_64_NONE)
		return 0;
	if (rela->r_offset > target->sh_size || size > target->sh_size - rela->r_offset) {
		ld_error_set(link->error, "module: a relocation of section %u lies outside it",
			     section);
		return -LICHEN_ENOEXEC;
	}
	status = ld_symbol_value(link, (uint32_t)ELF64_R_SYM(rela->r_info), &value);
	if (status < 0)
		return status;
	value += (uint64_t)rela->r_addend;
	switch (type) {
	case R_X86_64_64:
		return ld_put(link, at, 8, 0, value);
	case R_X86_64_PC64:
		return ld_put(link, at, 8, 0, value - (link->address + at));
	case R_X86_64_32:
		return ld_put(link, at, 4, 0, value);
	case R_X86_64_32S:
		return ld_put(link, at, 4, 1, value);
	case R_X86_64_PC32:
	case R_X86_64_PLT32:
		return ld_put(link, at, 4, 1, value - (link->address + at));
	default:
		ld_error_set(link->error,
			     "module: relocation type %u is not supported; compile with "
			     "-fno-pic -mcmodel=large or -mcmodel=kernel",
			     type);
		return -LICHEN_ENOEXEC;
	}
}

static lichen_status ld_relocate_section(const struct ld_link *link, const Elf64_Shdr *relas)
{
	const struct ld_module *module = link->module;
	const uint64_t count = relas->sh_size / sizeof(Elf64_Rela);
	lichen_status status = 0;

	if (relas->sh_entsize != sizeof(Elf64_Rela) ||
	    relas->sh_info >= module->section_count) {
		ld_error_set(link->error, "module: a table of relocations is malformed");
		return -LICHEN_ENOEXEC;
	}
	if (!ld_in_image(module, relas->sh_info))
		return 0; /* of debugging information */
	for (uint64_t i = 0; i < count && status == 0; i++) {
		Elf64_Rela rela;

		memcpy(&rela, module->bytes + relas->sh_offset + i * sizeof(rela),
		       sizeof(rela));
		status = ld_relocate(link, relas->sh_info, &rela);
	}
	return status;
}

/* The address of a function that the object defines, or 0. */
static uint64_t ld_defined(const struct ld_link *link, const char *name)
{
	const struct ld_module *module = link->module;

	for (uint32_t i = 1; i < module->symbol_count; i++) {
		const Elf64_Sym *symbol = &module->symbols[i];

		if (ELF64_ST_BIND(symbol->st_info) != STB_LOCAL &&
		    ld_in_image(module, symbol->st_shndx) &&
		    symbol->st_value < module->sections[symbol->st_shndx].sh_size &&
		    strcmp(ld_symbol_name(module, symbol), name) == 0)
			return link->address + module->places[symbol->st_shndx] +
			       symbol->st_value;
	}
	return 0;
}

lichen_status ld_module_link(const struct ld_module *module, uint64_t address,
			     ld_symbol_fn symbol, void *context, uint8_t *image,
			     uint64_t *entry, uint64_t *leave, struct ld_error *error)
{
	const struct ld_link link = { module, address, symbol, context, image, error };
	lichen_status status = 0;
	uint64_t init;

	memset(image, 0, module->room);
	for (uint32_t i = 0; i < module->section_count; i++) {
		const Elf64_Shdr *s = &module->sections[i];

		if (ld_in_image(module, i) && s->sh_type != SHT_NOBITS)
			memcpy(image + module->places[i], module->bytes + s->sh_offset,
			       s->sh_size);
	}
	for (uint32_t i = 0; i < module->section_count && status == 0; i++) {
		if (module->sections[i].sh_type == SHT_RELA)
			status = ld_relocate_section(&link, &module->sections[i]);
		else if (module->sections[i].sh_type == SHT_REL) {
			ld_error_set(error, "module: relocations without addends");
			status = -LICHEN_ENOEXEC;
		}
	}
	if (status < 0)
		return status;
	init = ld_defined(&link, LD_MODULE_INIT);
	if (!init) {
		ld_error_set(error, "module: it does not define " LD_MODULE_INIT);
		return -LICHEN_ENOEXEC;
	}
	*entry = init;
	*leave = ld_defined(&link, LD_MODULE_EXIT);
	return 0;
}
