/* SPDX-License-Identifier: MIT */
/*
 * The dynamic section (gABI, "Dynamic Section") and the symbols that a file
 * exports, found through its hash table as the dynamic linker finds them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <lichen/class.h>

#include "image.h"

/* Tags below this stand for themselves in ld_dynamic.value; the others are named there. */
enum { LD_TAGS = DT_NUM };

struct ld_dynamic {
	uint64_t
		value[LD_TAGS]; /* by tag; the last of a tag counts, as in the dynamic linker */
	bool has[LD_TAGS];
	uint64_t gnu_hash;
	uint64_t flags_1;
	bool has_gnu_hash;
};

struct ld_symbols {
	uint64_t first, end; /* indices of those that the hash table finds */
	uint64_t offset;     /* of symbol 0 in the file */
};

static lichen_status ld_refuse(const struct ld_image *image, const char *what,
			       struct ld_error *error)
{
	ld_error_set(error, "%s: its %s: build it again", image->subject, what);
	return -LICHEN_ENOEXEC;
}

static bool ld_read_tags(const struct ld_image *image, const Elf64_Phdr *segment,
			 struct ld_dynamic *d)
{
	Elf64_Dyn entry;

	for (uint64_t at = 0; segment->p_filesz - at >= sizeof(entry); at += sizeof(entry)) {
		if (!ld_image_read(image, segment->p_offset + at, &entry, sizeof(entry)))
			return false;
		if (entry.d_tag == DT_NULL)
			return true;
		if (entry.d_tag > 0 && entry.d_tag < LD_TAGS) {
			d->value[entry.d_tag] = entry.d_un.d_val;
			d->has[entry.d_tag] = true;
		} else if (entry.d_tag == DT_GNU_HASH) {
			d->gnu_hash = entry.d_un.d_ptr;
			d->has_gnu_hash = true;
		} else if (entry.d_tag == DT_FLAGS_1) {
			d->flags_1 = entry.d_un.d_val;
		}
	}
	return false;
}

/* What the dynamic linker reads, writes or calls lies where a segment has it. */
static const char *ld_dynamic_fault(const struct ld_image *image, const struct ld_dynamic *d)
{
	static const struct {
		uint32_t address, size; /* tags */
		const char *name;
	} tables[] = {
		{ DT_STRTAB, DT_STRSZ, "table of names is outside the file" },
		{ DT_RELA, DT_RELASZ, "relocations are outside the file" },
		{ DT_JMPREL, DT_PLTRELSZ, "relocations of calls are outside the file" },
		{ DT_INIT_ARRAY, DT_INIT_ARRAYSZ, "list of constructors is outside the file" },
		{ DT_FINI_ARRAY, DT_FINI_ARRAYSZ, "list of destructors is outside the file" },
	};
	uint64_t offset;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (d->has[tables[i].address] &&
		    !ld_image_at(image, d->value[tables[i].address], d->value[tables[i].size],
				 PF_R, &offset))
			return tables[i].name;
	if (!d->has[DT_STRTAB] || !d->has[DT_SYMTAB] ||
	    (d->has[DT_SYMENT] && d->value[DT_SYMENT] != sizeof(Elf64_Sym)))
		return "dynamic section lacks symbols";
	if ((d->has[DT_INIT] && !ld_image_at(image, d->value[DT_INIT], 1, PF_X, &offset)) ||
	    (d->has[DT_FINI] && !ld_image_at(image, d->value[DT_FINI], 1, PF_X, &offset)))
		return "first or last function is not in code";
	if (d->has[DT_TEXTREL] || (d->value[DT_FLAGS] & DF_TEXTREL))
		return "code has relocations, compile it with -fPIC";
	return NULL;
}

static bool ld_word(const struct ld_image *image, uint64_t address, uint32_t *word)
{
	uint64_t offset;

	return ld_image_at(image, address, sizeof(*word), PF_R, &offset) &&
	       ld_image_read(image, offset, word, sizeof(*word));
}

/*
 * DT_GNU_HASH: { buckets, first symbol, words of the filter, shift }, the
 * filter (8 bytes a word), the buckets, one chain word a symbol from the first
 * on, its bit 0 set at the end of a chain.  Chains lie one after another, so
 * the last symbol is at the end of the chain that starts last.  The file's
 * size bounds both loops.
 */
static bool ld_gnu_hash_range(const struct ld_image *image, uint64_t table,
			      struct ld_symbols *s)
{
	uint32_t buckets, first, filter, word, last = 0;
	uint64_t at;

	if (!ld_word(image, table, &buckets) || !ld_word(image, table + 4, &first) ||
	    !ld_word(image, table + 8, &filter))
		return false;
	at = table + 16 + (uint64_t)filter * 8;
	for (uint32_t i = 0; i < buckets; i++, at += 4) {
		if (!ld_word(image, at, &word))
			return false;
		if (word > last)
			last = word;
	}
	s->first = first;
	s->end = first;
	if (last < first)
		return last == 0;
	do {
		if (!ld_word(image, at + ((uint64_t)last - first) * 4, &word))
			return false;
		s->end = (uint64_t)last++ + 1;
	} while (!(word & 1));
	return true;
}

