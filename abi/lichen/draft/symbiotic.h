/* SPDX-License-Identifier: MIT */
/*
 * symbiotic.h (draft): what the host gives plugins of kind symbiotic, without knowing
 * what they do with it: features in the discovery block, MSRs as doorbells, a line to
 * the guest, and a vCPU borrowed for a while.  lichen/guest/discovery.h is the guest's
 * side of it.
 *
 * The class provides "lichen.symbiotic/1", whose functions the host calls (client 0);
 * the instance asks for host->interface(in, LICHEN_SYMBIOTIC_HOST), which is NULL where
 * the profile has no `symbiotic` key: the guest's CPUID is fixed from its first
 * instruction on.  What an instance takes here is in its ledger like anything else.
 */
#ifndef LICHEN_DRAFT_SYMBIOTIC_H
#define LICHEN_DRAFT_SYMBIOTIC_H

#include <lichen/class.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LICHEN_SYMBIOTIC_PLUGIN(name, version, class) \
	LICHEN_PLUGIN(LICHEN_KIND_SYMBIOTIC, name, version, class)

enum lichen_gpr { /* index in `gpr` of the structs below */
		  LICHEN_RAX = 0,
		  LICHEN_RCX = 1,
		  LICHEN_RDX = 2,
		  LICHEN_RBX = 3,
		  LICHEN_RSP = 4,
		  LICHEN_RBP = 5,
		  LICHEN_RSI = 6,
		  LICHEN_RDI = 7,
		  LICHEN_R8 = 8, /* to LICHEN_R8 + 7, which is r15 */
};

enum lichen_vcpu_flag {				     /* of what a borrowed vCPU was doing */
			LICHEN_VCPU_USER = 1 << 0,   /* at privilege 3 */
			LICHEN_VCPU_MASKED = 1 << 1, /* interrupts off */
			LICHEN_VCPU_HALTED = 1 << 2,
			LICHEN_VCPU_SHADOW = 1 << 3, /* behind STI or MOV SS */
			LICHEN_VCPU_INJECTED =
				1 << 4, /* an interrupt or exception on its way in */
			LICHEN_VCPU_COMPLETED = 1
						<< 5, /* an access had to be completed first */
};

/* A vCPU between two instructions. */
struct lichen_vcpu_context {
	uint32_t struct_size;
	uint32_t flags; /* enum lichen_vcpu_flag */
	uint64_t gpr[16];
	uint64_t rip, rflags;
	uint64_t cr0, cr2, cr3, cr4, efer;
	uint64_t fs_base, gs_base;
	uint32_t cs, ss; /* selectors */
};

/* How a borrowed vCPU enters the guest: 64-bit code at privilege 0, paging on. */
struct lichen_vcpu_entry {
	uint32_t struct_size;
	uint32_t _pad;
	uint64_t gpr[16];
	uint64_t rip; /* canonical, as are gpr[LICHEN_RSP] and gs_base */
	uint64_t cr3; /* no reserved bits */
	uint64_t gs_base;
	uint32_t cs, ss; /* selectors of a flat 64-bit code and a data segment, RPL 0 */
};

#define LICHEN_SYMBIOTIC "lichen.symbiotic/1"

