// SPDX-License-Identifier: GPL-2.0-only
/*
 * functions.c: the direct functions: null, echo, and what looks into the kernel.  They are
 * deferred functions as well, for CPUs that are idle.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/io.h>
#include <asm/pgtable_types.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>

#include "guest.h"

static int function_null(struct lichen_guest_call *call)
{
	call->size = 0;
	return 0;
}

static int function_echo(struct lichen_guest_call *call)
{
	call->results[0] = call->arguments[0];
	call->results[1] = call->arguments[1];
	return 0;
}

/*
 * Values up to the largest process id mean the process, others an address.  What it gives is
 * read without faults: it may be nothing, or gone.
 */
static struct task_struct *function_task(u64 at)
{
	struct task_struct *task;

	if (at > PID_MAX_LIMIT)
		return (struct task_struct *)at;
	rcu_read_lock();
	task = pid_task(find_pid_ns((int)at, &init_pid_ns), PIDTYPE_PID);
	rcu_read_unlock();
	return task;
}

struct task_answer {
	u32 pid, tgid, state, flags;
	char comm[TASK_COMM_LEN];
	u64 task, mm;
};
#define TASK_SCHEMA "at:x64 -> | pid:u32 tgid:u32 state:x32 flags:x32 comm:c16 task:x64 mm:x64"

#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 14, 0)
#define TASK_STATE __state
#else
#define TASK_STATE state
#endif

#define TAKE(to, task, member) \
	copy_from_kernel_nofault(&(to), &(task)->member, sizeof((task)->member))

static int function_task_at(struct lichen_guest_call *call)
{
	struct task_struct *task = call->arguments[0] ? NULL : current;
	struct task_answer *answer = call->data;
	typeof(task->TASK_STATE) state;
	void *mm;

	if (!task)
		task = function_task(call->arguments[0]);
	if (!task)
		return -ESRCH;
	if (TAKE(answer->pid, task, pid) || TAKE(answer->tgid, task, tgid) ||
	    TAKE(state, task, TASK_STATE) || TAKE(answer->flags, task, flags) ||
	    TAKE(answer->comm, task, comm) || TAKE(mm, task, mm))
		return -EFAULT;
	answer->state = state;
	answer->task = (u64)task;
	answer->mm = (u64)mm;
	call->size = sizeof(*answer);
	return 0;
}

/* The page tables of a process, or a cr3's; 0: those that are in use. */
static int translate_tables(u64 space, u64 *tables)
{
	struct task_struct *task;
	struct mm_struct *mm;
	pgd_t *pgd;

	if (space > PID_MAX_LIMIT || !space) {
		*tables = (space ?: __read_cr3()) & CR3_ADDR_MASK;
		return 0;
	}
	task = function_task(space);
	if (!task)
		return -ESRCH;
	if (copy_from_kernel_nofault(&mm, &task->mm, sizeof(mm)))
		return -EFAULT;
	if (!mm) /* a kernel thread has none of its own */
		return -ENOENT;
	if (copy_from_kernel_nofault(&pgd, &mm->pgd, sizeof(pgd)))
		return -EFAULT;
	*tables = virt_to_phys(pgd);
	return 0;
}

enum { TABLE_BITS = 9, TABLE_LARGEST = 2 /* level whose entries may be pages of 1 GiB */ };

static int function_translate(struct lichen_guest_call *call)
{
	u64 address = call->arguments[0], at, entry;
	int level = __read_cr4() & X86_CR4_LA57 ? 4 : 3;
	int status = translate_tables(call->arguments[1], &at);

	if (status)
		return status;
	for (; level >= 0; level--) {
		unsigned int shift = PAGE_SHIFT + level * TABLE_BITS;
		u64 index = address >> shift & ((1 << TABLE_BITS) - 1);

		if (copy_from_kernel_nofault(&entry, (u64 *)phys_to_virt(at) + index,
					     sizeof(entry)))
			return -EFAULT;
		if (!(entry & _PAGE_PRESENT))
			return -ENOENT;
		at = entry & PTE_PFN_MASK;
		if (level == 0 || (level <= TABLE_LARGEST && entry & _PAGE_PSE)) {
			u64 inside = BIT_ULL(shift) - 1;

			call->results[0] = (at & ~inside) | (address & inside);
			call->results[1] = BIT_ULL(shift);
			call->size = 0;
			return 0;
		}
	}
	return -ENOENT;
}

static int function_read(struct lichen_guest_call *call)
{
	u64 size = call->arguments[1];

	if (size > call->room)
		return -E2BIG;
	if (copy_from_kernel_nofault(call->data, (void *)call->arguments[0], size))
		return -EFAULT;
	call->size = size;
	return 0;
}

enum { BOTH = LICHEN_CALL_DIRECT | LICHEN_CALL_DEFERRED };

static const struct lichen_guest_function list[] = {
	{ .name = LICHEN_CALL_NULL,
	  .schema = "->",
	  .flags = BOTH,
	  .any = 1,
	  .owner = THIS_MODULE,
	  .call = function_null },
	{ .name = LICHEN_CALL_ECHO,
	  .schema = "a:u64 b:u64 | text:text -> a:u64 b:u64 | text:text",
	  .flags = BOTH,
	  .any = 1,
	  .owner = THIS_MODULE,
	  .call = function_echo },
	{ .name = "linux.task_at",
	  .schema = TASK_SCHEMA,
	  .flags = BOTH,
	  .owner = THIS_MODULE,
	  .call = function_task_at },
	{ .name = "linux.translate",
	  .schema = "address:x64 space:x64 -> physical:x64 page:u64",
	  .flags = BOTH,
	  .owner = THIS_MODULE,
	  .call = function_translate },
	{ .name = "linux.read",
	  .schema = "address:x64 size:u32 -> | bytes:data",
	  .flags = BOTH,
	  .owner = THIS_MODULE,
	  .call = function_read },
};

int guest_functions_init(void)
{
	return guest_functions_add(list, ARRAY_SIZE(list));
}

void guest_functions_exit(void)
{
	guest_functions_remove(list, ARRAY_SIZE(list));
}
