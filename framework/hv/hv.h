/* SPDX-License-Identifier: MIT */
/*
 * hv.h: the narrow waist, all that the rest of Lichen asks of hardware
 * virtualization.  hv_kvm (kvm.c) asks Linux's KVM; another implementation is
 * another struct hv_ops.
 *
 * Functions of a vCPU are called on the thread that runs it, or before that
 * thread starts, or after it has ended; vcpu_kick by anyone.  The other
 * functions are [any] after the VM was created unless they say otherwise.
 * Failures set the sentence and leave nothing behind.
 */
#ifndef HV_HV_H
#define HV_HV_H

#include <lichen/boot.h>
#include <lichen/draft/symbiotic.h>
#include <lichen/hardware.h>

#include "error.h"

struct hv_vm;
struct hv_vcpu;

enum hv_paging { HV_PAGING_UNKNOWN = 0, HV_PAGING_NESTED = 1, HV_PAGING_SHADOW = 2 };

struct hv_caps {
	uint32_t max_vcpus;
	uint32_t max_slots;
	enum hv_paging paging;
	uint32_t msi_routes; /* GSIs that routes may use, pins included */
};

enum hv_exit_kind {
	HV_EXIT_KICK = 1, /* vcpu_kick, or a signal; nothing else happened */
	HV_EXIT_IO = 2,
	HV_EXIT_MMIO = 3,
	HV_EXIT_MSR = 4,
	HV_EXIT_HALT = 5,     /* HLT without an irqchip in the core */
	HV_EXIT_SHUTDOWN = 6, /* triple fault */
	HV_EXIT_INTERNAL = 7, /* the hypervisor gave up: `failure` says on what */
	HV_EXIT_ENTRY = 8,    /* the hardware refused the guest's state */
	HV_EXIT_RESET = 9,    /* the hypervisor itself saw a reset request */
	HV_EXIT_OTHER = 10,   /* number in failure.code */
};

/* Data pointers are valid until the next vcpu_run of the same vCPU. */
struct hv_exit {
	enum hv_exit_kind kind;
	union {
		struct {
			uint16_t port;
			uint8_t size; /* 1, 2, 4 */
			uint8_t write;
			uint32_t count; /* elements, for string instructions */
			uint8_t *data;	/* size * count bytes: to read, or to fill */
		} io;
		struct {
			lichen_gpa gpa;
			uint8_t *data; /* to read, or to fill */
			uint32_t size; /* 1 to 8 */
			uint8_t write;
		} mmio;
		struct {
			uint32_t index;
			uint8_t write;
			uint8_t *fault; /* set to 1: the guest gets #GP */
			uint64_t *data; /* to read, or to fill */
		} msr;
		struct {
			uint32_t code; /* the hypervisor's own number */
			uint32_t detail_count;
			uint64_t detail[4]; /* the first of its words */
		} failure;
	};
};

struct hv_cpuid {
	uint32_t leaf, index;
	uint32_t indexed; /* 1: index counts */
	uint32_t eax, ebx, ecx, edx;
};
enum { HV_CPUID_MAX = 256 };

enum hv_slot_flag { HV_SLOT_READ_ONLY = 1 << 0, HV_SLOT_TRACK_DIRTY = 1 << 1 };

struct hv_slot {
	uint32_t number; /* below caps.max_slots; a mapped number is replaced */
	uint32_t flags;	 /* enum hv_slot_flag */
	lichen_gpa gpa;	 /* page-aligned */
	uint64_t size;	 /* bytes, whole pages */
	void *host;	 /* page-aligned, valid until unmapped */
};

/* One GSI's way: to a pin of the irqchip, or a message. */
struct hv_route {
	uint32_t gsi;
	uint32_t is_message;
	uint64_t address; /* message */
	uint32_t data;	  /* message */
};

struct hv_doorbell {
	uint64_t address; /* port or guest-physical address */
	uint32_t is_port;
	uint32_t size; /* 1, 2, 4, 8, or 0: any (MMIO only) */
	uint32_t match;
	uint64_t value;
	int descriptor;
};

/* A range of MSRs delivered to user space, both ways. */
struct hv_msr_range {
	uint32_t base, count;
};

/* Where a vCPU's faults go, and how its addresses are read. */
struct hv_tables {
	uint64_t idt, gdt, tss; /* linear addresses */
	uint32_t idt_limit, gdt_limit, tss_limit;
	uint64_t cr4, efer;
};

/* How a vCPU comes back that was lent. */
enum hv_end {
	HV_END_DONE = 0,      /* the last exit's access said so */
	HV_END_ABANDONED = 1, /* by a kick, or by itself: whatever it was doing */
	HV_END_CRASHED = 2,   /* HV_EXIT_SHUTDOWN and the like */
};

struct hv_ops {
	const char *name;

