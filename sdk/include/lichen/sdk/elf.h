/* SPDX-License-Identifier: MIT */
/*
 * sdk/elf.h: what a boot plugin needs to know of an x86 ELF executable, 32 or
 * 64 bits: its segments by physical address, its entry, its notes.  System V
 * gABI, chapters 4 and 5.  Every number is checked before it is used; what does
 * not add up is refused.
 */
#ifndef LICHEN_SDK_ELF_H
#define LICHEN_SDK_ELF_H

#include <elf.h>

#include <lichen/sdk/e820.h>
#include <lichen/sdk/source.h>
#include <lichen/sdk/why.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	LICHEN_ELF_HEADERS = 64,  /* program headers at most; kernels have a handful */
	LICHEN_ELF_SEGMENTS = 16, /* of them to load */
	LICHEN_ELF_NOTES = 4,	  /* note segments that are looked at */
};

#define LICHEN_ELF_NOTE_MAX UINT64_C(0x10000) /* bytes of a note segment that are looked at */
#define LICHEN_ELF_REACH (UINT64_C(1) << 32)  /* segments end here at the latest */

struct lichen_elf_segment {
	uint64_t offset;    /* in the file, bytes */
	uint64_t file_size; /* bytes that come from the file, at most size */
	uint64_t size;	    /* bytes in memory, never 0; those past file_size are zero */
	lichen_gpa gpa;	    /* its physical address */
	uint64_t address;   /* its virtual address */
};

struct lichen_elf_notes {
	uint64_t offset; /* in the file, bytes */
	uint64_t size;	 /* bytes */
	uint64_t align;	 /* of descriptors: 4 or 8 */
};

struct lichen_elf {
	uint32_t bits;	/* 32 or 64 */
	uint32_t count; /* of segments, never 0 */
	uint32_t note_count;
	uint32_t _pad;
	uint64_t entry;	 /* as the header has it */
	uint64_t end;	 /* where the headers' own tables say that the file ends, bytes */
	lichen_gpa low;	 /* of the lowest segment */
	lichen_gpa high; /* past the highest one, at most LICHEN_ELF_REACH */
	struct lichen_elf_segment segment[LICHEN_ELF_SEGMENTS]; /* by gpa, without overlaps */
	struct lichen_elf_notes note[LICHEN_ELF_NOTES];
};

/* 1 when the source starts like an ELF file.  [control, any] */
static inline uint32_t lichen_elf_is(const struct lichen_source *source)
{
	unsigned char magic[SELFMAG];

	return lichen_source_read_all(source, 0, magic, sizeof(magic)) >= 0 &&
	       memcmp(magic, ELFMAG, SELFMAG) == 0;
}

/* The ELF header, a 32-bit one widened.  *bits: 32 or 64. */
static inline lichen_status lichen_elf_header(const struct lichen_source *source,
					      Elf64_Ehdr *header, uint32_t *bits,
					      struct lichen_why *why)
{
	const char *name = source->name;
	uint64_t done = 0;
	Elf32_Ehdr narrow;
	uint32_t is32;

