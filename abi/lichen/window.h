/* SPDX-License-Identifier: MIT */
/*
 * window.h: what the guest can touch.
 *
 * A window is declared with its size and handlers and exists unplaced.  It is
 * placed on ports or in an address space by its declaration (`place`), by the
 * instance (host->place_port, host->place_mmio) or by a bus, moved, and taken
 * away.  Numbers on the wire are little-endian.
 */
#ifndef LICHEN_WINDOW_H
#define LICHEN_WINDOW_H

#include <lichen/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

enum lichen_window_kind {
	LICHEN_IO = 1, /* registers: every access calls `ops` */
	/*
	 * The others are memory: whole pages (LICHEN_WINDOW_PAGE) at multiples of them,
	 * never on ports.  What the guest can reach of them directly makes no exit, and
	 * `ops` may be NULL.  Where a window of higher rank hides part of a page, the host
	 * serves the rest of that page by exits.
	 *
	 * RAM: the host allocates it.  Zeroes when create is called and after a power-on
	 * reset, kept by any other; part of the VM's state; guest memory to other
	 * instances (host->memory_read() and its like) and to those who listen.
	 */
	LICHEN_RAM = 2,
	/*
	 * ROM: the same, but for what the guest writes, which calls ops->write, in the
	 * sizes declared (NULL: dropped).  host->window_write() fills it.  Kept by every
	 * reset, not part of the state; other instances may read and not write it.
	 */
	LICHEN_ROM = 3,
	/*
	 * MAPPED: what host->window_back() gives: a piece of a file or a device.  Not part
	 * of the state, and no guest memory to others.
	 */
	LICHEN_MAPPED = 4,
};

enum { LICHEN_WINDOW_PAGE = 4096 }; /* bytes; size and place of memory are multiples */

enum lichen_place {
	LICHEN_PLACE_LATER = 0, /* by the instance or its bus */
	LICHEN_PLACE_PORT = 1,	/* on ports, before realize */
	LICHEN_PLACE_GPA = 2,	/* in the system's address space, before realize */
};

/* What becomes of an access of a size that `access_sizes` lacks. */
enum lichen_split {
	/*
	 * Wider than the widest: cut into accesses of the widest, ascending.
	 * Narrower than the narrowest: a read reads the aligned whole and gives
	 * the part asked for, a write is dropped.
	 */
	LICHEN_SPLIT = 0,
	LICHEN_REFUSE = 1, /* reads give all ones, writes are dropped */
};

struct lichen_io_ops {
	uint32_t struct_size;
	uint32_t _pad;
	/*
	 * The guest reads `size` (1, 2, 4 or 8) bytes at `off` of the window.
	 * off + size <= the window's size, off is a multiple of size.  The host
	 * truncates the result to the access; bits above the widest access that the
	 * window takes are all 0 or all 1.  NULL: reads give all ones.
	 * [vcpu, running]
	 */
	uint64_t (*read)(void *self, uint64_t cookie, uint64_t off, uint32_t size);
	/* The guest writes; bits above `size` bytes are 0.  NULL: dropped.  [vcpu, running] */
	void (*write)(void *self, uint64_t cookie, uint64_t off, uint32_t size, uint64_t value);
};

/* Windows are named by their index in the class's table, from 0. */
struct lichen_window {
	uint32_t struct_size;
	uint32_t kind;	       /* enum lichen_window_kind */
	const char *name;      /* for dumps and messages; unique in the class */
	uint64_t size;	       /* bytes; of registers: any, not only whole pages */
	uint32_t access_sizes; /* sum of 1, 2, 4, 8: what `ops` takes; 0: all four */
	uint32_t split;	       /* enum lichen_split */
	const struct lichen_io_ops *ops;
	uint64_t cookie;  /* passed to the handlers */
	uint32_t place;	  /* enum lichen_place */
	uint32_t rank;	  /* the higher hides the lower where windows overlap; equal: a clash */
	uint64_t address; /* PLACE_PORT, PLACE_GPA: where, unless placed_by is given */
	const char *placed_by; /* the parameter that says where; NULL: `address` does */
};

/*
 * A doorbell: a write to (window, offset) of which only the fact matters.  The
 * host makes it an ioeventfd where it can and keeps it right when the window
 * moves; `ops` of the window are not called for it.  The window is of kind IO.
 */
enum lichen_doorbell_flag {
	LICHEN_DOORBELL_MATCH = 1 << 0, /* only writes of `value` */
};

struct lichen_doorbell {
	uint32_t struct_size;
	uint32_t window;
	uint64_t offset;
	uint32_t size;	/* 1, 2, 4, 8; 0: any, for MMIO */
	uint32_t flags; /* enum lichen_doorbell_flag; others are refused (-LICHEN_ENOTSUP) */
	uint64_t value;
	int32_t eventfd; /* borrowed until release; the host keeps a duplicate */
	uint32_t _pad;
};

#ifdef __cplusplus
}
#endif

#endif
