/* SPDX-License-Identifier: MIT */
/* cpuid.h: what a vCPU's CPUID says: the host's, filtered, with its own topology. */
#ifndef FW_CPUID_H
#define FW_CPUID_H

#include "hv/hv.h"
#include "profile.h"

/*
 * The mask of a feature name ("-avx512f" clears, "+x2apic" sets) as Linux's
 * /proc/cpuinfo spells it.  -LICHEN_ENOENT: no such name; the nearest one is in
 * *nearest (constant text) or NULL.
 */
lichen_status fw_cpuid_feature(const char *text, struct fw_mask *mask, const char **nearest);

/* The local APIC id of vCPU `index`; dense, so that it equals the index. */
uint32_t fw_cpuid_apic_id(uint32_t index);

/*
 * Turns the host's leaves into those of vCPU `index` of `cpus`: topology (leaves
 * 1, 4, 0xb, 0x1f, 0x80000008, 0x8000001e), hypervisor bit, then the masks.
 * One package, one thread a core.  *count: used in, used out; room is HV_CPUID_MAX.
 */
void fw_cpuid_build(struct hv_cpuid *leaves, uint32_t *count, uint32_t index, uint32_t cpus,
		    const struct fw_mask *masks, uint32_t mask_count);

/*
 * Adds the discovery block (lichen/guest/discovery.h) at the first base that the leaves
 * leave free, behind the hypervisor's own.  line: a GSI or LICHEN_GUEST_NO_LINE.
 * -LICHEN_ENOSPC: there is no room.
 */
lichen_status fw_cpuid_symbiotic(struct hv_cpuid *leaves, uint32_t *count, uint32_t first_msr,
				 uint32_t line);

/* Bits of a guest-physical address. */
uint32_t fw_cpuid_physical_bits(const struct hv_cpuid *leaves, uint32_t count);

#endif
