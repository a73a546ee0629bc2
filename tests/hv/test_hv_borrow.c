/* SPDX-License-Identifier: MIT */
/*
 * hv_kvm: a vCPU is lent in every state that it can be in, runs something else, and is as
 * it was; with registers in the shared page and without, and where a crash costs more.
 */
#include "hv_guest.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>

#include "hv/kvm.h"
#include "tap.h"

enum {
	CALL = 0x800, /* of the code page: where calls enter */
	CALL_STACK = 0xb000,
	DOORBELL = 0x4c696300,
	DONE = 0x4c696301,
	CS = 8,
	SS = 16,
};

/* The function doubles rsi into rdi, through the stack, and rings DONE. */
#define DOUBLES(name)                                                      \
	".org " #name " + 0x800\n push %rsi\n pop %rdi\n add %rdi, %rdi\n" \
	"mov $0x4c696301, %ecx\n xor %edx, %edx\n mov $7, %eax\n wrmsr\n ud2\n"
#define FUNCTION                                                                             \
	DOUBLES(guest_code)                                                                  \
	".org guest_code + 0x840\n 1: jmp 1b\n"		/* loops */                          \
	".org guest_code + 0x850\n hlt\n jmp 1b\n"	/* halts */                          \
	".org guest_code + 0x860\n lidt 0x6000\n ud2\n" /* a triple fault */                 \
	".org guest_code + 0x880\n in $0xf6, %al\n mov %al, %bl\n mov %al, 0xe0000000\n"     \
	"mov 0xe0000004, %eax\n mov %ebx, %esi\n jmp guest_code + 0x800\n" /* makes accesses \
									    */

/* Says 1 to 7 and so on at port 0xf4, with accesses between. */
GUEST(guest_code, "mov $0xd0000000, %ebx\n xor %esi, %esi\n"
		  "1: inc %esi\n mov %esi, %eax\n out %eax, $0xf4\n"
		  "in $0xf5, %al\n movzx %al, %eax\n out %eax, $0xf4\n"
		  "mov (%rbx), %eax\n out %eax, $0xf4\n"
		  "mov $0x4c696300, %ecx\n rdmsr\n out %eax, $0xf4\n"
		  "wrmsr\n mov %esi, (%rbx)\n"
		  "jmp 1b\n" FUNCTION);
SCRIPT(guest_code, FAKE_HALT());

static struct guest guest;

enum variant { PAGE = 0, CALLS = 1, LOSSY = 2, VARIANTS = 3 };

static void start(uint32_t flags, enum variant variant)
{
	const struct hv_msr_range range = { .base = DOORBELL, .count = 2 };

	guest_create(&guest, 1, flags);
	if (variant == CALLS)
		guest.vm->sync = 0;
	guest.vm->lossy = variant == LOSSY;
	CHECK_EQ(0, hv->msrs(guest.vm, &range, 1));
	GUEST_LOAD(&guest, guest_code);
}

static void entry_make(struct lichen_vcpu_entry *entry, uint64_t rip)
{
	*entry = (struct lichen_vcpu_entry){
		LICHEN_STRUCT(struct lichen_vcpu_entry),
		.rip = rip,
		.gpr = { [LICHEN_RSP] = CALL_STACK, [LICHEN_RSI] = 21 },
		.cr3 = guest.cpu[0]->borrow.was.sregs.cr3,
		.gs_base = 0x1234000,
		.cs = CS,
		.ss = SS
	};
}

static struct lichen_vcpu_context found, after;

/* Serves what a call does; returns how it ended. */
static enum hv_end inside(void)
{
	struct hv_exit exit;

	for (uint32_t i = 0; i < 100; i++) {
		if (hv->vcpu_run(guest.cpu[0], &exit) < 0)
			return HV_END_ABANDONED;
		switch (exit.kind) {
		case HV_EXIT_MSR:
			if (exit.msr.write && exit.msr.index == DONE)
				return HV_END_DONE;
			*exit.msr.data = 0x77;
			break;
		case HV_EXIT_IO:
			*exit.io.data = 9;
			break;
		case HV_EXIT_MMIO:
			memset(exit.mmio.data, 0x55, exit.mmio.write ? 0 : exit.mmio.size);
			break;
		case HV_EXIT_KICK:
			break;
		default:
			return HV_END_CRASHED;
		}
	}
	tap_fail("a call without an end");
}

