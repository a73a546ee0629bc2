/* SPDX-License-Identifier: MIT */
/*
 * flat: put a file into guest memory and start in it.
 *
 *	boot: { plugin: flat, image: hello.bin, address: 0x100000, mode: long }
 *
 * There is no specification: flat(7) is it.  Tables in low memory: flat_cpu.h.
 * Limits: real mode starts below 1 MiB, the other modes below 4 GiB.
 */
#include <inttypes.h>

#include <lichen/boot.h>
#include <lichen/sdk/source.h>

#include "flat_cpu.h"

struct flat {
	struct lichen_dev dev;
	int32_t image; /* descriptor, the host's */
	uint32_t mode; /* enum flat_mode */
	uint64_t address;
	uint64_t entry; /* absolute; create turns "not given" into address */
	const struct lichen_boot_host *boot;
	struct lichen_source source; /* the image, its size as at create */
};

static const char *const flat_modes[] = { "real", "protected", "long" };

static const struct lichen_param flat_params[] = {
	LICHEN_PARAM_AS(LICHEN_FILE, struct flat, image,
			.flags = LICHEN_PARAM_REQUIRED | LICHEN_PARAM_READ,
			.help = "file that is copied into guest memory"),
	LICHEN_PARAM(struct flat, address, .unit = LICHEN_UNIT_GPA, .max = FLAT_REACH - 1,
		     .fallback = 0x100000, .help = "where the image starts in guest memory"),
	LICHEN_PARAM(struct flat, entry, .unit = LICHEN_UNIT_GPA, .max = FLAT_REACH - 1,
		     .help = "address of the first instruction, 0 for the image's start"),
	LICHEN_PARAM_AS(LICHEN_CHOICE, struct flat, mode, .fallback = FLAT_LONG,
			.choices = LICHEN_TABLE(flat_modes),
			.help = "processor mode at the first instruction"),
};

/* Where memory that `mode` needs for its tables ends. */
static uint64_t flat_low_end(uint32_t mode)
{
	return mode == FLAT_REAL ? 0 : FLAT_LOW_END;
}

static lichen_status flat_create(void *self)
{
	struct flat *f = self;
	const struct lichen_host *host = f->dev.host;
	uint64_t end = f->mode == FLAT_REAL ? FLAT_REAL_END : FLAT_REACH;
	lichen_status status;

	f->boot = host->interface(f->dev.in, LICHEN_BOOT_HOST);
	if (f->boot == NULL) {
		host->error(f->dev.in, "the host does not offer %s", LICHEN_BOOT_HOST);
		return -LICHEN_ENOTSUP;
	}
	status = lichen_source_open(&f->dev, "image", f->image, &f->source);
	if (status < 0)
		return status;
	if (f->address < flat_low_end(f->mode)) {
		host->error(f->dev.in,
			    "address: 0x%" PRIx64 ", %s mode has its tables below 0x%x",
			    f->address, flat_modes[f->mode], FLAT_LOW_END);
		return -LICHEN_EINVAL;
	}
	if (f->entry == 0)
		f->entry = f->address;
	if (f->entry < f->address || f->entry - f->address >= f->source.size) {
		host->error(f->dev.in,
			    "entry: 0x%" PRIx64 ", outside the image's %" PRIu64
			    " bytes at 0x%" PRIx64,
			    f->entry, f->source.size, f->address);
		return -LICHEN_EINVAL;
	}
	if (f->entry >= end) {
		host->error(f->dev.in, "entry: 0x%" PRIx64 ", %s mode starts below 0x%" PRIx64,
			    f->entry, flat_modes[f->mode], end);
		return -LICHEN_EINVAL;
	}
	return 0;
}

/*
 * Checks that nothing of [gpa, gpa + size) is reserved or missing, and adds up
 * the guest's RAM.  RAM ranges that touch count as one.
 */
static lichen_status flat_check_room(struct flat *f, lichen_gpa gpa, uint64_t size,
				     uint64_t *ram)
{
	const struct lichen_host *host = f->dev.host;
	uint64_t found = 0, total = 0;
	lichen_gpa end = gpa + size; /* gpa < 4 GiB and size is a file's: no overflow */

	for (uint32_t i = 0;; i++) {
		struct lichen_range range = { LICHEN_STRUCT(struct lichen_range) };
		lichen_status status = host->memory_range(f->dev.in, i, &range);
		lichen_gpa from, to;

		if (status == -LICHEN_ENOENT)
			break;
		if (status < 0)
			return status;
		if (range.type != LICHEN_RANGE_RAM)
			continue;
		total += range.size;
		from = range.gpa > gpa ? range.gpa : gpa;
		to = range.gpa + range.size < end ? range.gpa + range.size : end;
		if (from < to)
			found += to - from;
	}
	*ram = total;
	return found == size ? 0 : -LICHEN_ENOSPC;
}

static lichen_status flat_write_tables(struct flat *f)
{
	const struct lichen_host *host = f->dev.host;
	uint64_t gdt[LICHEN_X86_GDT_ENTRIES];
	uint64_t tables[LICHEN_X86_TABLES * LICHEN_X86_TABLE_ENTRIES];
	lichen_status status;

	if (f->mode == FLAT_REAL)
		return 0;
	lichen_x86_gdt(f->mode == FLAT_LONG, gdt);
	lichen_x86_tables(FLAT_TABLES_AT, tables);
	status = host->memory_write(f->dev.in, 0, FLAT_GDT_AT, gdt, sizeof(gdt));
	if (status >= 0 && f->mode == FLAT_LONG)
		status = host->memory_write(f->dev.in, 0, FLAT_TABLES_AT, tables,
					    sizeof(tables));
	return status;
}

static lichen_status flat_load(void *self, uint64_t client)
{
	struct flat *f = self;
	const struct lichen_host *host = f->dev.host;
	uint64_t low = flat_low_end(f->mode), ram = 0;
	struct lichen_cpu cpu;
	lichen_status status;

	(void)client;
	status = flat_check_room(f, f->address, f->source.size, &ram);
	if (status < 0) {
		host->error(f->dev.in,
			    "image: %" PRIu64 " bytes at 0x%" PRIx64 " do not fit into %" PRIu64
			    " bytes of guest RAM",
			    f->source.size, f->address, ram);
		return status;
	}
	status = flat_check_room(f, 0, low, &ram);
	if (status >= 0)
		status = flat_write_tables(f);
	if (status < 0) {
		host->error(f->dev.in, "guest memory below 0x%" PRIx64 " is not all RAM", low);
		return status;
	}
	status = lichen_source_load(&f->dev, &f->source, 0, f->source.size, f->address);
	if (status < 0)
		return status;
	flat_cpu(f->mode, f->address, f->entry, ram, &cpu);
	status = f->boot->set_cpu(f->dev.in, 0, &cpu);
	if (status < 0)
		host->error(f->dev.in, "the boot vCPU refuses to start in %s mode",
			    flat_modes[f->mode]);
	return status;
}

static const struct lichen_boot_ops flat_ops = {
	LICHEN_STRUCT(struct lichen_boot_ops),
	.load = flat_load,
};

static const struct lichen_provide flat_provides[] = {
	LICHEN_PROVIDE(LICHEN_BOOT, flat_ops),
};

static const struct lichen_class flat_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "copies a file into guest memory and starts in it",
	.instance_size = sizeof(struct flat),
	.params = LICHEN_TABLE(flat_params),
	.provides = LICHEN_TABLE(flat_provides),
	.create = flat_create,
};

LICHEN_BOOT_PLUGIN("flat", "0.1", flat_class);
