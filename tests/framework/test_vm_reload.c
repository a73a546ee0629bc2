/* SPDX-License-Identifier: MIT */
/*
 * Reload in place over the fake: what goes over, what is refused and leaves everything as it
 * was.  The test is the guest: it reads and writes the buses on the control thread.
 */
#include <fcntl.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader.h"
#include "reload.h"
#include "tap.h"
#include "world.h"

#define BASE                                                           \
	"name: world\nmemory: { size: 1M }\nboot: { plugin: begin }\n" \
	"devices:\n  - { plugin: kvm-irqchip }\n  - { plugin: debug-exit }\n"
#define ONE BASE "  - { plugin: morph, id: m, peer: { plugin: sender, id: s } }\n"

enum {
	PORT = 0x500,
	GENERATION = 0,
	VALUE = 4,
	LEVEL = 8,
	TIMER = 12,
	EVENTS = 16,
	RINGS = 20,
	EXTRA = 24,
	TURNS = 28,
	IRQ = 5,
};
#define GPA UINT64_C(0xd0000000)

static struct world world;

/* The VM runs, but for its vCPUs and its loop. */
static void begin(const char *profile)
{
	world_start(&world, profile);
	fw_bus_thread_enter();
	fw_vm_resume_instances(world.vm);
	fw_clock_run(&world.vm->loop, 1);
}

static void finish(void)
{
	fw_bus_thread_leave();
	lichen_vm_destroy(world.vm);
	world.vm = NULL;
	CHECK_EQ(0, world_heard(&world, "misbehaves"));
	world_end(&world);
	CHECK_EQ(0, fake_alive());
	CHECK_EQ(0, fake_misuses());
}

static uint32_t in(uint32_t reg)
{
	uint64_t value = 0;

	CHECK_EQ(1, fw_bus_read(world.vm->ports, PORT + reg, 4, &value));
	return (uint32_t)value;
}

static uint32_t load(uint32_t reg)
{
	uint64_t value = 0;

	CHECK_EQ(1, fw_bus_read(world.vm->mmio, GPA + reg, 4, &value));
	return (uint32_t)value;
}

static void out(uint32_t reg, uint32_t value)
{
	CHECK_EQ(1, fw_bus_write(world.vm->ports, PORT + reg, 4, value));
}

static uint32_t level(uint32_t gsi)
{
	struct fake_view view;

	fake_look(world.hvm, &view);
	return view.level[gsi];
}

static uint32_t edges(uint32_t gsi)
{
	struct fake_view view;

	fake_look(world.hvm, &view);
	return view.edges[gsi];
}

/* One turn of the loop, for timers and descriptors. */
static void turn(void)
{
	uv_run(&world.vm->loop.uv, UV_RUN_NOWAIT);
}

static struct ld_path path;
static struct fw_diags diags;
static struct fw_reloaded done;

/* Plugin `name` as it is in folder `variant`. */
static lichen_status reload_of(const char *name, const char *variant)
{
	struct ld_error error = { "" };
	struct ld_plugin *fresh = NULL;
	char folder[512];
	lichen_status status;

	(void)snprintf(folder, sizeof(folder), "%s/tests/framework-reload/%s",
		       getenv("LICHEN_BUILD") ? getenv("LICHEN_BUILD") : WORLD_BUILD, variant);
	fw_diags_clear(&diags);
	ld_path_clear(&path);
	CHECK_EQ(0, ld_path_parse(&path, folder));
	status = ld_open(&path, name, NULL, &fresh, &error);
	if (status < 0)
		tap_fail("%s: %s", variant, error.text);
	status = fw_reload(world.vm, name, fresh, &done, &diags);
	if (status < 0)
		CHECK_EQ(0, ld_close(fresh, NULL));
	ld_path_clear(&path);
	return status;
}

static void goes(const char *variant)
{
	const lichen_status status = reload_of("morph", variant);

	if (status < 0)
		tap_fail("%s: %s", variant, diags.count ? diags.items[0].text : "no sentence");
	CHECK_STR("", done.pinned.text);
	fw_diags_clear(&diags);
}

