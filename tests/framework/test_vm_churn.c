/* SPDX-License-Identifier: MIT */
/*
 * A device that holds one of every claim comes and goes while four vCPUs work with it:
 * each time nothing of it is left, and no vCPU sees half of it.  And it stays, while its code
 * is replaced: each time it holds what it held, and no vCPU sees it gone.
 *
 * CHURN_CYCLES in the environment: how many times.  Without it as often as it can in some
 * seconds, at most CYCLES.
 */
#include <dirent.h>
#include <unistd.h>

#include "loader.h"
#include "plug.h"
#include "plugins/churn.h"
#include "reload.h"
#include "tap.h"
#include "world.h"

enum {
	FIRST = 0x600,
	SECOND = 0x700,
	HUB = 0x7f0,
	LINE = 10,
	CYCLES = 200,
	CYCLES_LEAST = 6,
	WAIT_US = 2000, /* for a call in flight and a line that is high */
	DONE = 9,	/* how a VM ends that has churned enough */
};
#define SECONDS_NS UINT64_C(6000000000)
#define THIRD UINT64_C(0xd0000000)
#define RAM UINT64_C(0xd0010000)

static struct world world;

/* What must be as it was after each cycle. */
struct counts {
	uint32_t descriptors, threads, instances, slots, routes, irqfds, bells, claims;
	uint32_t memory; /* slots of windows */
};

static struct {
	uint32_t cycles, done, wanted; /* wanted: cycles of the odd kind */
	uint32_t caught_calls, caught_levels;
	struct counts before;
	uint64_t until;	    /* ns; 0: all cycles, however long */
	const char *failed; /* what was wrong, and in which cycle */
	char text[LD_ERROR_SIZE];
	_Atomic uint32_t mixed, seen; /* by vCPUs of the fake */
	void (*step)(struct lichen_vm *vm, uint32_t number);
	struct ld_plugin *versions[2];
	uint64_t longest_ns; /* for which the guest stood still */
} churn;

static uint32_t entries(const char *path)
{
	DIR *folder = opendir(path);
	uint32_t count = 0;

	while (folder && readdir(folder))
		count++;
	if (folder)
		closedir(folder);
	return count;
}

static struct counts count(struct lichen_vm *vm)
{
	struct counts now = { .descriptors = entries("/proc/self/fd"),
			      .threads = entries("/proc/self/task"),
			      .instances = vm->instance_count };

	for (uint32_t i = 0; i < FW_MESSAGE_ROUTES; i++)
		now.routes += vm->irqs.routed[i] != NULL;
	for (uint32_t i = 0; i < vm->irqs.pin_count; i++)
		now.claims += vm->irqs.pins[i].claims;
	for (uint32_t i = 0; i < vm->layout.slot_count; i++)
		now.memory += vm->layout.slots[i].size != 0;
	if (vm->hv == &hv_fake) {
		static struct fake_view view;

		fake_look(vm->hvm, &view);
		now.slots = view.slots;
		now.irqfds = view.irqfds;
		now.bells = view.bells;
	}
	return now;
}

static void fail(const char *what)
{
	if (!churn.failed)
		churn.failed = what;
}

static uint32_t level(struct lichen_vm *vm)
{
	uint32_t asserted;

	pthread_mutex_lock(&vm->irqs.pins[LINE].lock);
	asserted = vm->irqs.pins[LINE].asserted;
	pthread_mutex_unlock(&vm->irqs.pins[LINE].lock);
	return asserted;
}

/* Waits until a vCPU is inside a handler and the line is high. */
static void catch (struct lichen_vm *vm, struct lichen_instance *in)
{
	struct churn *device = in->self;

	churn.wanted++;
	for (uint32_t us = 0; us < WAIT_US; us += 10) {
		if (atomic_load(&device->inside) && level(vm))
			break;
		usleep(10);
	}
	churn.caught_calls += atomic_load(&device->inside) != 0;
	churn.caught_levels += level(vm) != 0;
}

