/* SPDX-License-Identifier: MIT */
/* kvm.c: Linux's KVM as hv_kvm: the device, its capabilities, VMs.  See kvm.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvm.h"

#define KVM_DEVICE "/dev/kvm"

/*
 * Where Intel VT keeps three pages for real mode's task state, and one for its
 * page table; both lie below the 256 KiB that a BIOS may fill up to 4 GiB.
 * (Linux, Documentation/virt/kvm/api.rst, 4.35 and 4.40)
 */
#define KVM_TSS_GPA 0xfffbd000ul
#define KVM_IDENTITY_MAP_GPA UINT64_C(0xfffbc000)

lichen_status kvm_outcome(int result)
{
	if (result >= 0)
		return 0;
	switch (-result) {
#define KVM_STATUS_CASE(name, number, text) \
	case number:                        \
		return -LICHEN_##name;
		LICHEN_STATUS_MAP(KVM_STATUS_CASE)
#undef KVM_STATUS_CASE
	default:
		return -LICHEN_EIO;
	}
}

int kvm_call(int fd, unsigned long request, void *argument)
{
	int result;

	do
		result = ioctl(fd, request, argument);
	while (result < 0 && errno == EINTR);
	return result < 0 ? -errno : result;
}

int kvm_call_number(int fd, unsigned long request, unsigned long argument)
{
	int result;

	do
		result = ioctl(fd, request, argument);
	while (result < 0 && errno == EINTR);
	return result < 0 ? -errno : result;
}

int kvm_cap(const struct hv_vm *vm, unsigned long cap)
{
	int result = kvm_call_number(vm->fd >= 0 ? vm->fd : vm->kvm, KVM_CHECK_EXTENSION, cap);

	return result < 0 ? 0 : result;
}

lichen_status kvm_blame(struct ld_error *error, int result, const char *subject)
{
	const char *why = strerrordesc_np(-result);

	ld_error_set(error, "%s: %s", subject, why ? why : "refused by KVM");
	return kvm_outcome(result);
}

/* A descriptor of our own. */
static lichen_status kvm_open(struct hv_vm *vm, int device, struct ld_error *error)
{
	int version;

	vm->kvm = device < 0 ? open(KVM_DEVICE, O_RDWR | O_CLOEXEC)
			     : fcntl(device, F_DUPFD_CLOEXEC, 0);
	if (vm->kvm < 0) {
		switch (errno) {
		case ENOENT:
		case ENODEV:
		case ENXIO:
			ld_error_set(error,
				     KVM_DEVICE ": not found: is virtualization switched on "
						"and kvm_amd or kvm_intel loaded");
			return -LICHEN_ENODEV;
		case EACCES:
		case EPERM:
			ld_error_set(error,
				     KVM_DEVICE ": access denied: add yourself to group kvm");
			return -LICHEN_EACCES;
		default:
			return kvm_blame(error, -errno, KVM_DEVICE);
		}
	}
	version = kvm_call_number(vm->kvm, KVM_GET_API_VERSION, 0);
	if (version < 0) {
		if (device < 0)
			ld_error_set(error, KVM_DEVICE ": not a KVM device");
		else
			ld_error_set(error, "descriptor %d: not a KVM device", device);
		return -LICHEN_ENODEV;
	}
	if (version != KVM_API_VERSION) {
		ld_error_set(error, KVM_DEVICE ": KVM API %d, this program speaks %d", version,
			     KVM_API_VERSION);
		return -LICHEN_ENOTSUP;
	}
	return 0;
}

