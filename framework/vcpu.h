/* SPDX-License-Identifier: MIT */
/* vcpu.h: one thread a vCPU, which runs the guest and hands its exits to the buses. */
#ifndef FW_VCPU_H
#define FW_VCPU_H

#include <pthread.h>

#include "hv/hv.h"
#include "profile.h"

struct lichen_vm;

struct fw_vcpu {
	struct lichen_vm *vm;
	struct hv_vcpu *hv;
	uint32_t index;
	pthread_t thread;
	int started;
};

/* Creates all of them, in the state after INIT.  A failure is in `error`.  [control] */
lichen_status fw_vcpus_create(struct lichen_vm *vm, struct ld_error *error);
/* Starts their threads; on failure none runs.  [control] */
lichen_status fw_vcpus_start(struct lichen_vm *vm);
/* After vm->end was set: kicks them out of the guest and joins.  [control] */
void fw_vcpus_stop(struct lichen_vm *vm);
void fw_vcpus_destroy(struct lichen_vm *vm);

#endif
