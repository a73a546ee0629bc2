/* SPDX-License-Identifier: MIT */
/* fake.c: VMs, memory slots, CPUID and MSR ranges of hv_fake.  See fake.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fake_parts.h"

enum { FAKE_PAGE = 4096 };

_Atomic uint32_t fake_living;
static _Atomic uint32_t fake_misused;
static _Atomic uint32_t fake_countdown[FAKE_CALLS];
static _Atomic int32_t fake_statuses[FAKE_CALLS];

void fake_misuse(void)
{
	atomic_fetch_add(&fake_misused, 1);
}

uint32_t fake_misuses(void)
{
	return atomic_load(&fake_misused);
}

uint32_t fake_alive(void)
{
	return atomic_load(&fake_living);
}

void fake_fail(enum fake_call call, uint32_t nth, lichen_status status)
{
	atomic_store(&fake_statuses[call], status);
	atomic_store(&fake_countdown[call], nth);
}

lichen_status fake_asked(enum fake_call call)
{
	uint32_t left = atomic_load_explicit(&fake_countdown[call], memory_order_relaxed);

	while (left && !atomic_compare_exchange_weak(&fake_countdown[call], &left, left - 1))
		;
	return left == 1 ? atomic_load(&fake_statuses[call]) : 0;
}

/* --- the VM --- */

static lichen_status fake_vm_create(int device, uint32_t vcpus, struct hv_vm **out,
				    struct ld_error *error)
{
	lichen_status status = fake_asked(FAKE_VM_CREATE);
	struct hv_vm *vm;

	(void)device;
	if (status < 0) {
		ld_error_set(error, "VM: refused by the test");
		return status;
	}
	if (vcpus == 0 || vcpus > FAKE_VCPUS_MAX) {
		ld_error_set(error, "%u vCPUs: this hypervisor runs 1 to %d in a VM", vcpus,
			     FAKE_VCPUS_MAX);
		return -LICHEN_ERANGE;
	}
	vm = calloc(1, sizeof(*vm));
	if (!vm) {
		ld_error_set(error, "VM: out of memory");
		return -LICHEN_ENOMEM;
	}
	pthread_rwlock_init(&vm->lock, NULL);
	pthread_mutex_init(&vm->irq_lock, NULL);
	vm->vcpu_limit = vcpus;
	vm->epoll = vm->quit = -1;
	for (uint32_t i = 0; i < FAKE_IRQFDS_MAX; i++)
		vm->irqfds[i].own = -1;
	atomic_fetch_add(&fake_living, 1);
	*out = vm;
	return 0;
}

static void fake_vm_destroy(struct hv_vm *vm)
{
	if (!vm)
		return;
	if (atomic_load(&vm->vcpu_count))
		fake_misuse();
	fake_irq_clear(vm);
	for (uint32_t i = 0; i < FAKE_SLOTS_MAX; i++)
		free(vm->slots[i].dirty);
	pthread_mutex_destroy(&vm->irq_lock);
	pthread_rwlock_destroy(&vm->lock);
	free(vm);
	atomic_fetch_sub(&fake_living, 1);
}

static void fake_caps(const struct hv_vm *vm, struct hv_caps *caps)
{
	(void)vm;
	*caps = (struct hv_caps){ .max_vcpus = FAKE_VCPUS_MAX,
				  .max_slots = FAKE_SLOTS_MAX,
				  .paging = HV_PAGING_NESTED,
				  .msi_routes = FAKE_GSIS };
}

static uint64_t fake_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static lichen_status fake_clock_get(struct hv_vm *vm, uint64_t *ns)
{
	pthread_mutex_lock(&vm->irq_lock);
	*ns = fake_now() - vm->clock_zero;
	pthread_mutex_unlock(&vm->irq_lock);
	return 0;
}

