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
#include <inttypes.h>
#include <string.h>

#include <lichen/boot.h>
#include <lichen/sdk/rsdp.h>
#include <lichen/sdk/source.h>

#include "linux_layout.h"
#include "linux_unpack.h"

enum { LINUX_AUTO = 0, LINUX_GUEST = 1, LINUX_HOST = 2 };

struct linux_boot {
	struct lichen_dev dev;
	int32_t kernel;	 /* descriptor, the host's */
	int32_t initrd;	 /* the same; -1: none */
	uint32_t unpack; /* who unpacks a bzImage: LINUX_AUTO, GUEST, HOST */
	uint32_t _pad;
	const char *cmdline;		/* borrowed until destroy */
	const struct lichen_link *acpi; /* empty where the VM has no ACPI */
	const struct lichen_boot_host *boot;
	struct lichen_source file; /* the kernel's, its size as at create */
	struct lichen_source disk; /* the initrd's; size 0: none */
	struct linux_kernel image; /* judged by create */
	struct lichen_elf elf;	   /* the same, of a vmlinux */
};

static const char *const linux_unpacks[] = { "auto", "guest", "host" };

static const struct lichen_param linux_params[] = {
	LICHEN_PARAM_AS(LICHEN_FILE, struct linux_boot, kernel,
			.flags = LICHEN_PARAM_REQUIRED | LICHEN_PARAM_READ,
			.help = "x86-64 bzImage of boot protocol 2.12 or later, or vmlinux"),
	LICHEN_PARAM_AS(LICHEN_FILE, struct linux_boot, initrd, .flags = LICHEN_PARAM_READ,
			.help = "initial RAM disk, handed over as it is"),
	LICHEN_PARAM(struct linux_boot, cmdline, .max = LINUX_CMDLINE_MAX, .text_fallback = "",
		     .help = "kernel command line"),
	LICHEN_PARAM_AS(LICHEN_CHOICE, struct linux_boot, unpack, .fallback = LINUX_AUTO,
			.choices = LICHEN_TABLE(linux_unpacks),
			.help = "who unpacks a bzImage and chooses its random addresses"),
};

static const struct lichen_need linux_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .flags = LICHEN_NEED_OPTIONAL, .id = LICHEN_ACPI,
	  .offset = (uint32_t)offsetof(struct linux_boot, acpi) },
};

/* Judges the kernel file. */
static lichen_status linux_judge(struct linux_boot *l, struct lichen_why *why)
{
	uint8_t bytes[LINUX_HEADER_BYTES];
	uint64_t count = 0;
	lichen_status status;

	if (lichen_elf_is(&l->file)) {
		status = lichen_elf_parse(&l->file, &l->elf, why);
		return status < 0 ? status : linux_elf_judge(&l->elf, &l->image, why);
	}
	status = lichen_source_read(&l->file, 0, bytes, sizeof(bytes), &count);
	if (status < 0)
		return lichen_refuse(why, status, "kernel: its header cannot be read");
	return linux_header_parse(bytes, count, l->file.size, &l->image, why);
}

static lichen_status linux_create(void *self)
{
	struct linux_boot *l = self;
	const struct lichen_host *host = l->dev.host;
	struct lichen_why why;
	lichen_status status;
	uint64_t length;

	l->boot = host->interface(l->dev.in, LICHEN_BOOT_HOST);
	if (l->boot == NULL) {
		host->error(l->dev.in, "the host does not offer %s", LICHEN_BOOT_HOST);
		return -LICHEN_ENOTSUP;
	}
	status = lichen_source_open(&l->dev, "kernel", l->kernel, &l->file);
	if (status < 0)
		return status;
	status = linux_judge(l, &why);
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
	return l->initrd < 0 ? 0 : lichen_source_open(&l->dev, "initrd", l->initrd, &l->disk);
}

static lichen_status linux_place(struct linux_boot *l, const struct lichen_e820 *map,
				 struct linux_layout *layout)
{
	const struct lichen_host *host = l->dev.host;
	lichen_status status;

	if (l->image.is_elf) {
		layout->kernel = l->elf.low;
		status = lichen_elf_fits(&l->dev, &l->file, &l->elf, map);
		if (status < 0)
			return status;
	} else {
		status = linux_place_kernel(map, &l->image, &layout->kernel);
	}
	if (status < 0) {
		host->error(l->dev.in,
			    "kernel: needs %" PRIu64 " bytes from 0x%" PRIx64
			    ", guest memory ends at 0x%" PRIx64 " or has no such room",
			    l->image.room, (uint64_t)l->image.header.pref_address,
			    lichen_e820_end(map));
		return status;
	}
	if (l->disk.size == 0)
		return 0;
	layout->initrd_size = l->disk.size;
	status = linux_place_initrd(map, &l->image, layout->kernel, l->disk.size,
				    &layout->initrd);
	if (status < 0) {
		uint64_t end = lichen_e820_end(map), limit = linux_initrd_limit(&l->image);

		host->error(l->dev.in,
			    "initrd: %" PRIu64
			    " bytes, no room beside the kernel below 0x%" PRIx64,
			    l->disk.size, end < limit ? end : limit);
	}
	return status;
}

