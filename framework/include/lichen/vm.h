/* SPDX-License-Identifier: MIT */
/*
 * vm.h: liblichen, for programs that run virtual machines in their own process.
 *
 *	struct lichen_vm_options o = { .struct_size = sizeof o, .profile = "vm.yaml",
 *		.plugin_path = "/usr/lib/lichen/plugins", .console_in = -1, .console_out = -1 };
 *	struct lichen_vm *vm;
 *	if (lichen_vm_create(&o, &vm) == 0) {
 *		int status = lichen_vm_run(vm);
 *		lichen_vm_destroy(vm);
 *	}
 *
 * The library installs no signal handler and keeps no global state; several VMs
 * may live in one process.  A VM is used by one thread, but for functions marked
 * [any].
 */
#ifndef LICHEN_VM_H
#define LICHEN_VM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lichen_vm;
struct lichen_control;

/* What lichen_vm_run() returns; the guest's own status is any odd number. */
enum lichen_vm_status {
	LICHEN_VM_POWER_OFF = 0, /* the guest powered itself off */
	LICHEN_VM_BAD_INPUT = 2, /* nothing was started */
	LICHEN_VM_FAILED = 4,	 /* Lichen or the hypervisor failed */
	LICHEN_VM_CRASHED = 6,	 /* the guest crashed: triple fault and the like */
	LICHEN_VM_STOPPED = 8,	 /* ended by lichen_vm_stop() */
};

struct lichen_vm_options {
	uint32_t struct_size;
	uint32_t log_level;	 /* enum lichen_level: the most detailed shown; 0: INFO */
	const char *profile;	 /* YAML file */
	const char *const *sets; /* overrides, "key.path=value" */
	uint32_t set_count;
	int32_t hypervisor; /* descriptor of /dev/kvm, stays the caller's; 0 or -1: open it */
	const char *plugin_path;   /* folders, separated by ':' */
	const char *fragment_path; /* of shipped profile fragments, the same */
	int32_t console_in;  /* non-blocking descriptors for a console backend, which the */
	int32_t console_out; /* VM owns after success; -1: there is no console */
	/* One line without its newline; NULL: stderr.  [any] */
	void (*log)(void *context, const char *line);
	void *context;
	/*
	 * &lichen_control (control.h): the VM can be talked to while it runs, through
	 * a socket in control_folder, under its name, which no other VM there may
	 * have.  NULL: it cannot.
	 */
	const struct lichen_control *control;
	const char *control_folder; /* exists, and is the user's alone to write to */
	/* 1: the console is kept and handed out by the server; console_in and console_out
	 * are ignored. */
	uint32_t control_console;
	uint32_t strict; /* 1: misbehaviour of a plugin or of the host ends the process with
			    SIGABRT, after its line: for tests */
};

/*
 * Reads the profile, loads plugins, creates and realizes instances and vCPUs; no
 * vCPU runs yet.  Returns 0, or LICHEN_VM_BAD_INPUT or LICHEN_VM_FAILED with the
 * sentences in the log and nothing left behind.  Strings are borrowed for the call.
 */
int lichen_vm_create(const struct lichen_vm_options *options, struct lichen_vm **vm);

/* Runs until the VM ends; returns enum lichen_vm_status or the guest's odd status.  Once. */
int lichen_vm_run(struct lichen_vm *vm);

/*
 * Asks the guest to power off, and ends the VM after `timeout_ns` in any case
 * (0: at once).  Asked again, it ends at once.  [any]
 */
void lichen_vm_stop(struct lichen_vm *vm, uint64_t timeout_ns);

/*
 * Job control: the process is about to be stopped, or was continued; instances
 * that hold a terminal give it back or take it.  Returns when they have.
 * On the thread of lichen_vm_run(), from a descriptor's or timer's callback there.
 */
void lichen_vm_suspend(struct lichen_vm *vm);
void lichen_vm_resume(struct lichen_vm *vm);

/*
 * Calls `ready(context)` on the thread of lichen_vm_run() whenever `descriptor`
 * is readable, for signalfd and the like; before lichen_vm_run().  Returns 0 or
 * a negative status.
 */
int lichen_vm_watch(struct lichen_vm *vm, int descriptor, void (*ready)(void *context),
		    void *context);

/* After lichen_vm_run() returned, or instead of it.  NULL is ignored. */
void lichen_vm_destroy(struct lichen_vm *vm);

#ifdef __cplusplus
}
#endif

#endif