static lichen_status fake_clock_set(struct hv_vm *vm, uint64_t ns)
{
	pthread_mutex_lock(&vm->irq_lock);
	vm->clock_zero = fake_now() - ns;
	pthread_mutex_unlock(&vm->irq_lock);
	return 0;
}

/* --- memory --- */

static lichen_status fake_slot_check(const struct hv_slot *slot, struct ld_error *error)
{
	const uint64_t edges = slot->gpa | slot->size | (uintptr_t)slot->host;

	if (slot->number >= FAKE_SLOTS_MAX) {
		ld_error_set(error, "memory slot %u: this hypervisor has %d", slot->number,
			     FAKE_SLOTS_MAX);
		return -LICHEN_ERANGE;
	}
	if (slot->flags & ~(uint32_t)(HV_SLOT_READ_ONLY | HV_SLOT_TRACK_DIRTY)) {
		ld_error_set(error, "memory slot %u: flags 0x%x are not known", slot->number,
			     slot->flags);
		return -LICHEN_ENOTSUP;
	}
	if (slot->size == 0 || slot->size - 1 > UINT64_MAX - slot->gpa ||
	    edges & (FAKE_PAGE - 1)) {
		ld_error_set(error, "memory slot %u: not whole pages", slot->number);
		return -LICHEN_EINVAL;
	}
	return 0;
}

static lichen_status fake_map(struct hv_vm *vm, const struct hv_slot *slot,
			      struct ld_error *error)
{
	lichen_status status = fake_slot_check(slot, error);
	_Atomic uint64_t *dirty = NULL;

	if (status < 0)
		return status;
	status = fake_asked(FAKE_MAP);
	if (status == 0 && slot->flags & HV_SLOT_TRACK_DIRTY) {
		dirty = calloc((size_t)(slot->size / FAKE_PAGE + 63) / 64, sizeof(*dirty));
		if (!dirty)
			status = -LICHEN_ENOMEM;
	}
	if (status < 0) {
		ld_error_set(error, "memory slot %u: refused", slot->number);
		return status;
	}
	pthread_rwlock_wrlock(&vm->lock);
	for (uint32_t i = 0; i < FAKE_SLOTS_MAX; i++) {
		const struct hv_slot *other = &vm->slots[i].slot;

		if (i != slot->number && other->size &&
		    (slot->gpa > other->gpa ? other->size > slot->gpa - other->gpa
					    : slot->size > other->gpa - slot->gpa))
			status = -LICHEN_EEXIST;
	}
	if (status == 0) {
		free(vm->slots[slot->number].dirty);
		vm->slots[slot->number] = (struct fake_slot){ *slot, dirty };
	}
	pthread_rwlock_unlock(&vm->lock);
	if (status < 0) {
		ld_error_set(error, "memory slot %u: overlaps another", slot->number);
		free(dirty);
	}
	return status;
}

static void fake_unmap(struct hv_vm *vm, uint32_t number)
{
	if (number >= FAKE_SLOTS_MAX)
		return;
	pthread_rwlock_wrlock(&vm->lock);
	free(vm->slots[number].dirty);
	vm->slots[number] = (struct fake_slot){ .dirty = NULL };
	pthread_rwlock_unlock(&vm->lock);
}

static lichen_status fake_dirty(struct hv_vm *vm, uint32_t number, uint64_t *bits,
				uint64_t words)
{
	lichen_status status = -LICHEN_EINVAL;
	const struct fake_slot *slot;
	uint64_t count;

	if (number >= FAKE_SLOTS_MAX)
		return -LICHEN_ERANGE;
	pthread_rwlock_rdlock(&vm->lock);
	slot = &vm->slots[number];
	count = (slot->slot.size / FAKE_PAGE + 63) / 64;
	if (slot->dirty && words >= count) {
		for (uint64_t i = 0; i < count; i++)
			bits[i] = atomic_exchange(&slot->dirty[i], 0);
		status = 0;
	}
	pthread_rwlock_unlock(&vm->lock);
	return status;
}

