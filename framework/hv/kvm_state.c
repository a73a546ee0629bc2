/* SPDX-License-Identifier: MIT */
/* kvm_state.c: a vCPU's registers, and its state at creation.  See kvm.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kvm.h"

enum {
	KVM_MSRS_MAX = 1024,  /* KVM knows some hundred */
	KVM_SETTLES_MAX = 16, /* accesses that one instruction makes, with room to spare */
	KVM_MSR_TSC = 0x10,
};

/* --- registers --- */

static struct kvm_segment kvm_segment_of(const struct lichen_segment *from)
{
	return (struct kvm_segment){
		.base = from->base,
		.limit = from->limit,
		.selector = from->selector,
		.type = from->type,
		.present = from->present,
		.dpl = from->dpl,
		.db = from->db,
		.s = from->s,
		.l = from->l,
		.g = from->g,
		.avl = from->avl,
		.unusable = !from->present,
	};
}

static struct lichen_segment kvm_segment_from(const struct kvm_segment *from)
{
	return (struct lichen_segment){
		.base = from->base,
		.limit = from->limit,
		.selector = from->selector,
		.type = from->type,
		.s = from->s,
		.dpl = from->dpl,
		.present = from->present && !from->unusable,
		.avl = from->avl,
		.l = from->l,
		.db = from->db,
		.g = from->g,
	};
}

/* Values that do not fit their field in hardware. */
static int kvm_segment_bad(const struct lichen_segment *segment)
{
	return segment->type > 15 || segment->dpl > 3 ||
	       (segment->s | segment->present | segment->avl | segment->l | segment->db |
		segment->g) > 1;
}

lichen_status kvm_vcpu_set(struct hv_vcpu *vcpu, const struct lichen_cpu *cpu)
{
	const struct lichen_segment *segments[] = { &cpu->cs, &cpu->ds, &cpu->es, &cpu->fs,
						    &cpu->gs, &cpu->ss, &cpu->tr, &cpu->ldt };
	struct kvm_regs regs = { .rax = cpu->rax,
				 .rbx = cpu->rbx,
				 .rcx = cpu->rcx,
				 .rdx = cpu->rdx,
				 .rsi = cpu->rsi,
				 .rdi = cpu->rdi,
				 .rsp = cpu->rsp,
				 .rbp = cpu->rbp,
				 .r8 = cpu->r8,
				 .r9 = cpu->r9,
				 .r10 = cpu->r10,
				 .r11 = cpu->r11,
				 .r12 = cpu->r12,
				 .r13 = cpu->r13,
				 .r14 = cpu->r14,
				 .r15 = cpu->r15,
				 .rip = cpu->rip,
				 .rflags = cpu->rflags };
	struct kvm_sregs sregs;
	lichen_status status;

	for (uint32_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++)
		if (kvm_segment_bad(segments[i]))
			return -LICHEN_EINVAL;
	status = kvm_vcpu_settle(vcpu);
	if (status == 0)
		status = kvm_outcome(kvm_call(vcpu->fd, KVM_GET_SREGS, &sregs));
	if (status < 0)
		return status;
	sregs.cs = kvm_segment_of(&cpu->cs);
	sregs.ds = kvm_segment_of(&cpu->ds);
	sregs.es = kvm_segment_of(&cpu->es);
	sregs.fs = kvm_segment_of(&cpu->fs);
	sregs.gs = kvm_segment_of(&cpu->gs);
	sregs.ss = kvm_segment_of(&cpu->ss);
	sregs.tr = kvm_segment_of(&cpu->tr);
	sregs.ldt = kvm_segment_of(&cpu->ldt);
	sregs.gdt.base = cpu->gdt_base;
	sregs.gdt.limit = cpu->gdt_limit;
	sregs.idt.base = cpu->idt_base;
	sregs.idt.limit = cpu->idt_limit;
	sregs.cr0 = cpu->cr0;
	sregs.cr3 = cpu->cr3;
	sregs.cr4 = cpu->cr4;
	sregs.efer = cpu->efer;
	status = kvm_outcome(kvm_call(vcpu->fd, KVM_SET_SREGS, &sregs));
	if (status == 0)
		status = kvm_outcome(kvm_call(vcpu->fd, KVM_SET_REGS, &regs));
	return status;
}

