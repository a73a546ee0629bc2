/* SPDX-License-Identifier: MIT */
/* vCPUs are borrowed, whatever their guest does meanwhile; over hv_fake, and over KVM. */
#include <time.h>

#include "fault_tables.h"
#include "tap.h"
#include "world.h"

#define BASE "memory: { size: 1M }\nboot: { plugin: begin, wide: yes }\n"
#define DEVICES "devices:\n  - { plugin: kvm-irqchip }\n  - { plugin: debug-exit }\n"
#define LEND "symbiotic: [ { plugin: lend } ]\n"
#define MSR(n) (FW_SYMBIOTIC_MSRS + 0x50 + (n))
#define STEP(n) (0x8000 + (n))
#define SECOND UINT64_C(1000000)
#define SET(n, value) FAKE_WRMSR(MSR(n), value)
#define GET(n) FAKE_RDMSR(MSR(n))
#define ASK(us) SET(0, (us) << 8)
#define ENTRY(n) SET(2, STEP(n)), SET(3, 0x9000), SET(4, 8 | 16 << 16)
#define EXITS FAKE_OUT(0xf4, 1, 0)

static struct world world;

static void finish(void)
{
	world_end(&world);
	CHECK_EQ(0, fake_alive());
	CHECK_EQ(0, fake_misuses());
}

static uint64_t read_at(uint32_t index)
{
	return fake_read_at(world.hvm, 0, index);
}

/* The call's steps are the last. */
static void runs(const char *profile, const struct fake_step *steps, uint32_t count, int want)
{
	world_start(&world, profile);
	fake_script(world.hvm, 0, steps, count);
	CHECK_EQ(want, lichen_vm_run(world.vm));
}
#define RUNS(steps) runs(BASE DEVICES LEND, steps, FAKE_STEPS(steps), 1)

/* A call that does `step`, and what then comes; returns how it ended. */
static lichen_status ends(uint64_t us, struct fake_step step)
{
	struct fake_step steps[] = { ENTRY(7), FAKE_MOVE(0), GET(10),  GET(11),
				     EXITS,    FAKE_MOVE(0), SET(7, 0) };

	steps[3] = (struct fake_step)ASK(us);
	steps[7] = step;
	RUNS(steps);
	CHECK_EQ(2, fake_read_count(world.hvm, 0));
	CHECK_EQ(1, read_at(0)); /* one call, and the guest has gone on */
	return (lichen_status)read_at(1);
}

TEST(a_call_runs_and_the_guest_goes_on)
{
	CHECK_EQ(0, ends(SECOND, (struct fake_step)FAKE_MOVE(5)));
	finish();
}

TEST(a_call_that_never_ends_is_over_at_its_deadline)
{
	struct timespec before, after;

	clock_gettime(CLOCK_MONOTONIC, &before);
	CHECK_EQ(-LICHEN_ETIMEDOUT, ends(20000, (struct fake_step)FAKE_SPIN()));
	clock_gettime(CLOCK_MONOTONIC, &after);
	CHECK((after.tv_sec - before.tv_sec) * 1000 +
		      (after.tv_nsec - before.tv_nsec) / 1000000 >=
	      20);
	finish();
	CHECK_EQ(-LICHEN_ETIMEDOUT, ends(20000, (struct fake_step)FAKE_JUMP(7)));
	finish();
	CHECK_EQ(-LICHEN_ETIMEDOUT, ends(0, (struct fake_step)FAKE_MOVE(5)));
	finish();
}

TEST(a_call_that_crashes_or_halts_says_so)
{
	CHECK_EQ(-LICHEN_EFAULT,
		 ends(SECOND, (struct fake_step)FAKE_EXIT(HV_EXIT_SHUTDOWN, 0)));
	finish();
	CHECK_EQ(-LICHEN_EFAULT,
		 ends(SECOND, (struct fake_step)FAKE_EXIT(HV_EXIT_INTERNAL, 1)));
	finish();
	CHECK_EQ(-LICHEN_EINVAL, ends(SECOND, (struct fake_step)FAKE_EXIT(HV_EXIT_ENTRY, 1)));
	finish();
	CHECK_EQ(-LICHEN_EFAULT, ends(20000, (struct fake_step)FAKE_HALT()));
	finish();
	/* #GP, which the fake's guest does not survive. */
	CHECK_EQ(-LICHEN_EFAULT, ends(SECOND, (struct fake_step)GET(7)));
	finish();
}