/* Refused with that, the sentence having `text` in it. */
static void refused(const char *variant, lichen_status want, const char *text)
{
	const uint32_t generation = in(GENERATION);

	CHECK_EQ(want, reload_of("morph", variant));
	CHECK(diags.count > 0);
	if (!strstr(diags.items[0].text, text))
		tap_fail("%s: it says: %s", variant, diags.items[0].text);
	fw_diags_clear(&diags);
	CHECK_EQ(generation, in(GENERATION));
	CHECK_EQ(generation, load(GENERATION));
}

/* --- what goes over --- */

TEST(state_goes_over_to_a_version_with_one_more_field_and_back)
{
	begin(ONE);
	out(VALUE, 0x12345678);
	CHECK_EQ(1 << 24, in(GENERATION));
	goes("2");
	CHECK_EQ(1, done.instances);
	CHECK_EQ(2 << 24 | 1, in(GENERATION));
	CHECK_EQ(2 << 24 | 1, load(GENERATION));
	CHECK_EQ(0x12345678, load(VALUE));
	CHECK_EQ(7, in(EXTRA));
	goes("1");
	CHECK_EQ(1 << 24 | 2, in(GENERATION));
	CHECK_EQ(0x12345678, in(VALUE));
	finish();
}

TEST(a_field_that_the_older_version_lacks_is_dropped_only_when_it_says_nothing)
{
	begin(ONE);
	goes("2");
	out(EXTRA, 8);
	refused("1", -LICHEN_EBADMSG, "devices[2] m: field extra:");
	out(EXTRA, 7);
	goes("1");
	finish();
}

TEST(the_same_code_may_take_its_own_place)
{
	begin(ONE);
	out(VALUE, 3);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(0, fw_reload_file(world.vm, "morph", &done, &diags));
	CHECK_EQ(3, in(VALUE));
	CHECK_EQ(1 << 24 | 5, in(GENERATION));
	finish();
}

TEST(a_line_keeps_its_level_and_makes_no_edge)
{
	begin(ONE);
	out(LEVEL, 1);
	CHECK_EQ(1, level(IRQ));
	CHECK_EQ(1, edges(IRQ));
	goes("2");
	CHECK_EQ(1, level(IRQ));
	CHECK_EQ(1, edges(IRQ));
	out(LEVEL, 0);
	CHECK_EQ(0, level(IRQ));
	goes("1");
	CHECK_EQ(0, level(IRQ));
	CHECK_EQ(1, edges(IRQ));
	finish();
}

TEST(a_timer_keeps_its_deadline)
{
	uint64_t deadline;

	begin(ONE);
	deadline = fw_now_ns() + 300000000;
	out(TIMER, 300000000);
	goes("2");
	turn();
	/* A machine that is slow enough may come here too late to see it. */
	CHECK(in(TIMER) == 0 || fw_now_ns() >= deadline);
	while (in(TIMER) == 0) {
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		turn();
	}
	CHECK(fw_now_ns() >= deadline);
	CHECK_EQ(1, in(TIMER));
	finish();
}

TEST(a_ring_that_nobody_has_read_reaches_the_new_one)
{
	struct fake_view view;

	begin(ONE);
	for (uint32_t i = 1; i <= 4; i++) {
		const uint64_t one = 1;
		struct lichen_instance *m = world.vm->instances[world.vm->instance_count - 2];
		int bell = -1;

		/* The hypervisor's end of it. */
		for (uint32_t k = 0; k < FW_CLAIMS_MAX; k++)
			if (m->slots[k].claim && m->slots[k].claim->kind == FW_CLAIM_DOORBELL)
				bell = m->slots[k].claim->bell.hv.descriptor;
		CHECK(bell >= 0);
		CHECK_EQ(8, write(bell, &one, sizeof(one)));
		goes(i % 2 ? "2" : "1");
		fake_look(world.hvm, &view);
		CHECK_EQ(1, view.bells);
		turn();
		CHECK_EQ(i, in(RINGS));
	}
	finish();
}

