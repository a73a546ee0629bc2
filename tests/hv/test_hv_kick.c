/* SPDX-License-Identifier: MIT */
/* No kick is lost, whatever the vCPU is doing. */
#include "hv_guest.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "tap.h"

/* Under ThreadSanitizer, which has threads of its own, they would take a minute. */
enum { KICKS = TAP_OWN_THREADS ? 10000 : 100000, BURST_MAX = 50 };

TEST(a_kick_before_the_thread_is_bound_counts_for_the_first_run)
{
	struct guest guest;
	struct hv_exit exit = { 0 };

	guest_create(&guest, 1, GUEST_IRQCHIP);
	hv->vcpu_kick(guest.cpu[0]);
	hv->vcpu_kick(guest.cpu[0]);
	CHECK_EQ(0, hv->vcpu_attach(guest.cpu[0]));
	CHECK_EQ(0, hv->vcpu_run(guest.cpu[0], &exit));
	CHECK_EQ(HV_EXIT_KICK, exit.kind);
	guest_destroy(&guest);
}

GUEST(guest_count, "xor %eax, %eax\n1: inc %eax\n out %eax, $0xf4\n jmp 1b");
SCRIPT(guest_count, FAKE_MOVE(0), FAKE_ADD(1), FAKE_OUT_RAX(0xf4, 4), FAKE_JUMP(1));

TEST(a_kick_between_runs_takes_the_next_and_loses_no_access)
{
	struct guest guest;
	struct hv_exit exit = { 0 };

	guest_create(&guest, 1, 0);
	GUEST_LOAD(&guest, guest_count);
	for (uint32_t i = 1; i <= 100; i++) {
		CHECK_EQ(i, guest_out(&guest, 0xf4));
		hv->vcpu_kick(guest.cpu[0]);
		CHECK_EQ(0, hv->vcpu_run(guest.cpu[0], &exit));
		CHECK_EQ(HV_EXIT_KICK, exit.kind);
	}
	guest_destroy(&guest);
}

TEST(a_kick_gets_a_vcpu_out_that_waits_to_be_started)
{
	struct guest guest;
	struct hv_exit exit = { 0 };

	guest_create(&guest, 2, GUEST_IRQCHIP);
	CHECK_EQ(0, hv->vcpu_attach(guest.cpu[1]));
	hv->vcpu_kick(guest.cpu[1]);
	CHECK_EQ(0, hv->vcpu_run(guest.cpu[1], &exit));
	CHECK_EQ(HV_EXIT_KICK, exit.kind);
	guest_destroy(&guest);
}

#ifndef HV_FAKE
TEST(the_signal_is_blocked_outside_of_a_run_and_none_stays_pending)
{
	struct guest guest;
	struct hv_exit exit = { 0 };
	sigset_t pending, blocked;

	guest_create(&guest, 1, 0);
	GUEST_LOAD(&guest, guest_count);
	guest_out(&guest, 0xf4);
	hv->vcpu_kick(guest.cpu[0]); /* would end or disturb the process, were it let in */
	CHECK_EQ(0, sigpending(&pending));
	CHECK_EQ(0, pthread_sigmask(SIG_BLOCK, NULL, &blocked));
	for (int i = 1; i < SIGRTMAX; i++)
		CHECK(sigismember(&pending, i) <= sigismember(&blocked, i));
	CHECK_EQ(0, hv->vcpu_run(guest.cpu[0], &exit));
	CHECK_EQ(HV_EXIT_KICK, exit.kind);
	CHECK_EQ(0, sigpending(&pending));
	for (int i = 1; i < SIGRTMAX; i++)
		CHECK(sigismember(&pending, i) <= 0);
	guest_destroy(&guest);
}
#endif

/* --- storms --- */

struct storm {
	struct guest guest;
	pthread_t runner;
	uint64_t sent; /* not atomic: a kick makes it visible */
	_Atomic uint64_t seen;
	_Atomic uint32_t failed;
};

/* Answers each kick with what it then sees; ends after the last one. */
static void *storm_run(void *argument)
{
	struct storm *storm = argument;
	struct hv_exit exit = { 0 };
	uint64_t seen = 0;

	if (hv->vcpu_attach(storm->guest.cpu[0]) < 0)
		atomic_store(&storm->failed, 1);
	while (seen < KICKS && !atomic_load(&storm->failed)) {
		if (hv->vcpu_run(storm->guest.cpu[0], &exit) < 0 ||
		    (exit.kind != HV_EXIT_KICK && exit.kind != HV_EXIT_IO))
			atomic_store(&storm->failed, 1 + (uint32_t)exit.kind);
		if (exit.kind != HV_EXIT_KICK)
			continue;
		seen = __atomic_load_n(&storm->sent, __ATOMIC_RELAXED);
		atomic_store(&storm->seen, seen);
	}
	return NULL;
}

/*
 * Bursts of 1 to 50 kicks, each burst answered before the next: one lost kick at
 * the end of a burst, and the guest runs on until the test's alarm.
 */
static void storm_blow(uint32_t flags, const uint8_t *code, const uint8_t *end,
		       const struct fake_step *script, uint32_t steps)
{
	struct storm storm = { .sent = 0 };
	uint64_t sent = 0;
	uint32_t burst = 1;

	guest_create(&storm.guest, 1, flags);
	guest_load(&storm.guest, code, end, script, steps);
	CHECK_EQ(0, pthread_create(&storm.runner, NULL, storm_run, &storm));
	while (sent < KICKS && !atomic_load(&storm.failed)) {
		for (uint32_t i = 0; i < burst && sent < KICKS; i++) {
			__atomic_store_n(&storm.sent, ++sent, __ATOMIC_RELAXED);
			hv->vcpu_kick(storm.guest.cpu[0]);
		}
		while (atomic_load(&storm.seen) < sent && !atomic_load(&storm.failed))
			sched_yield();
		burst = burst % BURST_MAX + 1;
	}
	CHECK_EQ(0, pthread_join(storm.runner, NULL));
	CHECK_EQ(0, atomic_load(&storm.failed));
	CHECK_EQ(KICKS, atomic_load(&storm.seen));
	guest_destroy(&storm.guest);
}
#define STORM(flags, name) \
	storm_blow((flags), name, name##_end, name##_script, FAKE_STEPS(name##_script))

GUEST(guest_spin, "1: jmp 1b");
SCRIPT(guest_spin, FAKE_SPIN());
GUEST(guest_sleep, "1: hlt\n jmp 1b");
SCRIPT(guest_sleep, FAKE_HALT(), FAKE_JUMP(0));

TEST(a_hundred_thousand_kicks_reach_a_guest_that_spins)
{
	STORM(0, guest_spin);
}

TEST(a_hundred_thousand_kicks_reach_a_guest_that_is_halted_in_the_kernel)
{
	STORM(GUEST_IRQCHIP, guest_sleep);
}

TEST(a_hundred_thousand_kicks_reach_a_guest_that_exits_all_the_time)
{
	STORM(0, guest_count);
}
