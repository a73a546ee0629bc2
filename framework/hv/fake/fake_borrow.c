/* SPDX-License-Identifier: MIT */
/* fake_borrow.c: a vCPU is lent: an entry's RIP is a step of the script.  See fake.h. */
#include <time.h>

#include "fake_parts.h"

enum { FAKE_IF = 0x200 };

uint64_t fake_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void fake_context(const struct hv_vcpu *vcpu, struct lichen_vcpu_context *to)
{
	const struct lichen_cpu *cpu = &vcpu->cpu;

	*to = (struct lichen_vcpu_context){
		LICHEN_STRUCT(struct lichen_vcpu_context),
		.gpr = { cpu->rax, cpu->rcx, cpu->rdx, cpu->rbx, cpu->rsp, cpu->rbp, cpu->rsi,
			 cpu->rdi, cpu->r8, cpu->r9, cpu->r10, cpu->r11, cpu->r12, cpu->r13,
			 cpu->r14, cpu->r15 },
		.rip = cpu->rip,
		.rflags = cpu->rflags,
		.cr0 = cpu->cr0,
		.cr3 = cpu->cr3,
		.cr4 = cpu->cr4,
		.efer = cpu->efer,
		.fs_base = cpu->fs.base,
		.gs_base = cpu->gs.base,
		.cs = cpu->cs.selector,
		.ss = cpu->ss.selector,
	};
	if (!(cpu->rflags & FAKE_IF))
		to->flags |= LICHEN_VCPU_MASKED;
	if (cpu->ss.dpl == 3)
		to->flags |= LICHEN_VCPU_USER;
	if (fake_at_halt(vcpu))
		to->flags |= LICHEN_VCPU_HALTED;
}

/* Only on its own thread, and with nothing left of the last exit. */
static int fake_may_lend(struct hv_vcpu *vcpu)
{
	if (!atomic_load(&vcpu->running) && vcpu->attached &&
	    pthread_equal(vcpu->thread, pthread_self()))
		return 1;
	fake_misuse();
	return 0;
}

lichen_status fake_vcpu_borrow(struct hv_vcpu *vcpu, struct lichen_vcpu_context *found)
{
	const lichen_status status = fake_asked(FAKE_VCPU_BORROW);

	if (!fake_may_lend(vcpu))
		return -LICHEN_EIO;
	if (status < 0)
		return status;
	fake_open_complete(vcpu);
	atomic_store(&vcpu->kicked, 0);
	if (vcpu->dead || !(vcpu->cpu.cr0 & 0x80000000) || !(vcpu->cpu.efer & 0x400))
		return -LICHEN_EAGAIN;
	vcpu->lent = vcpu->cpu;
	vcpu->kept = 0;
	fake_context(vcpu, found);
	return 0;
}

void fake_lossy(struct hv_vm *vm, const struct hv_tables *tables)
{
	vm->lossy = 1;
	vm->tables = *tables;
}

lichen_status fake_vcpu_tables(struct hv_vcpu *vcpu, struct hv_tables *tables)
{
	*tables = vcpu->vm->tables;
	return vcpu->vm->lossy ? 0 : -LICHEN_ENOTSUP;
}

lichen_status fake_vcpu_keep(struct hv_vcpu *vcpu)
{
	if (!fake_may_lend(vcpu))
		return -LICHEN_EIO;
	if (!vcpu->vm->lossy)
		return -LICHEN_ENOTSUP;
	pthread_mutex_lock(&vcpu->vm->irq_lock);
	vcpu->vm->seen.keeps++;
	pthread_mutex_unlock(&vcpu->vm->irq_lock);
	vcpu->kept = 1;
	return 0;
}

lichen_status fake_vcpu_enter(struct hv_vcpu *vcpu, const struct lichen_vcpu_entry *entry)
{
	const lichen_status status = fake_asked(FAKE_VCPU_ENTER);
	struct lichen_cpu *cpu = &vcpu->cpu;

	if (!fake_may_lend(vcpu))
		return -LICHEN_EIO;
	vcpu->entered = 1;
	if (status < 0)
		return status;
	cpu->rax = entry->gpr[0];
	cpu->rcx = entry->gpr[1];
	cpu->rdx = entry->gpr[2];
	cpu->rbx = entry->gpr[3];
	cpu->rsp = entry->gpr[4];
	cpu->rbp = entry->gpr[5];
	cpu->rsi = entry->gpr[6];
	cpu->rdi = entry->gpr[7];
	cpu->r8 = entry->gpr[8];
	cpu->r9 = entry->gpr[9];
	cpu->rip = entry->rip;
	cpu->rflags = 2;
	cpu->cr3 = entry->cr3;
	cpu->gs.base = entry->gs_base;
	cpu->cs.selector = (uint16_t)entry->cs;
	cpu->ss.selector = (uint16_t)entry->ss;
	cpu->cs.dpl = cpu->ss.dpl = 0;
	return 0;
}

lichen_status fake_vcpu_give_back(struct hv_vcpu *vcpu, enum hv_end end,
				  struct lichen_vcpu_context *after)
{
	const int lost = end == HV_END_CRASHED && vcpu->vm->lossy && vcpu->entered &&
			 vcpu->dead && !vcpu->kept;

	if (!fake_may_lend(vcpu))
		return -LICHEN_EIO;
	fake_open_complete(vcpu);
	atomic_store(&vcpu->kicked, 0);
	fake_context(vcpu, after);
	if (vcpu->entered) {
		vcpu->cpu = vcpu->lent;
		vcpu->dead = 0;
	}
	vcpu->entered = 0;
	vcpu->alarm = 0;
	return lost ? -LICHEN_EFAULT : 0;
}

lichen_status fake_vcpu_alarm(struct hv_vcpu *vcpu, uint64_t deadline)
{
	const lichen_status status = fake_asked(FAKE_VCPU_ALARM);

	if (status == 0)
		vcpu->alarm = deadline ? deadline : 1;
	return status;
}
