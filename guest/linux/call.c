// SPDX-License-Identifier: GPL-2.0-only
/*
 * call.c: SymCall (lichen/guest/call.h): the table of functions, and direct calls.
 *
 * A direct call comes like an NMI: lichen_call_direct() says so to the kernel by the
 * preemption count and runs the function, unless RCU does not watch this CPU, as when it
 * is idle: then the VMM is told to try the deferred way.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/build_bug.h>
#include <linux/err.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/srcu.h>
#include <asm/cpufeature.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/processor-flags.h>
#include <asm/segment.h>

#include "call.h"
#include "guest.h"

enum { CALL_TABLE_PAGES = 4, CALL_FUNCTIONS = 64, CALL_STACK_PAGES = 4 };

/* Bits of a cr3 with page-table isolation: which half of the pair, and which PCID. */
enum { CALL_PTI_TABLE = 1 << 12, CALL_PTI_PCID = 1 << 11 };

/* What an NMI adds to the preemption count. */
enum { CALL_COUNT = NMI_OFFSET + HARDIRQ_OFFSET };

struct call_cpu {
	struct lichen_call_vcpu *registration; /* in a page that is not shared with another */
	void *page;			       /* arguments and results */
	void *stack;
	bool inside; /* a call has raised the preemption count */
};

static DEFINE_PER_CPU(struct call_cpu, call_cpus);
static struct guest_set call_table;
static const struct lichen_guest_function *functions[CALL_FUNCTIONS]; /* by number */
DEFINE_STATIC_SRCU(call_readers); /* readers: deferred calls */

static u32 done_msr;

static void call_fill(struct lichen_directory_entry *entry, u32 offset, const void *how)
{
	const struct lichen_guest_function *function = how;
	/* The entry's place is the function's number. */
	u32 number = entry - (struct lichen_directory_entry *)(call_table.head + 1);

	entry->number = number;
	entry->flags = function->flags;
	smp_store_release(&functions[number], function);
}

int lichen_guest_function_add(const struct lichen_guest_function *function)
{
	int index;

	if (!function->call ||
	    !(function->flags & (LICHEN_CALL_DIRECT | LICHEN_CALL_DEFERRED)) ||
	    function->flags & ~(LICHEN_CALL_DIRECT | LICHEN_CALL_DEFERRED))
		return -EINVAL;
	index = guest_set_add(&call_table, function->name, function->schema, 0, call_fill,
			      function);
	return index < 0 ? index : 0;
}
EXPORT_SYMBOL_GPL(lichen_guest_function_add);

static void call_nothing(void *unused)
{
}

void lichen_guest_function_remove(const struct lichen_guest_function *function)
{
	unsigned int i;

	for (i = 0; i < CALL_FUNCTIONS; i++) {
		if (READ_ONCE(functions[i]) != function)
			continue;
		guest_set_remove(&call_table, i);
		WRITE_ONCE(functions[i], NULL);
		/* An interrupt is taken by a CPU only after a direct call on it has ended. */
		smp_call_function(call_nothing, NULL, 1);
		synchronize_srcu(&call_readers);
	}
}
EXPORT_SYMBOL_GPL(lichen_guest_function_remove);

int guest_functions_add(const struct lichen_guest_function *list, unsigned int count)
{
	unsigned int i;
	int status;

	for (i = 0; i < count; i++) {
		status = lichen_guest_function_add(&list[i]);
		if (status) {
			guest_functions_remove(list, i);
			return status;
		}
	}
	return 0;
}

void guest_functions_remove(const struct lichen_guest_function *list, unsigned int count)
{
	while (count--)
		lichen_guest_function_remove(&list[count]);
}

static const struct lichen_guest_function *call_find(u64 number, u32 flag)
{
	const struct lichen_guest_function *function = NULL;

	if (number < CALL_FUNCTIONS)
		function = smp_load_acquire(&functions[number]);
	return function && function->flags & flag ? function : NULL;
}

int guest_call_invoke(u32 number, u32 flag, struct lichen_guest_call *call)
{
	const struct lichen_guest_function *function;
	int index = srcu_read_lock(&call_readers), status = -ENOSYS;

	function = call_find(number, flag);
	if (function)
		status = function->call(call);
	srcu_read_unlock(&call_readers, index);
	return status;
}

static notrace int call_run(struct call_frame *frame, struct call_cpu *cpu)
{
	const struct lichen_guest_function *function;
	struct lichen_guest_call call = {
		.data = cpu->page,
		.size = min_t(u32, frame->size, PAGE_SIZE),
		.room = PAGE_SIZE,
		.direct = true,
	};
	int status;

	BUILD_BUG_ON(sizeof(call.arguments) != sizeof(frame->arguments) ||
		     sizeof(call.results) != sizeof(frame->results));
	function = call_find(frame->function, LICHEN_CALL_DIRECT);
	if (!function)
		return -ENOSYS;
	if (!function->any && !rcu_is_watching())
		return -EAGAIN;
	memcpy(call.arguments, frame->arguments, sizeof(call.arguments));
	status = function->call(&call);
	memcpy(frame->results, call.results, sizeof(call.results));
	frame->size = call.size;
	return status;
}