	memset(header, 0, sizeof(*header));
	if (lichen_source_read(source, 0, header, sizeof(*header), &done) < 0)
		return lichen_refuse(why, -LICHEN_EIO, "%s: its header cannot be read", name);
	if (done < SELFMAG || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return lichen_refuse(why, -LICHEN_ENOEXEC, "%s: not an ELF file", name);
	is32 = header->e_ident[EI_CLASS] == ELFCLASS32;
	if (done < (is32 ? sizeof(narrow) : sizeof(*header)))
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "%s: truncated, %" PRIu64 " bytes of an ELF header", name,
				     done);
	if (!is32 && header->e_ident[EI_CLASS] != ELFCLASS64)
		return lichen_refuse(why, -LICHEN_ENOEXEC, "%s: ELF class %u, not 1 or 2", name,
				     header->e_ident[EI_CLASS]);
	if (header->e_ident[EI_DATA] != ELFDATA2LSB)
		return lichen_refuse(why, -LICHEN_ENOEXEC, "%s: a big-endian ELF file", name);
	*bits = is32 ? 32 : 64;
	if (is32) {
		memcpy(&narrow, header, sizeof(narrow));
		header->e_type = narrow.e_type;
		header->e_machine = narrow.e_machine;
		header->e_entry = narrow.e_entry;
		header->e_phoff = narrow.e_phoff;
		header->e_shoff = narrow.e_shoff;
		header->e_phentsize = narrow.e_phentsize;
		header->e_phnum = narrow.e_phnum;
		header->e_shentsize = narrow.e_shentsize;
		header->e_shnum = narrow.e_shnum;
	}
	if (header->e_machine != (is32 ? EM_386 : EM_X86_64))
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "%s: ELF machine %u, a %u-bit x86 kernel has %u", name,
				     header->e_machine, *bits, is32 ? EM_386 : EM_X86_64);
	if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
		return lichen_refuse(why, -LICHEN_ENOEXEC, "%s: ELF type %u, not an executable",
				     name, header->e_type);
	if (header->e_phentsize != (is32 ? sizeof(Elf32_Phdr) : sizeof(Elf64_Phdr)) ||
	    header->e_phnum == 0 || header->e_phnum > LICHEN_ELF_HEADERS)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "%s: %u program headers of %u bytes, at most %d are taken",
				     name, header->e_phnum, header->e_phentsize,
				     LICHEN_ELF_HEADERS);
	return 0;
}

/* Program header `index`, a 32-bit one widened. */
static inline lichen_status lichen_elf_program(const struct lichen_source *source,
					       const Elf64_Ehdr *header, uint32_t bits,
					       uint32_t index, Elf64_Phdr *program,
					       struct lichen_why *why)
{
	uint64_t at = (uint64_t)index * header->e_phentsize;
	Elf32_Phdr narrow;
	lichen_status status;

	if (header->e_phoff > source->size || at > source->size - header->e_phoff)
		status = -LICHEN_EBADMSG;
	else if (bits == 64)
		status = lichen_source_read_all(source, header->e_phoff + at, program,
						sizeof(*program));
	else
		status = lichen_source_read_all(source, header->e_phoff + at, &narrow,
						sizeof(narrow));
	if (status < 0)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "%s: program header %u at byte %" PRIu64
				     ", the file has %" PRIu64,
				     source->name, index, header->e_phoff, source->size);
	if (bits == 64)
		return 0;
	memset(program, 0, sizeof(*program));
	program->p_type = narrow.p_type;
	program->p_offset = narrow.p_offset;
	program->p_vaddr = narrow.p_vaddr;
	program->p_paddr = narrow.p_paddr;
	program->p_filesz = narrow.p_filesz;
	program->p_memsz = narrow.p_memsz;
	program->p_align = narrow.p_align;
	return 0;
}