TEST(a_message_keeps_its_address_and_stays_open)
{
	struct fake_view view;

	begin(ONE);
	out(TURNS, 1);
	fake_look(world.hvm, &view);
	CHECK_EQ(1, view.messages);
	goes("2");
	out(TURNS, 1);
	fake_look(world.hvm, &view);
	CHECK_EQ(2, view.messages);
	CHECK_EQ(0x41, view.last_data);
	finish();
}

TEST(events_on_their_way_to_it_arrive_and_its_provider_sees_no_change)
{
	begin(ONE);
	CHECK_EQ(1, world_heard(&world, "[sender/s] org.test.relay/1 client 1 came"));
	out(EVENTS, 5);
	goes("2");
	out(EVENTS, 7);
	fw_loop_drain(&world.vm->loop);
	CHECK_EQ(12, in(EVENTS));
	CHECK_EQ(1, world_heard(&world, "client 1 came"));
	CHECK_EQ(0, world_heard(&world, "went"));
	finish();
}

TEST(its_consumers_reach_the_new_one_through_links_that_say_so)
{
	const struct lichen_link *link;
	struct lichen_instance *r;
	uint64_t came = 0, generation;

	begin(BASE "  - { plugin: morph, id: m }\n  - { plugin: receiver, peer: m }\n");
	r = world.vm->instances[world.vm->profile->count - 1];
	while (strcmp(r->spec->id, "receiver") != 0)
		r = world.vm->instances[r->spec->index - 1];
	link = &r->all_links->pub;
	generation = link->generation;
	CHECK_EQ(1, fw_bus_write(world.vm->ports, 0x100, 4, 10));
	goes("2");
	CHECK(link->generation != generation);
	CHECK_EQ(1, fw_bus_write(world.vm->ports, 0x100, 4, 13));
	fw_loop_drain(&world.vm->loop);
	CHECK_EQ(1, fw_bus_read(world.vm->ports, 0x100, 4, &came));
	CHECK_EQ(6, came);
	CHECK_EQ(1, fw_bus_read(world.vm->ports, 0x104, 4, &came));
	CHECK_EQ(1, came);
	CHECK_EQ(2, world_heard(&world, "[morph/m] org.test.relay/1 client 1 came"));
	CHECK_EQ(0, world_heard(&world, "went"));
	finish();
}

TEST(all_instances_go_over_and_those_that_are_tied_to_one_another)
{
	uint64_t value = 0;

	begin(BASE
	      "  - { plugin: morph, id: a }\n"
	      "  - { plugin: morph, id: b, port: 0x600, gpa: 0xd0001000, irq: 6, peer: a }\n"
	      "  - { plugin: morph, id: c, port: 0x700, gpa: 0xd0002000, irq: 7, peer: b }\n");
	for (uint32_t i = 1; i <= 4; i++) {
		CHECK_EQ(1, fw_bus_write(world.vm->ports, 0x700 + EVENTS, 4, i));
		CHECK_EQ(1, fw_bus_write(world.vm->ports, 0x600 + EVENTS, 4, i * 100));
		goes(i % 2 ? "2" : "1");
		CHECK_EQ(3, done.instances);
	}
	fw_loop_drain(&world.vm->loop);
	CHECK_EQ(1, fw_bus_read(world.vm->ports, 0x700 + EVENTS, 4, &value));
	CHECK_EQ(10, value);
	CHECK_EQ(1, fw_bus_read(world.vm->ports, 0x600 + EVENTS, 4, &value));
	CHECK_EQ(1000, value);
	CHECK_EQ(0, world_heard(&world, "went"));
	finish();
}

TEST(threads_rest_while_it_is_saved_and_the_new_ones_go_on)
{
	uint32_t turns = 0;

	begin(BASE "  - { plugin: morph, id: m, threaded: true }\n");
	for (uint32_t i = 0; i < 6; i++) {
		for (int k = 0; k < 1000 && in(TURNS) <= turns; k++)
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		CHECK(in(TURNS) > turns);
		turns = in(TURNS);
		if (i % 3 == 2) {
			refused("refuses", -LICHEN_EBADMSG, "told to refuse");
			turns = in(TURNS);
		} else {
			goes(i % 2 ? "1" : "2");
		}
		CHECK(in(TURNS) >= turns);
	}
	finish();
}

