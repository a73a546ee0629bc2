/* SPDX-License-Identifier: MIT */
/*
 * hv_guest.h: a machine of a few pages for tests of a hypervisor: 64-bit code
 * without firmware on hv_kvm; on hv_fake, where HV_FAKE is defined, a script that
 * does the same.
 */
#ifndef HV_GUEST_H
#define HV_GUEST_H

#include "hv/fake/fake.h"

/* What is tested. */
extern const struct hv_ops *const hv;

enum {
	GUEST_MEMORY = 0x200000, /* RAM from address 0; the first 4 GiB are mapped 1:1 */
	GUEST_CPUS_MAX = 4,
	GUEST_IDT = 0x7000,
	GUEST_CODE = 0x8000, /* one page */
	GUEST_STACK = 0xa000,
	GUEST_DATA = 0x10000,
	GUEST_IRQCHIP = 1, /* flags of guest_create() */
	GUEST_PIT = 2,
};

/* Code of a guest, in the assembler's syntax; runs at GUEST_CODE. */
#define GUEST(name, text)                                                                     \
	__asm__(".pushsection .rodata\n.globl " #name "\n" #name ":\n" text "\n.globl " #name \
		"_end\n" #name "_end:\n.popsection");                                         \
	extern const uint8_t name[], name##_end[]

/* The same as steps of the fake. */
#define SCRIPT(name, ...) static const struct fake_step name##_script[] = { __VA_ARGS__ }

struct guest {
	struct hv_vm *vm;
	struct hv_vcpu *cpu[GUEST_CPUS_MAX];
	uint32_t cpus;
	uint32_t attached;
	uint8_t *memory;
	struct ld_error error;
};

/* Skips the test where there is no KVM, unless LICHEN_REQUIRE_KVM=1. */
void guest_create(struct guest *guest, uint32_t cpus, uint32_t flags);
void guest_destroy(struct guest *guest);
/* A vCPU's registers at the first instruction. */
void guest_cpu(struct lichen_cpu *cpu);
/* Loads the code, or the script, and points vCPU 0 at it. */
void guest_load(struct guest *guest, const uint8_t *code, const uint8_t *end,
		const struct fake_step *script, uint32_t steps);
/* Binds vCPU 0 to this thread, once. */
void guest_attach(struct guest *guest);
#define GUEST_LOAD(guest, name)                                                           \
	(guest_load((guest), name, name##_end, name##_script, FAKE_STEPS(name##_script)), \
	 guest_attach(guest))
/* Vector `vector` is handled at GUEST_CODE + offset. */
void guest_gate(struct guest *guest, uint32_t vector, uint32_t offset);
/* Runs vCPU 0 to its next exit that is no kick. */
void guest_run(struct guest *guest, struct hv_exit *exit);
/* The same, and it has to be an OUT to `port`; returns the value. */
uint32_t guest_out(struct guest *guest, uint16_t port);
/* The same, and it has to be this access where no memory is. */
void guest_access(struct guest *guest, struct hv_exit *exit, uint64_t gpa, uint32_t size,
		  int write);

#endif