static void settle(void)
{
	struct hv_exit exit;

	CHECK_EQ(0, hv->vcpu_settle(guest.cpu[0], &exit));
	CHECK_EQ(HV_EXIT_KICK, exit.kind);
}

/* What a crash would cost, where it costs anything. */
static void keep(void)
{
	CHECK_EQ(guest.vm->lossy ? 0 : -LICHEN_ENOTSUP, hv->vcpu_keep(guest.cpu[0]));
}

/* A call that returns; twice rsi is in rdi. */
static void call(void)
{
	struct lichen_vcpu_entry entry;

	CHECK_EQ(0, hv->vcpu_borrow(guest.cpu[0], &found));
	entry_make(&entry, GUEST_CODE + CALL);
	keep();
	CHECK_EQ(0, hv->vcpu_enter(guest.cpu[0], &entry));
	CHECK_EQ(HV_END_DONE, inside());
	CHECK_EQ(0, hv->vcpu_give_back(guest.cpu[0], HV_END_DONE, &after));
	CHECK_EQ(42, after.gpr[LICHEN_RDI]);
	CHECK_EQ(GUEST_CODE + CALL + 17, after.rip); /* at the WRMSR */
	CHECK_EQ(0x1234000, after.gs_base);
}

/* A call at `at` that is ended so, after its last exit. */
static void call_badly(uint64_t at, enum hv_end want)
{
	struct lichen_vcpu_entry entry;

	CHECK_EQ(0, hv->vcpu_borrow(guest.cpu[0], &found));
	entry_make(&entry, at);
	keep();
	CHECK_EQ(0, hv->vcpu_enter(guest.cpu[0], &entry));
	CHECK_EQ(want, inside());
	CHECK_EQ(0, hv->vcpu_give_back(guest.cpu[0], want, &after));
}

#define EACH_VARIANT for (enum variant variant = PAGE; variant < VARIANTS; variant++)

/* --- between which instructions --- */

/* One round of the guest, with a call at every exit, before or after it is served. */
static void round_with_calls(uint32_t number, int by_kick)
{
	static const enum hv_exit_kind kinds[] = { HV_EXIT_IO,	 HV_EXIT_IO,  HV_EXIT_IO,
						   HV_EXIT_MMIO, HV_EXIT_IO,  HV_EXIT_MSR,
						   HV_EXIT_IO,	 HV_EXIT_MSR, HV_EXIT_MMIO };
	const uint32_t said[] = { number, 0, 0x42, 0, 0x43434343, 0, 0x44 };

	for (uint32_t i = 0; i < 9; i++) {
		struct hv_exit exit;
		uint32_t value = 0;

		guest_run(&guest, &exit);
		CHECK_EQ(kinds[i], exit.kind);
		if (i == 1)
			*exit.io.data = 0x42;
		else if (i == 3)
			memset(exit.mmio.data, 0x43, 4);
		else if (i == 5)
			*exit.msr.data = 0x44;
		else if (exit.kind == HV_EXIT_IO)
			memcpy(&value, exit.io.data, 4);
		else if (exit.kind == HV_EXIT_MMIO)
			memcpy(&value, exit.mmio.data, 4);
		else
			value = (uint32_t)*exit.msr.data;
		if (exit.kind == HV_EXIT_IO && i != 1)
			CHECK_EQ(said[i], value);
		if (i == 7)
			CHECK_EQ(0x44, value);
		if (i == 8)
			CHECK_EQ(number, value);
		if (by_kick) {
			hv->vcpu_kick(guest.cpu[0]);
			memset(&exit, 0, sizeof(exit));
			CHECK_EQ(0, hv->vcpu_run(guest.cpu[0], &exit));
			CHECK_EQ(HV_EXIT_KICK, exit.kind);
		} else {
			settle();
		}
		call();
		CHECK_EQ(LICHEN_VCPU_MASKED, found.flags & ~(uint32_t)LICHEN_VCPU_COMPLETED);
	}
}

