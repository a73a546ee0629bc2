/* SPDX-License-Identifier: MIT */
/* Windows of memory over the fake: placed, moved, hidden, refused, and what else reaches them.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "plug.h"
#include "state.h"
#include "tap.h"
#include "world.h"

#define BASE "memory: { size: 1M }\nboot: { plugin: begin }\n"
#define BANKS                                                        \
	BASE "devices:\n  - { plugin: banks, id: b, port: 0x300 }\n" \
	     "  - { plugin: debug-exit }\n"

enum { RAM = 1, ROM = 2, MAPPED = 3, HOLE = 4, SMALL = 5 };

#define AT UINT64_C(0xd0000000)

#define PLACE(window, gpa) FAKE_OUT(0x300 + 4 * ((window)-1), 4, (gpa))
#define OUTCOME FAKE_IN(0x300, 4)
#define TRAPS FAKE_IN(0x304, 4)
#define END FAKE_OUT(0xf4, 1, 0)

static struct world world;

static void finish(void)
{
	world_end(&world);
	CHECK_EQ(0, fake_alive());
	CHECK_EQ(0, fake_misuses());
}

static struct lichen_instance *instance(const char *id)
{
	for (uint32_t i = 0; i < world.vm->instance_count; i++)
		if (strcmp(world.vm->instances[i]->spec->id, id) == 0)
			return world.vm->instances[i];
	tap_fail("no instance %s", id);
	return NULL;
}

static uint32_t slots(void)
{
	struct fake_view view;

	fake_look(world.hvm, &view);
	return view.slots - 1; /* without RAM's own */
}

static lichen_status place(uint32_t window, uint64_t gpa)
{
	struct lichen_instance *in = instance("b");

	return gpa ? fw_host.place_mmio(in, window, 0, gpa) : fw_host.unplace(in, window);
}

static void runs(const struct fake_step *steps, uint32_t count)
{
	fake_script(world.hvm, 0, steps, count);
	CHECK_EQ(1, lichen_vm_run(world.vm));
}

static void reads(const uint64_t *want, uint32_t count)
{
	CHECK_EQ(count, fake_read_count(world.hvm, 0));
	for (uint32_t i = 0; i < count; i++)
		CHECK_EQ(want[i], fake_read_at(world.hvm, 0, i));
}
#define RUNS(steps) runs((steps), FAKE_STEPS(steps))
#define READS(want) reads((want), sizeof(want) / sizeof((want)[0]))

/* --- where the guest sees it --- */

TEST(ram_is_memory_where_it_is_placed_and_keeps_its_bytes_when_it_moves)
{
	static const struct fake_step steps[] = {
		PLACE(RAM, AT),
		FAKE_LOAD(AT + 8, 8),
		FAKE_STORE(AT + 8, 8, 0x1122334455667788),
		FAKE_LOAD(AT + 8, 4),
		PLACE(RAM, AT + 0x10000),
		FAKE_LOAD(AT + 8, 8),
		FAKE_LOAD(AT + 0x10008, 8),
		PLACE(RAM, AT + 0x11000), /* overlaps itself */
		OUTCOME,
		FAKE_LOAD(AT + 0x11008, 8),
		FAKE_LOAD(AT + 0x10008, 8),
		PLACE(RAM, 0),
		FAKE_LOAD(AT + 0x11008, 8),
		PLACE(RAM, AT),
		FAKE_LOAD(AT + 8, 8),
		END,
	};
	static const uint64_t want[] = { 0,
					 0x55667788,
					 UINT64_MAX,
					 0x1122334455667788,
					 0,
					 0x1122334455667788,
					 UINT64_MAX,
					 UINT64_MAX,
					 0x1122334455667788 };

	world_start(&world, BANKS);
	RUNS(steps);
	READS(want);
	CHECK_EQ(1, slots());
	CHECK_EQ(0x4000, fake_slot(world.hvm, FW_PIECES_MAX).size);
	CHECK_EQ(0, place(RAM, 0));
	CHECK_EQ(0, slots());
	finish();
}

