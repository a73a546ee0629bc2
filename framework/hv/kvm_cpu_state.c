/* SPDX-License-Identifier: MIT */
/* kvm_cpu_state.c: all that a vCPU is, read from KVM and given back to it.  See kvm.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kvm.h"

enum {
	KVM_TSC_TOLERANCE = 250, /* parts per million by which KVM lets rates differ, too */
};
/* Ticks: too far for KVM to take a value for the same counter. */
#define KVM_TSC_APART (UINT64_C(1) << 60)

uint32_t kvm_xsave_size(const struct hv_vm *vm)
{
	const int size = kvm_cap(vm, KVM_CAP_XSAVE2);

	return size > (int)sizeof(struct kvm_xsave) ? (uint32_t)size : sizeof(struct kvm_xsave);
}

uint32_t kvm_nested_size(const struct hv_vm *vm)
{
	const int size = kvm_cap(vm, KVM_CAP_NESTED_STATE);

	return size >= (int)sizeof(struct kvm_nested_state) ? (uint32_t)size : 0;
}

void kvm_cpu_state_free(struct kvm_cpu_state *state)
{
	if (!state)
		return;
	free(state->xsave);
	free(state->nested);
	free(state->msrs);
	free(state);
}

/* --- reading --- */

static int kvm_sregs_get(struct hv_vcpu *vcpu, struct kvm_sregs2 *to)
{
	struct kvm_sregs from;
	int result;

	if (kvm_cap(vcpu->vm, KVM_CAP_SREGS2))
		return kvm_call(vcpu->fd, KVM_GET_SREGS2, to);
	result = kvm_call(vcpu->fd, KVM_GET_SREGS, &from);
	if (result >= 0) /* an interrupt that is on its way is in the events as well */
		*to = (struct kvm_sregs2){
			.cs = from.cs,
			.ds = from.ds,
			.es = from.es,
			.fs = from.fs,
			.gs = from.gs,
			.ss = from.ss,
			.tr = from.tr,
			.ldt = from.ldt,
			.gdt = from.gdt,
			.idt = from.idt,
			.cr0 = from.cr0,
			.cr2 = from.cr2,
			.cr3 = from.cr3,
			.cr4 = from.cr4,
			.cr8 = from.cr8,
			.efer = from.efer,
			.apic_base = from.apic_base,
		};
	return result;
}

static int kvm_nested_get(struct hv_vcpu *vcpu, struct kvm_cpu_state *state)
{
	struct kvm_nested_state head = { .size = state->nested_size };
	int result;

	if (state->nested_size == 0)
		return 0;
	memcpy(state->nested, &head, sizeof(head));
	result = kvm_call(vcpu->fd, KVM_GET_NESTED_STATE, state->nested);
	memcpy(&head, state->nested, sizeof(head));
	if (result >= 0 && head.size <= state->nested_size)
		state->nested_size = head.size;
	return result;
}

/* The allocations of `state` are made.  What KVM changes by being asked comes first. */
static int kvm_cpu_state_read(struct hv_vcpu *vcpu, struct kvm_cpu_state *state)
{
	const unsigned long xsave =
		state->xsave_size > sizeof(struct kvm_xsave) ? KVM_GET_XSAVE2 : KVM_GET_XSAVE;
	int fd = vcpu->fd, result = kvm_call(fd, KVM_GET_MP_STATE, &state->mp);

	if (result >= 0)
		result = kvm_call(fd, KVM_GET_VCPU_EVENTS, &state->events);
	if (result >= 0)
		result = kvm_call(fd, KVM_GET_REGS, &state->regs);
	if (result >= 0)
		result = kvm_sregs_get(vcpu, &state->sregs);
	if (result >= 0)
		result = kvm_call(fd, xsave, state->xsave);
	if (result >= 0) /* -EINVAL: a processor without XSAVE has no XCR0 either */
		state->has_xcrs = kvm_call(fd, KVM_GET_XCRS, &state->xcrs) >= 0;
	if (result >= 0)
		result = kvm_call(fd, KVM_GET_DEBUGREGS, &state->debug);
	if (result >= 0)
		result = kvm_nested_get(vcpu, state);
	state->has_lapic = vcpu->vm->pins != 0;
	if (result >= 0 && state->has_lapic)
		result = kvm_call(fd, KVM_GET_LAPIC, &state->lapic);
	if (result >= 0) {
		const int khz = kvm_call_number(fd, KVM_GET_TSC_KHZ, 0);

		state->tsc_khz = khz > 0 ? (uint32_t)khz : 0;
	}
	return result;
}

