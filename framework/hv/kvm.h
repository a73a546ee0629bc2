/* SPDX-License-Identifier: MIT */
/*
 * kvm.h: what the files of hv_kvm share.
 *
 * kvm.c opens the device and makes the VM; kvm_slot.c maps memory; kvm_irq.c has
 * the interrupt controllers, lines, routes and doorbells; kvm_msr.c CPUID and the
 * MSRs that are delivered; kvm_vcpu.c creates, runs and kicks vCPUs; kvm_state.c
 * sets and reads their registers.
 */
#ifndef HV_KVM_H
#define HV_KVM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <sys/types.h>

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
};

struct hv_vcpu {
	struct hv_vm *vm;
	int fd;
	uint32_t index;
	struct kvm_run *run;
	pid_t thread;	/* atomic; 0 until attached */
	uint32_t open;	/* 1: the last exit's access is yet to be completed by KVM */
	uint32_t stash; /* 1: run holds an exit that vcpu_run has not returned yet */
	struct kvm_initial *initial; /* what vcpu_reset goes back to */
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

/*
 * Has KVM complete the last exit's access, which it does at the next KVM_RUN, so
 * that registers are those of an instruction's boundary.  -LICHEN_EAGAIN: the same
 * instruction makes one access more; vcpu_run will return it.
 */
lichen_status kvm_vcpu_settle(struct hv_vcpu *vcpu);

/* What a new vCPU is like, for vcpu_reset.  -LICHEN_ENOMEM, -LICHEN_EIO. */
lichen_status kvm_initial_save(struct hv_vcpu *vcpu);
void kvm_initial_free(struct kvm_initial *initial);
lichen_status kvm_vcpu_reset(struct hv_vcpu *vcpu);
lichen_status kvm_vcpu_set(struct hv_vcpu *vcpu, const struct lichen_cpu *cpu);
lichen_status kvm_vcpu_get(struct hv_vcpu *vcpu, struct lichen_cpu *cpu);

#endif