/* Calls a step that ends in that exit, where a shutdown costs more than registers. */
static void crashes(const struct hv_tables *tables, const uint8_t *memory, uint32_t kind,
		    int want)
{
	const struct fake_step steps[] = { ENTRY(9),	 SET(6, FAULT_ROOT),
					   ASK(SECOND),	 GET(10),
					   GET(11),	 EXITS,
					   FAKE_MOVE(0), FAKE_EXIT(kind, 0) };

	world_start(&world, BASE DEVICES LEND);
	fake_script(world.hvm, 0, steps, FAKE_STEPS(steps));
	fake_lossy(world.hvm, tables);
	CHECK_EQ(0, fw_memory_write(&world.vm->memory, 0, memory, FAULT_MEMORY));
	CHECK_EQ(want, lichen_vm_run(world.vm));
}

TEST(what_a_crash_costs_is_kept_where_the_guest_cannot_take_its_double_faults)
{
	static uint8_t memory[FAULT_MEMORY];
	struct hv_tables tables;
	struct fake_view view;

	fault_tables_make(memory, &tables);
	tables.idt_limit = 0;
	crashes(&tables, memory, HV_EXIT_SHUTDOWN, 1);
	fake_look(world.hvm, &view);
	CHECK_EQ(1, view.keeps);
	CHECK_EQ(1, read_at(0));
	CHECK_EQ(-LICHEN_EFAULT, (lichen_status)read_at(1));
	finish();
}

TEST(a_guest_that_breaks_its_tables_in_a_call_has_crashed)
{
	static uint8_t memory[FAULT_MEMORY];
	struct hv_tables tables;
	struct fake_view view;

	fault_tables_make(memory, &tables);
	crashes(&tables, memory, HV_EXIT_SHUTDOWN, LICHEN_VM_CRASHED);
	fake_look(world.hvm, &view);
	CHECK_EQ(0, view.keeps);
	CHECK_EQ(0, fake_read_count(world.hvm, 0));
	CHECK_EQ(1, world_heard(&world, "left: -14"));
	CHECK_EQ(1, world_heard(&world, "triple fault in a call"));
	finish();
	/* What is no shutdown costs the call only. */
	fault_tables_make(memory, &tables);
	crashes(&tables, memory, HV_EXIT_INTERNAL, 1);
	fake_look(world.hvm, &view);
	CHECK_EQ(0, view.keeps);
	CHECK_EQ(-LICHEN_EFAULT, (lichen_status)read_at(1));
	finish();
}

TEST(a_call_may_be_taken_back_by_the_guest_itself)
{
	const struct fake_step steps[] = { ENTRY(7), ASK(SECOND), GET(10),    GET(11),
					   EXITS,    SET(14, 0),  FAKE_SPIN() };

	RUNS(steps);
	CHECK_EQ(1, read_at(0));
	CHECK_EQ(-LICHEN_ECANCELED, (lichen_status)read_at(1));
	finish();
}

TEST(a_vcpu_is_borrowed_once_at_a_time)
{
	const struct fake_step steps[] = { ENTRY(7), ASK(SECOND), GET(10), GET(11),
					   EXITS,    ASK(SECOND), GET(1),  SET(7, 0) };

	RUNS(steps);
	CHECK_EQ(-LICHEN_EBUSY, (lichen_status)read_at(0));
	CHECK_EQ(1, read_at(1));
	CHECK_EQ(0, read_at(2));
	finish();
}

TEST(what_a_call_does_is_served)
{
	CHECK_EQ(0, ends(SECOND, (struct fake_step)FAKE_OUT(0x80, 1, 1)));
	finish();
	CHECK_EQ(0, ends(SECOND, (struct fake_step)FAKE_STORE(0xe0000000, 4, 1)));
	finish();
}

TEST(a_call_is_ended_only_where_there_is_one)
{
	const struct fake_step steps[] = { SET(8, 0), GET(9), EXITS };

	RUNS(steps);
	CHECK_EQ(-LICHEN_ENOENT, (lichen_status)read_at(0));
	finish();
}