	/*
	 * device: an open descriptor of the hypervisor's, which stays the
	 * caller's, or -1 to open the usual one.  vcpus: how many will be
	 * created at most, 1 to caps.max_vcpus.  -LICHEN_ENODEV: there is no
	 * such hypervisor; -LICHEN_EACCES; -LICHEN_ENOTSUP: a capability that
	 * is needed is missing, and is named; -LICHEN_ERANGE: too many vCPUs.
	 * [control]
	 */
	lichen_status (*vm_create)(int device, uint32_t vcpus, struct hv_vm **vm,
				   struct ld_error *error);
	/* After its vCPUs were destroyed.  NULL is ignored.  [control] */
	void (*vm_destroy)(struct hv_vm *vm);
	void (*caps)(const struct hv_vm *vm, struct hv_caps *caps);

	lichen_status (*map)(struct hv_vm *vm, const struct hv_slot *slot,
			     struct ld_error *error);
	void (*unmap)(struct hv_vm *vm, uint32_t number);
	/* One bit a page since the last call; needs HV_SLOT_TRACK_DIRTY. */
	lichen_status (*dirty)(struct hv_vm *vm, uint32_t number, uint64_t *bits,
			       uint64_t words);

	/* Before the first vCPU.  -LICHEN_EEXIST.  *pins: of the IOAPIC.  [control] */
	lichen_status (*irqchip_create)(struct hv_vm *vm, uint32_t *pins);
	lichen_status (*irqchip_get)(struct hv_vm *vm, uint32_t part,
				     uint8_t state[static LICHEN_IRQCHIP_STATE_SIZE]);
	lichen_status (*irqchip_set)(struct hv_vm *vm, uint32_t part,
				     const uint8_t state[static LICHEN_IRQCHIP_STATE_SIZE]);
	lichen_status (*pit_create)(struct hv_vm *vm);
	lichen_status (*pit_get)(struct hv_vm *vm, uint8_t state[static LICHEN_PIT_STATE_SIZE]);
	lichen_status (*pit_set)(struct hv_vm *vm,
				 const uint8_t state[static LICHEN_PIT_STATE_SIZE]);

	/* level 0 or 1. */
	lichen_status (*line)(struct hv_vm *vm, uint32_t gsi, uint32_t level);
	lichen_status (*message)(struct hv_vm *vm, uint64_t address, uint32_t data);
	/* Replaces the whole table; pins keep their usual PIC and IOAPIC ways (GSI n
	 * is IOAPIC pin n, and 0 is pin 2; below 16 also the PIC's). */
	lichen_status (*routes)(struct hv_vm *vm, const struct hv_route *routes,
				uint32_t count);
	/* resample: -1 for edge. */
	lichen_status (*irqfd)(struct hv_vm *vm, uint32_t gsi, int trigger, int resample,
			       int attach);
	lichen_status (*doorbell)(struct hv_vm *vm, const struct hv_doorbell *bell, int attach);
	/* Replaces the ranges; none: nothing is delivered.  May change while vCPUs run. */
	lichen_status (*msrs)(struct hv_vm *vm, const struct hv_msr_range *ranges,
			      uint32_t count);

	/* What the host can give, KVM's own leaves included, ids of processors 0; *count: room,
	 * then used.  After irqchip_create, with which x2APIC and the TSC deadline timer come.
	 */
	lichen_status (*cpuid)(struct hv_vm *vm, struct hv_cpuid *leaves, uint32_t *count);

