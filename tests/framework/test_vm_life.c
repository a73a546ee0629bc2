/* SPDX-License-Identifier: MIT */
/* The life of a VM with plugins, over the fake: order, undoing, ends, events, timers. */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "tap.h"
#include "world.h"

#define BASE "name: world\nmemory: { size: 1M }\nboot: { plugin: begin }\n"
#define DEVICES BASE "devices:\n"

static struct world world;

static const struct fake_step exit_3[] = { FAKE_OUT(0xf4, 1, 1) };

static void script(uint32_t vcpu, const struct fake_step *steps, uint32_t count)
{
	fake_script(world.hvm, vcpu, steps, count);
}
#define SCRIPT(vcpu, steps) script((vcpu), (steps), FAKE_STEPS(steps))

/* Nothing of the fake is left, nor was it used against its rules. */
static void finish(void)
{
	world_end(&world);
	CHECK_EQ(0, fake_alive());
	CHECK_EQ(0, fake_misuses());
}

TEST(steps_come_in_order_of_need_and_go_in_the_opposite)
{
	world_start(&world, DEVICES "  - { plugin: steps, id: c, after: b }\n"
				    "  - { plugin: steps, id: b, after: a }\n"
				    "  - { plugin: steps, id: a }\n"
				    "  - { plugin: debug-exit }\n");
	SCRIPT(0, exit_3);
	CHECK_EQ(3, lichen_vm_run(world.vm));
	lichen_vm_destroy(world.vm);
	world.vm = NULL;
	CHECK_STR("a:create b:create c:create a:realize b:realize c:realize "
		  "a:publish b:publish c:publish a:resume b:resume c:resume "
		  "c:pause b:pause a:pause c:quiesce c:destroy b:quiesce b:destroy "
		  "a:quiesce a:destroy",
		  world.story);
	finish();
}

TEST(a_vm_that_never_ran_is_taken_apart_as_well)
{
	world_start(&world, DEVICES "  - { plugin: steps, id: a }\n");
	lichen_vm_destroy(world.vm);
	world.vm = NULL;
	CHECK_STR("a:create a:realize a:publish a:quiesce a:destroy", world.story);
	finish();
}

/* A profile whose instance b fails at `step`; what was said is `story`. */
static void fails_at(const char *step, const char *more, const char *story)
{
	char profile[512];

	snprintf(profile, sizeof(profile),
		 DEVICES "  - { plugin: steps, id: a%s }\n"
			 "  - { plugin: steps, id: b, after: a, fail: %s%s }\n"
			 "  - { plugin: steps, id: c, after: b%s }\n",
		 more, step, more, more);
	world_begin(&world, profile);
	CHECK_EQ(LICHEN_VM_BAD_INPUT, world_create(&world));
	CHECK(world.vm == NULL);
	CHECK_STR(story, world.story);
}

TEST(a_create_that_fails_undoes_the_earlier_ones)
{
	fails_at("create", "", "a:create b:create a:destroy");
	CHECK_EQ(1, world_heard(&world, "devices[1] b: create: told to fail ("));
	CHECK_EQ(1, world_heard(&world, "world.yaml:7:5)"));
	finish();
}

TEST(a_create_that_fails_with_claims_leaves_none_of_them)
{
	fails_at("create", ", early: true", "a:create b:create a:destroy");
	finish();
}

TEST(a_sentence_about_a_parameter_points_at_its_value)
{
	world_begin(&world, DEVICES "  - { plugin: kvm-irqchip }\n"
				    "  - { plugin: acpi, sci: 9, port: 0x608 }\n");
	CHECK_EQ(LICHEN_VM_BAD_INPUT, world_create(&world));
	CHECK_EQ(1, world_heard(&world, "devices[1] acpi: port 0x608: not a multiple of 16 ("));
	CHECK_EQ(1, world_heard(&world, "world.yaml:7:35)"));
	finish();
}

TEST(a_realize_that_fails_undoes_the_earlier_ones)
{
	fails_at("realize", "",
		 "a:create b:create c:create a:realize b:realize "
		 "c:destroy b:destroy a:quiesce a:destroy");
	CHECK_EQ(1, world_heard(&world, "devices[1] b: realize: told to fail ("));
	finish();
}

