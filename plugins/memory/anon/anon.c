/* SPDX-License-Identifier: MIT */
/*
 * anon: guest memory from the host's anonymous memory, private to the process.
 *
 *	memory: { size: 512M, plugin: anon, huge: yes }
 *
 * The host maps it in one run and the kernel gives pages as the guest touches
 * them.  With `huge` the kernel is advised to back it with transparent huge pages
 * (madvise(2), MADV_HUGEPAGE), which costs memory and saves table walks.
 *
 * Limits: the memory cannot be shared with another process.
 */
#include <lichen/ram.h>

enum { ANON_PAGE_SIZE = 4096 }; /* bytes, what x86-64 maps at least */

struct anon {
	struct lichen_dev dev; /* host and instance; first member of every instance */
	uint8_t huge;
};

static const struct lichen_param anon_params[] = {
	LICHEN_PARAM_AS(LICHEN_BOOL, struct anon, huge, .fallback = 1,
			.help = "advise the kernel to use huge pages"),
};

/* [control, realized] */
static lichen_status anon_allocate(void *self, uint64_t client, uint64_t size,
				   struct lichen_ram *runs, uint32_t count, uint32_t *used)
{
	const struct anon *a = self;

	(void)client;
	if (size == 0 || size % ANON_PAGE_SIZE != 0) {
		a->dev.host->error(a->dev.in, "memory of %llu bytes: not a multiple of %d",
				   (unsigned long long)size, ANON_PAGE_SIZE);
		return -LICHEN_EINVAL;
	}
	if (count == 0)
		return -LICHEN_ENOSPC;
	runs[0] = (struct lichen_ram){
		LICHEN_STRUCT(struct lichen_ram),
		.flags = a->huge ? LICHEN_RAM_HUGE : 0,
		.descriptor = -1,
		.page_size = ANON_PAGE_SIZE,
		.size = size,
	};
	*used = 1;
	return 0;
}

static const struct lichen_memory_ops anon_ops = {
	LICHEN_STRUCT(struct lichen_memory_ops),
	.allocate = anon_allocate,
};

static const struct lichen_provide anon_provides[] = {
	LICHEN_PROVIDE(LICHEN_MEMORY, anon_ops),
};

static const struct lichen_class anon_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "guest memory from the host's anonymous memory",
	.instance_size = sizeof(struct anon),
	.params = LICHEN_TABLE(anon_params),
	.provides = LICHEN_TABLE(anon_provides),
};

LICHEN_MEMORY_PLUGIN("anon", "1.0", anon_class);
