/* SPDX-License-Identifier: MIT */
/*
 * A bzImage: its header, where it and an initrd would go in guests of two sizes, and the
 * kernel packed in it, as far as that is small.
 */
#include "linux_layout.h"
#include "linux_unpack.h"

#include "fuzz.h"

enum { INITRD = 1 << 20 };

#define GIB (UINT64_C(1) << 30)
#define UNPACKED_MAX (UINT64_C(1) << 20) /* bytes; larger ones take time and teach nothing */
#define ROOM_MAX (UINT64_C(4) << 20)

static void place(const struct linux_kernel *kernel, uint64_t memory)
{
	struct lichen_e820 map = { .count = 0 };
	struct linux_layout layout = { 0 };
	static struct boot_params page;
	struct lichen_cpu cpu;
	lichen_gpa slot;

	FUZZ_CHECK(lichen_e820_add(&map, 0, memory, LICHEN_RANGE_RAM) == 0);
	if (linux_place_kernel(&map, kernel, &layout.kernel) < 0)
		return;
	FUZZ_CHECK(layout.kernel % kernel->align == 0);
	FUZZ_CHECK(layout.kernel <= memory && kernel->room <= memory - layout.kernel);
	layout.entry = layout.kernel + kernel->entry;
	if (linux_place_initrd(&map, kernel, layout.kernel, INITRD, &layout.initrd) == 0) {
		layout.initrd_size = INITRD;
		FUZZ_CHECK(layout.initrd <= memory && INITRD <= memory - layout.initrd);
		FUZZ_CHECK(layout.initrd + INITRD <= layout.kernel ||
			   layout.kernel + kernel->room <= layout.initrd);
	}
	linux_zero_page(&map, kernel, &layout, &page);
	memset(&cpu, 0, sizeof(cpu));
	linux_cpu(&layout, &cpu);
	(void)linux_slots(&map, kernel, layout.initrd, layout.initrd + layout.initrd_size,
			  UINT64_MAX, &slot);
	(void)linux_virtual_slots(kernel);
}

static void unpack(const struct lichen_source *source, const struct linux_kernel *kernel,
		   const struct lichen_payload *payload)
{
	struct lichen_why why;
	uint8_t *to = malloc(payload->unpacked);
	uint64_t entry;

	FUZZ_CHECK(to);
	(void)lichen_payload_unpack(source, payload, to, &why);
	free(to);
	if (!kernel || kernel->room > ROOM_MAX)
		return;
	to = malloc(linux_unpack_room(kernel, payload));
	FUZZ_CHECK(to);
	if (linux_unpack(source, kernel, payload, 0, to, &entry, &why) == 0)
		FUZZ_CHECK(entry < kernel->room);
	free(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const struct lichen_source source = lichen_source_of("kernel", bytes, size);
	const size_t head = size < LINUX_HEADER_BYTES ? size : LINUX_HEADER_BYTES;
	struct linux_kernel kernel;
	struct lichen_payload payload;
	struct lichen_why why;
	const int judged = linux_header_parse(bytes, head, size, &kernel, &why) == 0;

	if (judged) {
		FUZZ_CHECK(kernel.offset <= size && kernel.room >= kernel.size);
		place(&kernel, GIB / 16);
		place(&kernel, 3 * GIB);
	}
	if (lichen_payload_find(&source, &payload, &why) == 0 &&
	    payload.unpacked <= UNPACKED_MAX)
		unpack(&source, judged ? &kernel : NULL, &payload);
	return 0;
}