TEST(a_publish_that_fails_undoes_everything)
{
	fails_at("publish", "",
		 "a:create b:create c:create a:realize b:realize c:realize "
		 "a:publish b:publish c:quiesce c:destroy b:quiesce b:destroy "
		 "a:quiesce a:destroy");
	CHECK_EQ(1, world_heard(&world, "devices[1] b: cannot publish: in use ("));
	finish();
}

TEST(a_sentence_from_a_call_that_succeeded_does_not_explain_a_later_failure)
{
	world_begin(&world, DEVICES "  - { plugin: steps, id: a, fail: quietly }\n");
	CHECK_EQ(LICHEN_VM_FAILED, world_create(&world));
	CHECK_EQ(0, world_heard(&world, "did not matter"));
	CHECK_EQ(1, world_heard(&world, "a: cannot publish: input or output failed"));
	finish();
}

static void refused(enum fake_call call, uint32_t nth, int status, const char *sentence)
{
	world_begin(&world, BASE "cpus: 2\n"
				 "devices:\n  - { plugin: kvm-irqchip }\n"
				 "  - { plugin: steps, id: a }\n");
	fake_fail(call, nth, -LICHEN_EINVAL);
	CHECK_EQ(status, world_create(&world));
	CHECK_EQ(1, world_heard(&world, sentence));
	fake_fail(call, 0, 0);
	finish();
}

TEST(a_hypervisor_that_makes_no_vm_is_no_fault_of_the_profile)
{
	refused(FAKE_VM_CREATE, 1, LICHEN_VM_FAILED, "VM: refused by the test");
}

TEST(a_hypervisor_that_takes_no_memory_is_no_fault_of_the_profile)
{
	refused(FAKE_MAP, 1, LICHEN_VM_FAILED, "memory slot 0: refused");
}

TEST(a_hypervisor_that_makes_no_second_vcpu_is_no_fault_of_the_profile)
{
	refused(FAKE_VCPU_CREATE, 2, LICHEN_VM_FAILED, "vCPU 1: refused");
}

TEST(a_hypervisor_that_tells_no_cpuid_is_no_fault_of_the_profile)
{
	refused(FAKE_CPUID, 1, LICHEN_VM_FAILED, "does not tell its CPUID");
}

TEST(registers_that_are_refused_end_the_start)
{
	refused(FAKE_VCPU_SET, 1, LICHEN_VM_BAD_INPUT, "cannot load the guest");
}

TEST(paging_that_the_hypervisor_does_not_give_is_refused_at_its_line)
{
	world_begin(&world, BASE "paging: shadow\n");
	CHECK_EQ(LICHEN_VM_BAD_INPUT, world_create(&world));
	CHECK_EQ(1, world_heard(&world, "gives nested paging ("));
	CHECK_EQ(1, world_heard(&world, "world.yaml:5:"));
	finish();
}

TEST(several_vcpus_without_an_irqchip_are_refused)
{
	world_begin(&world, BASE "cpus: 2\n");
	CHECK_EQ(LICHEN_VM_BAD_INPUT, world_create(&world));
	CHECK_EQ(1, world_heard(&world, "cpus: 2: more than 1 needs an interrupt controller"));
	finish();
}

/* --- memory that is not what it says --- */

static void odd_memory(const char *how, int status, const char *sentence)
{
	char profile[256];

	snprintf(profile, sizeof(profile),
		 "memory: { size: 1M, plugin: odd, how: %s }\nboot: { plugin: begin }\n", how);
	world_begin(&world, profile);
	CHECK_EQ(status, world_create(&world));
	CHECK_EQ(1, world_heard(&world, sentence));
	finish();
}

TEST(more_runs_of_memory_than_there_is_room_for_are_refused_unread)
{
	odd_memory("many", LICHEN_VM_BAD_INPUT, "memory: 1000008 runs, at most 8");
}

TEST(a_memory_file_shorter_than_it_says_is_refused)
{
	odd_memory("short", LICHEN_VM_BAD_INPUT, "memory run 0: its file has 4096 bytes");
}

TEST(no_memory_at_all_is_refused)
{
	odd_memory("none", LICHEN_VM_BAD_INPUT, "memory: 0 runs of 0 bytes");
}

/* --- ends --- */

