/* SPDX-License-Identifier: MIT */
/*
 * kvm_borrow_loss.c: what a triple fault costs a vCPU, kept while it is lent.  See kvm.h.
 *
 * AMD leaves a guest's state undefined when it shuts down (APM 2, 15.14.3), so KVM puts the
 * vCPU through an INIT: gone are the MSRs that the hardware keeps with the guest's state,
 * KVM's own that it switches off, the local APIC and the debug registers.  Intel loses
 * nothing.  Interrupts that come while the vCPU is lent are lost where it crashes.
 *
 * It takes three ioctls, so it is left out where the guest can take its own double fault.
 */
#include <stdlib.h>
#include <string.h>

#include "kvm.h"

static const uint32_t kvm_lossy_msrs[KVM_LOSSES] = {
	0xc0000081, /* STAR, LSTAR, CSTAR, SFMASK */
	0xc0000082,
	0xc0000083,
	0xc0000084,
	0xc0000102, /* KERNEL_GS_BASE */
	0xc0000103, /* TSC_AUX */
	0x174,
	0x175,
	0x176,	    /* SYSENTER_... */
	0x277,	    /* PAT */
	0x48,	    /* SPEC_CTRL */
	0x1d9,	    /* DEBUGCTL */
	0x4b564d01, /* KVM: system time */
	0x4b564d02,
	0x4b564d03,
	0x4b564d04, /* asynchronous faults, steal time, end of interrupt */
	0x4b564d06, /* asynchronous faults' interrupt */
	KVM_MSR_TSC_DEADLINE,
};

/* The list of those that this vCPU has: KVM stops at one that it lacks. */
static lichen_status kvm_losses_new(struct hv_vcpu *vcpu)
{
	struct kvm_msr_names *names = calloc(1, sizeof(*names));
	struct kvm_losses *losses = calloc(1, sizeof(*losses));
	struct kvm_msrs *has = NULL;
	lichen_status status = names && losses ? 0 : -LICHEN_ENOMEM;

	if (status == 0) {
		names->count = KVM_LOSSES;
		memcpy(names->index, kvm_lossy_msrs, sizeof(kvm_lossy_msrs));
		status = kvm_msrs_get(vcpu, names, &has);
	}
	if (status == 0) {
		kvm_losses_msrs(losses)->nmsrs = has->nmsrs;
		memcpy(kvm_losses_msrs(losses)->entries, has->entries,
		       has->nmsrs * sizeof(has->entries[0]));
		vcpu->borrow.losses = losses;
	} else {
		free(losses);
	}
	free(has);
	free(names);
	return status;
}

lichen_status kvm_vcpu_tables(struct hv_vcpu *vcpu, struct hv_tables *tables)
{
	const struct kvm_sregs *sregs = &vcpu->borrow.was.sregs;

	if (!vcpu->vm->lossy)
		return -LICHEN_ENOTSUP;
	*tables = (struct hv_tables){ .idt = sregs->idt.base,
				      .gdt = sregs->gdt.base,
				      .tss = sregs->tr.base,
				      .idt_limit = sregs->idt.limit,
				      .gdt_limit = sregs->gdt.limit,
				      .tss_limit = sregs->tr.limit,
				      .cr4 = sregs->cr4,
				      .efer = sregs->efer };
	return 0;
}

lichen_status kvm_vcpu_keep(struct hv_vcpu *vcpu)
{
	struct kvm_losses *losses;
	lichen_status status;

	if (!vcpu->vm->lossy)
		return -LICHEN_ENOTSUP;
	status = vcpu->borrow.losses ? 0 : kvm_losses_new(vcpu);
	if (status < 0)
		return status;
	losses = vcpu->borrow.losses;
	if (kvm_call(vcpu->fd, KVM_GET_MSRS, kvm_losses_msrs(losses)) !=
		    (int)kvm_losses_msrs(losses)->nmsrs ||
	    kvm_call(vcpu->fd, KVM_GET_DEBUGREGS, &losses->debug) < 0)
		return -LICHEN_EIO;
	if (vcpu->vm->pins && kvm_call(vcpu->fd, KVM_GET_LAPIC, &losses->lapic) < 0)
		return -LICHEN_EIO;
	vcpu->borrow.kept = 1;
	return 0;
}

lichen_status kvm_losses_restore(struct hv_vcpu *vcpu)
{
	struct kvm_losses *losses = vcpu->borrow.losses, now = *losses;

	if (kvm_call(vcpu->fd, KVM_SET_DEBUGREGS, &losses->debug) < 0)
		return -LICHEN_EIO;
	if (vcpu->vm->pins && kvm_call(vcpu->fd, KVM_SET_LAPIC, &losses->lapic) < 0)
		return -LICHEN_EIO;
	if (kvm_call(vcpu->fd, KVM_GET_MSRS, kvm_losses_msrs(&now)) !=
	    (int)kvm_losses_msrs(&now)->nmsrs)
		return -LICHEN_EIO;
	/* The deadline last: it counts in the mode of the APIC's timer. */
	for (uint32_t i = 0; i < kvm_losses_msrs(losses)->nmsrs; i++) {
		const struct kvm_msr_entry *was = &kvm_losses_msrs(losses)->entries[i];

		if (was->data != kvm_losses_msrs(&now)->entries[i].data &&
		    kvm_msr_set(vcpu, was->index, was->data) < 0)
			return -LICHEN_EIO;
	}
	return 0;
}
