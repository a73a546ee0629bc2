/* SPDX-License-Identifier: MIT */
/* Operations that an instance answers later, too late, never, twice. */
#include "plug.h"
#include "state.h"
#include "tap.h"
#include "world.h"

/* Misbehaviour is looked for here. */
__attribute__((constructor)) static void lenient(void)
{
	world_strict = 0;
}

#define BASE "name: world\nmemory: { size: 1M }\nboot: { plugin: begin }\ndevices:\n"
#define EXIT "  - { plugin: debug-exit }\n"
#define SHORT_NS UINT64_C(30000000)

static struct world world;

static void finish(void)
{
	world_end(&world);
	CHECK_EQ(0, fake_alive());
	CHECK_EQ(0, fake_misuses());
}

static void begin(const char *later)
{
	char profile[512];

	(void)snprintf(profile, sizeof(profile), BASE "  - { plugin: later, id: l%s }\n" EXIT,
		       later);
	world_start(&world, profile);
}

/* --- realize --- */

TEST(a_realize_that_answers_soon_is_waited_for)
{
	begin(", realize: soon");
	CHECK_EQ(1, world_heard(&world, "asked 1"));
	CHECK_EQ(0, world_heard(&world, "misbehaves"));
	finish();
}

TEST(an_answer_before_the_callback_has_returned_counts)
{
	begin(", realize: early, quiesce: early");
	CHECK_EQ(0, world_heard(&world, "misbehaves"));
	finish();
}

static void realize_fails(const char *how, const char *sentence)
{
	char profile[512];

	(void)snprintf(profile, sizeof(profile),
		       BASE "  - { plugin: later, id: l, realize: %s }\n", how);
	world_begin(&world, profile);
	CHECK(world_create(&world) != 0);
	CHECK_EQ(1, world_heard(&world, sentence));
	finish();
}

TEST(a_realize_that_fails_later_fails_with_its_sentence)
{
	realize_fails("fail", "devices[0] l: told to fail (");
}

TEST(a_realize_that_never_answers_fails_when_its_time_is_over)
{
	realize_fails("never", "devices[0] l: cannot be realized: took too long (");
}

/* --- pause, reset, save --- */

static const struct fake_step leave[] = { FAKE_OUT(0xf4, 1, 1) };

TEST(a_pause_that_answers_soon_is_waited_for)
{
	begin(", pause: soon");
	fake_script(world.hvm, 0, leave, FAKE_STEPS(leave));
	CHECK_EQ(3, lichen_vm_run(world.vm));
	CHECK_EQ(1, world_heard(&world, "asked 2"));
	CHECK_EQ(0, world_heard(&world, "took too long"));
	finish();
}

TEST(a_pause_that_never_answers_does_not_keep_the_vm)
{
	begin(", pause: never");
	world.vm->pending_ns = SHORT_NS;
	fake_script(world.hvm, 0, leave, FAKE_STEPS(leave));
	CHECK_EQ(3, lichen_vm_run(world.vm));
	CHECK_EQ(1, world_heard(&world, "[later/l] pause: took too long"));
	CHECK_EQ(1, world_heard(&world, "cancel 2"));
	finish();
}

TEST(a_reset_that_answers_soon_is_waited_for_and_the_guest_starts_again)
{
	/* The first time it reboots: a triple fault restarts it; the second it leaves. */
	static const struct fake_step reboot[] = { FAKE_EXIT(HV_EXIT_RESET, 0) };

	begin(", reset: soon");
	world.vm->profile->on_reboot = FW_RESTART;
	fake_script(world.hvm, 0, reboot, FAKE_STEPS(reboot));
	{
		struct world_stop stop;

		world_stop_later(&stop, &world, 300, 0);
		CHECK_EQ(LICHEN_VM_STOPPED, lichen_vm_run(world.vm));
		world_stop_join(&stop);
	}
	CHECK(world_heard(&world, "asked 5") >= 2); /* it goes on resetting itself */
	CHECK_EQ(0, world_heard(&world, "cannot be restarted"));
	finish();
}

