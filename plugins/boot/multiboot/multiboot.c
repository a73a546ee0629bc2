/* SPDX-License-Identifier: MIT */
/*
 * multiboot: start an image by the Multiboot Specification, version 1.
 *
 *	boot: { plugin: multiboot, kernel: xen, cmdline: "console=com1 no-real-mode" }
 *
 * Specification: Multiboot Specification 0.6.96.  The image is an ELF file of 32 or
 * 64 bits, or any file whose header says what goes where.  Where things go:
 * multiboot_info.h.  Limits: one module; no video, drives, APM or symbols.
 */
#include <inttypes.h>
#include <string.h>

#include <lichen/boot.h>
#include <lichen/sdk/x86.h>

#include "multiboot_header.h"
#include "multiboot_info.h"

/* The first word of a command line is by custom the name of the file, which we never know. */
#define MULTIBOOT_KERNEL_WORD "kernel "
#define MULTIBOOT_MODULE_WORD "module "
#define MULTIBOOT_LOADER "Lichen"

struct multiboot {
	struct lichen_dev dev;
	int32_t kernel;		    /* descriptor, the host's */
	int32_t module;		    /* the same; -1: none */
	const char *cmdline;	    /* borrowed until destroy */
	const char *module_cmdline; /* the same */
	const struct lichen_boot_host *boot;
	struct lichen_source file;    /* the image's, its size as at create */
	struct lichen_source extra;   /* the module's; size 0: none */
	struct multiboot_image image; /* judged by create */
};

static const struct lichen_param multiboot_params[] = {
	LICHEN_PARAM_AS(LICHEN_FILE, struct multiboot, kernel,
			.flags = LICHEN_PARAM_REQUIRED | LICHEN_PARAM_READ,
			.help = "image with a Multiboot 1 header, not compressed"),
	LICHEN_PARAM(struct multiboot, cmdline, .max = MULTIBOOT_CMDLINE_MAX,
		     .text_fallback = "", .help = "command line, without a file's name"),
	LICHEN_PARAM_AS(LICHEN_FILE, struct multiboot, module, .flags = LICHEN_PARAM_READ,
			.help = "file that is loaded as the first module"),
	LICHEN_PARAM(struct multiboot, module_cmdline, .max = MULTIBOOT_CMDLINE_MAX,
		     .text_fallback = "", .help = "the module's command line"),
};

static lichen_status multiboot_create(void *self)
{
	struct multiboot *m = self;
	const struct lichen_host *host = m->dev.host;
	struct lichen_why why;
	lichen_status status;

	m->boot = host->interface(m->dev.in, LICHEN_BOOT_HOST);
	if (m->boot == NULL) {
		host->error(m->dev.in, "the host does not offer %s", LICHEN_BOOT_HOST);
		return -LICHEN_ENOTSUP;
	}
	status = lichen_source_open(&m->dev, "kernel", m->kernel, &m->file);
	if (status < 0)
		return status;
	status = multiboot_judge(&m->file, &m->image, &why);
	if (status < 0) {
		host->error(m->dev.in, "%s", why.text);
		return status;
	}
	if (m->module >= 0)
		return lichen_source_open(&m->dev, "module", m->module, &m->extra);
	if (m->module_cmdline[0] != '\0') {
		host->error(m->dev.in, "module_cmdline: there is no module");
		return -LICHEN_EINVAL;
	}
	return 0;
}

/* A command line after its first word. */
static lichen_status multiboot_write_line(struct multiboot *m, lichen_gpa gpa, const char *word,
					  const char *line)
{
	const struct lichen_host *host = m->dev.host;
	lichen_status status = host->memory_write(m->dev.in, 0, gpa, word, strlen(word));

	return status < 0 ? status
			  : host->memory_write(m->dev.in, 0, gpa + strlen(word), line,
					       strlen(line) + 1);
}

/* RAM from `from` on, to the next hole, KiB. */
static uint32_t multiboot_kib(const struct lichen_e820 *map, lichen_gpa from)
{
	for (uint32_t i = 0; i < map->count; i++) {
		const struct lichen_e820_range *r = &map->range[i];
		uint64_t kib;

		if (r->type != LICHEN_RANGE_RAM || from < r->gpa || from - r->gpa >= r->size)
			continue;
		kib = (r->size - (from - r->gpa)) >> 10;
		return kib < UINT32_MAX ? (uint32_t)kib : UINT32_MAX;
	}
	return 0;
}

/* The information itself, the module list and the memory map. */
static lichen_status multiboot_write_info(struct multiboot *m, const struct lichen_e820 *map,
					  lichen_gpa module)
{
	const struct lichen_host *host = m->dev.host;
	const uint32_t modules = m->extra.size > 0;
	const struct multiboot_info info = {
		.flags = MULTIBOOT_INFO_MEMORY | MULTIBOOT_INFO_CMDLINE |
			 MULTIBOOT_INFO_MODULES | MULTIBOOT_INFO_MAP | MULTIBOOT_INFO_NAME,
		.mem_lower = multiboot_kib(map, 0),
		.mem_upper = multiboot_kib(map, LICHEN_E820_MIB),
		.cmdline = MULTIBOOT_CMDLINE_AT,
		.mods_count = modules,
		.mods_addr = MULTIBOOT_MODULES_AT,
		.mmap_length = map->count * (uint32_t)sizeof(struct multiboot_range),
		.mmap_addr = MULTIBOOT_MAP_AT,
		.boot_loader_name = MULTIBOOT_NAME_AT,
	};
	const struct multiboot_module entry = {
		.start = (uint32_t)module,
		.end = (uint32_t)(module + m->extra.size),
		.cmdline = MULTIBOOT_MODULE_CMDLINE_AT,
	};
	struct multiboot_range ranges[LICHEN_E820_RANGES] = { 0 };
	lichen_status status;

	for (uint32_t i = 0; i < map->count; i++) {
		const struct lichen_e820_range *r = &map->range[i];

		ranges[i].size = sizeof(ranges[i]) - sizeof(ranges[i].size);
		ranges[i].gpa_low = (uint32_t)r->gpa;
		ranges[i].gpa_high = (uint32_t)(r->gpa >> 32);
		ranges[i].size_low = (uint32_t)r->size;
		ranges[i].size_high = (uint32_t)(r->size >> 32);
		ranges[i].type = r->type;
	}
	status = host->memory_write(m->dev.in, 0, MULTIBOOT_INFO_AT, &info, sizeof(info));
	if (status >= 0)
		status = host->memory_write(m->dev.in, 0, MULTIBOOT_MODULES_AT, &entry,
					    sizeof(entry));
	if (status >= 0)
		status = host->memory_write(m->dev.in, 0, MULTIBOOT_MAP_AT, ranges,
					    sizeof(ranges));
	return status;
}

