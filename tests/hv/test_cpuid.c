/* SPDX-License-Identifier: MIT */
/* What a vCPU's CPUID says of itself and its siblings, and masks by name. */
#include <lichen/guest/discovery.h>

#include "cpuid.h"

#include "tap.h"

static struct hv_cpuid leaves[HV_CPUID_MAX];
static uint32_t count;

static void host_add(uint32_t leaf, uint32_t index, uint32_t indexed, uint32_t eax,
		     uint32_t ebx, uint32_t ecx, uint32_t edx)
{
	CHECK(count < HV_CPUID_MAX);
	leaves[count++] = (struct hv_cpuid){ leaf, index, indexed, eax, ebx, ecx, edx };
}

/* A host of 16 threads in 8 cores, seen from its thread 5. */
static void host_common(uint32_t highest)
{
	count = 0;
	host_add(1, 0, 0, 0x00a20f12, 0x05100800, 0x76f8320b, 0x178bfbff);
	host_add(7, 0, 1, 1, 0x219c97a9, 0x0040069c, 0x00000010);
	host_add(7, 1, 1, 0x30, 0, 0, 0);
	host_add(0xb, 0, 1, 1, 2, 0x100, 5);
	host_add(0xb, 1, 1, 4, 16, 0x201, 5);
	host_add(0xd, 1, 1, 0xf, 0, 0, 0);
	if (highest >= 0x1f)
		host_add(0x1f, 0, 1, 1, 2, 0x100, 5);
	host_add(0x40000000, 0, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d);
	host_add(0x40000001, 0, 0, 0x01007efb, 0, 0, 0);
}

static void host_amd(void)
{
	host_common(0x10);
	host_add(0, 0, 0, 0x10, 0x68747541, 0x444d4163, 0x69746e65);
	host_add(0x80000000, 0, 0, 0x80000021, 0x68747541, 0x444d4163, 0x69746e65);
	host_add(0x80000001, 0, 0, 0x00a20f12, 0x20000000, 0x75c237ff, 0x2fd3fbff);
	host_add(0x80000008, 0, 0, 0x3030, 0x111ef657, 0x400f, 0x10000);
	host_add(0x8000001d, 0, 1, 0x00004121, 0x01c0003f, 0x3f, 0);
	host_add(0x8000001d, 3, 1, 0x0003c163, 0x03c0003f, 0x7fff, 1);
	host_add(0x8000001e, 0, 0, 5, 0x102, 0x100, 0);
	host_add(0x80000026, 0, 1, 1, 2, 0x100, 5);
}

static void host_intel(void)
{
	host_common(0x1f);
	host_add(0, 0, 0, 0x1f, 0x756e6547, 0x6c65746e, 0x49656e69);
	host_add(4, 0, 1, 0x1c004121, 0x02c0003f, 0x3f, 0);
	host_add(4, 2, 1, 0x1c004143, 0x04c0003f, 0x3ff, 0);
	host_add(4, 3, 1, 0x1c03c163, 0x02c0003f, 0x7fff, 6);
	host_add(4, 4, 1, 0, 0, 0, 0);
	host_add(0x80000000, 0, 0, 0x80000008, 0, 0, 0);
	host_add(0x80000001, 0, 0, 0, 0, 0x121, 0x2c100800);
	host_add(0x80000008, 0, 0, 0x3027, 0, 0, 0);
}

static struct hv_cpuid *at(uint32_t leaf, uint32_t index)
{
	struct hv_cpuid *found = NULL;

	for (uint32_t i = 0; i < count; i++)
		if (leaves[i].leaf == leaf && leaves[i].index == index) {
			CHECK(found == NULL); /* each once */
			found = &leaves[i];
		}
	return found;
}

static struct hv_cpuid *have(uint32_t leaf, uint32_t index)
{
	struct hv_cpuid *found = at(leaf, index);

	if (!found)
		tap_fail("no leaf 0x%x.%u", leaf, index);
	return found;
}

