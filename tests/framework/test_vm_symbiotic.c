/* SPDX-License-Identifier: MIT */
/* What the guest finds in the discovery block's MSRs, and what instances may do there. */
#include "plug.h"
#include "tap.h"
#include "world.h"

#define BASE "memory: { size: 1M }\nboot: { plugin: begin }\n"
#define DEVICES "devices:\n  - { plugin: kvm-irqchip }\n  - { plugin: debug-exit }\n"
#define MSR(n) (FW_SYMBIOTIC_MSRS + (n))
#define KNOCK (UINT64_C(1) << 40)
#define LISTENS FAKE_WRMSR(MSR(LICHEN_MSR_LISTEN), 1)
#define EXITS FAKE_OUT(0xf4, 1, 0)

static struct world world;

static void finish(void)
{
	world_end(&world);
	CHECK_EQ(0, fake_alive());
	CHECK_EQ(0, fake_misuses());
}

static int runs(const struct fake_step *steps, uint32_t count)
{
	fake_script(world.hvm, 0, steps, count);
	return lichen_vm_run(world.vm);
}
#define RUNS(steps) runs(steps, FAKE_STEPS(steps))

/* The write is #GP, which the fake's guest does not survive. */
static void refused(const char *symbiotic, struct fake_step step)
{
	char profile[512];
	struct fake_step steps[] = { FAKE_WRMSR(MSR(LICHEN_MSR_AGREED), 0), FAKE_MOVE(0),
				     EXITS };

	steps[1] = step;
	(void)snprintf(profile, sizeof(profile), BASE DEVICES "%s", symbiotic);
	world_start(&world, profile);
	CHECK_EQ(LICHEN_VM_CRASHED, RUNS(steps));
	finish();
}

TEST(without_the_key_nothing_is_there)
{
	const struct fake_step steps[] = { FAKE_RDMSR(MSR(LICHEN_MSR_OFFERED)), EXITS };

	world_start(&world, BASE DEVICES);
	CHECK(world.vm->symbiotic == NULL);
	CHECK_EQ(LICHEN_VM_CRASHED, RUNS(steps));
	finish();
}

TEST(an_empty_list_reserves_the_block)
{
	const struct fake_step steps[] = { FAKE_RDMSR(MSR(LICHEN_MSR_OFFERED)),
					   FAKE_RDMSR(MSR(LICHEN_MSR_AGREED)),
					   FAKE_RDMSR(MSR(LICHEN_MSR_NOTIFY)),
					   FAKE_RDMSR(MSR(LICHEN_MSR_LISTEN)), EXITS };

	world_start(&world, BASE DEVICES "symbiotic: []\n");
	CHECK_EQ(1, RUNS(steps));
	CHECK_EQ(4, fake_read_count(world.hvm, 0));
	for (uint32_t i = 0; i < 4; i++)
		CHECK_EQ(0, fake_read_at(world.hvm, 0, i));
	finish();
}

TEST(what_is_on_offer_is_read_and_agreed_to)
{
	const struct fake_step steps[] = { FAKE_RDMSR(MSR(LICHEN_MSR_OFFERED)),
					   FAKE_WRMSR(MSR(LICHEN_MSR_AGREED), KNOCK),
					   FAKE_RDMSR(MSR(LICHEN_MSR_AGREED)),
					   FAKE_WRMSR(MSR(0x40), 77),
					   FAKE_RDMSR(MSR(0x40)),
					   FAKE_WRMSR(MSR(LICHEN_MSR_AGREED), KNOCK),
					   FAKE_RDMSR(MSR(0x42)),
					   FAKE_WRMSR(MSR(LICHEN_MSR_AGREED), 0),
					   FAKE_RDMSR(MSR(0x40)),
					   EXITS };

	world_start(&world, BASE DEVICES "symbiotic: [ { plugin: knock } ]\n");
	CHECK_EQ(1, RUNS(steps));
	CHECK_EQ(5, fake_read_count(world.hvm, 0));
	CHECK_EQ(KNOCK, fake_read_at(world.hvm, 0, 0));
	CHECK_EQ(KNOCK, fake_read_at(world.hvm, 0, 1));
	CHECK_EQ(77, fake_read_at(world.hvm, 0, 2));
	CHECK_EQ(0, fake_read_at(world.hvm, 0, 3)); /* vCPU 0 */
	CHECK_EQ(0, fake_read_at(world.hvm, 0, 4));
	/* The same again is no news. */
	CHECK_EQ(1, world_heard(&world, "agreed to 0x10000000000"));
	CHECK_EQ(1, world_heard(&world, "agreed to 0x0"));
	finish();
}

