/* SPDX-License-Identifier: MIT */
/*
 * The MSRs of the discovery block, read and written in any order with any value, on a VM of
 * three symbiotic instances over the hypervisor without KVM; resets between, and states that
 * are saved and loaded.
 */
#include "fuzz.h"
#include "hv/fake/fake.h"
#include "vm.h"

enum { OP_READ = 0, OP_WRITE = 1, OP_RESET = 2, OP_STATE = 3, OPS = 8 };

static const char profile[] = "lichen: 1\nname: fuzz\nmemory: { size: 1M }\ncpus: 2\n"
			      "boot: { plugin: begin }\ndevices:\n  - { plugin: kvm-irqchip }\n"
			      "symbiotic:\n  - { plugin: knock }\n  - { plugin: lend }\n"
			      "  - { plugin: knock, feature: 3, msr: 0xfc }\n";

static struct lichen_vm *vm;
static uint64_t offered;
static int is_telling;

/* Only what keeps the VM from being made is of interest. */
static void tell(void *context, const char *line)
{
	(void)context;
	if (is_telling)
		(void)fprintf(stderr, "%s\n", line);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const int file = memfd_create("profile", MFD_CLOEXEC);
	char name[32];
	const struct lichen_vm_options options = { .struct_size = sizeof(options),
						   .profile = name,
						   .plugin_path = FUZZ_PLUGINS,
						   .console_in = -1,
						   .console_out = -1,
						   .log = tell };

	(void)argc, (void)argv;
	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
	fuzz_file(file, profile, sizeof(profile) - 1);
	is_telling = 1;
	FUZZ_CHECK(fw_vm_create(&options, &hv_fake, &vm) == 0);
	is_telling = 0;
	fw_bus_thread_enter();
	offered = atomic_load(&vm->symbiotic->offered);
	return 0;
}

/* 1: no #GP. */
static int access_msr(uint32_t vcpu, uint32_t msr, int write, uint64_t *value)
{
	uint8_t fault = 2;
	struct hv_exit exit = { .kind = HV_EXIT_MSR };

	exit.msr.index = FW_SYMBIOTIC_MSRS + msr;
	exit.msr.write = (uint8_t)write;
	exit.msr.fault = &fault;
	exit.msr.data = value;
	fw_symbiotic_msr(vm->symbiotic, vcpu, &exit);
	FUZZ_CHECK(fault <= 1);
	return !fault;
}

static void holds(void)
{
	uint64_t agreed = 0, now = 0;

	FUZZ_CHECK(access_msr(0, LICHEN_MSR_OFFERED, 0, &now) && now == offered);
	FUZZ_CHECK(access_msr(1, LICHEN_MSR_AGREED, 0, &agreed) && (agreed & ~offered) == 0);
	FUZZ_CHECK(!access_msr(0, LICHEN_MSR_OFFERED, 1, &now));
	FUZZ_CHECK(atomic_load(&vm->symbiotic->listen) <= 1);
}

static void write_msr(uint32_t vcpu, uint32_t msr, uint64_t value)
{
	uint64_t before = 0, after = 0;

	FUZZ_CHECK(access_msr(vcpu, LICHEN_MSR_AGREED, 0, &before));
	if (access_msr(vcpu, msr, 1, &value) || msr != LICHEN_MSR_AGREED)
		return;
	/* What is refused has no effect. */
	FUZZ_CHECK(access_msr(vcpu, LICHEN_MSR_AGREED, 0, &after) && after == before);
	FUZZ_CHECK(value & ~offered);
}

static void save_and_load(struct fuzz_input *in)
{
	struct fw_buffer saved = { 0 };
	uint8_t bytes[21];

	fw_symbiotic_save(vm->symbiotic, &saved);
	FUZZ_CHECK(fw_symbiotic_load(vm->symbiotic,
				     (struct fw_reader){ saved.bytes, saved.size }, 1) == 0);
	fw_buffer_clear(&saved);
	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = fuzz_u8(in);
	(void)fw_symbiotic_load(
		vm->symbiotic, (struct fw_reader){ bytes, bytes[20] % (sizeof(bytes) + 1) }, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input in = { bytes, size };

	fw_symbiotic_reset(vm->symbiotic);
	while (in.left) {
		const uint8_t op = fuzz_u8(&in);
		const uint32_t vcpu = op >> 7, msr = fuzz_u8(&in) | (op & 0x40u) << 2;
		uint64_t value = 0;

		switch (op % OPS) {
		case OP_READ:
			(void)access_msr(vcpu, msr, 0, &value);
			break;
		case OP_RESET:
			fw_symbiotic_reset(vm->symbiotic);
			break;
		case OP_STATE:
			save_and_load(&in);
			break;
		default:
			write_msr(vcpu, msr, fuzz_number(&in, op & 8 ? 8 : 1));
			break;
		}
		holds();
	}
	return 0;
}
