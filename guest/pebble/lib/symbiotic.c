/* SPDX-License-Identifier: MIT */
/* symbiotic.c: discovery, agreement and registration. */
#include <pebble/apic.h>

#include "sym.h"

enum {
	SYM_GLOBAL_PAGES = 2,
	SYM_HOST_PAGES = 2,
	SYM_CODE = 0x10,
	SYM_DATA = 0x18,
	SYM_STACK = 4096
};

struct sym_cpu { /* what the gs base of a direct call points to; sym_entry.S knows it */
	uint8_t *page;
	uint64_t done; /* MSR */
	uint64_t calls;
};

SYM_PAGES(global_memory, SYM_GLOBAL_PAGES);
SYM_PAGES(cpu_memory, SYM_CPUS);
SYM_PAGES(host_memory, SYM_HOST_PAGES);
SYM_PAGES(call_pages, SYM_CPUS);
static uint8_t call_stacks[SYM_CPUS][SYM_STACK]
	__attribute__((aligned(16), section(".noinit")));
static struct {
	struct lichen_call_vcpu r;
} __attribute__((aligned(128))) registrations[SYM_CPUS]; /* so that none crosses a page */
static struct sym_cpu cpus[SYM_CPUS];

uint32_t sym_first, sym_line;
uint64_t sym_agreed;
static uint64_t sym_wanted; /* by the last sym_agree() */
struct sym_set sym_global, sym_cpu_sets[SYM_CPUS];
static volatile uint32_t notified;

int sym_find(void)
{
	for (uint32_t block = LICHEN_GUEST_CPUID_FIRST; block <= LICHEN_GUEST_CPUID_LAST;
	     block += LICHEN_GUEST_CPUID_STEP) {
		struct cpuid head = cpuid(block, 0), about;

		if (head.ebx != LICHEN_GUEST_CPUID_EBX || head.ecx != LICHEN_GUEST_CPUID_ECX ||
		    head.edx != LICHEN_GUEST_CPUID_EDX || head.eax < block + 1)
			continue;
		about = cpuid(block + 1, 0);
		if (about.eax >> 16 != LICHEN_GUEST_MAJOR || about.ecx < LICHEN_MSR_OTHERS)
			return 0;
		sym_first = about.ebx;
		sym_line = about.edx;
		return 1;
	}
	return 0;
}

int sym_read(uint32_t msr, uint64_t *value)
{
	return pebble_rdmsr(sym_first + msr, value);
}

int sym_write(uint32_t msr, uint64_t value)
{
	return pebble_wrmsr(sym_first + msr, value);
}

static void sym_place(uint32_t msr, const void *memory, uint32_t pages)
{
	(void)sym_write(msr, LICHEN_AT((uintptr_t)memory, pages));
}

static void sym_interrupt(struct pebble_frame *frame)
{
	(void)frame;
	notified = 1;
	lapic_eoi();
}

static void sym_listen(void)
{
	if (sym_line == LICHEN_GUEST_NO_LINE)
		return;
	lapic_enable();
	pebble_on(SYM_VECTOR, sym_interrupt);
	ioapic_route(sym_line, SYM_VECTOR, lapic_id(), 0);
	(void)sym_write(LICHEN_MSR_LISTEN, 1);
}

uint64_t sym_agree(uint64_t wanted)
{
	uint64_t offered = 0;

	sym_wanted = wanted;
	if (sym_read(LICHEN_MSR_OFFERED, &offered) >= 0)
		return 0;
	sym_agreed = offered & wanted;
	if (sym_write(LICHEN_MSR_AGREED, sym_agreed) >= 0)
		sym_agreed = 0;
	if (sym_global.head == NULL)
		sym_set_init(&sym_global, LICHEN_DIRECTORY_SPY, global_memory,
			     SYM_GLOBAL_PAGES);
	if (sym_agreed & LICHEN_FEATURE_SPY)
		sym_place(LICHEN_MSR_SPY_GLOBAL, global_memory, SYM_GLOBAL_PAGES);
	if (sym_agreed & LICHEN_FEATURE_SPY_HOST)
		sym_place(LICHEN_MSR_SPY_HOST, host_memory, SYM_HOST_PAGES);
	sym_call_init();
	if (sym_agreed & LICHEN_FEATURE_MODULE)
		sym_module_init();
	sym_listen();
	return sym_agreed;
}

void sym_vcpu(uint32_t number)
{
	struct lichen_call_vcpu *r = &registrations[number].r;
	struct sym_cpu *cpu = &cpus[number];
	uint8_t *own = cpu_memory + (size_t)number * LICHEN_GUEST_PAGE;

	if (number >= SYM_CPUS)
		return;
	if (sym_cpu_sets[number].head == NULL)
		sym_set_init(&sym_cpu_sets[number], LICHEN_DIRECTORY_SPY, own, 1);
	if (sym_agreed & LICHEN_FEATURE_SPY)
		sym_place(LICHEN_MSR_SPY_VCPU, own, 1);
	if (!(sym_agreed & LICHEN_FEATURE_CALL))
		return;
	cpu->page = call_pages + (size_t)number * LICHEN_GUEST_PAGE;
	cpu->done = sym_first + LICHEN_MSR_CALL_DONE;
	*r = (struct lichen_call_vcpu){
		.struct_size = sizeof(*r),
		.entry = (uintptr_t)sym_entry,
		.cleanup = (uintptr_t)sym_cleanup,
		.stack = (uintptr_t)call_stacks[number] + SYM_STACK,
		.gs_base = (uintptr_t)cpu,
		.page = (uintptr_t)cpu->page,
		.cs = SYM_CODE,
		.ss = SYM_DATA,
		.cr3_rule = LICHEN_CALL_CR3_KEEP,
	};
	(void)sym_write(LICHEN_MSR_CALL_VCPU, (uintptr_t)r | 1);
}

void sym_wait(void)
{
	if (sym_line == LICHEN_GUEST_NO_LINE) {
		pebble_pause();
		return;
	}
	if (!notified)
		irq_wait();
	notified = 0;
}

uint64_t sym_serve(void)
{
	uint64_t causes = 0;

	if (sym_read(LICHEN_MSR_NOTIFY, &causes) >= 0)
		return 0;
	if (causes & LICHEN_CAUSE_FEATURES)
		(void)sym_agree(sym_wanted);
	if (causes & LICHEN_CAUSE_CALLS)
		sym_call_serve();
	if (causes & LICHEN_CAUSE_MODULE)
		sym_module_serve();
	return causes;
}
