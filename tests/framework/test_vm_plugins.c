/* SPDX-License-Identifier: MIT */
/*
 * Every plugin of the tree in a VM over the fake: it is created, realized, runs, is reset twice
 * with its guest loaded again, and goes without a trace.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "boot_files.h"
#include "tap.h"

#define PC                                                                        \
	"devices:\n  - { plugin: kvm-irqchip }\n  - { plugin: kvm-pit }\n"        \
	"  - { plugin: rtc-cmos }\n  - { plugin: i8042 }\n  - { plugin: acpi }\n" \
	"  - { plugin: pvpanic }\n  - { plugin: debug-exit }\n"                   \
	"  - { plugin: debug-port, port: 0x402, backend: { plugin: file, path: log } }\n"
#define UART(backend) \
	"  - { plugin: serial16550, port: 0x3f8, irq: 4, backend: { " backend " } }\n"

enum { STARTS = 3 };

static struct world world;
static uint32_t starts;

static void start(void *context)
{
	(void)context;
	if (++starts == STARTS)
		fw_vm_end(world.vm, 3, NULL);
}

/* A guest that says a byte, and asks the i8042 for a reset. */
static const struct fake_step guest[] = {
	FAKE_CALL(start, NULL),
	FAKE_OUT(0x402, 1, '!'),
	FAKE_OUT(0x3f8, 1, '!'),
	FAKE_OUT(0x64, 1, 0xfe),
};

static int console[2] = { -1, -1 }; /* of the VM */

static void runs(const char *memory, const char *boot, const char *uart)
{
	char profile[2048];

	(void)snprintf(profile, sizeof(profile),
		       "name: all\nmemory: { size: 64M, plugin: %s }\nboot: { %s }\n" PC "%s",
		       memory, boot, uart);
	starts = 0;
	world_begin(&world, profile);
	boot_files(&world);
	if (world_create_console(&world, console[0], console[1]) != 0)
		tap_fail("no VM: %s", world.log);
	fake_script(world.hvm, 0, guest, FAKE_STEPS(guest));
	CHECK_EQ(3, lichen_vm_run(world.vm));
	CHECK_EQ(STARTS, starts);
	world_end(&world);
	CHECK_EQ(0, fake_alive());
	CHECK_EQ(0, fake_misuses());
}

TEST(every_boot_plugin_loads_its_guest_again_and_again)
{
	runs("anon", "plugin: flat, image: image", "");
	runs("anon", "plugin: linux, kernel: bzimage", "");
	runs("anon", "plugin: linux, kernel: vmlinux, initrd: image", "");
	runs("anon", "plugin: pvh, kernel: pvh, initrd: image", "");
	runs("anon", "plugin: multiboot, kernel: multiboot, module: image", "");
}

TEST(every_backend_runs)
{
	const char *boot = "plugin: flat, image: image";

	runs("anon", boot, UART("plugin: 'null'"));
	runs("anon", boot, UART("plugin: file, path: out, input: image"));
	runs("anon", boot, UART("plugin: unix, listen: socket"));
	runs("anon", boot, UART("plugin: pty"));
	CHECK_EQ(0, pipe2(console, O_CLOEXEC)); /* the VM's from here on */
	runs("anon", boot, UART("plugin: stdio"));
}

TEST(every_memory_plugin_runs)
{
	const char *boot = "plugin: linux, kernel: bzimage";

	runs("anon", boot, "");
	runs("anon, huge: false", boot, "");
	runs("shared", boot, "");
}

TEST(every_symbiotic_plugin_runs)
{
	runs("shared", "plugin: flat, image: image",
	     "symbiotic:\n  - { plugin: symspy }\n  - { plugin: symcall }\n  - { plugin: "
	     "symmod }\n");
}

TEST(hugetlb_runs_where_the_host_has_pages_and_else_says_how_many)
{
	FILE *file = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
	unsigned int pages = 0;

	if (!file)
		SKIP("this kernel has no huge pages");
	CHECK_EQ(1, fscanf(file, "%u", &pages));
	(void)fclose(file);
	if (pages >= 64 / 2) {
		runs("hugetlb", "plugin: flat, image: image", "");
		return;
	}
	world_begin(&world, "name: all\nmemory: { size: 64M, plugin: hugetlb }\n"
			    "boot: { plugin: flat, image: image }\n" PC);
	boot_files(&world);
	CHECK_EQ(LICHEN_VM_FAILED, world_create(&world));
	CHECK_EQ(1, world_heard(&world, "32 pages are needed"));
	world_end(&world);
	CHECK_EQ(0, fake_alive());
}

/* A plugin that is added to the tree is added here as well. */
TEST(no_plugin_of_the_tree_is_missing_above)
{
	static const char known[] =
		" acpi anon debug-exit debug-port file flat hugetlb i8042 "
		"kvm-irqchip kvm-pit linux multiboot null pty pvh pvpanic "
		"rtc-cmos serial16550 shared stdio symcall symmod symspy unix ";
	const char *build = getenv("LICHEN_BUILD");
	char path[512], name[300];
	const struct dirent *entry;
	uint32_t found = 0;
	DIR *folder;

	(void)snprintf(path, sizeof(path), "%s/plugins", build ? build : WORLD_BUILD);
	folder = opendir(path);
	CHECK(folder != NULL);
	while ((entry = readdir(folder))) {
		const char *end = strrchr(entry->d_name, '.');

		if (!end || strcmp(end, ".so") != 0)
			continue;
		(void)snprintf(name, sizeof(name), " %.*s ", (int)(end - entry->d_name),
			       entry->d_name);
		if (!strstr(known, name))
			tap_fail("%s runs in no test here", entry->d_name);
		found++;
	}
	closedir(folder);
	CHECK(found >= 21);
}