TEST(rom_is_read_without_an_exit_and_traps_what_is_written_in_the_declared_sizes)
{
	static const struct fake_step steps[] = {
		PLACE(ROM, AT),
		FAKE_LOAD(AT + 4, 4),
		FAKE_STORE(AT + 4, 4, 0xaabbccdd),
		TRAPS,
		FAKE_IN(0x308, 4),
		FAKE_IN(0x30c, 4),
		FAKE_STORE(AT + 3, 1, 9),
		TRAPS,
		FAKE_LOAD(AT + 4, 4),
		FAKE_LOAD(AT, 8),
		END,
	};
	static const uint64_t want[] = { 0x312a231c,	    2, 0xaabb, 6, 3, 0x312a231c,
					 0x312a231c150e0700 };

	world_start(&world, BANKS);
	RUNS(steps);
	READS(want);
	CHECK_EQ(HV_SLOT_READ_ONLY, fake_slot(world.hvm, FW_PIECES_MAX).flags);
	finish();
}

TEST(a_mapped_window_shows_the_descriptor_from_its_offset)
{
	static const struct fake_step steps[] = { PLACE(MAPPED, AT), FAKE_LOAD(AT, 4),
						  FAKE_STORE(AT, 4, 0x55), TRAPS, END };
	static const uint64_t want[] = { 0x01020304, 0 };
	const uint8_t bytes[] = { 4, 3, 2, 1 };
	uint8_t now = 0;
	int file;

	world_start(&world, BANKS);
	file = instance("b")->places[MAPPED].memory.backing->descriptor;
	CHECK_EQ(4, pwrite(file, bytes, 4, 0x1000));
	RUNS(steps);
	READS(want);
	CHECK_EQ(1, pread(file, &now, 1, 0x1000));
	CHECK_EQ(0x55, now);
	finish();
}

TEST(a_descriptor_mapped_for_reading_traps_writes)
{
	static const struct fake_step steps[] = { PLACE(MAPPED, AT), FAKE_STORE(AT, 4, 0x55),
						  TRAPS, FAKE_LOAD(AT, 4), END };
	static const uint64_t want[] = { 1, 0 };

	world_start(&world, BASE "devices:\n"
				 "  - { plugin: banks, id: b, port: 0x300, read_only: yes }\n"
				 "  - { plugin: debug-exit }\n");
	RUNS(steps);
	READS(want);
	finish();
}

TEST(registers_above_memory_hide_it_and_the_rest_of_their_page_is_served_by_exits)
{
	static const struct fake_step steps[] = {
		PLACE(RAM, AT),
		FAKE_STORE(AT + 0x17fc, 4, 0x11111111),
		FAKE_STORE(AT + 0x1800, 4, 0x22222222),
		PLACE(HOLE, AT + 0x1000),
		FAKE_LOAD(AT + 0x17fc, 4),
		FAKE_LOAD(AT + 0x1800, 4),
		FAKE_STORE(AT + 0x17fc, 4, 7),
		TRAPS,
		FAKE_STORE(AT + 0x1ffc, 4, 0x33333333), /* through the bus */
		FAKE_LOAD(AT + 0x17fe, 4),		/* half of it in each */
		PLACE(HOLE, 0),
		FAKE_LOAD(AT + 0x17fc, 4),
		FAKE_LOAD(AT + 0x1ffc, 4),
		END,
	};
	static const uint64_t want[] = {
		0x5a, 0x22222222, 1, 0x2222005a, 0x11111111, 0x33333333
	};

	world_start(&world, BANKS);
	RUNS(steps);
	READS(want);
	CHECK_EQ(1, slots());
	CHECK_EQ(0, place(HOLE, AT + 0x1000));
	CHECK_EQ(2, slots());		       /* a page before, two pages after */
	CHECK_EQ(0, place(HOLE, AT + 0x2c00)); /* the end of one page, the start of the next */
	CHECK_EQ(1, slots());
	CHECK_EQ(0x2000, fake_slot(world.hvm, FW_PIECES_MAX).size +
				 fake_slot(world.hvm, FW_PIECES_MAX + 1).size);
	finish();
}

TEST(memory_above_memory_hides_it_until_it_goes)
{
	static const struct fake_step steps[] = {
		PLACE(RAM, AT),
		FAKE_STORE(AT + 0x1000, 4, 1),
		PLACE(SMALL, AT + 0x1000),
		FAKE_LOAD(AT + 0x1000, 4),
		FAKE_STORE(AT + 0x1000, 4, 2),
		FAKE_LOAD(AT + 0x2000, 4),
		PLACE(SMALL, AT + 0x3000),
		FAKE_LOAD(AT + 0x1000, 4),
		FAKE_LOAD(AT + 0x3000, 4),
		END,
	};
	static const uint64_t want[] = { 0, 0, 1, 2 };

	world_start(&world, BANKS);
	RUNS(steps);
	READS(want);
	CHECK_EQ(2, slots());
	finish();
}

/* --- refused --- */

