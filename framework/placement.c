/* SPDX-License-Identifier: MIT */
/*
 * placement.c: where an instance's windows lie, and the doorbells in them.  The bus changes
 * first and the slots of windows of memory follow: until they do, the guest still sees what was
 * there before, and where neither is, accesses exit and the bus serves them.
 */
#include <time.h>

#include "stage.h"
#include "vm.h"

enum { FW_MOVE_NS = 20000 }; /* between two looks at a window that is being moved */

static uint32_t fw_places_port(const struct lichen_instance *in, const struct fw_bus *bus)
{
	return bus == in->vm->ports;
}

/* Doorbells move with their window.  Caller holds place_lock. */
static void fw_bells_move(struct lichen_instance *in, uint32_t window, int attach)
{
	for (uint32_t i = 0; i < FW_CLAIMS_MAX; i++) {
		struct fw_claim *claim =
			atomic_load_explicit(&in->slots[i].claim, memory_order_acquire);

		if (!claim || claim->kind != FW_CLAIM_DOORBELL || claim->bell.window != window)
			continue;
		fw_bell_detach(claim);
		if (attach && fw_bell_attach(claim) < 0)
			fw_host.log_guest(
				in, LICHEN_LOG_WARN,
				"doorbell at window %u + 0x%llx: the hardware has no room at "
				"the new place",
				window, (unsigned long long)claim->bell.offset);
	}
}

/*
 * Takes place_lock for a change of a window; NULL, without the lock: another change
 * is under way, which a class that is PARALLEL should have kept apart.
 */
static struct fw_place *fw_place_begin(struct lichen_instance *in, uint32_t window)
{
	struct fw_place *place = &in->places[window];

	pthread_mutex_lock(&in->vm->place_lock);
	if (!place->moving && !in->leaving) {
		place->moving = 1;
		return place;
	}
	pthread_mutex_unlock(&in->vm->place_lock);
	if (in->leaving)
		return NULL; /* set once, by who waits for this caller */
	fw_host.log_guest(in, LICHEN_LOG_PLUGIN_MISBEHAVING,
			  "window %u: placed by two threads at a time", window);
	return NULL;
}

static void fw_place_end(struct lichen_instance *in, struct fw_place *place)
{
	place->moving = 0;
	pthread_mutex_unlock(&in->vm->place_lock);
}

/* Slots follow what was taken out; what they cannot, the bus serves. */
static void fw_place_follow(struct lichen_instance *in, const struct fw_bus *bus)
{
	struct ld_error error = { "" };

	if (fw_places_port(in, bus))
		return;
	if (fw_layout_follow(&in->vm->layout, &error) < 0)
		fw_host.log_guest(in, LICHEN_LOG_WARN, "%s: each access to it is an exit",
				  error.text);
}

/*
 * Waits for handlers of the target, so place_lock, which they may wait for, is
 * let go of meanwhile.
 */
static void fw_place_remove(struct lichen_instance *in, struct fw_bus *bus,
			    struct fw_target *target)
{
	pthread_mutex_unlock(&in->vm->place_lock);
	(void)fw_bus_remove(bus, target);
	pthread_mutex_lock(&in->vm->place_lock);
	fw_place_follow(in, bus);
}

/* On failure it is not there, and what was there before is. */
static lichen_status fw_place_insert(struct lichen_instance *in, struct fw_bus *bus,
				     struct fw_target *target, const struct fw_target **clash)
{
	struct ld_error error = { "" };
	lichen_status status = fw_bus_insert(bus, target, clash);

	if (status < 0 || fw_places_port(in, bus))
		return status;
	status = fw_layout_follow(&in->vm->layout, &error);
	if (status < 0) {
		fw_host.error(in, "window %s: %s", target->window->name, error.text);
		fw_place_remove(in, bus, target);
	}
	return status;
}

static int fw_is_memory(const struct lichen_window *window)
{
	return window->kind != LICHEN_IO;
}

/* Who listens hears of windows of memory, and of what hides or bares a part of one. */
static void fw_place_tell(struct lichen_vm *vm, const struct fw_bus *bus, uint32_t memory)
{
	if (memory || (bus == vm->mmio && atomic_load(&vm->layout.windows)))
		fw_listen_changed(vm);
}

lichen_status fw_unplace(struct lichen_instance *in, uint32_t window)
{
	struct fw_place *place;
	struct fw_bus *bus;

	if (window >= in->class->windows.count)
		return -LICHEN_EINVAL;
	if (in->stage)
		return fw_stage_unplace(in, window);
	place = fw_place_begin(in, window);
	if (!place)
		return -LICHEN_EBUSY;
	bus = place->bus;
	if (bus) {
		fw_bells_move(in, window, 0);
		place->bus = NULL;
		fw_place_remove(in, bus, &place->targets[place->current]);
		if (place->memory.declared)
			atomic_fetch_sub(&in->vm->layout.windows, 1);
		fw_place_tell(in->vm, bus, place->memory.declared != NULL);
	}
	fw_place_end(in, place);
	return bus ? 0 : -LICHEN_ENOENT;
}

