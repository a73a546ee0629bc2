/* SPDX-License-Identifier: MIT */
/*
 * stage_symbiotic.c: MSRs and features of a staged instance.  See stage.h.
 *
 * What the guest agreed to with the predecessor holds for what the new one offers as well:
 * it is not told of anything but of features that come or go.  No vCPU is lent while it is
 * published, since each of them rests.
 */
#include "stage.h"
#include "vm.h"

/* The claim in this slot, where it is one of MSRs; else NULL. */
static struct fw_msrs *fw_stage_msrs(struct lichen_instance *in, uint32_t slot)
{
	struct fw_claim *claim = atomic_load(&in->slots[slot].claim);

	return claim && claim->kind == FW_CLAIM_MSRS ? &claim->msrs : NULL;
}

lichen_status fw_stage_msrs_check(struct fw_msrs *msrs)
{
	struct lichen_instance *in = msrs->in;
	const struct fw_target *clash = NULL;

	for (uint32_t i = 0; i < FW_CLAIMS_MAX; i++) {
		const struct fw_msrs *other = fw_stage_msrs(in, i);

		if (other && other->first < msrs->first + msrs->count &&
		    msrs->first < other->first + other->count)
			return -LICHEN_EEXIST;
	}
	return fw_bus_check(in->vm->symbiotic->msrs, &msrs->target, in->stage->old, &clash);
}

static void fw_stage_msrs_append(struct lichen_instance *in, struct fw_target **targets,
				 uint32_t *count)
{
	for (uint32_t i = 0; i < FW_CLAIMS_MAX; i++) {
		struct fw_msrs *msrs = fw_stage_msrs(in, i);

		if (msrs)
			targets[(*count)++] = &msrs->target;
	}
}

void fw_stage_msr_targets(struct fw_stage *stage, struct fw_target **out, uint32_t *outs,
			  struct fw_target **in, uint32_t *ins)
{
	fw_stage_msrs_append(stage->old, out, outs);
	fw_stage_msrs_append(stage->in, in, ins);
}

void fw_stage_symbiotic_publish(struct fw_stage *stage)
{
	for (uint32_t i = 0; i < FW_CLAIMS_MAX; i++) {
		struct fw_msrs *old = fw_stage_msrs(stage->old, i);
		struct fw_msrs *msrs = fw_stage_msrs(stage->in, i);

		if (old)
			old->placed = 0;
		if (msrs)
			msrs->placed = 1;
	}
	if (stage->in->vm->symbiotic)
		fw_symbiotic_pass(stage->old, stage->in);
}
