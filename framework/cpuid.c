/* SPDX-License-Identifier: MIT */
/*
 * cpuid.c: one vCPU's leaves out of the host's.  See cpuid.h.
 *
 * Topology: one package with `cpus` cores of one thread, local APIC ids 0 to
 * cpus - 1, first and second level caches a core's own, the third shared by all.
 * (SDM 3A, 9.9 and 2A, CPUID; APM 3, appendix E.3 and E.4.)
 */
#include <string.h>

#include <lichen/guest/discovery.h>

#include "cpuid.h"

enum {
	LEAF_VENDOR = 0,
	LEAF_FEATURES = 1,
	LEAF_CACHES = 4,
	LEAF_TOPOLOGY = 0xb,
	LEAF_TOPOLOGY_V2 = 0x1f,

	FEATURES_ECX_HYPERVISOR = 31,
	FEATURES_EDX_HTT = 28,
	CACHE_SHARED_LEVEL = 3,
	TOPOLOGY_SMT = 1, /* types of level */
	TOPOLOGY_CORE = 2,
};

#define LEAF_EXTENDED 0x80000000u
#define LEAF_EXTENDED_FEATURES 0x80000001u
#define LEAF_SIZES 0x80000008u
#define LEAF_AMD_CACHES 0x8000001du
#define LEAF_AMD_TOPOLOGY 0x8000001eu
#define LEAF_AMD_TOPOLOGY_V2 0x80000026u

/* Bits of 0x80000001 edx that on AMD repeat those of leaf 1 edx. */
#define AMD_REPEATED 0x0183f3ffu
#define AMD_CMP_LEGACY (1u << 1) /* 0x80000001 ecx: HTT means cores, not threads */

struct build {
	struct hv_cpuid *leaves;
	uint32_t count;
	uint32_t index, cpus;
	uint32_t shift; /* bits of an APIC id that name the core */
	int amd;
};

uint32_t fw_cpuid_apic_id(uint32_t index)
{
	return index;
}

static struct hv_cpuid *cpuid_find(const struct build *build, uint32_t leaf, uint32_t index)
{
	for (uint32_t i = 0; i < build->count; i++) {
		struct hv_cpuid *it = &build->leaves[i];

		if (it->leaf == leaf && (it->indexed ? it->index : 0) == index)
			return it;
	}
	return NULL;
}

static void cpuid_drop(struct build *build, uint32_t leaf)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < build->count; i++)
		if (build->leaves[i].leaf != leaf)
			build->leaves[kept++] = build->leaves[i];
	build->count = kept;
}

/* A full table stays as it is: what is missing then reads as zero. */
static void cpuid_add(struct build *build, struct hv_cpuid leaf)
{
	if (build->count < HV_CPUID_MAX)
		build->leaves[build->count++] = leaf;
}

/* The highest leaf that CPUID admits to, of the basic or the extended ones. */
static uint32_t cpuid_highest(const struct build *build, uint32_t first)
{
	const struct hv_cpuid *leaf = cpuid_find(build, first, 0);

	return leaf ? leaf->eax : 0;
}

/* "AuthenticAMD" and "HygonGenuine", by the first four letters. */
static int cpuid_is_amd(const struct build *build)
{
	const struct hv_cpuid *vendor = cpuid_find(build, LEAF_VENDOR, 0);

	return vendor && (vendor->ebx == 0x68747541 || vendor->ebx == 0x6f677948);
}

static void cpuid_features(struct build *build)
{
	struct hv_cpuid *leaf = cpuid_find(build, LEAF_FEATURES, 0);

	if (!leaf)
		return;
	/* 31:24 APIC id, 23:16 logical processors; below are CLFLUSH size and brand. */
	leaf->ebx =
		(leaf->ebx & 0xffff) | fw_cpuid_apic_id(build->index) << 24 | build->cpus << 16;
	leaf->ecx |= 1u << FEATURES_ECX_HYPERVISOR;
	leaf->edx &= ~(1u << FEATURES_EDX_HTT);
	if (build->cpus > 1)
		leaf->edx |= 1u << FEATURES_EDX_HTT;
}