TEST(an_access_is_completed_before_the_call_and_the_guest_goes_on_behind_it)
{
	EACH_VARIANT
	{
		start(0, variant);
		for (uint32_t i = 1; i <= 5; i++)
			round_with_calls(i, 1);
		for (uint32_t i = 6; i <= 10; i++)
			round_with_calls(i, 0);
		guest_destroy(&guest);
	}
}

TEST(what_a_call_does_itself_is_served)
{
	EACH_VARIANT
	{
		start(0, variant);
		round_with_calls(1, 1);
		call_badly(GUEST_CODE + 0x880, HV_END_DONE);
		CHECK_EQ(18, after.gpr[LICHEN_RDI]);
		round_with_calls(2, 1);
		guest_destroy(&guest);
	}
}

/* --- what it was doing --- */

static void events_get(struct kvm_vcpu_events *events)
{
	CHECK_EQ(0, ioctl(guest.cpu[0]->fd, KVM_GET_VCPU_EVENTS, events));
}

static void events_set(struct kvm_vcpu_events *events)
{
	CHECK_EQ(0, ioctl(guest.cpu[0]->fd, KVM_SET_VCPU_EVENTS, events));
}

GUEST(guest_waits,
      "mov $1, %al\n out %al, $0xf4\n 1: jmp 1b\n"
      ".org guest_waits + 0x200\n mov $0x40, %al\n out %al, $0xf4\n iretq\n" DOUBLES(
	      guest_waits));
GUEST(guest_halts, "mov $0xfee000f0, %edi\n movl $0x1ff, (%rdi)\n"
		   "mov $1, %al\n out %al, $0xf4\n sti\n 1: hlt\n mov $2, %al\n"
		   "out %al, $0xf4\n jmp 1b\n"
		   ".org guest_halts + 0x200\n mov $0x40, %al\n out %al, $0xf4\n"
		   "mov $0xfee000b0, %edi\n movl $0, (%rdi)\n iretq\n" DOUBLES(guest_halts));

static void start_with(uint32_t flags, enum variant variant, const uint8_t *code,
		       const uint8_t *end)
{
	const struct hv_msr_range range = { .base = DOORBELL, .count = 2 };
	struct hv_exit exit;

	guest_create(&guest, 1, flags);
	if (variant == CALLS)
		guest.vm->sync = 0;
	guest.vm->lossy = variant == LOSSY;
	CHECK_EQ(0, hv->msrs(guest.vm, &range, 1));
	guest_gate(&guest, 0x40, 0x200);
	guest_load(&guest, code, end, NULL, 0);
	guest_attach(&guest);
	CHECK_EQ(1, guest_out(&guest, 0xf4));
	settle();
	CHECK_EQ(0, hv->vcpu_run(guest.cpu[0], &exit)); /* settling may cost a kick */
	CHECK_EQ(HV_EXIT_KICK, exit.kind);
}

TEST(an_interrupt_on_its_way_in_is_delivered_after_the_call)
{
	EACH_VARIANT
	{
		struct kvm_vcpu_events events;

		start_with(0, variant, guest_waits, guest_waits_end);
		events_get(&events);
		events.interrupt.injected = 1;
		events.interrupt.nr = 0x40;
		events_set(&events);
		call();
		CHECK_EQ(LICHEN_VCPU_INJECTED, found.flags & LICHEN_VCPU_INJECTED);
		CHECK_EQ(0x40, guest_out(&guest, 0xf4));
		guest_destroy(&guest);
	}
}