TEST(a_reset_that_never_answers_ends_the_vm)
{
	static const struct fake_step reboot[] = { FAKE_EXIT(HV_EXIT_RESET, 0) };

	begin(", reset: never");
	world.vm->profile->on_reboot = FW_RESTART;
	world.vm->pending_ns = SHORT_NS;
	fake_script(world.hvm, 0, reboot, FAKE_STEPS(reboot));
	CHECK_EQ(LICHEN_VM_FAILED, lichen_vm_run(world.vm));
	CHECK_EQ(1, world_heard(&world, "l: cannot be reset: took too long"));
	finish();
}

TEST(a_save_that_answers_soon_is_waited_for_and_one_that_never_does_is_refused)
{
	struct fw_buffer out = { 0 };
	struct ld_error error = { "" };

	begin(", save: soon");
	CHECK_EQ(0, fw_state_save(world.vm, &out, &error));
	CHECK(out.size > 0);
	fw_buffer_clear(&out);
	finish();
	begin(", save: never");
	world.vm->pending_ns = SHORT_NS;
	CHECK_EQ(-LICHEN_ETIMEDOUT, fw_state_save(world.vm, &out, &error));
	CHECK_STR("state of l: took too long", error.text);
	fw_buffer_clear(&out);
	finish();
}

/* --- removal, while vCPUs run --- */

static struct {
	lichen_status asked, status;
	uint32_t done, force, cancel;
	uint64_t timeout_ns;
	char why[LD_ERROR_SIZE];
	char id[16];
} removal;

static void removed(void *context, lichen_status status, const char *why)
{
	CHECK(context == &removal);
	removal.done++;
	removal.status = status;
	(void)snprintf(removal.why, sizeof(removal.why), "%s", why);
	fw_vm_end(world.vm, 1, NULL);
}

static void remove_run(struct fw_post *post)
{
	struct lichen_instance *in = fw_plug_find(world.vm, removal.id);
	struct ld_error error = { "" };

	(void)post;
	removal.asked = fw_plug_remove(world.vm, in, removal.force, removal.timeout_ns, removed,
				       &removal, &error);
	if (removal.asked == LICHEN_PENDING)
		CHECK_EQ(-LICHEN_EBUSY, fw_plug_remove(world.vm, in, 0, 0, NULL, NULL, &error));
	else
		removed(&removal, removal.asked, error.text);
	if (removal.cancel)
		fw_vm_end(world.vm, 1, NULL);
}

/* Runs, removes `id` and ends when that is done. */
static void remove_running(const char *id, uint64_t timeout_ns, uint32_t force)
{
	struct fw_post *post = calloc(1, sizeof(*post));

	(void)snprintf(removal.id, sizeof(removal.id), "%s", id);
	removal.timeout_ns = timeout_ns;
	removal.force = force;
	post->run = remove_run;
	fw_loop_post(&world.vm->loop, post);
	CHECK_EQ(1, lichen_vm_run(world.vm));
	CHECK_EQ(1, removal.done);
}

TEST(a_guest_lets_go_of_a_device_and_then_it_goes)
{
	static const struct fake_step let_go[] = { FAKE_OUT(0x900, 1, 0), FAKE_JUMP(0) };

	begin(", unplug: never");
	fake_script(world.hvm, 0, let_go, FAKE_STEPS(let_go));
	remove_running("l", UINT64_C(20000000000), 0);
	CHECK_EQ(0, removal.status);
	CHECK_STR("", removal.why);
	CHECK(fw_plug_find(world.vm, "l") == NULL);
	finish();
}

TEST(a_guest_that_refuses_keeps_the_device)
{
	static const struct fake_step refuse[] = { FAKE_OUT(0x900, 1, LICHEN_EBUSY),
						   FAKE_JUMP(0) };

	begin(", unplug: never");
	fake_script(world.hvm, 0, refuse, FAKE_STEPS(refuse));
	remove_running("l", UINT64_C(20000000000), 0);
	CHECK_EQ(-LICHEN_EBUSY, removal.status);
	CHECK_STR("l: the guest does not let go of it: in use", removal.why);
	CHECK(fw_plug_find(world.vm, "l") != NULL);
	finish();
}

TEST(a_guest_that_says_nothing_keeps_the_device_and_the_class_is_told)
{
	begin(", unplug: never");
	remove_running("l", SHORT_NS, 0);
	CHECK_EQ(LICHEN_PENDING, removal.asked);
	CHECK_EQ(-LICHEN_ETIMEDOUT, removal.status);
	CHECK_STR("l: the guest did not let go of it within 30 ms", removal.why);
	CHECK_EQ(1, world_heard(&world, "cancel 6"));
	CHECK_EQ(0, world_heard(&world, "asked 3"));
	CHECK(fw_plug_find(world.vm, "l") != NULL);
	finish();
}