/* Puts a segment to load into its place in the sorted list. */
static inline lichen_status lichen_elf_add(struct lichen_elf *elf,
					   const struct lichen_source *source, uint32_t index,
					   const Elf64_Phdr *program, struct lichen_why *why)
{
	const char *name = source->name;
	struct lichen_elf_segment *s;
	uint32_t at = elf->count;

	if (program->p_filesz > program->p_memsz)
		return lichen_refuse(
			why, -LICHEN_ENOEXEC,
			"%s: segment %u has 0x%" PRIx64 " bytes for 0x%" PRIx64 " of memory",
			name, index, (uint64_t)program->p_filesz, (uint64_t)program->p_memsz);
	if (program->p_offset > source->size ||
	    program->p_filesz > source->size - program->p_offset)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "%s: segment %u is 0x%" PRIx64 " bytes at 0x%" PRIx64
				     ", the file has 0x%" PRIx64,
				     name, index, (uint64_t)program->p_filesz,
				     (uint64_t)program->p_offset, source->size);
	if (program->p_paddr > LICHEN_ELF_REACH ||
	    program->p_memsz > LICHEN_ELF_REACH - program->p_paddr)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "%s: segment %u is 0x%" PRIx64
				     " bytes of memory at 0x%" PRIx64 ", past 4 GiB",
				     name, index, (uint64_t)program->p_memsz,
				     (uint64_t)program->p_paddr);
	if (elf->count == LICHEN_ELF_SEGMENTS)
		return lichen_refuse(why, -LICHEN_ENOEXEC, "%s: more than %d segments to load",
				     name, LICHEN_ELF_SEGMENTS);
	while (at > 0 && elf->segment[at - 1].gpa > program->p_paddr)
		at--;
	s = &elf->segment[at];
	if ((at > 0 && s[-1].size > program->p_paddr - s[-1].gpa) ||
	    (at < elf->count && program->p_memsz > s->gpa - program->p_paddr))
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "%s: segment %u at 0x%" PRIx64 " overlaps another", name,
				     index, (uint64_t)program->p_paddr);
	memmove(s + 1, s, (elf->count - at) * sizeof(*s));
	elf->count++;
	s->offset = program->p_offset;
	s->file_size = program->p_filesz;
	s->size = program->p_memsz;
	s->gpa = program->p_paddr;
	s->address = program->p_vaddr;
	return 0;
}

/*
 * Judges an ELF file.  *elf is written on success only, *why on failure only.
 * -LICHEN_ENOEXEC: no x86 executable, or one whose numbers do not add up;
 * -LICHEN_EIO: it cannot be read.  [control, any]
 */
static inline lichen_status lichen_elf_parse(const struct lichen_source *source,
					     struct lichen_elf *out, struct lichen_why *why)
{
	struct lichen_elf elf;
	Elf64_Ehdr header;
	lichen_status status;

	memset(&elf, 0, sizeof(elf));
	status = lichen_elf_header(source, &header, &elf.bits, why);
	if (status < 0)
		return status;
	for (uint32_t i = 0; i < header.e_phnum; i++) {
		Elf64_Phdr program;
		struct lichen_elf_notes *note = &elf.note[elf.note_count];

		status = lichen_elf_program(source, &header, elf.bits, i, &program, why);
		if (status >= 0 && program.p_type == PT_LOAD && program.p_memsz > 0)
			status = lichen_elf_add(&elf, source, i, &program, why);
		if (status < 0)
			return status;
		if (program.p_type != PT_NOTE || elf.note_count == LICHEN_ELF_NOTES ||
		    program.p_offset > source->size ||
		    program.p_filesz > source->size - program.p_offset)
			continue; /* a note that is not there is one that nobody finds */
		note->offset = program.p_offset;
		note->size = program.p_filesz < LICHEN_ELF_NOTE_MAX ? program.p_filesz
								    : LICHEN_ELF_NOTE_MAX;
		note->align = program.p_align == 8 ? 8 : 4;
		elf.note_count++;
	}
	if (elf.count == 0)
		return lichen_refuse(why, -LICHEN_ENOEXEC, "%s: no segment to load",
				     source->name);
	elf.entry = header.e_entry;
	elf.low = elf.segment[0].gpa;
	elf.high = elf.segment[elf.count - 1].gpa + elf.segment[elf.count - 1].size;
	if (header.e_shoff <= source->size)
		elf.end = header.e_shoff + (uint64_t)header.e_shnum * header.e_shentsize;
	*out = elf;
	return 0;
}

/* The segment in whose bytes from the file `gpa` lies; NULL: in none.  [any, any] */
static inline const struct lichen_elf_segment *lichen_elf_at(const struct lichen_elf *elf,
							     lichen_gpa gpa)
{
	for (uint32_t i = 0; i < elf->count; i++) {
		const struct lichen_elf_segment *s = &elf->segment[i];

		if (gpa >= s->gpa && gpa - s->gpa < s->file_size)
			return s;
	}
	return NULL;
}

