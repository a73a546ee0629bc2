/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "testhost.h"

TEST(everything_written_is_taken)
{
	static const uint8_t data[100000];
	struct th *th = th_create("null");
	uint32_t taken = 0;

	CHECK_EQ(0, th_start(th));
	const struct lichen_char_ops *ops = th_interface(th, LICHEN_CHAR);

	CHECK_EQ(0, ops->write(th_self(th), 1, data, sizeof(data), &taken));
	CHECK_EQ(sizeof(data), taken);
	CHECK_EQ(0, ops->write(th_self(th), 1, data, 0, &taken));
	CHECK_EQ(0, taken);
	th_destroy(th);
}

TEST(nothing_is_ever_received)
{
	struct th *th = th_create("null");
	struct th_posted posted;

	CHECK_EQ(0, th_start(th));
	const struct lichen_char_ops *ops = th_interface(th, LICHEN_CHAR);

	ops->ask(th_self(th), 1, UINT32_MAX);
	CHECK_EQ(0, th_poll(th, 0));
	th_advance(th, 1000000000);
	CHECK(!th_posted(th, &posted));
	th_destroy(th);
}
