/* SPDX-License-Identifier: MIT */
/*
 * bench-reload: for how long a guest whose CPUs never rest stands still for a reload.
 *
 *	bench-reload BUILD CPUS TIMES
 *
 * Prints "pause CPUS p50 p99 max", in us, of TIMES reloads of serial16550.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reload.h"
#include "vm.h"

enum { BENCH_FAILED = 1, BENCH_WRONG = 2, BENCH_DONE = 9, BENCH_TIMES_MAX = 100000 };
#define BENCH_EVERY_NS UINT64_C(2000000)

static struct {
	struct lichen_vm *vm;
	struct fw_timer timer;
	uint64_t *pauses; /* ns */
	uint32_t count, times;
} bench;

static void bench_log(void *context, const char *line)
{
	(void)context;
	fprintf(stderr, "%s\n", line);
}

static void bench_due(struct fw_timer *timer)
{
	struct fw_diags diags = { 0 };
	struct fw_reloaded done;

	if (!fw_timer_fired(timer))
		return;
	if (fw_reload_file(bench.vm, "serial16550", &done, &diags) < 0) {
		fw_diags_print(&diags, stderr);
		exit(BENCH_FAILED);
	}
	bench.pauses[bench.count++] = done.pause_ns;
	if (bench.count == bench.times)
		fw_vm_end(bench.vm, BENCH_DONE, NULL);
	else
		fw_timer_arm(timer, fw_now_ns() + BENCH_EVERY_NS);
}

static int bench_compare(const void *a, const void *b)
{
	const uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return (one > other) - (one < other);
}

/* The profile, which is removed when it has been read. */
static int bench_create(const char *build, const char *cpus)
{
	char file[] = "/tmp/bench-reload-XXXXXX.yaml", plugins[4096];
	const struct lichen_vm_options options = { .struct_size = sizeof(options),
						   .profile = file,
						   .plugin_path = plugins,
						   .console_in = -1,
						   .console_out = -1,
						   .log_level = LICHEN_LOG_WARN,
						   .log = bench_log };
	const int descriptor = mkstemps(file, 5);
	int status;

	if (descriptor < 0)
		return BENCH_FAILED;
	dprintf(descriptor,
		"lichen: 1\ncpus: %s\nmemory: { size: 4M }\n"
		"boot: { plugin: flat, image: \"%s/guests/churn.bin\" }\n"
		"devices:\n  - { plugin: kvm-irqchip }\n"
		"  - { plugin: serial16550, port: 0x3f8, irq: 4, backend: { plugin: \"null\" } "
		"}\n"
		"  - { plugin: debug-exit }\n",
		cpus, build);
	close(descriptor);
	snprintf(plugins, sizeof(plugins), "%s/plugins", build);
	status = fw_vm_create(&options, &hv_kvm, &bench.vm);
	unlink(file);
	return status;
}

int main(int argc, char **argv)
{
	int status;

	bench.times = argc == 4 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;
	if (bench.times == 0 || bench.times > BENCH_TIMES_MAX) {
		fprintf(stderr, "usage: bench-reload BUILD CPUS TIMES\n");
		return BENCH_WRONG;
	}
	bench.pauses = calloc(bench.times, sizeof(*bench.pauses));
	if (!bench.pauses || bench_create(argv[1], argv[2]) != 0)
		return BENCH_FAILED;
	bench.timer = (struct fw_timer){ .loop = &bench.vm->loop,
					 .clock = LICHEN_CLOCK_HOST,
					 .due = bench_due };
	fw_timer_arm(&bench.timer, fw_now_ns() + BENCH_EVERY_NS);
	status = lichen_vm_run(bench.vm);
	lichen_vm_destroy(bench.vm);
	qsort(bench.pauses, bench.count, sizeof(*bench.pauses), bench_compare);
	printf("pause %s %.1f %.1f %.1f\n", argv[2],
	       (double)bench.pauses[bench.count / 2] / 1e3,
	       (double)bench.pauses[(uint64_t)bench.count * 99 / 100] / 1e3,
	       (double)bench.pauses[bench.count - 1] / 1e3);
	free(bench.pauses);
	return status == BENCH_DONE ? 0 : BENCH_FAILED;
}
