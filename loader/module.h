/* SPDX-License-Identifier: MIT */
/*
 * module.h: code for a guest, judged, hashed and linked here, and never run here.
 *
 * Two kinds of relocatable ELF object for x86-64: a Linux kernel module, which the
 * guest's own loader takes as it is; and a plain object, which is laid out in memory
 * that the guest gives and linked against symbols that the guest exports.  Every number
 * in a file is hostile.
 */
#ifndef LD_MODULE_H
#define LD_MODULE_H

#include <elf.h>

#include <lichen/status.h>

#include "loader.h"

enum ld_module_kind { LD_MODULE_LINUX = 1, LD_MODULE_OBJECT = 2 };

enum {
	LD_MODULE_NAME = 64,
	LD_MODULE_FILE_MAX = 64 << 20, /* bytes */
	LD_MODULE_SECTIONS = 4096,
};

struct ld_module {
	uint8_t *bytes; /* the file's, owned */
	uint64_t size;
	char name[LD_MODULE_NAME]; /* of itself, or as given */
	enum ld_module_kind kind;
	uint8_t hash[LD_HASH_SIZE]; /* SHA-256 of the file */
	const Elf64_Shdr *sections; /* in bytes, checked to be whole */
	uint32_t section_count;
	const Elf64_Sym *symbols; /* objects: in bytes, without NULL at 0 */
	uint32_t symbol_count;
	const char *strings; /* of the symbols, ends with NUL */
	uint64_t strings_size;
	uint64_t *places; /* objects: section -> offset in the image, owned */
	uint64_t room;	  /* objects: bytes of the image */
};

/*
 * Reads the file behind `descriptor` from its start.  name: used where the file has none
 * of its own; may be NULL for Linux modules.  After success ld_module_clear() is owed.
 * -LICHEN_ENOEXEC: not a module for x86-64, or malformed; -LICHEN_E2BIG: larger than
 * 64 MiB; -LICHEN_EINVAL: no usable name; -LICHEN_EIO, -LICHEN_ENOMEM.
 */
lichen_status ld_module_open(struct ld_module *module, int descriptor, const char *name,
			     struct ld_error *error);
/* The same, of `size` bytes, which are copied. */
lichen_status ld_module_open_bytes(struct ld_module *module, const void *bytes, uint64_t size,
				   const char *name, struct ld_error *error);
void ld_module_clear(struct ld_module *module);

/* The address of a symbol that the guest exports, or 0. */
typedef uint64_t (*ld_symbol_fn)(void *context, const char *name);

/*
 * Writes the object's image, module->room bytes, as it is to lie at `address` of the
 * guest; *entry and *leave are the addresses of lichen_module_init and _exit, *leave 0
 * where it has none.  -LICHEN_ENOEXEC: malformed, or a relocation that is not supported;
 * -LICHEN_ENOENT: a symbol that nobody has; -LICHEN_ERANGE: a place out of a relocation's
 * reach.
 */
lichen_status ld_module_link(const struct ld_module *module, uint64_t address,
			     ld_symbol_fn symbol, void *context, uint8_t *image,
			     uint64_t *entry, uint64_t *leave, struct ld_error *error);

#endif