lichen_status kvm_cpu_state_get(struct hv_vcpu *vcpu, struct kvm_cpu_state **out)
{
	struct kvm_msr_names *names = malloc(sizeof(*names));
	struct kvm_cpu_state *state = calloc(1, sizeof(*state));
	lichen_status status = -LICHEN_ENOMEM;

	if (state) {
		state->xsave_size = kvm_xsave_size(vcpu->vm);
		state->xsave = calloc(1, state->xsave_size);
		state->nested_size = kvm_nested_size(vcpu->vm);
		state->nested = calloc(1, state->nested_size + 1);
	}
	if (names && state && state->xsave && state->nested) {
		status = kvm_msr_names(vcpu->vm, names);
		if (status == 0)
			status = kvm_msrs_get(vcpu, names, &state->msrs);
		if (status == 0)
			status = kvm_outcome(kvm_cpu_state_read(vcpu, state));
	}
	free(names);
	if (status == 0)
		*out = state;
	else
		kvm_cpu_state_free(state);
	return status;
}

/* --- writing --- */

static int kvm_sregs_put(struct hv_vcpu *vcpu, const struct kvm_sregs2 *from)
{
	struct kvm_sregs2 whole = *from;
	struct kvm_sregs to;

	if (kvm_cap(vcpu->vm, KVM_CAP_SREGS2))
		return kvm_call(vcpu->fd, KVM_SET_SREGS2, &whole);
	to = (struct kvm_sregs){
		.cs = from->cs,
		.ds = from->ds,
		.es = from->es,
		.fs = from->fs,
		.gs = from->gs,
		.ss = from->ss,
		.tr = from->tr,
		.ldt = from->ldt,
		.gdt = from->gdt,
		.idt = from->idt,
		.cr0 = from->cr0,
		.cr2 = from->cr2,
		.cr3 = from->cr3,
		.cr4 = from->cr4,
		.cr8 = from->cr8,
		.efer = from->efer,
		.apic_base = from->apic_base,
	};
	return kvm_call(vcpu->fd, KVM_SET_SREGS, &to);
}

static lichen_status kvm_tsc_rate(struct hv_vcpu *vcpu, uint32_t khz, struct ld_error *error)
{
	const int now = kvm_call_number(vcpu->fd, KVM_GET_TSC_KHZ, 0);
	const uint64_t here = now > 0 ? (uint64_t)now : 0;
	const uint64_t apart = here > khz ? here - khz : khz - here;

	if (khz == 0 || apart == 0)
		return 0;
	if (kvm_cap(vcpu->vm, KVM_CAP_TSC_CONTROL) &&
	    kvm_call_number(vcpu->fd, KVM_SET_TSC_KHZ, khz) >= 0)
		return 0;
	if (apart * 1000000 <= here * KVM_TSC_TOLERANCE)
		return 0;
	ld_error_set(error, "vCPU %u: time stamps at %u kHz: this host gives %llu and no other",
		     vcpu->index, khz, (unsigned long long)here);
	return -LICHEN_EINVAL;
}

/*
 * KVM takes a value within a second of what the last one written would be by now
 * for an attempt to make the vCPUs' counters equal, and makes them so.  That is
 * wanted for the second vCPU and those after it, and not for the first, whose new
 * VM wrote 0 a moment ago: it first goes far away.  0 means equal in any case.
 */
static int kvm_tsc_put(struct hv_vcpu *vcpu, uint64_t value)
{
	union kvm_one_msr one = { .msrs.nmsrs = 1 };
	int result = 1;

	if (vcpu->index == 0 && value != 0)
		result = kvm_msr_set(vcpu, KVM_MSR_TSC, value + KVM_TSC_APART);
	if (result >= 0)
		result = kvm_msr_set(vcpu, KVM_MSR_TSC, value);
	if (result < 0)
		return result;
	/* One that follows the host's whatever is written may be ahead, but not go back. */
	one.msrs.entries[0] = (struct kvm_msr_entry){ .index = KVM_MSR_TSC };
	if (kvm_call(vcpu->fd, KVM_GET_MSRS, &one) != 1 || one.msrs.entries[0].data < value)
		return -EINVAL;
	return 0;
}

static int kvm_xsave_put(struct hv_vcpu *vcpu, const struct kvm_cpu_state *state)
{
	/* KVM_SET_XSAVE reads as much as KVM_GET_XSAVE2 writes. */
	if (state->xsave_size != kvm_xsave_size(vcpu->vm))
		return -EINVAL;
	return kvm_call(vcpu->fd, KVM_SET_XSAVE, state->xsave);
}

