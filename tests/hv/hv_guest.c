/* SPDX-License-Identifier: MIT */
/* See hv_guest.h. */
#include "hv_guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef HV_FAKE
const struct hv_ops *const hv = &hv_fake;
#else
const struct hv_ops *const hv = &hv_kvm;
#endif

enum {
	GUEST_PML4 = 0x1000,
	GUEST_PDPT = 0x2000,
	GUEST_PD = 0x3000, /* four of them */
	GUEST_SKIP = 77,
};

/* Not tap.h's: this file is no test program. */
static void guest_fail(const char *what, const char *why)
{
	printf("# %s: %s\n", what, why);
	fflush(stdout);
	_exit(1);
}

static void guest_tables(struct guest *guest)
{
	uint64_t *pml4 = (uint64_t *)(void *)(guest->memory + GUEST_PML4);
	uint64_t *pdpt = (uint64_t *)(void *)(guest->memory + GUEST_PDPT);
	uint64_t *pd = (uint64_t *)(void *)(guest->memory + GUEST_PD);

	pml4[0] = GUEST_PDPT | 3; /* present, writable */
	for (uint64_t i = 0; i < 4; i++)
		pdpt[i] = (GUEST_PD + i * 0x1000) | 3;
	for (uint64_t i = 0; i < 4 * 512; i++)
		pd[i] = i << 21 | 0x83; /* 2 MiB pages */
}

static void guest_cpus(struct guest *guest)
{
	static struct hv_cpuid leaves[HV_CPUID_MAX];
	uint32_t count = HV_CPUID_MAX;

	if (hv->cpuid(guest->vm, leaves, &count) < 0)
		guest_fail("cpuid", "refused");
	for (uint32_t i = 0; i < guest->cpus; i++)
		if (hv->vcpu_create(guest->vm, i, i, leaves, count, &guest->cpu[i],
				    &guest->error) < 0)
			guest_fail("vCPU", guest->error.text);
}

void guest_create(struct guest *guest, uint32_t cpus, uint32_t flags)
{
	const char *require = getenv("LICHEN_REQUIRE_KVM");
	struct hv_slot slot = { .size = GUEST_MEMORY };
	uint32_t pins;

	memset(guest, 0, sizeof(*guest));
	guest->cpus = cpus;
	if (hv->vm_create(-1, cpus ? cpus : 1, &guest->vm, &guest->error) < 0) {
		if (require && strcmp(require, "1") == 0)
			guest_fail("VM", guest->error.text);
		printf("# skip: %s\n", guest->error.text);
		fflush(stdout);
		_exit(GUEST_SKIP);
	}
	guest->memory = mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (guest->memory == MAP_FAILED)
		guest_fail("memory", "no room");
	slot.host = guest->memory;
	if (hv->map(guest->vm, &slot, &guest->error) < 0)
		guest_fail("map", guest->error.text);
	if (flags & GUEST_IRQCHIP && hv->irqchip_create(guest->vm, &pins) < 0)
		guest_fail("irqchip", "refused");
	if (flags & GUEST_PIT && hv->pit_create(guest->vm) < 0)
		guest_fail("PIT", "refused");
	guest_tables(guest);
	guest_cpus(guest);
}

void guest_destroy(struct guest *guest)
{
	for (uint32_t i = 0; i < guest->cpus; i++)
		hv->vcpu_destroy(guest->cpu[i]);
	hv->vm_destroy(guest->vm);
	munmap(guest->memory, GUEST_MEMORY);
#ifdef HV_FAKE
	if (fake_alive() || fake_misuses())
		guest_fail("fake", "something of it is left, or was used against its rules");
#endif
}

