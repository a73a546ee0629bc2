/* SPDX-License-Identifier: MIT */
/*
 * bench-guest: what linux.sh measures inside the guest.  Linked statically.
 *
 *	bench-guest switch		prints the ns of a context switch between two processes
 *	bench-guest insmod FILE NAME	has insmod load a module, and rmmod remove it; prints
 *the ns of the former, from its start to its end
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

enum { SWITCH_ROUNDS = 10000 };

/* Two processes on one CPU, each of which waits for the other's byte. */
static void measure_switch(void)
{
	int there[2], back[2];
	cpu_set_t one;
	double start;
	pid_t child;
	char byte = 0;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	must(sched_setaffinity(0, sizeof(one), &one) == 0, "sched_setaffinity");
	must(pipe(there) == 0 && pipe(back) == 0, "pipe");
	child = fork();
	if (child == 0) {
		for (int i = 0; i <= SWITCH_ROUNDS; i++)
			must(read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1,
			     "a byte");
		_exit(0);
	}
	must(child > 0, "fork");
	must(write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1, "a byte");
	start = now_ns();
	for (int i = 0; i < SWITCH_ROUNDS; i++)
		must(write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1, "a byte");
	printf("%.0f\n", (now_ns() - start) / (2.0 * SWITCH_ROUNDS));
	must(waitpid(child, NULL, 0) == child, "waitpid");
}

static void run(const char *program, const char *argument)
{
	const pid_t child = fork();
	int status;

	if (child == 0) {
		execl(program, program, argument, NULL);
		_exit(127);
	}
	must(child > 0 && waitpid(child, &status, 0) == child && status == 0, program);
}

static void measure_insmod(const char *file, const char *name)
{
	const double start = now_ns();

	run("/bin/insmod", file);
	printf("%.0f\n", now_ns() - start);
	run("/bin/rmmod", name);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "switch") == 0)
		measure_switch();
	else if (argc == 4 && strcmp(argv[1], "insmod") == 0)
		measure_insmod(argv[2], argv[3]);
	else
		return 2;
	return 0;
}
