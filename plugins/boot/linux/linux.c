/* SPDX-License-Identifier: MIT */
/*
 * linux: boot an x86-64 Linux kernel by its 64-bit boot protocol.
 *
 *	boot: { plugin: linux, kernel: vmlinuz, initrd: initrd.gz, cmdline: "console=ttyS0" }
 *
 * Specification: Linux's Documentation/arch/x86/boot.rst, protocol 2.12 or
 * later, and zero-page.rst.  Where things go in guest memory: linux_layout.h.
 * Limits: no setup_data, no EFI, no screen; the kernel is loaded below 4 GiB.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lichen/acpi.h>
#include <lichen/boot.h>

#include "linux_header.h"
#include "linux_layout.h"

struct linux_boot {
	struct lichen_dev dev;
	int32_t kernel;			/* descriptor, the host's */
	int32_t initrd;			/* the same; -1: none */
	const char *cmdline;		/* borrowed until destroy */
	const struct lichen_link *acpi; /* empty where the VM has no ACPI */
	const struct lichen_boot_host *boot;
	struct linux_kernel image; /* judged by create */
	uint64_t initrd_size;	   /* bytes; 0: none */
};

static const struct lichen_param linux_params[] = {
	LICHEN_PARAM_AS(LICHEN_FILE, struct linux_boot, kernel,
			.flags = LICHEN_PARAM_REQUIRED | LICHEN_PARAM_READ,
			.help = "x86-64 bzImage of boot protocol 2.12 or later"),
	LICHEN_PARAM_AS(LICHEN_FILE, struct linux_boot, initrd, .flags = LICHEN_PARAM_READ,
			.help = "initial RAM disk, handed over as it is"),
	LICHEN_PARAM(struct linux_boot, cmdline, .max = LINUX_CMDLINE_MAX, .text_fallback = "",
		     .help = "kernel command line"),
};

static const struct lichen_need linux_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .flags = LICHEN_NEED_OPTIONAL, .id = LICHEN_ACPI,
	  .offset = (uint32_t)offsetof(struct linux_boot, acpi) },
};

/* The size of the plain file behind `descriptor`, which parameter `name` gave. */
static lichen_status linux_file_size(struct linux_boot *l, const char *name, int32_t descriptor,
				     uint64_t *size)
{
	struct stat st;

	if (fstat(descriptor, &st) < 0) {
		lichen_status status = -errno;

		l->dev.host->error(l->dev.in, "%s: its size cannot be read: %s", name,
				   strerrordesc_np(-status));
		return status;
	}
	if (!S_ISREG(st.st_mode)) {
		l->dev.host->error(l->dev.in, "%s: not a regular file", name);
		return -LICHEN_EINVAL;
	}
	*size = (uint64_t)st.st_size;
	return 0;
}

/* pread() of all of it.  *done: bytes read, less than size at the end of the file. */
static lichen_status linux_read(int32_t descriptor, void *to, uint64_t size, uint64_t offset,
				uint64_t *done)
{
	uint64_t had = 0;

	while (had < size) {
		ssize_t n = pread(descriptor, (uint8_t *)to + had, (size_t)(size - had),
				  (off_t)(offset + had));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		had += (uint64_t)n;
	}
	*done = had;
	return 0;
}

/*
 * Reads `size` bytes of a file at `offset` straight into guest memory at `gpa`,
 * a multiple of LINUX_PAGE.  In one piece where guest memory is one piece; where
 * its strategy gave several, in halves down to a page.
 */
static lichen_status linux_read_guest(struct linux_boot *l, const char *name,
				      int32_t descriptor, uint64_t offset, uint64_t size,
				      lichen_gpa gpa)
{
	const struct lichen_host *host = l->dev.host;
	uint64_t piece = size, had = 0;

	while (had < size) {
		struct lichen_map map = { LICHEN_STRUCT(struct lichen_map) };
		uint64_t want = piece < size - had ? piece : size - had, done = 0;
		lichen_status status = host->memory_map(l->dev.in, 0, gpa + had, want,
							LICHEN_ACCESS_WRITE, &map);

		if (status == -LICHEN_EFAULT && want > LINUX_PAGE) {
			piece = (want / 2 + LINUX_PAGE - 1) & ~(uint64_t)(LINUX_PAGE - 1);
			continue;
		}
		if (status < 0) {
			host->error(l->dev.in, "%s: no guest memory at 0x%" PRIx64, name,
				    gpa + had);
			return status;
		}
		status = linux_read(descriptor, map.data, want, offset + had, &done);
		host->memory_unmap(l->dev.in, &map, status < 0 ? want : done);
		if (status < 0) {
			host->error(l->dev.in, "%s: cannot be read at byte %" PRIu64 ": %s",
				    name, offset + had, strerrordesc_np(-status));
			return status;
		}
		if (done < want) {
			host->error(l->dev.in,
				    "%s: shrank to %" PRIu64 " bytes, %" PRIu64
				    " were there at the start",
				    name, offset + had + done, offset + size);
			return -LICHEN_EIO;
		}
		had += want;
	}
	return 0;
}

