/* SPDX-License-Identifier: MIT */
/*
 * fake_parts.h: what the files of hv_fake share: fake.c has VMs, memory and MSRs,
 * fake_irq.c interrupts and doorbells, fake_vcpu.c scripts, fake_state.c registers,
 * fake_borrow.c vCPUs that are lent.
 *
 * vCPUs take locks that let several read at a time, and none that they have in
 * common with one another, lest the fake hide races from a checker of threads.
 */
#ifndef HV_FAKE_PARTS_H
#define HV_FAKE_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "fake.h"

enum { FAKE_MSRS = 4, FAKE_RANGES_MAX = 16, FAKE_IRQFDS_MAX = 64, FAKE_VECTOR_WORDS = 4 };

struct fake_slot {
	struct hv_slot slot;	 /* size 0: none */
	_Atomic uint64_t *dirty; /* a bit a page */
};

struct fake_irqfd {
	uint32_t gsi;
	int trigger;  /* the caller's number, by which it is detached */
	int own;      /* duplicate; -1: unused entry */
	int resample; /* duplicate, or -1 */
	uint32_t high;
};

struct fake_bell {
	struct hv_doorbell told;
	int own; /* duplicate */
};

struct hv_vm {
	pthread_rwlock_t lock; /* guards slots, bells and ranges; vCPUs read */
	struct fake_slot slots[FAKE_SLOTS_MAX];
	struct fake_bell bells[FAKE_BELLS_MAX];
	uint32_t bell_count;
	struct hv_msr_range ranges[FAKE_RANGES_MAX];
	uint32_t range_count;

	pthread_mutex_t irq_lock; /* guards the rest, but for what is set at creation */
	uint32_t pins, pit;
	uint8_t irqchip_state[3][LICHEN_IRQCHIP_STATE_SIZE];
	uint8_t pit_state[LICHEN_PIT_STATE_SIZE];
	struct fake_view seen;
	struct fake_irqfd irqfds[FAKE_IRQFDS_MAX];
	int epoll, quit; /* of the thread that waits for the irqfds; -1 before the first */
	pthread_t waiter;
	uint64_t clock_zero; /* host clock when the guest's read 0 */

	uint32_t lossy; /* fake_lossy() was called */
	struct hv_tables tables;
	uint32_t vcpu_limit;
	_Atomic uint32_t vcpu_count;
	struct hv_vcpu *_Atomic vcpus[FAKE_VCPUS_MAX];
};

/* An access that the last exit left. */
struct fake_open {
	const struct fake_step *step; /* NULL: none */
	uint64_t address;	      /* of a string's elements in memory */
	uint32_t size, count;
	uint8_t fault;
	uint64_t data;
	uint8_t string[FAKE_STRING_MAX * 4];
};

struct hv_vcpu {
	struct hv_vm *vm;
	uint32_t index, apic_id;
	struct lichen_cpu cpu;
	uint64_t msrs[FAKE_MSRS];
	uint32_t dead; /* shut down, until it is reset or its registers are set */
	const struct fake_step *steps;
	uint32_t step_count;
	uint64_t base; /* RIP of step 0 */
	uint32_t based;
	struct fake_open open;
	pthread_t thread;
	uint32_t attached;
	_Atomic uint32_t running;

	struct lichen_cpu lent; /* what it was before it was borrowed */
	uint32_t entered;	/* it runs something else */
	uint32_t kept;		/* what a crash would cost it was asked to be kept */
	uint64_t alarm;		/* host clock, ns; 0: none */

	_Atomic uint32_t kicked;
	pthread_mutex_t lock;		     /* guards the rest */
	pthread_cond_t changed;		     /* `kicked` or `vectors` */
	uint64_t vectors[FAKE_VECTOR_WORDS]; /* pending interrupts */
	uint64_t reads[FAKE_READS_MAX];
	uint32_t read_count;
};

/* 0, or the failure that the test asked for. */
lichen_status fake_asked(enum fake_call call);
void fake_misuse(void);
extern _Atomic uint32_t fake_living;

