/* SPDX-License-Identifier: MIT */
/* kvm_msr_state.c: the MSRs of a vCPU, read and written by the list.  See kvm.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kvm.h"

/* KVM's list leaves these out, and yet has them (SDM 4, IA32_MTRR..., IA32_MCi_...). */
static const struct {
	uint32_t first, count;
} kvm_unlisted[] = {
	{ 0x200, 16 },	/* MTRRs: variable ranges */
	{ 0x250, 1 },	/* fixed, 64 KiB each */
	{ 0x258, 2 },	/* 16 KiB each */
	{ 0x268, 8 },	/* 4 KiB each */
	{ 0x2ff, 1 },	/* default type */
	{ 0x400, 128 }, /* 32 banks of machine checks */
};

/* Those of Hyper-V that count on their own, in a guest that never asked for it too. */
enum { KVM_MSR_HV_RUNTIME = 0x40000010, KVM_MSR_HV_TIME = 0x40000020 };

static int kvm_msr_is_named(const struct kvm_msr_names *names, uint32_t index)
{
	for (uint32_t i = 0; i < names->count; i++)
		if (names->index[i] == index)
			return 1;
	return 0;
}

lichen_status kvm_msr_names(const struct hv_vm *vm, struct kvm_msr_names *names)
{
	struct kvm_msr_list *known =
		calloc(1, sizeof(*known) + KVM_MSRS_MAX * sizeof(known->indices[0]));
	int result;

	names->count = 0;
	if (!known)
		return -LICHEN_ENOMEM;
	known->nmsrs = KVM_MSRS_MAX;
	result = kvm_call(vm->kvm, KVM_GET_MSR_INDEX_LIST, known);
	for (uint32_t i = 0; result >= 0 && i < known->nmsrs; i++)
		if (known->indices[i] != KVM_MSR_HV_RUNTIME &&
		    known->indices[i] != KVM_MSR_HV_TIME)
			names->index[names->count++] = known->indices[i];
	free(known);
	for (uint32_t i = 0; i < sizeof(kvm_unlisted) / sizeof(kvm_unlisted[0]); i++)
		for (uint32_t j = 0; j < kvm_unlisted[i].count; j++)
			if (!kvm_msr_is_named(names, kvm_unlisted[i].first + j) &&
			    names->count < KVM_MSRS_MAX)
				names->index[names->count++] = kvm_unlisted[i].first + j;
	return kvm_outcome(result);
}

struct kvm_msrs *kvm_msrs_new(uint32_t room)
{
	return calloc(1, sizeof(struct kvm_msrs) + room * sizeof(struct kvm_msr_entry));
}

/* KVM stops at the first that this vCPU lacks: it is left out and the rest go on. */
lichen_status kvm_msrs_get(struct hv_vcpu *vcpu, const struct kvm_msr_names *names,
			   struct kvm_msrs **out)
{
	struct kvm_msrs *msrs = kvm_msrs_new(names->count), *work = kvm_msrs_new(names->count);

	if (!msrs || !work) {
		free(msrs);
		free(work);
		return -LICHEN_ENOMEM;
	}
	for (uint32_t at = 0; at < names->count;) {
		int got;

		work->nmsrs = names->count - at;
		for (uint32_t i = 0; i < work->nmsrs; i++)
			work->entries[i] =
				(struct kvm_msr_entry){ .index = names->index[at + i] };
		got = kvm_call(vcpu->fd, KVM_GET_MSRS, work);
		for (int i = 0; i < got; i++)
			msrs->entries[msrs->nmsrs++] = work->entries[i];
		at += (uint32_t)(got > 0 ? got : 0) + 1;
	}
	free(work);
	*out = msrs;
	return 0;
}

const struct kvm_msr_entry *kvm_msr_of(const struct kvm_msrs *msrs, uint32_t index)
{
	for (uint32_t i = 0; i < msrs->nmsrs; i++)
		if (msrs->entries[i].index == index)
			return &msrs->entries[i];
	return NULL;
}

int kvm_msr_set(struct hv_vcpu *vcpu, uint32_t index, uint64_t value)
{
	union kvm_one_msr one = { .msrs.nmsrs = 1 };
	int result;

	one.msrs.entries[0] = (struct kvm_msr_entry){ .index = index, .data = value };
	result = kvm_call(vcpu->fd, KVM_SET_MSRS, &one);
	return result == 0 ? -EINVAL : result;
}

/*
 * Read-only ones are in KVM's list too, and some that this host's hardware fixes:
 * only what differs is written.  What the vCPU lacks reads as 0 where it was saved
 * by a KVM that knows more.
 */
lichen_status kvm_msrs_put(struct hv_vcpu *vcpu, const struct kvm_msrs *msrs,
			   struct ld_error *error)
{
	struct kvm_msr_names *names = malloc(sizeof(*names));
	struct kvm_msrs *now = NULL;
	lichen_status status;

	if (!names)
		return -LICHEN_ENOMEM;
	status = kvm_msr_names(vcpu->vm, names);
	if (status == 0)
		status = kvm_msrs_get(vcpu, names, &now);
	for (uint32_t i = 0; status == 0 && i < msrs->nmsrs; i++) {
		const uint32_t index = msrs->entries[i].index;
		const uint64_t value = msrs->entries[i].data;
		const struct kvm_msr_entry *has = kvm_msr_of(now, index);

		if (index == KVM_MSR_TSC || index == KVM_MSR_TSC_DEADLINE ||
		    value == (has ? has->data : 0))
			continue;
		if (has && kvm_msr_set(vcpu, index, value) > 0)
			continue;
		if (!error)
			continue;
		ld_error_set(error, "vCPU %u: MSR 0x%x: this KVM does not take 0x%llx",
			     vcpu->index, index, (unsigned long long)value);
		status = -LICHEN_EINVAL;
	}
	free(now);
	free(names);
	return status;
}
