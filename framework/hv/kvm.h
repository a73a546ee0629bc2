/* SPDX-License-Identifier: MIT */
/*
 * kvm.h: what the files of hv_kvm share.
 *
 * kvm.c opens the device and makes the VM; kvm_slot.c maps memory; kvm_irq.c has
 * the interrupt controllers, lines, routes and doorbells; kvm_msr.c CPUID and the
 * MSRs that are delivered; kvm_vcpu.c creates, runs and kicks vCPUs; kvm_state.c
 * sets and reads their registers; kvm_cpu_state.c and kvm_msr_state.c all that a
 * vCPU is, which kvm_save.c makes a stream of; kvm_borrow.c lends a vCPU.
 */
#ifndef HV_KVM_H
#define HV_KVM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <sys/types.h>
#include <time.h>

#include "hv.h"

/* What is mapped under one slot number; size 0: nothing. */
struct kvm_slot {
	lichen_gpa gpa;
	uint64_t size;
	void *host;
	uint32_t flags; /* enum hv_slot_flag */
};

/* Room for one entry behind KVM's head of a list. */
union kvm_one_msr {
	struct kvm_msrs msrs;
	uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
};

struct hv_vm {
	int kvm;	   /* our own descriptor of the device */
	int fd;		   /* of the VM */
	uint32_t run_size; /* bytes of a vCPU's shared page */
	struct hv_caps caps;
	pthread_mutex_t slot_lock;
	struct kvm_slot *slots; /* caps.max_slots of them; guarded by slot_lock */
	uint32_t pins;		/* of the IOAPIC; 0: no irqchip */
	uint32_t pit;		/* 1: there is one */
	uint32_t sync;		/* 1: registers travel in the shared page (KVM_CAP_SYNC_REGS) */
	uint32_t lossy;		/* 1: a triple fault costs a vCPU more than its registers */
};

/* Of the last exit. */
enum kvm_open {
	KVM_OPEN = 1 << 0,     /* its access is yet to be completed by KVM */
	KVM_SYNCED = 1 << 1,   /* the shared page has the registers as they are */
	KVM_RUNNABLE = 1 << 2, /* it was an instruction's, so the vCPU is not halted */
};

enum {
	KVM_SYNC_ALL = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS,
	KVM_LOSSES = 18, /* MSRs, at most */
};

/* What a triple fault loses where a VM is lossy. */
struct kvm_losses {
	/* KVM's head of a list, and its entries; a struct may not hold that list itself. */
	_Alignas(struct kvm_msrs) uint8_t
		room[sizeof(struct kvm_msrs) + KVM_LOSSES * sizeof(struct kvm_msr_entry)];
	struct kvm_lapic_state lapic;
	struct kvm_debugregs debug;
};

static inline struct kvm_msrs *kvm_losses_msrs(struct kvm_losses *losses)
{
	return (struct kvm_msrs *)(void *)losses->room;
}

/* A vCPU that is lent. */
struct kvm_borrow {
	struct kvm_sync_regs was;
	uint32_t was_state; /* KVM_MP_STATE_... */
	uint32_t entered;
	uint32_t kept;		   /* losses are those of this call */
	struct kvm_losses *losses; /* where the VM is lossy */
	timer_t timer;
	uint32_t has_timer;
	uint64_t alarm; /* host clock, ns, of the timer; 0: it is not armed */
};

struct hv_vcpu {
	struct hv_vm *vm;
	int fd;
	uint32_t index;
	struct kvm_run *run;
	pid_t thread;	/* atomic; 0 until attached */
	uint32_t self;	/* 1: immediate_exit is its own thread's, and there is no signal */
	uint32_t open;	/* enum kvm_open */
	uint32_t stash; /* 1: run holds an exit that vcpu_run has not returned yet */
	struct kvm_cpu_state *first; /* what vcpu_reset goes back to */
	struct kvm_borrow borrow;
};

/* 0 for a result >= 0; of -errno the status itself where the ABI has it, else EIO. */
lichen_status kvm_outcome(int result);
/* ioctl() again after EINTR; >= 0, or -errno. */
int kvm_call(int fd, unsigned long request, void *argument);
int kvm_call_number(int fd, unsigned long request, unsigned long argument);
/* 0 where KVM lacks it. */
int kvm_cap(const struct hv_vm *vm, unsigned long cap);
/* "subject: what the errno means" into error, and the status for it. */
lichen_status kvm_blame(struct ld_error *error, int result, const char *subject);

