/* SPDX-License-Identifier: MIT */
/*
 * boot.h: boot protocols.  A boot plugin provides "lichen.boot/1"; the host
 * calls load after every instance has published what firmware would leave in
 * memory, at the start and again after each reset.
 */
#ifndef LICHEN_BOOT_H
#define LICHEN_BOOT_H

#include <lichen/class.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LICHEN_BOOT "lichen.boot/1"

struct lichen_boot_ops {
	uint32_t struct_size;
	uint32_t _pad;
	/*
	 * Puts the guest's first code into memory and sets the boot vCPU with
	 * set_cpu.  Works from descriptors kept since create, any number of
	 * times.  An error ends the VM.  [control, realized or paused]
	 */
	lichen_status (*load)(void *self, uint64_t client);
};

/* A segment register with its hidden part (SDM 3A, 3.4.5; APM 2, 4.7). */
struct lichen_segment {
	uint64_t base;
	uint32_t limit; /* in bytes, inclusive, whatever g says */
	uint16_t selector;
	uint8_t type;
	uint8_t s;
	uint8_t dpl;
	uint8_t present; /* 0: not usable, as with a null selector */
	uint8_t avl;
	uint8_t l;
	uint8_t db;
	uint8_t g;
	uint8_t _pad[2];
};

/* A vCPU's registers at its first instruction; what is not here is as after INIT. */
struct lichen_cpu {
	uint32_t struct_size;
	uint32_t _pad;
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rip, rflags;
	uint64_t cr0, cr3, cr4, efer;
	struct lichen_segment cs, ds, es, fs, gs, ss, tr, ldt;
	uint64_t gdt_base, idt_base;
	uint16_t gdt_limit, idt_limit;
	uint32_t _pad2;
};

/* What the host offers boot plugins: host->interface(in, LICHEN_BOOT_HOST). */
#define LICHEN_BOOT_HOST "lichen.boot-host/1"

struct lichen_boot_host {
	uint32_t struct_size;
	uint32_t _pad;
	/*
	 * Sets vCPU `index` (0: the boot vCPU).  -LICHEN_ERANGE: no such vCPU;
	 * -LICHEN_EINVAL: the hardware refuses the state.  [control, realized or paused]
	 */
	lichen_status (*set_cpu)(struct lichen_instance *in, uint32_t index,
				 const struct lichen_cpu *cpu);
};

#define LICHEN_BOOT_PLUGIN(name, version, class) \
	LICHEN_PLUGIN(LICHEN_KIND_BOOT, name, version, class)

#ifdef __cplusplus
}
#endif

#endif