/* All of them are in Linux 5.10 and later on every x86-64. */
static const struct {
	unsigned long cap;
	const char *name;
} kvm_needed[] = {
#define KVM_NEED(name)                \
	{                             \
		KVM_CAP_##name, #name \
	}
	KVM_NEED(USER_MEMORY),
	KVM_NEED(DESTROY_MEMORY_REGION_WORKS),
	KVM_NEED(READONLY_MEM),
	KVM_NEED(EXT_CPUID),
	KVM_NEED(MP_STATE),
	KVM_NEED(IMMEDIATE_EXIT),
	KVM_NEED(IRQCHIP),
	KVM_NEED(IRQ_ROUTING),
	KVM_NEED(IRQFD),
	KVM_NEED(IRQFD_RESAMPLE),
	KVM_NEED(SIGNAL_MSI),
	KVM_NEED(PIT2),
	KVM_NEED(PIT_STATE2),
	KVM_NEED(IOEVENTFD),
	KVM_NEED(IOEVENTFD_ANY_LENGTH),
	KVM_NEED(X86_USER_SPACE_MSR),
	KVM_NEED(X86_MSR_FILTER),
#undef KVM_NEED
};

/* How the host's KVM translates guest addresses, as its module's parameter says. */
static enum hv_paging kvm_paging(void)
{
	static const char *const files[] = { "/sys/module/kvm_amd/parameters/npt",
					     "/sys/module/kvm_intel/parameters/ept" };
	enum hv_paging paging = HV_PAGING_UNKNOWN;

	for (uint32_t i = 0; i < 2 && paging == HV_PAGING_UNKNOWN; i++) {
		int file = open(files[i], O_RDONLY | O_CLOEXEC);
		char value = 0;

		if (file < 0)
			continue;
		if (read(file, &value, 1) == 1) {
			if (value == 'Y' || value == '1')
				paging = HV_PAGING_NESTED;
			else if (value == 'N' || value == '0')
				paging = HV_PAGING_SHADOW;
		}
		close(file);
	}
	return paging;
}

static lichen_status kvm_read_caps(struct hv_vm *vm, uint32_t vcpus, struct ld_error *error)
{
	struct hv_caps *caps = &vm->caps;
	int slots;

	for (uint32_t i = 0; i < sizeof(kvm_needed) / sizeof(kvm_needed[0]); i++)
		if (!kvm_cap(vm, kvm_needed[i].cap)) {
			ld_error_set(error,
				     KVM_DEVICE ": KVM_CAP_%s is missing, it takes Linux "
						"5.10 or later",
				     kvm_needed[i].name);
			return -LICHEN_ENOTSUP;
		}
	caps->max_vcpus = (uint32_t)kvm_cap(vm, KVM_CAP_MAX_VCPUS);
	if (caps->max_vcpus == 0)
		caps->max_vcpus = (uint32_t)kvm_cap(vm, KVM_CAP_NR_VCPUS);
	if (vcpus == 0 || vcpus > caps->max_vcpus) {
		ld_error_set(error, "%u vCPUs: this KVM runs 1 to %u in a VM", vcpus,
			     caps->max_vcpus);
		return -LICHEN_ERANGE;
	}
	slots = kvm_cap(vm, KVM_CAP_NR_MEMSLOTS);
	caps->max_slots = slots > 0 ? (uint32_t)slots : 32;
	caps->msi_routes = (uint32_t)kvm_cap(vm, KVM_CAP_IRQ_ROUTING);
	caps->paging = kvm_paging();
	vm->sync = (kvm_cap(vm, KVM_CAP_SYNC_REGS) & KVM_SYNC_ALL) == KVM_SYNC_ALL;
	vm->lossy = access("/sys/module/kvm_amd", F_OK) == 0;
	return 0;
}

