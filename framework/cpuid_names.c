/* SPDX-License-Identifier: MIT */
/*
 * cpuid_names.c: features by the names that Linux's /proc/cpuinfo shows for them.
 * Bits: SDM 2A, CPUID; APM 3, appendix E; those that Linux computes from several
 * bits or from none (ibrs, constant_tsc) have no place here.
 */
#include <string.h>

#include "cpuid.h"
#include "profile_tree.h"

/* One register; names[b] is bit b's. */
struct cpuid_word {
	uint32_t leaf, index;
	enum fw_register reg;
	const char *names[32];
};

static const struct cpuid_word cpuid_words[] = {
	{ 1,
	  0,
	  FW_EDX,
	  { [0] = "fpu",   [1] = "vme",	   [2] = "de",	  [3] = "pse",	    [4] = "tsc",
	    [5] = "msr",   [6] = "pae",	   [7] = "mce",	  [8] = "cx8",	    [9] = "apic",
	    [11] = "sep",  [12] = "mtrr",  [13] = "pge",  [14] = "mca",	    [15] = "cmov",
	    [16] = "pat",  [17] = "pse36", [18] = "pn",	  [19] = "clflush", [21] = "dts",
	    [22] = "acpi", [23] = "mmx",   [24] = "fxsr", [25] = "sse",	    [26] = "sse2",
	    [27] = "ss",   [28] = "ht",	   [29] = "tm",	  [30] = "ia64",    [31] = "pbe" } },
	{ 1,
	  0,
	  FW_ECX,
	  { [0] = "pni",     [1] = "pclmulqdq",	 [2] = "dtes64",  [3] = "monitor",
	    [4] = "ds_cpl",  [5] = "vmx",	 [6] = "smx",	  [7] = "est",
	    [8] = "tm2",     [9] = "ssse3",	 [10] = "cid",	  [11] = "sdbg",
	    [12] = "fma",    [13] = "cx16",	 [14] = "xtpr",	  [15] = "pdcm",
	    [17] = "pcid",   [18] = "dca",	 [19] = "sse4_1", [20] = "sse4_2",
	    [21] = "x2apic", [22] = "movbe",	 [23] = "popcnt", [24] = "tsc_deadline_timer",
	    [25] = "aes",    [26] = "xsave",	 [28] = "avx",	  [29] = "f16c",
	    [30] = "rdrand", [31] = "hypervisor" } },
	{ 7,
	  0,
	  FW_EBX,
	  { [0] = "fsgsbase",	 [1] = "tsc_adjust", [2] = "sgx",	[3] = "bmi1",
	    [4] = "hle",	 [5] = "avx2",	     [7] = "smep",	[8] = "bmi2",
	    [9] = "erms",	 [10] = "invpcid",   [11] = "rtm",	[12] = "cqm",
	    [14] = "mpx",	 [15] = "rdt_a",     [16] = "avx512f",	[17] = "avx512dq",
	    [18] = "rdseed",	 [19] = "adx",	     [20] = "smap",	[21] = "avx512ifma",
	    [23] = "clflushopt", [24] = "clwb",	     [25] = "intel_pt", [26] = "avx512pf",
	    [27] = "avx512er",	 [28] = "avx512cd",  [29] = "sha_ni",	[30] = "avx512bw",
	    [31] = "avx512vl" } },
	{ 7,
	  0,
	  FW_ECX,
	  { [1] = "avx512vbmi",
	    [2] = "umip",
	    [3] = "pku",
	    [4] = "ospke",
	    [5] = "waitpkg",
	    [6] = "avx512_vbmi2",
	    [8] = "gfni",
	    [9] = "vaes",
	    [10] = "vpclmulqdq",
	    [11] = "avx512_vnni",
	    [12] = "avx512_bitalg",
	    [13] = "tme",
	    [14] = "avx512_vpopcntdq",
	    [16] = "la57",
	    [22] = "rdpid",
	    [24] = "bus_lock_detect",
	    [25] = "cldemote",
	    [27] = "movdiri",
	    [28] = "movdir64b",
	    [29] = "enqcmd",
	    [30] = "sgx_lc" } },
	{ 7,
	  0,
	  FW_EDX,
	  { [2] = "avx512_4vnniw",
	    [3] = "avx512_4fmaps",
	    [4] = "fsrm",
	    [8] = "avx512_vp2intersect",
	    [10] = "md_clear",
	    [14] = "serialize",
	    [16] = "tsxldtrk",
	    [18] = "pconfig",
	    [19] = "arch_lbr",
	    [20] = "ibt",
	    [22] = "amx_bf16",
	    [23] = "avx512_fp16",
	    [24] = "amx_tile",
	    [25] = "amx_int8",
	    [28] = "flush_l1d",
	    [29] = "arch_capabilities" } },
	{ 7,
	  1,
	  FW_EAX,
	  { [4] = "avx_vnni", [5] = "avx512_bf16", [17] = "fred", [26] = "lam" } },
	{ 0xd,
	  1,
	  FW_EAX,
	  { [0] = "xsaveopt", [1] = "xsavec", [2] = "xgetbv1", [3] = "xsaves" } },
	{ 0x80000001,
	  0,
	  FW_EDX,
	  { [11] = "syscall",
	    [19] = "mp",
	    [20] = "nx",
	    [22] = "mmxext",
	    [25] = "fxsr_opt",
	    [26] = "pdpe1gb",
	    [27] = "rdtscp",
	    [29] = "lm",
	    [30] = "3dnowext",
	    [31] = "3dnow" } },
	{ 0x80000001,
	  0,
	  FW_ECX,
	  { [0] = "lahf_lm",	   [1] = "cmp_legacy",	[2] = "svm",	[3] = "extapic",
	    [4] = "cr8_legacy",	   [5] = "abm",		[6] = "sse4a",	[7] = "misalignsse",
	    [8] = "3dnowprefetch", [9] = "osvw",	[10] = "ibs",	[11] = "xop",
	    [12] = "skinit",	   [13] = "wdt",	[15] = "lwp",	[16] = "fma4",
	    [17] = "tce",	   [19] = "nodeid_msr", [21] = "tbm",	[22] = "topoext",
	    [23] = "perfctr_core", [24] = "perfctr_nb", [26] = "bpext", [27] = "ptsc",
	    [28] = "perfctr_llc",  [29] = "mwaitx" } },
	{ 0x80000008,
	  0,
	  FW_EBX,
	  { [0] = "clzero",
	    [1] = "irperf",
	    [2] = "xsaveerptr",
	    [4] = "rdpru",
	    [9] = "wbnoinvd",
	    [23] = "amd_ppin",
	    [25] = "virt_ssbd",
	    [27] = "cppc",
	    [31] = "brs" } },
};

enum { CPUID_WORDS = sizeof(cpuid_words) / sizeof(cpuid_words[0]) };

static void cpuid_mask(struct fw_mask *mask, const struct cpuid_word *word, uint32_t bit,
		       int set)
{
	mask->leaf = word->leaf;
	mask->index = word->index;
	mask->reg = word->reg;
	mask->and_ = ~(UINT32_C(1) << bit);
	mask->or_ = set ? UINT32_C(1) << bit : 0;
}

lichen_status fw_cpuid_feature(const char *text, struct fw_mask *mask, const char **nearest)
{
	int set = text[0] == '+', is_signed = set || text[0] == '-';
	const char *name = text + is_signed;
	struct fw_nearest near = { .word = name };

	for (uint32_t i = 0; i < CPUID_WORDS; i++)
		for (uint32_t bit = 0; bit < 32; bit++) {
			const char *candidate = cpuid_words[i].names[bit];

			if (!candidate)
				continue;
			if (is_signed && strcmp(candidate, name) == 0) {
				cpuid_mask(mask, &cpuid_words[i], bit, set);
				return 0;
			}
			fw_nearest_try(&near, candidate);
		}
	if (nearest)
		*nearest = near.best;
	return -LICHEN_ENOENT;
}
