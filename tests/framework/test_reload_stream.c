/* SPDX-License-Identifier: MIT */
/*
 * serial16550 is reloaded, to a version with one more field and back, while a pebble guest
 * streams through it on the host's own KVM: every byte comes once and in order.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sha256.h>
#include <stdatomic.h>
#include <unistd.h>

#include "loader.h"
#include "reload.h"
#include "tap.h"
#include "world.h"

enum {
	IRQ = 4,
	EACH_MIN = 10,
	RELOADS_MIN = 100,
	PIPE_SIZE = 4096,
	CHUNK = 1024,
	PARTS = 8,
	FULL = 160 << 10, /* bytes that lie between the two ends at most */
};

static struct world world;
static struct ld_plugin *versions[2];
static struct fw_timer timer;
static struct fw_diags diags;
static uint64_t random_state = 1;

static uint32_t reloads, with_rx, with_interrupt;
static _Atomic uint32_t with_tx;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % limit;
}

/* --- the peer --- */

static struct peer {
	int to, from; /* the guest's input, its output */
	char sent[SHA256_DIGEST_STRING_LENGTH], received[SHA256_DIGEST_STRING_LENGTH];
	uint32_t out, in;
} peer;

static uint8_t peer_byte(uint32_t index)
{
	return (uint8_t)((index * 2654435761u) >> 24 ^ index);
}

static void peer_fill(uint8_t *bytes, uint32_t from, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		bytes[i] = peer_byte(from + i);
}

static void peer_send(SHA2_CTX *sum)
{
	uint32_t count = STREAM_BYTES - peer.out < CHUNK ? STREAM_BYTES - peer.out : CHUNK;
	uint8_t bytes[CHUNK];
	ssize_t n;

	peer_fill(bytes, peer.out, count);
	n = write(peer.to, bytes, count);
	if (n <= 0)
		return;
	SHA256Update(sum, bytes, (size_t)n);
	peer.out += (uint32_t)n;
}

/*
 * At the start, and at each eighth of the stream, it reads nothing until some reloads have
 * found the transmitter full.
 */
static int peer_stalls(void)
{
	static uint32_t part, want = EACH_MIN;

	if (peer.in / (STREAM_BYTES / PARTS) < part || peer.out + FULL > STREAM_BYTES)
		return 0;
	if (atomic_load(&with_tx) < want)
		return 1;
	part++;
	want += 2;
	return 0;
}

static void peer_receive(SHA2_CTX *sum)
{
	uint8_t bytes[CHUNK];
	const ssize_t n = read(peer.from, bytes, sizeof(bytes));

	if (n <= 0)
		return;
	SHA256Update(sum, bytes, (size_t)n);
	peer.in += (uint32_t)n;
}

static void *peer_run(void *argument)
{
	SHA2_CTX sent, received;

	SHA256Init(&sent);
	SHA256Init(&received);
	while (peer.in < STREAM_BYTES) {
		struct pollfd both[2] = {
			{ .fd = peer_stalls() ? -1 : peer.from, .events = POLLIN },
			{ .fd = peer.out < STREAM_BYTES ? peer.to : -1, .events = POLLOUT }
		};

		if (poll(both, 2, 50) < 0 && errno != EINTR)
			break;
		if (both[1].revents)
			peer_send(&sent);
		if (both[0].revents)
			peer_receive(&received);
		if (both[0].revents & POLLHUP && !(both[0].revents & POLLIN))
			break;
	}
	SHA256End(&sent, peer.sent);
	SHA256End(&received, peer.received);
	return argument;
}

/* --- the reloads --- */

static struct lichen_instance *uart(void)
{
	for (uint32_t i = 0; i < world.vm->instance_count; i++)
		if (strcmp(world.vm->instances[i]->spec->id, "com1") == 0)
			return world.vm->instances[i];
	return NULL;
}

