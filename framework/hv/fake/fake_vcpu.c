/* SPDX-License-Identifier: MIT */
/* fake_vcpu.c: runs scripts.  See fake.h. */
#include <string.h>

#include "fake_parts.h"

void fake_script(struct hv_vm *vm, uint32_t index, const struct fake_step *steps,
		 uint32_t count)
{
	struct hv_vcpu *vcpu = atomic_load(&vm->vcpus[index]);

	if (atomic_load(&vcpu->running))
		fake_misuse();
	vcpu->steps = steps;
	vcpu->step_count = count;
	vcpu->based = 0;
}

uint32_t fake_read_count(struct hv_vm *vm, uint32_t index)
{
	struct hv_vcpu *vcpu = atomic_load(&vm->vcpus[index]);
	uint32_t count;

	pthread_mutex_lock(&vcpu->lock);
	count = vcpu->read_count;
	pthread_mutex_unlock(&vcpu->lock);
	return count;
}

uint64_t fake_read_at(struct hv_vm *vm, uint32_t index, uint32_t at)
{
	struct hv_vcpu *vcpu = atomic_load(&vm->vcpus[index]);
	uint64_t value;

	pthread_mutex_lock(&vcpu->lock);
	value = at < FAKE_READS_MAX && at < vcpu->read_count ? vcpu->reads[at] : UINT64_MAX;
	pthread_mutex_unlock(&vcpu->lock);
	return value;
}

/* What an instruction has read: RAX as the processor fills it, and the record. */
static void fake_has_read(struct hv_vcpu *vcpu, uint64_t value, uint32_t size)
{
	const uint64_t mask = size < 8 ? (UINT64_C(1) << 8 * size) - 1 : UINT64_MAX;

	value &= mask;
	/* Writes of 32 bits clear the upper half; narrower ones leave the rest. */
	vcpu->cpu.rax = size >= 4 ? value : (vcpu->cpu.rax & ~mask) | value;
	pthread_mutex_lock(&vcpu->lock);
	if (vcpu->read_count < FAKE_READS_MAX)
		vcpu->reads[vcpu->read_count] = value;
	vcpu->read_count++;
	pthread_mutex_unlock(&vcpu->lock);
}

static void fake_shutdown(struct hv_vcpu *vcpu)
{
	vcpu->dead = 1;
}

void fake_open_complete(struct hv_vcpu *vcpu)
{
	const struct fake_open *open = &vcpu->open;
	const struct fake_step *step = open->step;

	if (!step)
		return;
	vcpu->open.step = NULL;
	switch (step->op) {
	case FAKE_DO_IN:
		if (!step->count)
			fake_has_read(vcpu, open->data, open->size);
		for (uint32_t i = 0; step->count && i < open->count; i++)
			if (!fake_memory_write(vcpu->vm, open->address + i * open->size,
					       open->string + i * open->size, open->size))
				fake_shutdown(vcpu);
		break;
	case FAKE_DO_LOAD:
		fake_has_read(vcpu, open->data, open->size);
		break;
	case FAKE_DO_RDMSR:
		if (open->fault)
			fake_shutdown(vcpu);
		else
			fake_has_read(vcpu, open->data, 8);
		break;
	case FAKE_DO_WRMSR:
		if (open->fault)
			fake_shutdown(vcpu);
		break;
	default:
		break;
	}
}

/* --- waiting --- */

void fake_vcpu_kick(struct hv_vcpu *vcpu)
{
	atomic_store(&vcpu->kicked, 1);
	/* One that is about to wait has looked at `kicked` under the lock. */
	pthread_mutex_lock(&vcpu->lock);
	pthread_cond_signal(&vcpu->changed);
	pthread_mutex_unlock(&vcpu->lock);
}

void fake_interrupt(struct hv_vcpu *vcpu, uint32_t vector)
{
	pthread_mutex_lock(&vcpu->lock);
	vcpu->vectors[vector / 64] |= UINT64_C(1) << vector % 64;
	pthread_cond_signal(&vcpu->changed);
	pthread_mutex_unlock(&vcpu->lock);
}