TEST(every_vcpu_of_1_to_32_has_its_own_apic_id_everywhere)
{
	for (uint32_t cpus = 1; cpus <= 32; cpus++)
		for (uint32_t i = 0; i < cpus; i++) {
			host_amd();
			fw_cpuid_build(leaves, &count, i, cpus, NULL, 0);
			CHECK_EQ(i, fw_cpuid_apic_id(i));
			CHECK_EQ(i, have(1, 0)->ebx >> 24);
			CHECK_EQ(cpus, have(1, 0)->ebx >> 16 & 0xff);
			CHECK_EQ(cpus > 1, have(1, 0)->edx >> 28 & 1);
			for (uint32_t level = 0; level < 3; level++)
				CHECK_EQ(i, have(0xb, level)->edx);
			CHECK_EQ(i, have(0x8000001e, 0)->eax);
			CHECK_EQ(i, have(0x8000001e, 0)->ebx);
			CHECK_EQ(cpus, have(0xb, 1)->ebx);
			/* All ids, and no more bits than it takes. */
			CHECK(cpus <= 1u << have(0xb, 1)->eax);
			CHECK(cpus == 1 || cpus > 1u << have(0xb, 1)->eax >> 1);
		}
}

TEST(leaf_1_keeps_clflush_size_and_brand_and_says_hypervisor)
{
	host_amd();
	fw_cpuid_build(leaves, &count, 3, 4, NULL, 0);
	CHECK_EQ(0x0800, have(1, 0)->ebx & 0xffff);
	CHECK_EQ(0xf6f8320b, have(1, 0)->ecx);
}

TEST(extended_topology_has_a_thread_level_a_core_level_and_an_end)
{
	host_intel();
	fw_cpuid_build(leaves, &count, 2, 6, NULL, 0);
	for (uint32_t leaf = 0xb; leaf <= 0x1f; leaf += 0x1f - 0xb) {
		CHECK_EQ(0, have(leaf, 0)->eax);
		CHECK_EQ(1, have(leaf, 0)->ebx);
		CHECK_EQ(0x100, have(leaf, 0)->ecx);
		CHECK_EQ(3, have(leaf, 1)->eax);
		CHECK_EQ(6, have(leaf, 1)->ebx);
		CHECK_EQ(0x201, have(leaf, 1)->ecx);
		CHECK_EQ(0, have(leaf, 2)->ebx);
		CHECK_EQ(2, have(leaf, 2)->ecx);
		CHECK_EQ(1, have(leaf, 2)->indexed);
	}
}

TEST(intel_caches_of_level_1_and_2_are_private_and_level_3_is_shared)
{
	host_intel();
	fw_cpuid_build(leaves, &count, 0, 4, NULL, 0);
	CHECK_EQ(0x0c000121, have(4, 0)->eax);
	CHECK_EQ(0x0c000143, have(4, 2)->eax);
	CHECK_EQ(0x0c00c163, have(4, 3)->eax);
	CHECK_EQ(0, have(4, 4)->eax);
	CHECK_EQ(0x02c0003f, have(4, 0)->ebx);
	CHECK(at(0x8000001e, 0) == NULL);
	CHECK_EQ(0, have(0x80000008, 0)->ecx);
}

TEST(amd_leaves_count_cores_without_threads)
{
	host_amd();
	fw_cpuid_build(leaves, &count, 1, 4, NULL, 0);
	CHECK_EQ(0x2003, have(0x80000008, 0)->ecx);
	CHECK_EQ(0x3030, have(0x80000008, 0)->eax);
	CHECK_EQ(2, have(0x80000001, 0)->ecx & 2);
	CHECK_EQ(1 << 22, have(0x80000001, 0)->ecx & 1 << 22); /* topoext as it was */
	CHECK_EQ(0x00000121, have(0x8000001d, 0)->eax);
	CHECK_EQ(0x0000c163, have(0x8000001d, 3)->eax);
	CHECK_EQ(0, have(0x8000001e, 0)->ecx);
	CHECK(at(0x80000026, 0) == NULL);
	CHECK(at(0x1f, 0) == NULL);
}

TEST(one_cpu_is_no_multiprocessor)
{
	host_amd();
	fw_cpuid_build(leaves, &count, 0, 1, NULL, 0);
	CHECK_EQ(0, have(0x80000008, 0)->ecx);
	CHECK_EQ(0, have(0x80000001, 0)->ecx & 2);
	CHECK_EQ(0, have(0xb, 1)->eax);
	CHECK_EQ(0x00000163, have(0x8000001d, 3)->eax);
}