#define ONE "symbiotic: [ { plugin: knock } ]\n"

TEST(what_is_not_on_offer_cannot_be_agreed_to)
{
	refused(ONE, (struct fake_step)FAKE_WRMSR(MSR(LICHEN_MSR_AGREED),
						  KNOCK | LICHEN_FEATURE_SPY));
	refused(ONE, (struct fake_step)FAKE_WRMSR(MSR(LICHEN_MSR_AGREED), UINT64_MAX));
	refused("symbiotic: []\n", (struct fake_step)FAKE_WRMSR(MSR(LICHEN_MSR_AGREED), 1));
}

TEST(msrs_that_nobody_claimed_are_refused)
{
	refused(ONE, (struct fake_step)FAKE_RDMSR(MSR(4)));
	refused(ONE, (struct fake_step)FAKE_RDMSR(MSR(0x3f)));
	refused(ONE, (struct fake_step)FAKE_WRMSR(MSR(0x44), 0));
	refused(ONE, (struct fake_step)FAKE_RDMSR(MSR(LICHEN_MSR_COUNT - 1)));
}

TEST(msrs_of_the_framework_take_only_what_they_are_for)
{
	refused(ONE, (struct fake_step)FAKE_WRMSR(MSR(LICHEN_MSR_OFFERED), 0));
	refused(ONE, (struct fake_step)FAKE_WRMSR(MSR(LICHEN_MSR_NOTIFY), 0));
	refused(ONE, (struct fake_step)FAKE_WRMSR(MSR(LICHEN_MSR_LISTEN), 2));
}

TEST(what_an_instance_refuses_is_refused)
{
	refused(ONE, (struct fake_step)FAKE_RDMSR(MSR(0x43)));
	refused(ONE, (struct fake_step)FAKE_WRMSR(MSR(0x43), 1));
	refused(ONE, (struct fake_step)FAKE_WRMSR(MSR(0x40), 1)); /* not agreed upon */
}

/* --- the line --- */

TEST(the_highest_pin_that_is_free_is_taken)
{
	world_start(&world,
		    BASE "devices:\n  - { plugin: kvm-irqchip }\n"
			 "  - { plugin: serial16550, irq: 23, backend: { plugin: \"null\" } }\n"
			 "symbiotic: []\n");
	CHECK_EQ(1, world.vm->symbiotic->has_line);
	CHECK_EQ(22, world.vm->symbiotic->line.gsi);
	finish();
}

TEST(without_an_irqchip_there_is_no_line)
{
	const struct fake_step steps[] = { LISTENS, FAKE_WRMSR(MSR(0x41), UINT64_C(1) << 33),
					   FAKE_RDMSR(MSR(LICHEN_MSR_NOTIFY)), EXITS };

	world_start(&world, BASE "devices:\n  - { plugin: debug-exit }\n" ONE);
	CHECK_EQ(0, world.vm->symbiotic->has_line);
	CHECK_EQ(1, RUNS(steps));
	CHECK_EQ(UINT64_C(1) << 33 | LICHEN_CAUSE_FEATURES, fake_read_at(world.hvm, 0, 0));
	finish();
}

static uint32_t pulses(const struct fake_step *steps, uint32_t count)
{
	struct fake_view view;

	world_start(&world, BASE DEVICES ONE);
	CHECK_EQ(1, runs(steps, count));
	fake_look(world.hvm, &view);
	CHECK_EQ(0, view.level[23]);
	return view.edges[23];
}
#define PULSES(steps) pulses(steps, FAKE_STEPS(steps))

TEST(a_guest_that_does_not_listen_is_not_interrupted)
{
	const struct fake_step steps[] = { FAKE_WRMSR(MSR(0x41), 2), FAKE_WRMSR(MSR(0x41), 4),
					   EXITS };

	CHECK_EQ(0, PULSES(steps));
	finish();
}