/* fake.c.  Copies where a slot covers all of it; 0: it is not memory, or not to be written. */
int fake_memory_read(struct hv_vm *vm, lichen_gpa gpa, void *to, uint32_t size);
int fake_memory_write(struct hv_vm *vm, lichen_gpa gpa, const void *from, uint32_t size);
int fake_msr_claimed(struct hv_vm *vm, uint32_t index);

/* fake_irq.c */
lichen_status fake_irqchip_create(struct hv_vm *vm, uint32_t *pins);
lichen_status fake_irqchip_get(struct hv_vm *vm, uint32_t part,
			       uint8_t state[static LICHEN_IRQCHIP_STATE_SIZE]);
lichen_status fake_irqchip_set(struct hv_vm *vm, uint32_t part,
			       const uint8_t state[static LICHEN_IRQCHIP_STATE_SIZE]);
lichen_status fake_pit_create(struct hv_vm *vm);
lichen_status fake_pit_get(struct hv_vm *vm, uint8_t state[static LICHEN_PIT_STATE_SIZE]);
lichen_status fake_pit_set(struct hv_vm *vm, const uint8_t state[static LICHEN_PIT_STATE_SIZE]);
lichen_status fake_line(struct hv_vm *vm, uint32_t gsi, uint32_t level);
lichen_status fake_message(struct hv_vm *vm, uint64_t address, uint32_t data);
lichen_status fake_routes(struct hv_vm *vm, const struct hv_route *routes, uint32_t count);
lichen_status fake_irqfd(struct hv_vm *vm, uint32_t gsi, int trigger, int resample, int attach);
lichen_status fake_doorbell(struct hv_vm *vm, const struct hv_doorbell *bell, int attach);
/* Rings the bell that a write meets; 0: there is none. */
int fake_bell_ring(struct hv_vm *vm, uint32_t is_port, uint64_t address, uint32_t size,
		   uint64_t value);
/* Ends the waiting thread, closes what is still attached. */
void fake_irq_clear(struct hv_vm *vm);

/* fake_vcpu.c */
lichen_status fake_vcpu_attach(struct hv_vcpu *vcpu);
lichen_status fake_vcpu_run(struct hv_vcpu *vcpu, struct hv_exit *exit);
void fake_vcpu_paused(struct hv_vcpu *vcpu);
lichen_status fake_vcpu_settle(struct hv_vcpu *vcpu, struct hv_exit *exit);
void fake_vcpu_kick(struct hv_vcpu *vcpu);
/* Finishes the access that the last exit left. */
void fake_open_complete(struct hv_vcpu *vcpu);
/* 1: the next step waits for an interrupt. */
int fake_at_halt(const struct hv_vcpu *vcpu);
void fake_interrupt(struct hv_vcpu *vcpu, uint32_t vector);

/* fake_borrow.c */
lichen_status fake_vcpu_borrow(struct hv_vcpu *vcpu, struct lichen_vcpu_context *found);
lichen_status fake_vcpu_tables(struct hv_vcpu *vcpu, struct hv_tables *tables);
lichen_status fake_vcpu_keep(struct hv_vcpu *vcpu);
lichen_status fake_vcpu_enter(struct hv_vcpu *vcpu, const struct lichen_vcpu_entry *entry);
lichen_status fake_vcpu_give_back(struct hv_vcpu *vcpu, enum hv_end end,
				  struct lichen_vcpu_context *after);
lichen_status fake_vcpu_alarm(struct hv_vcpu *vcpu, uint64_t deadline);
uint64_t fake_now_ns(void);

/* fake_state.c */
void fake_cpu_initial(struct hv_vcpu *vcpu);
lichen_status fake_vcpu_set(struct hv_vcpu *vcpu, const struct lichen_cpu *cpu);
lichen_status fake_vcpu_get(struct hv_vcpu *vcpu, struct lichen_cpu *cpu);
lichen_status fake_vcpu_reset(struct hv_vcpu *vcpu);
lichen_status fake_vcpu_save(struct hv_vcpu *vcpu, uint8_t *state, uint64_t room,
			     uint64_t *size);
lichen_status fake_vcpu_load(struct hv_vcpu *vcpu, const uint8_t *state, uint64_t size,
			     struct ld_error *error);
/* The place of an MSR that is kept, or NULL. */
uint64_t *fake_msr(struct hv_vcpu *vcpu, uint32_t index);

#endif
