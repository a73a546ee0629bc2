/* SPDX-License-Identifier: MIT */
/*
 * kvm_irq.c: KVM's interrupt controllers and PIT, ways to raise interrupts, and
 * doorbells.  See kvm.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kvm.h"

enum {
	KVM_PIC_LINES = 16, /* of both */
	KVM_PIT_GSI = 0,
	KVM_PIT_PIN = 2,
	KVM_CASCADE = 2,
};

_Static_assert(sizeof(((struct kvm_irqchip *)0)->chip) == LICHEN_IRQCHIP_STATE_SIZE,
	       "state of an interrupt controller");
_Static_assert(sizeof(struct kvm_pit_state2) == LICHEN_PIT_STATE_SIZE, "state of the PIT");
_Static_assert(KVM_IRQCHIP_PIC_MASTER == LICHEN_IRQCHIP_PIC_MASTER &&
		       KVM_IRQCHIP_PIC_SLAVE == LICHEN_IRQCHIP_PIC_SLAVE &&
		       KVM_IRQCHIP_IOAPIC == LICHEN_IRQCHIP_IOAPIC,
	       "parts of the irqchip");

/* --- routes --- */

static void kvm_route_pin(struct kvm_irq_routing *table, uint32_t gsi, uint32_t chip,
			  uint32_t pin)
{
	table->entries[table->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

/*
 * The PIT raises GSI 0, which PCs wire to pin 0 of the master PIC and to pin 2 of
 * the IOAPIC (the MADT says so by an interrupt source override).  GSI 2, the
 * PICs' cascade, goes nowhere: a second way to IOAPIC pin 2 would take the end of
 * interrupt away from the PIT, which waits for it before its next tick.
 */
static void kvm_route_pins(const struct hv_vm *vm, struct kvm_irq_routing *table)
{
	for (uint32_t gsi = 0; gsi < vm->pins; gsi++) {
		if (gsi == KVM_CASCADE)
			continue;
		if (gsi < KVM_PIC_LINES)
			kvm_route_pin(table, gsi,
				      gsi < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
				      gsi % 8);
		kvm_route_pin(table, gsi, KVM_IRQCHIP_IOAPIC,
			      gsi == KVM_PIT_GSI ? KVM_PIT_PIN : gsi);
	}
}

static int kvm_line_exists(const struct hv_vm *vm, uint32_t gsi)
{
	return gsi < vm->pins && gsi != KVM_CASCADE;
}

lichen_status kvm_routes(struct hv_vm *vm, const struct hv_route *routes, uint32_t count)
{
	struct kvm_irq_routing *table;
	lichen_status status;

	if (vm->pins == 0)
		return -LICHEN_ENODEV;
	if (count > vm->caps.msi_routes)
		return -LICHEN_ENOSPC;
	table = calloc(1, sizeof(*table) + ((size_t)count + vm->pins + KVM_PIC_LINES) *
						   sizeof(table->entries[0]));
	if (!table)
		return -LICHEN_ENOMEM;
	kvm_route_pins(vm, table);
	status = 0;
	for (uint32_t i = 0; i < count && status == 0; i++) {
		const struct hv_route *route = &routes[i];

		if (!route->is_message) { /* a pin, which has its way already */
			status = kvm_line_exists(vm, route->gsi) ? 0 : -LICHEN_EINVAL;
			continue;
		}
		if (route->gsi < vm->pins || route->gsi >= vm->caps.msi_routes) {
			status = -LICHEN_EINVAL;
			continue;
		}
		table->entries[table->nr++] = (struct kvm_irq_routing_entry){
			.gsi = route->gsi,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = (uint32_t)route->address,
				   .address_hi = (uint32_t)(route->address >> 32),
				   .data = route->data },
		};
	}
	if (status == 0)
		status = kvm_outcome(kvm_call(vm->fd, KVM_SET_GSI_ROUTING, table));
	free(table);
	return status;
}

/* --- controllers --- */

lichen_status kvm_irqchip_create(struct hv_vm *vm, uint32_t *pins)
{
	lichen_status status;

	if (vm->pins)
		return -LICHEN_EEXIST;
	status = kvm_outcome(kvm_call_number(vm->fd, KVM_CREATE_IRQCHIP, 0));
	if (status < 0)
		return status;
	vm->pins = KVM_IOAPIC_NUM_PINS;
	status = kvm_routes(vm, NULL, 0);
	if (status == 0)
		*pins = vm->pins;
	return status;
}

lichen_status kvm_irqchip_get(struct hv_vm *vm, uint32_t part,
			      uint8_t state[static LICHEN_IRQCHIP_STATE_SIZE])
{
	struct kvm_irqchip chip = { .chip_id = part };
	lichen_status status;

	if (vm->pins == 0)
		return -LICHEN_ENODEV;
	if (part > LICHEN_IRQCHIP_IOAPIC)
		return -LICHEN_EINVAL;
	status = kvm_outcome(kvm_call(vm->fd, KVM_GET_IRQCHIP, &chip));
	if (status == 0)
		memcpy(state, &chip.chip, LICHEN_IRQCHIP_STATE_SIZE);
	return status;
}

lichen_status kvm_irqchip_set(struct hv_vm *vm, uint32_t part,
			      const uint8_t state[static LICHEN_IRQCHIP_STATE_SIZE])
{
	struct kvm_irqchip chip = { .chip_id = part };

	if (vm->pins == 0)
		return -LICHEN_ENODEV;
	if (part > LICHEN_IRQCHIP_IOAPIC)
		return -LICHEN_EINVAL;
	memcpy(&chip.chip, state, LICHEN_IRQCHIP_STATE_SIZE);
	return kvm_outcome(kvm_call(vm->fd, KVM_SET_IRQCHIP, &chip));
}

lichen_status kvm_pit_create(struct hv_vm *vm)
{
	/* The "dummy speaker" is port 0x61, whose bits programs poll to measure time. */
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };
	lichen_status status;

	if (vm->pins == 0)
		return -LICHEN_ENODEV;
	if (vm->pit)
		return -LICHEN_EEXIST;
	status = kvm_outcome(kvm_call(vm->fd, KVM_CREATE_PIT2, &config));
	vm->pit = status == 0;
	return status;
}