/* Functions of struct hv_ops, which describes them. */
lichen_status kvm_map(struct hv_vm *vm, const struct hv_slot *slot, struct ld_error *error);
void kvm_unmap(struct hv_vm *vm, uint32_t number);
lichen_status kvm_dirty(struct hv_vm *vm, uint32_t number, uint64_t *bits, uint64_t words);

lichen_status kvm_irqchip_create(struct hv_vm *vm, uint32_t *pins);
lichen_status kvm_irqchip_get(struct hv_vm *vm, uint32_t part,
			      uint8_t state[static LICHEN_IRQCHIP_STATE_SIZE]);
lichen_status kvm_irqchip_set(struct hv_vm *vm, uint32_t part,
			      const uint8_t state[static LICHEN_IRQCHIP_STATE_SIZE]);
lichen_status kvm_pit_create(struct hv_vm *vm);
lichen_status kvm_pit_get(struct hv_vm *vm, uint8_t state[static LICHEN_PIT_STATE_SIZE]);
lichen_status kvm_pit_set(struct hv_vm *vm, const uint8_t state[static LICHEN_PIT_STATE_SIZE]);
lichen_status kvm_line(struct hv_vm *vm, uint32_t gsi, uint32_t level);
lichen_status kvm_message(struct hv_vm *vm, uint64_t address, uint32_t data);
lichen_status kvm_routes(struct hv_vm *vm, const struct hv_route *routes, uint32_t count);
lichen_status kvm_irqfd(struct hv_vm *vm, uint32_t gsi, int trigger, int resample, int attach);
lichen_status kvm_doorbell(struct hv_vm *vm, const struct hv_doorbell *bell, int attach);

lichen_status kvm_msrs(struct hv_vm *vm, const struct hv_msr_range *ranges, uint32_t count);
lichen_status kvm_cpuid(struct hv_vm *vm, struct hv_cpuid *leaves, uint32_t *count);
/* Gives a new vCPU its leaves. */
lichen_status kvm_vcpu_cpuid(struct hv_vcpu *vcpu, const struct hv_cpuid *leaves,
			     uint32_t count);

lichen_status kvm_vcpu_create(struct hv_vm *vm, uint32_t index, uint32_t apic_id,
			      const struct hv_cpuid *leaves, uint32_t count,
			      struct hv_vcpu **vcpu, struct ld_error *error);
void kvm_vcpu_destroy(struct hv_vcpu *vcpu);
lichen_status kvm_vcpu_attach(struct hv_vcpu *vcpu);
lichen_status kvm_vcpu_run(struct hv_vcpu *vcpu, struct hv_exit *exit);
void kvm_vcpu_kick(struct hv_vcpu *vcpu);
/* Takes signals of kicks that were answered. */
void kvm_kick_drain(void);

/*
 * Has KVM complete the last exit's access, which it does at the next KVM_RUN, so
 * that registers are those of an instruction's boundary.  -LICHEN_EAGAIN: the same
 * instruction makes one access more; vcpu_run will return it.
 */
lichen_status kvm_complete(struct hv_vcpu *vcpu);
/* Before it runs again. */
void kvm_vcpu_paused(struct hv_vcpu *vcpu);
lichen_status kvm_vcpu_settle(struct hv_vcpu *vcpu, struct hv_exit *exit);

/* kvm_borrow.c */
lichen_status kvm_vcpu_borrow(struct hv_vcpu *vcpu, struct lichen_vcpu_context *found);
lichen_status kvm_vcpu_enter(struct hv_vcpu *vcpu, const struct lichen_vcpu_entry *entry);
lichen_status kvm_vcpu_give_back(struct hv_vcpu *vcpu, enum hv_end end,
				 struct lichen_vcpu_context *after);
lichen_status kvm_vcpu_alarm(struct hv_vcpu *vcpu, uint64_t deadline);
/* kvm_borrow_loss.c */
lichen_status kvm_vcpu_tables(struct hv_vcpu *vcpu, struct hv_tables *tables);
lichen_status kvm_vcpu_keep(struct hv_vcpu *vcpu);
/* Puts it back; control and segment registers are in place.  -LICHEN_EIO. */
lichen_status kvm_losses_restore(struct hv_vcpu *vcpu);
/* The timer and the rest that borrowing has taken. */
void kvm_borrow_clear(struct hv_vcpu *vcpu);

/* --- all that a vCPU is --- */

