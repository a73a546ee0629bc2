/* SPDX-License-Identifier: MIT */
/*
 * Reloading while memory runs out, at each allocation in turn: the old code goes on, or the
 * new one is complete; nothing is left over.
 */
#include "alloc.h"
#include "reload.h"
#include "tap.h"
#include "world.h"

#ifdef ALLOC_SANITIZED

TEST(allocations_cannot_be_failed_under_a_sanitizer)
{
	SKIP("a sanitizer has its own malloc");
}

#else

static const char profile[] =
	"name: full\nmemory: { size: 1M }\nboot: { plugin: begin }\n"
	"devices:\n  - { plugin: kvm-irqchip }\n"
	"  - { plugin: morph, id: a, threaded: true, peer: { plugin: sender } }\n"
	"  - { plugin: morph, id: b, port: 0x600, gpa: 0xd0001000, irq: 6, peer: a }\n"
	"  - { plugin: receiver, id: r, peer: b }\n";

static struct world world;
static struct fw_diags diags;

static uint32_t in(uint32_t port)
{
	uint64_t value = 0;

	CHECK_EQ(1, fw_bus_read(world.vm->ports, port, 4, &value));
	return (uint32_t)value;
}

static void out(uint32_t port, uint32_t value)
{
	CHECK_EQ(1, fw_bus_write(world.vm->ports, port, 4, value));
}

/* The nth allocation of a reload fails; 0: none does. */
static lichen_status reload(struct ld_plugin *fresh, uint32_t nth)
{
	lichen_status status;

	failing = nth;
	made = 0;
	armed = 1;
	status = fw_reload(world.vm, "morph", fresh, NULL, &diags);
	armed = 0;
	return status;
}

/* All of the machine answers as it should. */
static void works(uint32_t round)
{
	struct fake_view view;

	out(0x600 + 4, round);
	CHECK_EQ(round, in(0x600 + 4));
	out(0x500 + 8, round & 1);
	fake_look(world.hvm, &view);
	CHECK_EQ(round & 1, view.level[5]);
	CHECK_EQ(2, view.bells);
	out(0x600 + 16, 1);
	out(0x500 + 16, 1);
	out(0x100, in(0x100));
	fw_loop_drain(&world.vm->loop);
	CHECK_EQ(1, in(0x104));
	CHECK_EQ(in(0x600 + 16), in(0x500 + 16));
}

TEST(memory_that_runs_out_at_any_allocation_of_a_reload_leaves_one_or_the_other)
{
	uint32_t total, tolerated = 0;
	struct ld_error error = { "" };
	struct ld_plugin *fresh;
	int64_t before;

	world_start(&world, profile);
	fw_bus_thread_enter();
	fw_vm_resume_instances(world.vm);
	CHECK_EQ(0, ld_open(&world.vm->plugins, "morph", NULL, &fresh, &error));
	for (uint32_t i = 0; i < 3; i++) {
		(void)ld_share(fresh);
		CHECK_EQ(0, reload(fresh, 0));
		works(i);
	}
	total = made;
	CHECK(total > 30);
	for (uint32_t nth = 1; nth <= total; nth++) {
		lichen_status status;

		works(nth - 1);
		before = atomic_load(&live);
		(void)ld_share(fresh);
		status = reload(fresh, nth);
		if (status != 0 && status != -LICHEN_ENOMEM)
			tap_fail("allocation %u of %u: status %d: %s", nth, total, status,
				 diags.count ? diags.items[0].text : "");
		if (status != 0 && diags.count + diags.lost == 0)
			tap_fail("allocation %u of %u: fails and says nothing", nth, total);
		if (status != 0)
			CHECK_EQ(0, ld_close(fresh, NULL));
		fw_diags_clear(&diags);
		diags.lost = 0;
		if (atomic_load(&live) != before)
			tap_fail("allocation %u of %u: %d blocks are left", nth, total,
				 (int)(atomic_load(&live) - before));
		tolerated += status == 0;
		works(nth);
	}
	printf("# %u allocations, %u of those that failed were done without\n", total,
	       tolerated);
	CHECK_EQ(0, ld_close(fresh, NULL));
	fw_bus_thread_leave();
	world_end(&world);
	CHECK_EQ(0, fake_alive());
	CHECK_EQ(0, fake_misuses());
}

#endif
