/* SPDX-License-Identifier: MIT */
/*
 * Reloads of a device that holds one of every claim while four vCPUs use it, over the fake.
 * The guest is functions that the vCPUs' threads call: they speak to the buses as exits do,
 * and doorbells are stores of the script.
 */
#include <stdatomic.h>

#include "loader.h"
#include "reload.h"
#include "tap.h"
#include "world.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAMMER_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAMMER_SANITIZED 1
#endif
#endif
#ifdef HAMMER_SANITIZED
enum { RELOADS = 100 };
#else
enum { RELOADS = 1000 };
#endif

enum {
	PORT = 0x500,
	GENERATION = 0,
	VALUE = 4,
	LEVEL = 8,
	EVENTS = 16,
	RINGS = 20,
	SLOW = 0x200,
	ASK = 0x100, /* the receiver's ports */
	IN_ORDER = 0x104,
	LINE = 5,
	EVERY_NS = 300000,
};
#define GPA UINT64_C(0xd0000000)

static const char profile[] =
	"name: world\nmemory: { size: 1M }\ncpus: 4\nboot: { plugin: begin }\n"
	"devices:\n  - { plugin: kvm-irqchip }\n"
	"  - { plugin: morph, id: m, threaded: true, peer: { plugin: sender, id: s } }\n"
	"  - { plugin: receiver, id: r, peer: m }\n";

static struct world world;
static struct ld_plugin *versions[2];
static struct fw_timer timer;
static struct fw_diags diags;

/* What the guest did and saw. */
static _Atomic uint32_t faults, raised, rung, asked, told, in_flight;
static uint32_t reloads, with_call, with_line;
static uint64_t longest_ns;

static uint32_t in(uint32_t port)
{
	uint64_t value = 0;

	faults += fw_bus_read(world.vm->ports, port, 4, &value) != 1;
	return (uint32_t)value;
}

static uint32_t load(uint32_t reg)
{
	uint64_t value = 0;

	faults += fw_bus_read(world.vm->mmio, GPA + reg, 4, &value) != 1;
	return (uint32_t)value;
}

static void out(uint32_t port, uint32_t value)
{
	faults += fw_bus_write(world.vm->ports, port, 4, value) != 1;
}

/* The instance lock is not fair, and the machine may have two processors. */
static void breathe(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
}

/* A reload between the accesses shows in the first and the last: then the pair may differ. */
static void guest_pairs(void *context)
{
	static uint32_t value;
	const uint32_t one = in(PORT + GENERATION), other = load(GENERATION);

	(void)context;
	faults += one == in(PORT + GENERATION) && one != other;
	out(PORT + VALUE, ++value);
	faults += load(VALUE) != value;
	breathe();
}

static void guest_line(void *context)
{
	(void)context;
	out(PORT + LEVEL, 1);
	raised++;
	faults += in(PORT + LEVEL) != 1;
	breathe();
	faults += load(LEVEL) != 1;
	out(PORT + LEVEL, 0);
	faults += load(LEVEL) != 0;
	breathe();
}

static void guest_slow(void *context)
{
	(void)context;
	in_flight++;
	(void)load(SLOW);
	in_flight--;
	rung++; /* by the step that follows */
	breathe();
}

static void guest_events(void *context)
{
	(void)context;
	if (told - in(ASK) > 30) /* let the control thread come along */
		return;
	out(PORT + EVENTS, 1);
	asked++;
	out(ASK, told);
	told += 3;
	faults += in(IN_ORDER) != 1;
	breathe();
}

static uint32_t line_is_high(void)
{
	struct fw_pin *pin = &world.vm->irqs.pins[LINE];
	uint32_t high;

	pthread_mutex_lock(&pin->lock);
	high = pin->asserted != 0;
	pthread_mutex_unlock(&pin->lock);
	return high;
}

/* Every second time it begins with a call in flight and the line high. */
static void reload_at_worst(void)
{
	for (int i = 0; i < 10000 && reloads % 2 && !(in_flight && line_is_high()); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 10000 }, NULL);
	with_call += in_flight != 0;
	with_line += line_is_high();
}