/* 1: a handler is moving one.  Caller holds place_lock. */
static int fw_places_move(const struct lichen_instance *in)
{
	uint32_t moving = 0;

	for (uint32_t i = 0; i < in->class->windows.count; i++)
		moving |= in->places[i].moving;
	return moving != 0;
}

/* A handler that is at it ends without waiting for the control thread; no other begins. */
void fw_unplace_all(struct lichen_instance *in)
{
	const struct timespec pause = { .tv_nsec = FW_MOVE_NS };
	struct lichen_vm *vm = in->vm;
	uint32_t memory = 0;

	if (in->stage) { /* none of them is anywhere yet */
		for (uint32_t i = 0; i < in->class->windows.count; i++)
			in->places[i].bus = NULL;
		return;
	}
	pthread_mutex_lock(&vm->place_lock);
	in->leaving = 1;
	while (fw_places_move(in)) {
		pthread_mutex_unlock(&vm->place_lock);
		(void)nanosleep(&pause, NULL);
		pthread_mutex_lock(&vm->place_lock);
	}
	for (uint32_t i = 0; i < in->class->windows.count; i++) {
		fw_bells_move(in, i, 0);
		memory += in->places[i].bus && in->places[i].memory.declared;
		in->places[i].bus = NULL;
	}
	pthread_mutex_unlock(&vm->place_lock);
	fw_bus_remove_all(vm->ports, in);
	fw_bus_remove_all(vm->mmio, in);
	if (memory == 0 && atomic_load(&vm->layout.windows) == 0)
		return;
	pthread_mutex_lock(&vm->place_lock);
	fw_place_follow(in, vm->mmio);
	pthread_mutex_unlock(&vm->place_lock);
	atomic_fetch_sub(&vm->layout.windows, memory);
	fw_listen_changed(vm);
}

/* Caller holds place_lock, under which no target changes. */
static void fw_place_clash(struct lichen_instance *in, const struct lichen_window *window,
			   const struct fw_bus *bus, uint64_t start,
			   const struct fw_target *clash)
{
	const struct lichen_instance *other = clash->owner;

	fw_host.error(in, "window %s: %s 0x%llx to 0x%llx: taken by %s, 0x%llx to 0x%llx",
		      window->name, fw_places_port(in, bus) ? "ports" : "addresses",
		      (unsigned long long)start, (unsigned long long)(start + window->size - 1),
		      other->spec->id, (unsigned long long)clash->start,
		      (unsigned long long)(clash->start + clash->window->size - 1));
}

void fw_place_blame(struct lichen_instance *in, const struct lichen_window *window,
		    const struct fw_bus *bus, uint64_t start, lichen_status status,
		    const struct fw_target *clash)
{
	if (status == -LICHEN_EEXIST && clash)
		fw_place_clash(in, window, bus, start, clash);
	else if (status == -LICHEN_ERANGE)
		fw_host.error(in,
			      "window %s: 0x%llx: %llu bytes from there pass the end of the %s",
			      window->name, (unsigned long long)start,
			      (unsigned long long)window->size,
			      fw_places_port(in, bus) ? "ports, 0xffff" : "address space");
}

/*
 * The new place first and then the old one, so that a move that is refused changes
 * nothing.  Only where the window is in its own way it goes before.
 */
static lichen_status fw_place_move(struct lichen_instance *in, struct fw_place *place,
				   struct fw_bus *bus, const struct fw_target **clash)
{
	struct fw_target *old = place->bus ? &place->targets[place->current] : NULL;
	struct fw_target *fresh = &place->targets[!place->current];
	struct fw_bus *old_bus = place->bus;
	lichen_status status = fw_place_insert(in, bus, fresh, clash);

	if (status == -LICHEN_EEXIST && old && *clash == old) {
		fw_place_remove(in, old_bus, old);
		status = fw_place_insert(in, bus, fresh, clash);
		if (status < 0 && fw_place_insert(in, old_bus, old, NULL) < 0) {
			place->bus = NULL;
			fw_host.log_guest(in, LICHEN_LOG_ERROR,
					  "window %s: it has lost its place",
					  old->window->name);
		}
		old = NULL;
	}
	if (status < 0)
		return status;
	place->bus = bus;
	place->current = !place->current;
	if (old)
		fw_place_remove(in, old_bus, old);
	return 0;
}

struct fw_target fw_place_target(struct lichen_instance *in, struct fw_place *place,
				 const struct lichen_window *declared, uint64_t start)
{
	void *self;
	const struct lichen_window *window =
		fw_check_window(in, (uint32_t)(place - in->places), &self);
	struct fw_target target = { .window = window,
				    .self = self,
				    .lock = fw_is_parallel(in) ? NULL : &in->lock,
				    .start = start,
				    .owner = in,
				    .hidden = in->hidden };

	if (!place->counter)
		place->counter = fw_counter_take(in->vm);
	target.counter = place->counter;
	if (!fw_is_memory(declared))
		return target;
	target.window = &place->memory.seen;
	target.self = &place->memory;
	if (place->memory.backing->writable)
		target.lock = NULL; /* no code of the class runs */
	return target;
}