TEST(an_exception_on_its_way_in_is_delivered_after_the_call)
{
	EACH_VARIANT
	{
		struct kvm_vcpu_events events;

		start_with(0, variant, guest_waits, guest_waits_end);
		guest_gate(&guest, 6, 0x200);
		events_get(&events);
		events.exception.injected = 1;
		events.exception.nr = 6;
		events_set(&events);
		call();
		CHECK_EQ(LICHEN_VCPU_INJECTED, found.flags & LICHEN_VCPU_INJECTED);
		CHECK_EQ(0x40, guest_out(&guest, 0xf4));
		guest_destroy(&guest);
	}
}

TEST(the_interrupt_shadow_is_as_it_was)
{
	EACH_VARIANT
	{
		struct kvm_vcpu_events events;

		start_with(0, variant, guest_waits, guest_waits_end);
		events_get(&events);
		events.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
		events.flags = KVM_VCPUEVENT_VALID_SHADOW;
		events_set(&events);
		call();
		CHECK_EQ(LICHEN_VCPU_SHADOW, found.flags & LICHEN_VCPU_SHADOW);
		settle(); /* what is to be put back is in place */
		events_get(&events);
		/* AMD does not tell STI's from that of a load of SS (APM 2, 15.21.5). */
		CHECK_EQ(KVM_X86_SHADOW_INT_STI,
			 events.interrupt.shadow & KVM_X86_SHADOW_INT_STI);
		CHECK_EQ(0, events.nmi.masked);
		guest_destroy(&guest);
	}
}

/* Says 3 again and again, and 0x40 in the handler of an NMI. */
GUEST(guest_nmi, "mov $1, %al\n 1: out %al, $0xf4\n mov $3, %al\n jmp 1b\n"
		 ".org guest_nmi + 0x200\n mov $0x40, %al\n out %al, $0xf4\n mov $3, %al\n "
		 "iretq\n" DOUBLES(guest_nmi));

static void start_with_nmi(enum variant variant)
{
	start_with(GUEST_IRQCHIP, variant, guest_nmi, guest_nmi_end);
	guest_gate(&guest, 2, 0x200);
}

static void nmi(void)
{
	CHECK_EQ(0, ioctl(guest.cpu[0]->fd, KVM_NMI));
}

/* The guest takes so many NMIs, and no more. */
static void takes_nmis(uint32_t want)
{
	uint32_t taken = 0;

	for (uint32_t i = 0; i < 20; i++)
		taken += guest_out(&guest, 0xf4) == 0x40;
	CHECK_EQ(want, taken);
}

TEST(an_nmi_before_the_call_comes_once_after_it)
{
	EACH_VARIANT
	{
		start_with_nmi(variant);
		nmi();
		call();
		takes_nmis(1);
		guest_destroy(&guest);
	}
}

TEST(an_nmi_during_the_call_comes_once_after_it)
{
	EACH_VARIANT
	{
		struct lichen_vcpu_entry entry;

		start_with_nmi(variant);
		CHECK_EQ(0, hv->vcpu_borrow(guest.cpu[0], &found));
		entry_make(&entry, GUEST_CODE + CALL);
		CHECK_EQ(0, hv->vcpu_enter(guest.cpu[0], &entry));
		nmi();
		CHECK_EQ(HV_END_DONE, inside());
		CHECK_EQ(0, hv->vcpu_give_back(guest.cpu[0], HV_END_DONE, &after));
		CHECK_EQ(42, after.gpr[LICHEN_RDI]);
		takes_nmis(1);
		guest_destroy(&guest);
	}
}

TEST(an_nmi_during_a_call_amid_the_handler_of_another_waits_for_its_end)
{
	EACH_VARIANT
	{
		struct kvm_vcpu_events events;

		start_with_nmi(variant);
		nmi();
		while (guest_out(&guest, 0xf4) != 0x40)
			;
		nmi();
		call();
		settle();
		events_get(&events);
		CHECK_EQ(1, events.nmi.masked);
		takes_nmis(1);
		guest_destroy(&guest);
	}
}

static void *kick_later(void *argument)
{
	(void)argument;
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	hv->vcpu_kick(guest.cpu[0]);
	return NULL;
}

