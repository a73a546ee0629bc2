/* SPDX-License-Identifier: MIT */
/* count.c: see count.h. */
#include <stdlib.h>
#include <string.h>

#include "vm.h"

struct fw_tally *fw_tally_new(void)
{
	const size_t size =
		(sizeof(struct fw_tally) + FW_COUNT_LINE - 1) / FW_COUNT_LINE * FW_COUNT_LINE;
	struct fw_tally *tally = aligned_alloc(FW_COUNT_LINE, size);

	if (tally)
		memset(tally, 0, size);
	return tally;
}

void fw_tally_time(struct fw_tally *tally, uint64_t ns)
{
	uint32_t bucket = 0;

	while (bucket < FW_COUNT_BUCKETS - 1 && ns >> (bucket + FW_COUNT_FIRST))
		bucket++;
	(void)fw_count(&tally->dispatch[bucket]);
	(void)fw_count(&tally->sampled);
	__atomic_store_n(&tally->sampled_ns, tally->sampled_ns + ns, __ATOMIC_RELAXED);
}

uint32_t fw_counter_take(struct lichen_vm *vm)
{
	for (uint32_t i = 1; i < FW_COUNT_WINDOWS; i++) {
		if (__atomic_exchange_n(&vm->counters[i], 1, __ATOMIC_ACQ_REL))
			continue;
		/* Nobody counts under it: its last window is off the bus. */
		for (uint32_t v = 0; v < vm->vcpu_count; v++)
			__atomic_store_n(&vm->vcpus[v].tally->windows[i], 0, __ATOMIC_RELAXED);
		return i;
	}
	return 0;
}

void fw_counter_give(struct lichen_vm *vm, uint32_t counter)
{
	__atomic_store_n(&vm->counters[counter], 0, __ATOMIC_RELEASE);
}

uint64_t fw_counter_read(const struct lichen_vm *vm, uint32_t counter)
{
	uint64_t sum = 0;

	for (uint32_t v = 0; v < vm->vcpu_count; v++)
		sum += fw_counted(&vm->vcpus[v].tally->windows[counter]);
	return sum;
}