lichen_status kvm_pit_get(struct hv_vm *vm, uint8_t state[static LICHEN_PIT_STATE_SIZE])
{
	struct kvm_pit_state2 pit = { 0 };
	lichen_status status;

	if (!vm->pit)
		return -LICHEN_ENODEV;
	status = kvm_outcome(kvm_call(vm->fd, KVM_GET_PIT2, &pit));
	if (status == 0)
		memcpy(state, &pit, sizeof(pit));
	return status;
}

lichen_status kvm_pit_set(struct hv_vm *vm, const uint8_t state[static LICHEN_PIT_STATE_SIZE])
{
	struct kvm_pit_state2 pit;

	if (!vm->pit)
		return -LICHEN_ENODEV;
	memcpy(&pit, state, sizeof(pit));
	return kvm_outcome(kvm_call(vm->fd, KVM_SET_PIT2, &pit));
}

/* --- raising interrupts --- */

lichen_status kvm_line(struct hv_vm *vm, uint32_t gsi, uint32_t level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level != 0 };

	if (vm->pins == 0)
		return -LICHEN_ENODEV;
	if (!kvm_line_exists(vm, gsi))
		return -LICHEN_ERANGE;
	return kvm_outcome(kvm_call(vm->fd, KVM_IRQ_LINE, &line));
}

lichen_status kvm_message(struct hv_vm *vm, uint64_t address, uint32_t data)
{
	struct kvm_msi message = { .address_lo = (uint32_t)address,
				   .address_hi = (uint32_t)(address >> 32),
				   .data = data };
	int result;

	if (vm->pins == 0)
		return -LICHEN_ENODEV;
	result = kvm_call(vm->fd, KVM_SIGNAL_MSI, &message);
	/* It is for no vCPU that there is: lost, as on hardware. */
	return result == -EPERM ? 0 : kvm_outcome(result);
}

lichen_status kvm_irqfd(struct hv_vm *vm, uint32_t gsi, int trigger, int resample, int attach)
{
	struct kvm_irqfd irqfd = { .fd = (uint32_t)trigger, .gsi = gsi };

	if (vm->pins == 0)
		return -LICHEN_ENODEV;
	if (gsi >= vm->caps.msi_routes || gsi == KVM_CASCADE)
		return -LICHEN_ERANGE;
	if (!attach) {
		irqfd.flags = KVM_IRQFD_FLAG_DEASSIGN;
	} else if (resample >= 0) {
		irqfd.flags = KVM_IRQFD_FLAG_RESAMPLE;
		irqfd.resamplefd = (uint32_t)resample;
	}
	return kvm_outcome(kvm_call(vm->fd, KVM_IRQFD, &irqfd));
}

/* --- doorbells --- */

lichen_status kvm_doorbell(struct hv_vm *vm, const struct hv_doorbell *bell, int attach)
{
	struct kvm_ioeventfd event = { .datamatch = bell->value,
				       .addr = bell->address,
				       .len = bell->size,
				       .fd = bell->descriptor };

	switch (bell->size) {
	case 0: /* any size: of a port there is no such thing, nor is there a value to match */
		if (bell->is_port || bell->match)
			return -LICHEN_EINVAL;
		break;
	case 1:
	case 2:
	case 4:
		break;
	case 8:
		if (bell->is_port)
			return -LICHEN_EINVAL;
		break;
	default:
		return -LICHEN_EINVAL;
	}
	if (bell->is_port)
		event.flags |= KVM_IOEVENTFD_FLAG_PIO;
	if (bell->match)
		event.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
	if (!attach)
		event.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	return kvm_outcome(kvm_call(vm->fd, KVM_IOEVENTFD, &event));
}
