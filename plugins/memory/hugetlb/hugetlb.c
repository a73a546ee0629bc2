/* SPDX-License-Identifier: MIT */
/*
 * hugetlb: guest memory from the host's pool of huge pages, which the guest never
 * waits for and never loses.
 *
 *	memory: { size: 4G, plugin: hugetlb, page: 1G }
 *
 * The pages are reserved at the start, all or none (hugetlbfs, by memfd_create(2)
 * with MFD_HUGETLB), and the size is sealed, so that other processes can map it.
 * The operator fills the pool: /proc/sys/vm/nr_hugepages for pages of 2 MiB.
 *
 * Limits: a control group with a limit on huge pages below what was reserved ends
 * the guest where it touches one page more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/memfd.h>

#include <lichen/ram.h>

#ifndef MFD_NOEXEC_SEAL /* Linux 6.3; where sysctl vm.memfd_noexec is 2, the only way */
#define MFD_NOEXEC_SEAL 8u
#endif

struct hugetlb {
	struct lichen_dev dev;
	uint32_t page;	    /* index into hugetlb_sizes */
	int32_t pool;	    /* parameter; a folder */
	int32_t descriptor; /* -1: not allocated */
};

static const char *const hugetlb_pages[] = { "2M", "1G" };

static const struct hugetlb_size {
	const char *name;
	uint32_t bytes;
	uint32_t flag;	    /* of memfd_create */
	const char *folder; /* in the pool */
} hugetlb_sizes[] = {
	{ "2M", 1 << 21, MFD_HUGE_2MB, "hugepages-2048kB" },
	{ "1G", 1 << 30, MFD_HUGE_1GB, "hugepages-1048576kB" },
};

static const struct lichen_param hugetlb_params[] = {
	LICHEN_PARAM_AS(LICHEN_CHOICE, struct hugetlb, page,
			.choices = LICHEN_TABLE(hugetlb_pages), .help = "size of a page"),
	LICHEN_PARAM_AS(LICHEN_FILE, struct hugetlb, pool, .flags = LICHEN_PARAM_DIRECTORY,
			.text_fallback = "/sys/kernel/mm/hugepages",
			.help = "folder where the host counts its huge pages"),
};

/* A counter of the pool; 0 where the host has none of that name. */
static uint64_t hugetlb_count(const struct hugetlb *h, const char *name)
{
	const char *folder = hugetlb_sizes[h->page].folder;
	char path[64], digits[24];
	uint64_t count = 0;
	int file;
	ssize_t n;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return 0;
	file = openat(h->pool, path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return 0;
	n = read(file, digits, sizeof(digits));
	close(file);
	for (ssize_t i = 0; i < n && digits[i] >= '0' && digits[i] <= '9'; i++)
		count = count * 10 + (uint64_t)(digits[i] - '0');
	return count;
}

/* Pages that a new reservation could have. */
static uint64_t hugetlb_free(const struct hugetlb *h)
{
	const uint64_t idle = hugetlb_count(h, "free_hugepages");
	const uint64_t reserved = hugetlb_count(h, "resv_hugepages");
	const uint64_t more = hugetlb_count(h, "nr_overcommit_hugepages");
	const uint64_t surplus = hugetlb_count(h, "surplus_hugepages");

	return (idle > reserved ? idle - reserved : 0) + (more > surplus ? more - surplus : 0);
}

/*
 * Reserves the pages of the file: a shared mapping does, and the file keeps the
 * reservation when the mapping goes.
 */
static int hugetlb_reserve(int32_t descriptor, uint64_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);

	return at == MAP_FAILED ? -1 : munmap(at, size);
}

static int32_t hugetlb_memfd(uint32_t page)
{
	const uint32_t flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | page;
	const int32_t descriptor = memfd_create("lichen-ram", flags | MFD_NOEXEC_SEAL);

	if (descriptor >= 0 || errno != EINVAL)
		return descriptor;
	return memfd_create("lichen-ram", flags); /* before Linux 6.3 */
}

/* A file of `size` bytes that keeps size and pages; -errno. */
static int32_t hugetlb_open(const struct hugetlb_size *page, uint64_t size)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	const int32_t descriptor = hugetlb_memfd(page->flag);

	if (descriptor < 0)
		return -errno;
	if (ftruncate(descriptor, (off_t)size) || hugetlb_reserve(descriptor, size) ||
	    fcntl(descriptor, F_ADD_SEALS, seals)) {
		const int error = errno;

		close(descriptor);
		return -error;
	}
	return descriptor;
}

static lichen_status hugetlb_refuse(const struct hugetlb *h, uint64_t size, int error)
{
	const struct hugetlb_size *page = &hugetlb_sizes[h->page];
	const struct lichen_host *host = h->dev.host;

	switch (error) {
	case ENOMEM:
	case ENOSPC:
		host->error(h->dev.in, "page %s: %llu pages are needed, and %llu are free",
			    page->name, (unsigned long long)(size / page->bytes),
			    (unsigned long long)hugetlb_free(h));
		return -LICHEN_ENOMEM;
	case ENODEV:
	case EINVAL:
	case ENOSYS:
		host->error(h->dev.in, "page %s: the host has no pages of that size",
			    page->name);
		return -LICHEN_ENOTSUP;
	default:
		host->error(h->dev.in, "page %s: %s", page->name, strerror(error));
		return -error;
	}
}

/* [control, realized] */
static lichen_status hugetlb_allocate(void *self, uint64_t client, uint64_t size,
				      struct lichen_ram *runs, uint32_t count, uint32_t *used)
{
	struct hugetlb *h = self;
	const struct hugetlb_size *page = &hugetlb_sizes[h->page];

	(void)client;
	if (size == 0 || size % page->bytes != 0 || size > INT64_MAX) {
		h->dev.host->error(h->dev.in,
				   "memory of %llu bytes: not a multiple of %s, which page is",
				   (unsigned long long)size, page->name);
		return -LICHEN_EINVAL;
	}
	if (count == 0)
		return -LICHEN_ENOSPC;
	if (h->descriptor >= 0)
		return -LICHEN_EEXIST;
	h->descriptor = hugetlb_open(page, size);
	if (h->descriptor < 0)
		return hugetlb_refuse(h, size, -h->descriptor);
	runs[0] = (struct lichen_ram){
		LICHEN_STRUCT(struct lichen_ram),
		.flags = LICHEN_RAM_SHAREABLE,
		.descriptor = h->descriptor,
		.page_size = page->bytes,
		.size = size,
	};
	*used = 1;
	return 0;
}

static const struct lichen_memory_ops hugetlb_ops = {
	LICHEN_STRUCT(struct lichen_memory_ops),
	.allocate = hugetlb_allocate,
};

static const struct lichen_provide hugetlb_provides[] = {
	LICHEN_PROVIDE(LICHEN_MEMORY, hugetlb_ops),
};

/* [control, created] */
static lichen_status hugetlb_create(void *self)
{
	((struct hugetlb *)self)->descriptor = -1;
	return 0;
}

/* [control, drained] */
static void hugetlb_destroy(void *self)
{
	const struct hugetlb *h = self;

	if (h->descriptor >= 0)
		close(h->descriptor);
}

static const struct lichen_class hugetlb_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "guest memory from the host's pool of huge pages",
	.instance_size = sizeof(struct hugetlb),
	.params = LICHEN_TABLE(hugetlb_params),
	.provides = LICHEN_TABLE(hugetlb_provides),
	.create = hugetlb_create,
	.destroy = hugetlb_destroy,
};

LICHEN_MEMORY_PLUGIN("hugetlb", "0.1", hugetlb_class);