static lichen_status linux_create(void *self)
{
	struct linux_boot *l = self;
	const struct lichen_host *host = l->dev.host;
	uint8_t bytes[LINUX_HEADER_BYTES];
	struct linux_why why;
	uint64_t size = 0, count = 0, length;
	lichen_status status;

	l->boot = host->interface(l->dev.in, LICHEN_BOOT_HOST);
	if (l->boot == NULL) {
		host->error(l->dev.in, "the host does not offer %s", LICHEN_BOOT_HOST);
		return -LICHEN_ENOTSUP;
	}
	status = linux_file_size(l, "kernel", l->kernel, &size);
	if (status < 0)
		return status;
	status = linux_read(l->kernel, bytes, size < sizeof(bytes) ? size : sizeof(bytes), 0,
			    &count);
	if (status < 0) {
		host->error(l->dev.in, "kernel: cannot be read: %s", strerrordesc_np(-status));
		return status;
	}
	status = linux_header_parse(bytes, count, size, &l->image, &why);
	if (status < 0) {
		host->error(l->dev.in, "%s", why.text);
		return status;
	}
	length = strlen(l->cmdline);
	if (length > l->image.header.cmdline_size || length > LINUX_CMDLINE_MAX) {
		host->error(l->dev.in, "cmdline: %" PRIu64 " bytes, this kernel takes %u",
			    length, l->image.header.cmdline_size);
		return -LICHEN_E2BIG;
	}
	if (l->initrd < 0)
		return 0;
	status = linux_file_size(l, "initrd", l->initrd, &l->initrd_size);
	if (status >= 0 && l->initrd_size == 0) {
		host->error(l->dev.in, "initrd: the file is empty");
		return -LICHEN_EINVAL;
	}
	return status;
}

static lichen_status linux_read_map(struct linux_boot *l, struct linux_map *map)
{
	const struct lichen_host *host = l->dev.host;

	map->count = 0;
	for (uint32_t i = 0;; i++) {
		struct lichen_range range = { LICHEN_STRUCT(struct lichen_range) };
		lichen_status status = host->memory_range(l->dev.in, i, &range);

		if (status == -LICHEN_ENOENT)
			break;
		if (status >= 0)
			status = linux_map_add(map, range.gpa, range.size, range.type);
		if (status < 0) {
			host->error(
				l->dev.in,
				"guest memory has too many ranges: %u, the e820 table has %d",
				i + 1, LINUX_RANGES);
			return status;
		}
	}
	if (!linux_map_is_ram(map, LINUX_GDT_AT, LINUX_LOW_END - LINUX_GDT_AT)) {
		host->error(l->dev.in, "guest memory from 0x%x to 0x%x is not all RAM",
			    LINUX_GDT_AT, LINUX_LOW_END);
		return -LICHEN_ENOMEM;
	}
	return 0;
}

static lichen_status linux_place(struct linux_boot *l, const struct linux_map *map,
				 struct linux_layout *layout)
{
	const struct lichen_host *host = l->dev.host;
	lichen_status status = linux_place_kernel(map, &l->image, &layout->kernel);

	if (status < 0) {
		host->error(l->dev.in,
			    "kernel: needs %" PRIu64 " bytes from 0x%" PRIx64
			    ", guest memory ends at 0x%" PRIx64 " or has no such room",
			    l->image.room, (uint64_t)l->image.header.pref_address,
			    linux_map_end(map));
		return status;
	}
	if (l->initrd_size == 0)
		return 0;
	layout->initrd_size = l->initrd_size;
	status = linux_place_initrd(map, &l->image, layout->kernel, l->initrd_size,
				    &layout->initrd);
	if (status < 0) {
		uint64_t end = linux_map_end(map), limit = linux_initrd_limit(&l->image);

		host->error(l->dev.in,
			    "initrd: %" PRIu64
			    " bytes, no room beside the kernel below 0x%" PRIx64,
			    l->initrd_size, end < limit ? end : limit);
	}
	return status;
}