TEST(a_halted_vcpu_runs_the_call_and_is_halted_again)
{
	EACH_VARIANT
	{
		struct hv_exit exit;
		pthread_t kicker;

		start_with(GUEST_IRQCHIP, variant, guest_halts, guest_halts_end);
		for (uint32_t i = 0; i < 3; i++) {
			CHECK_EQ(0, pthread_create(&kicker, NULL, kick_later, NULL));
			CHECK_EQ(0, hv->vcpu_run(guest.cpu[0], &exit));
			CHECK_EQ(HV_EXIT_KICK, exit.kind);
			CHECK_EQ(0, pthread_join(kicker, NULL));
			call();
			CHECK_EQ(LICHEN_VCPU_HALTED, found.flags);
		}
		CHECK_EQ(0, hv->message(guest.vm, 0xfee00000, 0x40));
		CHECK_EQ(0x40, guest_out(&guest, 0xf4));
		CHECK_EQ(2, guest_out(&guest, 0xf4));
		guest_destroy(&guest);
	}
}

TEST(an_interrupt_during_the_call_wakes_the_halted_vcpu_after_it)
{
	EACH_VARIANT
	{
		struct lichen_vcpu_entry entry;
		struct hv_exit exit;
		pthread_t kicker;

		start_with(GUEST_IRQCHIP, variant, guest_halts, guest_halts_end);
		CHECK_EQ(0, pthread_create(&kicker, NULL, kick_later, NULL));
		CHECK_EQ(0, hv->vcpu_run(guest.cpu[0], &exit));
		CHECK_EQ(0, pthread_join(kicker, NULL));
		CHECK_EQ(0, hv->vcpu_borrow(guest.cpu[0], &found));
		entry_make(&entry, GUEST_CODE + CALL);
		CHECK_EQ(0, hv->vcpu_enter(guest.cpu[0], &entry));
		CHECK_EQ(0, hv->message(guest.vm, 0xfee00000, 0x40));
		CHECK_EQ(HV_END_DONE, inside());
		CHECK_EQ(0, hv->vcpu_give_back(guest.cpu[0], HV_END_DONE, &after));
		CHECK_EQ(0x40, guest_out(&guest, 0xf4));
		guest_destroy(&guest);
	}
}

/* All tables let user code in; it runs at privilege 3. */
TEST(user_code_is_interrupted_and_goes_on_at_its_privilege)
{
	EACH_VARIANT
	{
		struct kvm_sregs sregs, later;
		struct kvm_regs regs, regs_later;
		struct hv_exit exit;

		start_with(0, variant, guest_waits, guest_waits_end);
		for (uint32_t table = 0x1000; table < 0x7000; table += 8)
			guest.memory[table] |= guest.memory[table] & 1 ? 4 : 0;
		CHECK_EQ(0, ioctl(guest.cpu[0]->fd, KVM_GET_SREGS, &sregs));
		sregs.cs.dpl = sregs.ss.dpl = 3;
		sregs.cs.selector = 0x1b;
		sregs.ss.selector = 0x23;
		sregs.gs.base = 0x555000;
		CHECK_EQ(0, ioctl(guest.cpu[0]->fd, KVM_SET_SREGS, &sregs));
		CHECK_EQ(0, ioctl(guest.cpu[0]->fd, KVM_GET_REGS, &regs));
		regs.rip = GUEST_CODE + 4; /* the loop */
		regs.rflags |= 0x100 << 1; /* interrupts on */
		CHECK_EQ(0, ioctl(guest.cpu[0]->fd, KVM_SET_REGS, &regs));
		for (uint32_t i = 0; i < 10; i++) {
			pthread_t kicker;

			CHECK_EQ(0, pthread_create(&kicker, NULL, kick_later, NULL));
			CHECK_EQ(0, hv->vcpu_run(guest.cpu[0], &exit));
			CHECK_EQ(HV_EXIT_KICK, exit.kind);
			CHECK_EQ(0, pthread_join(kicker, NULL));
			call();
			CHECK_EQ(LICHEN_VCPU_USER, found.flags);
		}
		settle();
		CHECK_EQ(0, ioctl(guest.cpu[0]->fd, KVM_GET_SREGS, &later));
		CHECK_EQ(0, ioctl(guest.cpu[0]->fd, KVM_GET_REGS, &regs_later));
		CHECK_EQ(3, later.cs.dpl);
		CHECK_EQ(0x1b, later.cs.selector);
		CHECK_EQ(3, later.ss.dpl);
		CHECK_EQ(0x555000, later.gs.base);
		CHECK_EQ(regs.rip, regs_later.rip);
		CHECK_EQ(regs.rsp, regs_later.rsp);
		CHECK_EQ(regs.rflags, regs_later.rflags);
		guest_destroy(&guest);
	}
}

