/* SPDX-License-Identifier: MIT */
/* How a VM is stopped from outside, warned of job control, and restarted from inside. */
#include <time.h>
#include <unistd.h>

#include "tap.h"
#include "world.h"

#define BASE "memory: { size: 1M }\nboot: { plugin: begin }\ndevices:\n"
#define SECOND UINT64_C(1000000000)

static struct world world;
static const struct fake_step spin[] = { FAKE_SPIN() };

static void start(const char *profile)
{
	world_start(&world, profile);
	fake_script(world.hvm, 0, spin, FAKE_STEPS(spin));
}

static void finish(void)
{
	world_end(&world);
	CHECK_EQ(0, fake_alive());
	CHECK_EQ(0, fake_misuses());
}

/* Runs and is asked to stop after 10 ms; how long it took, ms. */
static int64_t stopped(int status, uint64_t timeout_ns)
{
	struct world_stop stop;
	const uint64_t from = fw_now_ns();

	world_stop_later(&stop, &world, 10, timeout_ns);
	CHECK_EQ(status, lichen_vm_run(world.vm));
	world_stop_join(&stop);
	return (int64_t)(fw_now_ns() - from) / 1000000;
}

TEST(without_a_power_button_a_vm_ends_when_it_is_asked)
{
	start(BASE "  - { plugin: debug-exit }\n");
	CHECK(stopped(LICHEN_VM_STOPPED, 20 * SECOND) < 5000);
	finish();
}

TEST(a_power_button_that_nobody_can_press_is_none)
{
	start(BASE "  - { plugin: misuse }\n");
	CHECK(stopped(LICHEN_VM_STOPPED, 20 * SECOND) < 5000);
	finish();
}

TEST(a_guest_that_hears_the_button_powers_itself_off)
{
	start(BASE "  - { plugin: button }\n");
	stopped(LICHEN_VM_POWER_OFF, 20 * SECOND);
	CHECK_EQ(1, world_heard(&world, "] press"));
	finish();
}

TEST(a_guest_that_is_deaf_is_asked_again)
{
	start(BASE "  - { plugin: button, deaf: 2 }\n");
	CHECK(stopped(LICHEN_VM_POWER_OFF, 20 * SECOND) >= 400);
	CHECK_EQ(3, world_heard(&world, "] press"));
	finish();
}

TEST(of_two_buttons_one_that_is_heard_is_enough)
{
	start(BASE "  - { plugin: button, id: one, obeys: false }\n"
		   "  - { plugin: button, id: two, deaf: 100 }\n");
	CHECK(stopped(LICHEN_VM_STOPPED, SECOND / 2) >= 500);
	CHECK_EQ(1, world_heard(&world, "[button/one] press"));
	CHECK_EQ(1, world_heard(&world, "[button/two] press"));
	finish();
}

TEST(a_guest_that_does_not_obey_is_ended_in_time)
{
	int64_t ms;

	start(BASE "  - { plugin: button, obeys: false }\n");
	ms = stopped(LICHEN_VM_STOPPED, SECOND / 10);
	CHECK(ms >= 100 && ms < 5000);
	CHECK_EQ(1, world_heard(&world, "] press"));
	CHECK_EQ(1, world_heard(&world, "did not power itself off in time"));
	finish();
}

TEST(a_second_stop_ends_it_at_once)
{
	struct world_stop second;

	start(BASE "  - { plugin: button, obeys: false }\n");
	world_stop_later(&second, &world, 60, 20 * SECOND);
	CHECK(stopped(LICHEN_VM_STOPPED, 20 * SECOND) < 5000);
	world_stop_join(&second);
	finish();
}

TEST(no_time_at_all_means_at_once_and_no_button)
{
	start(BASE "  - { plugin: button }\n");
	stopped(LICHEN_VM_STOPPED, 0);
	CHECK_EQ(0, world_heard(&world, "] press"));
	finish();
}

TEST(a_stop_before_the_run_counts_for_it)
{
	start(BASE "  - { plugin: button }\n");
	lichen_vm_stop(world.vm, 20 * SECOND);
	CHECK_EQ(LICHEN_VM_POWER_OFF, lichen_vm_run(world.vm));
	finish();
	start(BASE "  - { plugin: button }\n");
	lichen_vm_stop(world.vm, 0);
	CHECK_EQ(LICHEN_VM_STOPPED, lichen_vm_run(world.vm));
	finish();
}

TEST(a_stop_of_a_vm_that_never_runs_presses_nothing)
{
	start(BASE "  - { plugin: button }\n");
	lichen_vm_stop(world.vm, 20 * SECOND);
	lichen_vm_destroy(world.vm);
	world.vm = NULL;
	CHECK_EQ(0, world_heard(&world, "] press"));
	finish();
}

