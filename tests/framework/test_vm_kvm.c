/* SPDX-License-Identifier: MIT */
/* Several VMs in a process on the host's own KVM, at once and in turn. */
#include <fcntl.h>
#include <unistd.h>

#include "tap.h"
#include "world.h"

static struct world worlds[2];

static void begin(struct world *world, const char *guest, int *output)
{
	const char *build = getenv("LICHEN_BUILD");
	const char *require = getenv("LICHEN_REQUIRE_KVM");
	char profile[1024];
	int ends[2];

	snprintf(profile, sizeof(profile),
		 "memory: { size: 4M }\ncpus: 2\n"
		 "boot: { plugin: flat, image: \"%s/guests/%s.bin\" }\n"
		 "devices:\n  - { plugin: kvm-irqchip }\n  - { plugin: kvm-pit }\n"
		 "  - { plugin: serial16550, port: 0x3f8, irq: 4, "
		 "backend: { plugin: stdio } }\n"
		 "  - { plugin: debug-exit, port: 0xf4 }\n",
		 build ? build : WORLD_BUILD, guest);
	CHECK_EQ(0, pipe2(ends, O_CLOEXEC | O_NONBLOCK));
	world_begin(world, profile);
	if (world_create_on(world, &hv_kvm, -1, ends[1]) != 0) {
		if (world_heard(world, "/dev/kvm") && !(require && !strcmp(require, "1")))
			SKIP("no usable /dev/kvm");
		tap_fail("%s", world->log);
	}
	*output = ends[0];
}

static void says_hello(struct world *world)
{
	char text[256] = "";
	int output;

	begin(world, "hello", &output);
	CHECK_EQ(1, lichen_vm_run(world->vm));
	world_end(world);
	CHECK(read(output, text, sizeof(text) - 1) > 0);
	CHECK(strstr(text, "pebble: hello") != NULL);
	close(output);
}

TEST(a_hundred_vms_in_turn_say_hello_and_leave_nothing)
{
	uint32_t maps;

	for (int i = 0; i < 5; i++)
		says_hello(&worlds[0]);
	maps = world_maps();
	for (int i = 0; i < TAP_ROUNDS(100); i++)
		says_hello(&worlds[0]);
	/* Descriptors and threads are the harness's to count. */
	CHECK(world_maps() <= maps + 8);
}

static void *run(void *argument)
{
	struct world *world = argument;

	world->said = (uint32_t)lichen_vm_run(world->vm);
	return NULL;
}

TEST(two_vms_run_at_the_same_time_and_end_each_for_itself)
{
	pthread_t threads[2];
	int outputs[2];

	for (int i = 0; i < 2; i++) {
		begin(&worlds[i], "echo", &outputs[i]);
		CHECK_EQ(0, pthread_create(&threads[i], NULL, run, &worlds[i]));
	}
	usleep(50000);
	for (int i = 0; i < 2; i++) {
		lichen_vm_stop(worlds[i].vm, 0);
		CHECK_EQ(0, pthread_join(threads[i], NULL));
		CHECK_EQ(LICHEN_VM_STOPPED, worlds[i].said);
		world_end(&worlds[i]);
		close(outputs[i]);
		says_hello(&worlds[i]); /* while the other goes on */
	}
}
