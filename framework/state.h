/* SPDX-License-Identifier: MIT */
/*
 * state.h: a whole VM as a stream of bytes, and back: its clocks, the declared state
 * of each instance, guest memory, each vCPU.
 *
 *	stream:	"LichenSt", u32 version 1, then parts: u32 tag, u64 size, bytes
 *	1	machine: u32 vCPUs, u64 bytes of RAM, u64 guest clock, u64 the
 *		hypervisor's clock, both in ns
 *	2	instance: text id, text plugin, u32 state_version, fields (state_field.h)
 *	3	memory: runs of pages that are not zero: u64 address, u64 size, bytes
 *	4	vCPU: u32 index, the hypervisor's bytes
 *	5	lines: u8 a pin of the irqchip, the level that devices gave it
 *	6	end, empty; nothing follows
 *	7	window of RAM: text id of its instance, text name, runs as in 3, whose
 *		addresses count from its start
 *	8	symbiotic, where the VM is: u64 features agreed to, u64 causes that the
 *		guest has not read, u32 1: it listens
 *
 * The machine comes first, the end last; the others once each, in any order.  An
 * instance without state (state_version 0) is not in it.  Timers are not either: who
 * has one arms it in post_load.  There a line gets the level that the device finds
 * right; where it is not the one that it had, the irqchip hears of a change.
 */
#ifndef FW_STATE_H
#define FW_STATE_H

#include "error.h"
#include "memory_map.h"
#include "state_stream.h"

struct lichen_vm;

/*
 * Appends the state of a VM whose vCPUs are parked, whose guest clock stands and whose
 * instances are paused or realized.  -LICHEN_EINVAL, -LICHEN_EIO: somebody cannot
 * save; -LICHEN_ETIMEDOUT: an instance takes too long; -LICHEN_ENOMEM.  `error` says
 * who.  The VM is as before.  [control]
 */
lichen_status fw_state_save(struct lichen_vm *vm, struct fw_buffer *out,
			    struct ld_error *error);
/*
 * Puts the VM, of the same profile and under the same conditions, into that state.
 * The bytes may come from anywhere.  -LICHEN_EBADMSG: malformed, or of another
 * machine; -LICHEN_EINVAL: the hypervisor refuses it; -LICHEN_EIO, -LICHEN_ENOMEM.
 * `error` says what.  What is wrong in form is found before anything changes; still,
 * after a failure the VM must not run before it is reset or loaded anew.  [control]
 */
lichen_status fw_state_load(struct lichen_vm *vm, const uint8_t *bytes, uint64_t size,
			    struct ld_error *error);

/* --- state_memory.c --- */

/* Memory that a stream has by its address from `base` on. */
struct fw_pages {
	uint8_t *host;
	uint64_t base, size; /* bytes, whole pages */
};

/* The pieces of RAM; `pages` has room for FW_PIECES_MAX.  Returns how many. */
uint32_t fw_memory_pages(const struct fw_memory *memory, struct fw_pages *pages);
void fw_pages_save(const struct fw_pages *pages, struct fw_buffer *out);
/* The form alone: runs of whole pages of these, which are sorted, ascending.
 * -LICHEN_EBADMSG. */
lichen_status fw_pages_check(const struct fw_pages *pages, uint32_t count, struct fw_reader in,
			     struct ld_error *error);
/* After fw_pages_check(). */
void fw_pages_load(const struct fw_pages *pages, uint32_t count, struct fw_reader in);

/* --- state_window.c: windows of RAM, numbered through all instances --- */

uint32_t fw_windows_count(const struct lichen_vm *vm);
/* Number `index`, which is below the count: its pages, and whose it is. */
struct fw_pages fw_windows_at(const struct lichen_vm *vm, uint32_t index, const char **id,
			      const char **name);
/* Takes id and name from `in`.  -LICHEN_EBADMSG: malformed, or this VM has no such window. */
lichen_status fw_windows_find(const struct lichen_vm *vm, struct fw_reader *in, uint32_t *index,
			      struct ld_error *error);
/* All of it is written: those who ask for dirty pages hear so.  [control] */
void fw_windows_mark(const struct lichen_vm *vm);

#endif