static lichen_status kvm_setup(struct hv_vm *vm, struct ld_error *error)
{
	uint64_t identity = KVM_IDENTITY_MAP_GPA;
	struct kvm_enable_cap msr = { .cap = KVM_CAP_X86_USER_SPACE_MSR,
				      .args = { KVM_MSR_EXIT_REASON_FILTER } };
	int result;

	vm->fd = kvm_call_number(vm->kvm, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		return kvm_blame(error, vm->fd, KVM_DEVICE ": cannot create a VM");
	/* KVM opens it close-on-exec, as all descriptors that it makes. */
	result = kvm_call_number(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (result < (int)sizeof(struct kvm_run))
		return kvm_blame(error, result < 0 ? result : -EIO,
				 KVM_DEVICE ": size of a vCPU's page");
	vm->run_size = (uint32_t)result;
	result = kvm_call_number(vm->fd, KVM_SET_TSS_ADDR, KVM_TSS_GPA);
	if (result < 0 && result != -ENOTTY)
		return kvm_blame(error, result, KVM_DEVICE ": place of the task state");
	result = kvm_call(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
	if (result < 0 && result != -ENOTTY)
		return kvm_blame(error, result, KVM_DEVICE ": place of the identity map");
	result = kvm_call(vm->fd, KVM_ENABLE_CAP, &msr);
	if (result < 0)
		return kvm_blame(error, result, KVM_DEVICE ": delivery of MSRs");
	return 0;
}

static void kvm_vm_destroy(struct hv_vm *vm)
{
	if (!vm)
		return;
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->kvm >= 0)
		close(vm->kvm);
	pthread_mutex_destroy(&vm->slot_lock);
	free(vm->slots);
	free(vm);
}

static lichen_status kvm_vm_create(int device, uint32_t vcpus, struct hv_vm **out,
				   struct ld_error *error)
{
	struct hv_vm *vm = calloc(1, sizeof(*vm));
	lichen_status status;

	if (!vm) {
		ld_error_set(error, "VM: out of memory");
		return -LICHEN_ENOMEM;
	}
	vm->kvm = vm->fd = -1;
	pthread_mutex_init(&vm->slot_lock, NULL);
	status = kvm_open(vm, device, error);
	if (status == 0)
		status = kvm_read_caps(vm, vcpus, error);
	if (status == 0)
		status = kvm_setup(vm, error);
	if (status == 0) {
		vm->slots = calloc(vm->caps.max_slots, sizeof(struct kvm_slot));
		if (!vm->slots) {
			ld_error_set(error, "VM: out of memory for %u memory slots",
				     vm->caps.max_slots);
			status = -LICHEN_ENOMEM;
		}
	}
	if (status < 0)
		kvm_vm_destroy(vm);
	else
		*out = vm;
	return status;
}

static void kvm_caps(const struct hv_vm *vm, struct hv_caps *caps)
{
	*caps = vm->caps;
}

const struct hv_ops hv_kvm = {
	.name = "kvm",
	.vm_create = kvm_vm_create,
	.vm_destroy = kvm_vm_destroy,
	.caps = kvm_caps,
	.map = kvm_map,
	.unmap = kvm_unmap,
	.dirty = kvm_dirty,
	.irqchip_create = kvm_irqchip_create,
	.irqchip_get = kvm_irqchip_get,
	.irqchip_set = kvm_irqchip_set,
	.pit_create = kvm_pit_create,
	.pit_get = kvm_pit_get,
	.pit_set = kvm_pit_set,
	.line = kvm_line,
	.message = kvm_message,
	.routes = kvm_routes,
	.irqfd = kvm_irqfd,
	.doorbell = kvm_doorbell,
	.msrs = kvm_msrs,
	.cpuid = kvm_cpuid,
	.vcpu_create = kvm_vcpu_create,
	.vcpu_destroy = kvm_vcpu_destroy,
	.vcpu_set = kvm_vcpu_set,
	.vcpu_get = kvm_vcpu_get,
	.vcpu_attach = kvm_vcpu_attach,
	.vcpu_run = kvm_vcpu_run,
	.vcpu_kick = kvm_vcpu_kick,
	.vcpu_reset = kvm_vcpu_reset,
	.vcpu_settle = kvm_vcpu_settle,
	.vcpu_paused = kvm_vcpu_paused,
	.vcpu_save = kvm_vcpu_save,
	.vcpu_load = kvm_vcpu_load,
	.vcpu_borrow = kvm_vcpu_borrow,
	.vcpu_tables = kvm_vcpu_tables,
	.vcpu_keep = kvm_vcpu_keep,
	.vcpu_enter = kvm_vcpu_enter,
	.vcpu_give_back = kvm_vcpu_give_back,
	.vcpu_alarm = kvm_vcpu_alarm,
	.clock_get = kvm_clock_get,
	.clock_set = kvm_clock_set,
};
