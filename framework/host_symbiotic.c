/* SPDX-License-Identifier: MIT */
/* host_symbiotic.c: lichen.symbiotic-host/1, as an instance calls it. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "stage.h"
#include "vm.h"

static lichen_status fw_host_offer(struct lichen_instance *in, uint64_t features)
{
	const lichen_status status = fw_symbiotic_offer(in, features);

	if (status < 0)
		fw_host.error(in, "features 0x%llx: %s", (unsigned long long)features,
			      status == -LICHEN_EEXIST
				      ? "another instance offers one of them"
				      : "there are too many instances that offer some");
	return status;
}

static lichen_status fw_host_msr_claim(struct lichen_instance *in, uint32_t first,
				       uint32_t count, lichen_handle *handle)
{
	struct fw_claim *claim;
	lichen_handle entered;
	lichen_status status;

	if (first < FW_SYMBIOTIC_COMMON || first >= LICHEN_MSR_COUNT || count == 0 ||
	    count > LICHEN_MSR_COUNT - first) {
		fw_host.error(in, "MSRs 0x%x, %u of them: not within 0x%x to 0x%x", first,
			      count, FW_SYMBIOTIC_COMMON, LICHEN_MSR_COUNT - 1);
		return -LICHEN_ERANGE;
	}
	claim = fw_claim_new(in, FW_CLAIM_MSRS, 0);
	if (!claim)
		return -LICHEN_ENOMEM;
	claim->msrs = (struct fw_msrs){ .in = in, .first = first, .count = count };
	status = fw_msrs_claim(&claim->msrs);
	if (status < 0) {
		if (status == -LICHEN_EEXIST)
			fw_host.error(in, "MSRs 0x%x, %u of them: claimed by another instance",
				      first, count);
		free(claim);
		return status;
	}
	entered = fw_claim_enter(claim);
	if (!entered) {
		fw_msrs_release(&claim->msrs);
		free(claim);
		return -LICHEN_ENOSPC;
	}
	*handle = entered;
	return 0;
}

static void fw_host_msr_release(struct lichen_instance *in, lichen_handle handle)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_MSRS, "msr_release");

	if (claim)
		fw_claim_drop(claim);
}

static void fw_host_notify(struct lichen_instance *in, uint64_t causes)
{
	if (causes & LICHEN_CAUSE_FEATURES) {
		fw_host.log_guest(in, LICHEN_LOG_PLUGIN_MISBEHAVING,
				  "notify: 0x%llx: bit 0 is the host's",
				  (unsigned long long)causes);
		return;
	}
	if (!fw_stage_refuses(in, "notify"))
		fw_symbiotic_notify(in->vm->symbiotic, causes);
}

/* Linux, Documentation/scheduler/sched-stats.rst: the second number of a task's file. */
static uint64_t fw_host_steal_ns(struct lichen_instance *in, uint32_t vcpu)
{
	struct lichen_vm *vm = in->vm;
	unsigned long long ran, waited = 0;
	char name[64];
	FILE *file;

	if (vcpu >= vm->vcpu_count || !atomic_load(&vm->vcpus[vcpu].tid))
		return 0;
	(void)snprintf(name, sizeof(name), "/proc/self/task/%d/schedstat",
		       atomic_load(&vm->vcpus[vcpu].tid));
	file = fopen(name, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%llu %llu", &ran, &waited) != 2)
		waited = 0;
	fclose(file);
	return waited;
}

const struct lichen_symbiotic_host fw_symbiotic_host = {
	LICHEN_STRUCT(struct lichen_symbiotic_host),
	.offer = fw_host_offer,
	.agreed = fw_symbiotic_agreed,
	.msr_claim = fw_host_msr_claim,
	.msr_release = fw_host_msr_release,
	.notify = fw_host_notify,
	.borrow = fw_borrow_ask,
	.borrow_end = fw_borrow_end,
	.borrow_cancel = fw_borrow_cancel,
	.steal_ns = fw_host_steal_ns,
};