static int fake_take_kick(struct hv_vcpu *vcpu)
{
	if (vcpu->alarm && fake_now_ns() >= vcpu->alarm) {
		vcpu->alarm = 0;
		return 1;
	}
	return atomic_load(&vcpu->kicked) && atomic_exchange(&vcpu->kicked, 0);
}

/* The highest pending vector, or -1.  Caller holds the vCPU's lock. */
static int fake_vector(const struct hv_vcpu *vcpu)
{
	for (int i = FAKE_VECTOR_WORDS - 1; i >= 0; i--)
		if (vcpu->vectors[i])
			return i * 64 + 63 - __builtin_clzll(vcpu->vectors[i]);
	return -1;
}

/* Waits for a kick, or for an interrupt where those count.  Returns its vector, or -1. */
static int fake_idle(struct hv_vcpu *vcpu, int interrupts)
{
	int vector = -1;

	pthread_mutex_lock(&vcpu->lock);
	while (!atomic_load(&vcpu->kicked)) {
		vector = interrupts ? fake_vector(vcpu) : -1;
		if (vector >= 0)
			break;
		if (!vcpu->alarm) {
			pthread_cond_wait(&vcpu->changed, &vcpu->lock);
		} else if (pthread_cond_timedwait(
				   &vcpu->changed, &vcpu->lock,
				   &(struct timespec){
					   .tv_sec = (time_t)(vcpu->alarm / 1000000000),
					   .tv_nsec = (long)(vcpu->alarm % 1000000000) }) !=
			   0) {
			break;
		}
	}
	if (vector >= 0)
		vcpu->vectors[vector / 64] &= ~(UINT64_C(1) << vector % 64);
	pthread_mutex_unlock(&vcpu->lock);
	return vector;
}

/* --- steps; each returns 1 for an exit --- */

static uint64_t fake_operand(const struct hv_vcpu *vcpu, const struct fake_step *step)
{
	const uint64_t value = step->rax ? vcpu->cpu.rax : step->value;

	return step->size && step->size < 8 ? value & ((UINT64_C(1) << 8 * step->size) - 1)
					    : value;
}

static void fake_open(struct hv_vcpu *vcpu, const struct fake_step *step, uint64_t value)
{
	vcpu->open = (struct fake_open){
		.step = step, .size = step->size, .count = 1, .data = value
	};
}

/* Elements from RCX on; the step is done when RCX has come to the count. */
static int fake_string(struct hv_vcpu *vcpu, const struct fake_step *step, struct hv_exit *exit)
{
	struct fake_open *open = &vcpu->open;
	const uint32_t left = step->count - (uint32_t)vcpu->cpu.rcx;

	fake_open(vcpu, step, 0);
	open->count = left < FAKE_STRING_MAX ? left : FAKE_STRING_MAX;
	open->address = step->value + vcpu->cpu.rcx * step->size;
	if (step->op == FAKE_DO_OUT &&
	    !fake_memory_read(vcpu->vm, open->address, open->string, open->count * step->size))
		fake_shutdown(vcpu);
	vcpu->cpu.rcx += open->count;
	if (vcpu->cpu.rcx == step->count) {
		vcpu->cpu.rcx = 0;
		vcpu->cpu.rip++;
	}
	exit->io.count = open->count;
	exit->io.data = open->string;
	return 1;
}

static int fake_port(struct hv_vcpu *vcpu, const struct fake_step *step, struct hv_exit *exit)
{
	const uint64_t value = fake_operand(vcpu, step);

	exit->kind = HV_EXIT_IO;
	exit->io.port = (uint16_t)step->at;
	exit->io.size = (uint8_t)step->size;
	exit->io.write = step->op == FAKE_DO_OUT;
	if (step->count)
		return fake_string(vcpu, step, exit);
	vcpu->cpu.rip++;
	if (exit->io.write && fake_bell_ring(vcpu->vm, 1, step->at, step->size, value))
		return 0;
	fake_open(vcpu, step, exit->io.write ? value : 0);
	exit->io.count = 1;
	exit->io.data = (uint8_t *)&vcpu->open.data;
	return 1;
}

