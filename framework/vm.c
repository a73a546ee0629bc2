/* SPDX-License-Identifier: MIT */
/*
 * vm.c: puts a VM together, runs it, and takes it apart in the opposite order.
 *
 *	profile -> hypervisor VM -> instances created -> memory -> realized -> vCPUs
 *	-> published -> loaded -> run
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cpuid.h"
#include "inspect.h"
#include "options.h"
#include "plug.h"
#include "status.h"
#include "vm.h"

enum { FW_VM_LOOP = 1 << 0, FW_VM_IRQS = 1 << 1, FW_VM_LAYOUT = 1 << 2 };

void fw_vm_end(struct lichen_vm *vm, uint32_t status, const char *why)
{
	uint32_t none = 0;

	if (!atomic_compare_exchange_strong(&vm->end, &none, FW_ENDED | status))
		return;
	if (why)
		fw_log(&vm->log,
		       status == LICHEN_VM_POWER_OFF ? LICHEN_LOG_INFO : LICHEN_LOG_ERROR, NULL,
		       NULL, "%s", why);
	fw_loop_wake(&vm->loop);
}

#define FW_THREAD_TIMEOUT_NS UINT64_C(5000000000)

/* A failure of the whole VM, with the place in the profile that asks for it. */
static void fw_vm_blame(struct fw_diags *diags, struct fw_mark mark,
			const struct ld_error *error)
{
	fw_diag(diags, mark, "%s", error->text);
}

static lichen_status fw_vm_hypervisor(struct lichen_vm *vm, int device, struct fw_diags *diags)
{
	const struct fw_profile *profile = vm->profile;
	struct ld_error error = { "" };
	lichen_status status = vm->hv->vm_create(device, profile->cpus, &vm->hvm, &error);

	if (status < 0) {
		fw_vm_blame(diags,
			    status == -LICHEN_ERANGE ? profile->cpus_mark
						     : (struct fw_mark){ 0 },
			    &error);
		/* What the host lacks is not the profile's fault, but for too many vCPUs. */
		return status == -LICHEN_ERANGE ? status : -LICHEN_EIO;
	}
	vm->hv->caps(vm->hvm, &vm->caps);
	if ((profile->paging == FW_PAGING_NESTED && vm->caps.paging != HV_PAGING_NESTED) ||
	    (profile->paging == FW_PAGING_SHADOW && vm->caps.paging != HV_PAGING_SHADOW)) {
		static const char *const names[] = { "unknown", "nested", "shadow" };

		fw_diag(diags, profile->paging_mark,
			"paging: %s: this host's KVM gives %s paging", names[profile->paging],
			names[vm->caps.paging]);
		return -LICHEN_EINVAL;
	}
	vm->ports = fw_bus_create(0x10000);
	vm->mmio = fw_bus_create(0);
	return vm->ports && vm->mmio ? 0 : -LICHEN_ENOMEM;
}

static lichen_status fw_vm_create_instances(struct lichen_vm *vm, struct fw_diags *diags)
{
	const struct fw_profile *profile = vm->profile;

	vm->instances = calloc(FW_INSTANCES_MAX, sizeof(struct lichen_instance *));
	if (!vm->instances)
		return -LICHEN_ENOMEM;
	for (uint32_t i = 0; i < profile->count; i++) {
		lichen_status status =
			fw_instance_create(vm, profile->specs[i], &vm->instances[i], diags);

		if (status < 0)
			return status;
		vm->instance_count++;
	}
	if (profile->cpus > 1 && vm->irqs.pin_count == 0) {
		fw_diag(diags, profile->cpus_mark,
			"cpus: %u: more than 1 needs an interrupt controller, and no instance "
			"makes one",
			profile->cpus);
		return -LICHEN_EINVAL;
	}
	return 0;
}

