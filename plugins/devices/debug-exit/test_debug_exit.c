/* SPDX-License-Identifier: MIT */
#include <testhost.h>

#include "tap.h"

enum { PORT = 0xf4 };

static struct th *started(void)
{
	struct th *th = th_create("debug-exit");

	CHECK_EQ(0, th_start(th));
	return th;
}

TEST(write_asks_for_exit_with_bit0_set)
{
	struct th *th = started();

	th_out(th, PORT, 1, 0x10);
	CHECK_EQ(0x121, th_asked(th).exit);
	th_destroy(th);
}

TEST(a_write_of_zero_is_not_a_clean_end)
{
	struct th *th = started();

	th_out(th, PORT, 4, 0);
	CHECK_EQ(0x101, th_asked(th).exit);
	CHECK_EQ(0, th_asked(th).end);
	th_destroy(th);
}

TEST(the_status_is_cut_to_eight_bits)
{
	struct th *th = started();

	th_out(th, PORT, 4, 0xffffff81);
	CHECK_EQ(0x103, th_asked(th).exit);
	th_destroy(th);
}

TEST(a_read_counts_writes_and_ends_nothing)
{
	struct th *th = started();

	CHECK_EQ(0, th_in(th, PORT, 4));
	CHECK_EQ(0, th_asked(th).exit);
	for (int i = 0; i < 0x102; i++)
		th_out(th, PORT, 2, 1);
	CHECK_EQ(0x102, th_in(th, PORT, 4));
	CHECK_EQ(0x02, th_in(th, PORT, 1));
	th_destroy(th);
}

TEST(the_other_ports_read_as_zero_and_ignore_writes)
{
	struct th *th = started();

	for (uint16_t port = PORT + 1; port < PORT + 4; port++) {
		th_out(th, port, 1, 0xff);
		CHECK_EQ(0, th_in(th, port, 1));
	}
	CHECK_EQ(0, th_asked(th).exit);
	CHECK_EQ(0, th_in(th, PORT, 1));
	th_destroy(th);
}

TEST(the_neighbours_of_the_window_are_nobodys)
{
	struct th *th = started();

	th_out(th, PORT - 1, 1, 1);
	th_out(th, PORT + 4, 1, 1);
	CHECK_EQ(0, th_asked(th).exit);
	CHECK_EQ(0xff, th_in(th, PORT - 1, 1));
	CHECK_EQ(0xff, th_in(th, PORT + 4, 1));
	th_destroy(th);
}

TEST(a_write_that_starts_below_reaches_it_as_its_part)
{
	struct th *th = started();

	th_out(th, PORT - 1, 2, 0x0311);
	CHECK_EQ(0x107, th_asked(th).exit);
	th_destroy(th);
}

TEST(the_port_parameter_moves_it)
{
	struct th *th = th_create("debug-exit");

	th_set(th, "port", 0xfffc);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0xff, th_in(th, PORT, 1));
	th_out(th, 0xfffc, 1, 1);
	CHECK_EQ(0x103, th_asked(th).exit);
	th_destroy(th);
}

TEST(reset_clears_the_count)
{
	struct th *th = started();

	th_out(th, PORT, 1, 1);
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	CHECK_EQ(0, th_in(th, PORT, 4));
	th_destroy(th);
}

TEST(two_instances_do_not_know_each_other)
{
	struct th *a = started(), *b = started();

	th_out(a, PORT, 1, 1);
	CHECK_EQ(1, th_in(a, PORT, 1));
	CHECK_EQ(0, th_in(b, PORT, 1));
	CHECK_EQ(0, th_asked(b).exit);
	th_destroy(a);
	th_destroy(b);
}

TEST_MUST_FAIL(a_port_past_the_last_is_refused)
{
	struct th *th = th_create("debug-exit");

	th_set(th, "port", 0xfffd);
}