/* The slot that holds all of [gpa, gpa + size), or NULL.  Caller holds the lock. */
static const struct fake_slot *fake_slot_at(const struct hv_vm *vm, lichen_gpa gpa,
					    uint32_t size)
{
	for (uint32_t i = 0; i < FAKE_SLOTS_MAX; i++) {
		const struct hv_slot *slot = &vm->slots[i].slot;

		if (gpa >= slot->gpa && gpa - slot->gpa < slot->size &&
		    size <= slot->size - (gpa - slot->gpa))
			return &vm->slots[i];
	}
	return NULL;
}

/*
 * What the guest writes and reads at once is its own affair: byte by byte and atomic, so that
 * no sanitizer takes it for ours, or whole where a processor would do it whole.
 */
static void fake_load(void *to, const uint8_t *from, uint32_t size)
{
	uint8_t *out = to;

	if (size == 4 && (uintptr_t)from % 4 == 0) {
		const uint32_t value =
			__atomic_load_n((const uint32_t *)(const void *)from, __ATOMIC_RELAXED);

		memcpy(to, &value, 4);
		return;
	}
	for (uint32_t i = 0; i < size; i++)
		out[i] = __atomic_load_n(from + i, __ATOMIC_RELAXED);
}

static void fake_store(uint8_t *to, const void *from, uint32_t size)
{
	const uint8_t *in = from;
	uint32_t value;

	if (size == 4 && (uintptr_t)to % 4 == 0) {
		memcpy(&value, from, 4);
		__atomic_store_n((uint32_t *)(void *)to, value, __ATOMIC_RELAXED);
		return;
	}
	for (uint32_t i = 0; i < size; i++)
		__atomic_store_n(to + i, in[i], __ATOMIC_RELAXED);
}

int fake_memory_read(struct hv_vm *vm, lichen_gpa gpa, void *to, uint32_t size)
{
	const struct fake_slot *slot;

	pthread_rwlock_rdlock(&vm->lock);
	slot = fake_slot_at(vm, gpa, size);
	if (slot)
		fake_load(to, (const uint8_t *)slot->slot.host + (gpa - slot->slot.gpa), size);
	pthread_rwlock_unlock(&vm->lock);
	return slot != NULL;
}

int fake_memory_write(struct hv_vm *vm, lichen_gpa gpa, const void *from, uint32_t size)
{
	const struct fake_slot *slot;
	int done = 0;

	pthread_rwlock_rdlock(&vm->lock);
	slot = fake_slot_at(vm, gpa, size);
	if (slot && !(slot->slot.flags & HV_SLOT_READ_ONLY)) {
		const uint64_t off = gpa - slot->slot.gpa;

		fake_store((uint8_t *)slot->slot.host + off, from, size);
		for (uint64_t page = off / FAKE_PAGE;
		     slot->dirty && page <= (off + size - 1) / FAKE_PAGE; page++)
			atomic_fetch_or(&slot->dirty[page / 64], UINT64_C(1) << page % 64);
		done = 1;
	}
	pthread_rwlock_unlock(&vm->lock);
	return done;
}

/* --- MSRs and CPUID --- */

static lichen_status fake_msrs(struct hv_vm *vm, const struct hv_msr_range *ranges,
			       uint32_t count)
{
	if (count > FAKE_RANGES_MAX)
		return -LICHEN_ENOSPC;
	for (uint32_t i = 0; i < count; i++)
		if (ranges[i].count == 0 || ranges[i].count - 1 > UINT32_MAX - ranges[i].base)
			return -LICHEN_EINVAL;
	pthread_rwlock_wrlock(&vm->lock);
	if (count)
		memcpy(vm->ranges, ranges, count * sizeof(*ranges));
	vm->range_count = count;
	pthread_rwlock_unlock(&vm->lock);
	return 0;
}