lichen_status kvm_vcpu_get(struct hv_vcpu *vcpu, struct lichen_cpu *cpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	lichen_status status = kvm_vcpu_settle(vcpu);

	if (status == 0)
		status = kvm_outcome(kvm_call(vcpu->fd, KVM_GET_SREGS, &sregs));
	if (status == 0)
		status = kvm_outcome(kvm_call(vcpu->fd, KVM_GET_REGS, &regs));
	if (status < 0)
		return status;
	*cpu = (struct lichen_cpu){
		LICHEN_STRUCT(struct lichen_cpu),
		.rax = regs.rax,
		.rbx = regs.rbx,
		.rcx = regs.rcx,
		.rdx = regs.rdx,
		.rsi = regs.rsi,
		.rdi = regs.rdi,
		.rsp = regs.rsp,
		.rbp = regs.rbp,
		.r8 = regs.r8,
		.r9 = regs.r9,
		.r10 = regs.r10,
		.r11 = regs.r11,
		.r12 = regs.r12,
		.r13 = regs.r13,
		.r14 = regs.r14,
		.r15 = regs.r15,
		.rip = regs.rip,
		.rflags = regs.rflags,
		.cr0 = sregs.cr0,
		.cr3 = sregs.cr3,
		.cr4 = sregs.cr4,
		.efer = sregs.efer,
		.cs = kvm_segment_from(&sregs.cs),
		.ds = kvm_segment_from(&sregs.ds),
		.es = kvm_segment_from(&sregs.es),
		.fs = kvm_segment_from(&sregs.fs),
		.gs = kvm_segment_from(&sregs.gs),
		.ss = kvm_segment_from(&sregs.ss),
		.tr = kvm_segment_from(&sregs.tr),
		.ldt = kvm_segment_from(&sregs.ldt),
		.gdt_base = sregs.gdt.base,
		.idt_base = sregs.idt.base,
		.gdt_limit = sregs.gdt.limit,
		.idt_limit = sregs.idt.limit,
	};
	return 0;
}

/* --- the state at creation --- */

struct kvm_initial {
	_Alignas(struct kvm_xsave) uint8_t xsave[sizeof(struct kvm_xsave)];
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xcrs xcrs;
	uint32_t has_xcrs;
	struct kvm_debugregs debug;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp;
	struct kvm_lapic_state lapic; /* where there is an irqchip */
	struct kvm_msrs *msrs;
};

/* Those that KVM saves and restores; of `room`, how many.  Fewer where it has more. */
static uint32_t kvm_msr_list(const struct hv_vm *vm, struct kvm_msr_list **list)
{
	struct kvm_msr_list *known =
		calloc(1, sizeof(*known) + KVM_MSRS_MAX * sizeof(known->indices[0]));

	*list = known;
	if (!known)
		return 0;
	known->nmsrs = KVM_MSRS_MAX;
	if (kvm_call(vm->kvm, KVM_GET_MSR_INDEX_LIST, known) < 0)
		return 0;
	return known->nmsrs;
}

/*
 * KVM stops at the first that this vCPU lacks: it is left out and the rest go on.
 * saved and work have room for all.
 */
static void kvm_msrs_save(struct hv_vcpu *vcpu, struct kvm_msrs *saved, struct kvm_msrs *work,
			  const struct kvm_msr_list *list, uint32_t count)
{
	uint32_t at = 0;

	while (at < count) {
		int got;

		work->nmsrs = count - at;
		for (uint32_t i = 0; i < work->nmsrs; i++)
			work->entries[i] =
				(struct kvm_msr_entry){ .index = list->indices[at + i] };
		got = kvm_call(vcpu->fd, KVM_GET_MSRS, work);
		for (int i = 0; i < got; i++)
			saved->entries[saved->nmsrs++] = work->entries[i];
		at += (uint32_t)(got > 0 ? got : 0) + 1;
	}
	/* Each vCPU's counter starts at 0 again, by which KVM knows to align them. */
	for (uint32_t i = 0; i < saved->nmsrs; i++)
		if (saved->entries[i].index == KVM_MSR_TSC)
			saved->entries[i].data = 0;
}

static struct kvm_msrs *kvm_msrs_new(uint32_t room)
{
	return calloc(1, sizeof(struct kvm_msrs) + room * sizeof(struct kvm_msr_entry));
}

