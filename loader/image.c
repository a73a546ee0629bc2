/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "image.h"

enum {
	LD_PAGE = 4096,
	LD_SPAN_MAX = 1 << 30,	 /* bytes of address space that a plugin may take */
	LD_TLS_MAX = 1 << 20,	 /* bytes of thread-local storage */
	LD_TLS_ALIGN_MAX = 4096, /* bytes */
	LD_ALIGN_MAX = 1 << 30,	 /* bytes; linkers write 4 KiB to 2 MiB */
};

bool ld_image_read(const struct ld_image *image, uint64_t offset, void *to, size_t n)
{
	if (offset > image->size || n > image->size - offset)
		return false;
	memcpy(to, image->bytes + offset, n);
	return true;
}

bool ld_image_at(const struct ld_image *image, uint64_t address, uint64_t n, uint32_t flags,
		 uint64_t *offset)
{
	for (uint32_t i = 0; i < image->count; i++) {
		const Elf64_Phdr *load = &image->segments[i];
		uint64_t into = address - load->p_vaddr;

		if (load->p_type != PT_LOAD || address < load->p_vaddr ||
		    into > load->p_filesz || n > load->p_filesz - into)
			continue;
		*offset = load->p_offset + into;
		return (load->p_flags & flags) == flags;
	}
	return false;
}

static lichen_status ld_check_header(const struct ld_image *image, const Elf64_Ehdr *h,
				     struct ld_error *error)
{
	static const unsigned char padding[EI_NIDENT - EI_PAD];

	if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0) {
		ld_error_set(error,
			     "%s: not an ELF file; a plugin is a shared object that ends with "
			     "LICHEN_PLUGIN",
			     image->subject);
	} else if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB) {
		ld_error_set(error,
			     "%s: a %s %s-endian ELF file, this host takes 64-bit "
			     "little-endian: build it for x86-64",
			     image->subject,
			     h->e_ident[EI_CLASS] == ELFCLASS32 ? "32-bit" : "64-bit",
			     h->e_ident[EI_DATA] == ELFDATA2MSB ? "big" : "little");
	} else if (h->e_machine != EM_X86_64) {
		ld_error_set(error,
			     "%s: built for ELF machine %u, this host is %u (x86-64): build it "
			     "for x86-64",
			     image->subject, h->e_machine, EM_X86_64);
	} else if (h->e_type != ET_DYN) {
		ld_error_set(
			error,
			"%s: ELF type %u is not a shared object (%u): link it with -shared",
			image->subject, h->e_type, ET_DYN);
	} else if (h->e_ident[EI_VERSION] != EV_CURRENT || h->e_version != EV_CURRENT ||
		   (h->e_ident[EI_OSABI] != ELFOSABI_SYSV &&
		    h->e_ident[EI_OSABI] != ELFOSABI_GNU) ||
		   h->e_ident[EI_ABIVERSION] != 0 ||
		   memcmp(h->e_ident + EI_PAD, padding, sizeof(padding)) != 0 ||
		   h->e_ehsize != sizeof(*h) || h->e_phentsize != sizeof(Elf64_Phdr)) {
		ld_error_set(error, "%s: its ELF header is malformed: build it again",
			     image->subject);
	} else if (h->e_phnum == 0 || h->e_phnum > LD_SEGMENTS_MAX) {
		ld_error_set(error,
			     "%s: %u program headers, a plugin has 1 to %d: build it again",
			     image->subject, h->e_phnum, LD_SEGMENTS_MAX);
	} else {
		return 0;
	}
	return -LICHEN_ENOEXEC;
}