static int fake_memory(struct hv_vcpu *vcpu, const struct fake_step *step, struct hv_exit *exit)
{
	const int write = step->op == FAKE_DO_STORE;
	uint64_t value = write ? fake_operand(vcpu, step) : 0;

	vcpu->cpu.rip++;
	if (write) {
		if (fake_memory_write(vcpu->vm, step->at, &value, step->size) ||
		    fake_bell_ring(vcpu->vm, 0, step->at, step->size, value))
			return 0;
	} else if (fake_memory_read(vcpu->vm, step->at, &value, step->size)) {
		fake_has_read(vcpu, value, step->size);
		return 0;
	}
	fake_open(vcpu, step, value);
	exit->kind = HV_EXIT_MMIO;
	exit->mmio.gpa = step->at;
	exit->mmio.size = step->size;
	exit->mmio.write = (uint8_t)write;
	exit->mmio.data = (uint8_t *)&vcpu->open.data;
	return 1;
}

static int fake_msr_step(struct hv_vcpu *vcpu, const struct fake_step *step,
			 struct hv_exit *exit)
{
	const int write = step->op == FAKE_DO_WRMSR;
	const uint64_t value = write ? fake_operand(vcpu, step) : 0;
	uint64_t *kept = fake_msr(vcpu, (uint32_t)step->at);

	if (fake_msr_claimed(vcpu->vm, (uint32_t)step->at)) {
		vcpu->cpu.rip++;
		fake_open(vcpu, step, value);
		exit->kind = HV_EXIT_MSR;
		exit->msr.index = (uint32_t)step->at;
		exit->msr.write = (uint8_t)write;
		exit->msr.fault = &vcpu->open.fault;
		exit->msr.data = &vcpu->open.data;
		return 1;
	}
	if (!kept) {
		fake_shutdown(vcpu);
		return 0;
	}
	vcpu->cpu.rip++;
	if (write)
		*kept = value;
	else
		fake_has_read(vcpu, *kept, 8);
	return 0;
}

static int fake_halt(struct hv_vcpu *vcpu, struct hv_exit *exit)
{
	int vector;

	if (vcpu->vm->pins == 0) {
		vcpu->cpu.rip++;
		exit->kind = HV_EXIT_HALT;
		return 1;
	}
	vector = fake_idle(vcpu, !vcpu->entered);
	if (vector >= 0) {
		vcpu->cpu.rip++;
		vcpu->cpu.rax = (uint64_t)vector;
	}
	return 0;
}

static int fake_exit(struct hv_vcpu *vcpu, const struct fake_step *step, struct hv_exit *exit)
{
	vcpu->cpu.rip++;
	exit->kind = (enum hv_exit_kind)step->at;
	if (exit->kind == HV_EXIT_SHUTDOWN)
		fake_shutdown(vcpu);
	if (exit->kind == HV_EXIT_INTERNAL || exit->kind == HV_EXIT_ENTRY ||
	    exit->kind == HV_EXIT_OTHER) {
		exit->failure.code = (uint32_t)step->value;
		exit->failure.detail_count = 0;
		memset(exit->failure.detail, 0, sizeof(exit->failure.detail));
	}
	return 1;
}

static void fake_calculate(struct hv_vcpu *vcpu, const struct fake_step *step)
{
	struct lichen_cpu *cpu = &vcpu->cpu;

	cpu->rip++;
	switch (step->op) {
	case FAKE_DO_MOVE:
		cpu->rax = step->value;
		break;
	case FAKE_DO_ADD:
		cpu->rax += step->value;
		break;
	case FAKE_DO_SHIFT:
		cpu->rax >>= step->value;
		break;
	case FAKE_DO_COUNT:
		cpu->rcx = step->value;
		break;
	case FAKE_DO_JUMP:
		cpu->rip = vcpu->base + step->at;
		break;
	case FAKE_DO_LOOP:
		if (--cpu->rcx)
			cpu->rip = vcpu->base + step->at;
		break;
	case FAKE_DO_CALL:
		step->call(step->context);
		break;
	default:
		break;
	}
}