/* How many elements of a counted field are in use. */
static uint32_t used(const struct lichen_instance *in, const char *name)
{
	const struct lichen_field *fields = FW_ITEMS(struct lichen_field, in->class->state);
	uint32_t count = 0;

	for (uint32_t i = 0; i < in->class->state.count; i++)
		if (strcmp(fields[i].name, name) == 0)
			memcpy(&count, (const uint8_t *)in->self + fields[i].used,
			       sizeof(count));
	return count;
}

static void reload(void)
{
	(void)ld_share(versions[reloads % 2]);
	if (fw_reload(world.vm, "serial16550", versions[reloads % 2], NULL, &diags) < 0)
		tap_fail("reload %u: %s", reloads, diags.items[0].text);
	reloads++;
}

static void reload_counted(void)
{
	const int by_us = !atomic_load(&world.vm->gate.closed);

	/* What the reload will find is counted while the guest stands still for it. */
	fw_vcpus_park(world.vm);
	fw_events_drain(world.vm);
	with_rx += used(uart(), "rx") != 0;
	with_tx += used(uart(), "tx") != 0;
	with_interrupt += world.vm->irqs.pins[IRQ].asserted != 0;
	reload();
	if (by_us)
		fw_vcpus_unpark(world.vm);
}

static void reload_due(struct fw_timer *due)
{
	if (!fw_timer_fired(due))
		return;
	if (random_below(2))
		reload_counted();
	else
		reload();
	alarm(TAP_TIMEOUT_S * 4); /* there is progress */
	fw_timer_arm(due, fw_now_ns() + random_below(2 * EVERY_US) * UINT64_C(1000));
}

/* --- the machine --- */

static void open_version(uint32_t index, const char *folder)
{
	const char *build = getenv("LICHEN_BUILD");
	struct ld_error error = { "" };
	struct ld_path path;
	char text[512];

	(void)snprintf(text, sizeof(text), "%s/%s", build ? build : WORLD_BUILD, folder);
	CHECK_EQ(0, ld_path_parse(&path, text));
	if (ld_open(&path, "serial16550", NULL, &versions[index], &error) < 0)
		tap_fail("%s", error.text);
	ld_path_clear(&path);
}

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
	int input[2], output[2];
	pthread_t thread;

	CHECK_EQ(0, pipe2(input, O_CLOEXEC | O_NONBLOCK));
	CHECK_EQ(0, pipe2(output, O_CLOEXEC | O_NONBLOCK));
	(void)fcntl(output[1], F_SETPIPE_SZ, PIPE_SIZE);
	begin(input[0], output[1]);
	open_version(0, "tests/framework-reload/serial-2");
	open_version(1, "plugins");
	peer = (struct peer){ .to = input[1], .from = output[0] };
	CHECK_EQ(0, pthread_create(&thread, NULL, peer_run, NULL));
	timer = (struct fw_timer){ .loop = &world.vm->loop,
				   .clock = LICHEN_CLOCK_HOST,
				   .due = reload_due };
	fw_timer_arm(&timer, fw_now_ns());
	CHECK_EQ(1, lichen_vm_run(world.vm));
	world_end(&world); /* what the backend still has goes out */
	CHECK_EQ(0, pthread_join(thread, NULL));
	printf("# %u reloads in %u bytes each way: with the receiver's FIFO not empty %u, the "
	       "transmitter busy %u, the interrupt pending %u\n",
	       reloads, peer.in, with_rx, with_tx, with_interrupt);
	printf("# SHA-256 sent     %s\n# SHA-256 received %s\n", peer.sent, peer.received);
	CHECK_EQ(STREAM_BYTES, peer.in);
	CHECK_STR(peer.sent, peer.received);
	CHECK(reloads >= RELOADS_MIN);
	CHECK(with_rx >= EACH_MIN && with_tx >= EACH_MIN && with_interrupt >= EACH_MIN);
	close(input[1]);
	close(output[0]);
	CHECK_EQ(0, ld_close(versions[0], NULL));
	CHECK_EQ(0, ld_close(versions[1], NULL));
}