static void check_counts(struct lichen_vm *vm)
{
	struct counts now;

	for (uint32_t tries = 0; tries < 1000; tries++) { /* a thread that ended shows on */
		now = count(vm);
		if (now.threads == churn.before.threads)
			break;
		usleep(100);
	}
	/* The guest that has ended the VM says why by what it ended with. */
	if (memcmp(&now, &churn.before, sizeof(now)) == 0 || atomic_load(&vm->end))
		return;
	(void)snprintf(churn.text, sizeof(churn.text),
		       "descriptors %u of %u, threads %u of %u, instances %u of %u, slots %u "
		       "of %u, of windows %u of %u, routes %u of %u, irqfds %u of %u, bells %u "
		       "of %u, lines %u of %u",
		       now.descriptors, churn.before.descriptors, now.threads,
		       churn.before.threads, now.instances, churn.before.instances, now.slots,
		       churn.before.slots, now.memory, churn.before.memory, now.routes,
		       churn.before.routes, now.irqfds, churn.before.irqfds, now.bells,
		       churn.before.bells, now.claims, churn.before.claims);
	fail(churn.text);
}

/* All ones where the windows were, the line low, nothing held. */
static void check_gone(struct lichen_vm *vm)
{
	uint64_t value = 0;

	if (fw_bus_read(vm->ports, FIRST, 4, &value) || value != UINT32_MAX ||
	    fw_bus_read(vm->ports, SECOND, 4, &value) || value != UINT32_MAX ||
	    fw_bus_read(vm->mmio, THIRD, 4, &value) || value != UINT32_MAX ||
	    fw_bus_read(vm->mmio, RAM, 4, &value) || value != UINT32_MAX)
		fail("a window answers that has gone");
	if (level(vm))
		fail("the line is high");
	check_counts(vm);
}

static void cycle(struct lichen_vm *vm, uint32_t number)
{
	char text[128];
	const struct fw_plug_entry entry = { .section = "devices",
					     .text = text,
					     .origin = "device add" };
	struct lichen_instance *in = NULL;
	struct ld_error error = { "" };
	struct fw_diags diags = { 0 };

	(void)snprintf(text, sizeof(text),
		       "{ plugin: churn, id: guest, first: %u, peer: { plugin: sender } }",
		       number + 1);
	if (fw_plug_add(vm, &entry, &in, &diags) < 0) {
		(void)snprintf(churn.text, sizeof(churn.text), "%s",
			       diags.count ? diags.items[0].text : "it is not added");
		fail(churn.text);
		fw_diags_clear(&diags);
		return;
	}
	fw_diags_clear(&diags);
	if (count(vm).memory != 1)
		fail("its RAM has no slot");
	if (number % 2)
		catch (vm, in);
	else
		usleep(50);
	if (fw_plug_remove(vm, in, 0, 0, NULL, NULL, &error) != 0 || error.text[0]) {
		(void)snprintf(churn.text, sizeof(churn.text), "removal: %.400s", error.text);
		fail(churn.text);
		return;
	}
	if (number == 0) /* what the hypervisor keeps from its first use on is there */
		churn.before = count(vm);
	check_gone(vm);
}

/* To the other version; what others hold of it stays what it was. */
static void replace(struct lichen_vm *vm, uint32_t number)
{
	struct fw_reloaded done;
	struct fw_diags diags = { 0 };

	if (number % 2)
		catch (vm, fw_plug_find(vm, "guest"));
	else
		usleep(50);
	(void)ld_share(churn.versions[number % 2]);
	if (fw_reload(vm, "churn", churn.versions[number % 2], &done, &diags) < 0) {
		(void)snprintf(churn.text, sizeof(churn.text), "reload: %.400s",
			       diags.count ? diags.items[0].text : "it says nothing");
		fail(churn.text);
		(void)ld_close(churn.versions[number % 2], NULL);
		fw_diags_clear(&diags);
		return;
	}
	fw_diags_clear(&diags);
	if (done.pause_ns > churn.longest_ns)
		churn.longest_ns = done.pause_ns;
	if (number == 0)
		churn.before = count(vm);
	if (count(vm).memory != 1)
		fail("its RAM has no slot");
	check_counts(vm);
}

static void turn(struct fw_post *post);

/* The next cycle is posted, so that the loop has its turn between two of them. */
static void again(struct lichen_vm *vm)
{
	struct fw_post *post = calloc(1, sizeof(*post));

	post->run = turn;
	fw_loop_post(&vm->loop, post);
}

static int enough(void)
{
	return churn.done == churn.cycles ||
	       (churn.until && churn.done >= CYCLES_LEAST && fw_now_ns() > churn.until);
}