TEST(memory_that_cannot_be_there_is_refused_with_why_and_changes_nothing)
{
	static const struct {
		uint32_t window;
		uint64_t gpa;
		lichen_status want;
		const char *why;
	} cases[] = {
		{ RAM, 0x1000, -LICHEN_EEXIST, "guest RAM is there" },
		{ RAM, AT + 0x800, -LICHEN_EINVAL, "memory is whole pages of 4096" },
		{ RAM, UINT64_C(1) << 48, -LICHEN_ERANGE, "addresses have 48 bits" },
		{ RAM, (UINT64_C(1) << 48) - 0x1000, -LICHEN_ERANGE, "addresses have 48 bits" },
		{ RAM, UINT64_MAX - 0xfff, -LICHEN_ERANGE, "addresses have 48 bits" },
		{ ROM, AT + 0x2000, -LICHEN_EEXIST, "taken by b" },
	};

	world_start(&world, BANKS);
	CHECK_EQ(0, place(RAM, AT));
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct lichen_instance *in = instance("b");

		CHECK_EQ(cases[i].want, place(cases[i].window, cases[i].gpa));
		if (!strstr(in->error.text, cases[i].why))
			tap_fail("case %u: %s", i, in->error.text);
		CHECK_EQ(1, slots());
		CHECK_EQ(AT, fake_slot(world.hvm, FW_PIECES_MAX).gpa);
	}
	CHECK_EQ(-LICHEN_EINVAL, fw_host.place_port(instance("b"), RAM, 0x400));
	CHECK_EQ(-LICHEN_ENOTSUP, fw_host.place_mmio(instance("b"), RAM, 1, AT));
	CHECK_EQ(-LICHEN_ENOENT, place(SMALL, 0));
	finish();
}

TEST(a_window_that_nothing_is_mapped_into_is_not_placed)
{
	world_start(&world, BASE "devices:\n  - { plugin: banks, id: b, empty: yes }\n");
	CHECK_EQ(-LICHEN_EINVAL, place(MAPPED, AT));
	CHECK_EQ(0, slots());
	CHECK_EQ(0, atomic_load(&world.vm->layout.windows));
	finish();
}

TEST(without_a_slot_left_it_is_refused_and_goes_when_one_is)
{
	world_start(&world, BANKS);
	world.vm->layout.slot_limit = 1;
	CHECK_EQ(0, place(RAM, AT));
	CHECK_EQ(-LICHEN_ENOSPC, place(ROM, AT + 0x10000));
	CHECK(strstr(instance("b")->error.text, "slots are taken") != NULL);
	/* A hole leaves two pieces: it is refused, and the memory is whole again. */
	CHECK_EQ(-LICHEN_ENOSPC, place(HOLE, AT + 0x1000));
	CHECK_EQ(0x4000, fake_slot(world.hvm, FW_PIECES_MAX).size);
	CHECK_EQ(0, place(RAM, 0));
	CHECK_EQ(0, place(ROM, AT + 0x10000));
	CHECK_EQ(1, slots());
	finish();
}

TEST(a_move_that_the_hypervisor_refuses_leaves_it_where_it_was)
{
	world_start(&world, BANKS);
	CHECK_EQ(0, place(RAM, AT));
	fake_fail(FAKE_MAP, 1, -LICHEN_EINVAL);
	CHECK_EQ(-LICHEN_EIO, place(RAM, AT + 0x10000));
	CHECK(strstr(instance("b")->error.text, "window ram: memory slot 17") != NULL);
	CHECK_EQ(1, slots());
	CHECK_EQ(AT, fake_slot(world.hvm, FW_PIECES_MAX).gpa);
	/* By less than its size it has to go first, and comes back. */
	fake_fail(FAKE_MAP, 1, -LICHEN_EINVAL);
	CHECK_EQ(-LICHEN_EIO, place(RAM, AT + 0x1000));
	CHECK_EQ(AT, fake_slot(world.hvm, FW_PIECES_MAX).gpa);
	finish();
}

TEST(a_window_of_a_size_that_no_host_has_is_refused_with_the_profile)
{
	struct fw_diags diags = { 0 };

	world_start(&world, BANKS);
	CHECK(fw_backing_new(LICHEN_RAM, UINT64_C(1) << 62) == NULL);
	CHECK(fw_backing_new(LICHEN_RAM, UINT64_MAX - 0xfff) == NULL);
	CHECK_EQ(0, diags.count);
	finish();
}