int fake_msr_claimed(struct hv_vm *vm, uint32_t index)
{
	int claimed = 0;

	pthread_rwlock_rdlock(&vm->lock);
	for (uint32_t i = 0; i < vm->range_count; i++)
		claimed |= index - vm->ranges[i].base < vm->ranges[i].count &&
			   index >= vm->ranges[i].base;
	pthread_rwlock_unlock(&vm->lock);
	return claimed;
}

/* A plain 64-bit processor of AMD's, with nothing that needs more than this file. */
static lichen_status fake_cpuid(struct hv_vm *vm, struct hv_cpuid *leaves, uint32_t *count)
{
	enum { ECX_X2APIC = 1 << 21, ECX_TSC_DEADLINE = 1 << 24 };
	static const struct hv_cpuid table[] = {
		{ .leaf = 0,
		  .eax = 0x10,
		  .ebx = 0x68747541,
		  .ecx = 0x444d4163,
		  .edx = 0x69746e65 }, /* AuthenticAMD */
		{ .leaf = 1,
		  .eax = 0x00800f12,
		  .ebx = 0x00000800,
		  .ecx = 0x00002001,
		  .edx = 0x078bfbff },
		{ .leaf = 7, .index = 0, .indexed = 1 },
		{ .leaf = 0xb, .index = 0, .indexed = 1 },
		{ .leaf = 0x40000000,
		  .eax = 0x40000000,
		  .ebx = 0x656b6146,
		  .ecx = 0x656b6146,
		  .edx = 0x656b6146 }, /* FakeFakeFake */
		{ .leaf = 0x80000000,
		  .eax = 0x80000008,
		  .ebx = 0x68747541,
		  .ecx = 0x444d4163,
		  .edx = 0x69746e65 },
		{ .leaf = 0x80000001, .eax = 0x00800f12, .ecx = 0x00000001, .edx = 0x2fd3fbff },
		{ .leaf = 0x80000007, .edx = 0x100 }, /* invariant TSC */
		{ .leaf = 0x80000008, .eax = 0x00003030 },
	};
	const uint32_t used = sizeof(table) / sizeof(table[0]);
	lichen_status status = fake_asked(FAKE_CPUID);

	if (status < 0)
		return status;
	if (used > *count)
		return -LICHEN_ENOSPC;
	memcpy(leaves, table, sizeof(table));
	pthread_mutex_lock(&vm->irq_lock);
	if (vm->pins)
		leaves[1].ecx |= ECX_X2APIC | ECX_TSC_DEADLINE;
	pthread_mutex_unlock(&vm->irq_lock);
	*count = used;
	return 0;
}

/* --- vCPUs --- */

/* Of the clock that alarms count by. */
static void fake_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attributes);
	pthread_condattr_destroy(&attributes);
}

static lichen_status fake_vcpu_create(struct hv_vm *vm, uint32_t index, uint32_t apic_id,
				      const struct hv_cpuid *leaves, uint32_t count,
				      struct hv_vcpu **out, struct ld_error *error)
{
	lichen_status status = fake_asked(FAKE_VCPU_CREATE);
	struct hv_vcpu *vcpu;

	(void)leaves;
	if (status == 0 && index >= vm->vcpu_limit)
		status = -LICHEN_ERANGE;
	if (status == 0 && count > HV_CPUID_MAX)
		status = -LICHEN_E2BIG;
	if (status == 0 && atomic_load(&vm->vcpus[index]))
		status = -LICHEN_EEXIST;
	vcpu = status < 0 ? NULL : calloc(1, sizeof(*vcpu));
	if (!vcpu) {
		ld_error_set(error, "vCPU %u: refused", index);
		return status < 0 ? status : -LICHEN_ENOMEM;
	}
	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->apic_id = apic_id;
	pthread_mutex_init(&vcpu->lock, NULL);
	fake_cond_init(&vcpu->changed);
	fake_cpu_initial(vcpu);
	atomic_store(&vm->vcpus[index], vcpu);
	atomic_fetch_add(&vm->vcpu_count, 1);
	atomic_fetch_add(&fake_living, 1);
	*out = vcpu;
	return 0;
}