/* DT_HASH: { buckets, chains }, and there are as many chains as symbols (gABI, "Hash Table").
 */
static bool ld_hash_range(const struct ld_image *image, uint64_t table, struct ld_symbols *s)
{
	uint32_t symbols;

	if (!ld_word(image, table + 4, &symbols))
		return false;
	s->first = 1;
	s->end = symbols;
	return true;
}

static bool ld_find_symbols(const struct ld_image *image, const struct ld_dynamic *d,
			    struct ld_symbols *s)
{
	bool found = d->has_gnu_hash   ? ld_gnu_hash_range(image, d->gnu_hash, s)
		     : d->has[DT_HASH] ? ld_hash_range(image, d->value[DT_HASH], s)
				       : false;

	return found && ld_image_at(image, d->value[DT_SYMTAB], s->end * sizeof(Elf64_Sym),
				    PF_R, &s->offset);
}

/* The symbol's name, ended within the table; NULL where it is not. */
static const char *ld_symbol_name(const struct ld_image *image, const struct ld_dynamic *d,
				  const Elf64_Sym *symbol)
{
	uint64_t size = d->value[DT_STRSZ], offset;

	if (symbol->st_name >= size ||
	    !ld_image_at(image, d->value[DT_STRTAB], size, PF_R, &offset))
		return NULL;
	offset += symbol->st_name;
	size -= symbol->st_name;
	return memchr(image->bytes + offset, '\0', size) ? (const char *)image->bytes + offset
							 : NULL;
}

static bool ld_is_exported(const Elf64_Sym *symbol)
{
	unsigned visibility = ELF64_ST_VISIBILITY(symbol->st_other);

	return symbol->st_shndx != SHN_UNDEF && ELF64_ST_BIND(symbol->st_info) != STB_LOCAL &&
	       (visibility == STV_DEFAULT || visibility == STV_PROTECTED);
}

/* "lichen_plugin_v1" or the entry of another major, which a file may have besides. */
static bool ld_is_entry(const char *name)
{
	static const char stem[] = "lichen_plugin_v";
	const char *number = name + sizeof(stem) - 1;

	return !strncmp(name, stem, sizeof(stem) - 1) && *number &&
	       strspn(number, "0123456789") == strlen(number);
}

static lichen_status ld_check_exports(const struct ld_image *image, const struct ld_dynamic *d,
				      const struct ld_symbols *s, struct ld_error *error)
{
	bool entry = false;
	uint64_t offset;
	Elf64_Sym symbol;

	for (uint64_t i = s->first; i < s->end; i++) {
		const char *name;

		if (!ld_image_read(image, s->offset + i * sizeof(symbol), &symbol,
				   sizeof(symbol)))
			return ld_refuse(image, "table of symbols is cut short", error);
		if (!ld_is_exported(&symbol))
			continue;
		name = ld_symbol_name(image, d, &symbol);
		if (!name)
			return ld_refuse(image, "symbols have no names", error);
		if (!ld_is_entry(name)) {
			ld_error_set(
				error,
				"%s: exports %.100s, a plugin exports " LICHEN_PLUGIN_SYMBOL
				" alone: link it with a version script that makes the rest "
				"local",
				image->subject, name);
			return -LICHEN_ENOEXEC;
		}
		if (!strcmp(name, LICHEN_PLUGIN_SYMBOL))
			entry = ELF64_ST_TYPE(symbol.st_info) == STT_FUNC &&
				ld_image_at(image, symbol.st_value, 1, PF_X, &offset);
	}
	if (entry)
		return 0;
	ld_error_set(error,
		     "%s: does not export the function " LICHEN_PLUGIN_SYMBOL
		     ", which this host calls: end its C file with LICHEN_PLUGIN",
		     image->subject);
	return -LICHEN_ENOEXEC;
}

lichen_status ld_image_dynamic(struct ld_image *image, struct ld_error *error)
{
	struct ld_dynamic dynamic = { .gnu_hash = 0 };
	struct ld_symbols symbols;
	const char *fault;

	for (uint32_t i = 0; i < image->count; i++)
		if (image->segments[i].p_type == PT_DYNAMIC &&
		    !ld_read_tags(image, &image->segments[i], &dynamic))
			return ld_refuse(image, "dynamic section has no end", error);
	fault = ld_dynamic_fault(image, &dynamic);
	if (fault)
		return ld_refuse(image, fault, error);
	if (!ld_find_symbols(image, &dynamic, &symbols))
		return ld_refuse(image, "table of symbols cannot be found", error);
	image->nodelete = (dynamic.flags_1 & DF_1_NODELETE) != 0;
	return ld_check_exports(image, &dynamic, &symbols, error);
}
