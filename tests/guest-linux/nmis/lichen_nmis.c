// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * lichen_nmis: sends NMIs to one CPU after the other, itself among them, each as soon as the
 * one before has come.  In /sys/module/lichen_nmis/parameters: how many it sent, and how many
 * of them did not come within half a minute.  One that nobody sent is the kernel's to report.
 */
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <asm/apic.h>
#include <asm/irq_vectors.h>
#include <asm/nmi.h>

enum { NMIS_WAIT_US = 30000000, NMIS_LOOK_US = 200 };

static unsigned long sent, lost;
module_param(sent, ulong, 0444);
module_param(lost, ulong, 0444);

static DEFINE_PER_CPU(unsigned long, asked); /* of this CPU */
static DEFINE_PER_CPU(unsigned long, came);
static struct task_struct *sender;

static int nmis_come(unsigned int kind, struct pt_regs *regs)
{
	if (this_cpu_read(came) == this_cpu_read(asked))
		return NMI_DONE;
	this_cpu_inc(came);
	return NMI_HANDLED;
}

static void nmis_send(int cpu)
{
	unsigned long *there = per_cpu_ptr(&came, cpu);
	unsigned long number = ++*per_cpu_ptr(&asked, cpu);
	unsigned int waited;

	smp_mb();
	preempt_disable();
	apic->send_IPI(cpu, NMI_VECTOR);
	preempt_enable();
	sent++;
	for (waited = 0; READ_ONCE(*there) != number && waited < NMIS_WAIT_US;
	     waited += NMIS_LOOK_US)
		usleep_range(NMIS_LOOK_US, 2 * NMIS_LOOK_US);
	if (READ_ONCE(*there) == number)
		return;
	lost++;
	WRITE_ONCE(*there, number);
}

static int nmis_run(void *unused)
{
	int cpu;

	while (!kthread_should_stop()) {
		cpus_read_lock();
		for_each_online_cpu(cpu) nmis_send(cpu);
		cpus_read_unlock();
		usleep_range(NMIS_LOOK_US, 10 * NMIS_LOOK_US);
	}
	return 0;
}

static int __init nmis_init(void)
{
	int status = register_nmi_handler(NMI_LOCAL, nmis_come, 0, KBUILD_MODNAME);

	if (status)
		return status;
	sender = kthread_run(nmis_run, NULL, KBUILD_MODNAME);
	if (IS_ERR(sender)) {
		unregister_nmi_handler(NMI_LOCAL, KBUILD_MODNAME);
		return PTR_ERR(sender);
	}
	return 0;
}

static void __exit nmis_exit(void)
{
	kthread_stop(sender);
	unregister_nmi_handler(NMI_LOCAL, KBUILD_MODNAME);
}

module_init(nmis_init);
module_exit(nmis_exit);
MODULE_DESCRIPTION("NMIs, counted: for tests of Lichen");
MODULE_LICENSE("Dual MIT/GPL");