static void fake_vcpu_destroy(struct hv_vcpu *vcpu)
{
	if (!vcpu)
		return;
	if (atomic_load(&vcpu->running))
		fake_misuse();
	/* No interrupt is on its way to it afterwards. */
	pthread_mutex_lock(&vcpu->vm->irq_lock);
	atomic_store(&vcpu->vm->vcpus[vcpu->index], NULL);
	pthread_mutex_unlock(&vcpu->vm->irq_lock);
	atomic_fetch_sub(&vcpu->vm->vcpu_count, 1);
	pthread_cond_destroy(&vcpu->changed);
	pthread_mutex_destroy(&vcpu->lock);
	free(vcpu);
	atomic_fetch_sub(&fake_living, 1);
}

void fake_look(struct hv_vm *vm, struct fake_view *view)
{
	pthread_mutex_lock(&vm->irq_lock);
	*view = vm->seen;
	for (uint32_t i = 0; i < FAKE_IRQFDS_MAX; i++)
		view->irqfds += vm->irqfds[i].own >= 0;
	pthread_mutex_unlock(&vm->irq_lock);
	pthread_rwlock_rdlock(&vm->lock);
	for (uint32_t i = 0; i < FAKE_SLOTS_MAX; i++)
		view->slots += vm->slots[i].slot.size != 0;
	view->bells = vm->bell_count;
	pthread_rwlock_unlock(&vm->lock);
	view->vcpus = atomic_load(&vm->vcpu_count);
}

struct hv_slot fake_slot(struct hv_vm *vm, uint32_t number)
{
	struct hv_slot slot;

	pthread_rwlock_rdlock(&vm->lock);
	slot = vm->slots[number].slot;
	pthread_rwlock_unlock(&vm->lock);
	return slot;
}

const struct hv_ops hv_fake = {
	.name = "fake",
	.vm_create = fake_vm_create,
	.vm_destroy = fake_vm_destroy,
	.caps = fake_caps,
	.map = fake_map,
	.unmap = fake_unmap,
	.dirty = fake_dirty,
	.irqchip_create = fake_irqchip_create,
	.irqchip_get = fake_irqchip_get,
	.irqchip_set = fake_irqchip_set,
	.pit_create = fake_pit_create,
	.pit_get = fake_pit_get,
	.pit_set = fake_pit_set,
	.line = fake_line,
	.message = fake_message,
	.routes = fake_routes,
	.irqfd = fake_irqfd,
	.doorbell = fake_doorbell,
	.msrs = fake_msrs,
	.cpuid = fake_cpuid,
	.vcpu_create = fake_vcpu_create,
	.vcpu_destroy = fake_vcpu_destroy,
	.vcpu_set = fake_vcpu_set,
	.vcpu_get = fake_vcpu_get,
	.vcpu_attach = fake_vcpu_attach,
	.vcpu_run = fake_vcpu_run,
	.vcpu_kick = fake_vcpu_kick,
	.vcpu_reset = fake_vcpu_reset,
	.vcpu_paused = fake_vcpu_paused,
	.vcpu_settle = fake_vcpu_settle,
	.vcpu_save = fake_vcpu_save,
	.vcpu_load = fake_vcpu_load,
	.vcpu_borrow = fake_vcpu_borrow,
	.vcpu_tables = fake_vcpu_tables,
	.vcpu_keep = fake_vcpu_keep,
	.vcpu_enter = fake_vcpu_enter,
	.vcpu_give_back = fake_vcpu_give_back,
	.vcpu_alarm = fake_vcpu_alarm,
	.clock_get = fake_clock_get,
	.clock_set = fake_clock_set,
};