/* The memory strategy is realized first and asked for RAM before the others are. */
static lichen_status fw_vm_realize_memory(struct lichen_vm *vm, struct fw_diags *diags)
{
	struct lichen_instance *in = vm->profile->memory->instance;
	const struct lichen_memory_ops *ops = fw_provided(in->class, LICHEN_MEMORY)->ops;
	struct lichen_ram runs[FW_RUNS_MAX] = { 0 };
	struct ld_error error = { "" };
	uint32_t used = 0;
	lichen_status status = fw_instance_realize(in, diags);

	if (status < 0)
		return status;
	fw_instance_begin(in);
	fw_lock(in);
	status = ops->allocate(in->self, 0, vm->profile->memory_size, runs, FW_RUNS_MAX, &used);
	fw_unlock(in);
	if (status < 0) {
		fw_instance_blame(in, "gives no memory", status, diags);
		return status;
	}
	status = fw_memory_place(&vm->memory, runs, used, vm->profile->memory_size, &error);
	if (status < 0) {
		fw_vm_blame(diags, vm->profile->memory_mark, &error);
		return status;
	}
	status = fw_listen_tell(vm, &in);
	if (status < 0)
		fw_instance_blame(in, "does not take the guest's memory", status, diags);
	return status;
}

static lichen_status fw_vm_realize_instances(struct lichen_vm *vm, struct fw_diags *diags)
{
	lichen_status status = fw_vm_realize_memory(vm, diags);

	for (uint32_t i = 0; i < vm->instance_count && status == 0; i++)
		if (vm->instances[i]->spec != vm->profile->memory)
			status = fw_instance_realize(vm->instances[i], diags);
	return status;
}

lichen_status fw_vm_load(struct lichen_vm *vm, struct fw_diags *diags)
{
	struct lichen_instance *boot = vm->profile->boot->instance;
	const struct lichen_boot_ops *ops = fw_provided(boot->class, LICHEN_BOOT)->ops;
	lichen_status status;

	for (uint32_t i = 0; i < vm->instance_count; i++) {
		struct lichen_instance *in = vm->instances[i];

		if (!in->class->publish)
			continue;
		fw_instance_begin(in);
		fw_lock(in);
		status = in->class->publish(in->self);
		fw_unlock(in);
		if (status < 0) {
			fw_instance_blame(in, "cannot publish", status, diags);
			return status;
		}
	}
	fw_instance_begin(boot);
	fw_lock(boot);
	status = ops->load(boot->self, 0);
	fw_unlock(boot);
	vm->loaded = 1;
	if (status < 0)
		fw_instance_blame(boot, "cannot load the guest", status, diags);
	return status;
}

static lichen_status fw_vm_assemble(struct lichen_vm *vm, int device, struct fw_diags *diags)
{
	struct ld_error error = { "" };
	lichen_status status = fw_loop_open(&vm->loop);

	if (status < 0)
		return -LICHEN_EIO; /* out of descriptors or memory: not the profile's fault */
	vm->opened |= FW_VM_LOOP;
	status = fw_vm_hypervisor(vm, device, diags);
	if (status < 0)
		return status;
	fw_irqs_init(&vm->irqs, vm->hv, vm->hvm);
	vm->opened |= FW_VM_IRQS;
	fw_memory_init(&vm->memory, vm->hv, vm->hvm);
	fw_layout_init(&vm->layout, vm->hv, vm->hvm, vm->mmio);
	vm->opened |= FW_VM_LAYOUT;
	status = fw_symbiotic_open(vm);
	if (status < 0)
		return status;
	status = fw_vm_create_instances(vm, diags);
	if (status == 0)
		status = fw_vm_realize_instances(vm, diags);
	if (status < 0)
		return status;
	if (vm->symbiotic)
		fw_symbiotic_choose_line(vm->symbiotic);
	status = fw_vcpus_create(vm, &error);
	if (status < 0) {
		fw_vm_blame(diags, vm->profile->cpus_mark, &error);
		return -LICHEN_EIO; /* how many there may be, vm_create() has judged */
	}
	status = fw_vm_load(vm, diags);
	if (status == 0 && vm->control_state) {
		status = vm->control->start(vm, &error);
		if (status < 0)
			fw_vm_blame(diags, (struct fw_mark){ 0 }, &error);
	}
	return status;
}

/* What the host has run out of is not the profile's fault; all else is what that asked for. */
static int fw_vm_status(lichen_status status)
{
	switch (-status) {
	case LICHEN_ENOMEM:
	case LICHEN_EIO:
	case LICHEN_EAGAIN: /* threads */
	case EMFILE:
	case ENFILE:
		return LICHEN_VM_FAILED;
	default:
		return LICHEN_VM_BAD_INPUT;
	}
}

