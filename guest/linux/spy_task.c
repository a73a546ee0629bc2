// SPDX-License-Identifier: GPL-2.0-only
/*
 * spy_task.c: record linux.task/1: who runs on each CPU, written at each switch, and where
 * a task changes its name or its memory without one.
 */
#include <linux/err.h>
#include <linux/mm_types.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/tracepoint.h>
#include <asm/io.h>

#include "guest.h"

static struct lichen_guest_record *task_record;

/* Interrupts are off. */
static void task_write(const struct task_struct *task, const char *comm, bool switched)
{
	unsigned int cpu = smp_processor_id();
	struct lichen_spy_task *to = lichen_guest_record_begin(task_record, cpu);
	const struct mm_struct *mm = READ_ONCE(task->mm);

	to->pid = task->pid;
	to->tgid = task->tgid;
	memcpy(to->comm, comm, sizeof(to->comm));
	to->cr3 = mm ? virt_to_phys(mm->pgd) : 0;
	if (switched) {
		to->since_ns = ktime_get_mono_fast_ns();
		to->switches++;
	}
	lichen_guest_record_end(task_record, cpu);
}

static void task_write_now(struct task_struct *task, const char *comm)
{
	unsigned long flags;

	if (task != current)
		return;
	local_irq_save(flags);
	task_write(task, comm, false);
	local_irq_restore(flags);
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 19, 0)
static void task_switched(void *data, bool preempt, struct task_struct *from,
			  struct task_struct *to, unsigned int state)
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(5, 18, 0)
static void task_switched(void *data, bool preempt, unsigned int state,
			  struct task_struct *from, struct task_struct *to)
#else
static void task_switched(void *data, bool preempt, struct task_struct *from,
			  struct task_struct *to)
#endif
{
	task_write(to, to->comm, true);
}

static void task_executed(void *data, struct task_struct *task, pid_t old_pid,
			  struct linux_binprm *bprm)
{
	task_write_now(task, task->comm);
}

static void task_renamed(void *data, struct task_struct *task, const char *name)
{
	char comm[TASK_COMM_LEN];

	strscpy_pad(comm, name, sizeof(comm));
	task_write_now(task, comm);
}

static struct {
	const char *name;
	void *probe;
	struct tracepoint *point;
} probes[] = {
	{ .name = "sched_switch", .probe = task_switched },
	{ .name = "sched_process_exec", .probe = task_executed },
	{ .name = "task_rename", .probe = task_renamed },
};

static void task_find(struct tracepoint *point, void *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		if (!strcmp(point->name, probes[i].name))
			probes[i].point = point;
	}
}

/* The first `count` of them. */
static void task_unregister(unsigned int count)
{
	while (count--) {
		if (probes[count].point)
			tracepoint_probe_unregister(probes[count].point, probes[count].probe,
						    NULL);
	}
	tracepoint_synchronize_unregister();
}

int guest_spy_task_init(void)
{
	unsigned int i;
	int status;

	task_record = lichen_guest_record_add(LICHEN_SPY_TASK, sizeof(struct lichen_spy_task),
					      LICHEN_SPY_TASK_SCHEMA, LICHEN_GUEST_VCPU);
	if (IS_ERR(task_record))
		return PTR_ERR(task_record);
	for_each_kernel_tracepoint(task_find, NULL);
	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		if (!probes[i].point)
			continue; /* what it would tell is missing, no more */
		status = tracepoint_probe_register(probes[i].point, probes[i].probe, NULL);
		if (status) {
			task_unregister(i);
			lichen_guest_record_remove(task_record);
			return status;
		}
	}
	return 0;
}

void guest_spy_task_exit(void)
{
	task_unregister(ARRAY_SIZE(probes));
	lichen_guest_record_remove(task_record);
}
