// SPDX-License-Identifier: GPL-2.0-only
/*
 * lichen_guest: the guest's side of Lichen's symbiotic interfaces, for Linux.
 *
 * main.c: discovery, agreement, the notification line, CPUs that come and go.
 * docs/symbiotic-abi.md specifies what is done here.  On a machine without the discovery
 * block nothing happens but that init says -ENODEV.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/acpi.h>
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/gfp.h>
#include <linux/interrupt.h>
#include <linux/reboot.h>
#include <asm/cpufeature.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/processor.h>

#include "guest.h"

enum { GUEST_POLL_MS = 100 }; /* where there is no line */

static bool spy = true;
module_param(spy, bool, 0444);
MODULE_PARM_DESC(spy, "let the VMM read records: tasks, memory, load (1)");
static bool call = true;
module_param(call, bool, 0444);
MODULE_PARM_DESC(call, "let the VMM call functions (1)");
static char *mod = "signed";
module_param(mod, charp, 0444);
MODULE_PARM_DESC(mod, "which modules the VMM may push: off, any, or signed: while the kernel "
		      "checks signatures (signed)");
bool guest_may_run;
module_param_named(run, guest_may_run, bool, 0444);
MODULE_PARM_DESC(run, "let the VMM run programs here, by function linux.run (0)");

static struct {
	u32 first; /* MSR that the others are counted from */
	u32 line;  /* GSI, or LICHEN_GUEST_NO_LINE */
	int irq;   /* of the line; 0: none, it is polled */
	enum cpuhp_state hotplug;
	u64 wanted, agreed; /* features; agreed: guarded by lock */
	struct mutex lock;
} guest;

struct workqueue_struct *guest_work;

u32 guest_msr(u32 msr)
{
	return guest.first + msr;
}

int guest_rdmsr(u32 msr, u64 *value)
{
	return rdmsrl_safe(guest.first + msr, value);
}

int guest_wrmsr(u32 msr, u64 value)
{
	return wrmsrl_safe(guest.first + msr, value);
}

u64 guest_agreed(void)
{
	return READ_ONCE(guest.agreed);
}

void *guest_pages(unsigned int count)
{
	return alloc_pages_exact((size_t)count * PAGE_SIZE, GFP_KERNEL | __GFP_ZERO);
}

void guest_pages_free(void *memory, unsigned int count)
{
	if (memory)
		free_pages_exact(memory, (size_t)count * PAGE_SIZE);
}

u64 guest_at(const void *memory, unsigned int count)
{
	return LICHEN_AT(virt_to_phys((void *)memory), count);
}

static bool guest_find(void)
{
	u32 block, eax, ebx, ecx, edx;

	if (!boot_cpu_has(X86_FEATURE_HYPERVISOR))
		return false;
	for (block = LICHEN_GUEST_CPUID_FIRST; block <= LICHEN_GUEST_CPUID_LAST;
	     block += LICHEN_GUEST_CPUID_STEP) {
		cpuid(block, &eax, &ebx, &ecx, &edx);
		if (ebx != LICHEN_GUEST_CPUID_EBX || ecx != LICHEN_GUEST_CPUID_ECX ||
		    edx != LICHEN_GUEST_CPUID_EDX || eax < block + 1)
			continue;
		cpuid(block + 1, &eax, &ebx, &ecx, &edx);
		if (eax >> 16 != LICHEN_GUEST_MAJOR || ecx < LICHEN_MSR_OTHERS)
			return false;
		guest.first = ebx;
		guest.line = edx;
		return true;
	}
	return false;
}

static void guest_register_cpu(void *unused)
{
	guest_spy_register_cpu();
	guest_call_register_cpu();
}

void guest_register_cpus(void)
{
	on_each_cpu(guest_register_cpu, NULL, 1);
}

static int guest_cpu_online(unsigned int cpu)
{
	local_irq_disable();
	guest_register_cpu(NULL);
	local_irq_enable();
	return 0;
}

static int guest_cpu_offline(unsigned int cpu)
{
	u64 agreed = guest_agreed();

	if (agreed & LICHEN_FEATURE_CALL)
		guest_wrmsr(LICHEN_MSR_CALL_VCPU, 0);
	if (agreed & LICHEN_FEATURE_SPY)
		guest_wrmsr(LICHEN_MSR_SPY_VCPU, 0);
	return 0;
}

/* Agrees to what is on offer and wanted, and registers for what was not agreed before. */
static int guest_agree(void)
{
	u64 offered, agreed, before;
	int status = 0;

	mutex_lock(&guest.lock);
	before = guest.agreed;
	status = guest_rdmsr(LICHEN_MSR_OFFERED, &offered);
	agreed = offered & guest.wanted;
	if (!status)
		status = guest_wrmsr(LICHEN_MSR_AGREED, agreed);
	WRITE_ONCE(guest.agreed, status ? 0 : agreed);
	if (!status && agreed & ~before) {
		guest_spy_register();
		guest_call_register();
		guest_deferred_register();
		guest_module_register();
		guest_register_cpus();
	}
	mutex_unlock(&guest.lock);
	return status;
}

static void guest_features_changed(struct work_struct *work)
{
	guest_agree();
}
static DECLARE_WORK(features_work, guest_features_changed);