TEST(the_hypervisors_own_leaves_stay)
{
	host_amd();
	fw_cpuid_build(leaves, &count, 0, 2, NULL, 0);
	CHECK_EQ(0x40000001, have(0x40000000, 0)->eax);
	CHECK_EQ(0x01007efb, have(0x40000001, 0)->eax);
}

TEST(masks_clear_and_set_bits_after_all_else_and_make_leaves_only_to_set)
{
	const struct fw_mask masks[] = {
		{ .leaf = 1, .reg = FW_ECX, .and_ = 0x7fffffff },
		{ .leaf = 7, .reg = FW_EBX, .and_ = ~0x20u, .or_ = 4 },
		{ .leaf = 7, .index = 1, .reg = FW_EAX, .and_ = ~0x10u },
		{ .leaf = 0x15, .reg = FW_EBX, .and_ = UINT32_MAX, .or_ = 9 },
		{ .leaf = 0x16, .reg = FW_EDX, .and_ = 0 },
		{ .leaf = 7, .index = 9, .reg = FW_EDX, .and_ = UINT32_MAX, .or_ = 1 },
	};

	host_amd();
	fw_cpuid_build(leaves, &count, 0, 2, masks, sizeof(masks) / sizeof(masks[0]));
	CHECK_EQ(0, have(1, 0)->ecx >> 31);
	CHECK_EQ(0x219c978d, have(7, 0)->ebx);
	CHECK_EQ(0x20, have(7, 1)->eax);
	CHECK_EQ(9, have(0x15, 0)->ebx);
	CHECK_EQ(0, have(0x15, 0)->indexed);
	CHECK(at(0x16, 0) == NULL);
	CHECK_EQ(1, have(7, 9)->indexed);
}

TEST(what_is_masked_out_of_leaf_1_is_out_of_amds_copy_too)
{
	const struct fw_mask mask = { .leaf = 1, .reg = FW_EDX, .and_ = ~(1u << 4) };

	host_amd();
	fw_cpuid_build(leaves, &count, 0, 2, &mask, 1);
	CHECK_EQ(0, have(0x80000001, 0)->edx & 1 << 4);
	CHECK_EQ(0x2fd3fbef, have(0x80000001, 0)->edx);
}

TEST(a_full_table_is_not_overrun)
{
	const struct fw_mask mask = { .leaf = 0x15, .and_ = UINT32_MAX, .or_ = 1 };

	host_amd();
	while (count < HV_CPUID_MAX)
		host_add(0x100 + count, 0, 0, 0, 0, 0, 0);
	fw_cpuid_build(leaves, &count, 0, 2, &mask, 1);
	CHECK(count <= HV_CPUID_MAX);
}

TEST(a_host_that_tells_nothing_is_survived)
{
	count = 0;
	fw_cpuid_build(leaves, &count, 0, 2, NULL, 0);
	CHECK_EQ(0, count);
}

TEST(names_give_the_bit_that_the_processor_manuals_give)
{
	static const struct {
		const char *text;
		uint32_t leaf, index, reg, bit;
	} names[] = {
		{ "-fpu", 1, 0, FW_EDX, 0 },
		{ "-pbe", 1, 0, FW_EDX, 31 },
		{ "+x2apic", 1, 0, FW_ECX, 21 },
		{ "-tsc_deadline_timer", 1, 0, FW_ECX, 24 },
		{ "-avx512f", 7, 0, FW_EBX, 16 },
		{ "-la57", 7, 0, FW_ECX, 16 },
		{ "+arch_capabilities", 7, 0, FW_EDX, 29 },
		{ "-avx512_bf16", 7, 1, FW_EAX, 5 },
		{ "-xsaves", 0xd, 1, FW_EAX, 3 },
		{ "-rdtscp", 0x80000001, 0, FW_EDX, 27 },
		{ "-svm", 0x80000001, 0, FW_ECX, 2 },
		{ "-mwaitx", 0x80000001, 0, FW_ECX, 29 },
		{ "+clzero", 0x80000008, 0, FW_EBX, 0 },
	};

	for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const uint32_t bit = 1u << names[i].bit;
		struct fw_mask mask = { 0 };

		CHECK_EQ(0, fw_cpuid_feature(names[i].text, &mask, NULL));
		CHECK_EQ(names[i].leaf, mask.leaf);
		CHECK_EQ(names[i].index, mask.index);
		CHECK_EQ(names[i].reg, mask.reg);
		CHECK_EQ(~bit, mask.and_);
		CHECK_EQ(names[i].text[0] == '+' ? bit : 0, mask.or_);
	}
}