TEST(memory_has_no_doorbells)
{
	const struct lichen_doorbell bell = { LICHEN_STRUCT(struct lichen_doorbell),
					      .window = RAM, .size = 4, .eventfd = 0 };
	lichen_handle handle;

	world_start(&world, BANKS);
	CHECK_EQ(-LICHEN_EINVAL, fw_host.doorbell_claim(instance("b"), &bell, &handle));
	finish();
}

TEST(what_a_window_shows_is_not_changed_under_the_guest)
{
	struct lichen_instance *in;
	int file = memfd_create("short", MFD_CLOEXEC);

	world_start(&world, BANKS);
	in = instance("b");
	CHECK_EQ(0, ftruncate(file, 0x1800));
	CHECK_EQ(-LICHEN_EINVAL, fw_host.window_back(in, MAPPED, file, 0x1000, 1));
	CHECK_EQ(-LICHEN_EINVAL, fw_host.window_back(in, MAPPED, file, 0x800, 1));
	CHECK_EQ(-LICHEN_EINVAL, fw_host.window_back(in, RAM, file, 0, 1));
	CHECK_EQ(-LICHEN_EINVAL, fw_host.window_back(in, 77, file, 0, 1));
	CHECK_EQ(-LICHEN_ENOTSUP, fw_host.window_back(in, MAPPED, file, 0, 2));
	CHECK_EQ(-LICHEN_ENOTSUP, fw_host.window_back(in, MAPPED, file, 0, 5));
	CHECK_EQ(-LICHEN_EBADF, fw_host.window_back(in, MAPPED, 12345, 0, 1));
	CHECK_EQ(0, place(MAPPED, AT));
	CHECK_EQ(-LICHEN_EBUSY, fw_host.window_back(in, MAPPED, file, 0, 1));
	CHECK_EQ(0, place(MAPPED, 0));
	CHECK_EQ(0, fw_host.window_back(in, MAPPED, file, 0, 1));
	close(file);
	finish();
}

/* --- other ways to it --- */

TEST(ram_is_guest_memory_rom_is_read_and_a_mapped_window_is_neither)
{
	struct lichen_map map = { LICHEN_STRUCT(struct lichen_map) };
	struct lichen_instance *in;
	uint64_t value = 0x1234567890abcdef, back = 0;

	world_start(&world, BANKS);
	in = instance("b");
	CHECK_EQ(0, place(RAM, 0x100000)); /* follows the system's */
	CHECK_EQ(0, place(ROM, AT));
	CHECK_EQ(0, place(MAPPED, AT + 0x10000));
	CHECK_EQ(0, fw_host.memory_write(in, 0, 0xffffc, &value, 8)); /* into both */
	CHECK_EQ(0, fw_host.memory_read(in, 0, 0xffffc, &back, 8));
	CHECK_EQ(value, back);
	CHECK_EQ(0, fw_host.window_read(in, RAM, 0, &back, 4));
	CHECK_EQ(0x12345678, back & 0xffffffff);
	CHECK_EQ(-LICHEN_EFAULT, fw_host.memory_write(in, 0, 0x103ffc, &value, 8));
	CHECK_EQ(0, fw_host.window_read(in, RAM, 0x3ff8, &back, 8));
	CHECK_EQ(0, back); /* nothing was written */
	CHECK_EQ(0, fw_host.memory_read(in, 0, AT, &back, 8));
	CHECK_EQ(0x312a231c150e0700, back);
	CHECK_EQ(-LICHEN_EFAULT, fw_host.memory_write(in, 0, AT, &value, 8));
	CHECK_EQ(-LICHEN_EFAULT, fw_host.memory_map(in, 0, AT, 8, LICHEN_ACCESS_WRITE, &map));
	CHECK_EQ(0, fw_host.memory_map(in, 0, AT, 8, LICHEN_ACCESS_READ, &map));
	fw_host.memory_unmap(in, &map, 0);
	CHECK_EQ(-LICHEN_EFAULT, fw_host.memory_read(in, 0, AT + 0x10000, &back, 8));
	CHECK_EQ(-LICHEN_EFAULT,
		 fw_host.memory_map(in, 0, AT + 0x10000, 8, LICHEN_ACCESS_READ, &map));
	finish();
}

