/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <testhost.h>

#include "tap.h"

enum { RUNS = 4, PAGE_2M = 0, PAGE_1G = 1 };

static const uint64_t MIB = 1 << 20;

static lichen_status allocate(struct th *th, uint64_t size, struct lichen_ram *runs,
			      uint32_t count, uint32_t *used)
{
	const struct lichen_memory_ops *ops = th_interface(th, LICHEN_MEMORY);

	return ops->allocate(th_self(th), TH_CLIENT, size, runs, count, used);
}

static struct th *started(uint64_t page, const char *pool)
{
	struct th *th = th_create("hugetlb");

	th_set(th, "page", page);
	th_set_file(th, "pool", open(pool, O_PATH | O_DIRECTORY | O_CLOEXEC));
	CHECK_EQ(0, th_start(th));
	return th;
}

/* A pool like the kernel's, with the counts given. */
static void make_pool(char folder[static 64], const char *const counts[4])
{
	static const char *const names[] = { "free_hugepages", "resv_hugepages",
					     "nr_overcommit_hugepages", "surplus_hugepages" };
	char path[128];

	strcpy(folder, "/tmp/lichen-pool-XXXXXX");
	CHECK(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/hugepages-2048kB", folder);
	CHECK_EQ(0, mkdir(path, 0700));
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/hugepages-2048kB/%s", folder, names[i]);
		const int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

		CHECK_EQ(strlen(counts[i]), write(file, counts[i], strlen(counts[i])));
		close(file);
	}
}

static void remove_pool(const char *folder)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	CHECK_EQ(0, system(command));
}

/* More than any host has: no pool gives it. */
static const uint64_t TOO_MUCH = (uint64_t)1 << 46;

TEST(a_pool_that_lacks_pages_is_said_with_what_is_needed_and_free)
{
	static const char *const counts[] = { "10\n", "3\n", "7\n", "2\n" };
	struct lichen_ram runs[RUNS] = { { .size = 1 } };
	uint32_t used = 99;
	char folder[64];

	make_pool(folder, counts);
	struct th *th = started(PAGE_2M, folder);
	const lichen_status status = allocate(th, TOO_MUCH, runs, RUNS, &used);

	if (status == -LICHEN_ENOTSUP)
		CHECK_STR("page 2M: the host has no pages of that size", th_error(th));
	else
		CHECK_STR("page 2M: 33554432 pages are needed, and 12 are free", th_error(th));
	CHECK(status < 0);
	CHECK_EQ(99, used);
	CHECK_EQ(1, runs[0].size);
	th_destroy(th);
	remove_pool(folder);
}

TEST(counts_that_are_not_there_are_none)
{
	static const char *const counts[] = { "x", "", "-1", "99999999999999999999999999" };
	struct lichen_ram runs[RUNS];
	uint32_t used;
	char folder[64];

	make_pool(folder, counts);
	struct th *th = started(PAGE_2M, folder);
	if (allocate(th, TOO_MUCH, runs, RUNS, &used) == -LICHEN_ENOMEM)
		CHECK(strstr(th_error(th), "and 0 are free"));
	th_destroy(th);
	remove_pool(folder);
	th = started(PAGE_1G, "/");
	if (allocate(th, TOO_MUCH, runs, RUNS, &used) == -LICHEN_ENOMEM)
		CHECK_STR("page 1G: 65536 pages are needed, and 0 are free", th_error(th));
	th_destroy(th);
}

TEST(memory_is_made_of_whole_pages)
{
	struct lichen_ram runs[RUNS];
	uint32_t used = 99;
	struct th *th = started(PAGE_2M, "/");

	CHECK_EQ(-LICHEN_EINVAL, allocate(th, 3 * MIB, runs, RUNS, &used));
	CHECK_STR("memory of 3145728 bytes: not a multiple of 2M, which page is", th_error(th));
	CHECK_EQ(-LICHEN_EINVAL, allocate(th, 0, runs, RUNS, &used));
	CHECK_EQ(-LICHEN_ENOSPC, allocate(th, 2 * MIB, runs, 0, &used));
	th_destroy(th);
	th = started(PAGE_1G, "/");
	CHECK_EQ(-LICHEN_EINVAL, allocate(th, 512 * MIB, runs, RUNS, &used));
	CHECK_EQ(99, used);
	th_destroy(th);
}

TEST(pages_are_reserved_and_stay_when_others_want_them)
{
	struct lichen_ram runs[RUNS];
	uint32_t used = 0;
	struct th *th = started(PAGE_2M, "/sys/kernel/mm/hugepages");

	if (allocate(th, 4 * MIB, runs, RUNS, &used) < 0) {
		th_destroy(th);
		SKIP("the host's pool has no two pages of 2 MiB");
	}
	CHECK_EQ(1, used);
	CHECK_EQ(2 * MIB, runs[0].page_size);
	CHECK_EQ(4 * MIB, runs[0].size);
	CHECK_EQ(LICHEN_RAM_SHAREABLE, runs[0].flags);
	CHECK(ftruncate(runs[0].descriptor, 0) < 0);

	/* Whoever takes the rest of the pool: ours are there. */
	struct th *other = started(PAGE_2M, "/sys/kernel/mm/hugepages");
	struct lichen_ram rest[RUNS];
	CHECK_EQ(-LICHEN_ENOMEM, allocate(other, TOO_MUCH, rest, RUNS, &used));
	uint8_t *at =
		mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, runs[0].descriptor, 0);
	CHECK(at != MAP_FAILED);
	at[0] = at[2 * MIB] = 1;
	CHECK_EQ(0, munmap(at, 4 * MIB));
	th_destroy(other);
	th_destroy(th);
}
