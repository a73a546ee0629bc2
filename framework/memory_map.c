/* SPDX-License-Identifier: MIT */
/* memory_map.c: see memory_map.h. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "memory_map.h"

#define FW_LARGE_PAGE (UINT64_C(2) << 20) /* what x86-64 and transparent huge pages have */

void fw_memory_init(struct fw_memory *memory, const struct hv_ops *hv, struct hv_vm *hvm)
{
	*memory = (struct fw_memory){ .hv = hv, .hvm = hvm };
}

/* Host memory for a run, mapped at `at` where that is not NULL. */
static void *fw_memory_map_at(const struct lichen_ram *run, void *at)
{
	const int fixed = at ? MAP_FIXED : 0;

	if (run->descriptor >= 0)
		return mmap(at, run->size, PROT_READ | PROT_WRITE, MAP_SHARED | fixed,
			    run->descriptor, (off_t)run->offset);
	return mmap(at, run->size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);
}

/*
 * A mapping whose address differs from `gpa` by a multiple of the largest page, because only
 * then can KVM map a large page of the host's as one of the guest's.  Older kernels put it
 * anywhere, so room is reserved first, and what is too much of it is given back.
 */
static void *fw_memory_map_run(const struct lichen_ram *run, lichen_gpa gpa)
{
	const uint64_t page = run->page_size > FW_LARGE_PAGE ? run->page_size : FW_LARGE_PAGE;
	uint64_t head;
	uint8_t *room;
	void *at;

	if (run->size < page || gpa % page || (page & (page - 1)) ||
	    run->size > SIZE_MAX - page)
		return fw_memory_map_at(run, NULL);
	room = mmap(NULL, run->size + page, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return MAP_FAILED;
	head = -(uint64_t)(uintptr_t)room & (page - 1);
	at = fw_memory_map_at(run, room + head);
	if (at == MAP_FAILED) {
		const int error = errno;

		munmap(room, run->size + page);
		errno = error;
		return MAP_FAILED;
	}
	if (head)
		munmap(room, head);
	munmap(room + head + run->size, page - head);
	return at;
}

static void *fw_memory_map(const struct lichen_ram *run, lichen_gpa gpa)
{
	void *at = fw_memory_map_run(run, gpa);

	if (at == MAP_FAILED)
		return NULL;
	/* Advice only: a kernel without one of these still runs the guest. */
	madvise(at, run->size, MADV_DONTFORK);
	madvise(at, run->size, MADV_DONTDUMP);
	if (run->flags & LICHEN_RAM_HUGE)
		madvise(at, run->size, MADV_HUGEPAGE);
	return at;
}

/* Makes host memory, `done` bytes into its run, a piece of the guest's, in the next slot. */
static lichen_status fw_memory_add(struct fw_memory *memory, lichen_gpa gpa, uint64_t size,
				   const struct lichen_ram *run, uint8_t *host, uint64_t done,
				   struct ld_error *error)
{
	struct fw_piece *piece = &memory->pieces[memory->piece_count];
	const struct hv_slot slot = {
		.number = memory->piece_count, .gpa = gpa, .size = size, .host = host + done
	};
	lichen_status status = memory->hv->map(memory->hvm, &slot, error);

	if (status < 0) /* the run is as it should be: it is not its fault */
		return -LICHEN_EIO;
	*piece = (struct fw_piece){
		.gpa = gpa,
		.size = size,
		.host = host + done,
		.slot = slot.number,
		.descriptor = run->flags & LICHEN_RAM_SHAREABLE ? run->descriptor : -1,
		.offset = run->offset + done,
	};
	memory->piece_count++;
	return 0;
}

/* One run at `gpa`, cut where the hole begins.  *gpa moves past it. */
static lichen_status fw_memory_place_run(struct fw_memory *memory, const struct lichen_ram *run,
					 lichen_gpa *gpa, struct ld_error *error)
{
	uint8_t *host = fw_memory_map(run, *gpa);
	uint64_t left = run->size;
	lichen_status status = 0;

	if (!host) {
		ld_error_set(error, "memory: %llu bytes: %s", (unsigned long long)run->size,
			     strerrordesc_np(errno));
		return -LICHEN_ENOMEM;
	}
	memory->runs[memory->run_count++] = (struct fw_run){ .host = host, .size = run->size };
	while (left && status == 0) {
		uint64_t part = left;

		if (*gpa < FW_HOLE_START && part > FW_HOLE_START - *gpa)
			part = FW_HOLE_START - *gpa;
		status = fw_memory_add(memory, *gpa, part, run, host, run->size - left, error);
		*gpa += part;
		if (*gpa == FW_HOLE_START)
			*gpa = FW_HOLE_END;
		left -= part;
	}
	return status;
}

/* Past the end of its file a run would be SIGBUS, for the guest and for us. */
static lichen_status fw_memory_file(const struct lichen_ram *run, uint32_t index,
				    struct ld_error *error)
{
	struct stat file;
	uint64_t length;

	if (run->descriptor < 0)
		return 0;
	if (fstat(run->descriptor, &file) < 0) {
		ld_error_set(error, "memory run %u: descriptor %d: %s", index, run->descriptor,
			     strerrordesc_np(errno));
		return -LICHEN_EBADF;
	}
	length = (uint64_t)file.st_size;
	if (S_ISREG(file.st_mode) &&
	    (run->offset > length || run->size > length - run->offset)) {
		ld_error_set(error,
			     "memory run %u: its file has %llu bytes, less than %llu from %llu",
			     index, (unsigned long long)length, (unsigned long long)run->size,
			     (unsigned long long)run->offset);
		return -LICHEN_EINVAL;
	}
	return 0;
}

lichen_status fw_memory_place(struct fw_memory *memory, const struct lichen_ram *runs,
			      uint32_t count, uint64_t size, struct ld_error *error)
{
	uint64_t total = 0;
	lichen_gpa gpa = 0;
	lichen_status status = 0;

	if (count > FW_RUNS_MAX) {
		ld_error_set(error, "memory: %u runs, at most %u", count, FW_RUNS_MAX);
		return -LICHEN_EINVAL;
	}
	for (uint32_t i = 0; i < count; i++) {
		const uint64_t page = runs[i].page_size ? runs[i].page_size : 4096;

		if (runs[i].flags & ~(uint32_t)(LICHEN_RAM_SHAREABLE | LICHEN_RAM_HUGE)) {
			ld_error_set(error, "memory run %u: flags 0x%x are not known", i,
				     runs[i].flags);
			return -LICHEN_ENOTSUP;
		}
		if (runs[i].size == 0 || runs[i].size % page || runs[i].offset % page ||
		    runs[i].size > size - total)
			break;
		total += runs[i].size;
	}
	if (count == 0 || total != size) {
		ld_error_set(error, "memory: %u runs of %llu bytes where %llu were asked for",
			     count, (unsigned long long)total, (unsigned long long)size);
		return -LICHEN_EINVAL;
	}
	for (uint32_t i = 0; i < count && status == 0; i++)
		status = fw_memory_file(&runs[i], i, error);
	for (uint32_t i = 0; i < count && status == 0; i++)
		status = fw_memory_place_run(memory, &runs[i], &gpa, error);
	if (status < 0)
		fw_memory_clear(memory);
	return status;
}

void fw_memory_clear(struct fw_memory *memory)
{
	for (uint32_t i = 0; i < memory->piece_count; i++)
		memory->hv->unmap(memory->hvm, memory->pieces[i].slot);
	for (uint32_t i = 0; i < memory->run_count; i++)
		munmap(memory->runs[i].host, memory->runs[i].size);
	memory->piece_count = 0;
	memory->run_count = 0;
}

lichen_status fw_memory_remap(struct fw_memory *memory, struct ld_error *error)
{
	for (uint32_t i = 0; i < memory->piece_count; i++) {
		const struct fw_piece *piece = &memory->pieces[i];
		const struct hv_slot slot = { .number = piece->slot,
					      .gpa = piece->gpa,
					      .size = piece->size,
					      .host = piece->host };
		lichen_status status;

		memory->hv->unmap(memory->hvm, piece->slot);
		status = memory->hv->map(memory->hvm, &slot, error);
		if (status < 0)
			return status;
	}
	return 0;
}

/* The piece that holds gpa, or NULL. */
static const struct fw_piece *fw_memory_piece(const struct fw_memory *memory, lichen_gpa gpa)
{
	for (uint32_t i = 0; i < memory->piece_count; i++) {
		const struct fw_piece *piece = &memory->pieces[i];

		if (gpa >= piece->gpa && gpa - piece->gpa < piece->size)
			return piece;
	}
	return NULL;
}

void *fw_memory_at(const struct fw_memory *memory, lichen_gpa gpa, uint64_t size)
{
	const struct fw_piece *piece = fw_memory_piece(memory, gpa);

	if (!piece || size > piece->size - (gpa - piece->gpa))
		return NULL;
	return piece->host + (gpa - piece->gpa);
}

uint64_t fw_memory_part(const struct fw_memory *memory, lichen_gpa gpa, uint64_t size,
			uint8_t **at)
{
	const struct fw_piece *piece = fw_memory_piece(memory, gpa);
	uint64_t room;

	*at = NULL;
	if (!piece)
		return 0;
	room = piece->size - (gpa - piece->gpa);
	*at = piece->host + (gpa - piece->gpa);
	return size < room ? size : room;
}

/* 1 when [gpa, gpa + size) is RAM throughout. */
static int fw_memory_covers(const struct fw_memory *memory, lichen_gpa gpa, uint64_t size)
{
	uint8_t *at;

	while (size) {
		const uint64_t part = fw_memory_part(memory, gpa, size, &at);

		if (!part)
			return 0;
		gpa += part;
		size -= part;
	}
	return 1;
}

lichen_status fw_memory_read(const struct fw_memory *memory, lichen_gpa gpa, void *to,
			     uint64_t size)
{
	uint8_t *out = to, *at;

	while (size) {
		const uint64_t part = fw_memory_part(memory, gpa, size, &at);

		if (!part)
			return -LICHEN_EFAULT;
		memcpy(out, at, part);
		out += part;
		gpa += part;
		size -= part;
	}
	return 0;
}

lichen_status fw_memory_write(const struct fw_memory *memory, lichen_gpa gpa, const void *from,
			      uint64_t size)
{
	const uint8_t *in = from;
	uint8_t *at;

	if (!fw_memory_covers(memory, gpa, size))
		return -LICHEN_EFAULT;
	while (size) {
		const uint64_t part = fw_memory_part(memory, gpa, size, &at);

		memcpy(at, in, part);
		in += part;
		gpa += part;
		size -= part;
	}
	return 0;
}

int fw_memory_touches(const struct fw_memory *memory, lichen_gpa gpa, uint64_t size)
{
	for (uint32_t i = 0; i < memory->piece_count; i++) {
		const struct fw_piece *piece = &memory->pieces[i];

		if (gpa < piece->gpa ? size > piece->gpa - gpa : gpa - piece->gpa < piece->size)
			return 1;
	}
	return 0;
}

lichen_status fw_memory_reserve(struct fw_memory *memory, const void *owner, lichen_gpa gpa,
				uint64_t size, uint32_t type)
{
	uint32_t at = 0;

	if (type < LICHEN_RANGE_RESERVED || type > LICHEN_RANGE_ACPI_NVS || size == 0)
		return -LICHEN_EINVAL;
	if (!fw_memory_at(memory, gpa, size))
		return -LICHEN_EFAULT;
	if (memory->reserved_count == FW_RESERVED_MAX)
		return -LICHEN_ENOSPC;
	while (at < memory->reserved_count && memory->reserved[at].gpa < gpa)
		at++;
	if (at > 0 && gpa - memory->reserved[at - 1].gpa < memory->reserved[at - 1].size)
		return -LICHEN_EEXIST;
	if (at < memory->reserved_count && memory->reserved[at].gpa - gpa < size)
		return -LICHEN_EEXIST;
	memmove(&memory->reserved[at + 1], &memory->reserved[at],
		(memory->reserved_count - at) * sizeof(memory->reserved[0]));
	memmove(&memory->reserved_by[at + 1], &memory->reserved_by[at],
		(memory->reserved_count - at) * sizeof(memory->reserved_by[0]));
	memory->reserved[at] = (struct lichen_range){ LICHEN_STRUCT(struct lichen_range),
						      .type = type, .gpa = gpa, .size = size };
	memory->reserved_by[at] = owner;
	memory->reserved_count++;
	return 0;
}

void fw_memory_unreserve(struct fw_memory *memory, const void *owner)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < memory->reserved_count; i++) {
		if (memory->reserved_by[i] == owner)
			continue;
		memory->reserved[kept] = memory->reserved[i];
		memory->reserved_by[kept++] = memory->reserved_by[i];
	}
	memory->reserved_count = kept;
}