static bool ld_is_power(uint64_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* What is wrong with loaded segment `load`, which follows `before` (or NULL); NULL: nothing. */
static const char *ld_load_fault(const struct ld_image *image, const Elf64_Phdr *load,
				 const Elf64_Phdr *before)
{
	if (load->p_offset > image->size || load->p_filesz > image->size - load->p_offset)
		return "ends past the end of the file, which is cut short";
	if (load->p_vaddr > LD_SPAN_MAX || load->p_memsz > LD_SPAN_MAX - load->p_vaddr)
		return "is larger than 1 GiB";
	if (load->p_memsz == 0 || load->p_filesz > load->p_memsz)
		return "is larger in the file than in memory";
	if (!ld_is_power(load->p_align) || load->p_align < LD_PAGE ||
	    load->p_align > LD_ALIGN_MAX ||
	    ((load->p_vaddr - load->p_offset) & (load->p_align - 1)) != 0)
		return "is not aligned to pages";
	if (!(load->p_flags & PF_R) || (load->p_flags & ~(uint32_t)(PF_R | PF_W | PF_X)) != 0)
		return "cannot be read";
	if ((load->p_flags & PF_W) && (load->p_flags & PF_X))
		return "is both writable and executable";
	/* The dynamic linker would zero the rest, over code or constants. */
	if (!(load->p_flags & PF_W) && load->p_filesz != load->p_memsz)
		return "is read-only and larger in memory than in the file";
	/* Pages of two segments must not meet, or the later one's hide the earlier one's. */
	if (before &&
	    ((load->p_vaddr & ~(uint64_t)(LD_PAGE - 1)) < before->p_vaddr + before->p_memsz ||
	     load->p_offset < before->p_offset + before->p_filesz))
		return "overlaps the one before";
	return NULL;
}

/* PT_GNU_RELRO makes whole pages read-only: none of them may hold what is written later. */
static bool ld_relro_fits(const struct ld_image *image, const Elf64_Phdr *relro)
{
	uint64_t end;

	if (relro->p_vaddr > LD_SPAN_MAX || relro->p_memsz > LD_SPAN_MAX)
		return false;
	end = relro->p_vaddr + relro->p_memsz;
	for (uint32_t i = 0; i < image->count; i++) {
		const Elf64_Phdr *load = &image->segments[i], *next = NULL;

		if (load->p_type != PT_LOAD || !(load->p_flags & PF_W) ||
		    relro->p_vaddr < load->p_vaddr ||
		    relro->p_vaddr - load->p_vaddr > load->p_memsz)
			continue;
		if (end <= load->p_vaddr + load->p_memsz)
			return true;
		/* lld rounds the end up to a page and starts another segment there. */
		for (uint32_t j = i + 1; j < image->count && !next; j++)
			if (image->segments[j].p_type == PT_LOAD)
				next = &image->segments[j];
		return next && end <= next->p_vaddr &&
		       end - (load->p_vaddr + load->p_memsz) < LD_PAGE;
	}
	return false;
}

/* The segment's bytes are those that a loaded segment puts at its address. */
static bool ld_is_loaded(const struct ld_image *image, const Elf64_Phdr *segment)
{
	uint64_t offset;

	return ld_image_at(image, segment->p_vaddr, segment->p_filesz, PF_R, &offset) &&
	       offset == segment->p_offset;
}

/* What is wrong with a segment of a kind that the dynamic linker uses; NULL: nothing. */
static const char *ld_segment_fault(const struct ld_image *image, const Elf64_Ehdr *header,
				    const Elf64_Phdr *segment)
{
	uint64_t offset;

	switch (segment->p_type) {
	case PT_DYNAMIC: /* relocated in place */
		if (segment->p_memsz != segment->p_filesz || !ld_is_loaded(image, segment) ||
		    !ld_image_at(image, segment->p_vaddr, segment->p_filesz, PF_W, &offset))
			return "dynamic section";
		break;
	case PT_NOTE:
	case PT_GNU_PROPERTY:
	case PT_GNU_EH_FRAME:
		if (segment->p_memsz != segment->p_filesz || !ld_is_loaded(image, segment))
			return "notes or unwind table";
		break;
	case PT_PHDR:
		if (segment->p_offset != header->e_phoff ||
		    segment->p_filesz != (uint64_t)header->e_phnum * sizeof(Elf64_Phdr) ||
		    segment->p_memsz != segment->p_filesz || !ld_is_loaded(image, segment))
			return "table of program headers";
		break;
	case PT_TLS:
		if (segment->p_filesz > segment->p_memsz || segment->p_memsz > LD_TLS_MAX ||
		    segment->p_align > LD_TLS_ALIGN_MAX ||
		    (segment->p_align != 0 && !ld_is_power(segment->p_align)) ||
		    (segment->p_filesz != 0 && !ld_is_loaded(image, segment)))
			return "thread-local storage";
		break;
	case PT_GNU_RELRO:
		if (!ld_relro_fits(image, segment))
			return "part to be made read-only";
		break;
	default:
		break;
	}
	return NULL;
}

static uint32_t ld_count(const struct ld_image *image, uint32_t type)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < image->count; i++)
		n += image->segments[i].p_type == type;
	return n;
}

/* Without PT_GNU_STACK the dynamic linker makes every stack of the process executable. */
static lichen_status ld_check_stack(const struct ld_image *image, struct ld_error *error)
{
	for (uint32_t i = 0; i < image->count; i++)
		if (image->segments[i].p_type == PT_GNU_STACK &&
		    !(image->segments[i].p_flags & PF_X))
			return 0;
	ld_error_set(error, "%s: wants an executable stack: link it with -z noexecstack",
		     image->subject);
	return -LICHEN_ENOEXEC;
}

lichen_status ld_image_open(struct ld_image *image, const void *bytes, size_t size,
			    const char *subject, struct ld_error *error)
{
	const Elf64_Phdr *before = NULL;
	const char *fault;
	Elf64_Ehdr header;
	lichen_status status;

	*image = (struct ld_image){ .bytes = bytes, .size = size, .subject = subject };
	if (!ld_image_read(image, 0, &header, sizeof(header))) {
		ld_error_set(error, "%s: %zu bytes are too short for an ELF file", subject,
			     size);
		return -LICHEN_ENOEXEC;
	}
	status = ld_check_header(image, &header, error);
	if (status < 0)
		return status;
	if (!ld_image_read(image, header.e_phoff, image->segments,
			   header.e_phnum * sizeof(Elf64_Phdr))) {
		ld_error_set(error, "%s: cut short within its program headers: copy it again",
			     subject);
		return -LICHEN_ENOEXEC;
	}
	image->count = header.e_phnum;

	for (uint32_t i = 0; i < image->count; i++) {
		if (image->segments[i].p_type != PT_LOAD)
			continue;
		fault = ld_load_fault(image, &image->segments[i], before);
		before = &image->segments[i];
		if (fault) {
			ld_error_set(error, "%s: segment %u %s: copy or build it again",
				     subject, i, fault);
			return -LICHEN_ENOEXEC;
		}
	}
	for (uint32_t i = 0; i < image->count; i++) {
		fault = ld_segment_fault(image, &header, &image->segments[i]);
		if (fault) {
			ld_error_set(error,
				     "%s: its %s (segment %u) is not where it is loaded: build "
				     "it again",
				     subject, fault, i);
			return -LICHEN_ENOEXEC;
		}
	}
	if (ld_count(image, PT_DYNAMIC) != 1 || ld_count(image, PT_TLS) > 1) {
		ld_error_set(error,
			     "%s: %u dynamic sections, a shared object has 1: build it again",
			     subject, ld_count(image, PT_DYNAMIC));
		return -LICHEN_ENOEXEC;
	}
	return ld_check_stack(image, error);
}