/*
 * Reads the descriptor of the first note of `owner` and `type`: at most `room`
 * bytes, *size says how many it has.  -LICHEN_ENOENT: there is no such note.
 * [control, any]
 */
static inline lichen_status lichen_elf_note(const struct lichen_source *source,
					    const struct lichen_elf *elf, const char *owner,
					    uint32_t type, void *descriptor, uint64_t room,
					    uint64_t *size)
{
	uint64_t length = strlen(owner) + 1;

	for (uint32_t i = 0; i < elf->note_count; i++) {
		const struct lichen_elf_notes *n = &elf->note[i];
		uint64_t at = 0;

		/* Each step is at least a header long: LICHEN_ELF_NOTE_MAX / 12 of them. */
		while (n->size - at >= sizeof(Elf64_Nhdr)) {
			uint64_t name, desc, left;
			char text[16];
			Elf64_Nhdr h;

			if (lichen_source_read_all(source, n->offset + at, &h, sizeof(h)) < 0)
				break;
			name = at + sizeof(h);
			left = n->size - name;
			if (lichen_round_up(h.n_namesz, n->align) > left)
				break;
			desc = name + lichen_round_up(h.n_namesz, n->align);
			left = n->size - desc;
			if (h.n_descsz > left)
				break;
			if (h.n_type == type && h.n_namesz == length &&
			    length <= sizeof(text) &&
			    lichen_source_read_all(source, n->offset + name, text, length) >=
				    0 &&
			    memcmp(text, owner, length) == 0 &&
			    lichen_source_read_all(source, n->offset + desc, descriptor,
						   h.n_descsz < room ? h.n_descsz : room) >=
				    0) {
				*size = h.n_descsz;
				return 0;
			}
			left -= h.n_descsz;
			at = n->size - left;
			at = left < n->align ? n->size : lichen_round_up(at, n->align);
		}
	}
	return -LICHEN_ENOENT;
}

/*
 * Checks that every segment is RAM from 1 MiB on.  -LICHEN_ENOSPC: it is not; says
 * why.  [control, realized or paused]
 */
static inline lichen_status lichen_elf_fits(const struct lichen_dev *dev,
					    const struct lichen_source *source,
					    const struct lichen_elf *elf,
					    const struct lichen_e820 *map)
{
	for (uint32_t i = 0; i < elf->count; i++) {
		const struct lichen_elf_segment *s = &elf->segment[i];

		if (s->gpa >= LICHEN_E820_MIB && lichen_e820_is_ram(map, s->gpa, s->size))
			continue;
		dev->host->error(dev->in,
				 "%s: needs %" PRIu64 " bytes at 0x%" PRIx64
				 ", guest memory for it is from 0x%" PRIx64 " to 0x%" PRIx64,
				 source->name, s->size, s->gpa, LICHEN_E820_MIB,
				 lichen_e820_end(map));
		return -LICHEN_ENOSPC;
	}
	return 0;
}

/* Copies every segment to its physical address and zeroes what follows it.  Errors as
 * lichen_source_load(); says why.  [control, realized or paused] */
static inline lichen_status lichen_elf_load(const struct lichen_dev *dev,
					    const struct lichen_source *source,
					    const struct lichen_elf *elf)
{
	lichen_status status = 0;

	for (uint32_t i = 0; status >= 0 && i < elf->count; i++) {
		const struct lichen_elf_segment *s = &elf->segment[i];

		status = lichen_source_load(dev, source, s->offset, s->file_size, s->gpa);
		if (status >= 0)
			status = lichen_guest_zero(dev, source->name, s->gpa + s->file_size,
						   s->size - s->file_size);
	}
	return status;
}

#ifdef __cplusplus
}
#endif

#endif
