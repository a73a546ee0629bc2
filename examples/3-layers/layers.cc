/* SPDX-License-Identifier: MIT */
/*
 * layers: a memory strategy, in C++20: guest memory from several memfds, each of
 * them shareable, so that parts of it could be given to different processes.
 *
 *	memory: { size: 64M, plugin: layers, count: 4 }
 */
#include <cstdint>
#include <sys/mman.h>
#include <unistd.h>

#include <lichen/ram.h>

namespace
{
constexpr uint32_t most = 8;
constexpr uint64_t page = 4096;

struct layers {
	lichen_dev dev;
	uint32_t count; /* parameter */
	uint32_t open;	/* descriptors in use */
	int32_t descriptor[most];
};

const lichen_param params[] = {
	LICHEN_PARAM(layers, count, .min = 1, .max = most, .fallback = 2, .help = "how many layers"),
};

/* Room for `size` bytes in a memfd of their own.  [control, realized] */
lichen_status add(layers *l, uint64_t size)
{
	const int fd = memfd_create("guest memory", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, static_cast<off_t>(size)) < 0) {
		if (fd >= 0)
			close(fd);
		l->dev.host->error(l->dev.in, "%llu bytes: no memory",
				   static_cast<unsigned long long>(size));
		return -LICHEN_ENOMEM;
	}
	l->descriptor[l->open++] = fd;
	return 0;
}

/* [control, realized] */
lichen_status allocate(void *self, uint64_t, uint64_t size, lichen_ram *runs, uint32_t room,
		       uint32_t *used)
{
	auto *l = static_cast<layers *>(self);
	const uint32_t count = l->count < room ? l->count : room;
	const uint64_t each = size / count / page * page;

	for (uint32_t i = 0; i < count; i++) {
		/* The last one takes what the division left. */
		const uint64_t part = i + 1 < count ? each : size - each * (count - 1);
		const lichen_status status = add(l, part);

		if (status < 0)
			return status;
		runs[i] = { LICHEN_STRUCT(lichen_ram), .flags = LICHEN_RAM_SHAREABLE,
			    .descriptor = l->descriptor[i], .page_size = page, .offset = 0,
			    .size = part };
	}
	*used = count;
	return 0;
}

/* [control, drained] */
void destroy(void *self)
{
	auto *l = static_cast<layers *>(self);

	while (l->open > 0)
		close(l->descriptor[--l->open]);
}

const lichen_memory_ops ops = { LICHEN_STRUCT(lichen_memory_ops), .allocate = allocate };

const lichen_provide provides[] = { LICHEN_PROVIDE(LICHEN_MEMORY, ops) };

const lichen_class layers_class = {
	LICHEN_STRUCT(lichen_class),
	.summary = "guest memory in several shareable pieces",
	.instance_size = sizeof(layers),
	.params = LICHEN_TABLE(params),
	.provides = LICHEN_TABLE(provides),
	.destroy = destroy,
};
} // namespace

LICHEN_MEMORY_PLUGIN("layers", "1.0", layers_class);
