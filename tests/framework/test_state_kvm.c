/* SPDX-License-Identifier: MIT */
/*
 * A pebble guest that works with every device is stopped at random exits, saved, and goes
 * on in a new VM; what it says must be what it says undisturbed.
 */
#include <stdatomic.h>
#include <sys/stat.h>

#include "state.h"
#include "tap.h"
#include "vm.h"

/* libuv keeps a pipe for signals from its first loop on: let it, before leaks are counted. */
__attribute__((constructor)) static void first_loop(void)
{
	static struct fw_loop loop;

	if (fw_loop_open(&loop) == 0)
		fw_loop_close(&loop);
}

enum {
	PORT_FIRST = 0x9000, /* of the guest's trace, and 4 and 8 on */
	PORTS = 3,
	TRACE_MAX = 1 << 14, /* values */
	SAVED = 9,	     /* how a run ends that was stopped */
	PASSED = 1,	     /* what the guest ends with */
};

struct trace {
	uint32_t count[PORTS];
	uint32_t value[PORTS][TRACE_MAX];
};

/* Of the VM that runs now. */
static struct {
	struct lichen_vm *vm;
	_Atomic uint32_t exits;
	uint32_t stop_at; /* number of the exit after which it is saved; 0: none */
	struct trace trace;
	struct fw_buffer state;
	lichen_status status;
	struct ld_error error;
} now;

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % limit;
}

/* --- the hook: hv_kvm, with its exits counted --- */

static void save_run(struct fw_post *post)
{
	struct lichen_vm *vm = now.vm;

	(void)post;
	fw_vcpus_park(vm);
	fw_clock_run(&vm->loop, 0);
	fw_vm_pause_instances(vm);
	vm->paused = 1;
	now.state.size = 0;
	now.status = fw_state_save(vm, &now.state, &now.error);
	fw_vm_end(vm, SAVED, NULL);
}

static void note(const struct hv_exit *exit)
{
	const uint32_t port = (uint32_t)(exit->io.port - PORT_FIRST) / 4;

	if (exit->io.port < PORT_FIRST || port >= PORTS || !exit->io.write)
		return;
	for (uint32_t i = 0; i < exit->io.count && now.trace.count[port] < TRACE_MAX; i++) {
		uint32_t value = 0;

		memcpy(&value, exit->io.data + i * exit->io.size, exit->io.size);
		now.trace.value[port][now.trace.count[port]++] = value;
	}
}

static void saw(const struct hv_exit *exit)
{
	if (exit->kind == HV_EXIT_KICK)
		return;
	if (exit->kind == HV_EXIT_IO)
		note(exit);
	if (atomic_fetch_add(&now.exits, 1) + 1 == now.stop_at) {
		struct fw_post *post = calloc(1, sizeof(*post));

		fw_gate_shut(&now.vm->gate);
		post->run = save_run;
		fw_loop_post(&now.vm->loop, post);
	}
}

static lichen_status counted_run(struct hv_vcpu *vcpu, struct hv_exit *exit)
{
	const lichen_status status = hv_kvm.vcpu_run(vcpu, exit);

	if (status == 0)
		saw(exit);
	return status;
}

static lichen_status counted_settle(struct hv_vcpu *vcpu, struct hv_exit *exit)
{
	const lichen_status status = hv_kvm.vcpu_settle(vcpu, exit);

	if (status == 0)
		saw(exit);
	return status;
}

/* --- the machine --- */

static char folder[32], profile[64];

static void machine_begin(void)
{
	const char *build = getenv("LICHEN_BUILD"), *require = getenv("LICHEN_REQUIRE_KVM");
	struct hv_vm *vm = NULL;
	struct ld_error error;
	FILE *file;

	if (hv_kvm.vm_create(-1, 2, &vm, &error) < 0) {
		CHECK(!require || strcmp(require, "1") != 0);
		SKIP(error.text);
	}
	hv_kvm.vm_destroy(vm);
	(void)snprintf(folder, sizeof(folder), "/tmp/lichen-test-XXXXXX");
	CHECK(mkdtemp(folder) != NULL);
	(void)snprintf(profile, sizeof(profile), "%s/trace.yaml", folder);
	file = fopen(profile, "we");
	CHECK(file != NULL);
	fprintf(file,
		"lichen: 1\nname: trace\ncpus: 2\nmemory: { size: 2M }\n"
		"boot: { plugin: flat, image: \"%s/guests/trace.bin\" }\n"
		"devices:\n"
		"  - { plugin: kvm-irqchip }\n  - { plugin: kvm-pit }\n"
		"  - { plugin: rtc-cmos }\n  - { plugin: i8042 }\n  - { plugin: acpi }\n"
		"  - { plugin: serial16550, id: com1, backend: { plugin: 'null' } }\n"
		"  - { plugin: debug-exit }\n",
		build ? build : STATE_BUILD);
	CHECK_EQ(0, fclose(file));
}