	/* apic_id: of its local APIC.  After irqchip_create where there is one.  [control] */
	lichen_status (*vcpu_create)(struct hv_vm *vm, uint32_t index, uint32_t apic_id,
				     const struct hv_cpuid *leaves, uint32_t count,
				     struct hv_vcpu **vcpu, struct ld_error *error);
	void (*vcpu_destroy)(struct hv_vcpu *vcpu);
	/*
	 * Registers as in lichen_cpu; what is not there keeps its value.  The last
	 * exit's access is completed first.  -LICHEN_EINVAL; -LICHEN_EAGAIN: its
	 * instruction makes another access, which vcpu_run returns.
	 */
	lichen_status (*vcpu_set)(struct hv_vcpu *vcpu, const struct lichen_cpu *cpu);
	lichen_status (*vcpu_get)(struct hv_vcpu *vcpu, struct lichen_cpu *cpu);
	/*
	 * Binds the vCPU to the calling thread, whose signal mask it prepares so
	 * that kicks arrive only inside vcpu_run.  Once, before the first vcpu_run.
	 */
	lichen_status (*vcpu_attach)(struct hv_vcpu *vcpu);
	/*
	 * Runs until the next exit.  An access left by the last exit is completed
	 * first.  -LICHEN_EIO: the hypervisor fails; the vCPU cannot go on.
	 * -LICHEN_EINVAL: see vcpu_enter.
	 */
	lichen_status (*vcpu_run)(struct hv_vcpu *vcpu, struct hv_exit *exit);
	/*
	 * Makes the vcpu_run in progress, or else the next one, return
	 * HV_EXIT_KICK; never lost, may coalesce.  Before vcpu_attach it counts
	 * for the first run.  [any]
	 */
	void (*vcpu_kick)(struct hv_vcpu *vcpu);
	/*
	 * Back to the state in which vcpu_create left it: all registers, MSRs, the
	 * local APIC; those that wait for a start wait again.  An instruction under
	 * way is dropped.  -LICHEN_EIO: the vCPU cannot go on.
	 */
	lichen_status (*vcpu_reset)(struct hv_vcpu *vcpu);
	/*
	 * Completes an access that the last exit left, without running the guest.
	 * HV_EXIT_KICK: nothing is left, the vCPU stands between two instructions;
	 * any other exit is to be handled, and vcpu_settle called again.  -LICHEN_EIO.
	 */
	lichen_status (*vcpu_settle)(struct hv_vcpu *vcpu, struct hv_exit *exit);
	/*
	 * Tells the guest, as far as the hypervisor can, that its settled vCPU stood
	 * still: what it did not do meanwhile is no fault.  [control]
	 */
	void (*vcpu_paused)(struct hv_vcpu *vcpu);
	/*
	 * All that a settled vCPU is, in the hypervisor's own format, at most `room`
	 * bytes; *size: used.  -LICHEN_E2BIG: *size (set) says how many it takes.
	 * -LICHEN_EIO.
	 */
	lichen_status (*vcpu_save)(struct hv_vcpu *vcpu, uint8_t *state, uint64_t room,
				   uint64_t *size);
	/*
	 * The opposite.  The bytes may come from anywhere: -LICHEN_EBADMSG: malformed,
	 * or of another format, and nothing was changed; -LICHEN_EINVAL: the hardware
	 * refuses a part, and the vCPU must not run before it was reset or loaded anew.
	 * The vCPUs of a VM are loaded in the order of their indices.  [control]
	 */
	lichen_status (*vcpu_load)(struct hv_vcpu *vcpu, const uint8_t *state, uint64_t size,
				   struct ld_error *error);
	/*
	 * Borrowing: a settled vCPU is kept as it is, runs something else, and is put back
	 * as it was.  vcpu_borrow says what it was doing (struct_size is set; flags,
	 * registers).  -LICHEN_EAGAIN: it is not in 64-bit mode with paging, in system
	 * management, waits for its start or runs a guest of its own; -LICHEN_EIO.
	 *
	 * vcpu_borrow and vcpu_give_back answer kicks like a vcpu_run that returns
	 * HV_EXIT_KICK: who calls them looks afterwards at what it may have been kicked for.
	 */
	lichen_status (*vcpu_borrow)(struct hv_vcpu *vcpu, struct lichen_vcpu_context *found);
	/*
	 * Of a vCPU that is borrowed and has not entered.  vcpu_keep keeps what a triple fault
	 * would cost it; without that it may come back from one broken.  vcpu_tables says
	 * whether one can come.  -LICHEN_ENOTSUP: here it costs nothing, and there is nothing
	 * to be kept.  vcpu_keep: -LICHEN_ENOMEM, -LICHEN_EIO; vcpu_give_back is owed.
	 */
	lichen_status (*vcpu_tables)(struct hv_vcpu *vcpu, struct hv_tables *tables);
	lichen_status (*vcpu_keep)(struct hv_vcpu *vcpu);
	/*
	 * The next vcpu_run enters the guest so: 64-bit code at privilege 0, interrupts and
	 * NMIs masked, nothing pending; a halted vCPU runs.  -LICHEN_EINVAL: a register has
	 * a value that no hardware takes; vcpu_run may find that later, and returns it too.
	 * Either way vcpu_give_back is owed.
	 */
	lichen_status (*vcpu_enter)(struct hv_vcpu *vcpu,
				    const struct lichen_vcpu_entry *entry);
	/*
	 * Completes the last exit's access, or drops what it would still do, says what the
	 * vCPU is like, and puts it back as it was; but a vCPU that the guest itself has
	 * started anew while it was lent is left so.  After HV_END_DONE by an MSR, `after`
	 * has rip at that instruction.  -LICHEN_EFAULT: it crashed, and what that costs was
	 * not kept: the guest cannot go on; -LICHEN_EIO: the vCPU cannot.
	 */
	lichen_status (*vcpu_give_back)(struct hv_vcpu *vcpu, enum hv_end end,
					struct lichen_vcpu_context *after);
	/*
	 * vcpu_run returns HV_EXIT_KICK at `deadline` (ns, host's monotonic clock), perhaps
	 * earlier or once more after the last one: who waits for it looks at the clock and
	 * calls again.  -LICHEN_EAGAIN: there is no timer.
	 */
	lichen_status (*vcpu_alarm)(struct hv_vcpu *vcpu, uint64_t deadline);
	/* The guest's paravirtual clock, ns; vCPUs stand still. */
	lichen_status (*clock_get)(struct hv_vm *vm, uint64_t *ns);
	lichen_status (*clock_set)(struct hv_vm *vm, uint64_t ns);
};

extern const struct hv_ops hv_kvm;

#endif
