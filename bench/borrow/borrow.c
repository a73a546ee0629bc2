/* SPDX-License-Identifier: MIT */
/*
 * bench-borrow: what an empty call on a borrowed vCPU costs, over a port exit of the same
 * guest in the same run.  The call is asked for by the handler of the port, as a device's
 * may: it costs no signal.  The guest can take its double faults, as systems do.
 *
 *	bench-borrow [ROUNDS]
 *
 * Prints "borrow PORT CALL RATIO", the first two in ns.  Of short rounds, half of them with
 * calls, those count that one in ten stays below: what other load of the machine costs is
 * in the rest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "borrow.h"
#include "hv/kvm.h"
#include "hv_guest.h"
#include "measure.h"
#include "memory_map.h"

enum {
	ROUNDS = 300,
	ROUNDS_MAX = 10000,
	EXITS = 50,
	DOORBELL = 0x4c696300,
	CALL = 0x100,
	FAULT = 0x200
};

GUEST(guest_ports, "1: out %al, $0xf4\n jmp 1b\n"
		   ".org guest_ports + 0x100\n mov $0x4c696300, %ecx\n wrmsr\n ud2\n");

static struct guest guest;
static struct fw_memory memory; /* the guest's */

/* Gate 8 with a stack of its own, the first of the TSS, which is at address 0. */
static void take_faults(void)
{
	const uint64_t stack = GUEST_DATA;

	memory.pieces[0] = (struct fw_piece){ .size = GUEST_MEMORY, .host = guest.memory };
	memory.piece_count = 1;
	guest_gate(&guest, 8, FAULT);
	guest.memory[GUEST_IDT + 16 * 8 + 4] = 1;
	memcpy(guest.memory + 0x24, &stack, sizeof(stack));
}

static void call(void)
{
	struct lichen_vcpu_entry entry = { LICHEN_STRUCT(struct lichen_vcpu_entry),
					   .rip = GUEST_CODE + CALL,
					   .gpr[LICHEN_RSP] = GUEST_STACK, .cs = 8, .ss = 16 };
	struct lichen_vcpu_context found, after;
	struct hv_vcpu *cpu = guest.cpu[0];
	struct hv_tables tables;
	struct hv_exit exit;

	hv->vcpu_kick(cpu);
	must(hv->vcpu_run(cpu, &exit) == 0 && exit.kind == HV_EXIT_KICK, "not kicked");
	must(hv->vcpu_borrow(cpu, &found) == 0, "not lent");
	entry.cr3 = found.cr3;
	must(hv->vcpu_tables(cpu, &tables) < 0 ||
		     fw_borrow_faults_land(&memory, &tables, entry.cr3),
	     "it does not take its double faults");
	must(hv->vcpu_enter(cpu, &entry) == 0, "not entered");
	must(hv->vcpu_alarm(cpu, (uint64_t)now_ns() + 10000000000) == 0, "no alarm");
	must(hv->vcpu_run(cpu, &exit) == 0 && exit.kind == HV_EXIT_MSR, "not ended");
	must(hv->vcpu_give_back(cpu, HV_END_DONE, &after) == 0, "not given back");
}

/* ns an exit; calls 1: with a call at each. */
static double round_of(int calls)
{
	const double start = now_ns();

	for (int i = 0; i < EXITS; i++) {
		(void)guest_out(&guest, 0xf4);
		if (calls)
			call();
	}
	return (now_ns() - start) / EXITS;
}

static int compare(const void *a, const void *b)
{
	const double one = *(const double *)a, other = *(const double *)b;

	return (one > other) - (one < other);
}

int main(int argc, char **argv)
{
	const struct hv_msr_range range = { .base = DOORBELL, .count = 1 };
	const int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS;
	static double ports[ROUNDS_MAX], calls[ROUNDS_MAX];
	double port, call_ns;

	must(rounds > 0 && rounds <= ROUNDS_MAX, "rounds: 1 to 10000");
	guest_create(&guest, 1, GUEST_IRQCHIP);
	must(hv->msrs(guest.vm, &range, 1) == 0, "MSRs are not delivered");
	take_faults();
	guest_load(&guest, guest_ports, guest_ports_end, NULL, 0);
	guest_attach(&guest);
	(void)round_of(1);
	for (int i = 0; i < rounds; i++) {
		ports[i] = round_of(0);
		calls[i] = round_of(1);
	}
	qsort(ports, (size_t)rounds, sizeof(*ports), compare);
	qsort(calls, (size_t)rounds, sizeof(*calls), compare);
	port = ports[rounds / 10];
	call_ns = calls[rounds / 10] - port;
	printf("borrow %.0f %.0f %.2f\n", port, call_ns, call_ns / port);
	guest_destroy(&guest);
	return 0;
}
