/* SPDX-License-Identifier: MIT */
/* state_world.h: VMs over hv_fake that are stopped by their own script, saved and loaded. */
#ifndef STATE_WORLD_H
#define STATE_WORLD_H

#include <sched.h>

#include "state.h"
#include "world.h"

/* A machine of all devices with a state.  `more` is added. */
#define STATE_DEVICES                                                          \
	"devices:\n"                                                           \
	"  - { plugin: kvm-irqchip }\n  - { plugin: kvm-pit }\n"               \
	"  - { plugin: rtc-cmos }\n  - { plugin: i8042 }\n"                    \
	"  - { plugin: acpi }\n"                                               \
	"  - { plugin: serial16550, id: com1, backend: { plugin: 'null' } }\n" \
	"  - { plugin: debug-exit }\n"
#define STATE_HEAD "name: world\nmemory: { size: 1152K }\nboot: { plugin: begin }\n"
#define STATE_PROFILE STATE_HEAD STATE_DEVICES

/* What a script does with FAKE_STOP(): the VM is saved behind its next exit and ends. */
enum { STATE_SAVED = 9 };
struct state_stop {
	struct lichen_vm *vm;
	const struct fw_vcpu *vcpu; /* whose script it is */
	struct fw_buffer *out;
	lichen_status status;
	struct ld_error error;
};

static inline void state_stop_run(struct fw_post *post);

/* Where the post finds the test; one at a time. */
static struct state_stop *state_stopping;

static inline void state_stop_call(void *context)
{
	struct fw_post *post = calloc(1, sizeof(*post));

	state_stopping = context;
	state_stopping->vcpu = fw_vcpu_here();
	fw_gate_shut(&state_stopping->vm->gate);
	post->run = state_stop_run;
	fw_loop_post(&state_stopping->vm->loop, post);
}

static inline void state_stop_run(struct fw_post *post)
{
	struct state_stop *stop = state_stopping;

	(void)post;
	/* A kick would keep it from its next exit. */
	while (!atomic_load(&stop->vcpu->borrow.rests))
		sched_yield();
	fw_vcpus_park(stop->vm);
	fw_clock_run(&stop->vm->loop, 0);
	fw_vm_pause_instances(stop->vm);
	stop->vm->paused = 1;
	stop->status = fw_state_save(stop->vm, stop->out, &stop->error);
	fw_vm_end(stop->vm, STATE_SAVED, NULL);
}

#define FAKE_STOP(stop) FAKE_CALL(state_stop_call, (stop))

#endif