static int fake_step(struct hv_vcpu *vcpu, const struct fake_step *step, struct hv_exit *exit)
{
	switch (step->op) {
	case FAKE_DO_OUT:
	case FAKE_DO_IN:
		return fake_port(vcpu, step, exit);
	case FAKE_DO_STORE:
	case FAKE_DO_LOAD:
		return fake_memory(vcpu, step, exit);
	case FAKE_DO_WRMSR:
	case FAKE_DO_RDMSR:
		return fake_msr_step(vcpu, step, exit);
	case FAKE_DO_HALT:
		return fake_halt(vcpu, exit);
	case FAKE_DO_SPIN:
		(void)fake_idle(vcpu, 0);
		return 0;
	case FAKE_DO_EXIT:
		return fake_exit(vcpu, step, exit);
	default:
		fake_calculate(vcpu, step);
		return 0;
	}
}

/* --- running --- */

lichen_status fake_vcpu_attach(struct hv_vcpu *vcpu)
{
	lichen_status status = fake_asked(FAKE_VCPU_ATTACH);

	if (status < 0)
		return status;
	if (vcpu->attached)
		fake_misuse();
	vcpu->thread = pthread_self();
	vcpu->attached = 1;
	return 0;
}

/* The step at RIP; NULL: past the script, or there is none. */
static const struct fake_step *fake_fetch(struct hv_vcpu *vcpu)
{
	if (!vcpu->based) {
		vcpu->base = vcpu->cpu.rip;
		vcpu->based = 1;
	}
	return vcpu->cpu.rip - vcpu->base < vcpu->step_count
		       ? &vcpu->steps[vcpu->cpu.rip - vcpu->base]
		       : NULL;
}

int fake_at_halt(const struct hv_vcpu *vcpu)
{
	return vcpu->based && vcpu->cpu.rip - vcpu->base < vcpu->step_count &&
	       vcpu->steps[vcpu->cpu.rip - vcpu->base].op == FAKE_DO_HALT;
}

static void fake_enter(struct hv_vcpu *vcpu, struct hv_exit *exit)
{
	const struct fake_step *step;

	for (;;) {
		if (vcpu->dead) {
			exit->kind = HV_EXIT_SHUTDOWN;
			return;
		}
		if (fake_take_kick(vcpu)) {
			exit->kind = HV_EXIT_KICK;
			return;
		}
		step = fake_fetch(vcpu);
		if (!step)
			(void)fake_idle(vcpu, 0);
		else if (fake_step(vcpu, step, exit))
			return;
	}
}

lichen_status fake_vcpu_run(struct hv_vcpu *vcpu, struct hv_exit *exit)
{
	const lichen_status status = fake_asked(FAKE_VCPU_RUN);

	if (!vcpu->attached || !pthread_equal(vcpu->thread, pthread_self()) ||
	    atomic_exchange(&vcpu->running, 1)) {
		fake_misuse();
		return -LICHEN_EIO;
	}
	if (status == 0) {
		fake_open_complete(vcpu);
		fake_enter(vcpu, exit);
	}
	atomic_store(&vcpu->running, 0);
	return status;
}

lichen_status fake_vcpu_settle(struct hv_vcpu *vcpu, struct hv_exit *exit)
{
	if (atomic_load(&vcpu->running)) {
		fake_misuse();
		return -LICHEN_EIO;
	}
	fake_open_complete(vcpu);
	exit->kind = HV_EXIT_KICK;
	return 0;
}

void fake_vcpu_paused(struct hv_vcpu *vcpu)
{
	if (atomic_load(&vcpu->running))
		fake_misuse();
	pthread_mutex_lock(&vcpu->vm->irq_lock);
	vcpu->vm->seen.pauses++;
	pthread_mutex_unlock(&vcpu->vm->irq_lock);
}