TEST(a_stop_after_the_end_presses_nothing)
{
	static const struct fake_step end[] = { FAKE_OUT(0xf4, 1, 1) };

	world_start(&world, BASE "  - { plugin: button }\n  - { plugin: debug-exit }\n");
	fake_script(world.hvm, 0, end, FAKE_STEPS(end));
	CHECK_EQ(3, lichen_vm_run(world.vm));
	lichen_vm_stop(world.vm, 20 * SECOND);
	lichen_vm_destroy(world.vm);
	world.vm = NULL;
	CHECK_EQ(0, world_heard(&world, "] press"));
	finish();
}

/* --- job control --- */

static void around(void *context)
{
	char byte;

	if (read(*(int *)context, &byte, 1) != 1)
		return;
	lichen_vm_suspend(world.vm);
	lichen_vm_resume(world.vm);
	lichen_vm_stop(world.vm, 0);
}

TEST(instances_are_told_of_job_control)
{
	int ends[2];

	CHECK_EQ(0, pipe(ends));
	start(BASE "  - { plugin: steps, id: a }\n");
	CHECK_EQ(0, lichen_vm_watch(world.vm, ends[0], around, &ends[0]));
	CHECK_EQ(1, write(ends[1], "x", 1));
	CHECK_EQ(LICHEN_VM_STOPPED, lichen_vm_run(world.vm));
	CHECK_STR("a:create a:realize a:publish a:resume a:suspend a:continue a:pause",
		  world.story);
	close(ends[0]);
	close(ends[1]);
	finish();
}

/* --- restarts --- */

static uint32_t starts;

/* Few enough for the log that the test keeps. */
static void count_start(void *unused)
{
	(void)unused;
	if (++starts == 5)
		lichen_vm_stop(world.vm, 0);
	usleep(1000);
}

static const struct fake_step reboots[] = { FAKE_CALL(count_start, NULL),
					    FAKE_EXIT(HV_EXIT_RESET, 0) };

TEST(a_reboot_resets_publishes_and_loads_again)
{
	world_start(&world, BASE "  - { plugin: steps, id: a }\n");
	fake_script(world.hvm, 0, reboots, FAKE_STEPS(reboots));
	CHECK_EQ(LICHEN_VM_STOPPED, lichen_vm_run(world.vm));
	CHECK(starts >= 5);
	CHECK(world_heard(&world, "] load") - starts <=
	      1); /* the end may come before its code */
	CHECK(strstr(world.story,
		     "a:publish a:resume a:pause a:reset-warm a:publish a:resume"));
	finish();
}

TEST(a_reset_that_fails_ends_the_vm_and_pauses_each_instance_once)
{
	world_start(&world, BASE "  - { plugin: steps, id: a, fail: reset }\n");
	fake_script(world.hvm, 0, reboots, FAKE_STEPS(reboots));
	CHECK_EQ(LICHEN_VM_FAILED, lichen_vm_run(world.vm));
	CHECK_STR("a:create a:realize a:publish a:resume a:pause a:reset-warm", world.story);
	CHECK_EQ(1, world_heard(&world, "a: cannot be reset: input or output failed"));
	finish();
}

TEST(a_vcpu_that_cannot_be_reset_ends_the_vm)
{
	world_start(&world, BASE "  - { plugin: debug-exit }\n");
	fake_script(world.hvm, 0, reboots, FAKE_STEPS(reboots));
	fake_fail(FAKE_VCPU_RESET, 1, -LICHEN_EIO);
	CHECK_EQ(LICHEN_VM_FAILED, lichen_vm_run(world.vm));
	CHECK_EQ(1, world_heard(&world, "vCPU 0 cannot be reset"));
	finish();
}

TEST(a_vm_paused_by_its_policy_ends_when_it_is_stopped)
{
	static const struct fake_step crash[] = { FAKE_EXIT(HV_EXIT_SHUTDOWN, 0) };
	struct world_stop stop;

	world_start(&world, "on_crash: pause\n" BASE "  - { plugin: steps, id: a }\n"
			    "  - { plugin: button }\n");
	fake_script(world.hvm, 0, crash, FAKE_STEPS(crash));
	world_stop_once(&stop, &world, "] pause", 20 * SECOND);
	CHECK_EQ(LICHEN_VM_STOPPED, lichen_vm_run(world.vm));
	world_stop_join(&stop);
	CHECK_STR("a:create a:realize a:publish a:resume a:pause", world.story);
	CHECK_EQ(0, world_heard(&world, "] press"));
	finish();
}