enum {
	KVM_KICK_SIGNAL = SIGURG,
	KVM_SETTLES_MAX = 16, /* accesses that one instruction makes, with room to spare */
	KVM_MSR_TSC = 0x10,
	KVM_MSR_TSC_DEADLINE = 0x6e0,
	KVM_MSRS_MAX = 1024, /* KVM knows some hundred */
};

/* MSRs that KVM saves and restores; a vCPU has some of them. */
struct kvm_msr_names {
	uint32_t count;
	uint32_t index[KVM_MSRS_MAX];
};
/* -LICHEN_E2BIG: KVM has more. */
lichen_status kvm_msr_names(const struct hv_vm *vm, struct kvm_msr_names *names);
/* Room for `room`; NULL: no memory. */
struct kvm_msrs *kvm_msrs_new(uint32_t room);
/* Reads those of `names` that the vCPU has.  *out is the caller's to free.  -LICHEN_ENOMEM. */
lichen_status kvm_msrs_get(struct hv_vcpu *vcpu, const struct kvm_msr_names *names,
			   struct kvm_msrs **out);
/*
 * Sets those that differ from what the vCPU has, without the TSC and its deadline.
 * One that KVM does not take: -LICHEN_EINVAL, and `error` names it; with error
 * NULL it is left as it is.
 */
lichen_status kvm_msrs_put(struct hv_vcpu *vcpu, const struct kvm_msrs *msrs,
			   struct ld_error *error);
/* The entry for one MSR, or NULL. */
const struct kvm_msr_entry *kvm_msr_of(const struct kvm_msrs *msrs, uint32_t index);
/* KVM_SET_MSRS of one; < 0: refused. */
int kvm_msr_set(struct hv_vcpu *vcpu, uint32_t index, uint64_t value);

/* As KVM's ioctls give it; pointers are owned. */
struct kvm_cpu_state {
	struct kvm_regs regs;
	struct kvm_sregs2 sregs; /* where KVM lacks KVM_GET_SREGS2 made of its sregs */
	struct kvm_debugregs debug;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp;
	uint32_t tsc_khz; /* 0: KVM does not tell */
	uint32_t has_xcrs;
	struct kvm_xcrs xcrs;
	uint32_t has_lapic;
	struct kvm_lapic_state lapic;
	uint32_t xsave_size; /* bytes */
	uint8_t *xsave;
	uint32_t nested_size; /* bytes; 0: none */
	uint8_t *nested;
	struct kvm_msrs *msrs;
};

/* Of a vCPU without a pending access.  *state is the caller's.  -LICHEN_ENOMEM, -LICHEN_EIO. */
lichen_status kvm_cpu_state_get(struct hv_vcpu *vcpu, struct kvm_cpu_state **state);
/*
 * What an instruction under way would still do is dropped.  -LICHEN_EINVAL: KVM
 * refuses a part, which `error` names; -LICHEN_EIO.  With error NULL, MSRs that it
 * refuses are left alone.
 */
lichen_status kvm_cpu_state_put(struct hv_vcpu *vcpu, const struct kvm_cpu_state *state,
				struct ld_error *error);
void kvm_cpu_state_free(struct kvm_cpu_state *state); /* NULL: nothing */
/* Bytes of this VM's vCPUs' XSAVE areas and nested states. */
uint32_t kvm_xsave_size(const struct hv_vm *vm);
uint32_t kvm_nested_size(const struct hv_vm *vm);

/* Keeps what a new vCPU is like, for vcpu_reset.  -LICHEN_ENOMEM, -LICHEN_EIO. */
lichen_status kvm_cpu_first(struct hv_vcpu *vcpu);
lichen_status kvm_vcpu_reset(struct hv_vcpu *vcpu);
lichen_status kvm_vcpu_save(struct hv_vcpu *vcpu, uint8_t *state, uint64_t room,
			    uint64_t *size);
lichen_status kvm_vcpu_load(struct hv_vcpu *vcpu, const uint8_t *state, uint64_t size,
			    struct ld_error *error);
lichen_status kvm_clock_get(struct hv_vm *vm, uint64_t *ns);
lichen_status kvm_clock_set(struct hv_vm *vm, uint64_t ns);

lichen_status kvm_vcpu_set(struct hv_vcpu *vcpu, const struct lichen_cpu *cpu);
lichen_status kvm_vcpu_get(struct hv_vcpu *vcpu, struct lichen_cpu *cpu);

#endif
