/* SPDX-License-Identifier: MIT */
/*
 * Creating a VM while memory runs out, at each allocation in turn: it fails with
 * the right status, says why, and leaves nothing.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <unistd.h>

#include "alloc.h"
#include "boot_files.h"
#include "plug.h"
#include "tap.h"

#ifdef ALLOC_SANITIZED

TEST(allocations_cannot_be_failed_under_a_sanitizer)
{
	SKIP("a sanitizer has its own malloc");
}

#else

/* What most of the tests' machines have, and plugins that hold all that can be held. */
static const char full[] =
	"name: full\nmemory: { size: 4M }\ncpus: 2\n"
	"cpu: { mask: [\"-avx512f\"] }\n"
	"boot: { plugin: flat, image: image }\n"
	"devices:\n  - { plugin: kvm-irqchip }\n  - { plugin: kvm-pit }\n"
	"  - { plugin: rtc-cmos }\n  - { plugin: i8042 }\n  - { plugin: acpi }\n"
	"  - { plugin: serial16550, id: com1, port: 0x3f8, irq: 4, "
	"backend: { plugin: \"null\" } }\n"
	"  - { plugin: debug-exit, port: 0xf4 }\n"
	"  - { plugin: receiver, peer: { plugin: sender } }\n"
	"  - { plugin: mover, bell: true }\n"
	"  - { plugin: clock }\n  - { plugin: steps, id: a }\n"
	"  - { plugin: steps, id: b, after: a }\n";

#define MACHINE(memory, boot, uart)                                                       \
	"name: other\nmemory: { size: 64M, plugin: " memory " }\nboot: { " boot " }\n"    \
	"devices:\n  - { plugin: kvm-irqchip }\n  - { plugin: acpi }\n"                   \
	"  - { plugin: pvpanic }\n"                                                       \
	"  - { plugin: debug-port, port: 0x402, backend: { plugin: file, path: log } }\n" \
	"  - { plugin: serial16550, port: 0x3f8, irq: 4, backend: { " uart " } }\n"

static struct world world;

static uint32_t descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	uint32_t entries = 0;

	while (folder && readdir(folder))
		entries++;
	if (folder)
		closedir(folder);
	return entries;
}

/* Creates with the nth allocation failing; returns the status, the VM gone again. */
static int create(uint32_t nth)
{
	int status;

	world.size = world.said = 0;
	memset(world.log, 0, sizeof(world.log));
	failing = nth;
	made = 0;
	armed = 1;
	status = world_create(&world);
	armed = 0;
	lichen_vm_destroy(world.vm);
	world.vm = NULL;
	return status;
}

/*
 * Every `stride`th allocation from `first` on of the creation of `profile`'s VM: of create,
 * realize, publish and load.
 */
static void fail_each(const char *profile, uint32_t first, uint32_t stride)
{
	uint32_t total, fds, tolerated = 0;
	int64_t before;

	world_begin(&world, profile);
	boot_files(&world);
	for (int i = 0; i < 3; i++) /* what libraries keep for good */
		CHECK_EQ(0, create(0));
	total = made;
	CHECK(total > 100);
	fds = descriptors();
	before = atomic_load(&live);
	for (uint32_t nth = first; nth <= total; nth += stride) {
		const int status = create(nth);

		if (status != 0 && status != LICHEN_VM_FAILED)
			tap_fail("allocation %u of %u: status %d: %s", nth, total, status,
				 world.log);
		if (status != 0 && world.size == 0)
			tap_fail("allocation %u of %u: fails and says nothing", nth, total);
		if (atomic_load(&live) != before)
			tap_fail("allocation %u of %u: %d blocks are left: %s", nth, total,
				 (int)(atomic_load(&live) - before), world.log);
		tolerated += status == 0;
		CHECK_EQ(0, fake_alive());
		CHECK_EQ(0, fake_misuses());
	}
	printf("# %u allocations, %u of those that failed were done without\n", total,
	       tolerated);
	CHECK_EQ(fds, descriptors());
	world_end(&world);
}

