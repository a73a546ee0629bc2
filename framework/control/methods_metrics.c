/* SPDX-License-Identifier: MIT */
/* methods_metrics.c: what is counted: exits, accesses to windows, time, memory. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "control/server.h"

static const char *const exit_names[FW_COUNT_EXITS] = {
	[HV_EXIT_KICK] = "kick",	 [HV_EXIT_IO] = "io",
	[HV_EXIT_MMIO] = "mmio",	 [HV_EXIT_MSR] = "msr",
	[HV_EXIT_HALT] = "halt",	 [HV_EXIT_SHUTDOWN] = "shutdown",
	[HV_EXIT_INTERNAL] = "internal", [HV_EXIT_ENTRY] = "entry",
	[HV_EXIT_RESET] = "reset",	 [HV_EXIT_OTHER] = "other",
};

_Static_assert(HV_EXIT_OTHER + 1 == FW_COUNT_EXITS, "each kind of exit is counted");

#define EXIT_MEMBER(name_, help_)                                                      \
	{                                                                              \
		.name = (name_), .kind = FW_HEX, .flags = FW_REQUIRED, .help = (help_) \
	}

static const struct fw_member exit_members[] = {
	EXIT_MEMBER("kick", "asked for by Lichen, or a signal"),
	EXIT_MEMBER("io", "port accesses"),
	EXIT_MEMBER("mmio", "accesses to addresses where no memory is"),
	EXIT_MEMBER("msr", "accesses to MSRs that somebody claimed"),
	EXIT_MEMBER("halt", "halted without an irqchip"),
	EXIT_MEMBER("shutdown", "triple faults"),
	EXIT_MEMBER("internal", "the hypervisor gave up"),
	EXIT_MEMBER("entry", "the hardware refused the state"),
	EXIT_MEMBER("reset", "reset requests that the hypervisor saw"),
	EXIT_MEMBER("other", "of no known kind"),
};
static const struct fw_member bucket_members[] = {
	{ .name = "below_ns",
	  .kind = FW_HEX,
	  .flags = FW_NULLABLE | FW_REQUIRED,
	  .help = "upper bound; null: none" },
	{ .name = "count", .kind = FW_HEX, .flags = FW_REQUIRED, .help = "that took so long" },
};
static const struct fw_member vcpu_members[] = {
	{ .name = "index", .kind = FW_NUMBER, .flags = FW_REQUIRED, .help = "of the vCPU" },
	{ .name = "cpu_ns",
	  .kind = FW_HEX,
	  .flags = FW_REQUIRED,
	  .help = "that its thread has run, guest and host together" },
	{ .name = "exits",
	  .kind = FW_OBJECT,
	  .flags = FW_REQUIRED,
	  FW_MEMBERS(exit_members),
	  .help = "to Lichen, by reason; what KVM serves itself is not counted" },
	{ .name = "sampled",
	  .kind = FW_HEX,
	  .flags = FW_REQUIRED,
	  .help = "exits whose dispatch was timed, one of 1024" },
	{ .name = "sampled_ns",
	  .kind = FW_HEX,
	  .flags = FW_REQUIRED,
	  .help = "that these took together" },
	{ .name = "dispatch",
	  .kind = FW_LIST,
	  .flags = FW_REQUIRED,
	  FW_MEMBERS(bucket_members),
	  .help = "the same, as a histogram" },
};
static const struct fw_member access_members[] = {
	{ .name = "id", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "of the instance" },
	{ .name = "plugin", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "its plugin" },
	{ .name = "window", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "its name" },
	{ .name = "accesses", .kind = FW_HEX, .flags = FW_REQUIRED, .help = "of all vCPUs" },
};
static const struct fw_member memory_members[] = {
	{ .name = "guest", .kind = FW_HEX, .flags = FW_REQUIRED, .help = "bytes of RAM" },
	{ .name = "resident",
	  .kind = FW_HEX,
	  .flags = FW_REQUIRED,
	  .help = "bytes of the process in the host's memory, touched RAM included" },
	{ .name = "shared",
	  .kind = FW_HEX,
	  .flags = FW_REQUIRED,
	  .help = "of these such as are of files or shared" },
};
static const struct fw_member metrics_result[] = {
	{ .name = "name", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "of the VM" },
	{ .name = "uptime_ns",
	  .kind = FW_HEX,
	  .flags = FW_REQUIRED,
	  .help = "since the VM was put together" },
	{ .name = "guest_ns",
	  .kind = FW_HEX,
	  .flags = FW_REQUIRED,
	  .help = "of these the guest was not paused" },
	{ .name = "vcpus",
	  .kind = FW_LIST,
	  .flags = FW_REQUIRED,
	  FW_MEMBERS(vcpu_members),
	  .help = "each of them" },
	{ .name = "windows",
	  .kind = FW_LIST,
	  .flags = FW_REQUIRED,
	  FW_MEMBERS(access_members),
	  .help = "that are or were placed" },
	{ .name = "memory",
	  .kind = FW_OBJECT,
	  .flags = FW_REQUIRED,
	  FW_MEMBERS(memory_members),
	  .help = "of guest and process" },
};

static json_t *metrics_exits(const struct fw_tally *tally)
{
	json_t *exits = json_object();

	for (uint32_t i = HV_EXIT_KICK; i < FW_COUNT_EXITS; i++)
		(void)json_object_set_new(exits, exit_names[i],
					  fw_json_hex(fw_counted(&tally->exits[i])));
	return exits;
}

static json_t *metrics_dispatch(const struct fw_tally *tally)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < FW_COUNT_BUCKETS; i++) {
		json_t *below = i == FW_COUNT_BUCKETS - 1
					? json_null()
					: fw_json_hex(UINT64_C(1) << (i + FW_COUNT_FIRST));

		(void)json_array_append_new(
			list, json_pack("{s:o, s:o}", "below_ns", below, "count",
					fw_json_hex(fw_counted(&tally->dispatch[i]))));
	}
	return list;
}

static uint64_t metrics_cpu_ns(const struct fw_vcpu *vcpu)
{
	struct timespec time;
	clockid_t clock;

	if (!vcpu->started || pthread_getcpuclockid(vcpu->thread, &clock) != 0 ||
	    clock_gettime(clock, &time) < 0)
		return 0;
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static json_t *metrics_vcpu(const struct fw_vcpu *vcpu)
{
	const struct fw_tally *tally = vcpu->tally;

	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o}", "index", (int)vcpu->index, "cpu_ns",
			 fw_json_hex(metrics_cpu_ns(vcpu)), "exits", metrics_exits(tally),
			 "sampled", fw_json_hex(fw_counted(&tally->sampled)), "sampled_ns",
			 fw_json_hex(fw_counted(&tally->sampled_ns)), "dispatch",
			 metrics_dispatch(tally));
}

static void metrics_windows(json_t *list, const struct lichen_instance *in)
{
	for (uint32_t i = 0; i < in->class->windows.count; i++) {
		const struct lichen_window *window =
			&FW_ITEMS(struct lichen_window, in->class->windows)[i];
		const uint32_t counter = in->places[i].counter;

		if (counter)
			(void)json_array_append_new(
				list,
				json_pack("{s:s, s:s, s:s, s:o}", "id", in->spec->id, "plugin",
					  ld_plugin_info(in->spec->plugin)->name, "window",
					  window->name, "accesses",
					  fw_json_hex(fw_counter_read(in->vm, counter))));
	}
}

static json_t *metrics_memory(const struct lichen_vm *vm)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t size = 0, resident = 0, shared = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file &&
	    fscanf(file, "%" SCNu64 " %" SCNu64 " %" SCNu64, &size, &resident, &shared) != 3)
		resident = shared = 0;
	if (file)
		(void)fclose(file);
	return json_pack("{s:o, s:o, s:o}", "guest", fw_json_hex(vm->profile->memory_size),
			 "resident", fw_json_hex(resident * page), "shared",
			 fw_json_hex(shared * page));
}

static void run_metrics(struct fw_call *call)
{
	struct lichen_vm *vm = fw_call_vm(call);
	json_t *vcpus = json_array(), *windows = json_array();

	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		(void)json_array_append_new(vcpus, metrics_vcpu(&vm->vcpus[i]));
	for (uint32_t i = 0; i < vm->instance_count; i++)
		metrics_windows(windows, vm->instances[i]);
	fw_call_answer(call, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "name",
				       vm->profile->name, "uptime_ns",
				       fw_json_hex(fw_now_ns() - vm->log.start_ns), "guest_ns",
				       fw_json_hex(fw_clock_now(&vm->loop, LICHEN_CLOCK_GUEST)),
				       "vcpus", vcpus, "windows", windows, "memory",
				       metrics_memory(vm)));
}

static const struct fw_method metrics_methods[] = {
	{ .name = "metrics",
	  .help = "what is counted, since the VM was put together",
	  FW_RESULT(metrics_result),
	  .run = run_metrics },
};

const struct fw_methods fw_methods_metrics = {
	metrics_methods, sizeof(metrics_methods) / sizeof(metrics_methods[0])
};