static int end_of(const struct fake_step *steps, uint32_t count)
{
	int status;

	world_start(&world, DEVICES "  - { plugin: debug-exit }\n");
	script(0, steps, count);
	status = lichen_vm_run(world.vm);
	finish();
	return status;
}
#define END_OF(steps) end_of((steps), FAKE_STEPS(steps))

TEST(a_guest_ends_with_its_own_status)
{
	static const struct fake_step exit_255[] = { FAKE_OUT(0xf4, 1, 0x7f) };

	CHECK_EQ(3, END_OF(exit_3));
	CHECK_EQ(255, END_OF(exit_255));
}

TEST(a_triple_fault_is_a_crash)
{
	static const struct fake_step crash[] = { FAKE_EXIT(HV_EXIT_SHUTDOWN, 0) };

	CHECK_EQ(LICHEN_VM_CRASHED, END_OF(crash));
}

TEST(a_halt_that_nothing_can_end_is_a_crash)
{
	static const struct fake_step halt[] = { FAKE_HALT() };

	CHECK_EQ(LICHEN_VM_CRASHED, END_OF(halt));
}

TEST(an_msr_that_nobody_claims_faults)
{
	static const struct fake_step msr[] = { FAKE_RDMSR(0x4b564df0), FAKE_OUT(0xf4, 1, 1) };

	CHECK_EQ(LICHEN_VM_CRASHED, END_OF(msr));
}

TEST(hypervisors_that_give_up_are_told_from_those_that_fail)
{
	static const struct fake_step internal[] = { FAKE_EXIT(HV_EXIT_INTERNAL, 1) };
	static const struct fake_step entry[] = { FAKE_EXIT(HV_EXIT_ENTRY, 0x80000021) };
	static const struct fake_step other[] = { FAKE_EXIT(HV_EXIT_OTHER, 99) };

	CHECK_EQ(LICHEN_VM_CRASHED, END_OF(internal));
	CHECK_EQ(LICHEN_VM_CRASHED, END_OF(entry));
	CHECK_EQ(LICHEN_VM_FAILED, END_OF(other));
	fake_fail(FAKE_VCPU_RUN, 1, -LICHEN_EIO);
	CHECK_EQ(LICHEN_VM_FAILED, END_OF(exit_3));
	fake_fail(FAKE_VCPU_ATTACH, 1, -LICHEN_EIO);
	CHECK_EQ(LICHEN_VM_FAILED, END_OF(exit_3));
}

TEST(where_nothing_is_reads_give_ones_and_writes_go_nowhere)
{
	static const struct fake_step steps[] = {
		FAKE_IN(0x99, 1),
		FAKE_IN(0x99, 4),
		FAKE_LOAD(0xd0000000, 8),
		FAKE_OUT(0x99, 2, 1),
		FAKE_STORE(0xd0000000, 8, 1),
		FAKE_OUT(0xf4, 1, 1),
	};

	world_start(&world, DEVICES "  - { plugin: debug-exit }\n");
	SCRIPT(0, steps);
	CHECK_EQ(3, lichen_vm_run(world.vm));
	CHECK_EQ(3, fake_read_count(world.hvm, 0));
	CHECK_EQ(0xff, fake_read_at(world.hvm, 0, 0));
	CHECK_EQ(UINT32_MAX, fake_read_at(world.hvm, 0, 1));
	CHECK(fake_read_at(world.hvm, 0, 2) == UINT64_MAX);
	finish();
}

TEST(of_four_vcpus_the_first_to_end_the_vm_counts)
{
	static const struct fake_step spin[] = { FAKE_SPIN() };
	static const struct fake_step busy[] = { FAKE_IN(0xf4, 1), FAKE_JUMP(0) };
	static const struct fake_step later[] = { FAKE_COUNT(10000), FAKE_IN(0x99, 1),
						  FAKE_LOOP(1), FAKE_OUT(0xf4, 1, 5) };

	world_start(&world, BASE "cpus: 4\n"
				 "devices:\n  - { plugin: kvm-irqchip }\n"
				 "  - { plugin: debug-exit }\n");
	SCRIPT(0, spin);
	SCRIPT(1, busy);
	SCRIPT(2, later);
	CHECK_EQ(11, lichen_vm_run(world.vm)); /* vCPU 3 waits for ever */
	finish();
}

/* --- events --- */

