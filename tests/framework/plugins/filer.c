/* SPDX-License-Identifier: MIT */
/* filer: says how long its file is. */
#include <lichen/device.h>

#include <sys/stat.h>

struct filer {
	struct lichen_dev dev;
	int32_t file;
};

static const struct lichen_param filer_params[] = {
	LICHEN_PARAM_AS(LICHEN_FILE, struct filer, file,
			.flags = LICHEN_PARAM_REQUIRED | LICHEN_PARAM_READ, .help = "any file"),
};

static lichen_status filer_realize(void *self)
{
	const struct filer *f = self;
	struct stat status;

	if (fstat(f->file, &status) < 0)
		return -LICHEN_EIO;
	f->dev.host->log(f->dev.in, LICHEN_LOG_INFO, "%lld bytes", (long long)status.st_size);
	return 0;
}

static const struct lichen_class filer_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "has a file",
	.instance_size = sizeof(struct filer),
	.params = LICHEN_TABLE(filer_params),
	.realize = filer_realize,
};

LICHEN_DEVICE_PLUGIN("filer", "1.0", filer_class);
