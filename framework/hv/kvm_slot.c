/* SPDX-License-Identifier: MIT */
/* kvm_slot.c: guest memory in KVM's slots.  See kvm.h. */
#include <string.h>

#include "kvm.h"

enum { KVM_PAGE = 4096 };

/* size 0 deletes. */
static int kvm_slot_set(struct hv_vm *vm, uint32_t number, const struct kvm_slot *slot)
{
	struct kvm_userspace_memory_region region = {
		.slot = number,
		.guest_phys_addr = slot->gpa,
		.memory_size = slot->size,
		.userspace_addr = (uintptr_t)slot->host,
	};

	if (slot->flags & HV_SLOT_READ_ONLY)
		region.flags |= KVM_MEM_READONLY;
	if (slot->flags & HV_SLOT_TRACK_DIRTY)
		region.flags |= KVM_MEM_LOG_DIRTY_PAGES;
	return kvm_call(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

static void kvm_slot_delete(struct hv_vm *vm, uint32_t number)
{
	struct kvm_slot none = vm->slots[number];

	if (none.size == 0)
		return;
	none.size = 0;
	none.flags = 0;
	(void)kvm_slot_set(vm, number, &none);
	vm->slots[number].size = 0;
}

/* KVM changes only the dirty flag of a slot that exists; all else means a new one. */
static int kvm_slot_same_memory(const struct kvm_slot *a, const struct kvm_slot *b)
{
	return a->gpa == b->gpa && a->size == b->size && a->host == b->host &&
	       !((a->flags ^ b->flags) & HV_SLOT_READ_ONLY);
}

/* Caller holds slot_lock.  Puts the old one back where the new one is refused. */
static int kvm_slot_replace(struct hv_vm *vm, uint32_t number, const struct kvm_slot *slot)
{
	struct kvm_slot old = vm->slots[number];
	int result;

	if (old.size && !kvm_slot_same_memory(&old, slot))
		kvm_slot_delete(vm, number);
	result = kvm_slot_set(vm, number, slot);
	if (result == 0)
		vm->slots[number] = *slot;
	else if (old.size && vm->slots[number].size == 0 && kvm_slot_set(vm, number, &old) == 0)
		vm->slots[number] = old;
	return result;
}

lichen_status kvm_map(struct hv_vm *vm, const struct hv_slot *slot, struct ld_error *error)
{
	const uint32_t known = HV_SLOT_READ_ONLY | HV_SLOT_TRACK_DIRTY;
	const struct kvm_slot wanted = { slot->gpa, slot->size, slot->host, slot->flags };
	uint64_t edges = slot->gpa | slot->size | (uintptr_t)slot->host;
	lichen_status status = 0;
	int result;

	if (slot->number >= vm->caps.max_slots) {
		ld_error_set(error, "memory slot %u: this KVM has %u", slot->number,
			     vm->caps.max_slots);
		return -LICHEN_ERANGE;
	}
	if (slot->flags & ~known) {
		ld_error_set(error, "memory slot %u: flags 0x%x: 0x%x are known", slot->number,
			     slot->flags, known);
		return -LICHEN_ENOTSUP;
	}
	if (slot->size == 0 || slot->size - 1 > UINT64_MAX - slot->gpa ||
	    edges & (KVM_PAGE - 1)) {
		ld_error_set(error,
			     "memory slot %u: 0x%llx bytes at 0x%llx from %p: not whole pages",
			     slot->number, (unsigned long long)slot->size,
			     (unsigned long long)slot->gpa, slot->host);
		return -LICHEN_EINVAL;
	}
	pthread_mutex_lock(&vm->slot_lock);
	result = kvm_slot_replace(vm, slot->number, &wanted);
	pthread_mutex_unlock(&vm->slot_lock);
	if (result < 0) {
		const char *why = strerrordesc_np(-result);

		status = kvm_outcome(result);
		ld_error_set(error,
			     "memory slot %u: 0x%llx bytes at 0x%llx: refused by KVM: %s",
			     slot->number, (unsigned long long)slot->size,
			     (unsigned long long)slot->gpa, why ? why : "no reason given");
	}
	return status;
}

void kvm_unmap(struct hv_vm *vm, uint32_t number)
{
	if (number >= vm->caps.max_slots)
		return;
	pthread_mutex_lock(&vm->slot_lock);
	kvm_slot_delete(vm, number);
	pthread_mutex_unlock(&vm->slot_lock);
}

lichen_status kvm_dirty(struct hv_vm *vm, uint32_t number, uint64_t *bits, uint64_t words)
{
	struct kvm_dirty_log log = { .slot = number, .dirty_bitmap = bits };
	lichen_status status = -LICHEN_EINVAL;
	const struct kvm_slot *slot;

	if (number >= vm->caps.max_slots)
		return -LICHEN_ERANGE;
	pthread_mutex_lock(&vm->slot_lock);
	slot = &vm->slots[number];
	/* KVM writes whole 64-bit words for all of the slot's pages. */
	if (slot->size && slot->flags & HV_SLOT_TRACK_DIRTY &&
	    words >= (slot->size / KVM_PAGE + 63) / 64) {
		int result = kvm_call(vm->fd, KVM_GET_DIRTY_LOG, &log);

		status = kvm_outcome(result);
	}
	pthread_mutex_unlock(&vm->slot_lock);
	return status;
}
