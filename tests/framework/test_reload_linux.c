/* SPDX-License-Identifier: MIT */
/*
 * serial16550 is reloaded, to a version with one more field and back, while stock Linux
 * streams through its second port, both ways at once, and has its console on the first.
 * tests/e2e/reload.sh starts it in the emulated machine, with STREAM_KERNEL, STREAM_INITRD and
 * STREAM_FILE (that of the guest, below /lichen in its initrd) in the environment.
 */
#include <fcntl.h>
#include <unistd.h>

#include "streamer.h"

enum { IRQ = 3, LIMIT_S = 1500, EVERY_US = 300000, CONSOLE_SIZE = 1 << 20 };

static struct world world;
static char console[CONSOLE_SIZE];

/* All that the guest has printed. */
static const char *printed(void)
{
	char path[128];
	int descriptor;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/console", world.folder);
	descriptor = open(path, O_RDONLY | O_CLOEXEC);
	n = descriptor < 0 ? 0 : read(descriptor, console, sizeof(console) - 1);
	console[n > 0 ? n : 0] = '\0';
	if (descriptor >= 0)
		close(descriptor);
	return console;
}

/* The port is raw from then on. */
static int ready(void)
{
	static _Atomic int seen;
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

	if (seen)
		return 1;
	pthread_mutex_lock(&lock);
	seen = strstr(printed(), "lichen-guest: streams") != NULL;
	if (seen)
		puts("# Linux is up");
	fflush(stdout);
	pthread_mutex_unlock(&lock);
	return seen;
}

static struct streamer stream = { .world = &world,
				  .id = "com2",
				  .irq = IRQ,
				  .bytes = 512 << 10,
				  .every_us = EVERY_US,
				  .limit_s = LIMIT_S,
				  .ready = ready,
				  .told = printed };

static const char *given(const char *name)
{
	const char *value = getenv(name);

	if (!value)
		SKIP("started by tests/e2e/reload.sh only");
	return value;
}

static void begin(int in, int out)
{
	char profile[2048];

	snprintf(profile, sizeof(profile),
		 "memory: { size: 256M }\n"
		 "cpu: { mask: [\"-xsave\"] }\n"
		 "boot: { plugin: linux, kernel: \"%s\", initrd: \"%s\", "
		 "cmdline: \"console=ttyS0 quiet lichen.run=stream\" }\n"
		 "devices:\n  - { plugin: kvm-irqchip }\n  - { plugin: kvm-pit }\n"
		 "  - { plugin: rtc-cmos }\n  - { plugin: i8042 }\n  - { plugin: acpi }\n"
		 "  - { plugin: serial16550, id: com1, port: 0x3f8, irq: 4, "
		 "backend: { plugin: file, path: console } }\n"
		 "  - { plugin: serial16550, id: com2, port: 0x2f8, irq: 3, "
		 "backend: { plugin: stdio } }\n",
		 given("STREAM_KERNEL"), given("STREAM_INITRD"));
	world_begin(&world, profile);
	if (world_create_on(&world, &hv_kvm, in, out) != 0)
		tap_fail("%s", world.log);
}

TEST(linux_streams_and_every_byte_comes_once_and_in_order)
{
	char sum[SHA256_DIGEST_STRING_LENGTH], line[SHA256_DIGEST_STRING_LENGTH + 64];

	CHECK(SHA256File(given("STREAM_FILE"), sum) != NULL);
	streamer_open(&stream);
	begin(stream.input[0], stream.output[1]);
	streamer_begin();
	CHECK_EQ(0, lichen_vm_run(world.vm));
	(void)printed();
	world_end(&world);
	printf("# SHA-256 of what the guest sent %s\n", sum);
	streamer_end();
	CHECK_STR(sum, stream.received);
	(void)snprintf(line, sizeof(line), "lichen-guest: received %s", stream.sent);
	if (!strstr(console, line))
		tap_fail("the guest does not print \"%s\":\n%s", line, console);
	CHECK(strstr(console, "lichen-guest: overruns 0") != NULL);
}