static lichen_status linux_find_rsdp(struct linux_boot *l, lichen_gpa *rsdp)
{
	const struct lichen_host *host = l->dev.host;
	const struct lichen_acpi_ops *acpi;
	lichen_status status;

	if (host->enter(l->dev.in, l->acpi) < 0)
		return 0; /* no ACPI in this VM */
	acpi = l->acpi->ops;
	status = acpi->rsdp(l->acpi->self, l->acpi->client, rsdp);
	host->leave(l->dev.in, l->acpi);
	if (status < 0)
		host->error(l->dev.in, "the ACPI tables have no address");
	return status;
}

/* The GDT, the page tables, the command line and the zero page. */
static lichen_status linux_write_low(struct linux_boot *l, const struct linux_map *map,
				     const struct linux_layout *layout)
{
	const struct lichen_host *host = l->dev.host;
	uint64_t gdt[LINUX_GDT_ENTRIES];
	uint64_t tables[LINUX_TABLES * LINUX_PAGE / sizeof(uint64_t)];
	struct boot_params page;
	lichen_status status;

	linux_gdt(gdt);
	linux_page_tables(tables);
	linux_zero_page(map, &l->image, layout, &page);
	status = host->memory_write(l->dev.in, 0, LINUX_GDT_AT, gdt, sizeof(gdt));
	if (status >= 0)
		status = host->memory_write(l->dev.in, 0, LINUX_TABLES_AT, tables,
					    sizeof(tables));
	if (status >= 0)
		status = host->memory_write(l->dev.in, 0, LINUX_CMDLINE_AT, l->cmdline,
					    strlen(l->cmdline) + 1);
	if (status >= 0)
		status = host->memory_write(l->dev.in, 0, LINUX_ZERO_PAGE_AT, &page,
					    sizeof(page));
	if (status < 0)
		host->error(l->dev.in, "guest memory below 0x%x cannot be written",
			    LINUX_LOW_END);
	return status;
}

static lichen_status linux_load(void *self, uint64_t client)
{
	struct linux_boot *l = self;
	const struct lichen_host *host = l->dev.host;
	struct linux_layout layout = { .kernel = 0 };
	struct linux_map map;
	struct lichen_cpu cpu;
	lichen_status status;

	(void)client;
	status = linux_read_map(l, &map);
	if (status >= 0)
		status = linux_place(l, &map, &layout);
	if (status >= 0)
		status = linux_find_rsdp(l, &layout.rsdp);
	if (status >= 0)
		status = linux_read_guest(l, "kernel", l->kernel, l->image.offset,
					  l->image.size, layout.kernel);
	if (status >= 0 && layout.initrd_size > 0)
		status = linux_read_guest(l, "initrd", l->initrd, 0, layout.initrd_size,
					  layout.initrd);
	if (status >= 0)
		status = linux_write_low(l, &map, &layout);
	if (status < 0)
		return status;

	host->log(l->dev.in, LICHEN_LOG_DEBUG,
		  "kernel at 0x%" PRIx64 ", initrd at 0x%" PRIx64 ", RSDP at 0x%" PRIx64,
		  layout.kernel, layout.initrd, layout.rsdp);
	linux_cpu(&layout, &cpu);
	status = l->boot->set_cpu(l->dev.in, 0, &cpu);
	if (status < 0)
		host->error(l->dev.in, "the boot vCPU refuses the 64-bit entry state");
	return status;
}

static const struct lichen_boot_ops linux_ops = {
	LICHEN_STRUCT(struct lichen_boot_ops),
	.load = linux_load,
};

static const struct lichen_provide linux_provides[] = {
	LICHEN_PROVIDE(LICHEN_BOOT, linux_ops),
};

static const struct lichen_class linux_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "boots an x86-64 Linux kernel (bzImage)",
	.instance_size = sizeof(struct linux_boot),
	.params = LICHEN_TABLE(linux_params),
	.provides = LICHEN_TABLE(linux_provides),
	.needs = LICHEN_TABLE(linux_needs),
	.create = linux_create,
};

LICHEN_BOOT_PLUGIN("linux", "0.1", linux_class);
