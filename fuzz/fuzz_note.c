/* SPDX-License-Identifier: MIT */
/* A plugin file, before any of its code may run. */
#include "note.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct ld_error error = { "" };
	struct ld_image image;
	struct lichen_note note;

	if (ld_note_parse(bytes, size, "input.so", &note, &error) == 0) {
		FUZZ_CHECK(memchr(note.name, '\0', sizeof(note.name)));
		FUZZ_CHECK(memchr(note.version, '\0', sizeof(note.version)));
		(void)ld_note_judge(&note, "input.so", &error);
	} else {
		FUZZ_CHECK(error.text[0]);
	}
	if (ld_image_open(&image, bytes, size, "input.so", &error) == 0)
		(void)ld_image_dynamic(&image, &error);
	return 0;
}