TEST(an_open_file_is_the_same_open_file)
{
	struct lichen_instance *m;
	struct stat before, after;
	int32_t file = -1;
	char profile[512];

	(void)snprintf(profile, sizeof(profile), BASE "  - { plugin: morph, file: some }\n");
	world_begin(&world, profile);
	world_file(&world, "some", "0123456789", 10);
	CHECK_EQ(0, world_create(&world));
	fw_bus_thread_enter();
	fw_vm_resume_instances(world.vm);
	for (uint32_t i = 0; i < 4; i++) {
		char byte = 0;

		m = world.vm->instances[0];
		while (strcmp(m->spec->id, "morph") != 0)
			m = world.vm->instances[m->spec->index + 1];
		for (uint32_t k = 0; k < m->class->params.count; k++)
			if (strcmp(FW_ITEMS(struct lichen_param, m->class->params)[k].name,
				   "file") == 0)
				memcpy(&file,
				       (uint8_t *)m->self + FW_ITEMS(struct lichen_param,
								     m->class->params)[k]
								    .offset,
				       sizeof(file));
		CHECK_EQ(1, read(file, &byte, 1));
		CHECK_EQ('0' + i, byte); /* one offset */
		CHECK_EQ(0, fstat(file, i ? &after : &before));
		goes(i % 2 ? "1" : "2");
	}
	CHECK_EQ(before.st_ino, after.st_ino);
	finish();
}

TEST(a_vm_that_is_paused_stays_so)
{
	begin(ONE);
	out(VALUE, 9);
	fw_vcpus_park(world.vm);
	fw_vm_pause_instances(world.vm);
	goes("2");
	CHECK_EQ(1, world.vm->gate.closed);
	CHECK_EQ(9, in(VALUE));
	for (uint32_t i = 0; i < world.vm->instance_count; i++)
		CHECK_EQ(FW_PAUSED, world.vm->instances[i]->state);
	fw_vm_resume_instances(world.vm);
	fw_vcpus_unpark(world.vm);
	out(TURNS, 1); /* its message is open, which resume does */
	finish();
}

TEST(a_vm_that_never_ran_can_be_reloaded_too)
{
	world_start(&world, ONE);
	fw_bus_thread_enter();
	goes("2");
	CHECK_EQ(0, world.vm->gate.closed);
	CHECK_EQ(2 << 24 | 1, in(GENERATION));
	finish();
}

/* --- what is refused --- */

TEST(a_state_that_post_load_refuses_leaves_the_old_code_running)
{
	begin(ONE);
	out(VALUE, 4);
	out(LEVEL, 1);
	out(EVENTS, 5);
	refused("refuses", -LICHEN_EBADMSG, "devices[2] m: value 4: told to refuse");
	CHECK_EQ(4, in(VALUE));
	CHECK_EQ(1, level(IRQ));
	CHECK_EQ(1, edges(IRQ));
	out(LEVEL, 0);
	CHECK_EQ(0, level(IRQ));
	out(EVENTS, 6);
	fw_loop_drain(&world.vm->loop);
	CHECK_EQ(11, in(EVENTS));
	CHECK_EQ(0, world_heard(&world, "went"));
	goes("2");
	finish();
}

TEST(a_field_that_is_gone_is_refused_by_name_while_it_says_something)
{
	begin(ONE);
	out(VALUE, 4);
	refused("no-value", -LICHEN_EBADMSG, "devices[2] m: field value:");
	out(VALUE, 0);
	goes("no-value");
	finish();
}

TEST(a_realize_or_create_that_fails_is_told_and_undone)
{
	begin(ONE);
	refused("bad-realize", -LICHEN_EINVAL, "devices[2] m: realize: told to fail");
	refused("bad-create", -LICHEN_EINVAL, "devices[2] m: create: told to fail");
	finish();
}

TEST(what_another_holds_is_refused)
{
	begin(ONE);
	refused("greedy", -LICHEN_EEXIST,
		"window greedy: ports 0xf4 to 0xf4: taken by "
		"debug-exit");
	finish();
}

