/* SPDX-License-Identifier: MIT */
/*
 * shared: guest memory in a file without a name, which other processes can map.
 *
 *	memory: { size: 512M, plugin: shared }
 *
 * Devices that live in other processes get its descriptor.  Its size is sealed
 * (memfd_create(2), F_SEAL_SHRINK and F_SEAL_GROW), so that none of them can take
 * pages away from under the others.
 *
 * Limits: the pages count as the host's shared memory, which a limit of a control
 * group or of tmpfs may cut short while the guest runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <lichen/ram.h>

#ifndef MFD_NOEXEC_SEAL /* Linux 6.3; where sysctl vm.memfd_noexec is 2, the only way */
#define MFD_NOEXEC_SEAL 8u
#endif

enum { SHARED_PAGE_SIZE = 4096, SHARED_NAME_MAX = 64 }; /* bytes */

struct shared {
	struct lichen_dev dev;
	const char *name;
	uint8_t huge;
	int32_t descriptor; /* -1: not allocated */
};

static const struct lichen_param shared_params[] = {
	LICHEN_PARAM(struct shared, name, .text_fallback = "lichen-ram", .min = 1,
		     .max = SHARED_NAME_MAX, .help = "what the host's tools call the memory"),
	LICHEN_PARAM_AS(LICHEN_BOOL, struct shared, huge, .fallback = 1,
			.help = "advise the kernel to use huge pages"),
};

static int32_t shared_memfd(const char *name)
{
	const int32_t descriptor =
		memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (descriptor >= 0 || errno != EINVAL)
		return descriptor;
	return memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING); /* before Linux 6.3 */
}

/* A file of `size` bytes that keeps that size; -errno. */
static int32_t shared_open(const char *name, uint64_t size)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	const int32_t descriptor = shared_memfd(name);

	if (descriptor < 0)
		return -errno;
	if (ftruncate(descriptor, (off_t)size) || fcntl(descriptor, F_ADD_SEALS, seals)) {
		const int error = errno;

		close(descriptor);
		return -error;
	}
	return descriptor;
}

/* [control, realized] */
static lichen_status shared_allocate(void *self, uint64_t client, uint64_t size,
				     struct lichen_ram *runs, uint32_t count, uint32_t *used)
{
	struct shared *s = self;
	const struct lichen_host *host = s->dev.host;

	(void)client;
	if (size == 0 || size % SHARED_PAGE_SIZE != 0 || size > INT64_MAX) {
		host->error(s->dev.in, "memory of %llu bytes: not a multiple of %d",
			    (unsigned long long)size, SHARED_PAGE_SIZE);
		return -LICHEN_EINVAL;
	}
	if (count == 0)
		return -LICHEN_ENOSPC;
	if (s->descriptor >= 0)
		return -LICHEN_EEXIST;
	s->descriptor = shared_open(s->name, size);
	if (s->descriptor < 0) {
		const int error = -s->descriptor;

		host->error(s->dev.in, "memory of %llu bytes: %s", (unsigned long long)size,
			    strerror(error));
		return -LICHEN_ENOMEM;
	}
	runs[0] = (struct lichen_ram){
		LICHEN_STRUCT(struct lichen_ram),
		.flags = LICHEN_RAM_SHAREABLE | (s->huge ? (uint32_t)LICHEN_RAM_HUGE : 0),
		.descriptor = s->descriptor,
		.page_size = SHARED_PAGE_SIZE,
		.size = size,
	};
	*used = 1;
	return 0;
}

static const struct lichen_memory_ops shared_ops = {
	LICHEN_STRUCT(struct lichen_memory_ops),
	.allocate = shared_allocate,
};

static const struct lichen_provide shared_provides[] = {
	LICHEN_PROVIDE(LICHEN_MEMORY, shared_ops),
};

/* [control, created] */
static lichen_status shared_create(void *self)
{
	((struct shared *)self)->descriptor = -1;
	return 0;
}

/* [control, drained] */
static void shared_destroy(void *self)
{
	const struct shared *s = self;

	if (s->descriptor >= 0)
		close(s->descriptor);
}

static const struct lichen_class shared_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "guest memory that other processes can map",
	.instance_size = sizeof(struct shared),
	.params = LICHEN_TABLE(shared_params),
	.provides = LICHEN_TABLE(shared_provides),
	.create = shared_create,
	.destroy = shared_destroy,
};

LICHEN_MEMORY_PLUGIN("shared", "0.1", shared_class);