TEST(a_call_ends_once)
{
	const struct fake_step steps[] = {
		ENTRY(6),  ASK(SECOND), GET(9),
		EXITS,	   SET(8, 0), /* ends it, and nothing behind runs */
		SET(8, 0), EXITS
	};

	RUNS(steps);
	CHECK_EQ(0, (lichen_status)read_at(0));
	finish();
}

TEST(there_is_no_other_vcpu)
{
	const struct fake_step steps[] = { SET(0, SECOND << 8 | 1), GET(1), EXITS };

	RUNS(steps);
	CHECK_EQ(-LICHEN_ERANGE, (lichen_status)read_at(0));
	finish();
}

TEST(a_vcpu_out_of_long_mode_is_not_borrowed)
{
	const struct fake_step steps[] = { ENTRY(7), ASK(SECOND), GET(10), GET(11), EXITS };

	runs("memory: { size: 1M }\nboot: { plugin: begin }\n" DEVICES LEND, steps,
	     FAKE_STEPS(steps), 1);
	CHECK_EQ(1, read_at(0));
	CHECK_EQ(-LICHEN_EAGAIN, (lichen_status)read_at(1));
	finish();
}

TEST(an_instance_may_let_it_go_again)
{
	const struct fake_step steps[] = { ENTRY(7), ASK(SECOND), GET(10), GET(11), EXITS };

	runs(BASE DEVICES "symbiotic: [ { plugin: lend, refuse: yes } ]\n", steps,
	     FAKE_STEPS(steps), 1);
	CHECK_EQ(1, read_at(0));
	CHECK_EQ(-LICHEN_EPERM, (lichen_status)read_at(1));
	finish();
}

/* --- values --- */

TEST(entries_that_no_hardware_takes_are_refused_and_undone)
{
	static const struct {
		uint32_t msr;
		uint64_t value;
	} bad[] = {
		{ 2, UINT64_C(0x800000000000) },
		{ 2, UINT64_C(0xffff7fffffffffff) },
		{ 3, UINT64_C(0x800000000000) },
		{ 5, UINT64_C(0x8000000000000000) },
		{ 6, UINT64_C(1) << 63 },
		{ 6, UINT64_C(1) << 52 },
		{ 4, 0 },
		{ 4, 11 | 16 << 16 },
		{ 4, 8 | 19u << 16 },
		{ 4, 12 | 16 << 16 },
	};

	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fake_step steps[] = { ENTRY(7),	   FAKE_MOVE(0), ASK(SECOND), GET(11),
					     FAKE_MOVE(0), EXITS,	 SET(7, 0) };

		steps[3] = (struct fake_step)SET(0, 0);
		steps[3].at = MSR(bad[i].msr);
		steps[3].value = bad[i].value;
		RUNS(steps);
		CHECK_EQ(-LICHEN_EINVAL, (lichen_status)read_at(0));
		CHECK_EQ(1, world_heard(&world, "vCPU 0 cannot be borrowed: "));
		finish();
	}
}

TEST(what_the_hypervisor_refuses_is_undone)
{
	const struct fake_step steps[] = { ENTRY(7),	 ASK(SECOND), GET(11),
					   FAKE_MOVE(0), EXITS,	      SET(7, 0) };

	world_start(&world, BASE DEVICES LEND);
	fake_script(world.hvm, 0, steps, FAKE_STEPS(steps));
	fake_fail(FAKE_VCPU_ENTER, 1, -LICHEN_EINVAL);
	CHECK_EQ(1, lichen_vm_run(world.vm));
	CHECK_EQ(-LICHEN_EINVAL, (lichen_status)read_at(0));
	finish();
	world_start(&world, BASE DEVICES LEND);
	fake_script(world.hvm, 0, steps, FAKE_STEPS(steps));
	fake_fail(FAKE_VCPU_ALARM, 1, -LICHEN_EAGAIN);
	CHECK_EQ(1, lichen_vm_run(world.vm));
	CHECK_EQ(-LICHEN_EAGAIN, (lichen_status)read_at(0));
	finish();
}

