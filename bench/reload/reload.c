/* SPDX-License-Identifier: MIT */
/*
 * bench-reload: for how long a guest whose CPUs never rest stands still for a reload, and how
 * long it takes to load a plugin meanwhile.
 *
 *	bench-reload BUILD CPUS TIMES [load]
 *
 * Prints "pause CPUS p50 p99 max", in us, of TIMES reloads of serial16550; or "load CPUS p50
 * p99 max" of the time by which loading debug-port takes longer than dlopen() of its file, and
 * "dlopen CPUS p50 p99 max" of that, in pairs.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plug.h"
#include "reload.h"
#include "vm.h"

enum { BENCH_FAILED = 1, BENCH_WRONG = 2, BENCH_DONE = 9, BENCH_TIMES_MAX = 100000 };
#define BENCH_EVERY_NS UINT64_C(2000000)

static struct {
	struct lichen_vm *vm;
	struct fw_timer timer;
	double *pauses;	 /* ns; or by how much a load takes longer */
	double *dlopens; /* ns; NULL: reloads are measured */
	uint32_t count, times;
	char plugin[4096]; /* the file that is loaded */
} bench;

static void bench_log(void *context, const char *line)
{
	(void)context;
	fprintf(stderr, "%s\n", line);
}

static void bench_reload(void)
{
	struct fw_diags diags = { 0 };
	struct fw_reloaded done;

	if (fw_reload_file(bench.vm, "serial16550", &done, &diags) < 0) {
		fw_diags_print(&diags, stderr);
		exit(BENCH_FAILED);
	}
	bench.pauses[bench.count++] = (double)done.pause_ns;
}

/* The same file, opened by the library alone. */
static double bench_dlopen(void)
{
	const uint64_t before = fw_now_ns();
	void *file = dlopen(bench.plugin, RTLD_NOW | RTLD_LOCAL);
	const uint64_t after = fw_now_ns();

	if (!file || dlclose(file) != 0)
		exit(BENCH_FAILED);
	return (double)(after - before);
}

static void bench_load(void)
{
	const int descriptor = open(bench.plugin, O_RDONLY | O_CLOEXEC);
	struct ld_error error = { "" };
	uint64_t before, after;

	before = fw_now_ns();
	if (fw_plug_load(bench.vm, "debug-port", descriptor, &error) < 0) {
		fprintf(stderr, "%s\n", error.text);
		exit(BENCH_FAILED);
	}
	after = fw_now_ns();
	if (fw_plug_unload(bench.vm, "debug-port", &error) < 0)
		exit(BENCH_FAILED);
	close(descriptor);
	bench.dlopens[bench.count] = bench_dlopen();
	bench.pauses[bench.count] = (double)(after - before) - bench.dlopens[bench.count];
	bench.count++;
}

static void bench_due(struct fw_timer *timer)
{
	if (!fw_timer_fired(timer))
		return;
	if (bench.dlopens)
		bench_load();
	else
		bench_reload();
	if (bench.count == bench.times)
		fw_vm_end(bench.vm, BENCH_DONE, NULL);
	else
		fw_timer_arm(timer, fw_now_ns() + BENCH_EVERY_NS);
}

static int bench_compare(const void *a, const void *b)
{
	const double one = *(const double *)a, other = *(const double *)b;

	return (one > other) - (one < other);
}

/* Sorts the figures. */
static void bench_print(const char *what, const char *cpus, double *figures)
{
	qsort(figures, bench.count, sizeof(*figures), bench_compare);
	printf("%s %s %.1f %.1f %.1f\n", what, cpus, figures[bench.count / 2] / 1e3,
	       figures[(uint64_t)bench.count * 99 / 100] / 1e3, figures[bench.count - 1] / 1e3);
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

	const int loads = argc == 5 && strcmp(argv[4], "load") == 0;

	bench.times = argc == 4 || loads ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;
	if (bench.times == 0 || bench.times > BENCH_TIMES_MAX) {
		fprintf(stderr, "usage: bench-reload BUILD CPUS TIMES [load]\n");
		return BENCH_WRONG;
	}
	(void)snprintf(bench.plugin, sizeof(bench.plugin), "%s/plugins/debug-port.so", argv[1]);
	bench.pauses = calloc(bench.times, sizeof(*bench.pauses));
	if (loads)
		bench.dlopens = calloc(bench.times, sizeof(*bench.dlopens));
	if (!bench.pauses || (loads && !bench.dlopens) || bench_create(argv[1], argv[2]) != 0)
		return BENCH_FAILED;
	bench.timer = (struct fw_timer){ .loop = &bench.vm->loop,
					 .clock = LICHEN_CLOCK_HOST,
					 .due = bench_due };
	fw_timer_arm(&bench.timer, fw_now_ns() + BENCH_EVERY_NS);
	status = lichen_vm_run(bench.vm);
	lichen_vm_destroy(bench.vm);
	bench_print(loads ? "load" : "pause", argv[2], bench.pauses);
	if (loads)
		bench_print("dlopen", argv[2], bench.dlopens);
	free(bench.pauses);
	free(bench.dlopens);
	return status == BENCH_DONE ? 0 : BENCH_FAILED;
}