/* The GDT, the page tables, the command line and the zero page. */
static lichen_status linux_write_low(struct linux_boot *l, const struct lichen_e820 *map,
				     const struct linux_layout *layout)
{
	const struct lichen_host *host = l->dev.host;
	uint64_t gdt[LICHEN_X86_GDT_ENTRIES];
	uint64_t tables[LICHEN_X86_TABLES * LICHEN_X86_TABLE_ENTRIES];
	struct boot_params page;
	lichen_status status;

	lichen_x86_gdt(1, gdt);
	lichen_x86_tables(LINUX_TABLES_AT, tables);
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

/*
 * Unpacks a bzImage's kernel into guest memory and says in *layout where it is.  *why: why
 * it has to be left to the guest; of its memory that is undefined which is the kernel's to be.
 */
static lichen_status linux_load_unpacked(struct linux_boot *l, const struct lichen_e820 *ram,
					 struct linux_layout *layout, struct lichen_why *why)
{
	const struct lichen_host *host = l->dev.host;
	struct lichen_map map = { LICHEN_STRUCT(struct lichen_map) };
	struct lichen_payload payload;
	uint32_t is_random = !linux_words_fixed(l->cmdline);
	lichen_gpa at = layout->kernel;
	uint64_t room, entry = 0;
	lichen_status status = lichen_payload_find(&l->file, &payload, why);

	if (status < 0)
		return status;
	if (!l->image.header.relocatable_kernel)
		return lichen_refuse(why, -LICHEN_ENOTSUP, "kernel: cannot be moved");
	if (is_random && linux_words_place(l->cmdline))
		return lichen_refuse(why, -LICHEN_ENOTSUP,
				     "kernel: words of the command line decide on its place");
	if (is_random)
		status = linux_unpack_place(ram, &l->image, layout->initrd,
					    layout->initrd + layout->initrd_size, &at, why);
	if (status < 0)
		return status;
	room = linux_unpack_room(&l->image, &payload);
	if (at < LINUX_HEAD || !lichen_e820_is_ram(ram, at - LINUX_HEAD, room) ||
	    host->memory_map(l->dev.in, 0, at - LINUX_HEAD, room, LICHEN_ACCESS_WRITE, &map) <
		    0)
		return lichen_refuse(
			why, -LICHEN_ENOTSUP,
			"kernel: guest memory around 0x%" PRIx64 " is not in one piece", at);
	status = linux_unpack(&l->file, &l->image, &payload, is_random, map.data, &entry, why);
	host->memory_unmap(l->dev.in, &map, room);
	if (status < 0)
		return status;
	layout->kernel = at;
	layout->entry = at + entry;
	layout->is_random = is_random;
	return 0;
}

static lichen_status linux_load_kernel(struct linux_boot *l, const struct lichen_e820 *map,
				       struct linux_layout *layout)
{
	struct lichen_why why;
	lichen_status status;

	layout->entry = layout->kernel + l->image.entry;
	if (l->image.is_elf)
		return lichen_elf_load(&l->dev, &l->file, &l->elf);
	if (l->unpack != LINUX_GUEST) {
		status = linux_load_unpacked(l, map, layout, &why);
		if (status >= 0)
			return status;
		if (l->unpack == LINUX_HOST) {
			l->dev.host->error(l->dev.in, "%s", why.text);
			return status;
		}
		l->dev.host->log(l->dev.in, LICHEN_LOG_DEBUG, "left to the guest: %s",
				 why.text);
	}
	return lichen_source_load(&l->dev, &l->file, l->image.offset, l->image.size,
				  layout->kernel);
}

static lichen_status linux_load(void *self, uint64_t client)
{
	struct linux_boot *l = self;
	const struct lichen_host *host = l->dev.host;
	struct linux_layout layout = { .kernel = 0 };
	struct lichen_e820 map;
	struct lichen_cpu cpu;
	lichen_status status;

	(void)client;
	status = lichen_e820_read(&l->dev, LINUX_GDT_AT, LINUX_LOW_END, &map);
	if (status >= 0)
		status = linux_place(l, &map, &layout);
	if (status >= 0)
		status = lichen_rsdp(&l->dev, l->acpi, &layout.rsdp);
	if (status >= 0)
		status = linux_load_kernel(l, &map, &layout);
	if (status >= 0 && layout.initrd_size > 0)
		status = lichen_source_load(&l->dev, &l->disk, 0, layout.initrd_size,
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
	.summary = "boots an x86-64 Linux kernel (bzImage or vmlinux)",
	.instance_size = sizeof(struct linux_boot),
	.params = LICHEN_TABLE(linux_params),
	.provides = LICHEN_TABLE(linux_provides),
	.needs = LICHEN_TABLE(linux_needs),
	.create = linux_create,
};

LICHEN_BOOT_PLUGIN("linux", "0.1", linux_class);