/* --- calls that end badly: the guest goes on as if there had been none --- */

static void goes_on(uint32_t number)
{
	round_with_calls(number, 1);
	guest_destroy(&guest);
}

/* At the start of the second round. */
static void start_idle(enum variant variant)
{
	start(0, variant);
	round_with_calls(1, 1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Time for which this thread has run. */
static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

TEST(a_call_that_loops_is_ended_by_its_alarm)
{
	uint64_t worst = 0, best = UINT64_MAX;
	uint32_t late = 0;

	EACH_VARIANT
	{
		start_idle(variant);
		for (uint32_t i = 0; i < 10; i++) {
			const uint64_t deadline = now_ns() + 10000000;
			struct lichen_vcpu_entry entry;
			struct hv_exit exit;
			uint64_t over, used = cpu_ns();

			CHECK_EQ(0, hv->vcpu_borrow(guest.cpu[0], &found));
			entry_make(&entry, GUEST_CODE + 0x840);
			CHECK_EQ(0, hv->vcpu_enter(guest.cpu[0], &entry));
			do {
				CHECK_EQ(0, hv->vcpu_alarm(guest.cpu[0], deadline));
				CHECK_EQ(0, hv->vcpu_run(guest.cpu[0], &exit));
				CHECK_EQ(HV_EXIT_KICK, exit.kind);
			} while (now_ns() < deadline);
			CHECK_EQ(0, hv->vcpu_give_back(guest.cpu[0], HV_END_ABANDONED, &after));
			over = now_ns() - deadline;
			used = cpu_ns() - used;
			late += used >= 20000000;
			worst = over > worst ? over : worst;
			best = over < best ? over : best;
			CHECK_EQ(GUEST_CODE + 0x840, after.rip);
			call();
		}
		goes_on(2);
	}
	printf("# %llu to %llu us past the deadline\n", (unsigned long long)best / 1000,
	       (unsigned long long)worst / 1000);
	/* The rest is the wait for a processor, on a machine that others use: it has not run
	 * for longer than until the deadline, and 10 ms.  In an emulated machine that wait
	 * looks like running, and some may be late. */
	CHECK(late <= (getenv("LICHEN_EMULATED") ? VARIANTS * 10u / 3 : 0));
}

TEST(an_alarm_that_is_armed_for_earlier_does)
{
	struct hv_exit exit;
	uint64_t first;

	start_with(0, PAGE, guest_waits, guest_waits_end);
	first = now_ns() + 20000000;
	CHECK_EQ(0, hv->vcpu_alarm(guest.cpu[0], first));
	CHECK_EQ(0, hv->vcpu_alarm(guest.cpu[0], first + 100000000));
	CHECK_EQ(0, hv->vcpu_run(guest.cpu[0], &exit));
	CHECK_EQ(HV_EXIT_KICK, exit.kind);
	CHECK(now_ns() >= first && now_ns() < first + 90000000);
	CHECK_EQ(0, hv->vcpu_alarm(guest.cpu[0], first + 100000000));
	CHECK_EQ(0, hv->vcpu_run(guest.cpu[0], &exit));
	CHECK_EQ(HV_EXIT_KICK, exit.kind);
	CHECK(now_ns() >= first + 100000000);
	/* One in the past is at once. */
	CHECK_EQ(0, hv->vcpu_alarm(guest.cpu[0], 1));
	CHECK_EQ(0, hv->vcpu_run(guest.cpu[0], &exit));
	CHECK_EQ(HV_EXIT_KICK, exit.kind);
	guest_destroy(&guest);
}

TEST(a_call_that_halts_without_an_irqchip_comes_back)
{
	EACH_VARIANT
	{
		start_idle(variant);
		call_badly(GUEST_CODE + 0x850, HV_END_CRASHED);
		goes_on(2);
	}
}

TEST(a_call_that_halts_in_the_kernel_is_found_halted)
{
	EACH_VARIANT
	{
		struct lichen_vcpu_entry entry;
		struct hv_exit exit;
		uint64_t deadline;

		start(GUEST_IRQCHIP, variant);
		round_with_calls(1, 1);
		deadline = now_ns() + 100000000;
		CHECK_EQ(0, hv->vcpu_borrow(guest.cpu[0], &found));
		entry_make(&entry, GUEST_CODE + 0x850);
		CHECK_EQ(0, hv->vcpu_enter(guest.cpu[0], &entry));
		do {
			CHECK_EQ(0, hv->vcpu_alarm(guest.cpu[0], deadline));
			CHECK_EQ(0, hv->vcpu_run(guest.cpu[0], &exit));
			CHECK_EQ(HV_EXIT_KICK, exit.kind);
		} while (now_ns() < deadline);
		CHECK_EQ(0, hv->vcpu_give_back(guest.cpu[0], HV_END_ABANDONED, &after));
		CHECK_EQ(LICHEN_VCPU_HALTED, after.flags & LICHEN_VCPU_HALTED);
		goes_on(2);
	}
}

TEST(a_call_that_crashes_comes_back)
{
	EACH_VARIANT
	{
		start_idle(variant);
		call_badly(GUEST_CODE + 0x860, HV_END_CRASHED);
		call_badly(UINT64_C(0x7f0000000000), HV_END_CRASHED); /* not mapped */
		call_badly(UINT64_C(0xd0000000), HV_END_CRASHED);     /* no memory there */
		goes_on(2);
	}
}

TEST(a_crash_whose_cost_was_not_kept_is_told)
{
	struct lichen_vcpu_entry entry;
	struct hv_tables tables;

	start_idle(PAGE);
	CHECK_EQ(0, hv->vcpu_borrow(guest.cpu[0], &found));
	CHECK_EQ(-LICHEN_ENOTSUP, hv->vcpu_tables(guest.cpu[0], &tables));
	CHECK_EQ(0, hv->vcpu_give_back(guest.cpu[0], HV_END_ABANDONED, &after));
	guest_destroy(&guest);
	start_idle(LOSSY);
	CHECK_EQ(0, hv->vcpu_borrow(guest.cpu[0], &found));
	CHECK_EQ(0, hv->vcpu_tables(guest.cpu[0], &tables));
	CHECK_EQ(GUEST_IDT, tables.idt);
	CHECK_EQ(31, tables.gdt_limit);
	CHECK_EQ(0x67, tables.tss_limit);
	CHECK_EQ(found.cr4, tables.cr4);
	entry_make(&entry, GUEST_CODE + 0x860);
	CHECK_EQ(0, hv->vcpu_enter(guest.cpu[0], &entry));
	CHECK_EQ(HV_END_CRASHED, inside());
	CHECK_EQ(-LICHEN_EFAULT, hv->vcpu_give_back(guest.cpu[0], HV_END_CRASHED, &after));
	guest_destroy(&guest);
}

/* Whether KVM refuses the value or the guest dies of it, the vCPU comes back. */
static void with(struct lichen_vcpu_entry *entry)
{
	enum hv_end end = HV_END_ABANDONED;

	keep();
	if (hv->vcpu_enter(guest.cpu[0], entry) == 0)
		end = inside();
	CHECK(end != HV_END_DONE);
	CHECK_EQ(0, hv->vcpu_give_back(guest.cpu[0], end, &after));
}

TEST(values_that_no_hardware_takes_are_undone)
{
	const uint64_t bad[] = { UINT64_C(0x800000000000), UINT64_C(0xdeadbeefdeadbeef),
				 UINT64_C(0x8000000000000000), UINT64_C(0xffff7fffffffffff) };

	EACH_VARIANT
	{
		struct lichen_vcpu_entry entry;

		start_idle(variant);
		for (uint32_t i = 0; i < 4; i++) {
			CHECK_EQ(0, hv->vcpu_borrow(guest.cpu[0], &found));
			entry_make(&entry, bad[i]);
			with(&entry);
			CHECK_EQ(0, hv->vcpu_borrow(guest.cpu[0], &found));
			entry_make(&entry, GUEST_CODE + CALL);
			entry.gpr[LICHEN_RSP] = bad[i];
			with(&entry);
			CHECK_EQ(0, hv->vcpu_borrow(guest.cpu[0], &found));
			entry_make(&entry, GUEST_CODE + CALL);
			entry.cr3 = bad[i];
			with(&entry);
		}
		goes_on(2);
	}
}

TEST(selectors_outside_the_guests_table_are_refused)
{
	struct lichen_vcpu_entry entry;

	start_idle(PAGE);
	CHECK_EQ(0, hv->vcpu_borrow(guest.cpu[0], &found));
	entry_make(&entry, GUEST_CODE + CALL);
	entry.cs = 32;
	CHECK_EQ(-LICHEN_EINVAL, hv->vcpu_enter(guest.cpu[0], &entry));
	entry.cs = 0;
	CHECK_EQ(-LICHEN_EINVAL, hv->vcpu_enter(guest.cpu[0], &entry));
	entry.cs = CS;
	entry.ss = 0xfff8;
	CHECK_EQ(-LICHEN_EINVAL, hv->vcpu_enter(guest.cpu[0], &entry));
	CHECK_EQ(0, hv->vcpu_give_back(guest.cpu[0], HV_END_ABANDONED, &after));
	goes_on(2);
}

/* --- vCPUs that cannot be lent --- */

TEST(a_vcpu_out_of_long_mode_is_not_lent)
{
	struct lichen_cpu cpu;

	start(0, PAGE);
	guest_cpu(&cpu);
	cpu.cr0 = 0x11;
	cpu.cr4 = cpu.efer = 0;
	cpu.cs.l = 0;
	cpu.cs.db = 1;
	CHECK_EQ(0, hv->vcpu_set(guest.cpu[0], &cpu));
	CHECK_EQ(-LICHEN_EAGAIN, hv->vcpu_borrow(guest.cpu[0], &found));
	guest_cpu(&cpu);
	CHECK_EQ(0, hv->vcpu_set(guest.cpu[0], &cpu));
	CHECK_EQ(0, hv->vcpu_borrow(guest.cpu[0], &found));
	CHECK_EQ(0, hv->vcpu_give_back(guest.cpu[0], HV_END_ABANDONED, &after));
	goes_on(1);
}

TEST(a_vcpu_that_waits_for_its_start_is_not_lent)
{
	guest_create(&guest, 2, GUEST_IRQCHIP);
	CHECK_EQ(0, hv->vcpu_attach(guest.cpu[1]));
	CHECK_EQ(-LICHEN_EAGAIN, hv->vcpu_borrow(guest.cpu[1], &found));
	guest_destroy(&guest);
}

TEST(one_that_is_given_back_at_once_did_not_notice)
{
	EACH_VARIANT
	{
		start_idle(variant);
		for (uint32_t i = 0; i < 10; i++) {
			CHECK_EQ(0, hv->vcpu_borrow(guest.cpu[0], &found));
			CHECK_EQ(0, hv->vcpu_give_back(guest.cpu[0], HV_END_ABANDONED, &after));
			CHECK_EQ(found.rip, after.rip);
		}
		goes_on(2);
	}
}