TEST(an_unknown_name_gets_the_nearest_and_leaves_the_mask_alone)
{
	struct fw_mask mask = { .leaf = 77 };
	const char *nearest = NULL;

	CHECK_EQ(-LICHEN_ENOENT, fw_cpuid_feature("-avx512", &mask, &nearest));
	CHECK(nearest && strncmp(nearest, "avx512", 6) == 0);
	CHECK_EQ(-LICHEN_ENOENT, fw_cpuid_feature("+x2apci", &mask, &nearest));
	CHECK(nearest && strcmp(nearest, "x2apic") == 0);
	CHECK_EQ(-LICHEN_ENOENT, fw_cpuid_feature("-bicycle", &mask, &nearest));
	CHECK(nearest == NULL);
	CHECK_EQ(-LICHEN_ENOENT, fw_cpuid_feature("avx", &mask, &nearest)); /* no sign */
	CHECK(nearest && strcmp(nearest, "avx") == 0);
	CHECK_EQ(-LICHEN_ENOENT, fw_cpuid_feature("", &mask, &nearest));
	CHECK_EQ(-LICHEN_ENOENT, fw_cpuid_feature("-", &mask, &nearest));
	CHECK_EQ(77, mask.leaf);
}

/* --- the discovery block --- */

static const struct hv_cpuid *leaf_of(uint32_t leaf)
{
	for (uint32_t i = 0; i < count; i++)
		if (leaves[i].leaf == leaf)
			return &leaves[i];
	return NULL;
}

TEST(the_discovery_block_comes_after_kvms)
{
	const struct hv_cpuid *block;

	host_amd();
	CHECK_EQ(0, fw_cpuid_symbiotic(leaves, &count, 0x4c696300, 23));
	CHECK_EQ(0x4b4d564b, leaf_of(0x40000000)->ebx);
	block = leaf_of(0x40000200);
	CHECK(block != NULL);
	CHECK_EQ(0x40000201, block->eax);
	CHECK_EQ(0, memcmp(&block->ebx, "LichenSymbio", 12));
	block = leaf_of(0x40000201);
	CHECK_EQ(LICHEN_GUEST_MAJOR, block->eax >> 16);
	CHECK_EQ(0x4c696300, block->ebx);
	CHECK_EQ(LICHEN_MSR_COUNT, block->ecx);
	CHECK_EQ(23, block->edx);
}

TEST(the_discovery_block_takes_the_next_base_that_is_free)
{
	host_amd();
	host_add(0x40000200, 0, 0, 0x40000200, 1, 2, 3);
	host_add(0x400003ff, 0, 0, 0, 1, 2, 3);
	CHECK_EQ(0, fw_cpuid_symbiotic(leaves, &count, 0x4c696300, LICHEN_GUEST_NO_LINE));
	CHECK_EQ(1, leaf_of(0x40000200)->ebx);
	CHECK_EQ(LICHEN_GUEST_CPUID_EBX, leaf_of(0x40000400)->ebx);
	CHECK_EQ(LICHEN_GUEST_NO_LINE, leaf_of(0x40000401)->edx);
}

TEST(a_full_table_has_no_room_for_the_discovery_block)
{
	host_amd();
	while (count < HV_CPUID_MAX - 1)
		host_add(0x1000 + count, 0, 0, 0, 0, 0, 0);
	CHECK_EQ(-LICHEN_ENOSPC,
		 fw_cpuid_symbiotic(leaves, &count, 0x4c696300, LICHEN_GUEST_NO_LINE));
	CHECK_EQ(HV_CPUID_MAX - 1, count);
}
