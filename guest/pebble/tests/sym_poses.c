/* SPDX-License-Identifier: MIT */
/*
 * sym_poses: a symbiotic guest that shares what a Linux guest shares: its records, a list of
 * processes and a function that repairs.  Everything in it is made up, and some of it is
 * such as no terminal should see.  pebble.circle has the list come to no end, pebble.leave
 * agrees to nothing any more, pebble.exit ends it.
 */
#include <pebble/apic.h>
#include <pebble/symbiotic.h>

enum { PROCESSES = 100, PAGE = 40, NOT_POSSIBLE = 95 };

struct process { /* as linux.ps has them */
	uint32_t pid, parent, uid, threads;
	char state[4];
	uint32_t _pad;
	char comm[16];
	uint64_t resident, cpu_ns, start_ns;
};
#define PS_SCHEMA                                                                             \
	"from:u32 -> next:u32 count:u32 | [ pid:u32 parent:u32 uid:u32 threads:u32 state:c4 " \
	"_:p4 comm:c16 resident:b cpu:ns start:ns"

static volatile int ended = -1, circle, leaving;

static int32_t list(struct sym_call *call)
{
	struct process *to = (struct process *)(void *)call->data;
	uint64_t from = call->arguments[0] ? call->arguments[0] : 1, pid = from;

	for (; pid <= PROCESSES && pid < from + PAGE; pid++, to++) {
		memset(to, 0, sizeof(*to));
		to->pid = (uint32_t)pid;
		to->parent = pid > 1;
		to->threads = 1;
		to->state[0] = 'S';
		memcpy(to->comm, pid == 7 ? "esc\x1b[31m\n" : "posing", pid == 7 ? 9 : 7);
		to->resident = pid << 20;
		to->cpu_ns = pid * 1000000000;
	}
	call->size = (uint32_t)((pid - from) * sizeof(*to));
	call->results[0] = pid > PROCESSES ? 0 : circle ? from : pid;
	call->results[1] = pid - from;
	return 0;
}

/* Takes a time after 2020, and a seed that is not all the same. */
static int32_t repair(struct sym_call *call)
{
	uint32_t different = 0;

	for (uint32_t i = 1; i < call->size; i++)
		different |= (uint32_t)(call->data[i] ^ call->data[0]);
	call->results[0] = (call->arguments[0] > UINT64_C(1577836800) * 1000000000) |
			   (uint64_t)(call->size == 64 && different != 0) << 1;
	call->results[1] = (uint64_t)(call->arguments[0] == 0 ? -NOT_POSSIBLE : 0);
	call->size = 0;
	return 0;
}

static int32_t refuse(struct sym_call *call)
{
	call->size = 0;
	return -NOT_POSSIBLE;
}

static int32_t run_in_circles(struct sym_call *call)
{
	circle = call->arguments[0] != 0;
	call->size = 0;
	return 0;
}

static int32_t take_leave(struct sym_call *call)
{
	leaving = 1;
	call->size = 0;
	return 0;
}

static int32_t leave(struct sym_call *call)
{
	ended = (int)(call->arguments[0] & 127);
	call->size = 0;
	return 0;
}

static int32_t never(struct sym_call *call)
{
	for (volatile const uint32_t *size = &call->size; *size != UINT32_MAX;)
		;
	return 0;
}

static const struct sym_function functions[] = {
	{ "linux.ps", PS_SCHEMA, LICHEN_CALL_DEFERRED, list },
	{ "linux.repair", "now:ns | seed:data -> done:x32 status:s32", LICHEN_CALL_DEFERRED,
	  repair },
	{ "pebble.refuse", "which:s16 ->", LICHEN_CALL_DIRECT, refuse },
	{ "other.refuse", "->", LICHEN_CALL_DIRECT, refuse },
	{ "pebble.circle", "on:u8 ->", LICHEN_CALL_DEFERRED, run_in_circles },
	{ "pebble.leave", "->", LICHEN_CALL_DEFERRED, take_leave },
	{ "pebble.never", "->", LICHEN_CALL_DIRECT, never },
	{ "pebble.exit", "code:u8 ->", LICHEN_CALL_DEFERRED, leave },
};

static void register_cpu(uint32_t number, uint32_t pid)
{
	struct lichen_spy_task *task;

	sym_vcpu(number);
	task = sym_add_record(&sym_cpu_sets[number], LICHEN_SPY_TASK, sizeof(*task),
			      LICHEN_SPY_TASK_SCHEMA);
	if (task == NULL)
		return;
	sym_begin(task);
	task->pid = pid;
	task->tgid = pid;
	memcpy(task->comm, pid == 7 ? "esc\x1b[31m\n" : "posing", pid == 7 ? 9 : 7);
	task->cr3 = 0x1234000;
	sym_end(task);
}

static void other_cpu(uint32_t number)
{
	if (number + 1 < SYM_CPUS)
		register_cpu(number + 1, lapic_id() == 2 ? 7 : 14);
	for (;;)
		pebble_pause();
}

static void records(void)
{
	struct lichen_spy_mem *mem = sym_add_record(&sym_global, LICHEN_SPY_MEM, sizeof(*mem),
						    LICHEN_SPY_MEM_SCHEMA);
	struct lichen_spy_load *load = sym_add_record(&sym_global, LICHEN_SPY_LOAD,
						      sizeof(*load), LICHEN_SPY_LOAD_SCHEMA);

	CHECK(2, mem != NULL && load != NULL);
	CHECK(3, sym_add_record(&sym_global, "esc\x1b[31m/1", 8, "a:u64") != NULL);
	sym_begin(mem);
	mem->total = UINT64_C(512) << 20;
	mem->available = UINT64_C(300) << 20;
	mem->psi_some_total_us = ~UINT64_C(0);
	sym_end(mem);
	sym_begin(load);
	load->load1 = 125;
	load->running = 2;
	load->threads = PROCESSES;
	sym_end(load);
}

int main(void)
{
	if (!sym_find()) {
		pebble_puts("pebble: no symbiotic VMM\n");
		return PEBBLE_PASS;
	}
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		CHECK(1, sym_add_function(&functions[i]) != 0);
	CHECK(4, sym_agree(SYM_ALL) != 0);
	records();
	register_cpu(0, 1);
	pebble_start_cpus(other_cpu);
	pebble_puts("pebble: poses\n");
	while (ended < 0) {
		sym_wait();
		sym_serve();
		if (leaving) {
			leaving = 0;
			(void)sym_write(LICHEN_MSR_AGREED, 0);
		}
	}
	return ended;
}