/* What the embedder's thread was before it came in. */
struct fw_entry {
	sigset_t signals;
	enum fw_role role;
};

/*
 * Around all that calls instances, on the control thread.  They write to pipes and
 * sockets whose readers may be gone: to them that is an error, and the embedder need
 * not know.  In the end a SIGPIPE of theirs is taken before the mask is put back.
 */
static void fw_vm_enter(struct fw_entry *before)
{
	sigset_t pipe;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &before->signals);
	before->role = fw_check_thread(FW_ROLE_CONTROL);
}

static void fw_vm_leave(const struct fw_entry *before)
{
	static const struct timespec at_once = { 0, 0 };
	sigset_t pipe;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	(void)fw_check_thread(before->role);
	if (!sigismember(&before->signals, SIGPIPE))
		(void)sigtimedwait(&pipe, NULL, &at_once);
	pthread_sigmask(SIG_SETMASK, &before->signals, NULL);
}

int lichen_vm_create(const struct lichen_vm_options *options, struct lichen_vm **vm)
{
	return fw_vm_create(options, &hv_kvm, vm);
}

static struct lichen_vm *fw_vm_new(const struct lichen_vm_options *options,
				   const struct hv_ops *hv)
{
	struct lichen_vm *vm = calloc(1, sizeof(*vm));
	struct fw_log log;

	if (!vm) {
		fw_log_init(&log, options->log_level, options->log, options->context);
		fw_log_plain(&log, "out of memory");
		return NULL;
	}
	vm->console_in = vm->console_out = -1;
	vm->hv = hv;
	vm->pending_ns = FW_PENDING_NS;
	pthread_mutex_init(&vm->place_lock, NULL);
	fw_gate_init(&vm->gate);
	fw_log_init(&vm->log, options->log_level, options->log, options->context);
	vm->log.strict = options->strict;
	vm->thread_timeout_ns = FW_THREAD_TIMEOUT_NS;
	return vm;
}

static void fw_vm_misbehaved(void *teller, const char *line)
{
	fw_vm_event(teller, FW_EVENT_MISBEHAVIOUR, line, NULL);
}

/* The name is taken before anything is opened; who can talk to the VM comes last. */
static lichen_status fw_vm_control(struct lichen_vm *vm,
				   const struct lichen_vm_options *options,
				   struct fw_diags *diags)
{
	const uint32_t console = options->control && options->control_console;
	struct ld_error error = { "" };
	lichen_status status = 0;

	if (!console) {
		vm->console_in = options->console_in;
		vm->console_out = options->console_out;
	}
	if (!options->control)
		return 0;
	vm->control = options->control;
	if (options->control_folder)
		status = vm->control->open(vm, options->control_folder, console, &error);
	else
		ld_error_set(&error, "options: control_folder is not set");
	vm->log.misbehaved = fw_vm_misbehaved;
	vm->log.teller = vm;
	if (status < 0 || !options->control_folder)
		fw_vm_blame(diags, (struct fw_mark){ 0 }, &error);
	return options->control_folder ? status : -LICHEN_EINVAL;
}

static lichen_status fw_vm_make(struct lichen_vm *vm, const struct lichen_vm_options *options)
{
	struct fw_diags diags = { 0 };
	lichen_status status =
		fw_options_profile(options, &vm->plugins, &vm->fragments, &vm->profile, &diags);

	if (status == 0) {
		fw_profile_tell(vm->profile, &vm->log);
		status = fw_vm_control(vm, options, &diags);
	}
	if (status == 0)
		status = fw_vm_assemble(vm, options->hypervisor > 0 ? options->hypervisor : -1,
					&diags);
	if (status < 0) {
		if (diags.count == 0 && diags.lost == 0)
			fw_diag(&diags, (struct fw_mark){ 0 }, "%s: %s", options->profile,
				fw_status_text(status));
		fw_diags_tell(&diags, &vm->log);
		if (diags.lost) /* a fault that was not told for want of memory */
			status = -LICHEN_ENOMEM;
	}
	fw_diags_clear(&diags);
	return status;
}

int fw_vm_create(const struct lichen_vm_options *given, const struct hv_ops *hv,
		 struct lichen_vm **created)
{
	struct lichen_vm_options options;
	struct lichen_vm *vm;
	lichen_status status;
	struct fw_entry before;

