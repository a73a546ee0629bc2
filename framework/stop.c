/* SPDX-License-Identifier: MIT */
/*
 * stop.c: what an embedder does to a running VM from outside: ends it, gently
 * while there is time, warns it of job control, watches descriptors of its own.
 */
#include <stddef.h>
#include <stdlib.h>

#include <lichen/acpi.h>

#include "status.h"
#include "vm.h"

/* A guest that does not listen yet is asked again this often. */
#define FW_PRESS_AGAIN_NS UINT64_C(200000000)

/*
 * Presses every power button there is.  0: there is none; else *heard says whether
 * the guest has heard one of them.
 */
static int fw_stop_press(struct lichen_vm *vm, int *heard)
{
	int found = 0;

	*heard = 0;

	for (uint32_t i = 0; i < vm->instance_count; i++) {
		struct lichen_instance *in = vm->instances[i];
		const struct lichen_provide *provide =
			fw_provided(in->class, LICHEN_POWER_BUTTON);
		const struct lichen_power_button_ops *ops;

		if (!fw_provides(provide, offsetof(struct lichen_power_button_ops, press)))
			continue;
		ops = provide->ops;
		fw_lock(in);
		*heard |= ops->press(in->self, 0) >= 0;
		fw_unlock(in);
		found = 1;
	}
	return found;
}

/* Presses, and comes back: soon where nobody listened, at the deadline where someone did. */
static void fw_stop_try(struct lichen_vm *vm)
{
	const uint64_t now = fw_now_ns();
	uint64_t next = vm->stop_deadline;
	int heard;

	if (vm->paused == FW_PAUSED_OUTSIDE) /* it can be asked, once it hears */
		fw_vm_go_on(vm);
	if (vm->paused) { /* nobody is there to hear of the button */
		fw_vm_end(vm, LICHEN_VM_STOPPED, NULL);
		return;
	}
	if (now >= vm->stop_deadline) {
		fw_vm_end(vm, LICHEN_VM_STOPPED,
			  vm->stopping ? "the guest did not power itself off in time" : NULL);
		return;
	}
	if (!fw_stop_press(vm, &heard)) {
		fw_vm_end(vm, LICHEN_VM_STOPPED, NULL);
		return;
	}
	if (!vm->stopping)
		fw_vm_event(vm, FW_EVENT_STATE, "stopping", NULL);
	vm->stopping = 1;
	if (!heard && now + FW_PRESS_AGAIN_NS < next)
		next = now + FW_PRESS_AGAIN_NS;
	fw_timer_arm(&vm->stop_timer, next);
}

static void fw_stop_due(struct fw_timer *timer)
{
	struct lichen_vm *vm =
		(struct lichen_vm *)((char *)timer - offsetof(struct lichen_vm, stop_timer));

	if (fw_timer_fired(timer))
		fw_stop_try(vm);
}

struct fw_stop_post {
	struct fw_post post;
	struct lichen_vm *vm;
	uint64_t timeout_ns;
};

static void fw_stop_run(struct fw_post *post)
{
	const struct fw_stop_post *stop = (const struct fw_stop_post *)post;
	struct lichen_vm *vm = stop->vm;
	const uint64_t now = fw_now_ns();

	/* It has ended meanwhile, or is taken apart without having run. */
	if (atomic_load(&vm->end))
		return;
	vm->stop_timer.loop = &vm->loop;
	vm->stop_timer.clock = LICHEN_CLOCK_HOST;
	vm->stop_timer.due = fw_stop_due;
	vm->stop_deadline =
		stop->timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + stop->timeout_ns;
	fw_stop_try(vm);
}

void lichen_vm_stop(struct lichen_vm *vm, uint64_t timeout_ns)
{
	struct fw_stop_post *stop;

	if (atomic_fetch_add(&vm->stops, 1) > 0 || timeout_ns == 0) {
		fw_vm_end(vm, LICHEN_VM_STOPPED, NULL);
		return;
	}
	stop = malloc(sizeof(*stop));
	if (!stop) {
		fw_vm_end(vm, LICHEN_VM_STOPPED,
			  "out of memory: ended without asking the guest");
		return;
	}
	*stop = (struct fw_stop_post){ .post = { .run = fw_stop_run },
				       .vm = vm,
				       .timeout_ns = timeout_ns };
	fw_loop_post(&vm->loop, &stop->post);
}

static void fw_vm_host_event(struct lichen_vm *vm, uint32_t event)
{
	for (uint32_t i = 0; i < vm->instance_count; i++) {
		struct lichen_instance *in = vm->instances[i];

		if (!in->class->host_event)
			continue;
		fw_lock(in);
		in->class->host_event(in->self, event);
		fw_unlock(in);
	}
}

void lichen_vm_suspend(struct lichen_vm *vm)
{
	fw_vm_host_event(vm, LICHEN_HOST_SUSPEND);
}

void lichen_vm_resume(struct lichen_vm *vm)
{
	fw_vm_host_event(vm, LICHEN_HOST_RESUME);
}

static void fw_outside_ready(struct fw_watch *watch, uint32_t events)
{
	struct fw_outside_watch *outside =
		(struct fw_outside_watch *)((char *)watch -
					    offsetof(struct fw_outside_watch, watch));

	(void)events;
	outside->ready(outside->context);
}

int lichen_vm_watch(struct lichen_vm *vm, int descriptor, void (*ready)(void *context),
		    void *context)
{
	struct fw_outside_watch *outside = calloc(1, sizeof(*outside));
	lichen_status status;

	if (!outside)
		return -LICHEN_ENOMEM;
	outside->watch.ready = fw_outside_ready;
	outside->ready = ready;
	outside->context = context;
	status = fw_watch_start(&vm->loop, &outside->watch, descriptor, LICHEN_WATCH_READ);
	if (status < 0) {
		free(outside);
		return status;
	}
	outside->next = vm->outside;
	vm->outside = outside;
	return 0;
}

void fw_stop_clear(struct lichen_vm *vm)
{
	struct fw_outside_watch *next;

	if (vm->stop_timer.loop)
		fw_timer_cancel(&vm->stop_timer);
	for (struct fw_outside_watch *at = vm->outside; at; at = next) {
		next = at->next;
		fw_watch_stop(&at->watch);
		free(at);
	}
	vm->outside = NULL;
}
