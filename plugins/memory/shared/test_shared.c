/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <testhost.h>

#include "tap.h"

enum { RUNS = 4 };

static const uint64_t MIB = 1 << 20;

static lichen_status allocate(struct th *th, uint64_t size, struct lichen_ram *runs,
			      uint32_t count, uint32_t *used)
{
	const struct lichen_memory_ops *ops = th_interface(th, LICHEN_MEMORY);

	return ops->allocate(th_self(th), TH_CLIENT, size, runs, count, used);
}

static struct th *started(void)
{
	struct th *th = th_create("shared");

	CHECK_EQ(0, th_start(th));
	return th;
}

TEST(memory_comes_in_one_run_that_can_be_shared)
{
	struct th *th = started();
	struct lichen_ram runs[RUNS] = { { .size = 0 } };
	uint32_t used = 99;

	CHECK_EQ(0, allocate(th, 64 * MIB, runs, RUNS, &used));
	CHECK_EQ(1, used);
	CHECK_EQ(64 * MIB, runs[0].size);
	CHECK_EQ(0, runs[0].offset);
	CHECK_EQ(4096, runs[0].page_size);
	CHECK_EQ(LICHEN_RAM_SHAREABLE | LICHEN_RAM_HUGE, runs[0].flags);
	uint8_t *ours =
		mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, runs[0].descriptor, 0);
	uint8_t *theirs = mmap(NULL, 64 * MIB, PROT_READ, MAP_SHARED, runs[0].descriptor, 0);
	CHECK(ours != MAP_FAILED && theirs != MAP_FAILED);
	ours[63 * MIB] = 42;
	CHECK_EQ(42, theirs[63 * MIB]);
	CHECK_EQ(0, munmap(ours, 64 * MIB));
	CHECK_EQ(0, munmap(theirs, 64 * MIB));
	th_destroy(th);
}

TEST(nobody_changes_its_size)
{
	struct th *th = started();
	struct lichen_ram runs[RUNS];
	uint32_t used;
	struct stat status;

	CHECK_EQ(0, allocate(th, MIB, runs, RUNS, &used));
	CHECK(ftruncate(runs[0].descriptor, 4096) < 0);
	CHECK(ftruncate(runs[0].descriptor, (off_t)(2 * MIB)) < 0);
	CHECK(fcntl(runs[0].descriptor, F_ADD_SEALS, F_SEAL_WRITE) < 0);
	CHECK_EQ(0, fstat(runs[0].descriptor, &status));
	CHECK_EQ(MIB, status.st_size);
	th_destroy(th);
}

TEST(the_name_is_what_the_profile_says)
{
	struct th *th = th_create("shared");
	struct lichen_ram runs[RUNS];
	char link[64], target[64] = "";
	uint32_t used;

	th_set_text(th, "name", "web");
	th_set(th, "huge", 0);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, allocate(th, MIB, runs, RUNS, &used));
	CHECK_EQ(LICHEN_RAM_SHAREABLE, runs[0].flags);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", runs[0].descriptor);
	CHECK(readlink(link, target, sizeof(target) - 1) > 0);
	CHECK(strstr(target, "memfd:web"));
	CHECK_EQ(FD_CLOEXEC, fcntl(runs[0].descriptor, F_GETFD));
	th_destroy(th);
}

TEST(bad_sizes_are_refused)
{
	struct th *th = started();
	struct lichen_ram runs[RUNS] = { { .size = 1 } };
	uint32_t used = 99;

	CHECK_EQ(-LICHEN_EINVAL, allocate(th, 4097, runs, RUNS, &used));
	CHECK_STR("memory of 4097 bytes: not a multiple of 4096", th_error(th));
	CHECK_EQ(-LICHEN_EINVAL, allocate(th, 0, runs, RUNS, &used));
	CHECK_EQ(-LICHEN_EINVAL, allocate(th, UINT64_MAX - 4095, runs, RUNS, &used));
	CHECK_EQ(-LICHEN_ENOSPC, allocate(th, MIB, runs, 0, &used));
	CHECK_EQ(99, used);
	CHECK_EQ(1, runs[0].size);
	th_destroy(th);
}

TEST(memory_is_allocated_once)
{
	struct th *th = started();
	struct lichen_ram runs[RUNS];
	uint32_t used;

	CHECK_EQ(0, allocate(th, MIB, runs, RUNS, &used));
	CHECK_EQ(-LICHEN_EEXIST, allocate(th, MIB, runs, RUNS, &used));
	th_destroy(th);
}
