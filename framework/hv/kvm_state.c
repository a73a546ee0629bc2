/* SPDX-License-Identifier: MIT */
/* kvm_state.c: a vCPU's registers as boot protocols know them.  See kvm.h. */
#include <sys/ioctl.h>

#include "kvm.h"

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
	status = kvm_complete(vcpu);
	if (status == 0)
		status = kvm_outcome(kvm_call(vcpu->fd, KVM_GET_SREGS, &sregs));
	if (status < 0)
		return status;
	vcpu->open = 0; /* what the shared page may have of them is not true any more */
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
	lichen_status status = kvm_complete(vcpu);

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