TEST(a_new_cause_is_a_pulse_and_reading_clears_it)
{
	const struct fake_step steps[] = { FAKE_RDMSR(MSR(LICHEN_MSR_NOTIFY)),
					   LISTENS,
					   FAKE_WRMSR(MSR(0x41), 2),
					   FAKE_WRMSR(MSR(0x41), 2), /* known already */
					   FAKE_WRMSR(MSR(0x41), 6),
					   FAKE_RDMSR(MSR(LICHEN_MSR_NOTIFY)),
					   FAKE_RDMSR(MSR(LICHEN_MSR_NOTIFY)),
					   FAKE_WRMSR(MSR(0x41), 2),
					   EXITS };

	CHECK_EQ(3, PULSES(steps));
	CHECK_EQ(LICHEN_CAUSE_FEATURES, fake_read_at(world.hvm, 0, 0));
	CHECK_EQ(6, fake_read_at(world.hvm, 0, 1));
	CHECK_EQ(0, fake_read_at(world.hvm, 0, 2));
	finish();
}

TEST(what_came_before_it_listened_is_told)
{
	const struct fake_step steps[] = { FAKE_WRMSR(MSR(0x41), 2), LISTENS, EXITS };

	CHECK_EQ(1, PULSES(steps));
	finish();
}

TEST(the_hosts_own_cause_is_not_an_instances)
{
	world_strict = 0;
	const struct fake_step steps[] = { FAKE_RDMSR(MSR(LICHEN_MSR_NOTIFY)),
					   FAKE_WRMSR(MSR(0x41), LICHEN_CAUSE_FEATURES),
					   FAKE_RDMSR(MSR(LICHEN_MSR_NOTIFY)), EXITS };

	CHECK_EQ(0, PULSES(steps));
	CHECK_EQ(0, fake_read_at(world.hvm, 0, 1));
	CHECK_EQ(1, world_heard(&world, "plugin misbehaves [knock/knock] notify: 0x1"));
	finish();
}

/* --- claims --- */

static void unmade(const char *symbiotic, const char *why)
{
	char profile[512];

	(void)snprintf(profile, sizeof(profile), BASE DEVICES "%s", symbiotic);
	world_begin(&world, profile);
	CHECK_EQ(LICHEN_VM_BAD_INPUT, world_create(&world));
	CHECK_EQ(1, world_heard(&world, why));
	finish();
}

TEST(a_feature_has_one_instance)
{
	unmade("symbiotic:\n  - { plugin: knock }\n  - { plugin: knock, msr: 0x50 }\n",
	       "symbiotic[1] knock-2: features 0x10000000000: another instance offers one");
}

TEST(an_msr_has_one_instance)
{
	unmade("symbiotic:\n  - { plugin: knock }\n"
	       "  - { plugin: knock, feature: 41, msr: 0x43 }\n",
	       "symbiotic[1] knock-2: MSRs 0x43, 4 of them: claimed by another instance");
}

TEST(msrs_lie_within_the_block_and_above_the_frameworks)
{
	unmade("symbiotic: [ { plugin: knock, msr: 0xf } ]\n", "not within 0x10 to 0xff");
	unmade("symbiotic: [ { plugin: knock, msr: 0xfd } ]\n", "not within 0x10 to 0xff");
	unmade("symbiotic: [ { plugin: knock, msr: 0xffffffff } ]\n", "not within 0x10");
}

TEST(two_instances_have_each_their_own)
{
	const struct fake_step steps[] = { FAKE_WRMSR(MSR(LICHEN_MSR_AGREED),
						      KNOCK | KNOCK << 1),
					   FAKE_WRMSR(MSR(0x40), 1),
					   FAKE_WRMSR(MSR(0x44), 2),
					   FAKE_RDMSR(MSR(0x40)),
					   FAKE_RDMSR(MSR(0x44)),
					   FAKE_WRMSR(MSR(LICHEN_MSR_AGREED), KNOCK << 1),
					   FAKE_RDMSR(MSR(0x40)),
					   FAKE_RDMSR(MSR(0x44)),
					   EXITS };

	world_start(&world, BASE DEVICES "symbiotic:\n  - { plugin: knock }\n"
					 "  - { plugin: knock, feature: 41, msr: 0x44 }\n");
	CHECK_EQ(1, RUNS(steps));
	CHECK_EQ(1, fake_read_at(world.hvm, 0, 0));
	CHECK_EQ(2, fake_read_at(world.hvm, 0, 1));
	CHECK_EQ(0, fake_read_at(world.hvm, 0, 2));
	CHECK_EQ(2, fake_read_at(world.hvm, 0, 3));
	CHECK_EQ(1, world_heard(&world, "[knock/knock] agreed to 0x0"));
	CHECK_EQ(0, world_heard(&world, "[knock/knock-2] agreed to 0x0"));
	finish();
}

