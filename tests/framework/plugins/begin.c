/* SPDX-License-Identifier: MIT */
/* begin: a boot protocol that loads nothing: the fake's vCPUs run scripts. */
#include <lichen/boot.h>

struct begin {
	struct lichen_dev dev;
	uint8_t wide;
};

static const struct lichen_param begin_params[] = {
	LICHEN_PARAM_AS(LICHEN_BOOL, struct begin, wide, .help = "starts in 64-bit mode"),
};

static lichen_status begin_load(void *self, uint64_t client)
{
	const struct begin *b = self;
	const struct lichen_boot_host *boot =
		b->dev.host->interface(b->dev.in, LICHEN_BOOT_HOST);
	const struct lichen_segment flat = {
		.limit = UINT32_MAX, .type = 3, .s = 1, .present = 1, .g = 1
	};
	struct lichen_cpu cpu = { LICHEN_STRUCT(struct lichen_cpu),
				  .rip = 0x8000,
				  .rflags = 2,
				  .cr0 = 1,
				  .cs = flat,
				  .ds = flat };

	(void)client;
	if (b->wide) {
		cpu.cr0 = 0x80000011;
		cpu.cr4 = 0x20;
		cpu.efer = 0x500;
		cpu.cs.l = 1;
	}
	b->dev.host->log(b->dev.in, LICHEN_LOG_INFO, "load");
	return boot->set_cpu(b->dev.in, 0, &cpu);
}

static const struct lichen_boot_ops begin_boot = { LICHEN_STRUCT(struct lichen_boot_ops),
						   .load = begin_load };

static const struct lichen_provide begin_provides[] = {
	LICHEN_PROVIDE(LICHEN_BOOT, begin_boot),
};

static const struct lichen_class begin_class = {
	LICHEN_STRUCT(struct lichen_class),	  .summary = "starts nothing",
	.instance_size = sizeof(struct begin),	  .params = LICHEN_TABLE(begin_params),
	.provides = LICHEN_TABLE(begin_provides),
};

LICHEN_BOOT_PLUGIN("begin", "1.0", begin_class);