static void reload_due(struct fw_timer *due)
{
	struct fw_reloaded done;

	if (!fw_timer_fired(due))
		return;
	if (reloads == RELOADS) {
		fw_vm_end(world.vm, 9, NULL);
		return;
	}
	reload_at_worst();
	(void)ld_share(versions[reloads % 2]);
	if (fw_reload(world.vm, "morph", versions[reloads % 2], &done, &diags) < 0)
		tap_fail("reload %u: %s", reloads, diags.items[0].text);
	if (done.pause_ns > longest_ns)
		longest_ns = done.pause_ns;
	reloads++;
	fw_timer_arm(due, fw_now_ns() + EVERY_NS);
}

static void open_version(uint32_t index)
{
	struct ld_error error = { "" };
	struct ld_path path;
	char folder[512];

	(void)snprintf(folder, sizeof(folder), "%s/tests/framework-reload/%u",
		       getenv("LICHEN_BUILD") ? getenv("LICHEN_BUILD") : WORLD_BUILD,
		       index == 0 ? 2 : 1);
	CHECK_EQ(0, ld_path_parse(&path, folder));
	CHECK_EQ(0, ld_open(&path, "morph", NULL, &versions[index], &error));
	ld_path_clear(&path);
}

TEST(four_vcpus_see_no_reload)
{
	static const struct fake_step pairs[] = { FAKE_CALL(guest_pairs, NULL), FAKE_JUMP(0) };
	static const struct fake_step line[] = { FAKE_CALL(guest_line, NULL), FAKE_JUMP(0) };
	static const struct fake_step slow[] = { FAKE_CALL(guest_slow, NULL),
						 FAKE_STORE(GPA + 0x100, 4, 1), FAKE_JUMP(0) };
	static const struct fake_step events[] = { FAKE_CALL(guest_events, NULL),
						   FAKE_JUMP(0) };
	struct fake_view view;

	world_start(&world, profile);
	open_version(0);
	open_version(1);
	fake_script(world.hvm, 0, pairs, FAKE_STEPS(pairs));
	fake_script(world.hvm, 1, line, FAKE_STEPS(line));
	fake_script(world.hvm, 2, slow, FAKE_STEPS(slow));
	fake_script(world.hvm, 3, events, FAKE_STEPS(events));
	timer = (struct fw_timer){ .loop = &world.vm->loop,
				   .clock = LICHEN_CLOCK_HOST,
				   .due = reload_due };
	fw_timer_arm(&timer, fw_now_ns() + EVERY_NS);
	CHECK_EQ(9, lichen_vm_run(world.vm));
	/* Rings of the last moment lie in the eventfd, which the loop reads. */
	for (int i = 0; i < 3; i++)
		uv_run(&world.vm->loop.uv, UV_RUN_NOWAIT);
	fw_bus_thread_enter();
	printf("# %u reloads, %u with a call in flight, %u with the line high; the guest stood "
	       "still for at most %u us\n",
	       reloads, with_call, with_line, (uint32_t)(longest_ns / 1000));
	CHECK_EQ(RELOADS, reloads);
	CHECK(with_call >= RELOADS / 2 && with_line >= RELOADS / 2);
	CHECK_EQ(0, faults);
	fake_look(world.hvm, &view);
	CHECK_EQ(raised, view.edges[LINE]);
	/* The vCPU may have been stopped between the count and the store. */
	CHECK(rung - in(PORT + RINGS) <= 1);
	CHECK_EQ(asked, in(PORT + EVENTS));
	CHECK_EQ(told, in(ASK));
	CHECK_EQ(RELOADS, in(PORT + GENERATION) & 0xffffff);
	CHECK_EQ(1, view.bells);
	CHECK_EQ(0, world_heard(&world, "misbehaves"));
	fw_bus_thread_leave();
	world_end(&world);
	for (uint32_t i = 0; i < 2; i++) {
		struct ld_error error = { "" };

		if (ld_close(versions[i], &error) < 0)
			tap_fail("%s", error.text);
	}
	CHECK_EQ(0, fake_alive());
	CHECK_EQ(0, fake_misuses());
}