TEST(parameters_and_needs_that_do_not_fit_are_refused_by_name)
{
	begin(BASE "  - { plugin: morph, tag: 3 }\n");
	refused("coloured", -LICHEN_EINVAL, "colour is missing");
	refused("untagged", -LICHEN_EINVAL, "unknown key \"tag\"");
	refused("needy", -LICHEN_EINVAL, "other is missing");
	goes("2");
	finish();
}

TEST(an_interface_that_others_need_must_stay)
{
	begin(BASE "  - { plugin: morph, id: m }\n  - { plugin: receiver, id: r, peer: m }\n");
	refused("mute", -LICHEN_EBUSY, "no longer provides org.test.relay/1, which r needs");
	finish();
}

TEST(of_several_instances_one_that_is_refused_keeps_them_all)
{
	uint64_t value = 0;

	begin(BASE
	      "  - { plugin: morph, id: a }\n"
	      "  - { plugin: morph, id: b, port: 0x600, gpa: 0xd0001000, irq: 6, peer: a }\n"
	      "  - { plugin: morph, id: c, port: 0x700, gpa: 0xd0002000, irq: 7, peer: b,\n"
	      "      refuse: true }\n");
	CHECK_EQ(1, fw_bus_write(world.vm->ports, 0x700 + EVENTS, 4, 1));
	refused("2", -LICHEN_EBADMSG, "c: value 0: told to refuse");
	CHECK_EQ(1, fw_bus_write(world.vm->ports, 0x700 + EVENTS, 4, 2));
	fw_loop_drain(&world.vm->loop);
	CHECK_EQ(1, fw_bus_read(world.vm->ports, 0x700 + EVENTS, 4, &value));
	CHECK_EQ(3, value);
	CHECK_EQ(0, world_heard(&world, "went"));
	finish();
}

TEST(a_provider_without_declared_state_is_not_replaced_under_its_consumers)
{
	begin(ONE);
	CHECK_EQ(-LICHEN_EBUSY, fw_reload_file(world.vm, "sender", NULL, &diags));
	CHECK(strstr(diags.items[0].text, "s: serves m and declares no state") != NULL);
	fw_diags_clear(&diags);
	finish();
}

TEST(memory_is_not_reloaded_and_what_is_not_there_neither)
{
	begin(ONE);
	CHECK_EQ(-LICHEN_ENOTSUP, fw_reload_file(world.vm, "anon", NULL, &diags));
	CHECK_EQ(-LICHEN_ENOENT, fw_reload_file(world.vm, "steps", NULL, &diags));
	CHECK_EQ(-LICHEN_ENOENT, fw_reload_file(world.vm, "nothing", NULL, &diags));
	CHECK_EQ(3, diags.count);
	fw_diags_clear(&diags);
	finish();
}

TEST(doorbells_that_the_hardware_refuses_go_back)
{
	struct fake_view view;

	begin(ONE);
	fake_fail(FAKE_DOORBELL, 1, -LICHEN_ENOSPC);
	refused("2", -LICHEN_ENOSPC, "its doorbells: no room left");
	fake_fail(FAKE_DOORBELL, 0, 0);
	fake_look(world.hvm, &view);
	CHECK_EQ(1, view.bells);
	goes("2");
	finish();
}

/* --- files --- */