static void turn(struct fw_post *post)
{
	struct lichen_vm *vm = world.vm;

	(void)post;
	if (churn.failed || enough() || atomic_load(&vm->end)) {
		fw_vm_end(vm, DONE, NULL);
		return;
	}
	churn.step(vm, churn.done++);
	again(vm);
}

/* Starts with the loop, which vCPUs wait for. */
static int churn_now(void (*step)(struct lichen_vm *vm, uint32_t number))
{
	const char *cycles = getenv("CHURN_CYCLES");
	int status;

	churn.step = step;
	churn.cycles = cycles ? (uint32_t)strtoul(cycles, NULL, 0) : CYCLES;
	churn.until = cycles ? 0 : fw_now_ns() + SECONDS_NS;
	if (cycles)
		(void)alarm(0); /* the harness's, which a longer run is not bound by */
	again(world.vm);
	status = lichen_vm_run(world.vm);
	printf("# %u cycles; a call in flight in %u of %u, a line high in %u\n", churn.done,
	       churn.caught_calls, churn.wanted, churn.caught_levels);
	if (churn.longest_ns)
		printf("# the guest stood still for at most %u us\n",
		       (uint32_t)(churn.longest_ns / 1000));
	if (churn.failed)
		tap_fail("cycle %u: %s", churn.done, churn.failed);
	return status;
}

static const char *build(void)
{
	const char *folder = getenv("LICHEN_BUILD");

	return folder ? folder : WORLD_BUILD;
}

/* The first is the one that the VM does not begin with. */
static void open_versions(void)
{
	static const char *const folders[] = { "framework-plugins-2", "framework-plugins" };

	for (uint32_t i = 0; i < 2; i++) {
		struct ld_error error = { "" };
		struct ld_path path;
		char folder[512];

		(void)snprintf(folder, sizeof(folder), "%s/tests/%s", build(), folders[i]);
		CHECK_EQ(0, ld_path_parse(&path, folder));
		if (ld_open(&path, "churn", NULL, &churn.versions[i], &error) < 0)
			tap_fail("%s", error.text);
		ld_path_clear(&path);
	}
}

/* With proof that nothing of them is left. */
static void close_versions(void)
{
	for (uint32_t i = 0; i < 2 && churn.versions[i]; i++) {
		struct ld_error error = { "" };

		if (ld_close(churn.versions[i], &error) < 0)
			tap_fail("%s", error.text);
	}
}

/* What was to be met, was met often enough. */
static void check_caught(void)
{
	CHECK(enough());
	CHECK(churn.caught_calls >= churn.wanted / 2);
	CHECK(churn.caught_levels >= churn.wanted / 2);
}

/* --- over the fake --- */

static uint32_t port(uint16_t at)
{
	uint64_t value = 0;

	fw_bus_read(world.vm->ports, at, 4, &value);
	return (uint32_t)value;
}

static uint32_t memory(uint64_t at)
{
	uint64_t value = 0;

	fw_bus_read(world.vm->mmio, at, 4, &value);
	return (uint32_t)value;
}

static void check_pair(uint16_t first, uint16_t second)
{
	const uint32_t before = port(first), other = port(second), after = port(first);

	if (before == after && before != UINT32_MAX && before != other)
		atomic_fetch_add(&churn.mixed, 1);
	if (before != UINT32_MAX)
		atomic_fetch_add(&churn.seen, 1);
}

struct hammer {
	uint32_t vcpu, last; /* that it wrote to its word */
};

/* As check_ram() of the guest, which says why.  vCPUs rest between two calls of it. */
static void check_ram(uint64_t mine, uint32_t round, uint32_t *last)
{
	const uint32_t before = memory(THIRD), other = memory(RAM);
	uint32_t now, after = memory(THIRD);

	if (before == after && before != UINT32_MAX && before != other)
		atomic_fetch_add(&churn.mixed, 1);
	if (churn.step == replace && memory(mine) != *last)
		atomic_fetch_add(&churn.mixed, 1);
	fw_bus_write(world.vm->mmio, mine, 4, round);
	now = memory(mine);
	after = memory(THIRD);
	if (before == after && before != UINT32_MAX && now != round)
		atomic_fetch_add(&churn.mixed, 1);
	*last = round;
}