static bool guest_serve(void)
{
	u64 causes;

	if (guest_rdmsr(LICHEN_MSR_NOTIFY, &causes) || !causes)
		return false;
	if (causes & LICHEN_CAUSE_FEATURES)
		queue_work(guest_work, &features_work);
	if (causes & LICHEN_CAUSE_CALLS)
		guest_deferred_serve();
	if (causes & LICHEN_CAUSE_MODULE)
		guest_module_serve();
	return true;
}

static irqreturn_t guest_interrupt(int irq, void *unused)
{
	return guest_serve() ? IRQ_HANDLED : IRQ_NONE;
}

static void guest_poll(struct work_struct *work);
static DECLARE_DELAYED_WORK(poll_work, guest_poll);

static void guest_poll(struct work_struct *work)
{
	guest_serve();
	queue_delayed_work(guest_work, &poll_work, msecs_to_jiffies(GUEST_POLL_MS));
}

static void guest_listen(void)
{
	int irq = -ENODEV;

	if (guest.line != LICHEN_GUEST_NO_LINE)
		irq = acpi_register_gsi(NULL, guest.line, ACPI_EDGE_SENSITIVE,
					ACPI_ACTIVE_HIGH);
	if (irq > 0 && request_irq(irq, guest_interrupt, 0, KBUILD_MODNAME, &guest)) {
		acpi_unregister_gsi(guest.line);
		irq = -EBUSY;
	}
	if (irq > 0 && !guest_wrmsr(LICHEN_MSR_LISTEN, 1)) {
		guest.irq = irq;
		/* What came before the line was listened to. */
		local_irq_disable();
		guest_serve();
		local_irq_enable();
		return;
	}
	if (irq > 0) {
		free_irq(irq, &guest);
		acpi_unregister_gsi(guest.line);
	}
	queue_delayed_work(guest_work, &poll_work, 0);
}

static void guest_deafen(void)
{
	guest_wrmsr(LICHEN_MSR_LISTEN, 0);
	if (guest.irq) {
		free_irq(guest.irq, &guest);
		acpi_unregister_gsi(guest.line);
	}
	cancel_delayed_work_sync(&poll_work);
	cancel_work_sync(&features_work);
}

/* The VMM forgets all that was registered: its memory is about to be somebody else's. */
static void guest_withdraw(void)
{
	mutex_lock(&guest.lock);
	guest.wanted = 0;
	WRITE_ONCE(guest.agreed, 0);
	guest_wrmsr(LICHEN_MSR_AGREED, 0);
	mutex_unlock(&guest.lock);
}

/* Also before another kernel is started by kexec. */
static int guest_rebooting(struct notifier_block *block, unsigned long how, void *unused)
{
	guest_withdraw();
	return NOTIFY_DONE;
}
static struct notifier_block reboot_notifier = { .notifier_call = guest_rebooting };

static u64 guest_wants(void)
{
	u64 wanted = LICHEN_FEATURE_MODULE; /* also to say that the policy is `off` */

	if (spy)
		wanted |= LICHEN_FEATURE_SPY | LICHEN_FEATURE_SPY_HOST;
	if (call)
		wanted |= LICHEN_FEATURE_CALL | LICHEN_FEATURE_CALL_DEFERRED;
	return wanted;
}

static int __init guest_init(void)
{
	int status;

	if (!guest_find()) {
		pr_info("this machine is not symbiotic\n");
		return -ENODEV;
	}
	mutex_init(&guest.lock);
	guest.wanted = guest_wants();
	guest_work = alloc_workqueue(KBUILD_MODNAME, WQ_UNBOUND, 0);
	if (!guest_work)
		return -ENOMEM;
	status = guest_spy_init(spy);
	if (status)
		goto no_spy;
	status = guest_call_init();
	if (status)
		goto no_call;
	status = guest_deferred_init();
	if (status)
		goto no_deferred;
	status = guest_module_init(mod);
	if (status)
		goto no_module;
	status = guest_agree();
	if (status)
		goto no_agreement;
	status = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "lichen/guest:online", guest_cpu_online,
				   guest_cpu_offline);
	if (status < 0)
		goto no_hotplug;
	guest.hotplug = status;
	register_reboot_notifier(&reboot_notifier);
	guest_listen();
	pr_info("features %#llx\n", guest.agreed);
	return 0;

no_hotplug:
	guest_withdraw();
no_agreement:
	guest_module_exit();
no_module:
	guest_deferred_exit();
no_deferred:
	guest_call_exit();
no_call:
	guest_spy_exit();
no_spy:
	destroy_workqueue(guest_work);
	return status;
}
module_init(guest_init);

static void __exit guest_exit(void)
{
	guest_deafen();
	unregister_reboot_notifier(&reboot_notifier);
	cpuhp_remove_state(guest.hotplug);
	guest_withdraw();
	guest_module_exit();
	guest_deferred_exit();
	guest_call_exit();
	guest_spy_exit();
	destroy_workqueue(guest_work);
}
module_exit(guest_exit);

MODULE_DESCRIPTION("guest side of Lichen's symbiotic interfaces");
MODULE_VERSION(GUEST_VERSION);
MODULE_LICENSE("GPL v2");
