/* SPDX-License-Identifier: MIT */
/*
 * control.h: what the VM tells those who talk to it from outside.  The server
 * itself is control/, which the VM reaches through one table only, so that who
 * does not ask for it does not link it.
 */
#ifndef FW_CONTROL_H
#define FW_CONTROL_H

#include <lichen/status.h>
#include <lichen/vm.h>

#include "error.h"

struct fw_control;
struct lichen_control_host;
struct lichen_instance;

/* What clients may subscribe to. */
enum fw_event_kind {
	FW_EVENT_STATE = 0,		/* word: running, paused, stopping or ended; why */
	FW_EVENT_DEVICE_ADDED = 1,	/* id, plugin */
	FW_EVENT_REMOVAL_REQUESTED = 2, /* id */
	FW_EVENT_REMOVED = 3,		/* id */
	FW_EVENT_PANIC = 4,		/* sentence */
	FW_EVENT_RESET = 5,		/* kind: power-on or warm */
	FW_EVENT_MISBEHAVIOUR = 6,	/* line of the log */
	FW_EVENT_INSTANCE = 7,		/* one of an instance's own */
	FW_EVENTS = 8,
};

struct lichen_control {
	/*
	 * Takes the VM's name in `folder`: of all that live there only one has it.
	 * -LICHEN_EEXIST: another VM runs under it; -LICHEN_EACCES: the folder is
	 * somebody else's; -LICHEN_EIO; -LICHEN_ENOMEM.  `error` says why.
	 * console: 1 when the VM's console is to be the server's to hand out; then
	 * vm->console_in and console_out are set.  After success close is owed.
	 * [control]
	 */
	lichen_status (*open)(struct lichen_vm *vm, const char *folder, uint32_t console,
			      struct ld_error *error);
	/* Listens, on the VM's loop.  -LICHEN_EIO.  [control] */
	lichen_status (*start)(struct lichen_vm *vm, struct ld_error *error);
	/* Texts are copied; detail may be NULL.  [any] */
	void (*event)(struct lichen_vm *vm, enum fw_event_kind event, const char *subject,
		      const char *detail);
	/* Hands on what the guest still says, in the last moments of a console.  [control] */
	void (*flush)(struct lichen_vm *vm);
	/* Nobody is listened to any more, and the name is free.  [control] */
	void (*close)(struct lichen_vm *vm);
	/* What instances are given as lichen.control-host/1. */
	const struct lichen_control_host *host;
	/* The instance goes: what clients asked of it is answered with an error.  [control] */
	void (*leave)(struct lichen_vm *vm, const struct lichen_instance *in);
};

/* Tells those who subscribed; nothing where the VM has no server.  [any] */
void fw_vm_event(struct lichen_vm *vm, enum fw_event_kind event, const char *subject,
		 const char *detail);

#endif
