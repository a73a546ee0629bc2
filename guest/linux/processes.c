// SPDX-License-Identifier: GPL-2.0-only
/* processes.c: deferred function linux.ps: the processes, a page at a time. */
#include <linux/cred.h>
#include <linux/idr.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched/cputime.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/string.h>
#include <linux/uidgid.h>

#include "guest.h"

struct process {
	u32 pid, parent, uid, threads;
	char state[4]; /* a letter, as ps prints it */
	u32 _pad;
	char comm[TASK_COMM_LEN];
	u64 resident; /* bytes */
	u64 cpu_ns;   /* used, by all threads that there are and were */
	u64 start_ns; /* since the start of the system */
};
#define PROCESS_SCHEMA                                                                        \
	"from:u32 -> next:u32 count:u32 | [ pid:u32 parent:u32 uid:u32 threads:u32 state:c4 " \
	"_:p4 comm:c16 resident:b cpu:ns start:ns"

static void process_fill(struct process *to, struct task_struct *task)
{
	struct task_struct *thread;

	memset(to, 0, sizeof(*to));
	to->pid = task->pid;
	to->parent = rcu_dereference(task->real_parent)->tgid;
	to->uid = from_kuid(&init_user_ns, __task_cred(task)->uid);
	to->threads = get_nr_threads(task);
	to->state[0] = task_state_to_char(task);
	strscpy(to->comm, task->comm, sizeof(to->comm));
	to->cpu_ns = READ_ONCE(task->signal->sum_sched_runtime);
	for_each_thread(task, thread) to->cpu_ns += READ_ONCE(thread->se.sum_exec_runtime);
	to->start_ns = task->start_boottime;
	task_lock(task);
	if (task->mm)
		to->resident = (u64)get_mm_rss(task->mm) << PAGE_SHIFT;
	task_unlock(task);
}

/* Processes of this id and up, in order; results: where to go on (0: all told), how many. */
static int processes_list(struct lichen_guest_call *call)
{
	struct process *to = call->data;
	u32 room = call->room / sizeof(*to), count = 0;
	int id = min_t(u64, call->arguments[0], PID_MAX_LIMIT);
	struct pid *pid;

	rcu_read_lock();
	while ((pid = idr_get_next(&init_pid_ns.idr, &id)) && count < room) {
		struct task_struct *task = pid_task(pid, PIDTYPE_TGID);

		if (task)
			process_fill(&to[count++], task);
		id++;
	}
	rcu_read_unlock();
	call->results[0] = pid ? id : 0;
	call->results[1] = count;
	call->size = count * sizeof(*to);
	return 0;
}

static const struct lichen_guest_function list[] = {
	{ .name = "linux.ps",
	  .schema = PROCESS_SCHEMA,
	  .flags = LICHEN_CALL_DEFERRED,
	  .owner = THIS_MODULE,
	  .call = processes_list },
};

int guest_processes_init(void)
{
	return guest_functions_add(list, ARRAY_SIZE(list));
}

void guest_processes_exit(void)
{
	guest_functions_remove(list, ARRAY_SIZE(list));
}