TEST(events_come_each_once_and_in_order)
{
	static const struct fake_step steps[] = { FAKE_COUNT(30), FAKE_MOVE(0),
						  FAKE_OUT_RAX(0x100, 4), FAKE_ADD(3),
						  FAKE_LOOP(2) };

	world_start(&world, BASE "devices:\n"
				 "  - { plugin: receiver, peer: { plugin: sender, id: s }, "
				 "until: 90 }\n");
	CHECK_EQ(1, world_heard(&world, "[sender/s] org.test.relay/1 client 1 came"));
	SCRIPT(0, steps);
	CHECK_EQ((2 * 90 & 0xff) | 1, lichen_vm_run(world.vm));
	lichen_vm_destroy(world.vm);
	world.vm = NULL;
	CHECK_EQ(1, world_heard(&world, "client 1 went"));
	finish();
}

TEST(a_provider_may_post_while_its_consumers_go)
{
	for (int i = 0; i < 20; i++) {
		world_start(&world, DEVICES
			    "  - { plugin: receiver, peer: { plugin: sender, chatty: true } }\n"
			    "  - { plugin: debug-exit }\n");
		SCRIPT(0, exit_3);
		CHECK_EQ(3, lichen_vm_run(world.vm));
		finish();
	}
}

/* --- timers --- */

TEST(timers_of_the_guests_clock_and_the_hosts_fire_once_each)
{
	static const struct fake_step steps[] = { FAKE_OUT(0x200, 4, 1000),
						  FAKE_OUT(0x204, 4, 500) };

	world_start(&world, DEVICES "  - { plugin: clock, until: 2 }\n");
	SCRIPT(0, steps);
	CHECK_EQ(5, lichen_vm_run(world.vm));
	finish();
}

TEST(timers_that_were_cancelled_do_not_fire)
{
	static const struct fake_step steps[] = { FAKE_OUT(0x200, 4, 2000),
						  FAKE_OUT(0x204, 4, 2000),
						  FAKE_OUT(0x208, 4, 0) };
	struct world_stop stop;

	world_start(&world, DEVICES "  - { plugin: clock, until: 1 }\n");
	SCRIPT(0, steps);
	world_stop_later(&stop, &world, 20, 0);
	CHECK_EQ(LICHEN_VM_STOPPED, lichen_vm_run(world.vm));
	world_stop_join(&stop);
	finish();
}

TEST(a_timer_that_is_always_due_does_not_keep_the_vm_from_ending)
{
	static const struct fake_step steps[] = { FAKE_OUT(0x20c, 4, 1) };
	struct world_stop stop;

	world_start(&world, DEVICES "  - { plugin: clock }\n");
	SCRIPT(0, steps);
	world_stop_later(&stop, &world, 20, 0);
	CHECK_EQ(LICHEN_VM_STOPPED, lichen_vm_run(world.vm));
	world_stop_join(&stop);
	finish();
}

/* --- threads of plugins --- */

TEST(threads_may_use_what_the_instance_holds_until_they_end)
{
	world_start(&world, DEVICES "  - { plugin: worker, threads: 2 }\n"
				    "  - { plugin: debug-exit }\n");
	SCRIPT(0, exit_3);
	CHECK_EQ(3, lichen_vm_run(world.vm));
	lichen_vm_destroy(world.vm);
	world.vm = NULL;
	CHECK_EQ(0, world_heard(&world, "misbehaves"));
	finish();
}

TEST(threads_of_a_realize_that_fails_are_told_to_end)
{
	world_begin(&world, DEVICES "  - { plugin: worker, id: w, threads: 2, fail: true }\n");
	CHECK_EQ(LICHEN_VM_BAD_INPUT, world_create(&world));
	CHECK_EQ(1, world_heard(&world, "devices[0] w: told to fail"));
	CHECK_EQ(1, world_heard(&world, "quiesce"));
	finish();
}

TEST(more_threads_than_the_ledger_holds_are_refused)
{
	world_begin(&world, DEVICES "  - { plugin: worker, threads: 300, linger: 1 }\n");
	CHECK_EQ(LICHEN_VM_BAD_INPUT, world_create(&world));
	CHECK_EQ(1, world_heard(&world, "no room left"));
	finish();
}

/* --- the console --- */

