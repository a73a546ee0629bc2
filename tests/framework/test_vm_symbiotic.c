/* SPDX-License-Identifier: MIT */
/* What the guest finds in the discovery block's MSRs, and what instances may do there. */
#include "loader.h"
#include "plug.h"
#include "reload.h"
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

/* --- reload --- */

/* The VM runs, but for its vCPUs: the test is the guest, on the control thread. */
static void guest_begin(const char *symbiotic)
{
	char profile[512];

	(void)snprintf(profile, sizeof(profile), BASE DEVICES "%s", symbiotic);
	world_start(&world, profile);
	(void)fw_check_thread(FW_ROLE_CONTROL);
	fw_bus_thread_enter();
	fw_vm_resume_instances(world.vm);
}

static void guest_finish(void)
{
	fw_bus_thread_leave();
	finish();
}

/* 1: it is no #GP. */
static uint32_t guest_msr(uint32_t msr, uint64_t *value, uint32_t write)
{
	uint8_t fault = 0;
	const struct hv_exit exit = { .kind = HV_EXIT_MSR,
				      .msr = { .index = MSR(msr),
					       .write = (uint8_t)write,
					       .data = value,
					       .fault = &fault } };

	fw_symbiotic_msr(world.vm->symbiotic, 0, &exit);
	return !fault;
}

static uint32_t wrmsr(uint32_t msr, uint64_t value)
{
	return guest_msr(msr, &value, 1);
}

static uint64_t rdmsr(uint32_t msr)
{
	uint64_t value = 0;

	CHECK(guest_msr(msr, &value, 0));
	return value;
}

/* knock as it is in folder `variant`. */
static lichen_status reload(const char *variant)
{
	struct ld_plugin *fresh = NULL;
	struct ld_error error = { "" };
	struct fw_reloaded done;
	struct ld_path path;
	char folder[512];
	lichen_status status;

	(void)snprintf(folder, sizeof(folder), "%s/tests/framework-reload/knock-%s",
		       getenv("LICHEN_BUILD") ? getenv("LICHEN_BUILD") : WORLD_BUILD, variant);
	fw_diags_clear(&diags);
	told[0] = '\0';
	CHECK_EQ(0, ld_path_parse(&path, folder));
	if (ld_open(&path, "knock", NULL, &fresh, &error) < 0)
		tap_fail("%s: %s", variant, error.text);
	ld_path_clear(&path);
	status = fw_reload(world.vm, "knock", fresh, &done, &diags);
	if (status < 0) {
		(void)snprintf(told, sizeof(told), "%s",
			       diags.count ? diags.items[0].text : "");
		CHECK_EQ(0, ld_close(fresh, NULL));
	} else {
		CHECK_STR("", done.pinned.text);
	}
	fw_diags_clear(&diags);
	return status;
}

/* Registered, and with a value. */
static void guest_agrees(void)
{
	CHECK(wrmsr(LICHEN_MSR_AGREED, KNOCK));
	CHECK(wrmsr(0x40, 77));
	CHECK_EQ(LICHEN_CAUSE_FEATURES, rdmsr(LICHEN_MSR_NOTIFY));
}

TEST(a_reload_keeps_what_the_guest_registered_and_tells_it_nothing)
{
	guest_begin(ONE);
	guest_agrees();
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(0, reload("1"));
		CHECK_EQ(KNOCK, rdmsr(LICHEN_MSR_AGREED));
		CHECK_EQ(77 + (uint64_t)i, rdmsr(0x40));
		CHECK_EQ(0, rdmsr(LICHEN_MSR_NOTIFY));
		CHECK(wrmsr(0x40, 78 + (uint64_t)i)); /* for which it has to be agreed to */
	}
	CHECK_EQ(20, world_heard(&world, "took over 0x10000000000"));
	CHECK_EQ(1, world_heard(&world, "agreed to 0x"));
	CHECK(wrmsr(LICHEN_MSR_AGREED, 0));
	CHECK_EQ(0, rdmsr(0x40));
	CHECK_EQ(1, world_heard(&world, "agreed to 0x0"));
	guest_finish();
}

