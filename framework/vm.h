/* SPDX-License-Identifier: MIT */
/* vm.h: a virtual machine, put together.  <lichen/vm.h> is what embedders see. */
#ifndef FW_VM_H
#define FW_VM_H

#include <lichen/vm.h>

#include "bus.h"
#include "control.h"
#include "hv/hv.h"
#include "instance.h"
#include "irq.h"
#include "layout.h"
#include "listen.h"
#include "log.h"
#include "loop.h"
#include "memory_map.h"
#include "profile.h"
#include "symbiotic.h"
#include "vcpu.h"

/* An embedder's descriptor. */
struct fw_outside_watch {
	struct fw_watch watch;
	struct fw_outside_watch *next;
	void (*ready)(void *context);
	void *context;
};

/* Why it stands still. */
enum fw_paused {
	FW_NOT_PAUSED = 0,
	FW_PAUSED_POLICY = 1, /* the guest crashed, and the profile wants to keep what it was */
	FW_PAUSED_OUTSIDE = 2, /* somebody asked */
};

enum { FW_ENDED = 1 << 16 }; /* in `end`, above the status */

struct lichen_vm {
	struct fw_log log;
	struct ld_path plugins, fragments;
	struct fw_profile *profile;
	const struct hv_ops *hv;
	struct hv_vm *hvm;
	struct hv_caps caps;
	struct fw_bus *ports, *mmio;
	struct fw_memory memory;
	struct fw_layout layout;
	struct fw_listeners listeners;
	uint64_t thread_timeout_ns; /* how long a thread may take to end after quiesce */
	uint32_t stuck;		    /* one did not: the VM's memory stays */
	struct fw_irqs irqs;
	struct fw_symbiotic *symbiotic; /* NULL: the profile has no such key */
	struct fw_loop loop;
	/* In the order of profile->specs; one that is being added is not yet among them. */
	struct lichen_instance **instances; /* room for FW_INSTANCES_MAX */
	uint32_t instance_count;
	struct fw_plug *plugs;	 /* removals under way */
	uint64_t pending_ns;	 /* how long an instance may leave an operation pending */
	struct fw_offer *offers; /* plugins that were loaded by hand; the newest first */
	struct fw_vcpu *vcpus;
	uint32_t vcpu_count;
	uint8_t counters[FW_COUNT_WINDOWS]; /* atomic; 1: in use */
	struct fw_gate gate;
	_Atomic uint32_t
		happened; /* something that the profile has a policy for is under way */
	struct fw_log_limit limit; /* of what the guest can make the VM itself say */
	uint32_t paused;	   /* enum fw_paused */
	uint32_t loaded;	   /* the guest was: what comes now comes later */
	uint32_t resumed;	   /* instances are; [control] */
	_Atomic uint32_t end;	   /* FW_ENDED | status, once; 0 before */
	int console_in, console_out;
	const struct lichen_instance *console_owner, *irqchip_owner, *pit_owner;
	struct fw_outside_watch *outside;
	_Atomic uint64_t serials;   /* of handles, so far */
	pthread_mutex_t place_lock; /* guards where windows and doorbells lie */
	_Atomic uint32_t stops;	    /* requests so far */
	uint32_t stopping;	    /* the button was pressed */
	struct fw_timer stop_timer;
	uint64_t stop_deadline;		      /* host clock */
	const struct lichen_control *control; /* NULL: nobody can talk to the VM */
	struct fw_control *control_state;     /* the server's, while it is open */
	uint32_t opened; /* FW_VM_...: for taking apart what was put together */
};

/* lichen_vm_create() on another hypervisor than the usual one. */
int fw_vm_create(const struct lichen_vm_options *options, const struct hv_ops *hv,
		 struct lichen_vm **vm);

/*
 * The VM ends with `status`; the first call counts, and says why in the log when
 * `why` is given.  vCPUs leave the guest, the loop returns.  [any]
 */
void fw_vm_end(struct lichen_vm *vm, uint32_t status, const char *why);

/* What a guest can do that the profile has a policy for. */
enum fw_happening { FW_REBOOT = 1, FW_CRASH = 2, FW_PANIC = 3 };

/*
 * reset.c: acts by the profile's policy: ends the VM, or shuts the gate and has
 * the control thread restart or pause it.  Of several at a time the first counts.
 * kind: enum lichen_reset, for FW_REBOOT; why: a sentence, copied.  [any]
 */
void fw_vm_happens(struct lichen_vm *vm, enum fw_happening what, uint32_t kind,
		   const char *why);

/* vm.c: what firmware would leave in memory, then the guest's first code and registers.
 * Failures are in diags.  [control] */
lichen_status fw_vm_load(struct lichen_vm *vm, struct fw_diags *diags);
/*
 * reset.c: the guest starts anew, from a power-on or a warm reset, whether it runs or
 * stands still; a failure ends the VM.  kind: enum lichen_reset.  [control]
 */
void fw_vm_reset(struct lichen_vm *vm, uint32_t kind);
/* pause.c: the VM stands still when it returns; does nothing where it does.  [control] */
void fw_vm_pause(struct lichen_vm *vm);
/* pause.c: clocks and instances alone, where vCPUs are parked.  [control] */
void fw_vm_halt(struct lichen_vm *vm);
/*
 * pause.c: the VM stands still for a moment, of which neither guest nor operator hears.
 * 1: fw_vm_release() is owed; 0: it stood still before.  [control]
 */
int fw_vm_hold(struct lichen_vm *vm);
void fw_vm_release(struct lichen_vm *vm);
/* pause.c: it runs again, whatever had paused it.  [control] */
void fw_vm_go_on(struct lichen_vm *vm);
/* vm.c: resume in dependency order; pause in the opposite one.  [control] */
void fw_vm_resume_instances(struct lichen_vm *vm);
void fw_vm_pause_instances(struct lichen_vm *vm);

/* stop.c: lets go of the embedder's descriptors and of a stop under way.  [control] */
void fw_stop_clear(struct lichen_vm *vm);

#endif
