/* SPDX-License-Identifier: MIT */
/* odd: memory that is not what it says. */
#include <lichen/ram.h>

#include <sys/mman.h>
#include <unistd.h>

enum odd_how { ODD_MANY = 0, ODD_SHORT = 1, ODD_NONE = 2 };

struct odd {
	struct lichen_dev dev;
	uint32_t how;
	int file;
};

static const char *const odd_hows[] = { "many", "short", "none" };

static const struct lichen_param odd_params[] = {
	LICHEN_PARAM_AS(LICHEN_CHOICE, struct odd, how, .choices = LICHEN_TABLE(odd_hows),
			.help = "what is odd about it"),
};

static lichen_status odd_allocate(void *self, uint64_t client, uint64_t size,
				  struct lichen_ram *runs, uint32_t count, uint32_t *used)
{
	struct odd *o = self;

	(void)client;
	*used = 1;
	runs[0] = (struct lichen_ram){ LICHEN_STRUCT(struct lichen_ram), .descriptor = -1,
				       .size = size };
	if (o->how == ODD_MANY)
		*used = count + 1000000;
	if (o->how == ODD_SHORT) { /* touching its end would be SIGBUS */
		o->file = memfd_create("odd", MFD_CLOEXEC);
		if (o->file < 0 || ftruncate(o->file, 4096) < 0)
			return -LICHEN_EIO;
		runs[0].descriptor = o->file;
	}
	if (o->how == ODD_NONE)
		*used = 0;
	return 0;
}

static void odd_destroy(void *self)
{
	const struct odd *o = self;

	if (o->file > 0)
		close(o->file);
}

static const struct lichen_memory_ops odd_memory = { LICHEN_STRUCT(struct lichen_memory_ops),
						     .allocate = odd_allocate };

static const struct lichen_provide odd_provides[] = {
	LICHEN_PROVIDE(LICHEN_MEMORY, odd_memory),
};

static const struct lichen_class odd_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "odd memory of the framework's tests",
	.instance_size = sizeof(struct odd),
	.params = LICHEN_TABLE(odd_params),
	.provides = LICHEN_TABLE(odd_provides),
	.destroy = odd_destroy,
};

LICHEN_MEMORY_PLUGIN("odd", "1.0", odd_class);