/* In quarters, each of which has the time that a test has. */
#define QUARTERS(name, profile)             \
	TEST(name##_at_the_first_of_four)   \
	{                                   \
		fail_each((profile), 1, 4); \
	}                                   \
	TEST(name##_at_the_second_of_four)  \
	{                                   \
		fail_each((profile), 2, 4); \
	}                                   \
	TEST(name##_at_the_third_of_four)   \
	{                                   \
		fail_each((profile), 3, 4); \
	}                                   \
	TEST(name##_at_the_fourth_of_four)  \
	{                                   \
		fail_each((profile), 4, 4); \
	}

QUARTERS(memory_that_runs_out_fails_the_creation_cleanly, full)
QUARTERS(so_it_does_with_linux_in_shared_memory_and_a_terminal,
	 MACHINE("shared", "plugin: linux, kernel: vmlinux, initrd: image", "plugin: pty"))
QUARTERS(so_it_does_with_pvh_and_a_socket,
	 MACHINE("anon", "plugin: pvh, kernel: pvh, initrd: image",
		 "plugin: unix, listen: socket"))
QUARTERS(so_it_does_with_multiboot_and_a_file,
	 MACHINE("anon", "plugin: multiboot, kernel: multiboot, module: image",
		 "plugin: file, path: out, input: image"))

/* --- additions to a VM --- */

#define ENTRY "{ plugin: churn, id: late, peer: { plugin: sender } }"

static const char addition_profile[] =
	"memory: { size: 1M }\nboot: { plugin: begin }\n"
	"devices:\n  - { plugin: kvm-irqchip }\n  - { plugin: hub }\n";

/* Adds with the nth allocation failing; `told` faults. */
static lichen_status add(uint32_t nth, uint32_t *told)
{
	const struct fw_plug_entry entry = { .section = "devices",
					     .text = ENTRY,
					     .origin = "device add" };
	struct lichen_instance *in = NULL;
	struct fw_diags diags = { 0 };
	lichen_status status;

	failing = nth;
	made = 0;
	armed = 1;
	status = fw_plug_add(world.vm, &entry, &in, &diags);
	armed = 0;
	*told = diags.count + diags.lost;
	fw_diags_clear(&diags);
	return status;
}

static void take(void)
{
	struct ld_error error = { "" };

	CHECK_EQ(0, fw_plug_remove(world.vm, fw_plug_find(world.vm, "late"), 0, 0, NULL, NULL,
				   &error));
	CHECK_STR("", error.text);
}

/* 1: the addition came to its end before the nth. */
static int add_failing(uint32_t nth, uint32_t instances, int64_t before)
{
	uint32_t told;
	const lichen_status status = add(nth, &told);
	const int over = made < nth;

	if (status == 0) {
		take();
	} else {
		/* ENOMEM itself, or what was made of it where a plugin is opened. */
		CHECK(told > 0 || status == -LICHEN_ENOMEM);
		CHECK(fw_plug_find(world.vm, "late") == NULL);
	}
	CHECK_EQ(instances, world.vm->instance_count);
	CHECK_EQ(instances, world.vm->profile->count);
	/* What it said of a file that did not open, dlerror() keeps until asked twice. */
	(void)dlerror();
	(void)dlerror();
	if (atomic_load(&live) != before)
		tap_fail("allocation %u: %d blocks are left", nth,
			 (int)(atomic_load(&live) - before));
	return over;
}

TEST(memory_that_runs_out_at_any_allocation_of_an_addition_leaves_the_vm_as_it_was)
{
	uint32_t instances, told, nth = 0, fds;
	int64_t before;

	world_start(&world, addition_profile);
	instances = world.vm->instance_count;
	for (int i = 0; i < 3; i++) { /* what is kept for the next time */
		CHECK_EQ(0, add(0, &told));
		take();
	}
	fds = descriptors();
	before = atomic_load(&live);
	while (!add_failing(++nth, instances, before))
		;
	printf("# %u allocations\n", nth - 1);
	CHECK(nth > 20);
	CHECK_EQ(fds, descriptors());
	world_end(&world);
	CHECK_EQ(0, fake_alive());
	CHECK_EQ(0, fake_misuses());
}

#endif
