/* SPDX-License-Identifier: MIT */
/*
 * layout.h: windows of memory in the guest: which parts of them it sees, and the slots through
 * which it reaches whole pages of these without an exit.
 *
 * The MMIO bus resolves ranks and serves every access that exits, to windows of memory too.  So
 * slots only make faster what is right without them, and follow each change of the bus.
 */
#ifndef FW_LAYOUT_H
#define FW_LAYOUT_H

#include "backing.h"
#include "bus.h"
#include "hv/hv.h"
#include "memory_map.h"

/* `self` of a target whose window is memory. */
struct fw_memory_window {
	struct fw_backing *backing; /* NULL: MAPPED, and nothing was given yet */
	const struct lichen_window *declared;
	void *self;		   /* the instance's, for what the guest writes to ROM */
	struct lichen_window seen; /* what the bus sees: the host's handlers */
};

/* A part that the guest sees. */
struct fw_visible {
	lichen_gpa gpa;
	uint64_t size, offset; /* bytes; offset in the backing */
	struct fw_backing *backing;
};

struct fw_window_slot {
	uint64_t size; /* 0: free */
	lichen_gpa gpa;
	uint64_t offset;
	struct fw_backing *backing; /* a use of it */
	uint32_t flags;		    /* enum hv_slot_flag */
};

struct fw_layout {
	const struct hv_ops *hv;
	struct hv_vm *hvm;
	struct fw_bus *mmio;
	_Atomic uint32_t windows; /* placed, or about to be; 0: nothing is to follow */
	pthread_mutex_t lock;	  /* one change at a time; guards what follows */
	struct fw_window_slot *slots;
	uint32_t slot_count, slot_limit; /* its numbers begin above those of RAM */
	uint32_t address_bits; /* of the guest's physical addresses; 0: not yet asked */
	struct fw_visible *spare;
	uint32_t room;		     /* of parts, and of spare */
	pthread_rwlock_t parts_lock; /* inside `lock`; guards what follows */
	struct fw_visible *parts;    /* sorted */
	uint32_t part_count;
};

void fw_layout_init(struct fw_layout *layout, const struct hv_ops *hv, struct hv_vm *hvm,
		    struct fw_bus *mmio);
/* When no window of memory is placed any more. */
void fw_layout_clear(struct fw_layout *layout);

/* Fills `window`: how the bus is to serve it. */
void fw_memory_window_init(struct fw_memory_window *window,
			   const struct lichen_window *declared, void *self);

/*
 * Whether [gpa, gpa + size) can be memory.  -LICHEN_EINVAL: not whole pages;
 * -LICHEN_ERANGE: past the guest's address width; -LICHEN_EIO.  `error` says it.  [any]
 */
lichen_status fw_layout_check(struct fw_layout *layout, lichen_gpa gpa, uint64_t size,
			      struct ld_error *error);
/*
 * Slots follow the bus, of which something was inserted or removed.  After an insertion that
 * is refused (-LICHEN_ENOMEM, -LICHEN_ENOSPC: no slot left, -LICHEN_EIO: the hypervisor
 * refuses; `error` says it) take it out and call again.  After a removal it cannot fail but for
 * speed.  [control or vcpu]
 */
lichen_status fw_layout_follow(struct fw_layout *layout, struct ld_error *error);
/* Room for `more` windows, so that following what brings them needs no memory.
 * -LICHEN_ENOMEM.  [control] */
lichen_status fw_layout_prepare(struct fw_layout *layout, uint32_t more);
/* As fw_memory_remap(), of windows.  [control] */
lichen_status fw_layout_remap(struct fw_layout *layout, struct ld_error *error);

/*
 * Guest memory, the system's RAM or windows; errors as host->memory_read and its like.
 * fw_layout_map() adds a use of *backing where that is not NULL.  [any]
 */
lichen_status fw_layout_read(struct fw_layout *layout, const struct fw_memory *memory,
			     lichen_gpa gpa, void *to, uint64_t size);
lichen_status fw_layout_write(struct fw_layout *layout, const struct fw_memory *memory,
			      lichen_gpa gpa, const void *from, uint64_t size);
void *fw_layout_map(struct fw_layout *layout, lichen_gpa gpa, uint64_t size, uint32_t access,
		    struct fw_backing **backing, uint64_t *offset);

/* Adds to `bits` (fw_backing_words() of them) what was written since, and forgets it.  Needs
 * fw_backing_track() and then fw_layout_follow().  [any] */
void fw_layout_dirty(struct fw_layout *layout, struct fw_backing *backing, uint64_t *bits);

/*
 * The slots of kind RAM, sorted, with a use of each backing; *slots is the caller's to free().
 * -LICHEN_ENOMEM.  [any]
 */
lichen_status fw_layout_ram(struct fw_layout *layout, struct fw_window_slot **slots,
			    uint32_t *count);

#endif