/* What is in `from` goes over the file in place, as cp does. */
static void copy_over(const char *from, const char *to)
{
	static uint8_t bytes[1 << 20];
	FILE *file = fopen(from, "re");
	size_t size = file ? fread(bytes, 1, sizeof(bytes), file) : 0;

	CHECK(file && size > 0);
	fclose(file);
	file = fopen(to, "we");
	CHECK(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

TEST(a_file_that_is_written_over_is_new_code_after_a_reload_and_not_before)
{
	const char *build = getenv("LICHEN_BUILD") ? getenv("LICHEN_BUILD") : WORLD_BUILD;
	char from[512], to[128];

	world_begin(&world, ONE);
	(void)snprintf(to, sizeof(to), "%s/morph.so", world.folder);
	(void)snprintf(from, sizeof(from), "%s/tests/framework-reload/1/morph.so", build);
	copy_over(from, to);
	CHECK_EQ(0, world_create(&world));
	fw_bus_thread_enter();
	fw_vm_resume_instances(world.vm);
	out(VALUE, 5);
	for (uint32_t i = 1; i <= 20; i++) {
		const uint32_t version = i % 2 ? 2 : 1;

		(void)snprintf(from, sizeof(from), "%s/tests/framework-reload/%u/morph.so",
			       build, version);
		copy_over(from, to);
		CHECK_EQ((3 - version) << 24 | (i - 1), in(GENERATION));
		CHECK_EQ(0, fw_reload_file(world.vm, "morph", &done, &diags));
		CHECK_EQ(version << 24 | i, in(GENERATION));
		CHECK_EQ(5, in(VALUE));
	}
	finish();
}

TEST(an_entry_that_pins_its_file_takes_no_other)
{
	const char *build = getenv("LICHEN_BUILD") ? getenv("LICHEN_BUILD") : WORLD_BUILD;
	struct ld_error error = { "" };
	struct ld_info info;
	char text[1024];

	(void)snprintf(text, sizeof(text), "%s/tests/framework-plugins/morph.so", build);
	CHECK_EQ(0, ld_inspect(text, &info, &error));
	(void)snprintf(text, sizeof(text), BASE "  - { plugin: morph, sha256: %s }\n",
		       info.hash);
	ld_info_clear(&info);
	begin(text);
	refused("2", -LICHEN_EINVAL, "morph: sha256 pins another morph.so than the one of ");
	CHECK_EQ(0, fw_reload_file(world.vm, "morph", NULL, &diags));
	finish();
}

TEST(a_thousand_reloads_leave_nothing_behind)
{
	const uint32_t times = 1000;
	uint32_t maps;

	begin(BASE "  - { plugin: morph, id: m, threaded: true, "
		   "peer: { plugin: sender, id: s } }\n");
	goes("2");
	goes("1");
	maps = world_maps();
	for (uint32_t i = 0; i < times; i++) {
		out(EVENTS, 1);
		goes(i % 2 ? "1" : "2");
	}
	CHECK_EQ(maps, world_maps());
	fw_loop_drain(&world.vm->loop);
	CHECK_EQ(times, in(EVENTS));
	CHECK_EQ(1 << 24 | (times + 2), in(GENERATION));
	finish();
}

/* --- those that need time --- */

/* With morph beside it, whose thread works all the time, and who calls it. */
static void begin_later(const char *how)
{
	char text[512];

	(void)snprintf(text, sizeof(text),
		       BASE
		       "  - { plugin: morph, id: m, threaded: true, peer: { plugin: sender, "
		       "id: s } }\n  - { plugin: later, id: l%s }\n",
		       how);
	begin(text);
	world.vm->pending_ns = UINT64_C(50000000);
}

static uint32_t state_of(const char *id)
{
	for (uint32_t i = 0; i < world.vm->instance_count; i++)
		if (strcmp(world.vm->instances[i]->spec->id, id) == 0)
			return atomic_load(&world.vm->instances[i]->state);
	return 0;
}

static void waited_for(const char *how, uint32_t asked)
{
	char heard[32];
	uint32_t turns;

	begin_later(how);
	world.vm->pending_ns = UINT64_C(60000000000);
	for (int i = 0; i < 3; i++)
		if (fw_reload_file(world.vm, "later", &done, &diags) < 0)
			tap_fail("%s: %s", how, diags.items[0].text);
	CHECK_EQ(FW_RUNNING, state_of("l"));
	CHECK_EQ(FW_RUNNING, state_of("m"));
	/* Once to see that it needs time, once in a VM that stands still. */
	(void)snprintf(heard, sizeof(heard), "[later/l] asked %u", asked);
	CHECK_EQ(6, world_heard(&world, heard));
	turns = in(TURNS);
	while (in(TURNS) == turns)
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	finish();
}

TEST(a_pause_that_answers_soon_is_waited_for)
{
	waited_for(", pause: soon", LICHEN_OP_PAUSE);
}

TEST(a_save_that_answers_soon_is_waited_for)
{
	waited_for(", save: soon", LICHEN_OP_SAVE);
}

static void not_waited_for(const char *how, lichen_status want, const char *why)
{
	uint32_t turns;

	begin_later(how);
	CHECK_EQ(want, fw_reload_file(world.vm, "later", &done, &diags));
	CHECK(diags.count == 1);
	if (!strstr(diags.items[0].text, why))
		tap_fail("%s: it says: %s", how, diags.items[0].text);
	fw_diags_clear(&diags);
	CHECK_EQ(FW_RUNNING, state_of("l"));
	CHECK_EQ(FW_RUNNING, state_of("m"));
	turns = in(TURNS);
	while (in(TURNS) == turns)
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	goes("2"); /* others are not touched by it */
	finish();
}

TEST(a_pause_or_save_that_never_answers_refuses_the_reload)
{
	not_waited_for(", pause: never", -LICHEN_ETIMEDOUT, "l: cannot be paused: ");
	not_waited_for(", save: never", -LICHEN_ETIMEDOUT, "l: its state cannot be saved: ");
}

TEST(a_pause_or_save_that_fails_later_refuses_the_reload)
{
	not_waited_for(", pause: fail", -LICHEN_EIO, "l: told to fail");
	not_waited_for(", save: fail", -LICHEN_EIO, "l: told to fail");
	not_waited_for(", save: refuse", -LICHEN_EBUSY, "l: told to refuse");
}

TEST(in_a_vm_that_is_paused_a_save_is_waited_for_and_it_stays_so)
{
	begin_later(", save: soon");
	world.vm->pending_ns = UINT64_C(60000000000);
	fw_vm_pause(world.vm);
	CHECK_EQ(0, fw_reload_file(world.vm, "later", &done, &diags));
	CHECK_EQ(FW_PAUSED, state_of("l"));
	CHECK_EQ(FW_PAUSED, state_of("m"));
	fw_vm_go_on(world.vm);
	CHECK_EQ(FW_RUNNING, state_of("l"));
	finish();
}

/* --- backends --- */

static size_t log_size(char *text, size_t size)
{
	char log_path[128];
	FILE *log;
	size_t n;

	(void)snprintf(log_path, sizeof(log_path), "%s/log", world.folder);
	log = fopen(log_path, "re");
	CHECK(log != NULL);
	n = fread(text, 1, size - 1, log);
	text[n] = '\0';
	(void)fclose(log);
	return n;
}

TEST(a_file_that_is_written_to_goes_on_where_it_was)
{
	char text[64], log_path[128];

	world_begin(&world, BASE "  - { plugin: serial16550, port: 0x3f8, irq: 4, backend: "
				 "{ plugin: file, path: log } }\n");
	world_file(&world, "log", "what was there before", 21);
	CHECK_EQ(0, world_create(&world));
	(void)snprintf(log_path, sizeof(log_path), "%s/log", world.folder);
	fw_bus_thread_enter();
	fw_vm_resume_instances(world.vm);
	CHECK_EQ(0, log_size(text, sizeof(text)));
	for (char c = 'a'; c <= 'e'; c++) {
		CHECK_EQ(1, fw_bus_write(world.vm->ports, 0x3f8, 1, (uint8_t)c));
		if (fw_reload_file(world.vm, "file", &done, &diags) < 0)
			tap_fail("%s", diags.items[0].text);
	}
	CHECK_EQ(5, log_size(text, sizeof(text)));
	CHECK_STR("abcde", text);
	CHECK_EQ(0, unlink(log_path));
	finish();
}

TEST(null_is_reloaded_while_a_device_has_it)
{
	begin(BASE
	      "  - { plugin: serial16550, port: 0x3f8, irq: 4, backend: { plugin: \"null\" "
	      "} }\n");
	CHECK_EQ(0, fw_reload_file(world.vm, "null", &done, &diags));
	CHECK_EQ(1, fw_bus_write(world.vm->ports, 0x3f8, 1, 'x'));
	finish();
}
