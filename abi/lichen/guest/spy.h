/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * spy.h: SymSpy.  Records in memory that one side writes when it likes and the other
 * reads when it likes, without an exit.
 *
 * A set is a directory (directory.h, magic SPY) and its records, in up to
 * LICHEN_SPY_PAGES pages.  The guest gives one for the VM (LICHEN_MSR_SPY_GLOBAL), one
 * for each vCPU (LICHEN_MSR_SPY_VCPU, written on that vCPU), and room for the VMM's own
 * (LICHEN_MSR_SPY_HOST, whose contents the VMM makes).  Adding and removing records
 * later needs no MSR: the directory's sequence tells.
 */
#ifndef LICHEN_GUEST_SPY_H
#define LICHEN_GUEST_SPY_H

#include <lichen/guest/directory.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	LICHEN_SPY_PAGES = 64,	 /* of a set, at most */
	LICHEN_SPY_RETRIES = 64, /* after which a reader gives up */
};

/*
 * Head of each record; its bytes follow.  The writer makes `sequence` odd, writes,
 * makes it even; with the barriers of a release before and after.  A reader copies the
 * bytes between two reads of the same even value, or tries again.
 */
struct lichen_spy_record {
	uint32_t sequence;
	uint32_t _pad; /* 0 */
};

/* --- records that stock sides write --- */

/* "linux.task/1", in each vCPU's set: who runs there. */
#define LICHEN_SPY_TASK "linux.task/1"
#define LICHEN_SPY_TASK_SCHEMA "pid:u32 tgid:u32 comm:c16 cr3:x64 since:ns switches:u64"
struct lichen_spy_task {
	uint32_t pid, tgid; /* of the initial namespace; 0: idle */
	char comm[16];
	uint64_t cr3;	   /* of its page tables; 0: a kernel thread's, which borrows */
	uint64_t since_ns; /* the guest's monotonic clock at the switch */
	uint64_t switches; /* on this vCPU, since the record was made */
};

/* "linux.mem/1", in the VM's set: sampled. */
#define LICHEN_SPY_MEM "linux.mem/1"
#define LICHEN_SPY_MEM_SCHEMA                                                     \
	"total:b free:b available:b buffers:b cached:b swap_total:b swap_free:b " \
	"slab_reclaimable:b psi_some_total_us:u64 psi_full_total_us:u64 sampled:ns"
struct lichen_spy_mem {
	uint64_t total, free, available, buffers, cached, swap_total, swap_free;
	uint64_t slab_reclaimable;
	uint64_t psi_some_total_us, psi_full_total_us; /* ~0: the kernel does not tell */
	uint64_t sampled_ns;
};

/* "linux.load/1", in the VM's set: sampled; load in hundredths. */
#define LICHEN_SPY_LOAD "linux.load/1"
#define LICHEN_SPY_LOAD_SCHEMA \
	"load1:u32 load5:u32 load15:u32 running:u32 threads:u32 _:p4 uptime:ns sampled:ns"
struct lichen_spy_load {
	uint32_t load1, load5, load15;
	uint32_t running, threads;
	uint32_t _pad;
	uint64_t uptime_ns, sampled_ns;
};

/* "linux.build/1", in the VM's set: written once. */
#define LICHEN_SPY_BUILD "linux.build/1"
#define LICHEN_SPY_BUILD_SCHEMA \
	"release:c64 build_id:c64 kaslr_offset:x64 module:c32 cpus:u32 _:p4"
struct lichen_spy_build {
	char release[64];
	char build_id[64]; /* hexadecimal; empty: unknown */
	uint64_t kaslr_offset;
	char module[32]; /* version of the guest side */
	uint32_t cpus;
	uint32_t _pad;
};

/* "lichen.symbols/1", in the VM's set: what objects that are pushed may link against. */
#define LICHEN_SPY_SYMBOLS "lichen.symbols/1"
#define LICHEN_SPY_SYMBOLS_SCHEMA "[ name:c56 address:x64"
struct lichen_spy_symbol {
	char name[56];
	uint64_t address;
};

/* "lichen.host/1", in the VMM's set. */
#define LICHEN_SPY_HOST "lichen.host/1"
#define LICHEN_SPY_HOST_SCHEMA "wish:b updated:ns cpus:u32 _:p4 [ steal:ns"
enum { LICHEN_SPY_HOST_CPUS = 32 };
struct lichen_spy_host {
	uint64_t wish_bytes; /* the VMM would like the guest to do with so much less */
	uint64_t updated_ns; /* the VMM's monotonic clock */
	uint32_t cpus;
	uint32_t _pad;
	uint64_t steal_ns[LICHEN_SPY_HOST_CPUS]; /* time in which a vCPU wanted to run and did
						    not */
};

#ifdef __cplusplus
}
#endif

#endif
