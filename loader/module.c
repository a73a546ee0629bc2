/* SPDX-License-Identifier: MIT */
/* module.c: reads and judges code for a guest.  See module.h. */
#include <errno.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "module.h"

enum { LD_MODULE_ALIGN = 4096 }; /* bytes, that a section may ask for at most */

static int ld_inside(uint64_t size, uint64_t offset, uint64_t length)
{
	return offset <= size && length <= size - offset;
}

static lichen_status ld_module_large(struct ld_error *error)
{
	ld_error_set(error, "module: larger than 64 MiB");
	return -LICHEN_E2BIG;
}

static lichen_status ld_module_no_memory(struct ld_error *error)
{
	ld_error_set(error, "module: out of memory");
	return -LICHEN_ENOMEM;
}

static lichen_status ld_module_read(struct ld_module *module, int descriptor,
				    struct ld_error *error)
{
	uint64_t room = 64 << 10;
	ssize_t got;

	module->bytes = malloc(room);
	while (module->bytes) {
		if (module->size == room) {
			uint8_t *more = realloc(module->bytes, room *= 2);

			if (!more)
				break;
			module->bytes = more;
		}
		got = pread(descriptor, module->bytes + module->size, room - module->size,
			    (off_t)module->size);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			ld_error_set(error, "module: cannot be read: %s", strerror(errno));
			return -LICHEN_EIO;
		}
		if (got == 0)
			return 0;
		module->size += (uint64_t)got;
		if (module->size > LD_MODULE_FILE_MAX)
			return ld_module_large(error);
	}
	return ld_module_no_memory(error);
}

static lichen_status ld_module_header(struct ld_module *module, struct ld_error *error)
{
	Elf64_Ehdr h;

	if (module->size < sizeof(h)) {
		ld_error_set(error, "module: %s",
			     module->size ? "too short to be an ELF file"
					  : "the file is empty");
		return -LICHEN_ENOEXEC;
	}
	memcpy(&h, module->bytes, sizeof(h));
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0) {
		ld_error_set(error, "module: not an ELF file");
		return -LICHEN_ENOEXEC;
	}
	if (h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_ident[EI_DATA] != ELFDATA2LSB ||
	    h.e_machine != EM_X86_64) {
		ld_error_set(error,
			     "module: built for ELF machine %u, the guest is %u (x86-64)",
			     h.e_machine, EM_X86_64);
		return -LICHEN_ENOEXEC;
	}
	if (h.e_type != ET_REL) {
		ld_error_set(error, "module: ELF type %u is not a relocatable object (%u)",
			     h.e_type, ET_REL);
		return -LICHEN_ENOEXEC;
	}
	if (h.e_shentsize != sizeof(Elf64_Shdr) || h.e_shnum == 0 ||
	    h.e_shnum > LD_MODULE_SECTIONS || h.e_shoff % 8 || h.e_shstrndx >= h.e_shnum ||
	    !ld_inside(module->size, h.e_shoff, h.e_shnum * sizeof(Elf64_Shdr))) {
		ld_error_set(error, "module: its section table is malformed or cut short");
		return -LICHEN_ENOEXEC;
	}
	module->sections = (const void *)(module->bytes + h.e_shoff);
	module->section_count = h.e_shnum;
	for (uint32_t i = 0; i < h.e_shnum; i++) {
		const Elf64_Shdr *s = &module->sections[i];

		if (s->sh_type == SHT_NULL || s->sh_type == SHT_NOBITS)
			continue;
		if (!ld_inside(module->size, s->sh_offset, s->sh_size)) {
			ld_error_set(error,
				     "module: section %u ends past the end of the file, which "
				     "is cut short",
				     i);
			return -LICHEN_ENOEXEC;
		}
	}
	return 0;
}

/* The section of that name, or NULL. */
static const Elf64_Shdr *ld_module_section(const struct ld_module *module, const char *name)
{
	Elf64_Ehdr h;
	const Elf64_Shdr *names;
	const uint64_t size = strlen(name) + 1;

	memcpy(&h, module->bytes, sizeof(h));
	names = &module->sections[h.e_shstrndx];
	for (uint32_t i = 0; names->sh_type == SHT_STRTAB && i < module->section_count; i++) {
		const uint64_t at = module->sections[i].sh_name;

		if (ld_inside(names->sh_size, at, size) &&
		    memcmp(module->bytes + names->sh_offset + at, name, size) == 0)
			return &module->sections[i];
	}
	return NULL;
}

/* The value of "key=" in a section of texts, each with its NUL, or NULL. */
static const char *ld_module_info(const struct ld_module *module, const Elf64_Shdr *section,
				  const char *key)
{
	const char *at = (const char *)module->bytes + section->sh_offset;
	const char *end = at + section->sh_size;
	const size_t size = strlen(key);

	while (at < end) {
		const size_t length = strnlen(at, (size_t)(end - at));

		if (at + length == end)
			return NULL;
		if (length > size && memcmp(at, key, size) == 0 && at[size] == '=')
			return at + size + 1;
		at += length + 1;
	}
	return NULL;
}

static lichen_status ld_module_take_name(struct ld_module *module, const char *name,
					 struct ld_error *error)
{
	const size_t size = name ? strnlen(name, LD_MODULE_NAME) : 0;

