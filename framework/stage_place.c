/* SPDX-License-Identifier: MIT */
/* stage_place.c: windows and doorbells of a staged instance.  See stage.h. */
#include <poll.h>
#include <unistd.h>

#include "stage.h"
#include "status.h"
#include "vm.h"

/* A window of the instance's own that is in the way; NULL: none. */
static const struct fw_target *fw_stage_overlaps(const struct lichen_instance *in,
						 uint32_t window, const struct fw_bus *bus,
						 const struct fw_target *target)
{
	for (uint32_t i = 0; i < in->class->windows.count; i++) {
		const struct fw_place *place = &in->places[i];
		const struct fw_target *other = &place->targets[place->current];

		if (i == window || place->bus != bus ||
		    other->window->rank != target->window->rank)
			continue;
		if (other->start <= target->start + (target->window->size - 1) &&
		    target->start <= other->start + (other->window->size - 1))
			return other;
	}
	return NULL;
}

lichen_status fw_stage_place(struct lichen_instance *in, uint32_t window, struct fw_bus *bus,
			     uint64_t start)
{
	const struct lichen_window *declared =
		&FW_ITEMS(struct lichen_window, in->class->windows)[window];
	struct fw_place *place = &in->places[window];
	const struct fw_target *clash = NULL;
	struct fw_target target;
	lichen_status status;

	if (declared->kind != LICHEN_IO && !place->memory.backing) {
		fw_host.error(in, "window %s: nothing is mapped into it yet", declared->name);
		return -LICHEN_EINVAL;
	}
	target = fw_place_target(in, place, declared, start);
	status = fw_bus_check(bus, &target, in->stage->old, &clash);
	if (status == 0)
		clash = fw_stage_overlaps(in, window, bus, &target);
	if (clash)
		status = -LICHEN_EEXIST;
	if (status < 0) {
		fw_place_blame(in, declared, bus, start, status, clash);
		return status;
	}
	place->targets[place->current] = target;
	place->bus = bus;
	return 0;
}

lichen_status fw_stage_unplace(struct lichen_instance *in, uint32_t window)
{
	struct fw_place *place = &in->places[window];
	const int placed = place->bus != NULL;

	place->bus = NULL;
	return placed ? 0 : -LICHEN_ENOENT;
}

static void fw_stage_append(struct lichen_instance *in, const struct fw_bus *bus,
			    struct fw_target **targets, uint32_t *count)
{
	for (uint32_t i = 0; i < in->class->windows.count; i++) {
		struct fw_place *place = &in->places[i];

		if (place->bus == bus)
			targets[(*count)++] = &place->targets[place->current];
	}
}

void fw_stage_targets(struct fw_stage *stage, const struct fw_bus *bus, struct fw_target **out,
		      uint32_t *outs, struct fw_target **in, uint32_t *ins)
{
	fw_stage_append(stage->old, bus, out, outs);
	fw_stage_append(stage->in, bus, in, ins);
}

uint32_t fw_stage_memory(const struct lichen_instance *in)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < in->class->windows.count; i++)
		count += in->places[i].bus && in->places[i].memory.declared;
	return count;
}

void fw_stage_places_publish(struct fw_stage *stage)
{
	for (uint32_t i = 0; i < stage->old->class->windows.count; i++)
		stage->old->places[i].bus = NULL;
	fw_places_yield(stage->old, stage->in);
}

/* --- doorbells --- */

static struct fw_claim *fw_stage_bell(struct lichen_instance *in, uint32_t slot)
{
	struct fw_claim *claim = atomic_load(&in->slots[slot].claim);

	return claim && claim->kind == FW_CLAIM_DOORBELL ? claim : NULL;
}

static lichen_status fw_stage_attach(struct lichen_instance *in)
{
	lichen_status status = 0;

	for (uint32_t i = 0; i < FW_CLAIMS_MAX && status == 0; i++) {
		struct fw_claim *claim = fw_stage_bell(in, i);

		if (claim)
			status = fw_bell_attach(claim);
	}
	return status;
}

static void fw_stage_detach(struct lichen_instance *in)
{
	for (uint32_t i = 0; i < FW_CLAIMS_MAX; i++) {
		struct fw_claim *claim = fw_stage_bell(in, i);

		if (claim)
			fw_bell_detach(claim);
	}
}

lichen_status fw_stage_bells_attach(struct fw_stage *stage, struct fw_diags *diags)
{
	struct lichen_instance *in = stage->in;
	lichen_status status;

	pthread_mutex_lock(&in->vm->place_lock);
	fw_stage_detach(stage->old);
	stage->bells = 1;
	status = fw_stage_attach(in);
	pthread_mutex_unlock(&in->vm->place_lock);
	if (status < 0) {
		fw_instance_blame(in, "its doorbells", status, diags);
		fw_stage_bells_return(stage);
	}
	return status;
}

void fw_stage_bells_return(struct fw_stage *stage)
{
	struct lichen_instance *old = stage->old;

	if (!stage->bells)
		return;
	stage->bells = 0;
	pthread_mutex_lock(&old->vm->place_lock);
	fw_stage_detach(stage->in);
	if (fw_stage_attach(old) < 0)
		fw_host.log(old, LICHEN_LOG_ERROR,
			    "doorbells: the hardware does not take them back");
	pthread_mutex_unlock(&old->vm->place_lock);
}

static int fw_bell_same(const struct fw_bell *one, const struct fw_bell *other)
{
	return one->window == other->window && one->offset == other->offset &&
	       one->hv.size == other->hv.size && one->hv.match == other->hv.match &&
	       (!one->hv.match || one->hv.value == other->hv.value);
}

/* What is in the one eventfd goes into the other. */
static void fw_bell_pour(const struct fw_bell *from, const struct fw_bell *to)
{
	struct pollfd waiting = { .fd = from->hv.descriptor, .events = POLLIN };
	uint64_t rings;

	if (poll(&waiting, 1, 0) == 1 && (waiting.revents & POLLIN) &&
	    read(from->hv.descriptor, &rings, sizeof(rings)) == sizeof(rings))
		(void)!write(to->hv.descriptor, &rings, sizeof(rings));
}

void fw_stage_bells_publish(struct fw_stage *stage)
{
	for (uint32_t i = 0; i < FW_CLAIMS_MAX; i++) {
		const struct fw_claim *old = fw_stage_bell(stage->old, i);

		for (uint32_t k = 0; old && k < FW_CLAIMS_MAX; k++) {
			const struct fw_claim *claim = fw_stage_bell(stage->in, k);

			if (!claim || !fw_bell_same(&old->bell, &claim->bell))
				continue;
			fw_bell_pour(&old->bell, &claim->bell);
			break;
		}
	}
}