/* Leaf 4: 25:14 threads that share this cache, 31:26 cores, as APIC ids, less 1. */
static void cpuid_caches(struct build *build)
{
	const uint32_t ids = (1u << build->shift) - 1;

	for (uint32_t i = 0; i < build->count; i++) {
		struct hv_cpuid *it = &build->leaves[i];
		uint32_t level = it->eax >> 5 & 7;

		if (it->leaf != LEAF_CACHES || (it->eax & 0x1f) == 0)
			continue;
		it->eax &= 0x3fff;
		it->eax |= (level >= CACHE_SHARED_LEVEL ? ids : 0) << 14 | ids << 26;
	}
}

/* 0xb and 0x1f: the thread's level, the core's, and one that ends the list. */
static void cpuid_levels(struct build *build, uint32_t leaf)
{
	const uint32_t id = fw_cpuid_apic_id(build->index);

	cpuid_drop(build, leaf);
	if (cpuid_highest(build, LEAF_VENDOR) < leaf)
		return;
	cpuid_add(build, (struct hv_cpuid){ .leaf = leaf,
					    .index = 0,
					    .indexed = 1,
					    .eax = 0,
					    .ebx = 1,
					    .ecx = TOPOLOGY_SMT << 8 | 0,
					    .edx = id });
	cpuid_add(build, (struct hv_cpuid){ .leaf = leaf,
					    .index = 1,
					    .indexed = 1,
					    .eax = build->shift,
					    .ebx = build->cpus,
					    .ecx = TOPOLOGY_CORE << 8 | 1,
					    .edx = id });
	cpuid_add(build, (struct hv_cpuid){
				 .leaf = leaf, .index = 2, .indexed = 1, .ecx = 2, .edx = id });
}

static void cpuid_amd(struct build *build)
{
	struct hv_cpuid *leaf = cpuid_find(build, LEAF_EXTENDED_FEATURES, 0);

	if (leaf) {
		leaf->ecx &= ~AMD_CMP_LEGACY;
		if (build->cpus > 1)
			leaf->ecx |= AMD_CMP_LEGACY;
	}
	leaf = cpuid_find(build, LEAF_SIZES, 0);
	if (leaf) /* 15:12 bits of an APIC id, 7:0 cores less 1 */
		leaf->ecx = (leaf->ecx & ~0xf0ffu) | build->shift << 12 | (build->cpus - 1);
	for (uint32_t i = 0; i < build->count; i++) {
		struct hv_cpuid *it = &build->leaves[i];
		uint32_t level = it->eax >> 5 & 7;

		if (it->leaf != LEAF_AMD_CACHES || (it->eax & 0x1f) == 0)
			continue;
		it->eax &= 0x3fff; /* 25:14 cores that share it, less 1 */
		it->eax |= (level >= CACHE_SHARED_LEVEL ? build->cpus - 1 : 0) << 14;
	}
	cpuid_drop(build, LEAF_AMD_TOPOLOGY);
	if (cpuid_highest(build, LEAF_EXTENDED) >= LEAF_AMD_TOPOLOGY)
		cpuid_add(build, (struct hv_cpuid){ .leaf = LEAF_AMD_TOPOLOGY,
						    .eax = fw_cpuid_apic_id(build->index),
						    .ebx = build->index });
}

static uint32_t *cpuid_register(struct hv_cpuid *leaf, enum fw_register reg)
{
	switch (reg) {
	case FW_EAX:
		return &leaf->eax;
	case FW_EBX:
		return &leaf->ebx;
	case FW_ECX:
		return &leaf->ecx;
	default:
		return &leaf->edx;
	}
}

