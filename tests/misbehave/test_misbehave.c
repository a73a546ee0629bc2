/* SPDX-License-Identifier: MIT */
/*
 * Plugins that do what no plugin may do, in a VM that runs: each is named with what it did, the
 * guest goes on, and what could not be undone is said.
 */
#include <semaphore.h>
#include <sys/wait.h>

#include "plug.h"
#include "tap.h"
#include "world.h"

enum {
	BEAT_PORT = 0x9000,
	BEATS = 50, /* rounds of the guest after which it is held to live */
	PATIENCE_MS = 20000,
	THREAD_MS = 300, /* what a thread is given after quiesce */
};

static struct world world;
static _Atomic uint32_t beats;

/* The hypervisor, with the guest's rounds counted. */
static const struct hv_ops *real;

static lichen_status counted_run(struct hv_vcpu *vcpu, struct hv_exit *exit)
{
	const lichen_status status = real->vcpu_run(vcpu, exit);

	if (status == 0 && exit->kind == HV_EXIT_IO && exit->io.port == BEAT_PORT)
		atomic_fetch_add(&beats, 1);
	return status;
}

/* --- the control thread, and what it is asked for --- */

struct task {
	struct fw_post post;
	struct order *order;
};

/* Lives until it is done: posts are the loop's. */
struct order {
	const char *section, *text; /* add */
	const char *id;		    /* remove */
	uint32_t force;
	lichen_status status;
	char told[1024];
	sem_t done;
};

static void removed(void *context, lichen_status status, const char *why)
{
	struct order *order = context;

	order->status = status;
	(void)snprintf(order->told, sizeof(order->told), "%s", why);
	sem_post(&order->done);
}

static void add(struct order *order)
{
	const struct fw_plug_entry entry = { .section = order->section,
					     .text = order->text,
					     .origin = "device add" };
	struct fw_diags diags = { 0 };
	struct lichen_instance *in;
	FILE *to = fmemopen(order->told, sizeof(order->told), "w");

	order->status = fw_plug_add(world.vm, &entry, &in, &diags);
	fw_diags_print(&diags, to);
	(void)fclose(to);
	fw_diags_clear(&diags);
	sem_post(&order->done);
}

static void take(struct order *order)
{
	struct ld_error error = { "" };
	struct lichen_instance *in = fw_plug_find(world.vm, order->id);
	lichen_status status = -LICHEN_ENOENT;

	if (in)
		status = fw_plug_remove(world.vm, in, order->force, 500000000, removed, order,
					&error);
	if (status != LICHEN_PENDING)
		removed(order, status, error.text);
}

static void task_run(struct fw_post *post)
{
	struct order *order = ((struct task *)post)->order;

	if (order->text)
		add(order);
	else
		take(order);
}

/* On the control thread, while the VM runs. */
static lichen_status ask(struct order *order)
{
	struct task *task = calloc(1, sizeof(*task));

	CHECK(task != NULL);
	CHECK_EQ(0, sem_init(&order->done, 0, 0));
	task->post.run = task_run;
	task->order = order;
	fw_loop_post(&world.vm->loop, &task->post);
	while (sem_wait(&order->done) < 0)
		;
	sem_destroy(&order->done);
	return order->status;
}

static void *run(void *unused)
{
	(void)unused;
	world.said = (uint32_t)lichen_vm_run(world.vm);
	return NULL;
}

/* The guest makes its rounds. */
static void lives(void)
{
	const uint32_t before = atomic_load(&beats);

	for (int i = 0; i < PATIENCE_MS && atomic_load(&beats) - before < BEATS; i++)
		usleep(1000);
	if (atomic_load(&beats) - before < BEATS)
		tap_fail("the guest stands still: %s", world.log);
}

/* --- the machine --- */

static const struct fake_step rounds[] = {
	FAKE_OUT(0x500, 1, 1),
	FAKE_IN(0x500, 1),
	FAKE_OUT(BEAT_PORT, 1, 1),
	FAKE_JUMP(0),
};

static void begin(const struct hv_ops *hv)
{
	static struct hv_ops counted;
	const char *build = getenv("LICHEN_BUILD"), *require = getenv("LICHEN_REQUIRE_KVM");
	char profile[512], boot[256] = "{ plugin: begin }";

	real = hv;
	counted = *hv;
	counted.vcpu_run = counted_run;
	world_strict = 0;
	if (hv == &hv_kvm)
		(void)snprintf(boot, sizeof(boot),
			       "{ plugin: flat, image: \"%s/guests/beat.bin\" }",
			       build ? build : WORLD_BUILD);
	(void)snprintf(profile, sizeof(profile),
		       "memory: { size: 4M }\nboot: %s\ndevices:\n  - { plugin: kvm-irqchip }\n"
		       "backends:\n  - { plugin: sender, id: s }\n",
		       boot);
	world_begin(&world, profile);
	if (world_create_on(&world, &counted, -1, -1) != 0) {
		if (world_heard(&world, "/dev/kvm") && !(require && !strcmp(require, "1")))
			SKIP("no usable /dev/kvm");
		tap_fail("%s", world.log);
	}
	if (hv == &hv_fake)
		fake_script(world.hvm, 0, rounds, FAKE_STEPS(rounds));
	world.vm->thread_timeout_ns = THREAD_MS * 1000000ull;
}