struct lichen_symbiotic_ops {
	uint32_t struct_size;
	uint32_t _pad;
	/*
	 * The guest has agreed to `features` of those that this instance offers, or has
	 * taken some back: what it registered for those is gone.  After a reset of the VM
	 * it is called with 0; when a state is loaded it is not called, and
	 * the host's agreed() says what holds.  [vcpu or control, running or paused]
	 */
	void (*agreed)(void *self, uint64_t client, uint64_t features);
	/*
	 * The guest on vCPU `vcpu` reads MSR `msr`, counted from the block's first, which
	 * the instance has claimed.  Negative: the guest gets #GP.  [vcpu, running]
	 */
	lichen_status (*msr_read)(void *self, uint64_t client, uint32_t vcpu, uint32_t msr,
				  uint64_t *value);
	/* The same, of a write.  [vcpu, running] */
	lichen_status (*msr_write)(void *self, uint64_t client, uint32_t vcpu, uint32_t msr,
				   uint64_t value);
	/*
	 * vCPU `vcpu` stands still, as `found` says: fills in how it is to enter the guest.
	 * Negative: it is let go as it was, and `left` follows with that status.
	 * [vcpu, running]
	 */
	lichen_status (*borrow_enter)(void *self, uint64_t client, uint32_t vcpu,
				      uint64_t cookie, const struct lichen_vcpu_context *found,
				      struct lichen_vcpu_entry *entry);
	/*
	 * The borrowed vCPU is as it was again; `after` is what it was like at the end of
	 * the call (rip: at or behind the instruction that ended it), NULL where it was not
	 * entered.  status: 0: borrow_end() was called; -LICHEN_ETIMEDOUT: the deadline had
	 * come; -LICHEN_ECANCELED: taken back, by borrow_cancel(), a pause, a reset or the
	 * end of the VM; -LICHEN_EFAULT: it crashed or halted inside, and has crashed
	 * altogether where it broke the tables by which it takes double faults;
	 * -LICHEN_EINVAL: the hypervisor refused the entry;
	 * -LICHEN_EAGAIN: it cannot be borrowed now (not in 64-bit mode with paging, in
	 * system management, waiting for its start, or running a guest of its own).
	 * [vcpu, running]
	 */
	void (*borrow_left)(void *self, uint64_t client, uint32_t vcpu, uint64_t cookie,
			    lichen_status status, const struct lichen_vcpu_context *after);
};

#define LICHEN_SYMBIOTIC_HOST "lichen.symbiotic-host/1"

struct lichen_symbiotic_host {
	uint32_t struct_size;
	uint32_t _pad;
	/*
	 * What this instance offers from now on (bits of lichen/guest/discovery.h),
	 * replacing what it did.  The guest is told of a change.  -LICHEN_EEXIST: another
	 * instance offers one of them.  [control, created to running]
	 */
	lichen_status (*offer)(struct lichen_instance *in, uint64_t features);
	/* Of what this instance offers, that which the guest agreed to.  [any, any] */
	uint64_t (*agreed)(struct lichen_instance *in);
	/*
	 * Accesses to MSRs [first, first + count), counted from the block's first, go to
	 * this instance.  -LICHEN_ERANGE: below 0x10 or past the block; -LICHEN_EEXIST:
	 * taken.  [control, created to running]
	 */
	lichen_status (*msr_claim)(struct lichen_instance *in, uint32_t first, uint32_t count,
				   lichen_handle *handle);
	/* [control, created to running] */
	void (*msr_release)(struct lichen_instance *in, lichen_handle handle);
	/* Adds `causes` to what LICHEN_MSR_NOTIFY tells, and pulses the line where the
	 * guest listens.  LICHEN_CAUSE_FEATURES is the host's own.  [any, running] */
	void (*notify)(struct lichen_instance *in, uint64_t causes);
	/*
	 * Stops vCPU `vcpu` soon and has borrow_enter called on its thread.  After success
	 * borrow_left is called exactly once.  deadline: host clock, ns, by which the vCPU
	 * is given back whatever its guest does.  -LICHEN_ERANGE: no such vCPU;
	 * -LICHEN_EBUSY: it is borrowed, or about to be, by anyone; -LICHEN_EAGAIN: it
	 * stands still, because the VM does or has ended, or the instance is going.  A call
	 * that finds the VM about to stand still goes on for 50 ms at most, and is then
	 * taken back.  May be called from borrow_left.  [any, running]
	 */
	lichen_status (*borrow)(struct lichen_instance *in, uint32_t vcpu, uint64_t cookie,
				uint64_t deadline);
	/*
	 * From msr_write on a vCPU that this instance has borrowed: the call is over once
	 * the handler returns.  -LICHEN_ENOENT: it is not borrowed by this instance.
	 * [vcpu, running]
	 */
	lichen_status (*borrow_end)(struct lichen_instance *in, uint32_t vcpu);
	/* Gives the vCPU back as soon as it can be stopped.  [any, running] */
	void (*borrow_cancel)(struct lichen_instance *in, uint32_t vcpu);
	/* How long vCPU `vcpu` was ready to run and had no processor of the host's, since it
	 * started, ns; 0 where the host does not tell.  [control, running] */
	uint64_t (*steal_ns)(struct lichen_instance *in, uint32_t vcpu);
};

#ifdef __cplusplus
}
#endif

#endif
