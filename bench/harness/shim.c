/* SPDX-License-Identifier: MIT */
/*
 * shim: what a program does with KVM, seen from between it and the C library (LD_PRELOAD).
 * It is put before both programs of a pair, so that its own cost is in both.
 *
 *	BENCH_SHIM=gaps OUT-FD		for each KVM_RUN but the first, the time from the return
 *of the one before; at the end one line on OUT-FD: COUNT MEDIAN MEAN (ns; the mean without the
 *highest 1 %) BENCH_SHIM=first OUT-FD GO-FD	when a KVM_RUN has first returned 0, one line on
 *OUT-FD: CLOCK (ns, CLOCK_MONOTONIC) and the ranges of guest memory (start and size,
 *hexadecimal); then waits until GO-FD ends
 *
 * Limits: one thread runs a vCPU; at most SHIM_GAPS gaps and SHIM_RANGES ranges are kept.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

enum { SHIM_OFF = 0, SHIM_GAPS_MODE = 1, SHIM_FIRST = 2 };
enum { SHIM_GAPS = 1 << 18, SHIM_RANGES = 16 };

static int shim_mode, shim_out, shim_go;
static uint32_t shim_gaps[SHIM_GAPS]; /* TSC ticks */
static uint32_t shim_count, shim_range_count;
static uint64_t shim_left; /* TSC when the last KVM_RUN returned; 0: there was none */
static uint64_t shim_tsc, shim_ns;
static struct {
	uint64_t start, size;
} shim_ranges[SHIM_RANGES];

int ioctl(int fd, unsigned long request, ...);

static uint64_t shim_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Neither earlier nor later instructions of the program cross it. */
static inline uint64_t shim_ticks(void)
{
	uint64_t ticks;

	_mm_lfence();
	ticks = __rdtsc();
	_mm_lfence();
	return ticks;
}

__attribute__((constructor)) static void shim_start(void)
{
	const char *text = getenv("BENCH_SHIM");

	if (text && sscanf(text, "gaps %d", &shim_out) == 1)
		shim_mode = SHIM_GAPS_MODE;
	else if (text && sscanf(text, "first %d %d", &shim_out, &shim_go) == 2)
		shim_mode = SHIM_FIRST;
	unsetenv("BENCH_SHIM");
	unsetenv("LD_PRELOAD");
	shim_tsc = shim_ticks();
	shim_ns = shim_now();
}

static int shim_order(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

__attribute__((destructor)) static void shim_end(void)
{
	const uint32_t used = shim_count - shim_count / 100;
	uint64_t sum = 0;
	double ns;

	if (shim_mode != SHIM_GAPS_MODE || shim_count == 0)
		return;
	ns = (double)(shim_now() - shim_ns) / (double)(shim_ticks() - shim_tsc);
	qsort(shim_gaps, shim_count, sizeof(shim_gaps[0]), shim_order);
	for (uint32_t i = 0; i < used; i++)
		sum += shim_gaps[i];
	dprintf(shim_out, "%u %.1f %.1f\n", shim_count, shim_gaps[shim_count / 2] * ns,
		(double)sum / used * ns);
}

static void shim_first(void)
{
	char line[64 + SHIM_RANGES * 40];
	int n = snprintf(line, sizeof(line), "%llu", (unsigned long long)shim_now());
	char byte;

	for (uint32_t i = 0; i < shim_range_count; i++)
		n += snprintf(line + n, sizeof(line) - (size_t)n, " %llx %llx",
			      (unsigned long long)shim_ranges[i].start,
			      (unsigned long long)shim_ranges[i].size);
	line[n++] = '\n';
	shim_mode = SHIM_OFF;
	if (write(shim_out, line, (size_t)n) != n)
		return;
	while (read(shim_go, &byte, 1) < 0 && errno == EINTR)
		;
}

static int shim_run(int fd, void *argument)
{
	int result;

	if (shim_mode == SHIM_GAPS_MODE && shim_left) {
		const uint64_t gap = shim_ticks() - shim_left;

		if (shim_count < SHIM_GAPS)
			shim_gaps[shim_count++] = gap < UINT32_MAX ? (uint32_t)gap : UINT32_MAX;
	}
	result = (int)syscall(SYS_ioctl, fd, KVM_RUN, argument);
	if (shim_mode == SHIM_FIRST && result == 0)
		shim_first();
	shim_left = shim_ticks();
	return result;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list list;
	void *argument;

	va_start(list, request);
	argument = va_arg(list, void *);
	va_end(list);
	if (request == KVM_RUN)
		return shim_run(fd, argument);
	if (request == KVM_SET_USER_MEMORY_REGION && shim_range_count < SHIM_RANGES) {
		const struct kvm_userspace_memory_region *region = argument;

		shim_ranges[shim_range_count].start = region->userspace_addr;
		shim_ranges[shim_range_count++].size = region->memory_size;
	}
	return (int)syscall(SYS_ioctl, fd, request, argument);
}