/* Flags say which members count; not all that are read say so by themselves. */
static int kvm_events_put(struct hv_vcpu *vcpu, const struct kvm_vcpu_events *from)
{
	struct kvm_vcpu_events events = *from;

	events.flags |= KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	return kvm_call(vcpu->fd, KVM_SET_VCPU_EVENTS, &events);
}

/* What it still would do is lost, as on hardware. */
static lichen_status kvm_drop_instruction(struct hv_vcpu *vcpu)
{
	lichen_status status = kvm_complete(vcpu);

	for (uint32_t i = 0; status == -LICHEN_EAGAIN && i < KVM_SETTLES_MAX; i++) {
		vcpu->stash = 0;
		vcpu->open = KVM_OPEN;
		status = kvm_complete(vcpu);
	}
	vcpu->open = 0;
	return status < 0 ? -LICHEN_EIO : 0;
}

/* kvm_blame() for a part of the vCPU; what KVM refuses is -LICHEN_EINVAL, whatever it says. */
static lichen_status kvm_part(struct hv_vcpu *vcpu, int result, const char *what,
			      struct ld_error *error)
{
	if (result >= 0)
		return 0;
	ld_error_set(error, "vCPU %u: %s: refused by KVM", vcpu->index, what);
	return -LICHEN_EINVAL;
}

/* First what others depend on: mode and APIC base, then the rest, then the local APIC with
 * its timer; SET_REGS drops a pending exception, so the events come late. */
lichen_status kvm_cpu_state_put(struct hv_vcpu *vcpu, const struct kvm_cpu_state *state,
				struct ld_error *error)
{
	const struct kvm_msr_entry *tsc = kvm_msr_of(state->msrs, KVM_MSR_TSC);
	const struct kvm_msr_entry *deadline = kvm_msr_of(state->msrs, KVM_MSR_TSC_DEADLINE);
	struct kvm_cpu_state set = *state; /* KVM's ioctls take no const */
	int fd = vcpu->fd;
	lichen_status status = kvm_drop_instruction(vcpu);

#define KVM_PART(what, result)                                        \
	do {                                                          \
		if (status == 0)                                      \
			status = kvm_part(vcpu, result, what, error); \
	} while (0)
	KVM_PART("control and segment registers", kvm_sregs_put(vcpu, &set.sregs));
	if (set.nested_size)
		KVM_PART("nested guest", kvm_call(fd, KVM_SET_NESTED_STATE, set.nested));
	KVM_PART("registers", kvm_call(fd, KVM_SET_REGS, &set.regs));
	if (set.has_xcrs)
		KVM_PART("XCR0", kvm_call(fd, KVM_SET_XCRS, &set.xcrs));
	KVM_PART("floating-point and vector registers", kvm_xsave_put(vcpu, state));
	KVM_PART("debug registers", kvm_call(fd, KVM_SET_DEBUGREGS, &set.debug));
	if (status == 0)
		status = kvm_tsc_rate(vcpu, set.tsc_khz, error);
	if (tsc)
		KVM_PART("time stamp counter", kvm_tsc_put(vcpu, tsc->data));
	if (status == 0)
		status = kvm_msrs_put(vcpu, set.msrs, error);
	if (set.has_lapic)
		KVM_PART("local APIC", kvm_call(fd, KVM_SET_LAPIC, &set.lapic));
	if (deadline)
		KVM_PART("time stamp deadline",
			 kvm_msr_set(vcpu, KVM_MSR_TSC_DEADLINE, deadline->data));
	KVM_PART("events", kvm_events_put(vcpu, &set.events));
	KVM_PART("running state", kvm_call(fd, KVM_SET_MP_STATE, &set.mp));
#undef KVM_PART
	return status;
}

/* --- the first state --- */

lichen_status kvm_cpu_first(struct hv_vcpu *vcpu)
{
	const lichen_status status = kvm_cpu_state_get(vcpu, &vcpu->first);

	if (status < 0)
		return status;
	/* Each vCPU's counter starts at 0 again, by which KVM knows to align them. */
	for (uint32_t i = 0; i < vcpu->first->msrs->nmsrs; i++)
		if (vcpu->first->msrs->entries[i].index == KVM_MSR_TSC)
			vcpu->first->msrs->entries[i].data = 0;
	return 0;
}

lichen_status kvm_vcpu_reset(struct hv_vcpu *vcpu)
{
	return kvm_cpu_state_put(vcpu, vcpu->first, NULL) < 0 ? -LICHEN_EIO : 0;
}
