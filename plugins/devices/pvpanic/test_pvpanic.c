/* SPDX-License-Identifier: MIT */
#include <testhost.h>

#include "tap.h"

enum { PORT = 0x505 };

static struct th *started(void)
{
	struct th *th = th_create("pvpanic");

	CHECK_EQ(0, th_start(th));
	return th;
}

TEST(a_read_says_which_events_are_known)
{
	struct th *th = started();

	CHECK_EQ(3, th_in(th, PORT, 1));
	CHECK_EQ(0, th_asked(th).end);
	th_destroy(th);
}

TEST(a_panic_is_the_guests_crash)
{
	struct th *th = started();

	th_out(th, PORT, 1, 1);
	CHECK_EQ(LICHEN_END_CRASH, th_asked(th).end);
	th_destroy(th);
}

TEST(a_panic_counts_whatever_is_said_with_it)
{
	struct th *th = started();

	th_out(th, PORT, 1, 0xff);
	CHECK_EQ(LICHEN_END_CRASH, th_asked(th).end);
	th_destroy(th);
}

TEST(a_crash_kernel_may_go_on)
{
	struct th *th = started();

	th_out(th, PORT, 1, 2);
	CHECK_EQ(0, th_asked(th).end);
	th_destroy(th);
}

TEST(events_that_nobody_knows_are_ignored)
{
	struct th *th = started();

	th_out(th, PORT, 1, 0);
	th_out(th, PORT, 1, 0xfc);
	CHECK_EQ(0, th_asked(th).end);
	th_destroy(th);
}

TEST(it_has_one_port)
{
	struct th *th = started();

	th_out(th, PORT - 1, 1, 1);
	th_out(th, PORT + 1, 1, 1);
	CHECK_EQ(0xff, th_in(th, PORT + 1, 1));
	CHECK_EQ(0, th_asked(th).end);
	th_out(th, PORT - 1, 2, 0x0100); /* the upper byte is ours */
	CHECK_EQ(LICHEN_END_CRASH, th_asked(th).end);
	th_destroy(th);
}

TEST(acpi_describes_it_by_its_port)
{
	struct th *th = th_create("pvpanic");
	struct lichen_acpi_node node = { .struct_size = sizeof(node) };
	const struct lichen_acpi_node_ops *ops;

	th_set(th, "port", 0xffff);
	CHECK_EQ(0, th_start(th));
	ops = th_interface(th, LICHEN_ACPI_NODE);
	CHECK_EQ(0, ops->describe(th_self(th), TH_CLIENT, 0, &node));
	CHECK_STR("QEMU0001", node.hid);
	CHECK_EQ(0xffff, node.ports[0].base);
	CHECK_EQ(1, node.ports[0].size);
	CHECK_EQ(-LICHEN_ENOENT, ops->describe(th_self(th), TH_CLIENT, 1, &node));
	CHECK_EQ(3, th_in(th, 0xffff, 1));
	th_destroy(th);
}