/* Everything below 640 KiB. */
static lichen_status multiboot_write_low(struct multiboot *m, const struct lichen_e820 *map,
					 lichen_gpa module)
{
	const struct lichen_host *host = m->dev.host;
	/* Images look for lower memory's end where a BIOS would have said it. */
	const uint16_t ebda = LICHEN_E820_LEGACY >> 4, lower = LICHEN_E820_LEGACY >> 10;
	uint64_t gdt[LICHEN_X86_GDT_ENTRIES];
	lichen_status status;

	lichen_x86_gdt(0, gdt);
	status = host->memory_write(m->dev.in, 0, MULTIBOOT_GDT_AT, gdt, sizeof(gdt));
	if (status >= 0)
		status = host->memory_write(m->dev.in, 0, MULTIBOOT_EBDA_AT, &ebda,
					    sizeof(ebda));
	if (status >= 0)
		status = host->memory_write(m->dev.in, 0, MULTIBOOT_LOWER_AT, &lower,
					    sizeof(lower));
	if (status >= 0)
		status = host->memory_write(m->dev.in, 0, MULTIBOOT_NAME_AT, MULTIBOOT_LOADER,
					    sizeof(MULTIBOOT_LOADER));
	if (status >= 0)
		status = multiboot_write_line(m, MULTIBOOT_CMDLINE_AT, MULTIBOOT_KERNEL_WORD,
					      m->cmdline);
	if (status >= 0)
		status = multiboot_write_line(m, MULTIBOOT_MODULE_CMDLINE_AT,
					      MULTIBOOT_MODULE_WORD, m->module_cmdline);
	if (status >= 0)
		status = multiboot_write_info(m, map, module);
	if (status < 0)
		host->error(m->dev.in, "guest memory below 0x%x cannot be written",
			    MULTIBOOT_LOW_END);
	return status;
}

static lichen_status multiboot_load(void *self, uint64_t client)
{
	struct multiboot *m = self;
	const struct lichen_host *host = m->dev.host;
	const struct lichen_elf *elf = &m->image.elf;
	struct lichen_e820 map;
	struct lichen_cpu cpu;
	lichen_gpa module = 0;
	lichen_status status;

	(void)client;
	status = lichen_e820_read(&m->dev, MULTIBOOT_EBDA_AT, MULTIBOOT_LOW_END, &map);
	if (status >= 0)
		status = lichen_elf_fits(&m->dev, &m->file, elf, &map);
	if (status < 0)
		return status;
	/* Next to the image, on a page whether asked for or not: small kernels map little. */
	if (m->extra.size > 0 &&
	    lichen_e820_lowest(&map, elf->high, LICHEN_X86_REACH - 1, LICHEN_GUEST_PAGE,
			       m->extra.size, &module) < 0) {
		host->error(m->dev.in,
			    "module: %" PRIu64
			    " bytes, no room between the kernel's end at 0x%" PRIx64
			    " and 4 GiB",
			    m->extra.size, elf->high);
		return -LICHEN_ENOSPC;
	}
	status = lichen_elf_load(&m->dev, &m->file, elf);
	if (status >= 0)
		status = lichen_source_load(&m->dev, &m->extra, 0, m->extra.size, module);
	if (status >= 0)
		status = multiboot_write_low(m, &map, module);
	if (status < 0)
		return status;

	host->log(m->dev.in, LICHEN_LOG_DEBUG,
		  "kernel at 0x%" PRIx64 ", entry 0x%" PRIx64 ", module at 0x%" PRIx64,
		  elf->low, m->image.entry, module);
	lichen_x86_protected(m->image.entry, MULTIBOOT_GDT_AT, &cpu);
	cpu.rax = MULTIBOOT_EAX;
	cpu.rbx = MULTIBOOT_INFO_AT;
	status = m->boot->set_cpu(m->dev.in, 0, &cpu);
	if (status < 0)
		host->error(m->dev.in, "the boot vCPU refuses the 32-bit entry state");
	return status;
}

static const struct lichen_boot_ops multiboot_ops = {
	LICHEN_STRUCT(struct lichen_boot_ops),
	.load = multiboot_load,
};

static const struct lichen_provide multiboot_provides[] = {
	LICHEN_PROVIDE(LICHEN_BOOT, multiboot_ops),
};

static const struct lichen_class multiboot_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "starts an image by the Multiboot Specification, version 1",
	.instance_size = sizeof(struct multiboot),
	.params = LICHEN_TABLE(multiboot_params),
	.provides = LICHEN_TABLE(multiboot_provides),
	.create = multiboot_create,
};

LICHEN_BOOT_PLUGIN("multiboot", "0.1", multiboot_class);
