/* SPDX-License-Identifier: MIT */
/*
 * listen.h: instances that hear of the memory layout (host->memory_listen), and of each change
 * to it.  All of it is the control thread's; who changes the layout on another thread, or while
 * it holds an instance's lock, says so and goes on.
 */
#ifndef FW_LISTEN_H
#define FW_LISTEN_H

#include <stdatomic.h>

#include <lichen/memory.h>
#include <lichen/status.h>

struct lichen_instance;
struct lichen_vm;
struct fw_listener;

struct fw_listeners {
	struct fw_listener *first;
	_Atomic uint32_t count;
	_Atomic uint32_t posted; /* they will be told */
};

/* Tells it the layout, and each change from now on; errors as host->memory_listen.  [control]
 */
lichen_status fw_listen_add(struct lichen_instance *in);
/* It hears nothing any more.  [control] */
void fw_listen_drop(struct lichen_instance *in);
/* The layout has changed: they are told soon.  [any] */
void fw_listen_changed(struct lichen_vm *vm);
/*
 * They are told now; the caller holds no instance's lock.  The first failure, with the listener
 * in *who.  [control]
 */
lichen_status fw_listen_tell(struct lichen_vm *vm, struct lichen_instance **who);

#endif