TEST(force_asks_nobody)
{
	begin(", unplug: never, quiesce: never");
	remove_running("l", UINT64_C(20000000000), 1);
	CHECK_EQ(0, removal.asked);
	CHECK_EQ(0, world_heard(&world, "asked 6"));
	CHECK_EQ(1, world_heard(&world, "asked 3"));
	CHECK_EQ(1, world_heard(&world, "cancel 3"));
	CHECK(fw_plug_find(world.vm, "l") == NULL);
	finish();
}

TEST(a_device_that_finishes_soon_goes_then)
{
	begin(", unplug: soon, quiesce: soon");
	remove_running("l", UINT64_C(20000000000), 0);
	CHECK_EQ(LICHEN_PENDING, removal.asked);
	CHECK_EQ(0, removal.status);
	CHECK_EQ(1, world_heard(&world, "asked 6"));
	CHECK_EQ(1, world_heard(&world, "asked 3"));
	CHECK(fw_plug_find(world.vm, "l") == NULL);
	CHECK_EQ(0, world_heard(&world, "misbehaves"));
	finish();
}

TEST(a_device_that_does_not_finish_stays_and_can_be_forced)
{
	struct ld_error error = { "" };

	begin(", quiesce: never");
	remove_running("l", SHORT_NS, 0);
	CHECK_EQ(-LICHEN_ETIMEDOUT, removal.status);
	CHECK_STR("l: it did not finish within 30 ms", removal.why);
	CHECK(fw_plug_find(world.vm, "l") != NULL);
	CHECK_EQ(0, fw_plug_remove(world.vm, fw_plug_find(world.vm, "l"), 1, 0, NULL, NULL,
				   &error));
	CHECK(fw_plug_find(world.vm, "l") == NULL);
	finish();
}

TEST(a_device_that_refuses_to_finish_stays_with_its_sentence)
{
	begin(", quiesce: refuse");
	remove_running("l", SHORT_NS, 0);
	CHECK_EQ(-LICHEN_EBUSY, removal.asked);
	CHECK_STR("l: does not finish: told to refuse", removal.why);
	CHECK(fw_plug_find(world.vm, "l") != NULL);
	finish();
}

TEST(a_removal_under_way_ends_with_the_vm)
{
	begin(", unplug: never");
	removal.cancel = 1;
	remove_running("l", UINT64_C(20000000000), 0);
	CHECK_EQ(-LICHEN_ECANCELED, removal.status);
	CHECK_STR("l: the VM ends", removal.why);
	finish();
}

/* --- misbehaving --- */

TEST(completing_twice_is_named)
{
	begin(", unplug: twice");
	remove_running("l", UINT64_C(20000000000), 0);
	CHECK_EQ(0, removal.status);
	CHECK_EQ(1,
		 world_heard(&world, "plugin misbehaves [later/l] complete: unplug_request is "
				     "not pending (status 0)"));
	finish();
}

TEST(completing_and_returning_is_named)
{
	begin(", realize: both");
	CHECK_EQ(1, world_heard(&world, "plugin misbehaves [later/l] complete: realize was "
					"completed, and returned 0 as well"));
	finish();
}

TEST(an_answer_after_the_host_gave_up_is_no_misbehaviour_and_a_second_is)
{
	static const struct fake_step late[] = { FAKE_OUT(0x900, 1, 0), FAKE_OUT(0x900, 1, 0),
						 FAKE_OUT(0xf4, 1, 1) };
	struct ld_error error = { "" };

	begin(", unplug: never");
	fake_script(world.hvm, 0, late, FAKE_STEPS(late));
	fw_vm_resume_instances(world.vm);
	CHECK_EQ(-LICHEN_ETIMEDOUT, fw_plug_remove(world.vm, fw_plug_find(world.vm, "l"), 0, 0,
						   NULL, NULL, &error));
	CHECK_EQ(3, lichen_vm_run(world.vm));
	CHECK_EQ(1, world_heard(&world, "complete: unplug_request is not pending"));
	finish();
}