TEST(addresses_are_canonical_by_the_width_in_use)
{
	struct lichen_vcpu_context found = { .cr4 = 0 };
	struct lichen_vcpu_entry entry = { .cs = 8, .rip = UINT64_C(0x00ffffffffffffff) };

	CHECK(fw_borrow_refuses(&entry, &found, 40) != NULL);
	found.cr4 = 1 << 12;
	CHECK(fw_borrow_refuses(&entry, &found, 40) == NULL);
	entry.rip++;
	CHECK(fw_borrow_refuses(&entry, &found, 40) != NULL);
	entry.rip = UINT64_C(0xff00000000000000);
	CHECK(fw_borrow_refuses(&entry, &found, 40) == NULL);
	entry.cr3 = UINT64_C(1) << 40;
	CHECK(fw_borrow_refuses(&entry, &found, 40) != NULL);
	CHECK(fw_borrow_refuses(&entry, &found, 41) == NULL);
	CHECK(fw_borrow_refuses(&entry, &found, 64) == NULL);
}

/* --- several vCPUs --- */

/* The second is never started, so half of the calls do not enter. */
TEST(calls_from_a_thread_on_two_vcpus)
{
	const struct fake_step steps[] = { ENTRY(5), SET(16, 0), FAKE_JUMP(4), SET(7, 0) };
	const struct fake_step waits[] = { FAKE_JUMP(0), FAKE_JUMP(0), FAKE_JUMP(0),
					   FAKE_JUMP(0), FAKE_JUMP(0), SET(7, 0) };

	world_start(&world, "cpus: 2\n" BASE DEVICES
			    "symbiotic: [ { plugin: lend, storm: 200, exits: yes } ]\n");
	fake_script(world.hvm, 0, steps, FAKE_STEPS(steps));
	fake_script(world.hvm, 1, waits, FAKE_STEPS(waits));
	CHECK_EQ(0x31, lichen_vm_run(world.vm));
	finish();
	CHECK_EQ(1, world_heard(&world, "200 calls, 100 of them did not enter"));
}

/* --- the VM stands still, starts anew, ends --- */

TEST(the_end_of_the_vm_ends_the_call)
{
	const struct fake_step steps[] = { ENTRY(5), ASK(100 * SECOND), EXITS, FAKE_SPIN() };
	struct world_stop stop;

	world_start(&world, BASE DEVICES LEND);
	fake_script(world.hvm, 0, steps, FAKE_STEPS(steps));
	world_stop_later(&stop, &world, 50, 0);
	CHECK_EQ(LICHEN_VM_STOPPED, lichen_vm_run(world.vm));
	world_stop_join(&stop);
	CHECK_EQ(1, world_heard(&world, "left: -125"));
	finish();
}

TEST(a_reset_out_of_a_call_ends_it)
{
	const struct fake_step steps[] = {
		ENTRY(6),   GET(10), ASK(100 * SECOND), EXITS, FAKE_EXIT(HV_EXIT_RESET, 0),
		FAKE_SPIN()
	};
	struct world_stop stop;

	world_start(&world, BASE DEVICES LEND);
	fake_script(world.hvm, 0, steps, FAKE_STEPS(steps));
	world_stop_later(&stop, &world, 500, 0);
	CHECK_EQ(LICHEN_VM_STOPPED, lichen_vm_run(world.vm));
	world_stop_join(&stop);
	CHECK(fake_read_count(world.hvm, 0) >= 2); /* it has started again */
	CHECK(world_heard(&world, "left: -125") >= 1);
	finish();
}

struct park {
	struct fw_post post;
	struct lichen_vm *vm;
};

/* [control] */
static void park(struct fw_post *post)
{
	struct lichen_vm *vm = ((struct park *)post)->vm;
	struct timespec before, after;

	clock_gettime(CLOCK_MONOTONIC, &before);
	fw_vcpus_park(vm);
	clock_gettime(CLOCK_MONOTONIC, &after);
	CHECK(after.tv_sec - before.tv_sec < 20); /* not the call's deadline */
	fw_vcpus_unpark(vm);
	lichen_vm_stop(vm, 0);
}

static void *parks(void *argument)
{
	struct park *asked = malloc(sizeof(*asked));

	CHECK(asked);
	*asked = (struct park){ .post = { .run = park }, .vm = argument };
	nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	fw_loop_post(&asked->vm->loop, &asked->post);
	return NULL;
}

