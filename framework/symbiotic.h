/* SPDX-License-Identifier: MIT */
/*
 * symbiotic.h: the ground on which symbiotic interfaces stand, without knowing any of
 * them: the guest's discovery block, the MSRs that it rings, features offered and agreed
 * upon, the line on which the guest is notified.
 *
 * symbiotic.c keeps features and causes, symbiotic_msr.c what the guest reads and writes,
 * host_symbiotic.c is the table that instances call; borrow.c lends them a vCPU.
 * <lichen/guest/discovery.h> and <lichen/draft/symbiotic.h> are the contracts.
 */
#ifndef FW_SYMBIOTIC_H
#define FW_SYMBIOTIC_H

#include <lichen/draft/symbiotic.h>
#include <lichen/guest/discovery.h>

#include "bus.h"
#include "hv/hv.h"
#include "irq.h"
#include "state_stream.h"

struct lichen_instance;
struct lichen_vm;

enum {
	FW_SYMBIOTIC_SEATS = 64,    /* instances at a time; there are as many features */
	FW_SYMBIOTIC_COMMON = 0x10, /* MSRs below are the framework's own */
};
/* Where the block of MSRs starts; the guest is told, and assumes nothing. */
#define FW_SYMBIOTIC_MSRS 0x4c696300u

/* An instance that offers something.  Guarded by the lock, but for what is atomic. */
struct fw_seat {
	struct lichen_instance *in; /* NULL: free */
	uint64_t features;	    /* that it offers */
	uint64_t staged;	 /* that its successor, which is not there yet, is to offer */
	uint64_t told;		 /* the part of them of which it knows that it is agreed */
	struct fw_mutex telling; /* held around its agreed(), so that these come in order */
	uint32_t pins;		 /* threads that are about to tell it */
};

/* Of a VM whose profile has a `symbiotic` key. */
struct fw_symbiotic {
	struct lichen_vm *vm;
	struct fw_bus *msrs; /* those that instances claim; 8 bytes of address an MSR */
	struct fw_line line;
	uint32_t has_line;
	pthread_mutex_t lock; /* guards seats and changes of the next two; short */
	struct fw_seat seats[FW_SYMBIOTIC_SEATS];
	_Atomic uint64_t offered, agreed;
	_Atomic uint64_t causes; /* that the guest has not read yet */
	_Atomic uint32_t listen;
};

/* A range of MSRs that an instance claims. */
struct fw_msrs {
	struct lichen_window window;
	struct fw_target target;
	struct lichen_instance *in;
	uint32_t first, count;
	uint32_t placed; /* 0: its instance is staged, or was replaced */
};

/* vm->symbiotic, where the profile asks for it.  -LICHEN_ENOMEM; -LICHEN_EIO: the
 * hypervisor does not deliver the MSRs.  [control] */
lichen_status fw_symbiotic_open(struct lichen_vm *vm);
/* Every instance is realized: takes the highest interrupt pin that nobody has claimed. */
void fw_symbiotic_choose_line(struct fw_symbiotic *symbiotic);
/* After the last instance has gone.  NULL is ignored.  [control] */
void fw_symbiotic_close(struct fw_symbiotic *symbiotic);

/* What the class of `in` provides as lichen.symbiotic/1, or NULL. */
const struct lichen_symbiotic_ops *fw_symbiotic_ops(const struct lichen_instance *in);

/*
 * host->offer.  -LICHEN_EEXIST; -LICHEN_ENOSPC: there are FW_SYMBIOTIC_SEATS.  What a staged
 * instance offers the guest sees when that is published.  [control]
 */
lichen_status fw_symbiotic_offer(struct lichen_instance *in, uint64_t features);
uint64_t fw_symbiotic_agreed(struct lichen_instance *in);
/* Adds causes; the guest hears of those that are new, where it listens.  [any] */
void fw_symbiotic_notify(struct fw_symbiotic *symbiotic, uint64_t causes);
/* The instance goes: what it offers goes, and it is not called any more.  [control] */
void fw_symbiotic_leave(struct lichen_instance *in);
/* `in`, which was staged, has the seat of `old`, and offers what it said meanwhile; what
 * the guest agreed to of that stays.  The VM stands still.  [control] */
void fw_symbiotic_pass(struct lichen_instance *old, struct lichen_instance *in);
/* The VM was reset, and its instances: the guest has agreed to nothing.  [control] */
void fw_symbiotic_reset(struct fw_symbiotic *symbiotic);

/* The VM stands still.  [control] */
void fw_symbiotic_save(struct fw_symbiotic *symbiotic, struct fw_buffer *out);
/* -LICHEN_EBADMSG: malformed, or something agreed upon is not on offer; store 0: checks
 * only.  Instances are not told.  [control] */
lichen_status fw_symbiotic_load(struct fw_symbiotic *symbiotic, struct fw_reader in, int store);

/* --- symbiotic_msr.c --- */

/* host->msr_claim, for a range that was checked; fills in `msrs`.  -LICHEN_EEXIST,
 * -LICHEN_ENOMEM.  [control] */
lichen_status fw_msrs_claim(struct fw_msrs *msrs);
/* When it returns no handler runs, but for one that the calling thread is in.  [control] */
void fw_msrs_release(struct fw_msrs *msrs);
/* The guest on vCPU `vcpu` accesses an MSR; symbiotic NULL: nobody has claimed it.  [vcpu] */
void fw_symbiotic_msr(struct fw_symbiotic *symbiotic, uint32_t vcpu,
		      const struct hv_exit *exit);
/* AGREED is written.  0: something is not on offer.  [vcpu] */
int fw_symbiotic_agree(struct fw_symbiotic *symbiotic, uint64_t features);
/* The guest starts to listen, or ceases.  [vcpu] */
void fw_symbiotic_listen(struct fw_symbiotic *symbiotic, uint32_t listen);

/* --- host_symbiotic.c --- */
extern const struct lichen_symbiotic_host fw_symbiotic_host;

#endif
