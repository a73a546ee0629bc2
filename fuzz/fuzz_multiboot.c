/* SPDX-License-Identifier: MIT */
/* A Multiboot image: its header and what that says is to be loaded. */
#include "multiboot_header.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const struct lichen_source source = lichen_source_of("kernel", bytes, size);
	struct multiboot_image image;
	struct lichen_why why;

	if (multiboot_judge(&source, &image, &why) < 0)
		return 0;
	FUZZ_CHECK(image.elf.count > 0 && image.elf.count <= LICHEN_ELF_SEGMENTS);
	for (uint32_t i = 0; i < image.elf.count; i++) {
		const struct lichen_elf_segment *s = &image.elf.segment[i];

		FUZZ_CHECK(s->file_size <= s->size);
		FUZZ_CHECK(s->offset <= size && s->file_size <= size - s->offset);
		FUZZ_CHECK(s->gpa <= LICHEN_ELF_REACH && s->size <= LICHEN_ELF_REACH - s->gpa);
	}
	FUZZ_CHECK(lichen_elf_at(&image.elf, image.entry));
	return 0;
}
