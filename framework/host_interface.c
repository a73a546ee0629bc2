/* SPDX-License-Identifier: MIT */
/* host_interface.c: interfaces that the host itself offers to instances. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <lichen/backend.h>
#include <lichen/boot.h>
#include <lichen/draft/control.h>
#include <lichen/hardware.h>

#include "host.h"
#include "stage.h"
#include "vm.h"

/* 1: a staged instance stands in for `owner`, whose part of the hypervisor it takes over. */
static int fw_takes_over(const struct lichen_instance *in, const struct lichen_instance *owner)
{
	return in->stage && in->stage->old == owner;
}

/* 1: vCPUs are there, before which the hypervisor has to make it. */
static int fw_is_late(struct lichen_instance *in, const char *what)
{
	if (in->vm->vcpu_count == 0)
		return 0;
	fw_host.error(in, "the hypervisor makes %s before the first vCPU only", what);
	return 1;
}

static lichen_status fw_irqchip_create(struct lichen_instance *in, uint32_t *pins)
{
	struct lichen_vm *vm = in->vm;
	uint32_t count;
	lichen_status status;

	if (fw_takes_over(in, vm->irqchip_owner)) {
		*pins = vm->irqs.pin_count;
		return 0;
	}
	if (fw_is_late(in, "interrupt controllers"))
		return -LICHEN_EBUSY;
	status = vm->hv->irqchip_create(vm->hvm, &count);
	if (status == 0)
		status = fw_irqs_pins(&vm->irqs, count);
	if (status < 0)
		return status;
	in->fixed = "the VM's interrupt controllers are its own, and the hypervisor cannot "
		    "take them back";
	vm->irqchip_owner = in;
	*pins = count;
	return 0;
}

static lichen_status fw_irqchip_get(struct lichen_instance *in, uint32_t part, uint8_t *state)
{
	return in->vm->hv->irqchip_get(in->vm->hvm, part, state);
}

static lichen_status fw_irqchip_set(struct lichen_instance *in, uint32_t part,
				    const uint8_t *state)
{
	if (in->stage) /* it is what it was, and may have moved on since that was saved */
		return 0;
	return in->vm->hv->irqchip_set(in->vm->hvm, part, state);
}

static const struct lichen_hv_irqchip fw_irqchip = {
	LICHEN_STRUCT(struct lichen_hv_irqchip),
	.create = fw_irqchip_create,
	.get = fw_irqchip_get,
	.set = fw_irqchip_set,
};

static lichen_status fw_pit_create(struct lichen_instance *in)
{
	struct lichen_vm *vm = in->vm;
	lichen_status status;

	if (fw_takes_over(in, vm->pit_owner))
		return 0;
	if (fw_is_late(in, "a PIT"))
		return -LICHEN_EBUSY;
	status = vm->hv->pit_create(vm->hvm);
	if (status < 0)
		return status;
	in->fixed = "the VM's PIT is its own, and the hypervisor cannot take it back";
	vm->pit_owner = in;
	return status;
}

static lichen_status fw_pit_get(struct lichen_instance *in, uint8_t *state)
{
	return in->vm->hv->pit_get(in->vm->hvm, state);
}

static lichen_status fw_pit_set(struct lichen_instance *in, const uint8_t *state)
{
	if (in->stage)
		return 0;
	return in->vm->hv->pit_set(in->vm->hvm, state);
}

static const struct lichen_hv_pit fw_pit = {
	LICHEN_STRUCT(struct lichen_hv_pit),
	.create = fw_pit_create,
	.get = fw_pit_get,
	.set = fw_pit_set,
};

static lichen_status fw_boot_set_cpu(struct lichen_instance *in, uint32_t index,
				     const struct lichen_cpu *cpu)
{
	struct lichen_vm *vm = in->vm;
	struct lichen_cpu ours = { 0 };

	if (index >= vm->vcpu_count)
		return -LICHEN_ERANGE;
	/* As much of it as both sides know; a plugin of a later minor may know more. */
	memcpy(&ours, cpu, cpu->struct_size < sizeof(ours) ? cpu->struct_size : sizeof(ours));
	if (fw_vcpus_run(vm)) {
		fw_host.log_guest(in, LICHEN_LOG_PLUGIN_MISBEHAVING,
				  "set_cpu: vCPU %u: it runs", index);
		return -LICHEN_EBUSY;
	}
	return vm->hv->vcpu_set(vm->vcpus[index].hv, &ours);
}

static const struct lichen_boot_host fw_boot_host = {
	LICHEN_STRUCT(struct lichen_boot_host),
	.set_cpu = fw_boot_set_cpu,
};

/* The instance closes what it gets; the embedder's own go with the VM. */
static lichen_status fw_console_take(struct lichen_instance *in, int32_t *input,
				     int32_t *output)
{
	struct lichen_vm *vm = in->vm;
	int in_copy = -1, out_copy;

	if (vm->console_owner && !fw_takes_over(in, vm->console_owner))
		return -LICHEN_EBUSY;
	out_copy = fcntl(vm->console_out, F_DUPFD_CLOEXEC, 3);
	if (out_copy < 0)
		return -errno;
	if (vm->console_in >= 0) {
		in_copy = fcntl(vm->console_in, F_DUPFD_CLOEXEC, 3);
		if (in_copy < 0) {
			const lichen_status status = -errno;

			close(out_copy);
			return status;
		}
	}
	if (in->stage)
		in->stage->console = 1;
	else
		vm->console_owner = in;
	*input = in_copy;
	*output = out_copy;
	return 0;
}

static const struct lichen_console fw_console = {
	LICHEN_STRUCT(struct lichen_console),
	.take = fw_console_take,
};

const void *fw_host_interface(struct lichen_instance *in, const char *id)
{
	if (strcmp(id, LICHEN_HV_IRQCHIP) == 0)
		return &fw_irqchip;
	if (strcmp(id, LICHEN_HV_PIT) == 0)
		return &fw_pit;
	if (strcmp(id, LICHEN_BOOT_HOST) == 0)
		return &fw_boot_host;
	if (strcmp(id, LICHEN_CONSOLE) == 0 && in->vm->console_out >= 0)
		return &fw_console;
	if (strcmp(id, LICHEN_SYMBIOTIC_HOST) == 0 && in->vm->symbiotic && fw_symbiotic_ops(in))
		return &fw_symbiotic_host;
	if (strcmp(id, LICHEN_MODULE_HOST) == 0)
		return &fw_module_host;
	if (strcmp(id, LICHEN_CONTROL_HOST) == 0 && in->vm->control)
		return in->vm->control->host;
	return NULL;
}