void guest_cpu(struct lichen_cpu *cpu)
{
	const struct lichen_segment data = { .limit = UINT32_MAX,
					     .selector = 16,
					     .type = 3,
					     .s = 1,
					     .present = 1,
					     .db = 1,
					     .g = 1 };

	*cpu = (struct lichen_cpu){
		LICHEN_STRUCT(struct lichen_cpu),
		.rip = GUEST_CODE,
		.rsp = GUEST_STACK,
		.rflags = 2,
		.cr0 = 0x80010031, /* PG WP NE ET PE */
		.cr3 = GUEST_PML4,
		.cr4 = 0x20,   /* PAE */
		.efer = 0x500, /* LMA LME */
		.cs = { .limit = UINT32_MAX,
			.selector = 8,
			.type = 11,
			.s = 1,
			.present = 1,
			.l = 1,
			.g = 1 },
		.ds = data,
		.es = data,
		.fs = data,
		.gs = data,
		.ss = data,
		.tr = { .limit = 0x67, .selector = 24, .type = 11, .present = 1 },
		.ldt = { 0 },
		.gdt_base = 0x500,
		.gdt_limit = 31,
		.idt_base = GUEST_IDT,
		.idt_limit = 0, /* until guest_gate(): any fault is a triple fault */
	};
}

void guest_load(struct guest *guest, const uint8_t *code, const uint8_t *end,
		const struct fake_step *script, uint32_t steps)
{
	const uint64_t descriptors[] = { 0, UINT64_C(0x00af9b000000ffff),
					 UINT64_C(0x00cf93000000ffff), 0 };
	struct lichen_cpu cpu;

	memcpy(guest->memory + GUEST_CODE, code, (size_t)(end - code));
	memcpy(guest->memory + 0x500, descriptors, sizeof(descriptors));
	guest_cpu(&cpu);
	cpu.idt_limit = guest->memory[GUEST_IDT + 0xfff] ? 0xfff : 0;
	if (hv->vcpu_set(guest->cpu[0], &cpu) < 0)
		guest_fail("registers", "refused");
#ifdef HV_FAKE
	fake_script(guest->vm, 0, script, steps);
#else
	(void)script, (void)steps;
#endif
}

void guest_attach(struct guest *guest)
{
	if (!guest->attached && hv->vcpu_attach(guest->cpu[0]) < 0)
		guest_fail("attach", "refused");
	guest->attached = 1;
}

void guest_gate(struct guest *guest, uint32_t vector, uint32_t offset)
{
	const uint64_t handler = GUEST_CODE + offset;
	uint8_t *gate = guest->memory + GUEST_IDT + 16 * vector;
	const uint64_t low =
		(handler & 0xffff) | 8u << 16 | UINT64_C(0x8e00) << 32 | handler >> 16 << 48;

	memcpy(gate, &low, sizeof(low));
	guest->memory[GUEST_IDT + 0xfff] =
		1; /* reserved bits of vector 255: there is a table */
}

void guest_run(struct guest *guest, struct hv_exit *exit)
{
	do {
		memset(exit, 0, sizeof(*exit));
		if (hv->vcpu_run(guest->cpu[0], exit) < 0)
			guest_fail("run", "the hypervisor failed");
	} while (exit->kind == HV_EXIT_KICK);
}

uint32_t guest_out(struct guest *guest, uint16_t port)
{
	char what[64] = "expected an OUT";
	uint32_t value = 0;
	struct hv_exit exit;

	guest_run(guest, &exit);
	if (exit.kind != HV_EXIT_IO || !exit.io.write || exit.io.port != port ||
	    exit.io.count != 1) {
		snprintf(what, sizeof(what), "exit of kind %d, code %u, not an OUT to 0x%x",
			 (int)exit.kind, exit.failure.code, port);
		guest_fail("guest", what);
	}
	memcpy(&value, exit.io.data, exit.io.size);
	return value;
}

void guest_access(struct guest *guest, struct hv_exit *exit, uint64_t gpa, uint32_t size,
		  int write)
{
	char what[96];

	guest_run(guest, exit);
	if (exit->kind == HV_EXIT_MMIO && exit->mmio.gpa == gpa && exit->mmio.size == size &&
	    exit->mmio.write == write)
		return;
	snprintf(what, sizeof(what), "exit of kind %d, not a %s of %u at 0x%llx",
		 (int)exit->kind, write ? "write" : "read", size, (unsigned long long)gpa);
	guest_fail("guest", what);
}