/* A vCPU's turn: as the guest does it, without a guest. */
static void hammer(void *context)
{
	static _Atomic uint32_t rounds;
	const uint32_t round = atomic_fetch_add(&rounds, 1);
	struct hammer *of = context;

	check_pair(FIRST, SECOND);
	check_pair(SECOND, FIRST);
	check_ram(RAM + 4 + 4 * (uint64_t)of->vcpu, round, &of->last);
	if (round % 4 == 0)
		fw_bus_write(world.vm->ports, FIRST + 4, 4, 50);
	if (round % 4 == 1)
		fw_bus_write(world.vm->ports, SECOND, 4, round >> 2);
	if (round % 4 == 3)
		fw_bus_write(world.vm->mmio, THIRD + CHURN_ASK, 4, round);
	(void)port(HUB);
}

static void hammer_start(void)
{
	static struct hammer vcpus[4];
	static struct fake_step steps[4][3];

	for (uint32_t i = 0; i < 4; i++) {
		vcpus[i].vcpu = i;
		steps[i][0] = (struct fake_step)FAKE_CALL(hammer, &vcpus[i]);
		steps[i][1] = (struct fake_step)FAKE_STORE(THIRD + CHURN_BELL, 4, 1);
		steps[i][2] = (struct fake_step)FAKE_JUMP(0);
		fake_script(world.hvm, i, steps[i], FAKE_STEPS(steps[i]));
	}
}

static void hammer_end(void)
{
	check_caught();
	CHECK_EQ(0, atomic_load(&churn.mixed));
	CHECK(atomic_load(&churn.seen) > churn.done);
	CHECK_EQ(0, world_heard(&world, "misbehaves"));
	world_end(&world);
	close_versions();
	CHECK_EQ(0, fake_alive());
	CHECK_EQ(0, fake_misuses());
}

#define FAKE_PROFILE                                                   \
	"memory: { size: 1M }\nboot: { plugin: begin }\ncpus: 4\n"     \
	"devices:\n  - { plugin: kvm-irqchip }\n  - { plugin: hub }\n" \
	"  - { plugin: debug-exit }\n"
#define CHURN_ENTRY "  - { plugin: churn, id: guest, peer: { plugin: sender } }\n"

TEST(a_device_comes_and_goes_under_four_vcpus)
{
	world_start(&world, FAKE_PROFILE);
	hammer_start();
	CHECK_EQ(DONE, churn_now(cycle));
	hammer_end();
}

TEST(a_device_is_reloaded_under_four_vcpus)
{
	world_start(&world, FAKE_PROFILE CHURN_ENTRY);
	open_versions();
	hammer_start();
	CHECK_EQ(DONE, churn_now(replace));
	hammer_end();
}

/* --- over KVM --- */

static void start_guest(const char *guest, const char *more)
{
	const char *require = getenv("LICHEN_REQUIRE_KVM");
	char profile[1024];

	snprintf(profile, sizeof(profile),
		 "memory: { size: 4M }\ncpus: 4\n"
		 "boot: { plugin: flat, image: \"%s/guests/%s.bin\" }\n"
		 "devices:\n  - { plugin: kvm-irqchip }\n  - { plugin: hub }\n"
		 "  - { plugin: serial16550, port: 0x3f8, irq: 4, backend: { plugin: \"null\" "
		 "} }\n"
		 "  - { plugin: debug-exit }\n%s",
		 build(), guest, more);
	world_begin(&world, profile);
	if (world_create_on(&world, &hv_kvm, -1, -1) != 0) {
		if (world_heard(&world, "/dev/kvm") && !(require && !strcmp(require, "1")))
			SKIP("no usable /dev/kvm");
		tap_fail("%s", world.log);
	}
}

TEST(a_device_comes_and_goes_under_a_guest_that_uses_it)
{
	start_guest("churn", "");
	CHECK_EQ(DONE,
		 churn_now(cycle)); /* else: twice the number of the guest's check and 1 */
	check_caught();
	CHECK_EQ(0, world_heard(&world, "misbehaves"));
	world_end(&world);
}

TEST(a_device_is_reloaded_under_a_guest_that_uses_it)
{
	start_guest("churn_stays", CHURN_ENTRY);
	open_versions();
	CHECK_EQ(DONE, churn_now(replace));
	check_caught();
	CHECK_EQ(0, world_heard(&world, "misbehaves"));
	world_end(&world);
	close_versions();
}
