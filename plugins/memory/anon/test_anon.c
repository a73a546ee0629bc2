/* SPDX-License-Identifier: MIT */
#include <testhost.h>

#include "tap.h"

enum { RUNS = 4 };

static const uint64_t MIB = 1 << 20;

static lichen_status allocate(struct th *th, uint64_t size, struct lichen_ram *runs,
			      uint32_t count, uint32_t *used)
{
	const struct lichen_memory_ops *ops = th_interface(th, LICHEN_MEMORY);

	CHECK(ops && ops->allocate);
	return ops->allocate(th_self(th), TH_CLIENT, size, runs, count, used);
}

static struct th *started(uint64_t huge)
{
	struct th *th = th_create("anon");

	th_set(th, "huge", huge);
	CHECK_EQ(0, th_start(th));
	return th;
}

TEST(memory_comes_in_one_private_run)
{
	struct th *th = started(0);
	struct lichen_ram runs[RUNS] = { { .size = 0 } };
	uint32_t used = 99;

	CHECK_EQ(0, allocate(th, 512 * MIB, runs, RUNS, &used));
	CHECK_EQ(1, used);
	CHECK_EQ(sizeof(struct lichen_ram), runs[0].struct_size);
	CHECK_EQ(-1, runs[0].descriptor);
	CHECK_EQ(512 * MIB, runs[0].size);
	CHECK_EQ(0, runs[0].offset);
	CHECK_EQ(4096, runs[0].page_size);
	CHECK_EQ(0, runs[0].flags);
	CHECK_EQ(0, runs[1].size);
	th_destroy(th);
}

TEST(huge_advises_huge_pages)
{
	struct th *th = started(1);
	struct lichen_ram runs[RUNS];
	uint32_t used;

	CHECK_EQ(0, allocate(th, MIB, runs, RUNS, &used));
	CHECK_EQ(LICHEN_RAM_HUGE, runs[0].flags);
	th_destroy(th);
}

TEST(more_than_the_host_has_is_not_its_business)
{
	struct th *th = started(1);
	struct lichen_ram runs[RUNS];
	uint32_t used;

	CHECK_EQ(0, allocate(th, (uint64_t)1 << 46, runs, RUNS, &used));
	CHECK_EQ((uint64_t)1 << 46, runs[0].size);
	th_destroy(th);
}

TEST(a_size_that_is_not_whole_pages_is_refused)
{
	struct th *th = started(1);
	struct lichen_ram runs[RUNS] = { { .size = 1 } };
	uint32_t used = 99;

	CHECK_EQ(-LICHEN_EINVAL, allocate(th, 4097, runs, RUNS, &used));
	CHECK_STR("memory of 4097 bytes: not a multiple of 4096", th_error(th));
	CHECK_EQ(-LICHEN_EINVAL, allocate(th, 0, runs, RUNS, &used));
	CHECK_EQ(99, used);
	CHECK_EQ(1, runs[0].size);
	th_destroy(th);
}

TEST(no_room_for_a_run_is_said)
{
	struct th *th = started(1);
	uint32_t used = 99;

	CHECK_EQ(-LICHEN_ENOSPC, allocate(th, MIB, NULL, 0, &used));
	CHECK_EQ(99, used);
	th_destroy(th);
}
