/* SPDX-License-Identifier: MIT */
/*
 * streamer.h: for test programs, to be included once: a peer that streams through a guest's
 * serial port, over two pipes, while serial16550 is reloaded at random moments, to a version
 * with one more field and back.
 */
#ifndef TEST_STREAMER_H
#define TEST_STREAMER_H

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

enum { STREAMER_EACH_MIN = 10, STREAMER_RELOADS_MIN = 100, STREAMER_CHUNK = 1024 };

struct streamer {
	/* before streamer_begin() */
	struct world *world;
	const char *id;		   /* of the port */
	uint32_t irq;		   /* its line */
	uint32_t bytes;		   /* each way */
	uint32_t every_us;	   /* between two reloads, about */
	uint32_t limit_s;	   /* for all of it */
	int echo;		   /* what the guest sends is what it got */
	int (*ready)(void);	   /* 1: the guest may be sent to; NULL: at once */
	const char *(*told)(void); /* what it has said, for a failure; NULL: nothing */
	/* afterwards */
	int input[2], output[2]; /* pipes to the guest, and from it */
	char sent[SHA256_DIGEST_STRING_LENGTH], received[SHA256_DIGEST_STRING_LENGTH];
	_Atomic uint32_t out, in; /* bytes so far */
	_Atomic uint32_t reloads;
	uint32_t with_rx, with_interrupt;
	_Atomic uint32_t with_tx;
	uint64_t longest_ns; /* for which the guest stood still */
};

enum {
	PIPE_SIZE = 4096,
	PARTS = 8,
	FULL = 160 << 10, /* bytes that lie between the two ends at most */
	WAIT_MS = 50,
};

static struct streamer *streamer; /* the one */
static struct ld_plugin *versions[2];
static struct fw_timer timer;
static struct fw_diags diags;
static pthread_t thread;
static uint64_t until;
static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % limit;
}

/* --- the peer --- */

static uint8_t peer_byte(uint32_t index)
{
	return (uint8_t)((index * 2654435761u) >> 24 ^ index);
}

static void peer_send(SHA2_CTX *sum)
{
	const uint32_t out = streamer->out, left = streamer->bytes - out;
	const uint32_t count = left < STREAMER_CHUNK ? left : STREAMER_CHUNK;
	uint8_t bytes[STREAMER_CHUNK];
	ssize_t n;

	for (uint32_t i = 0; i < count; i++)
		bytes[i] = peer_byte(out + i);
	n = write(streamer->input[1], bytes, count);
	if (n <= 0)
		return;
	SHA256Update(sum, bytes, (size_t)n);
	streamer->out += (uint32_t)n;
}

/*
 * At the start, and at each eighth of the stream, it reads nothing until some reloads have
 * found the transmitter full.
 */
static int peer_stalls(void)
{
	static uint32_t part, want = STREAMER_EACH_MIN;
	const uint32_t bound = streamer->echo ? streamer->out : streamer->in;

	if (streamer->in / (streamer->bytes / PARTS) < part || bound + FULL > streamer->bytes)
		return 0;
	if (atomic_load(&streamer->with_tx) < want)
		return 1;
	printf("# %u bytes sent, %u received, %u reloads\n", streamer->out, streamer->in,
	       streamer->reloads);
	fflush(stdout);
	part++;
	want += 2;
	return 0;
}

static void peer_receive(SHA2_CTX *sum)
{
	uint8_t bytes[STREAMER_CHUNK];
	const ssize_t n = read(streamer->output[0], bytes, sizeof(bytes));

	if (n <= 0)
		return;
	SHA256Update(sum, bytes, (size_t)n);
	streamer->in += (uint32_t)n;
}

static int peer_is_ready(void)
{
	return !streamer->ready || streamer->ready();
}

static void *peer_run(void *argument)
{
	SHA2_CTX sent, received;

	SHA256Init(&sent);
	SHA256Init(&received);
	while (streamer->in < streamer->bytes || streamer->out < streamer->bytes) {
		const int sends = streamer->out < streamer->bytes && peer_is_ready();
		struct pollfd both[2] = {
			{ .fd = peer_stalls() ? -1 : streamer->output[0], .events = POLLIN },
			{ .fd = sends ? streamer->input[1] : -1, .events = POLLOUT }
		};

		if (poll(both, 2, WAIT_MS) < 0 && errno != EINTR)
			break;
		if (both[1].revents & POLLERR)
			break;
		if (both[1].revents)
			peer_send(&sent);
		if (both[0].revents)
			peer_receive(&received);
		if (both[0].revents & POLLHUP && !(both[0].revents & POLLIN))
			break;
	}
	SHA256End(&sent, streamer->sent);
	SHA256End(&received, streamer->received);
	return argument;
}