	fw_options_read(given, &options);
	vm = fw_vm_new(&options, hv);
	if (!vm)
		return LICHEN_VM_FAILED;
	fw_vm_enter(&before);
	status = fw_vm_make(vm, &options);
	fw_vm_leave(&before);
	if (status == 0) {
		*created = vm;
		return 0;
	}
	if (!options.control || !options.control_console) /* they stay the embedder's */
		vm->console_in = vm->console_out = -1;
	lichen_vm_destroy(vm);
	return fw_vm_status(status);
}

void fw_vm_resume_instances(struct lichen_vm *vm)
{
	vm->resumed = 1;
	for (uint32_t i = 0; i < vm->instance_count; i++)
		fw_instance_resume(vm->instances[i]);
}

/* Consumers before providers, so that what a device still has goes to its backend. */
void fw_vm_pause_instances(struct lichen_vm *vm)
{
	vm->resumed = 0;
	for (uint32_t i = vm->instance_count; i-- > 0;) {
		struct lichen_instance *in = vm->instances[i];

		if (atomic_load(&in->state) != FW_RUNNING)
			continue; /* by a policy, or a restart that failed */
		fw_instance_pause(in);
	}
}

static void fw_vm_tell_end(struct lichen_vm *vm)
{
	char status[24];

	(void)snprintf(status, sizeof(status), "status %u",
		       atomic_load(&vm->end) & ~(uint32_t)FW_ENDED);
	fw_vm_event(vm, FW_EVENT_STATE, "ended", status);
}

int lichen_vm_run(struct lichen_vm *vm)
{
	struct fw_entry before;

	fw_vm_enter(&before);
	fw_bus_thread_enter();
	fw_vm_resume_instances(vm);
	fw_clock_run(&vm->loop, 1);
	if (fw_vcpus_start(vm) == 0)
		fw_loop_run(&vm->loop, &vm->end);
	fw_vcpus_stop(vm);
	fw_clock_run(&vm->loop, 0);
	fw_vm_tell_end(vm);
	fw_loop_drain(&vm->loop);
	fw_plug_cancel(vm);
	fw_vm_pause_instances(vm);
	fw_bus_thread_leave();
	fw_vm_leave(&before);
	return (int)(atomic_load(&vm->end) & ~(uint32_t)FW_ENDED);
}

/* Whatever was opened, in the opposite order. */
void lichen_vm_destroy(struct lichen_vm *vm)
{
	struct fw_entry before;

	if (!vm)
		return;
	fw_vm_enter(&before);
	/* A stop that is still to be served finds that it is too late. */
	(void)atomic_fetch_or(&vm->end, FW_ENDED);
	if (vm->opened & FW_VM_LOOP)
		fw_loop_drain(&vm->loop);
	fw_stop_clear(vm);
	fw_plug_cancel(vm);
	if (vm->control_state) /* room for what backends still have */
		vm->control->flush(vm);
	while (vm->instance_count > 0)
		fw_instance_destroy(vm->instances[--vm->instance_count]);
	fw_check_clear(vm);
	free(vm->instances);
	fw_plug_clear(vm);
	if (vm->control_state)
		vm->control->close(vm);
	if (vm->hvm) {
		fw_vcpus_destroy(vm);
		fw_memory_clear(&vm->memory);
	}
	if (vm->opened & FW_VM_LAYOUT)
		fw_layout_clear(&vm->layout);
	fw_symbiotic_close(vm->symbiotic);
	if (vm->opened & FW_VM_IRQS)
		fw_irqs_clear(&vm->irqs);
	if (vm->ports)
		fw_bus_destroy(vm->ports);
	if (vm->mmio)
		fw_bus_destroy(vm->mmio);
	vm->hv->vm_destroy(vm->hvm);
	if (vm->opened & FW_VM_LOOP)
		fw_loop_close(&vm->loop);
	if (vm->console_in >= 0)
		close(vm->console_in);
	if (vm->console_out >= 0)
		close(vm->console_out);
	if (!vm->stuck)
		fw_profile_free(vm->profile);
	ld_path_clear(&vm->plugins);
	ld_path_clear(&vm->fragments);
	fw_gate_clear(&vm->gate);
	pthread_mutex_destroy(&vm->place_lock);
	if (!vm->stuck)
		free(vm);
	fw_vm_leave(&before);
}
