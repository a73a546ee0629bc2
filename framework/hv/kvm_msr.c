/* SPDX-License-Identifier: MIT */
/* kvm_msr.c: which MSRs are delivered to user space, and CPUID.  See kvm.h. */
#include <errno.h>
#include <stdlib.h>

#include "kvm.h"

enum {
	KVM_LEAF_FEATURES = 1,
	KVM_LEAF_TOPOLOGY = 0xb,
	KVM_LEAF_TOPOLOGY_V2 = 0x1f,
	KVM_ECX_X2APIC = 1 << 21,
	KVM_ECX_TSC_DEADLINE = 1 << 24,
};
#define KVM_LEAF_AMD_TOPOLOGY 0x8000001eu

/* Processor brand string (SDM 2A, CPUID; APM 3, E.4.2). */
#define KVM_LEAF_NAME_FIRST 0x80000002u
#define KVM_LEAF_NAME_LAST 0x80000004u

/*
 * A filter that allows all but the ranges, whose bitmaps are all 0; what it
 * denies leaves KVM_RUN with the reason that kvm_setup() asked for.
 */
lichen_status kvm_msrs(struct hv_vm *vm, const struct hv_msr_range *ranges, uint32_t count)
{
	static uint8_t none[KVM_MSR_FILTER_MAX_BITMAP_SIZE]; /* never written */
	const uint32_t most = 8 * KVM_MSR_FILTER_MAX_BITMAP_SIZE;
	struct kvm_msr_filter filter = { .flags = KVM_MSR_FILTER_DEFAULT_ALLOW };
	uint32_t used = 0;
	int result;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t base = ranges[i].base, left = ranges[i].count;

		if (left == 0 || left - 1 > UINT32_MAX - base)
			return -LICHEN_EINVAL;
		for (; left; used++) {
			uint32_t part = left < most ? left : most;

			if (used == KVM_MSR_FILTER_MAX_RANGES)
				return -LICHEN_ENOSPC;
			filter.ranges[used] = (struct kvm_msr_filter_range){
				.flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
				.nmsrs = part,
				.base = base,
				.bitmap = none,
			};
			left -= part;
			base += part;
		}
	}
	result = kvm_call(vm->fd, KVM_X86_SET_MSR_FILTER, &filter);
	return kvm_outcome(result);
}

static struct kvm_cpuid2 *kvm_leaves_new(uint32_t room)
{
	struct kvm_cpuid2 *leaves =
		calloc(1, sizeof(*leaves) + room * sizeof(leaves->entries[0]));

	if (leaves)
		leaves->nent = room;
	return leaves;
}

/* Two features live in the local APIC, so they are there exactly where KVM's is. */
static uint32_t kvm_apic_features(const struct hv_vm *vm, uint32_t ecx)
{
	if (vm->pins == 0)
		return ecx & ~(uint32_t)(KVM_ECX_X2APIC | KVM_ECX_TSC_DEADLINE);
	if (kvm_cap(vm, KVM_CAP_TSC_DEADLINE_TIMER))
		ecx |= KVM_ECX_TSC_DEADLINE;
	return ecx | KVM_ECX_X2APIC;
}

/* KVM lists the leaves of the processor's name and leaves them empty: the host's own. */
static void kvm_cpuid_name(struct hv_cpuid *leaf)
{
	if (leaf->leaf >= KVM_LEAF_NAME_FIRST && leaf->leaf <= KVM_LEAF_NAME_LAST)
		__asm__("cpuid"
			: "=a"(leaf->eax), "=b"(leaf->ebx), "=c"(leaf->ecx), "=d"(leaf->edx)
			: "a"(leaf->leaf), "c"(0));
}

/* KVM copies the id of the processor that it happens to run on: the caller gives ids. */
static void kvm_cpuid_id(struct hv_cpuid *leaf)
{
	if (leaf->leaf == KVM_LEAF_FEATURES)
		leaf->ebx &= 0x00ffffff;
	else if (leaf->leaf == KVM_LEAF_TOPOLOGY || leaf->leaf == KVM_LEAF_TOPOLOGY_V2)
		leaf->edx = 0;
	else if (leaf->leaf == KVM_LEAF_AMD_TOPOLOGY)
		leaf->eax = 0;
}

lichen_status kvm_cpuid(struct hv_vm *vm, struct hv_cpuid *leaves, uint32_t *count)
{
	struct kvm_cpuid2 *host = kvm_leaves_new(HV_CPUID_MAX);
	int result;

	if (!host)
		return -LICHEN_ENOMEM;
	result = kvm_call(vm->kvm, KVM_GET_SUPPORTED_CPUID, host);
	if (result == 0 && host->nent > *count)
		result = -ENOSPC;
	for (uint32_t i = 0; result == 0 && i < host->nent; i++) {
		const struct kvm_cpuid_entry2 *from = &host->entries[i];

		leaves[i] = (struct hv_cpuid){
			.leaf = from->function,
			.index = from->index,
			.indexed = (from->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0,
			.eax = from->eax,
			.ebx = from->ebx,
			.ecx = from->ecx,
			.edx = from->edx,
		};
		if (from->function == KVM_LEAF_FEATURES)
			leaves[i].ecx = kvm_apic_features(vm, from->ecx);
		kvm_cpuid_name(&leaves[i]);
		kvm_cpuid_id(&leaves[i]);
	}
	if (result == 0)
		*count = host->nent;
	free(host);
	return kvm_outcome(result);
}

lichen_status kvm_vcpu_cpuid(struct hv_vcpu *vcpu, const struct hv_cpuid *leaves,
			     uint32_t count)
{
	struct kvm_cpuid2 *guest;
	int result;

	if (count > HV_CPUID_MAX)
		return -LICHEN_E2BIG;
	guest = kvm_leaves_new(count);
	if (!guest)
		return -LICHEN_ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		guest->entries[i] = (struct kvm_cpuid_entry2){
			.function = leaves[i].leaf,
			.index = leaves[i].index,
			.flags = leaves[i].indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
			.eax = leaves[i].eax,
			.ebx = leaves[i].ebx,
			.ecx = leaves[i].ecx,
			.edx = leaves[i].edx,
		};
	result = kvm_call(vcpu->fd, KVM_SET_CPUID2, guest);
	free(guest);
	return kvm_outcome(result);
}
