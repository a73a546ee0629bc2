/* SPDX-License-Identifier: MIT */
/* Windows of memory on the host's own KVM, with guests that run code out of them. */
#include <fcntl.h>

#include "tap.h"
#include "world.h"

static struct world world;

/* hv_kvm, with the accesses to memory counted that exit between two marks of the guest. */
enum { MARK_PORT = 0x9000 };
static struct {
	_Atomic uint32_t counting, mmio, marks;
} seen;

static lichen_status counted_run(struct hv_vcpu *vcpu, struct hv_exit *exit)
{
	const lichen_status status = hv_kvm.vcpu_run(vcpu, exit);

	if (status == 0 && exit->kind == HV_EXIT_IO && exit->io.port == MARK_PORT) {
		atomic_store(&seen.counting, exit->io.data[0]);
		atomic_fetch_add(&seen.marks, 1);
	} else if (status == 0 && exit->kind == HV_EXIT_MMIO && atomic_load(&seen.counting)) {
		atomic_fetch_add(&seen.mmio, 1);
	}
	return status;
}

static int run(const char *guest, uint32_t cpus)
{
	static struct hv_ops hv;
	const char *build = getenv("LICHEN_BUILD");
	const char *require = getenv("LICHEN_REQUIRE_KVM");
	char profile[1024];

	hv = hv_kvm;
	hv.vcpu_run = counted_run;
	snprintf(profile, sizeof(profile),
		 "memory: { size: 4M }\ncpus: %u\n"
		 "boot: { plugin: flat, image: \"%s/guests/%s.bin\" }\n"
		 "devices:\n  - { plugin: kvm-irqchip }\n  - { plugin: acpi }\n"
		 "  - { plugin: ears, id: e }\n"
		 "  - { plugin: banks, id: b, port: 0x300 }\n"
		 "  - { plugin: debug-exit, port: 0xf4 }\n",
		 cpus, build ? build : WORLD_BUILD, guest);
	world_begin(&world, profile);
	if (world_create_on(&world, &hv, -1, -1) != 0) {
		if (world_heard(&world, "/dev/kvm") && !(require && !strcmp(require, "1")))
			SKIP("no usable /dev/kvm");
		tap_fail("%s", world.log);
	}
	return lichen_vm_run(world.vm);
}

static struct lichen_instance *banks(void)
{
	for (uint32_t i = 0; i < world.vm->instance_count; i++)
		if (strcmp(world.vm->instances[i]->spec->id, "b") == 0)
			return world.vm->instances[i];
	tap_fail("no banks");
	return NULL;
}

TEST(a_guest_uses_memory_without_exits_and_runs_code_in_it)
{
	uint32_t value = 0;

	CHECK_EQ(1, run("windows", 1));
	CHECK_EQ(2, atomic_load(&seen.marks));
	CHECK_EQ(0, atomic_load(&seen.mmio));
	CHECK_EQ(4, pread(banks()->places[3].memory.backing->descriptor, &value, 4, 0x1000));
	CHECK_EQ(0x600df11e, value);
	CHECK_EQ(0, world_heard(&world, "misbehaves"));
	world_end(&world);
}

TEST(memory_moves_and_goes_under_cpus_that_hammer_it)
{
	CHECK_EQ(1, run("hammer", 4));
	CHECK_EQ(0, world_heard(&world, "misbehaves"));
	CHECK_EQ(0, world_heard(&world, "each access to it is an exit"));
	world_end(&world);
}

TEST(pages_that_the_guest_has_written_are_told)
{
	uint64_t bits = 0;

	CHECK_EQ(1, run("windows", 1));
	CHECK_EQ(0, fw_host.window_dirty(banks(), 1, &bits, 1));
	CHECK_EQ(0xf, bits);
	CHECK_EQ(0, fw_host.window_dirty(banks(), 1, &bits, 1));
	CHECK_EQ(0, bits); /* KVM takes the flag on a slot in use */
	world_end(&world);
}