static lichen_status fw_place_try(struct lichen_instance *in, struct fw_place *place,
				  const struct lichen_window *declared, struct fw_bus *bus,
				  uint64_t start)
{
	const struct fw_target *clash = NULL;
	lichen_status status;

	place->targets[!place->current] = fw_place_target(in, place, declared, start);
	status = fw_place_move(in, place, bus, &clash);
	if (status < 0)
		fw_place_blame(in, declared, bus, start, status, clash);
	return status;
}

/* Whether a window of memory can be there at all. */
static lichen_status fw_place_check(struct lichen_instance *in,
				    const struct lichen_window *declared,
				    const struct fw_bus *bus, uint64_t start)
{
	struct ld_error error = { "" };
	lichen_status status;

	if (fw_places_port(in, bus)) {
		fw_host.error(in, "window %s: it is memory, which ports do not show",
			      declared->name);
		return -LICHEN_EINVAL;
	}
	status = fw_layout_check(&in->vm->layout, start, declared->size, &error);
	if (status < 0)
		fw_host.error(in, "window %s: %s", declared->name, error.text);
	return status;
}

/* As fw_place_try(); the layout follows from the first window of memory on. */
static lichen_status fw_place_memory(struct lichen_instance *in, struct fw_place *place,
				     const struct lichen_window *declared, struct fw_bus *bus,
				     uint64_t start)
{
	_Atomic uint32_t *windows = &in->vm->layout.windows;
	const int before = place->bus != NULL;
	lichen_status status;

	if (!place->memory.backing) {
		fw_host.error(in, "window %s: nothing is mapped into it yet", declared->name);
		return -LICHEN_EINVAL;
	}
	atomic_fetch_add(windows, 1);
	status = fw_place_try(in, place, declared, bus, start);
	if (before || !place->bus)
		atomic_fetch_sub(windows, 1u + (before && !place->bus));
	return status;
}

lichen_status fw_place(struct lichen_instance *in, uint32_t window, struct fw_bus *bus,
		       uint64_t start)
{
	const struct lichen_window *declared;
	struct fw_place *place;
	lichen_status status;

	if (window >= in->class->windows.count) {
		fw_host.error(in, "window %u: the class has %u", window,
			      in->class->windows.count);
		return -LICHEN_EINVAL;
	}
	declared = &FW_ITEMS(struct lichen_window, in->class->windows)[window];
	status = fw_is_memory(declared) ? fw_place_check(in, declared, bus, start) : 0;
	if (status < 0)
		return status;
	if (!fw_places_port(in, bus) &&
	    fw_memory_touches(&in->vm->memory, start, declared->size)) {
		fw_host.error(in, "window %s: address 0x%llx: guest RAM is there",
			      declared->name, (unsigned long long)start);
		return -LICHEN_EEXIST;
	}
	if (in->stage)
		return fw_stage_place(in, window, bus, start);
	place = fw_place_begin(in, window);
	if (!place)
		return -LICHEN_EBUSY;
	status = fw_is_memory(declared) ? fw_place_memory(in, place, declared, bus, start)
					: fw_place_try(in, place, declared, bus, start);
	if (status == 0)
		fw_bells_move(in, window, 1);
	fw_place_tell(in->vm, bus, (uint32_t)fw_is_memory(declared));
	fw_place_end(in, place);
	return status;
}

void fw_places_show(struct lichen_instance *in)
{
	struct lichen_vm *vm = in->vm;

	pthread_mutex_lock(&vm->place_lock);
	fw_bus_show(vm->ports, in);
	fw_bus_show(vm->mmio, in);
	fw_place_follow(in, vm->mmio);
	pthread_mutex_unlock(&vm->place_lock);
	fw_listen_changed(vm);
}

lichen_status fw_bell_attach(struct fw_claim *claim)
{
	struct lichen_instance *in = claim->in;
	const struct fw_place *place = &in->places[claim->bell.window];
	lichen_status status;

	if (!place->bus || claim->bell.attached)
		return 0;
	claim->bell.hv.address = place->targets[place->current].start + claim->bell.offset;
	claim->bell.hv.is_port = fw_places_port(in, place->bus);
	status = in->vm->hv->doorbell(in->vm->hvm, &claim->bell.hv, 1);
	claim->bell.attached = status == 0;
	return status;
}

void fw_bell_detach(struct fw_claim *claim)
{
	if (claim->bell.attached)
		(void)claim->in->vm->hv->doorbell(claim->in->vm->hvm, &claim->bell.hv, 0);
	claim->bell.attached = 0;
}
