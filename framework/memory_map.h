/* SPDX-License-Identifier: MIT */
/*
 * memory_map.h: where guest RAM lies, and how to reach it.
 *
 *	0 ........ low RAM ........ hole [3 GiB, 4 GiB) ........ high RAM
 *
 * The hole is for MMIO: the IOAPIC at 0xfec00000, local APICs at 0xfee00000, and
 * whatever a bus places there.  The map is fixed before the first vCPU runs, so
 * readers need no lock.
 */
#ifndef FW_MEMORY_MAP_H
#define FW_MEMORY_MAP_H

#include <lichen/memory.h>
#include <lichen/ram.h>

#include "hv/hv.h"

#define FW_HOLE_START UINT64_C(0xc0000000)
#define FW_HOLE_END UINT64_C(0x100000000)

/* A run of a memory strategy may be cut once, by the hole. */
enum { FW_RUNS_MAX = 8, FW_PIECES_MAX = 2 * FW_RUNS_MAX, FW_RESERVED_MAX = 32 };

struct fw_piece {
	lichen_gpa gpa;
	uint64_t size;
	uint8_t *host;
	uint32_t slot;
	int descriptor;	 /* of the strategy's, where others may map it; else -1 */
	uint64_t offset; /* in the descriptor */
};

struct fw_run {
	void *host;
	uint64_t size;
};

struct fw_memory {
	const struct hv_ops *hv;
	struct hv_vm *hvm;
	struct fw_run runs[FW_RUNS_MAX];
	uint32_t run_count;
	struct fw_piece pieces[FW_PIECES_MAX]; /* sorted */
	uint32_t piece_count;
	struct lichen_range reserved[FW_RESERVED_MAX]; /* sorted */
	const void *reserved_by[FW_RESERVED_MAX];
	uint32_t reserved_count;
};

void fw_memory_init(struct fw_memory *memory, const struct hv_ops *hv, struct hv_vm *hvm);
/*
 * Maps runs that together make up guest memory, into this process and into the
 * guest.  -LICHEN_EINVAL: they do not make `size`, or a file is too short;
 * -LICHEN_ENOTSUP: a flag that is not known; -LICHEN_EBADF; -LICHEN_ENOMEM;
 * -LICHEN_EIO: the hypervisor refuses.  On failure nothing stays mapped.  [control]
 */
lichen_status fw_memory_place(struct fw_memory *memory, const struct lichen_ram *runs,
			      uint32_t count, uint64_t size, struct ld_error *error);
void fw_memory_clear(struct fw_memory *memory);
/*
 * After memory was written behind the guest's back while its vCPUs stand still: what
 * the hypervisor made of page tables in it is forgotten.  -LICHEN_EIO and what it says;
 * then the guest has lost memory and cannot go on.  [control]
 */
lichen_status fw_memory_remap(struct fw_memory *memory, struct ld_error *error);

/* Host address of [gpa, gpa + size), or NULL where it is not all in one piece.  [any] */
void *fw_memory_at(const struct fw_memory *memory, lichen_gpa gpa, uint64_t size);
/* Bytes of [gpa, gpa + size) that lie in one piece, and where; 0: the first is not RAM.
 * [any] */
uint64_t fw_memory_part(const struct fw_memory *memory, lichen_gpa gpa, uint64_t size,
			uint8_t **at);
/* -LICHEN_EFAULT: not all of it is RAM.  [any] */
lichen_status fw_memory_read(const struct fw_memory *memory, lichen_gpa gpa, void *to,
			     uint64_t size);
lichen_status fw_memory_write(const struct fw_memory *memory, lichen_gpa gpa, const void *from,
			      uint64_t size);
/* 1 when any byte of [gpa, gpa + size) is RAM.  [any] */
int fw_memory_touches(const struct fw_memory *memory, lichen_gpa gpa, uint64_t size);

/* host->memory_reserve and host->memory_range say what these do.  [control] */
lichen_status fw_memory_reserve(struct fw_memory *memory, const void *owner, lichen_gpa gpa,
				uint64_t size, uint32_t type);
void fw_memory_unreserve(struct fw_memory *memory, const void *owner);
/* 1: `owner` has reserved just that. */
int fw_memory_reserves(const struct fw_memory *memory, const void *owner, lichen_gpa gpa,
		       uint64_t size, uint32_t type);
/* What `owner` has reserved at `gpa` is `heir`'s. */
void fw_memory_pass(struct fw_memory *memory, const void *owner, const void *heir,
		    lichen_gpa gpa);
lichen_status fw_memory_range(const struct fw_memory *memory, uint32_t index,
			      struct lichen_range *range);

#endif