int fw_memory_reserves(const struct fw_memory *memory, const void *owner, lichen_gpa gpa,
		       uint64_t size, uint32_t type)
{
	for (uint32_t i = 0; i < memory->reserved_count; i++)
		if (memory->reserved_by[i] == owner && memory->reserved[i].gpa == gpa &&
		    memory->reserved[i].size == size && memory->reserved[i].type == type)
			return 1;
	return 0;
}

void fw_memory_pass(struct fw_memory *memory, const void *owner, const void *heir,
		    lichen_gpa gpa)
{
	for (uint32_t i = 0; i < memory->reserved_count; i++)
		if (memory->reserved_by[i] == owner && memory->reserved[i].gpa == gpa)
			memory->reserved_by[i] = heir;
}

/* Walks pieces and reservations in step; both are sorted, reservations lie in pieces. */
lichen_status fw_memory_range(const struct fw_memory *memory, uint32_t index,
			      struct lichen_range *range)
{
	uint32_t seen = 0, r = 0;

	for (uint32_t i = 0; i < memory->piece_count; i++) {
		const struct fw_piece *piece = &memory->pieces[i];
		const lichen_gpa end = piece->gpa + piece->size;
		lichen_gpa at = piece->gpa;

		while (at < end) {
			struct lichen_range found = { LICHEN_STRUCT(struct lichen_range),
						      .type = LICHEN_RANGE_RAM, .gpa = at,
						      .size = end - at };

			if (r < memory->reserved_count && memory->reserved[r].gpa == at)
				found = memory->reserved[r++];
			else if (r < memory->reserved_count && memory->reserved[r].gpa < end)
				found.size = memory->reserved[r].gpa - at;
			if (seen++ == index) {
				*range = found;
				return 0;
			}
			at += found.size;
		}
	}
	return -LICHEN_ENOENT;
}