TEST(a_console_that_an_instance_took_stays_the_callers_when_the_vm_fails)
{
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int out = open("/dev/null", O_WRONLY | O_CLOEXEC | O_NONBLOCK);

	world_begin(&world, DEVICES "  - { plugin: kvm-irqchip }\n"
				    "  - { plugin: serial16550, port: 0x3f8, irq: 4, "
				    "backend: { plugin: stdio } }\n"
				    "  - { plugin: steps, id: a, fail: publish }\n");
	CHECK_EQ(LICHEN_VM_BAD_INPUT, world_create_console(&world, in, out));
	CHECK(fcntl(in, F_GETFD) >= 0 && fcntl(out, F_GETFD) >= 0);
	close(in);
	close(out);
	finish();
}

TEST(a_console_that_two_want_is_refused_at_the_second)
{
	int ends[2];

	CHECK_EQ(0, pipe2(ends, O_CLOEXEC | O_NONBLOCK));
	world_begin(&world, DEVICES "  - { plugin: kvm-irqchip }\n"
				    "  - { plugin: serial16550, irq: 4, "
				    "backend: { plugin: stdio } }\n"
				    "  - { plugin: serial16550, irq: 3, port: 0x2f8, "
				    "backend: { plugin: stdio } }\n");
	CHECK_EQ(LICHEN_VM_BAD_INPUT, world_create_console(&world, -1, ends[1]));
	CHECK_EQ(1, world_heard(&world, "devices[2].backend stdio-2: the console: another "
					"instance has it already ("));
	CHECK_EQ(1, world_heard(&world, "world.yaml:8:58)"));
	close(ends[0]);
	close(ends[1]);
	finish();
}

TEST(a_console_is_the_vms_once_it_is_there)
{
	int ends[2];
	char byte;

	CHECK_EQ(0, pipe2(ends, O_CLOEXEC | O_NONBLOCK));
	world_begin(&world, DEVICES "  - { plugin: debug-exit }\n");
	CHECK_EQ(0, world_create_console(&world, -1, ends[1]));
	lichen_vm_destroy(world.vm);
	world.vm = NULL;
	CHECK_EQ(0, read(ends[0], &byte, 1)); /* nobody holds the other end */
	close(ends[0]);
	finish();
}

/* --- the embedder --- */

TEST(a_peer_that_is_gone_is_no_signal_before_and_after_the_run_either)
{
	world_start(&world, DEVICES "  - { plugin: steps, id: a, loud: true }\n"
				    "  - { plugin: debug-exit }\n");
	SCRIPT(0, exit_3);
	CHECK_EQ(3, lichen_vm_run(world.vm));
	finish(); /* alive, the process has not got SIGPIPE */
}

TEST(options_of_an_older_program_are_read_as_far_as_they_go)
{
	struct lichen_vm_options options = { .struct_size = 0, .profile = "none.yaml" };
	struct lichen_vm *vm = NULL;

	CHECK_EQ(LICHEN_VM_BAD_INPUT, fw_vm_create(&options, &hv_fake, &vm));
	options.struct_size = offsetof(struct lichen_vm_options, plugin_path);
	options.plugin_path = (const char *)16; /* beyond what it says it has */
	CHECK_EQ(LICHEN_VM_BAD_INPUT, fw_vm_create(&options, &hv_fake, &vm));
	options.struct_size = sizeof(options);
	options.plugin_path = options.profile = NULL;
	CHECK_EQ(LICHEN_VM_BAD_INPUT, fw_vm_create(&options, &hv_fake, &vm));
	CHECK(vm == NULL);
}

static void once_ready(void *context)
{
	char byte;

	if (read(*(int *)context, &byte, 1) == 1)
		lichen_vm_stop(world.vm, 0);
}

TEST(a_descriptor_of_the_embedders_is_watched_while_it_runs)
{
	int ends[2];

	CHECK_EQ(0, pipe2(ends, O_CLOEXEC));
	world_start(&world, BASE);
	CHECK_EQ(0, lichen_vm_watch(world.vm, ends[0], once_ready, &ends[0]));
	CHECK_EQ(-LICHEN_EEXIST, lichen_vm_watch(world.vm, ends[0], once_ready, &ends[0]));
	CHECK_EQ(1, write(ends[1], "x", 1));
	CHECK_EQ(LICHEN_VM_STOPPED, lichen_vm_run(world.vm));
	close(ends[0]);
	close(ends[1]);
	finish();
}
