/* SPDX-License-Identifier: MIT */
/* What plugins hold and move: handles that are not theirs, windows under way. */
#include "tap.h"
#include "world.h"

#define BASE "memory: { size: 1M }\nboot: { plugin: begin }\n"

static struct world world;

/* Misbehaviour is what is looked for here. */
__attribute__((constructor)) static void lenient(void)
{
	world_strict = 0;
}

static void finish(void)
{
	world_end(&world);
	CHECK_EQ(0, fake_alive());
	CHECK_EQ(0, fake_misuses());
}

/* --- handles --- */

/* Instance `a` breaks the rule that the number stands for. */
static void breaks(uint8_t number)
{
	struct fake_step steps[] = { FAKE_OUT(0x400, 1, 0), FAKE_OUT(0xf4, 1, 0) };

	steps[0].value = number;
	world_start(&world, BASE "devices:\n  - { plugin: misuse, id: a, port: 0x400 }\n"
				 "  - { plugin: misuse, id: b, port: 0x401 }\n"
				 "  - { plugin: debug-exit }\n");
	fake_script(world.hvm, 0, steps, FAKE_STEPS(steps));
	CHECK_EQ(1, lichen_vm_run(world.vm));
}

TEST(a_stale_handle_is_named)
{
	breaks(1);
	CHECK_EQ(1, world_heard(&world, "plugin misbehaves [misuse/a] timer_arm: 0x"));
	CHECK_EQ(0, world_heard(&world, "fired"));
	finish();
}

TEST(a_handle_of_another_instance_is_named)
{
	breaks(2);
	CHECK_EQ(1, world_heard(&world, "plugin misbehaves [misuse/a] timer_arm: 0x"));
	CHECK_EQ(1, world_heard(&world, "is no timer of this instance"));
	CHECK_EQ(0, world_heard(&world, "fired"));
	finish();
}

TEST(handle_0_is_named)
{
	breaks(3);
	CHECK_EQ(1, world_heard(&world, "timer_arm: 0x0 is no timer of this instance"));
	finish();
}

TEST(a_handle_of_another_kind_is_named)
{
	breaks(4);
	CHECK_EQ(1, world_heard(&world, "is no line of this instance"));
	finish();
}

TEST(an_end_that_there_is_none_of_is_named)
{
	breaks(5);
	CHECK_EQ(1, world_heard(&world, "request_end: 99 is no end"));
	finish();
}

TEST(what_a_guest_makes_a_plugin_say_cannot_command_a_terminal)
{
	breaks(6);
	CHECK_EQ(0, world_heard(&world, "\x1b"));
	CHECK_EQ(0, world_heard(&world, "\nfake line"));
	CHECK_EQ(1, world_heard(&world, "?[2Jgone?fake line"));
	finish();
}

TEST(a_vcpu_that_runs_is_not_set_by_others)
{
	breaks(7);
	CHECK_EQ(1, world_heard(&world, "plugin misbehaves [misuse/a] set_cpu: vCPU 0"));
	CHECK_EQ(0, world_heard(&world, "it was set"));
	finish();
}

TEST(a_line_that_the_irqchip_lacks_is_refused)
{
	world_begin(&world, BASE "devices:\n  - { plugin: kvm-irqchip }\n"
				 "  - { plugin: serial16550, port: 0x3f8, irq: 2, "
				 "backend: { plugin: \"null\" } }\n");
	CHECK_EQ(LICHEN_VM_BAD_INPUT, world_create(&world));
	CHECK_EQ(1, world_heard(&world, "interrupt line 2: out of range"));
	finish();
}

/* --- windows --- */

static const char *const mover = BASE "devices:\n"
				      "  - { plugin: mover, id: m, port: 0x300 }\n"
				      "  - { plugin: mover, id: n, port: 0x310 }\n"
				      "  - { plugin: debug-exit }\n";

