/* SPDX-License-Identifier: MIT */
/*
 * serial16550 is reloaded, to a version with one more field and back, while a pebble guest
 * streams through it on the host's own KVM: every byte comes once and in order.
 */
#include "streamer.h"

enum { IRQ = 4, LIMIT_S = 1500 };

static struct world world;
static struct streamer stream = { .world = &world,
				  .id = "com1",
				  .irq = IRQ,
				  .bytes = STREAM_BYTES,
				  .every_us = EVERY_US,
				  .limit_s = LIMIT_S,
				  .echo = 1 };

static void begin(int in, int out)
{
	const char *build = getenv("LICHEN_BUILD"), *require = getenv("LICHEN_REQUIRE_KVM");
	char profile[1024];

	snprintf(profile, sizeof(profile),
		 "memory: { size: 4M }\n"
		 "boot: { plugin: flat, image: \"%s/guests/" STREAM_GUEST ".bin\" }\n"
		 "devices:\n  - { plugin: kvm-irqchip }\n  - { plugin: kvm-pit }\n"
		 "  - { plugin: serial16550, id: com1, port: 0x3f8, irq: 4, "
		 "backend: { plugin: stdio } }\n"
		 "  - { plugin: debug-exit, port: 0xf4 }\n",
		 build ? build : WORLD_BUILD);
	world_begin(&world, profile);
	if (world_create_on(&world, &hv_kvm, in, out) == 0)
		return;
	if (world_heard(&world, "/dev/kvm") && !(require && !strcmp(require, "1")))
		SKIP("no usable /dev/kvm");
	tap_fail("%s", world.log);
}

TEST(every_byte_comes_once_and_in_order)
{
	streamer_open(&stream);
	begin(stream.input[0], stream.output[1]);
	streamer_begin();
	CHECK_EQ(1, lichen_vm_run(world.vm));
	world_end(&world); /* what the backend still has goes out */
	streamer_end();
	CHECK_STR(stream.sent, stream.received);
}