TEST(a_later_version_offers_more_and_an_earlier_one_takes_it_back)
{
	uint64_t value;

	guest_begin(ONE);
	guest_agrees();
	CHECK(!guest_msr(0x44, &value, 0));
	CHECK_EQ(0, reload("more"));
	CHECK_EQ(LICHEN_CAUSE_FEATURES, rdmsr(LICHEN_MSR_NOTIFY));
	CHECK_EQ(3 * KNOCK, rdmsr(LICHEN_MSR_OFFERED));
	CHECK_EQ(KNOCK, rdmsr(LICHEN_MSR_AGREED));
	CHECK_EQ(77, rdmsr(0x40));
	CHECK_EQ(1, rdmsr(0x44));
	CHECK(wrmsr(LICHEN_MSR_AGREED, 3 * KNOCK));
	CHECK_EQ(0, reload("1"));
	CHECK_EQ(LICHEN_CAUSE_FEATURES, rdmsr(LICHEN_MSR_NOTIFY));
	CHECK_EQ(KNOCK, rdmsr(LICHEN_MSR_OFFERED));
	CHECK_EQ(KNOCK, rdmsr(LICHEN_MSR_AGREED));
	CHECK_EQ(77, rdmsr(0x40));
	CHECK(!guest_msr(0x44, &value, 0));
	guest_finish();
}

TEST(what_a_reloaded_one_offers_no_more_is_not_agreed_to_any_more)
{
	guest_begin(ONE);
	guest_agrees();
	CHECK_EQ(0, reload("less"));
	CHECK_EQ(LICHEN_CAUSE_FEATURES, rdmsr(LICHEN_MSR_NOTIFY));
	CHECK_EQ(0, rdmsr(LICHEN_MSR_OFFERED));
	CHECK_EQ(0, rdmsr(LICHEN_MSR_AGREED));
	CHECK(!wrmsr(LICHEN_MSR_AGREED, KNOCK));
	CHECK_EQ(0, reload("1"));
	CHECK_EQ(KNOCK, rdmsr(LICHEN_MSR_OFFERED));
	CHECK_EQ(0, rdmsr(LICHEN_MSR_AGREED));
	guest_finish();
}

static void stays(const char *variant, lichen_status want, const char *why)
{
	CHECK_EQ(want, reload(variant));
	if (!strstr(told, why))
		tap_fail("%s: it says: %s", variant, told);
	CHECK_EQ(KNOCK, rdmsr(LICHEN_MSR_AGREED));
	CHECK_EQ(77, rdmsr(0x40));
	CHECK_EQ(0, rdmsr(LICHEN_MSR_NOTIFY));
	CHECK(wrmsr(0x40, 77));
}

TEST(a_reload_takes_nothing_of_others_and_a_refusal_leaves_everything)
{
	struct lichen_instance *in = NULL;
	struct ld_error error = { "" };

	guest_begin(ONE);
	guest_agrees();
	CHECK_EQ(0, add("{ plugin: lend, id: other }", &in));
	stays("greedy", -LICHEN_EEXIST,
	      "symbiotic[0] knock: MSRs 0x50, 1 of them: claimed by another instance");
	stays("twice", -LICHEN_EEXIST, "MSRs 0x43, 1 of them: claimed by another instance");
	/* What it had claimed and offered until then is free again. */
	CHECK_EQ(0, fw_plug_remove(world.vm, in, 1, 0, NULL, NULL, &error));
	CHECK_EQ(0, reload("greedy"));
	CHECK_EQ(77, rdmsr(0x40));
	guest_finish();
}

TEST(a_feature_of_anothers_is_not_taken_by_a_reload)
{
	guest_begin("symbiotic:\n  - { plugin: lend }\n"
		    "  - { plugin: knock }\n  - { plugin: knock, feature: 41, msr: 0x48 }\n");
	guest_agrees();
	stays("more", -LICHEN_EEXIST,
	      "symbiotic[1] knock: features 0x30000000000: another instance offers one");
	CHECK_EQ(0, reload("1"));
	CHECK_EQ(3 * KNOCK, rdmsr(LICHEN_MSR_OFFERED));
	guest_finish();
}

TEST(what_is_staged_does_not_disturb_the_guest)
{
	world_strict = 0;
	guest_begin(ONE);
	guest_agrees();
	CHECK_EQ(0, reload("rude"));
	CHECK_EQ(0, rdmsr(LICHEN_MSR_NOTIFY));
	CHECK(world_heard(&world, "plugin misbehaves [knock/knock] notify: ") == 1);
	CHECK_EQ(77, rdmsr(0x40));
	guest_finish();
}