TEST(a_window_is_where_it_was_moved_and_nowhere_else)
{
	static const struct fake_step steps[] = {
		FAKE_OUT(0x300, 2, 0x500), FAKE_IN(0x500, 1),
		FAKE_OUT(0x300, 2, 0x504), FAKE_IN(0x500, 1), /* overlaps where it was */
		FAKE_IN(0x50b, 1),	   FAKE_OUT(0x300, 2, 0xffff),
		FAKE_IN(0x504, 1),	   FAKE_OUT(0x304, 4, 0xd0000),
		FAKE_LOAD(0xd0000000, 1),  FAKE_OUT(0x304, 4, 0),
		FAKE_LOAD(0xd0000000, 1),  FAKE_OUT(0xf4, 1, 0),
	};
	static const uint8_t want[] = { 0x5a, 0xff, 0x5a, 0xff, 0x5a, 0xff };

	world_start(&world, mover);
	fake_script(world.hvm, 0, steps, FAKE_STEPS(steps));
	CHECK_EQ(1, lichen_vm_run(world.vm));
	for (uint32_t i = 0; i < sizeof(want); i++)
		CHECK_EQ(want[i], fake_read_at(world.hvm, 0, i));
	finish();
}

TEST(a_move_that_is_refused_leaves_the_window_where_it_was)
{
	static const struct fake_step steps[] = {
		FAKE_OUT(0x300, 2, 0x500),			/* m is placed */
		FAKE_OUT(0x310, 2, 0x600),			/* so is n */
		FAKE_OUT(0x300, 2, 0x604),   FAKE_IN(0x300, 4), /* n is there */
		FAKE_IN(0x500, 1),	     FAKE_OUT(0x300, 2, 0x504),
		FAKE_OUT(0x310, 2, 0x50b),   FAKE_IN(0x310, 4), /* m's last port */
		FAKE_IN(0x600, 1),	     FAKE_OUT(0x300, 2, 0xfff9),
		FAKE_IN(0x300, 4),	     FAKE_IN(0x504, 1), /* past the end */
		FAKE_OUT(0x304, 4, 0xd0000), FAKE_OUT(0x304, 4, 0x10),
		FAKE_IN(0x300, 4),	     FAKE_LOAD(0xd0001fff, 1), /* RAM is there */
		FAKE_OUT(0xf4, 1, 0),
	};
	static const uint32_t want[] = { LICHEN_EEXIST, 0x5a, LICHEN_EEXIST, 0x5a,
					 LICHEN_ERANGE, 0x5a, LICHEN_EEXIST, 0x5a };

	world_start(&world, mover);
	fake_script(world.hvm, 0, steps, FAKE_STEPS(steps));
	CHECK_EQ(1, lichen_vm_run(world.vm));
	for (uint32_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		CHECK_EQ(want[i], fake_read_at(world.hvm, 0, i));
	finish();
}

TEST(a_move_by_less_than_its_size_that_meets_another_leaves_it_where_it_was)
{
	static const struct fake_step steps[] = {
		FAKE_OUT(0x300, 2, 0x500), FAKE_OUT(0x310, 2, 0x50a),
		FAKE_OUT(0x300, 2, 0x504), FAKE_IN(0x300, 4), /* itself, and then n */
		FAKE_IN(0x500, 1),	   FAKE_OUT(0xf4, 1, 0),
	};

	world_start(&world, mover);
	fake_script(world.hvm, 0, steps, FAKE_STEPS(steps));
	CHECK_EQ(1, lichen_vm_run(world.vm));
	CHECK_EQ(LICHEN_EEXIST, fake_read_at(world.hvm, 0, 0));
	CHECK_EQ(0x5a, fake_read_at(world.hvm, 0, 1));
	finish();
}

TEST(a_doorbell_moves_with_its_window)
{
	static const struct fake_step steps[] = {
		FAKE_STORE(0xd0000000, 4, 1), /* nowhere yet */
		FAKE_OUT(0x304, 4, 0xd0000),  FAKE_STORE(0xd0000000, 4, 1),
		FAKE_OUT(0x304, 4, 0xd1000),  FAKE_STORE(0xd0000000, 4, 1),
		FAKE_STORE(0xd1000000, 4, 1), FAKE_OUT(0x304, 4, 0),
		FAKE_STORE(0xd1000000, 4, 1), FAKE_OUT(0xf4, 1, 0),
	};

	world_start(&world, BASE "devices:\n  - { plugin: mover, id: m, bell: true }\n"
				 "  - { plugin: debug-exit }\n");
	fake_script(world.hvm, 0, steps, FAKE_STEPS(steps));
	CHECK_EQ(1, lichen_vm_run(world.vm));
	lichen_vm_destroy(world.vm);
	world.vm = NULL;
	CHECK_EQ(1, world_heard(&world, "rung 2 times"));
	finish();
}

TEST(a_guest_cannot_flood_the_log_by_moving_a_doorbell_to_where_one_is)
{
	static const struct fake_step steps[] = {
		FAKE_OUT(0x304, 4, 0xd0000), FAKE_COUNT(2000), FAKE_OUT(0x314, 4, 0xd1000),
		FAKE_OUT(0x314, 4, 0xd2000), FAKE_LOOP(2),     FAKE_OUT(0xf4, 1, 0)
	};
	const uint64_t from = fw_now_ns();
	uint64_t seconds;

	world_start(&world, BASE "devices:\n  - { plugin: mover, id: m, port: 0x300 }\n"
				 "  - { plugin: mover, id: n, port: 0x310, bell: true }\n"
				 "  - { plugin: debug-exit }\n");
	fake_script(world.hvm, 0, steps, FAKE_STEPS(steps));
	for (uint32_t i = 0; i < FAKE_BELLS_MAX; i++) /* no room for another */
		CHECK_EQ(0, hv_fake.doorbell(world.hvm,
					     &(struct hv_doorbell){ .address = 0xe0000000 + i,
								    .size = 1,
								    .descriptor = 0 },
					     1));
	CHECK_EQ(1, lichen_vm_run(world.vm));
	lichen_vm_destroy(world.vm);
	world.vm = NULL;
	CHECK(world_heard(&world, "lines suppressed") >= 1); /* in the end at the latest */
	CHECK(world_heard(&world, "doorbell at window 2") >= 1);
	seconds = (fw_now_ns() - from) / 1000000000; /* each allows two more lines */
	CHECK(world_heard(&world, "doorbell at window 2") <= 40 + 2 * seconds);
	finish();
}

/* --- four vCPUs at once --- */

enum { ROUNDS = 3000 };

/* Each moves a window back and forth, and all touch where both may be. */
#define HAMMER(control, here, there)                                                       \
	{                                                                                  \
		FAKE_COUNT(ROUNDS), FAKE_OUT((control), 2, (here)), FAKE_IN(0x500, 1),     \
			FAKE_IN(0x508, 2), FAKE_OUT((control) + 4, 4, 0xd0000),            \
			FAKE_LOAD(0xd0000004, 4), FAKE_STORE(0xd0001ffc, 8, 1),            \
			FAKE_OUT((control), 2, (there)), FAKE_OUT(0x508, 4, 1),            \
			FAKE_OUT((control) + 4, 4, 0), FAKE_IN((control), 4),              \
			FAKE_OUT((control), 2, 0xffff), FAKE_LOOP(1), FAKE_OUT(0xf5, 1, 0) \
	}

static const struct fake_step hammer_m[] = HAMMER(0x300, 0x500, 0x508);
static const struct fake_step hammer_n[] = HAMMER(0x310, 0x508, 0x500);
static const struct fake_step *const hammers[] = { hammer_m, hammer_n, hammer_m, hammer_n };

TEST(windows_are_moved_and_touched_by_four_vcpus_at_once)
{
	struct world_stop stop;
	uint32_t hits = 0;

	world_start(&world, BASE "cpus: 4\n"
				 "devices:\n  - { plugin: kvm-irqchip }\n"
				 "  - { plugin: mover, id: m, port: 0x300, bell: true }\n"
				 "  - { plugin: mover, id: n, port: 0x310 }\n"
				 "  - { plugin: debug-exit }\n");
	for (uint32_t i = 0; i < 4; i++)
		fake_script(world.hvm, i, hammers[i], FAKE_STEPS(hammer_m));
	world_stop_later(&stop, &world, 1500, 0);
	CHECK_EQ(LICHEN_VM_STOPPED, lichen_vm_run(world.vm));
	world_stop_join(&stop);
	for (uint32_t i = 0; i < 4; i++) {
		CHECK(fake_read_count(world.hvm, i) > 8);
		for (uint32_t k = 0; k < fake_read_count(world.hvm, i) && k < FAKE_READS_MAX;
		     k++)
			hits += fake_read_at(world.hvm, i, k) == 0x5a;
	}
	CHECK(hits > 0);
	CHECK_EQ(0, world_heard(&world, "misbehaves"));
	finish();
}