TEST(what_is_hidden_is_not_guest_memory)
{
	struct lichen_instance *in;
	uint64_t value;

	world_start(&world, BANKS);
	in = instance("b");
	CHECK_EQ(0, place(RAM, AT));
	CHECK_EQ(0, place(HOLE, AT + 0x1000));
	CHECK_EQ(0, fw_host.memory_read(in, 0, AT + 0xff8, &value, 8));
	CHECK_EQ(-LICHEN_EFAULT, fw_host.memory_read(in, 0, AT + 0xffc, &value, 8));
	CHECK_EQ(-LICHEN_EFAULT, fw_host.memory_read(in, 0, AT + 0x17fc, &value, 8));
	CHECK_EQ(0, fw_host.memory_read(in, 0, AT + 0x1800, &value, 8));
	finish();
}

TEST(a_map_outlives_the_window_and_no_longer)
{
	struct lichen_map map = { LICHEN_STRUCT(struct lichen_map) };
	struct lichen_instance *in;

	world_start(&world, BANKS);
	in = instance("b");
	CHECK_EQ(0, place(RAM, AT));
	CHECK_EQ(0, fw_host.memory_map(in, 0, AT + 0x100, 0x200, LICHEN_ACCESS_WRITE, &map));
	CHECK_EQ(0, place(RAM, 0));
	memset(map.data, 7, 0x200);
	CHECK(atomic_load(&in->places[RAM].memory.backing->uses) == 2);
	fw_host.memory_unmap(in, &map, 0x200);
	CHECK(atomic_load(&in->places[RAM].memory.backing->uses) == 1);
	finish();
}

TEST(windows_are_read_and_written_within_their_bounds)
{
	struct lichen_instance *in;
	uint8_t byte = 5;

	world_start(&world, BANKS);
	in = instance("b");
	CHECK_EQ(0, fw_host.window_write(in, RAM, 0x3fff, &byte, 1));
	CHECK_EQ(-LICHEN_ERANGE, fw_host.window_write(in, RAM, 0x3fff, &byte, 2));
	CHECK_EQ(-LICHEN_ERANGE, fw_host.window_read(in, RAM, 0x4001, &byte, 0));
	CHECK_EQ(-LICHEN_ERANGE, fw_host.window_read(in, RAM, UINT64_MAX, &byte, 2));
	CHECK_EQ(-LICHEN_EINVAL, fw_host.window_read(in, 0, 0, &byte, 1));
	CHECK_EQ(-LICHEN_EINVAL, fw_host.window_read(in, MAPPED, 0, &byte, 1));
	CHECK_EQ(-LICHEN_EINVAL, fw_host.window_write(in, 6, 0, &byte, 1));
	finish();
}

TEST(dirty_pages_are_those_written_since_by_the_guest_or_through_the_host)
{
	static const struct fake_step steps[] = { FAKE_STORE(AT + 0x2000, 1, 1), END };
	struct lichen_instance *in;
	uint64_t bits = 0;
	uint8_t byte = 1;

	world_start(&world, BANKS);
	in = instance("b");
	CHECK_EQ(0, place(RAM, AT));
	CHECK_EQ(0, fw_host.window_dirty(in, RAM, &bits, 1));
	CHECK_EQ(0xf, bits); /* the first says all */
	CHECK_EQ(HV_SLOT_TRACK_DIRTY, fake_slot(world.hvm, FW_PIECES_MAX).flags);
	CHECK_EQ(0, fw_host.window_dirty(in, RAM, &bits, 1));
	CHECK_EQ(0, bits);
	RUNS(steps);
	CHECK_EQ(0, fw_host.memory_write(in, 0, AT + 0x1000, &byte, 1));
	CHECK_EQ(0, fw_host.window_dirty(in, RAM, &bits, 1));
	CHECK_EQ(0x6, bits);
	CHECK_EQ(0, fw_host.window_write(in, RAM, 0xfff, &steps, 2));
	CHECK_EQ(0, fw_host.window_dirty(in, RAM, &bits, 1));
	CHECK_EQ(0x3, bits);
	CHECK_EQ(0, place(RAM, AT + 0x10000)); /* what the hypervisor knew went with the slot */
	CHECK_EQ(0, fw_host.window_dirty(in, RAM, &bits, 1));
	CHECK_EQ(0xf, bits);
	CHECK_EQ(-LICHEN_EINVAL, fw_host.window_dirty(in, RAM, &bits, 0));
	CHECK_EQ(-LICHEN_EINVAL, fw_host.window_dirty(in, ROM, &bits, 1));
	finish();
}

/* --- resets and states --- */

