/* SPDX-License-Identifier: MIT */
/* placement.c: where an instance's windows lie, and the doorbells in them. */
#include "vm.h"

static uint32_t fw_places_port(const struct lichen_instance *in, const struct fw_bus *bus)
{
	return bus == in->vm->ports;
}

/* Doorbells move with their window. */
static void fw_bells_move(struct lichen_instance *in, uint32_t window, int attach)
{
	for (uint32_t i = 0; i < FW_CLAIMS_MAX; i++) {
		struct fw_claim *claim =
			atomic_load_explicit(&in->slots[i].claim, memory_order_acquire);

		if (!claim || claim->kind != FW_CLAIM_DOORBELL || claim->bell.window != window)
			continue;
		if (!attach)
			fw_bell_detach(claim);
		else if (fw_bell_attach(claim) < 0)
			fw_host.log(
				in, LICHEN_LOG_WARN,
				"doorbell at window %u + 0x%llx: the hardware has no room at "
				"the new place",
				window, (unsigned long long)claim->bell.offset);
	}
}

lichen_status fw_unplace(struct lichen_instance *in, uint32_t window)
{
	struct fw_place *place;

	if (window >= in->class->windows.count)
		return -LICHEN_EINVAL;
	place = &in->places[window];
	if (!place->bus)
		return -LICHEN_ENOENT;
	fw_bells_move(in, window, 0);
	(void)fw_bus_remove(place->bus, &place->target);
	place->bus = NULL;
	return 0;
}

static void fw_place_blame(struct lichen_instance *in, const struct lichen_window *window,
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

lichen_status fw_place(struct lichen_instance *in, uint32_t window, struct fw_bus *bus,
		       uint64_t start)
{
	const struct fw_target *clash = NULL;
	const struct lichen_window *declared;
	struct fw_place *place;
	lichen_status status;

	if (window >= in->class->windows.count) {
		fw_host.error(in, "window %u: the class has %u", window,
			      in->class->windows.count);
		return -LICHEN_EINVAL;
	}
	declared = &FW_ITEMS(struct lichen_window, in->class->windows)[window];
	place = &in->places[window];
	if (!fw_places_port(in, bus) &&
	    fw_memory_touches(&in->vm->memory, start, declared->size)) {
		fw_host.error(in, "window %s: address 0x%llx: guest RAM is there",
			      declared->name, (unsigned long long)start);
		return -LICHEN_EEXIST;
	}
	if (place->bus)
		(void)fw_unplace(in, window);
	place->target = (struct fw_target){ .window = declared,
					    .self = in->self,
					    .lock = fw_is_parallel(in) ? NULL : &in->lock,
					    .start = start,
					    .owner = in };
	status = fw_bus_insert(bus, &place->target, &clash);
	if (status == -LICHEN_EEXIST && clash)
		fw_place_blame(in, declared, bus, start, clash);
	else if (status == -LICHEN_ERANGE)
		fw_host.error(in,
			      "window %s: 0x%llx: %llu bytes from there pass the end of the %s",
			      declared->name, (unsigned long long)start,
			      (unsigned long long)declared->size,
			      fw_places_port(in, bus) ? "ports, 0xffff" : "address space");
	if (status < 0)
		return status;
	place->bus = bus;
	fw_bells_move(in, window, 1);
	return 0;
}

lichen_status fw_bell_attach(struct fw_claim *claim)
{
	struct lichen_instance *in = claim->in;
	const struct fw_place *place = &in->places[claim->bell.window];
	lichen_status status;

	if (!place->bus || claim->bell.attached)
		return 0;
	claim->bell.hv.address = place->target.start + claim->bell.offset;
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
