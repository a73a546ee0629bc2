/* SPDX-License-Identifier: MIT */
/*
 * bench-start: two programs from their start to their guest's first exit, in turn.
 *
 *	bench-start PAIRS SHIM COMMAND-A... -- COMMAND-B...
 *
 * Prints for each pair the lines
 *	first A B	ms from before the program's start to the return of the KVM_RUN that
 *			brings the first exit (the shim's clock, in both programs)
 *	end A B		ms from before the start to after the program's end, without the shim
 *	pss A B		MiB at the first exit, without guest memory
 *	peak A B	the same, and what the process had resident at its peak above that
 *			moment: the peak's Pss is at most this
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { START_RANGES = 16, START_PAIRS_MAX = 10000, START_WRONG = 2 };

/* The shim's descriptors in the program. */
enum { START_OUT = 8, START_GO = 9 };

struct start_run {
	double first_ms, pss_mib, peak_mib;
};

static const char *start_shim;

__attribute__((noreturn)) static void start_fail(const char *what)
{
	fprintf(stderr, "bench-start: %s: %s\n", what, strerror(errno));
	exit(START_WRONG);
}

static uint64_t start_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The environment, and before it two variables: the shim's, or as many for nothing. */
static char **start_environment(int shim)
{
	static char preload[4096], mode[64], nothing[] = "BENCH_NO_SHIM=1";
	size_t count = 0;
	char **made;

	while (environ[count])
		count++;
	made = calloc(count + 3, sizeof(*made));
	if (!made)
		start_fail("memory");
	memcpy(made + 2, environ, count * sizeof(*made));
	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", start_shim);
	snprintf(mode, sizeof(mode), "BENCH_SHIM=first %d %d", START_OUT, START_GO);
	made[0] = shim ? preload : nothing;
	made[1] = shim ? mode : nothing;
	return made;
}

static pid_t start_spawn(char **command, char **environment, const int *out, const int *go)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int error;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	if (out) {
		posix_spawn_file_actions_adddup2(&actions, out[1], START_OUT);
		posix_spawn_file_actions_adddup2(&actions, go[0], START_GO);
	}
	error = posix_spawn(&pid, command[0], &actions, NULL, command, environment);
	posix_spawn_file_actions_destroy(&actions);
	if (error) {
		errno = error;
		start_fail(command[0]);
	}
	return pid;
}

/* The guests of this bench end with 1. */
static void start_wait(pid_t pid, const char *program)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		start_fail("waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 1) {
		fprintf(stderr, "bench-start: %s: status 0x%x, want exit 1\n", program,
			(unsigned)status);
		exit(START_WRONG);
	}
}

/* "CLOCK START SIZE START SIZE...": returns how many ranges. */
static uint32_t start_parse(char *line, uint64_t *clock, uint64_t *starts, uint64_t *sizes)
{
	uint32_t count = 0;
	char *at = line, *end;

	*clock = strtoull(at, &end, 10);
	while (count < START_RANGES) {
		at = end;
		starts[count] = strtoull(at, &end, 16);
		if (end == at)
			break;
		at = end;
		sizes[count++] = strtoull(at, &end, 16);
	}
	return count;
}

/* The number after `key` in a line of /proc; 0: it is another line. */
static int start_value(const char *line, const char *key, double *kib)
{
	const size_t n = strlen(key);

	if (strncmp(line, key, n) != 0)
		return 0;
	*kib = strtod(line + n, NULL);
	return 1;
}

static FILE *start_proc(pid_t pid, const char *name)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	file = fopen(path, "re");
	if (!file)
		start_fail(path);
	return file;
}

/* KiB of Pss outside the ranges.  A mapping that holds more than a range would hide it. */
static double start_pss(pid_t pid, uint32_t count, const uint64_t *starts,
			const uint64_t *sizes)
{
	FILE *file = start_proc(pid, "smaps");
	unsigned long from, to;
	double sum = 0, kib;
	char line[1024];
	int inside = 0;

	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
			inside = 0;
			for (uint32_t i = 0; i < count; i++)
				if (from < starts[i] + sizes[i] && starts[i] < to) {
					inside =
						from >= starts[i] && to <= starts[i] + sizes[i];
					if (!inside) {
						errno = ERANGE;
						start_fail("guest memory shares a mapping");
					}
				}
		} else if (!inside && start_value(line, "Pss:", &kib)) {
			sum += kib;
		}
	}
	fclose(file);
	return sum;
}

/* KiB that were resident at the peak and are not now. */
static double start_beyond(pid_t pid)
{
	FILE *file = start_proc(pid, "status");
	double peak = 0, now = 0;
	char line[1024];

	while (fgets(line, sizeof(line), file))
		(void)(start_value(line, "VmHWM:", &peak) || start_value(line, "VmRSS:", &now));
	fclose(file);
	return peak > now ? peak - now : 0;
}

static struct start_run start_first(char **command, char **environment)
{
	uint64_t starts[START_RANGES], sizes[START_RANGES], clock, before;
	struct start_run run;
	int out[2], go[2];
	char line[1024];
	uint32_t count;
	ssize_t n;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) || pipe2(go, O_CLOEXEC))
		start_fail("pipe");
	before = start_now();
	pid = start_spawn(command, environment, out, go);
	close(out[1]);
	close(go[0]);
	n = read(out[0], line, sizeof(line) - 1);
	if (n <= 0)
		start_fail("the program ended before its guest's first exit");
	line[n] = '\0';
	count = start_parse(line, &clock, starts, sizes);
	run.first_ms = (double)(clock - before) / 1e6;
	run.pss_mib = start_pss(pid, count, starts, sizes) / 1024;
	run.peak_mib = run.pss_mib + start_beyond(pid) / 1024;
	close(go[1]);
	close(out[0]);
	start_wait(pid, command[0]);
	return run;
}

static double start_end(char **command, char **environment)
{
	const uint64_t before = start_now();

	start_wait(start_spawn(command, environment, NULL, NULL), command[0]);
	return (double)(start_now() - before) / 1e6;
}

int main(int argc, char **argv)
{
	char **a = argv + 3, **b = a, **with, **without;
	long pairs = argc > 3 ? strtol(argv[1], NULL, 10) : 0;

	while (*b && strcmp(*b, "--") != 0)
		b++;
	if (pairs < 1 || pairs > START_PAIRS_MAX || !*b || b == a || !b[1]) {
		fprintf(stderr, "usage: bench-start PAIRS SHIM COMMAND-A... -- COMMAND-B...\n");
		return START_WRONG;
	}
	*b++ = NULL;
	start_shim = argv[2];
	with = start_environment(1);
	without = start_environment(0);
	for (long i = 0; i < pairs; i++) {
		const struct start_run one = start_first(a, with);
		const struct start_run two = start_first(b, with);
		const double end_one = start_end(a, without), end_two = start_end(b, without);

		printf("first %.3f %.3f\n", one.first_ms, two.first_ms);
		printf("end %.3f %.3f\n", end_one, end_two);
		printf("pss %.3f %.3f\n", one.pss_mib, two.pss_mib);
		printf("peak %.3f %.3f\n", one.peak_mib, two.peak_mib);
		fflush(stdout);
	}
	free(with);
	free(without);
	return 0;
}
