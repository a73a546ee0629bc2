/* SPDX-License-Identifier: MIT */
/* An ELF kernel: its headers and notes, whether it can be booted, its relocations. */
#include "linux_kaslr.h"

#include "fuzz.h"

static void check(const struct lichen_elf *elf, uint64_t size)
{
	FUZZ_CHECK(elf->count > 0 && elf->count <= LICHEN_ELF_SEGMENTS);
	FUZZ_CHECK(elf->note_count <= LICHEN_ELF_NOTES);
	for (uint32_t i = 0; i < elf->count; i++) {
		const struct lichen_elf_segment *s = &elf->segment[i];
		const uint64_t end = i + 1 < elf->count ? s[1].gpa : LICHEN_ELF_REACH;

		FUZZ_CHECK(s->size > 0 && s->file_size <= s->size);
		FUZZ_CHECK(s->offset <= size && s->file_size <= size - s->offset);
		FUZZ_CHECK(s->gpa <= end && s->size <= end - s->gpa);
	}
}

static void relocate(const uint8_t *bytes, size_t size, const struct lichen_elf *elf)
{
	struct linux_relocs relocs;
	struct lichen_why why;
	uint8_t *copy = malloc(size);

	FUZZ_CHECK(copy);
	memcpy(copy, bytes, size);
	if (linux_relocs_find(copy, size, elf, &relocs, &why) == 0)
		(void)linux_relocs_apply(copy, elf, &relocs, 0x200000, &why);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const struct lichen_source source = lichen_source_of("kernel", bytes, size);
	struct lichen_elf elf;
	struct linux_kernel kernel;
	struct lichen_why why;
	uint8_t descriptor[16];
	uint64_t full;

	(void)lichen_elf_is(&source);
	if (lichen_elf_parse(&source, &elf, &why) < 0)
		return 0;
	check(&elf, size);
	(void)lichen_elf_at(&elf, elf.entry);
	for (uint32_t type = 1; type <= 18; type += 17)
		(void)lichen_elf_note(&source, &elf, "Xen", type, descriptor,
				      sizeof(descriptor), &full);
	if (linux_elf_judge(&elf, &kernel, &why) == 0)
		relocate(bytes, size, &elf);
	return 0;
}