TEST(a_power_on_reset_zeroes_ram_and_keeps_rom)
{
	struct lichen_instance *in;
	uint64_t value = 5, back = 1;

	world_start(&world, BANKS);
	in = instance("b");
	CHECK_EQ(0, fw_host.window_write(in, RAM, 0x1000, &value, 8));
	fw_places_zero(in);
	CHECK_EQ(0, fw_host.window_read(in, RAM, 0x1000, &back, 8));
	CHECK_EQ(0, back);
	CHECK_EQ(0, fw_host.window_read(in, ROM, 0, &back, 8));
	CHECK_EQ(0x312a231c150e0700, back);
	finish();
}

static const char *const reboots = "on_reboot: restart\n" BANKS;

/* Writes, asks for the reset that the number stands for, and then reads. */
TEST(a_restart_of_the_vm_zeroes_ram_when_it_is_a_power_on)
{
	struct lichen_instance *in;
	uint64_t value = 5, back = 0;

	world_start(&world, reboots);
	in = instance("b");
	CHECK_EQ(0, place(RAM, AT));
	CHECK_EQ(0, fw_host.window_write(in, RAM, 0, &value, 8));
	{
		static const struct fake_step steps[] = { FAKE_EXIT(HV_EXIT_RESET, 0), END };
		struct world_stop stop;

		fake_script(world.hvm, 0, steps, FAKE_STEPS(steps));
		world_stop_later(&stop, &world, 300, 0);
		CHECK_EQ(LICHEN_VM_STOPPED, lichen_vm_run(world.vm));
		world_stop_join(&stop);
	}
	CHECK_EQ(0, fw_host.window_read(in, RAM, 0, &back, 8));
	CHECK_EQ(5, back); /* the hypervisor's reset is a warm one */
	finish();
}

static struct fw_buffer state;
static struct ld_error error;

/* What `world`, which has not run, is; it ends. */
static void save(void)
{
	CHECK_EQ(0, fw_state_save(world.vm, &state, &error));
	world_end(&world);
}

static void refused(const char *why)
{
	CHECK_EQ(-LICHEN_EBADMSG, fw_state_load(world.vm, state.bytes, state.size, &error));
	if (!strstr(error.text, why))
		tap_fail("want \"%s\" in \"%s\"", why, error.text);
	fw_buffer_clear(&state);
	finish();
}

TEST(ram_is_part_of_the_state_and_rom_is_not)
{
	uint64_t value = 0x1122334455667788, back = 0;

	world_start(&world, BANKS);
	CHECK_EQ(0, fw_host.window_write(instance("b"), RAM, 0x2ff8, &value, 8));
	CHECK_EQ(0, fw_host.window_write(instance("b"), ROM, 0, &value, 8));
	save();
	world_start(&world, BANKS);
	CHECK_EQ(0, place(RAM, AT));
	CHECK_EQ(0,
		 fw_host.window_write(instance("b"), RAM, 0, &value, 8)); /* not the other's */
	CHECK_EQ(0, fw_host.window_write(instance("b"), SMALL, 0x800, &value, 8));
	CHECK_EQ(0, fw_state_load(world.vm, state.bytes, state.size, &error));
	CHECK_EQ(0, fw_host.memory_read(instance("b"), 0, AT + 0x2ff8, &back, 8));
	CHECK_EQ(value, back);
	CHECK_EQ(0, fw_host.window_read(instance("b"), RAM, 0, &back, 8));
	CHECK_EQ(0, back);
	CHECK_EQ(0, fw_host.window_read(instance("b"), SMALL, 0x800, &back, 8));
	CHECK_EQ(0, back);
	CHECK_EQ(0, fw_host.window_read(instance("b"), ROM, 0, &back, 8));
	CHECK_EQ(0x312a231c150e0700, back);
	CHECK_EQ(1, slots()); /* mapped as before */
	fw_buffer_clear(&state);
	finish();
}

TEST(a_state_without_a_window_that_is_here_is_refused)
{
	world_start(&world, BASE "devices:\n  - { plugin: debug-exit }\n");
	save();
	world_start(&world, BANKS);
	refused("state of b: window ram: is missing");
}

TEST(a_state_with_a_window_that_is_not_here_is_refused)
{
	world_start(&world, BANKS);
	save();
	world_start(&world, BASE "devices:\n  - { plugin: debug-exit }\n");
	refused("state of b: window ram: this VM has no such window of RAM");
}

