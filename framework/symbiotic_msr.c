/* SPDX-License-Identifier: MIT */
/*
 * symbiotic_msr.c: the MSRs of the discovery block.  See symbiotic.h.
 *
 * Those that instances claim lie on a bus of their own, at 8 bytes each, so that claims
 * come and go under running vCPUs as windows do.  A bus's handlers know neither vCPU nor
 * refusal: both travel beside it, with the thread.
 */
#include "stage.h"
#include "vm.h"

/* The access that this thread is about. */
static _Thread_local struct {
	uint32_t vcpu;
	lichen_status status;
} fw_msr_access;

/* [vcpu] */
static uint64_t fw_msr_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	const struct fw_msrs *msrs = self;
	const struct lichen_symbiotic_ops *ops = fw_symbiotic_ops(msrs->in);
	uint64_t value = 0;

	(void)cookie, (void)size;
	fw_msr_access.status = -LICHEN_ENOENT;
	if (ops->msr_read)
		fw_msr_access.status =
			ops->msr_read(msrs->in->self, 0, fw_msr_access.vcpu,
				      msrs->first + (uint32_t)(off / sizeof(uint64_t)), &value);
	return value;
}

/* [vcpu] */
static void fw_msr_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
			 uint64_t value)
{
	const struct fw_msrs *msrs = self;
	const struct lichen_symbiotic_ops *ops = fw_symbiotic_ops(msrs->in);

	(void)cookie, (void)size;
	fw_msr_access.status = -LICHEN_ENOENT;
	if (ops->msr_write)
		fw_msr_access.status =
			ops->msr_write(msrs->in->self, 0, fw_msr_access.vcpu,
				       msrs->first + (uint32_t)(off / sizeof(uint64_t)), value);
}

static const struct lichen_io_ops fw_msr_ops = {
	LICHEN_STRUCT(struct lichen_io_ops),
	.read = fw_msr_read,
	.write = fw_msr_write,
};

lichen_status fw_msrs_claim(struct fw_msrs *msrs)
{
	struct lichen_instance *in = msrs->in;
	lichen_status status;

	msrs->window = (struct lichen_window){
		LICHEN_STRUCT(struct lichen_window),
		.kind = LICHEN_IO,
		.name = "msrs",
		.size = (uint64_t)msrs->count * sizeof(uint64_t),
		.access_sizes = sizeof(uint64_t),
		.ops = &fw_msr_ops,
	};
	msrs->target = (struct fw_target){
		.window = &msrs->window,
		.self = msrs,
		.lock = fw_is_parallel(in) ? NULL : &in->lock,
		.start = (uint64_t)msrs->first * sizeof(uint64_t),
		.owner = in,
	};
	if (in->stage)
		return fw_stage_msrs_check(msrs);
	status = fw_bus_insert(in->vm->symbiotic->msrs, &msrs->target, NULL);
	msrs->placed = status == 0;
	return status;
}

void fw_msrs_release(struct fw_msrs *msrs)
{
	if (msrs->placed)
		(void)fw_bus_remove(msrs->in->vm->symbiotic->msrs, &msrs->target);
	msrs->placed = 0;
}

/* --- the framework's own; 0: #GP --- */

static int fw_common_read(struct fw_symbiotic *symbiotic, uint32_t msr, uint64_t *value)
{
	switch (msr) {
	case LICHEN_MSR_OFFERED:
		*value = atomic_load(&symbiotic->offered);
		return 1;
	case LICHEN_MSR_AGREED:
		*value = atomic_load(&symbiotic->agreed);
		return 1;
	case LICHEN_MSR_NOTIFY:
		*value = atomic_exchange(&symbiotic->causes, 0);
		return 1;
	case LICHEN_MSR_LISTEN:
		*value = atomic_load(&symbiotic->listen);
		return 1;
	default:
		return 0;
	}
}

static int fw_common_write(struct fw_symbiotic *symbiotic, uint32_t msr, uint64_t value)
{
	switch (msr) {
	case LICHEN_MSR_AGREED:
		return fw_symbiotic_agree(symbiotic, value);
	case LICHEN_MSR_LISTEN:
		if (value > 1)
			return 0;
		fw_symbiotic_listen(symbiotic, (uint32_t)value);
		return 1;
	default:
		return 0;
	}
}

static int fw_claimed_access(struct fw_symbiotic *symbiotic, uint32_t vcpu, uint32_t msr,
			     const struct hv_exit *exit)
{
	const uint64_t at = (uint64_t)msr * sizeof(uint64_t);
	uint64_t value = 0;

	fw_msr_access.vcpu = vcpu;
	fw_msr_access.status = -LICHEN_ENOENT;
	if (exit->msr.write)
		(void)fw_bus_write(symbiotic->msrs, at, sizeof(value), *exit->msr.data);
	else
		(void)fw_bus_read(symbiotic->msrs, at, sizeof(value), &value);
	if (fw_msr_access.status < 0)
		return 0;
	if (!exit->msr.write)
		*exit->msr.data = value;
	return 1;
}

void fw_symbiotic_msr(struct fw_symbiotic *symbiotic, uint32_t vcpu, const struct hv_exit *exit)
{
	const uint32_t msr = exit->msr.index - FW_SYMBIOTIC_MSRS;
	int good = 0;

	if (symbiotic && msr < FW_SYMBIOTIC_COMMON)
		good = exit->msr.write ? fw_common_write(symbiotic, msr, *exit->msr.data)
				       : fw_common_read(symbiotic, msr, exit->msr.data);
	else if (symbiotic && msr < LICHEN_MSR_COUNT)
		good = fw_claimed_access(symbiotic, vcpu, msr, exit);
	*exit->msr.fault = !good;
}