/* A mask that sets bits makes its leaf where the host has none. */
static void cpuid_apply(struct build *build, const struct fw_mask *mask)
{
	struct hv_cpuid *leaf = cpuid_find(build, mask->leaf, mask->index);
	uint32_t *value;

	if (!leaf && mask->or_ && build->count < HV_CPUID_MAX) {
		leaf = &build->leaves[build->count++];
		*leaf = (struct hv_cpuid){ .leaf = mask->leaf,
					   .index = mask->index,
					   .indexed = mask->index != 0 };
	}
	if (!leaf)
		return;
	value = cpuid_register(leaf, mask->reg);
	*value = (*value & mask->and_) | mask->or_;
}

/* What was masked out of leaf 1 is not to be found in AMD's copy either. */
static void cpuid_repeat(struct build *build)
{
	const struct hv_cpuid *basic = cpuid_find(build, LEAF_FEATURES, 0);
	struct hv_cpuid *extended = cpuid_find(build, LEAF_EXTENDED_FEATURES, 0);

	if (basic && extended)
		extended->edx &= basic->edx | ~AMD_REPEATED;
}

void fw_cpuid_build(struct hv_cpuid *leaves, uint32_t *count, uint32_t index, uint32_t cpus,
		    const struct fw_mask *masks, uint32_t mask_count)
{
	struct build build = {
		.leaves = leaves, .count = *count, .index = index, .cpus = cpus
	};

	while (1u << build.shift < cpus)
		build.shift++;
	build.amd = cpuid_is_amd(&build);
	cpuid_features(&build);
	cpuid_caches(&build);
	cpuid_levels(&build, LEAF_TOPOLOGY);
	cpuid_levels(&build, LEAF_TOPOLOGY_V2);
	/* The host's own topology; a guest that finds no valid level goes by the others. */
	cpuid_drop(&build, LEAF_AMD_TOPOLOGY_V2);
	if (build.amd)
		cpuid_amd(&build);
	for (uint32_t i = 0; i < mask_count; i++)
		cpuid_apply(&build, &masks[i]);
	if (build.amd)
		cpuid_repeat(&build);
	*count = build.count;
}

/* KVM's own block is at the first base, and there may be another at the second. */
#define SYMBIOTIC_FIRST (LICHEN_GUEST_CPUID_FIRST + 2 * LICHEN_GUEST_CPUID_STEP)

/* 1: no leaf lies from `base` to the next one. */
static int cpuid_is_free(const struct hv_cpuid *leaves, uint32_t count, uint32_t base)
{
	for (uint32_t i = 0; i < count; i++)
		if (leaves[i].leaf - base < LICHEN_GUEST_CPUID_STEP)
			return 0;
	return 1;
}

lichen_status fw_cpuid_symbiotic(struct hv_cpuid *leaves, uint32_t *count, uint32_t first_msr,
				 uint32_t line)
{
	uint32_t base = SYMBIOTIC_FIRST;

	while (base <= LICHEN_GUEST_CPUID_LAST && !cpuid_is_free(leaves, *count, base))
		base += LICHEN_GUEST_CPUID_STEP;
	if (base > LICHEN_GUEST_CPUID_LAST || *count > HV_CPUID_MAX - 2)
		return -LICHEN_ENOSPC;
	leaves[(*count)++] = (struct hv_cpuid){ .leaf = base,
						.eax = base + 1,
						.ebx = LICHEN_GUEST_CPUID_EBX,
						.ecx = LICHEN_GUEST_CPUID_ECX,
						.edx = LICHEN_GUEST_CPUID_EDX };
	leaves[(*count)++] =
		(struct hv_cpuid){ .leaf = base + 1,
				   .eax = LICHEN_GUEST_MAJOR << 16 | LICHEN_GUEST_MINOR,
				   .ebx = first_msr,
				   .ecx = LICHEN_MSR_COUNT,
				   .edx = line };
	return 0;
}

/* SDM 2A, CPUID; APM 3, appendix E.4.7: 36 where there is no such leaf. */
uint32_t fw_cpuid_physical_bits(const struct hv_cpuid *leaves, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const uint32_t bits = leaves[i].eax & 0xff;

		if (leaves[i].leaf == LEAF_SIZES && bits)
			return bits;
	}
	return 36;
}