TEST(pages_past_the_end_of_a_window_are_refused)
{
	uint64_t value = 1;

	world_start(&world, BANKS);
	CHECK_EQ(0, fw_host.window_write(instance("b"), RAM, 0x3000, &value, 8));
	save();
	for (uint64_t i = 4; i + 8 < state.size; i++) {
		uint64_t at;

		memcpy(&at, state.bytes + i, 8);
		if (memcmp(state.bytes + i - 4,
			   "\x03"
			   "ram",
			   4) == 0 &&
		    at == 0x3000)
			state.bytes[i + 1] = 0x40;
	}
	world_start(&world, BANKS);
	refused("state of b: window ram: 4096 bytes at 0x4000: not whole pages of RAM in "
		"order");
}

/* --- listeners --- */

#define HEARD(text) CHECK_EQ(1, world_heard(&world, "[ears/e] " text))

TEST(who_listens_hears_of_ram_and_of_windows_that_are_placed_later)
{
	static const struct fake_step steps[] = { PLACE(RAM, AT), PLACE(ROM, AT + 0x10000),
						  PLACE(HOLE, AT + 0x1000), END };

	world_start(&world, BASE "devices:\n  - { plugin: ears, id: e }\n"
				 "  - { plugin: banks, id: b, port: 0x300 }\n"
				 "  - { plugin: debug-exit }\n");
	HEARD("add 0x0 0x100000 private+0x0.");
	CHECK_EQ(1, world_heard(&world, "[ears/e] commit."));
	RUNS(steps);
	fw_loop_drain(&world.vm->loop);
	/* It may have been told in between, or only of what came out in the end. */
	HEARD("add 0xd0000000 0x1000 shared+0x0.");
	HEARD("add 0xd0002000 0x2000 shared+0x2000.");
	CHECK_EQ(world_heard(&world, "add 0xd0000000 0x4000"),
		 world_heard(&world, "remove 0xd0000000 0x4000"));
	CHECK_EQ(0, world_heard(&world, "0xd0010000")); /* ROM is nobody's to write to */
	CHECK_EQ(world_heard(&world, "[ears/e] begin."),
		 world_heard(&world, "[ears/e] commit."));
	finish();
}

TEST(what_realize_places_is_heard_of_before_the_guest_runs)
{
	world_start(&world, BASE "devices:\n  - { plugin: ears, id: e }\n"
				 "  - { plugin: banks, id: b, ram_at: 0xd0000000 }\n");
	HEARD("add 0xd0000000 0x4000 shared+0x0.");
	lichen_vm_destroy(world.vm);
	world.vm = NULL;
	HEARD("remove 0xd0000000 0x4000 shared+0x0."); /* its instance went first */
	finish();
}

TEST(a_realize_whose_memory_is_refused_fails_with_who_and_why)
{
	world_begin(&world, BASE "devices:\n  - { plugin: ears, id: e, refuse: 0xd0000000 }\n"
				 "  - { plugin: banks, id: b, ram_at: 0xd0000000 }\n");
	CHECK_EQ(LICHEN_VM_FAILED, world_create(&world));
	CHECK_EQ(1, world_heard(&world, "e does not take the memory layout that it makes: "
					"region 0xd0000000: told to refuse it"));
	CHECK_EQ(0, world_heard(&world, "remove 0xd0000000"));
	finish();
}

TEST(a_listener_that_refuses_what_is_there_is_not_realized)
{
	world_begin(&world, BASE "devices:\n"
				 "  - { plugin: banks, id: b, ram_at: 0xd0000000 }\n"
				 "  - { plugin: ears, id: e, refuse: 0xd0000000 }\n");
	CHECK_EQ(LICHEN_VM_FAILED, world_create(&world));
	CHECK_EQ(1, world_heard(&world, "region 0xd0000000: told to refuse it"));
	HEARD("remove 0x0 0x100000 private+0x0."); /* undone */
	finish();
}

TEST(what_a_running_instance_changes_stands_though_a_listener_refuses_it)
{
	static const struct fake_step steps[] = { PLACE(RAM, AT), FAKE_STORE(AT, 1, 9),
						  FAKE_LOAD(AT, 1), END };
	static const uint64_t want[] = { 9 };

	world_start(&world, BASE "devices:\n"
				 "  - { plugin: ears, id: e, refuse: 0xd0000000 }\n"
				 "  - { plugin: banks, id: b, port: 0x300 }\n"
				 "  - { plugin: debug-exit }\n");
	RUNS(steps);
	READS(want);
	fw_loop_drain(&world.vm->loop);
	CHECK(world_heard(&world, "[ears/e] it does not take a change of the memory layout") >=
	      1);
	finish();
}