/* --- reset --- */

TEST(a_reset_forgets_what_was_agreed_and_heard)
{
	const struct fake_step steps[] = {
		FAKE_RDMSR(MSR(LICHEN_MSR_AGREED)),
		FAKE_RDMSR(MSR(LICHEN_MSR_LISTEN)),
		FAKE_RDMSR(MSR(LICHEN_MSR_NOTIFY)),
		FAKE_WRMSR(MSR(LICHEN_MSR_AGREED), KNOCK),
		LISTENS,
		FAKE_WRMSR(MSR(0x40), 5),
		FAKE_WRMSR(MSR(0x41), 2),
		FAKE_EXIT(HV_EXIT_RESET, 0),
	};
	struct world_stop stop;

	world_start(&world, BASE DEVICES ONE);
	world_stop_later(&stop, &world, 300, 0);
	CHECK_EQ(LICHEN_VM_STOPPED, RUNS(steps));
	world_stop_join(&stop);
	CHECK(fake_read_count(world.hvm, 0) >= 6);
	CHECK_EQ(0, fake_read_at(world.hvm, 0, 3));
	CHECK_EQ(0, fake_read_at(world.hvm, 0, 4));
	CHECK_EQ(0, fake_read_at(world.hvm, 0, 5));
	CHECK(world_heard(&world, "agreed to 0x0") >= 1);
	finish();
}

/* --- instances that come and go --- */

static struct fw_diags diags;
static char told[1024];

static lichen_status add(const char *text, struct lichen_instance **in)
{
	const struct fw_plug_entry entry = { .section = "symbiotic",
					     .text = text,
					     .origin = "device add" };
	const lichen_status status = fw_plug_add(world.vm, &entry, in, &diags);
	FILE *to = fmemopen(told, sizeof(told), "w");

	fw_diags_print(&diags, to);
	(void)fclose(to);
	fw_diags_clear(&diags);
	return status;
}

TEST(without_the_key_no_symbiotic_plugin_can_be_added)
{
	struct lichen_instance *in = NULL;

	world_start(&world, BASE DEVICES);
	CHECK_EQ(-LICHEN_ENODEV, add("{ plugin: knock }", &in));
	CHECK(strstr(told, "this VM's profile has no `symbiotic:`") != NULL);
	CHECK(fw_plug_find(world.vm, "knock") == NULL);
	finish();
}

TEST(what_comes_is_on_offer_and_what_goes_is_not)
{
	struct lichen_instance *in = NULL;
	struct fw_symbiotic *symbiotic;
	struct ld_error error = { "" };

	world_start(&world, BASE DEVICES "symbiotic: []\n");
	(void)fw_check_thread(FW_ROLE_CONTROL); /* which stands in for it here */
	symbiotic = world.vm->symbiotic;
	for (uint32_t i = 0; i < 100; i++) {
		CHECK_EQ(0, add("{ plugin: knock }", &in));
		CHECK_EQ(KNOCK, atomic_load(&symbiotic->offered));
		CHECK_EQ(LICHEN_CAUSE_FEATURES, atomic_exchange(&symbiotic->causes, 0));
		CHECK(fw_symbiotic_agree(symbiotic, KNOCK));
		CHECK_EQ(KNOCK, atomic_load(&symbiotic->agreed));
		CHECK_EQ(0, fw_plug_remove(world.vm, in, 1, 0, NULL, NULL, &error));
		CHECK_EQ(0, atomic_load(&symbiotic->offered));
		CHECK_EQ(0, atomic_load(&symbiotic->agreed));
		CHECK_EQ(LICHEN_CAUSE_FEATURES, atomic_exchange(&symbiotic->causes, 0));
		CHECK(!fw_symbiotic_agree(symbiotic, KNOCK));
	}
	finish();
}