notrace void lichen_call_direct(struct call_frame *frame)
{
	struct call_cpu *cpu = this_cpu_ptr(&call_cpus);
	int status;

	BUILD_BUG_ON(offsetof(struct call_frame, function) != CALL_FRAME_FUNCTION ||
		     offsetof(struct call_frame, size) != CALL_FRAME_SIZE ||
		     offsetof(struct call_frame, done) != CALL_FRAME_DONE ||
		     offsetof(struct call_frame, status) != CALL_FRAME_STATUS ||
		     offsetof(struct call_frame, arguments) != CALL_FRAME_ARGUMENTS ||
		     offsetof(struct call_frame, results) != CALL_FRAME_RESULTS ||
		     sizeof(struct call_frame) != CALL_FRAME_BYTES);
	__preempt_count_add(CALL_COUNT);
	barrier();
	cpu->inside = true;
	barrier();
	status = call_run(frame, cpu);
	barrier();
	cpu->inside = false;
	barrier();
	__preempt_count_sub(CALL_COUNT);
	if (status)
		frame->size = 0;
	frame->status = (u32)status;
	frame->done = done_msr;
}

/*
 * The call that was abandoned left the preemption count raised.  It is lowered, not set: what
 * the call came upon may have gone on meanwhile.
 */
notrace void lichen_call_undo(struct call_frame *frame)
{
	struct call_cpu *cpu = this_cpu_ptr(&call_cpus);

	if (cpu->inside)
		__preempt_count_sub(CALL_COUNT);
	cpu->inside = false;
	frame->size = 0;
	frame->status = 0;
	frame->done = done_msr;
}

void guest_call_register(void)
{
	if (!(guest_agreed() & (LICHEN_FEATURE_CALL | LICHEN_FEATURE_CALL_DEFERRED)))
		return;
	guest_wrmsr(LICHEN_MSR_CALL_TABLE,
		    guest_at(call_table.head, guest_set_pages(&call_table)));
}

void guest_call_register_cpu(void)
{
	struct call_cpu *cpu = this_cpu_ptr(&call_cpus);
	struct lichen_call_vcpu *to = cpu->registration;
	u64 gs_base;

	if (!(guest_agreed() & LICHEN_FEATURE_CALL))
		return;
	rdmsrl(MSR_GS_BASE, gs_base);
	*to = (struct lichen_call_vcpu){
		.struct_size = sizeof(*to),
		.entry = (u64)lichen_call_entry,
		.cleanup = (u64)lichen_call_cleanup,
		.stack = (u64)cpu->stack + CALL_STACK_PAGES * PAGE_SIZE,
		.gs_base = gs_base,
		.page = virt_to_phys(cpu->page),
		.cs = __KERNEL_CS,
		.ss = __KERNEL_DS,
		.cr3_rule = LICHEN_CALL_CR3_KEEP,
	};
	if (boot_cpu_has(X86_FEATURE_PTI)) {
		to->cr3_rule = LICHEN_CALL_CR3_CLEAR;
		to->cr3_test = CALL_PTI_TABLE;
		to->cr3_clear = CALL_PTI_TABLE | CALL_PTI_PCID;
	}
	guest_wrmsr(LICHEN_MSR_CALL_VCPU, virt_to_phys(to) | 1);
}

static void call_free(void)
{
	int i;

	for_each_possible_cpu(i)
	{
		struct call_cpu *cpu = per_cpu_ptr(&call_cpus, i);

		guest_pages_free(cpu->stack, CALL_STACK_PAGES);
		guest_pages_free(cpu->page, 1);
		guest_pages_free(cpu->registration, 1);
		memset(cpu, 0, sizeof(*cpu));
	}
	guest_set_free(&call_table);
}

int guest_call_init(void)
{
	int status, i;

	done_msr = guest_msr(LICHEN_MSR_CALL_DONE);
	status = guest_set_init(&call_table, LICHEN_DIRECTORY_CALL, CALL_TABLE_PAGES,
				CALL_FUNCTIONS);
	if (status)
		return status;
	for_each_possible_cpu(i)
	{
		struct call_cpu *cpu = per_cpu_ptr(&call_cpus, i);

		cpu->stack = guest_pages(CALL_STACK_PAGES);
		cpu->page = guest_pages(1);
		cpu->registration = guest_pages(1);
		if (!cpu->stack || !cpu->page || !cpu->registration) {
			status = -ENOMEM;
			goto out;
		}
	}
	status = guest_functions_init();
	if (!status)
		return 0;
out:
	call_free();
	return status;
}

void guest_call_exit(void)
{
	guest_functions_exit();
	call_free();
}