TEST(a_class_without_the_callback_cannot_listen_nor_one_that_does_twice)
{
	world_start(&world, BASE "devices:\n  - { plugin: ears, id: e }\n"
				 "  - { plugin: banks, id: b }\n");
	CHECK_EQ(-LICHEN_EINVAL, fw_host.memory_listen(instance("b"), 0));
	CHECK_EQ(-LICHEN_EEXIST, fw_host.memory_listen(instance("e"), 0));
	CHECK_EQ(-LICHEN_ENOTSUP, fw_host.memory_listen(instance("e"), 1));
	finish();
}

TEST(memory_of_an_instance_that_comes_later_is_there_when_it_runs_and_goes_with_it)
{
	static const struct fake_step steps[] = { FAKE_STORE(AT, 4, 5), FAKE_LOAD(AT, 4), END };
	static const uint64_t want[] = { 5 };
	const struct fw_plug_entry entry = { .section = "devices",
					     .text = "{ plugin: banks, id: b, "
						     "ram_at: 0xd0000000 }",
					     .origin = "device add" };
	struct fw_diags diags = { 0 };
	struct lichen_instance *in = NULL;

	world_start(&world, BASE "devices:\n  - { plugin: ears, id: e }\n"
				 "  - { plugin: debug-exit }\n");
	CHECK_EQ(0, fw_plug_add(world.vm, &entry, &in, &diags));
	CHECK_EQ(0, slots()); /* it holds its place, and is not seen yet */
	CHECK_EQ(0, world_heard(&world, "0xd0000000"));
	RUNS(steps);
	READS(want);
	CHECK_EQ(1, slots());
	HEARD("add 0xd0000000 0x4000 shared+0x0.");
	CHECK_EQ(0, fw_plug_remove(world.vm, in, 1, 0, NULL, NULL, &error));
	CHECK_EQ(0, slots());
	HEARD("remove 0xd0000000 0x4000 shared+0x0.");
	CHECK_EQ(0, atomic_load(&world.vm->layout.windows));
	finish();
}

/* --- four vCPUs at once --- */

enum { ROUNDS = 2000 };

/* One moves the RAM about and hides part of it while the others use what they find. */
static const struct fake_step moves[] = {
	FAKE_COUNT(ROUNDS),	   PLACE(RAM, AT),	    PLACE(HOLE, AT + 0x1000),
	FAKE_LOAD(AT + 0x1800, 4), PLACE(RAM, AT + 0x2000), PLACE(HOLE, 0),
	PLACE(RAM, AT + 0x10000),  PLACE(RAM, 0),	    FAKE_LOOP(1),
	FAKE_OUT(0xf5, 1, 0),
};
static const struct fake_step hammers[] = {
	FAKE_COUNT(ROUNDS * 4),
	FAKE_STORE(AT + 0x2ff8, 4, 0xabcd),
	FAKE_LOAD(AT + 0x1ffc, 8),
	FAKE_LOAD(AT + 0x2ff8, 4),
	FAKE_STORE(AT + 0x10ff8, 4, 0xabcd),
	FAKE_LOAD(AT + 0x1200, 1),
	FAKE_LOOP(1),
	FAKE_OUT(0xf5, 1, 0),
};

TEST(windows_of_memory_are_moved_hidden_and_removed_under_four_vcpus)
{
	struct world_stop stop;

	world_start(&world, "cpus: 4\n" BASE "devices:\n  - { plugin: kvm-irqchip }\n"
			    "  - { plugin: ears, id: e }\n"
			    "  - { plugin: banks, id: b, port: 0x300 }\n"
			    "  - { plugin: debug-exit }\n");
	fake_script(world.hvm, 0, moves, FAKE_STEPS(moves));
	for (uint32_t i = 1; i < 4; i++)
		fake_script(world.hvm, i, hammers, FAKE_STEPS(hammers));
	world_stop_later(&stop, &world, 400, 0);
	CHECK_EQ(LICHEN_VM_STOPPED, lichen_vm_run(world.vm));
	world_stop_join(&stop);
	for (uint32_t i = 1; i < 4; i++)
		for (uint32_t k = 1; k < fake_read_count(world.hvm, i) && k < FAKE_READS_MAX;
		     k += 3) {
			const uint64_t seen = fake_read_at(world.hvm, i, k);

			/* Nothing, what somebody wrote, or what was never written. */
			CHECK(seen == 0xabcd || seen == 0xffffffff || seen == 0);
		}
	CHECK_EQ(0, world_heard(&world, "misbehaves"));
	CHECK_EQ(world_heard(&world, "[ears/e] begin."),
		 world_heard(&world, "[ears/e] commit."));
	finish();
}