TEST(a_vm_that_is_to_stand_still_waits_for_a_call_but_not_for_ever)
{
	const struct fake_step steps[] = { ENTRY(5), ASK(100 * SECOND), FAKE_SPIN(),
					   FAKE_SPIN() };
	pthread_t parker;

	world_start(&world, BASE DEVICES LEND);
	fake_script(world.hvm, 0, steps, FAKE_STEPS(steps));
	CHECK_EQ(0, pthread_create(&parker, NULL, parks, world.vm));
	CHECK_EQ(LICHEN_VM_STOPPED, lichen_vm_run(world.vm));
	CHECK_EQ(0, pthread_join(parker, NULL));
	CHECK_EQ(1, world_heard(&world, "left: -125"));
	finish();
}

/* --- over KVM --- */

/*
 * A chain of numbers that goes through registers, the stack, a port and memory that is not
 * there, again and again, and each time has to come to the same; calls push, pop, make
 * accesses and ring.
 */
__asm__(".pushsection .rodata\n.globl chain\nchain:\n"
	"lea 5f(%rip), %rax\n mov $0x4c696352, %ecx\n xor %edx, %edx\n wrmsr\n" /* rip */
	"mov $0x80000, %eax\n inc %ecx\n wrmsr\n"				/* rsp */
	"mov %cs, %eax\n mov %ss, %ebx\n shl $16, %ebx\n or %ebx, %eax\n inc %ecx\n wrmsr\n"
	"mov $0x4c696360, %ecx\n wrmsr\n" /* storm */
	"movabs $6364136223846793005, %r9\n movabs $1442695040888963407, %r10\n"
	"0: mov $1, %rax\n mov $100, %r8d\n"
	"1: imul %r9, %rax\n add %r10, %rax\n push %rax\n"
	"out %al, $0x80\n in $0x80, %al\n pop %rax\n"
	"mov $0xe0000000, %ebx\n mov %eax, (%rbx)\n"
	"mov $1000, %ecx\n 3: imul %r9, %rax\n add %r10, %rax\n loop 3b\n"
	"dec %r8d\n jnz 1b\n"
	"cmp chain_want(%rip), %rax\n jne 4f\n"
	"mov $0x4c696360, %ecx\n rdmsr\n test %eax, %eax\n jz 0b\n"
	"mov $0x10, %al\n out %al, $0xf4\n 2: jmp 2b\n"
	"4: mov $0x3f, %al\n out %al, $0xf4\n jmp 2b\n"
	"5: push %rbx\n push %rax\n mov $0x80, %edx\n out %al, %dx\n pop %rdi\n pop %rbx\n"
	"mov $0x4c696357, %ecx\n xor %eax, %eax\n xor %edx, %edx\n wrmsr\n ud2\n"
	".balign 8\n.globl chain_want\nchain_want: .quad 0\n"
	".globl chain_end\nchain_end:\n.popsection");
extern const uint8_t chain[], chain_want[], chain_end[];

TEST(a_busy_guest_does_not_notice_calls)
{
	const size_t size = (size_t)(chain_end - chain);
	const char *require = getenv("LICHEN_REQUIRE_KVM");
	uint8_t code[1024];
	char profile[1024];
	uint64_t value = 1;

	for (uint32_t i = 0; i < 100 * 1001; i++)
		value = value * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	CHECK(size <= sizeof(code));
	memcpy(code, chain, size);
	memcpy(code + (chain_want - chain), &value, sizeof(value));
	(void)snprintf(
		profile, sizeof(profile),
		"memory: { size: 4M }\nboot: { plugin: flat, image: chain.bin }\n" DEVICES
		"symbiotic: [ { plugin: lend, storm: %d } ]\n",
		CALLS);
	world_begin(&world, profile);
	world_file(&world, "chain.bin", code, size);
	if (world_create_on(&world, &hv_kvm, -1, -1) != 0) {
		if (world_heard(&world, "/dev/kvm") && !(require && !strcmp(require, "1")))
			SKIP("no usable /dev/kvm");
		tap_fail("%s", world.log);
	}
	CHECK_EQ(0x21, lichen_vm_run(world.vm));
	world_end(&world);
	(void)snprintf(profile, sizeof(profile), "%d calls, 0 of them did not enter", CALLS);
	CHECK_EQ(1, world_heard(&world, profile));
	CHECK_EQ(0, world_heard(&world, "left: "));
}
