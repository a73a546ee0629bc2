/* SPDX-License-Identifier: MIT */
/* fake_hv.h: just enough of a hypervisor to test the memory map and interrupts. */
#ifndef TEST_FAKE_HV_H
#define TEST_FAKE_HV_H

#include <string.h>

#include "hv/hv.h"

enum { FAKE_SLOTS = 32, FAKE_GSIS = 64, FAKE_ROUTES = 64 };

struct hv_vm {
	struct hv_slot slots[FAKE_SLOTS];
	uint32_t slot_count;  /* mapped now */
	uint32_t fail_map_at; /* the nth map fails; 0: none */
	uint32_t maps;	      /* tried */
	uint32_t level[FAKE_GSIS];
	uint32_t drives; /* calls of line() */
	uint32_t messages;
	uint64_t last_address;
	struct hv_route routes[FAKE_ROUTES];
	uint32_t route_count;
	int irqfds; /* attached now */
};

static lichen_status fake_map(struct hv_vm *vm, const struct hv_slot *slot,
			      struct ld_error *error)
{
	if (++vm->maps == vm->fail_map_at) {
		ld_error_set(error, "no slot");
		return -LICHEN_ENOSPC;
	}
	vm->slots[slot->number] = *slot;
	vm->slot_count++;
	return 0;
}

static void fake_unmap(struct hv_vm *vm, uint32_t number)
{
	memset(&vm->slots[number], 0, sizeof(vm->slots[number]));
	vm->slot_count--;
}

static lichen_status fake_line(struct hv_vm *vm, uint32_t gsi, uint32_t level)
{
	vm->level[gsi] = level;
	vm->drives++;
	return 0;
}

static lichen_status fake_message(struct hv_vm *vm, uint64_t address, uint32_t data)
{
	(void)data;
	vm->messages++;
	vm->last_address = address;
	return 0;
}

static lichen_status fake_routes(struct hv_vm *vm, const struct hv_route *routes,
				 uint32_t count)
{
	if (count)
		memcpy(vm->routes, routes, count * sizeof(*routes));
	vm->route_count = count;
	return 0;
}

static lichen_status fake_irqfd(struct hv_vm *vm, uint32_t gsi, int trigger, int resample,
				int attach)
{
	(void)gsi, (void)trigger, (void)resample;
	vm->irqfds += attach ? 1 : -1;
	return 0;
}

static const struct hv_ops fake_hv = {
	.name = "fake",
	.map = fake_map,
	.unmap = fake_unmap,
	.line = fake_line,
	.message = fake_message,
	.routes = fake_routes,
	.irqfd = fake_irqfd,
};

#endif