/* The plugin comes, does what it does, and goes; `want` is said of it, `told` when it goes. */
static void misbehaves(const struct hv_ops *hv, const char *plugin, const char *want,
		       const char *told)
{
	struct order order = { .section = "devices" };
	char text[128];
	pthread_t thread;

	begin(hv);
	CHECK_EQ(0, pthread_create(&thread, NULL, run, NULL));
	(void)snprintf(text, sizeof(text), "{ plugin: %s, id: rogue }", plugin);
	lives();
	order.text = text;
	if (ask(&order) != 0)
		tap_fail("%s", order.told);
	lives();
	if (strcmp(plugin, "stale-ops") == 0) {
		order = (struct order){ .id = "s" };
		if (ask(&order) != 0)
			tap_fail("%s", order.told);
		lives();
	}
	if (strcmp(plugin, "left-thread") == 0)
		tap_wait_asleep("rogue"); /* a thread that runs is invisible */
	order = (struct order){ .id = "rogue", .force = 1 };
	if (ask(&order) != 0)
		tap_fail("%s", order.told);
	if (!strstr(order.told, told) || (!told[0] && order.told[0]))
		tap_fail("want \"%s\" in \"%s\"", told, order.told);
	lives();
	lichen_vm_stop(world.vm, 0);
	CHECK_EQ(0, pthread_join(thread, NULL));
	CHECK_EQ(LICHEN_VM_STOPPED, world.said);
	if (want && world_heard(&world, want) == 0)
		tap_fail("want \"%s\" in %s", want, world.log);
	CHECK_EQ(0, world_heard(&world, "host misbehaves"));
	world_end(&world);
}

/* In a process of its own, because what is left behind stays. */
static void apart(const struct hv_ops *hv, const char *plugin, const char *want,
		  const char *told)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		misbehaves(hv, plugin, want, told);
		fflush(stdout);
		_exit(0);
	}
	CHECK_EQ(child, waitpid(child, &status, 0));
	if (WIFEXITED(status) && WEXITSTATUS(status) == TAP_SKIP)
		_exit(TAP_SKIP);
	CHECK_EQ(0, status);
}

/* Each over the fake and over the host's KVM. */
#define ROGUE(name, how, plugin, want, told)             \
	TEST(name##_on_the_fake)                         \
	{                                                \
		how(&hv_fake, (plugin), (want), (told)); \
	}                                                \
	TEST(name##_on_kvm)                              \
	{                                                \
		how(&hv_kvm, (plugin), (want), (told));  \
	}

#define SAYS(plugin, what) "plugin misbehaves [" plugin "/rogue] " what

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* Sanitizers start threads in functions of their own, so that whose they are is not seen. */
ROGUE(a_thread_left_behind_pins_its_file, apart, "left-thread", NULL,
      SANITIZED ? "" : "left-thread.so: pinned: thread ")
ROGUE(a_plugin_that_never_quiesces_is_left_with_what_it_uses, apart, "never-quiesces",
      SAYS("never-quiesces",
	   "thread: has not returned 300 ms after quiesce: what it uses stays "
	   "in memory, and its plugin's file stays pinned"),
      "never-quiesces.so: pinned: a thread of rogue has not ended")
ROGUE(what_is_claimed_twice_is_named, misbehaves, "claims-twice",
      SAYS("claims-twice", "line_claim: interrupt line 5 is claimed by the instance itself"),
      "")
ROGUE(what_is_freed_twice_is_named, misbehaves, "frees-twice",
      SAYS("frees-twice", "timer_release: 0x"), "")
ROGUE(reads_of_what_no_register_holds_are_named, misbehaves, "garbage-reads",
      SAYS("garbage-reads", "read: 0xdeadbeef5a from window deed, 1 bytes at 0x0: the widest "
			    "access that it takes has 1"),
      "")
#if !defined(__SANITIZE_ADDRESS__) /* which ends the program at the write itself */
ROGUE(writes_past_the_instance_are_named_and_undone, misbehaves, "writes-past",
      SAYS("writes-past", "write: wrote past its instance, which has "), "")
#endif
ROGUE(a_table_that_was_kept_is_known_when_it_is_called, misbehaves, "stale-ops",
      SAYS("stale-ops",
	   "write: org.test.relay/1 at offset 8 called through a table of s that it "
	   "kept"),
      "")
ROGUE(unknown_flags_are_named, misbehaves, "unknown-flags",
      SAYS("unknown-flags", "watch: flags 0x40000001, of which 0x7 are known"), "")
ROGUE(a_file_that_cannot_be_unloaded_is_reported_pinned, apart, "pinned", NULL,
      "pinned.so: pinned: ")
ROGUE(a_control_function_on_a_vcpu_is_named_and_refused, misbehaves, "wrong-role",
      SAYS("wrong-role", "timer_create: called on a vCPU's thread, in write"), "")
