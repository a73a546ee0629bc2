/* SPDX-License-Identifier: MIT */
/* vcpu.h: one thread a vCPU, which runs the guest and hands its exits to the buses. */
#ifndef FW_VCPU_H
#define FW_VCPU_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "borrow.h"
#include "count.h"
#include "hv/hv.h"
#include "profile.h"

struct lichen_vm;

struct fw_vcpu {
	struct lichen_vm *vm;
	struct hv_vcpu *hv;
	uint32_t index;
	struct fw_tally *tally; /* owned */
	pthread_t thread;
	int started;
	_Atomic pid_t tid;	/* 0: its thread has not come up yet */
	uint32_t physical_bits; /* of guest-physical addresses */
	struct fw_borrow borrow;
};

/* Where vCPU threads wait while the guest must stand still. */
struct fw_gate {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* `closed`, `running` or the VM's `end` */
	_Atomic uint32_t
		closed;	  /* set under the lock or by fw_gate_shut(); read at each exit */
	uint32_t running; /* threads past the gate */
};

void fw_gate_init(struct fw_gate *gate);
void fw_gate_clear(struct fw_gate *gate);
/* The vCPU that calls stops at the gate after this exit; the others when kicked.  [any] */
void fw_gate_shut(struct fw_gate *gate);

/* Creates all of them, in the state after INIT.  A failure is in `error`.  [control] */
lichen_status fw_vcpus_create(struct lichen_vm *vm, struct ld_error *error);
/* Starts their threads; on failure none runs.  [control] */
lichen_status fw_vcpus_start(struct lichen_vm *vm);
/*
 * Returns when every vCPU waits at the gate between two instructions, or has
 * ended; all [control] functions of the hypervisor may then be used on them.  [control]
 */
void fw_vcpus_park(struct lichen_vm *vm);
/* [control] */
void fw_vcpus_unpark(struct lichen_vm *vm);
/* 1: they may be in the guest, and are not to be touched.  [control] */
int fw_vcpus_run(struct lichen_vm *vm);
/* After vm->end was set: kicks them out of the guest and joins.  [control] */
void fw_vcpus_stop(struct lichen_vm *vm);
void fw_vcpus_destroy(struct lichen_vm *vm);

/* --- for whoever runs a vCPU, on its thread --- */

/* The vCPU that the calling thread runs, or NULL.  [any] */
const struct fw_vcpu *fw_vcpu_here(void);
/* Serves an exit. */
void fw_vcpu_handle(struct fw_vcpu *vcpu, const struct hv_exit *exit);
/* Completes what the last exit left, and serves what that brings: state is whole. */
void fw_vcpu_settle(struct fw_vcpu *vcpu);
/* The hypervisor has failed: the VM ends. */
void fw_vcpu_lost(struct fw_vcpu *vcpu);
/* The guest has crashed in a call, and the vCPU is not what it was before. */
void fw_vcpu_broken(struct fw_vcpu *vcpu);

#endif