void kvm_initial_free(struct kvm_initial *initial)
{
	if (initial)
		free(initial->msrs);
	free(initial);
}

lichen_status kvm_initial_save(struct hv_vcpu *vcpu)
{
	struct kvm_msr_list *list;
	uint32_t count = kvm_msr_list(vcpu->vm, &list);
	struct kvm_initial *initial = calloc(1, sizeof(*initial));
	struct kvm_msrs *work = kvm_msrs_new(count);
	int fd = vcpu->fd, result = -ENOMEM;

	if (initial)
		initial->msrs = kvm_msrs_new(count);
	if (list && work && initial && initial->msrs) {
		kvm_msrs_save(vcpu, initial->msrs, work, list, count);
		result = 0;
	}
	free(list);
	free(work);
	if (result >= 0)
		result = kvm_call(fd, KVM_GET_XSAVE, initial->xsave);
	if (result >= 0) /* -EINVAL: a processor without XSAVE has no XCR0 either */
		initial->has_xcrs = kvm_call(fd, KVM_GET_XCRS, &initial->xcrs) >= 0;
	if (result >= 0)
		result = kvm_call(fd, KVM_GET_REGS, &initial->regs);
	if (result >= 0)
		result = kvm_call(fd, KVM_GET_SREGS, &initial->sregs);
	if (result >= 0)
		result = kvm_call(fd, KVM_GET_DEBUGREGS, &initial->debug);
	if (result >= 0)
		result = kvm_call(fd, KVM_GET_VCPU_EVENTS, &initial->events);
	if (result >= 0)
		result = kvm_call(fd, KVM_GET_MP_STATE, &initial->mp);
	if (result >= 0 && vcpu->vm->pins)
		result = kvm_call(fd, KVM_GET_LAPIC, &initial->lapic);
	if (result < 0)
		kvm_initial_free(initial);
	else
		vcpu->initial = initial;
	return kvm_outcome(result);
}

/* Those that KVM refuses to set are left as they are: read-only ones are in the list too. */
static void kvm_msrs_restore(struct hv_vcpu *vcpu)
{
	const struct kvm_msrs *saved = vcpu->initial->msrs;

	for (uint32_t i = 0; i < saved->nmsrs; i++) {
		union kvm_one_msr one = { .msrs.nmsrs = 1 };

		one.msrs.entries[0] = saved->entries[i];
		(void)kvm_call(vcpu->fd, KVM_SET_MSRS, &one);
	}
}

lichen_status kvm_vcpu_reset(struct hv_vcpu *vcpu)
{
	struct kvm_initial *initial = vcpu->initial;
	lichen_status status = kvm_vcpu_settle(vcpu);
	int fd = vcpu->fd, result;

	/* What more the interrupted instruction would do is lost, as on hardware. */
	for (uint32_t i = 0; status == -LICHEN_EAGAIN && i < KVM_SETTLES_MAX; i++) {
		vcpu->stash = 0;
		vcpu->open = 1;
		status = kvm_vcpu_settle(vcpu);
	}
	if (status < 0)
		return status;
	/* First what the rest depends on: mode and APIC base, then the APIC itself. */
	result = kvm_call(fd, KVM_SET_SREGS, &initial->sregs);
	if (result >= 0)
		result = kvm_call(fd, KVM_SET_REGS, &initial->regs);
	if (result >= 0 && initial->has_xcrs)
		result = kvm_call(fd, KVM_SET_XCRS, &initial->xcrs);
	if (result >= 0)
		result = kvm_call(fd, KVM_SET_XSAVE, initial->xsave);
	if (result >= 0)
		result = kvm_call(fd, KVM_SET_DEBUGREGS, &initial->debug);
	if (result >= 0)
		kvm_msrs_restore(vcpu);
	if (result >= 0 && vcpu->vm->pins)
		result = kvm_call(fd, KVM_SET_LAPIC, &initial->lapic);
	if (result >= 0)
		result = kvm_call(fd, KVM_SET_VCPU_EVENTS, &initial->events);
	if (result >= 0)
		result = kvm_call(fd, KVM_SET_MP_STATE, &initial->mp);
	return kvm_outcome(result);
}
