/* SPDX-License-Identifier: MIT */
/* metrics.c: `lichen metrics`: what a VM counts, as JSON or as Prometheus reads it. */
#include <inttypes.h>

#include "cli.h"
#include "remote.h"

static void prom_head(const char *name, const char *type, const char *help)
{
	printf("# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static double prom_seconds(const json_t *object, const char *member)
{
	return (double)cli_hex(object, member) / 1e9;
}

static int prom_index(const json_t *vcpu)
{
	return (int)json_integer_value(json_object_get(vcpu, "index"));
}

static void prom_exits(const char *vm, const json_t *vcpus)
{
	const json_t *vcpu;
	size_t i;

	prom_head("lichen_exits_total", "counter", "Exits of a vCPU to Lichen, by reason.");
	json_array_foreach(vcpus, i, vcpu)
	{
		json_t *exits = json_object_get(vcpu, "exits"), *value;
		const char *reason;

		json_object_foreach(exits, reason, value) printf(
			"lichen_exits_total{vm=\"%s\",vcpu=\"%d\",reason=\"%s\"} %" PRIu64 "\n",
			vm, prom_index(vcpu), reason, cli_hex(exits, reason));
	}
}

static void prom_cpu(const char *vm, const json_t *vcpus)
{
	const json_t *vcpu;
	size_t i;

	prom_head("lichen_vcpu_cpu_seconds_total", "counter",
		  "Time that a vCPU's thread has run, guest and host together.");
	json_array_foreach(vcpus, i, vcpu)
		printf("lichen_vcpu_cpu_seconds_total{vm=\"%s\",vcpu=\"%d\"} %.9f\n", vm,
		       prom_index(vcpu), prom_seconds(vcpu, "cpu_ns"));
}

/* Its buckets are those below, in sum. */
static void prom_dispatch(const char *vm, const json_t *vcpus)
{
	const char *const name = "lichen_dispatch_seconds";
	const json_t *vcpu, *bucket;
	size_t i, b;

	prom_head(name, "histogram", "Dispatch of an exit, of one exit in 1024.");
	json_array_foreach(vcpus, i, vcpu)
	{
		uint64_t sum = 0;

		json_array_foreach(json_object_get(vcpu, "dispatch"), b, bucket)
		{
			sum += cli_hex(bucket, "count");
			printf("%s_bucket{vm=\"%s\",vcpu=\"%d\",le=\"", name, vm,
			       prom_index(vcpu));
			if (json_is_null(json_object_get(bucket, "below_ns")))
				printf("+Inf");
			else
				printf("%.9f", prom_seconds(bucket, "below_ns"));
			printf("\"} %" PRIu64 "\n", sum);
		}
		printf("%s_sum{vm=\"%s\",vcpu=\"%d\"} %.9f\n", name, vm, prom_index(vcpu),
		       prom_seconds(vcpu, "sampled_ns"));
		printf("%s_count{vm=\"%s\",vcpu=\"%d\"} %" PRIu64 "\n", name, vm,
		       prom_index(vcpu), cli_hex(vcpu, "sampled"));
	}
}

static void prom_windows(const char *vm, const json_t *windows)
{
	const json_t *window;
	size_t i;

	prom_head("lichen_window_accesses_total", "counter",
		  "Accesses of the guest to a window of a device.");
	json_array_foreach(windows, i, window)
		printf("lichen_window_accesses_total{vm=\"%s\",device=\"%s\",plugin=\"%s\","
		       "window=\"%s\"} %" PRIu64 "\n",
		       vm, cli_text(window, "id"), cli_text(window, "plugin"),
		       cli_text(window, "window"), cli_hex(window, "accesses"));
}

static void prom_print(const json_t *metrics)
{
	const char *vm = cli_text(metrics, "name");
	const json_t *vcpus = json_object_get(metrics, "vcpus");
	const json_t *memory = json_object_get(metrics, "memory");

	prom_head("lichen_uptime_seconds", "gauge", "Age of the VM.");
	printf("lichen_uptime_seconds{vm=\"%s\"} %.3f\n", vm,
	       prom_seconds(metrics, "uptime_ns"));
	prom_head("lichen_guest_seconds_total", "counter",
		  "Time for which the guest was not paused.");
	printf("lichen_guest_seconds_total{vm=\"%s\"} %.3f\n", vm,
	       prom_seconds(metrics, "guest_ns"));
	prom_head("lichen_guest_memory_bytes", "gauge", "RAM of the guest.");
	printf("lichen_guest_memory_bytes{vm=\"%s\"} %" PRIu64 "\n", vm,
	       cli_hex(memory, "guest"));
	prom_head("lichen_resident_memory_bytes", "gauge",
		  "Memory of the process, RAM that the guest has touched included.");
	printf("lichen_resident_memory_bytes{vm=\"%s\"} %" PRIu64 "\n", vm,
	       cli_hex(memory, "resident"));
	prom_cpu(vm, vcpus);
	prom_exits(vm, vcpus);
	prom_dispatch(vm, vcpus);
	prom_windows(vm, json_object_get(metrics, "windows"));
}

int cli_metrics(const struct cli_options *options)
{
	struct cli_remote remote;
	json_t *metrics = NULL;
	int status = cli_remote_open(&remote, options->operand, 0);

	if (status)
		return status;
	status = cli_remote_call(&remote, "metrics", NULL, NULL, 0, &metrics);
	if (status == 0 && options->form == LICHEN_FORM_JSON)
		cli_print_json(metrics);
	else if (status == 0)
		prom_print(metrics);
	json_decref(metrics);
	cli_remote_close(&remote);
	return cli_flush(status);
}