/* --- the reloads --- */

static struct lichen_instance *uart(void)
{
	struct lichen_vm *vm = streamer->world->vm;

	for (uint32_t i = 0; i < vm->instance_count; i++)
		if (strcmp(vm->instances[i]->spec->id, streamer->id) == 0)
			return vm->instances[i];
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
	struct ld_plugin *fresh = versions[streamer->reloads % 2];
	struct fw_reloaded done;

	(void)ld_share(fresh);
	if (fw_reload(streamer->world->vm, "serial16550", fresh, &done, &diags) < 0)
		tap_fail("reload %u: %s", streamer->reloads, diags.items[0].text);
	if (done.pause_ns > streamer->longest_ns)
		streamer->longest_ns = done.pause_ns;
	streamer->reloads++;
}

static void reload_counted(void)
{
	struct lichen_vm *vm = streamer->world->vm;
	const int by_us = !atomic_load(&vm->gate.closed);

	/* What the reload will find is counted while the guest stands still for it. */
	fw_vcpus_park(vm);
	fw_events_drain(vm);
	streamer->with_rx += used(uart(), "rx") != 0;
	streamer->with_tx += used(uart(), "tx") != 0;
	streamer->with_interrupt += vm->irqs.pins[streamer->irq].asserted != 0;
	reload();
	if (by_us)
		fw_vcpus_unpark(vm);
}

static void reload_due(struct fw_timer *due)
{
	if (!fw_timer_fired(due))
		return;
	if (fw_now_ns() > until && streamer->told)
		puts(streamer->told());
	if (fw_now_ns() > until)
		tap_fail("after %u s: %u bytes sent, %u received, %u reloads",
			 streamer->limit_s, streamer->out, streamer->in, streamer->reloads);
	if (peer_is_ready() && random_below(2))
		reload_counted();
	else if (peer_is_ready())
		reload();
	fw_timer_arm(due, fw_now_ns() + random_below(2 * streamer->every_us) * UINT64_C(1000));
}

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

/* Makes the pipes: input[0] and output[1] are the VM's. */
static void streamer_open(struct streamer *opened)
{
	streamer = opened;
	CHECK_EQ(0, pipe2(streamer->input, O_CLOEXEC | O_NONBLOCK));
	CHECK_EQ(0, pipe2(streamer->output, O_CLOEXEC | O_NONBLOCK));
	(void)fcntl(streamer->output[1], F_SETPIPE_SZ, PIPE_SIZE);
}

/* The VM is made: its loop reloads from now on, and a thread is the peer. */
static void streamer_begin(void)
{
	open_version(0, "tests/framework-reload/serial-2");
	open_version(1, "plugins");
	until = fw_now_ns() + streamer->limit_s * UINT64_C(1000000000);
	alarm(streamer->limit_s + TAP_TIMEOUT_S);
	CHECK_EQ(0, pthread_create(&thread, NULL, peer_run, NULL));
	timer = (struct fw_timer){ .loop = &streamer->world->vm->loop,
				   .clock = LICHEN_CLOCK_HOST,
				   .due = reload_due };
	fw_timer_arm(&timer, fw_now_ns());
}

/* The VM has ended and gone; prints what was counted and checks all but the sums. */
static void streamer_end(void)
{
	CHECK_EQ(0, pthread_join(thread, NULL));
	printf("# %u reloads in %u bytes each way: with the receiver's FIFO not empty %u, the "
	       "transmitter busy %u, the interrupt pending %u\n",
	       streamer->reloads, streamer->in, streamer->with_rx, streamer->with_tx,
	       streamer->with_interrupt);
	printf("# the guest stood still for at most %u us\n",
	       (uint32_t)(streamer->longest_ns / 1000));
	printf("# SHA-256 sent     %s\n# SHA-256 received %s\n", streamer->sent,
	       streamer->received);
	CHECK_EQ(streamer->bytes, streamer->out);
	CHECK_EQ(streamer->bytes, streamer->in);
	CHECK(streamer->reloads >= STREAMER_RELOADS_MIN);
	CHECK(streamer->with_rx >= STREAMER_EACH_MIN);
	CHECK(streamer->with_tx >= STREAMER_EACH_MIN);
	CHECK(streamer->with_interrupt >= STREAMER_EACH_MIN);
	close(streamer->input[1]);
	close(streamer->output[0]);
	CHECK_EQ(0, ld_close(versions[0], NULL));
	CHECK_EQ(0, ld_close(versions[1], NULL));
}

#endif
