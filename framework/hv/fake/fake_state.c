/* SPDX-License-Identifier: MIT */
/* fake_state.c: a vCPU's registers, saved and set.  See fake.h. */
#include <string.h>

#include "fake_parts.h"

#define FAKE_STAR 0xc0000081u /* STAR, LSTAR, CSTAR, SFMASK */

uint64_t *fake_msr(struct hv_vcpu *vcpu, uint32_t index)
{
	return index - FAKE_STAR < FAKE_MSRS ? &vcpu->msrs[index - FAKE_STAR] : NULL;
}

/* SDM 3A, table 9-1; APM 2, table 14-2. */
void fake_cpu_initial(struct hv_vcpu *vcpu)
{
	const struct lichen_segment data = { .limit = 0xffff, .type = 3, .s = 1, .present = 1 };

	vcpu->cpu = (struct lichen_cpu){
		LICHEN_STRUCT(struct lichen_cpu),
		.rdx = 0x600,
		.rip = 0xfff0,
		.rflags = 2,
		.cr0 = 0x60000010,
		.cs = { .base = 0xffff0000,
			.limit = 0xffff,
			.selector = 0xf000,
			.type = 11,
			.s = 1,
			.present = 1 },
		.ds = data,
		.es = data,
		.fs = data,
		.gs = data,
		.ss = data,
		.tr = { .limit = 0xffff, .type = 11, .present = 1 },
		.ldt = { .limit = 0xffff, .type = 2, .present = 1 },
		.gdt_limit = 0xffff,
		.idt_limit = 0xffff,
	};
	memset(vcpu->msrs, 0, sizeof(vcpu->msrs));
	vcpu->open.step = NULL;
	vcpu->dead = 0;
	vcpu->based = 0;
}

/* Its registers may be touched: it is not in the guest. */
static int fake_rests(const struct hv_vcpu *vcpu)
{
	if (!atomic_load(&vcpu->running))
		return 1;
	fake_misuse();
	return 0;
}

static int fake_cpu_bad(const struct lichen_cpu *cpu)
{
	const struct lichen_segment *segments[] = { &cpu->cs, &cpu->ds, &cpu->es, &cpu->fs,
						    &cpu->gs, &cpu->ss, &cpu->tr, &cpu->ldt };
	const uint64_t pe = 1, pg = 0x80000000;

	for (uint32_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++)
		if (segments[i]->type > 15 || segments[i]->dpl > 3 ||
		    (segments[i]->s | segments[i]->present | segments[i]->avl | segments[i]->l |
		     segments[i]->db | segments[i]->g) > 1)
			return 1;
	return cpu->cr0 & pg && !(cpu->cr0 & pe);
}

lichen_status fake_vcpu_set(struct hv_vcpu *vcpu, const struct lichen_cpu *cpu)
{
	const lichen_status status = fake_asked(FAKE_VCPU_SET);
	struct lichen_cpu wanted = vcpu->cpu;

	if (!fake_rests(vcpu))
		return -LICHEN_EIO;
	if (status < 0)
		return status;
	memcpy(&wanted, cpu,
	       cpu->struct_size < sizeof(wanted) ? cpu->struct_size : sizeof(wanted));
	wanted.struct_size = sizeof(wanted);
	if (fake_cpu_bad(&wanted))
		return -LICHEN_EINVAL;
	fake_open_complete(vcpu);
	vcpu->cpu = wanted;
	vcpu->dead = 0;
	return 0;
}

lichen_status fake_vcpu_get(struct hv_vcpu *vcpu, struct lichen_cpu *cpu)
{
	if (!fake_rests(vcpu))
		return -LICHEN_EIO;
	fake_open_complete(vcpu);
	*cpu = vcpu->cpu;
	return 0;
}

lichen_status fake_vcpu_reset(struct hv_vcpu *vcpu)
{
	const lichen_status status = fake_asked(FAKE_VCPU_RESET);

	if (!fake_rests(vcpu))
		return -LICHEN_EIO;
	if (status < 0)
		return status;
	fake_cpu_initial(vcpu);
	pthread_mutex_lock(&vcpu->lock);
	memset(vcpu->vectors, 0, sizeof(vcpu->vectors));
	pthread_mutex_unlock(&vcpu->lock);
	return 0;
}

struct fake_saved {
	uint8_t magic[8];
	struct lichen_cpu cpu;
	uint64_t msrs[FAKE_MSRS];
	uint64_t vectors[FAKE_VECTOR_WORDS];
	uint64_t base;
	uint32_t based, dead;
};

static const uint8_t fake_magic[8] = "fakecpu1";

lichen_status fake_vcpu_save(struct hv_vcpu *vcpu, uint8_t *state, uint64_t room,
			     uint64_t *size)
{
	struct fake_saved saved;

	if (!fake_rests(vcpu) || vcpu->open.step)
		return -LICHEN_EIO;
	*size = sizeof(saved);
	if (room < sizeof(saved))
		return -LICHEN_E2BIG;
	memset(&saved, 0, sizeof(saved));
	memcpy(saved.magic, fake_magic, sizeof(fake_magic));
	saved.cpu = vcpu->cpu;
	memcpy(saved.msrs, vcpu->msrs, sizeof(saved.msrs));
	saved.base = vcpu->base;
	saved.based = vcpu->based;
	saved.dead = vcpu->dead;
	pthread_mutex_lock(&vcpu->lock);
	memcpy(saved.vectors, vcpu->vectors, sizeof(saved.vectors));
	pthread_mutex_unlock(&vcpu->lock);
	memcpy(state, &saved, sizeof(saved));
	return 0;
}

/* What is wrong with it, or NULL. */
static const char *fake_saved_bad(const struct fake_saved *saved)
{
	if (memcmp(saved->magic, fake_magic, sizeof(fake_magic)) != 0)
		return "not a state of this hypervisor";
	if (saved->cpu.struct_size != sizeof(saved->cpu) || saved->based > 1 || saved->dead > 1)
		return "malformed";
	return NULL;
}

lichen_status fake_vcpu_load(struct hv_vcpu *vcpu, const uint8_t *state, uint64_t size,
			     struct ld_error *error)
{
	const char *bad = "cut short, or too long";
	struct fake_saved saved;

	if (!fake_rests(vcpu)) {
		ld_error_set(error, "vCPU %u: it runs", vcpu->index);
		return -LICHEN_EIO;
	}
	if (size == sizeof(saved)) {
		memcpy(&saved, state, sizeof(saved));
		bad = fake_saved_bad(&saved);
	}
	if (bad) {
		ld_error_set(error, "vCPU %u: %llu bytes: %s", vcpu->index,
			     (unsigned long long)size, bad);
		return -LICHEN_EBADMSG;
	}
	if (fake_cpu_bad(&saved.cpu)) {
		ld_error_set(error, "vCPU %u: registers: no processor takes them", vcpu->index);
		return -LICHEN_EINVAL;
	}
	vcpu->cpu = saved.cpu;
	memcpy(vcpu->msrs, saved.msrs, sizeof(saved.msrs));
	vcpu->base = saved.base;
	vcpu->based = saved.based;
	vcpu->dead = saved.dead;
	vcpu->open.step = NULL;
	pthread_mutex_lock(&vcpu->lock);
	memcpy(vcpu->vectors, saved.vectors, sizeof(saved.vectors));
	pthread_mutex_unlock(&vcpu->lock);
	return 0;
}