static void machine_end(void)
{
	unlink(profile);
	rmdir(folder);
	fw_buffer_clear(&now.state);
}

static void machine_create(void)
{
	static struct hv_ops counted;
	const char *build = getenv("LICHEN_BUILD");
	char plugins[512];
	const struct lichen_vm_options options = { .struct_size = sizeof(options),
						   .profile = profile,
						   .plugin_path = plugins,
						   .log_level = LICHEN_LOG_WARN,
						   .console_in = -1,
						   .console_out = -1 };

	counted = hv_kvm;
	counted.vcpu_run = counted_run;
	counted.vcpu_settle = counted_settle;
	(void)snprintf(plugins, sizeof(plugins), "%s/plugins", build ? build : STATE_BUILD);
	CHECK_EQ(0, fw_vm_create(&options, &counted, &now.vm));
}

/* Runs the guest from the start, stopped after `gaps` exits each time, to its end. */
static uint32_t machine_run(uint32_t points, uint32_t exits)
{
	uint32_t stops = 0, status;

	memset(&now.trace, 0, sizeof(now.trace));
	atomic_store(&now.exits, 0);
	do {
		machine_create();
		if (stops) {
			const lichen_status loaded = fw_state_load(now.vm, now.state.bytes,
								   now.state.size, &now.error);

			if (loaded < 0)
				printf("# %s\n", now.error.text);
			CHECK_EQ(0, loaded);
		}
		now.stop_at = stops < points ? atomic_load(&now.exits) + 1 +
						       random_below(2 * exits / points)
					     : 0;
		status = (uint32_t)lichen_vm_run(now.vm);
		lichen_vm_destroy(now.vm);
		if (status == SAVED) {
			if (now.status < 0)
				printf("# %s\n", now.error.text);
			CHECK_EQ(0, now.status);
			stops++;
		}
	} while (status == SAVED);
	CHECK_EQ(PASSED, status);
	return stops;
}

static void same(const struct trace *want, const struct trace *got)
{
	for (uint32_t port = 0; port < PORTS; port++) {
		for (uint32_t i = 0; i < want->count[port] && i < got->count[port]; i++)
			if (want->value[port][i] != got->value[port][i])
				tap_fail("port %u: value %u of %u: want 0x%x, got 0x%x", port,
					 i, want->count[port], want->value[port][i],
					 got->value[port][i]);
		CHECK_EQ(want->count[port], got->count[port]);
	}
}

/* `points` stops in all, in as many runs as it takes. */
static void stopped_at(uint64_t seed, uint32_t points)
{
	static struct trace want;
	uint32_t exits, stops = 0;

	machine_begin();
	random_state = seed;
	(void)machine_run(0, 0);
	want = now.trace;
	exits = atomic_load(&now.exits);
	CHECK(want.count[0] > 500 && want.count[1] > 10 && want.count[2] > 100);
	while (stops < points) {
		const uint32_t more = points - stops < 20 ? points - stops : 20;

		stops += machine_run(more, exits);
		same(&want, &now.trace);
		alarm(TAP_TIMEOUT_S); /* there is progress */
	}
	printf("# %u stops in runs of %u exits\n", stops, exits);
	machine_end();
}

#define STOPS(name, seed)                         \
	TEST(name)                                \
	{                                         \
		stopped_at((seed), (POINTS) / 5); \
	}
STOPS(the_trace_goes_on_after_each_stop, 1)
STOPS(the_trace_goes_on_after_each_of_other_stops, 2)
STOPS(the_trace_goes_on_after_each_of_more_stops, 3)
STOPS(the_trace_goes_on_after_each_of_yet_more_stops, 4)
STOPS(the_trace_goes_on_after_each_of_the_last_stops, 5)
