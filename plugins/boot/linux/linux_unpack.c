/* SPDX-License-Identifier: MIT */
/* linux_unpack.c: unpacks a bzImage's kernel and gives it its addresses.  See linux_unpack.h.
 */
#include "linux_unpack.h"

#include <inttypes.h>
#include <sys/random.h>

/* A random number below `limit` (> 0).  Its bias is limit / 2^64. */
static lichen_status linux_random(uint64_t limit, uint64_t *number, struct lichen_why *why)
{
	uint64_t value;

	if (getrandom(&value, sizeof(value), 0) != (ssize_t)sizeof(value))
		return lichen_refuse(why, -LICHEN_EIO, "kernel: no random number to be had");
	*number = value % limit;
	return 0;
}

lichen_status linux_unpack_place(const struct lichen_e820 *map,
				 const struct linux_kernel *image, lichen_gpa taken,
				 lichen_gpa taken_end, lichen_gpa *at, struct lichen_why *why)
{
	uint64_t slots = linux_slots(map, image, taken, taken_end, UINT64_MAX, at), number = 0;
	lichen_status status;

	if (slots == 0)
		return lichen_refuse(why, -LICHEN_ENOSPC,
				     "kernel: needs %" PRIu64 " bytes from 0x%" PRIx64
				     ", guest memory has no such room",
				     image->room, (uint64_t)image->header.pref_address);
	status = linux_random(slots, &number, why);
	if (status < 0)
		return status;
	(void)linux_slots(map, image, taken, taken_end, number, at);
	return 0;
}

uint64_t linux_unpack_room(const struct linux_kernel *image,
			   const struct lichen_payload *payload)
{
	uint64_t room = LINUX_HEAD + image->room;

	return room > payload->unpacked ? room : payload->unpacked;
}

/* The kernel in `bytes` must be the one that the bzImage's header describes. */
static lichen_status linux_unpack_judge(const uint8_t *bytes, uint64_t size,
					const struct linux_kernel *image,
					struct lichen_elf *elf, struct lichen_why *why)
{
	const struct lichen_source source = lichen_source_of("kernel", bytes, size);
	struct linux_kernel inside;
	lichen_status status = lichen_elf_parse(&source, elf, why);

	if (status >= 0)
		status = linux_elf_judge(elf, &inside, why);
	if (status < 0)
		return status;
	if (elf->low != image->header.pref_address || inside.room > image->room)
		return lichen_refuse(why, -LICHEN_ENOTSUP,
				     "kernel: %" PRIu64 " bytes from 0x%" PRIx64
				     ", its header says %" PRIu64 " from 0x%" PRIx64,
				     inside.room, elf->low, image->room,
				     (uint64_t)image->header.pref_address);
	/* Then segments can be moved down one after another, none over one to come. */
	for (uint32_t i = 0; i < elf->count; i++) {
		const struct lichen_elf_segment *s = &elf->segment[i];

		if (s->file_size > 0 && LINUX_HEAD + (s->gpa - elf->low) > s->offset)
			return lichen_refuse(why, -LICHEN_ENOTSUP,
					     "kernel: a segment at byte %" PRIu64
					     " would have to move up",
					     s->offset);
	}
	return 0;
}

static lichen_status linux_move_virtual(uint8_t *bytes, uint64_t size,
					const struct linux_kernel *image,
					const struct lichen_elf *elf, struct lichen_why *why)
{
	uint64_t slots = linux_virtual_slots(image), number = 0;
	struct linux_relocs relocs;
	lichen_status status = linux_relocs_find(bytes, size, elf, &relocs, why);

	if (status < 0)
		return status;
	if (slots == 0)
		return lichen_refuse(why, -LICHEN_ENOTSUP,
				     "kernel: %" PRIu64 " bytes, too large to be moved",
				     image->room);
	status = linux_random(slots, &number, why);
	return status < 0 ? status
			  : linux_relocs_apply(bytes, elf, &relocs,
					       (uint32_t)(number * image->align), why);
}

lichen_status linux_unpack(const struct lichen_source *file, const struct linux_kernel *image,
			   const struct lichen_payload *payload, uint32_t is_random,
			   uint8_t *bytes, uint64_t *entry, struct lichen_why *why)
{
	lichen_status status = lichen_payload_unpack(file, payload, bytes, why);
	struct lichen_elf elf;

	if (status >= 0)
		status = linux_unpack_judge(bytes, payload->unpacked, image, &elf, why);
	if (status >= 0 && is_random)
		status = linux_move_virtual(bytes, payload->unpacked, image, &elf, why);
	if (status < 0)
		return status;
	for (uint32_t i = 0; i < elf.count; i++) {
		const struct lichen_elf_segment *s = &elf.segment[i];
		uint8_t *to = bytes + LINUX_HEAD + (s->gpa - elf.low);

		if (to != bytes + s->offset)
			memmove(to, bytes + s->offset, (size_t)s->file_size);
		memset(to + s->file_size, 0, (size_t)(s->size - s->file_size));
	}
	*entry = elf.entry - elf.low;
	return 0;
}