	if (size == 0 || size == LD_MODULE_NAME) {
		ld_error_set(error, "module: its name has to have 1 to %d letters",
			     LD_MODULE_NAME - 1);
		return -LICHEN_EINVAL;
	}
	for (size_t i = 0; i < size; i++) {
		const char c = name[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || c == '_' || c == '-')
			continue;
		ld_error_set(error, "module: name: letters, digits, _ and - only");
		return -LICHEN_EINVAL;
	}
	memcpy(module->name, name, size);
	return 0;
}

/* Where each section that takes memory lies in the image. */
static lichen_status ld_module_layout(struct ld_module *module, struct ld_error *error)
{
	module->places = calloc(module->section_count, sizeof(*module->places));
	if (!module->places) {
		ld_error_set(error, "module: out of memory");
		return -LICHEN_ENOMEM;
	}
	for (uint32_t i = 0; i < module->section_count; i++) {
		const Elf64_Shdr *s = &module->sections[i];
		const uint64_t align = s->sh_addralign ? s->sh_addralign : 1;

		if (!(s->sh_flags & SHF_ALLOC))
			continue;
		if (align > LD_MODULE_ALIGN || (align & (align - 1)) ||
		    (s->sh_flags & SHF_TLS) || s->sh_size > LD_MODULE_FILE_MAX) {
			ld_error_set(error,
				     "module: section %u: alignment, size or thread-local "
				     "storage that is not supported",
				     i);
			return -LICHEN_ENOEXEC;
		}
		module->room = (module->room + align - 1) & ~(align - 1);
		module->places[i] = module->room;
		module->room += s->sh_size;
		if (module->room > LD_MODULE_FILE_MAX) {
			ld_error_set(error, "module: larger in memory than 64 MiB");
			return -LICHEN_E2BIG;
		}
	}
	return 0;
}

static lichen_status ld_module_symbols(struct ld_module *module, struct ld_error *error)
{
	for (uint32_t i = 0; i < module->section_count; i++) {
		const Elf64_Shdr *s = &module->sections[i], *strings;

		if (s->sh_type != SHT_SYMTAB)
			continue;
		if (s->sh_entsize != sizeof(Elf64_Sym) || s->sh_offset % 8 ||
		    s->sh_link >= module->section_count)
			break;
		strings = &module->sections[s->sh_link];
		if (strings->sh_type != SHT_STRTAB || strings->sh_size == 0 ||
		    module->bytes[strings->sh_offset + strings->sh_size - 1] != '\0')
			break;
		module->symbols = (const void *)(module->bytes + s->sh_offset);
		module->symbol_count = (uint32_t)(s->sh_size / sizeof(Elf64_Sym));
		module->strings = (const char *)module->bytes + strings->sh_offset;
		module->strings_size = strings->sh_size;
		return 0;
	}
	ld_error_set(error, "module: its symbol table is missing or malformed");
	return -LICHEN_ENOEXEC;
}

static lichen_status ld_module_judge(struct ld_module *module, const char *name,
				     struct ld_error *error)
{
	lichen_status status = ld_module_header(module, error);
	const Elf64_Shdr *info;

	if (status < 0)
		return status;
	info = ld_module_section(module, ".modinfo");
	if (info && info->sh_type != SHT_NOBITS &&
	    ld_module_section(module, ".gnu.linkonce.this_module")) {
		module->kind = LD_MODULE_LINUX;
		return ld_module_take_name(module, ld_module_info(module, info, "name"), error);
	}
	module->kind = LD_MODULE_OBJECT;
	status = ld_module_take_name(module, name, error);
	if (status == 0)
		status = ld_module_symbols(module, error);
	return status == 0 ? ld_module_layout(module, error) : status;
}

/* Of bytes that are read, or not for the reason `status`. */
static lichen_status ld_module_begin(struct ld_module *module, lichen_status status,
				     const char *name, struct ld_error *error)
{
	SHA2_CTX context;

	if (status == 0)
		status = ld_module_judge(module, name, error);
	if (status < 0) {
		ld_module_clear(module);
		return status;
	}
	SHA256Init(&context);
	SHA256Update(&context, module->bytes, module->size);
	SHA256Final(module->hash, &context);
	return 0;
}

lichen_status ld_module_open(struct ld_module *module, int descriptor, const char *name,
			     struct ld_error *error)
{
	*module = (struct ld_module){ .kind = LD_MODULE_LINUX };
	return ld_module_begin(module, ld_module_read(module, descriptor, error), name, error);
}

static lichen_status ld_module_copy(struct ld_module *module, const void *bytes, uint64_t size,
				    struct ld_error *error)
{
	if (size > LD_MODULE_FILE_MAX)
		return ld_module_large(error);
	module->bytes = malloc(size + 1);
	if (!module->bytes)
		return ld_module_no_memory(error);
	memcpy(module->bytes, bytes, size);
	module->size = size;
	return 0;
}

lichen_status ld_module_open_bytes(struct ld_module *module, const void *bytes, uint64_t size,
				   const char *name, struct ld_error *error)
{
	*module = (struct ld_module){ .kind = LD_MODULE_LINUX };
	return ld_module_begin(module, ld_module_copy(module, bytes, size, error), name, error);
}

void ld_module_clear(struct ld_module *module)
{
	free(module->bytes);
	free(module->places);
	module->bytes = NULL;
	module->places = NULL;
}
