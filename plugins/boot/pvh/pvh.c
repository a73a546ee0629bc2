/* SPDX-License-Identifier: MIT */
/*
 * pvh: start an ELF kernel by its PVH entry.
 *
 *	boot: { plugin: pvh, kernel: vmlinuz, initrd: initrd.gz, cmdline: "console=ttyS0" }
 *
 * Specification: Xen's docs/misc/pvh.pandoc and arch-x86/hvm/start_info.h.  The
 * entry is that of the ELF note XEN_ELFNOTE_PHYS32_ENTRY.  Of a bzImage the kernel
 * inside is unpacked, at each load.  Where things go: pvh_start.h.
 * Limits: one module; all lies below 4 GiB.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include <lichen/boot.h>
#include <lichen/sdk/bzimage.h>
#include <lichen/sdk/elf.h>
#include <lichen/sdk/rsdp.h>
#include <lichen/sdk/x86.h>

#include "pvh_start.h"

struct pvh {
	struct lichen_dev dev;
	int32_t kernel;			/* descriptor, the host's */
	int32_t initrd;			/* the same; -1: none */
	const char *cmdline;		/* borrowed until destroy */
	const struct lichen_link *acpi; /* empty where the VM has no ACPI */
	const struct lichen_boot_host *boot;
	struct lichen_source file;     /* the kernel's, its size as at create */
	struct lichen_source disk;     /* the initrd's; size 0: none */
	struct lichen_payload payload; /* of a bzImage; size 0: the file is the ELF kernel */
};

static const struct lichen_param pvh_params[] = {
	LICHEN_PARAM_AS(LICHEN_FILE, struct pvh, kernel,
			.flags = LICHEN_PARAM_REQUIRED | LICHEN_PARAM_READ,
			.help = "ELF kernel with a PVH entry, or a bzImage of one"),
	LICHEN_PARAM_AS(LICHEN_FILE, struct pvh, initrd, .flags = LICHEN_PARAM_READ,
			.help = "initial RAM disk, handed over as the first module"),
	LICHEN_PARAM(struct pvh, cmdline, .max = PVH_CMDLINE_MAX, .text_fallback = "",
		     .help = "kernel command line"),
};

static const struct lichen_need pvh_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .flags = LICHEN_NEED_OPTIONAL, .id = LICHEN_ACPI,
	  .offset = (uint32_t)offsetof(struct pvh, acpi) },
};

/* Where and how a kernel starts, and all that is known of it. */
struct pvh_kernel {
	struct lichen_elf elf;
	lichen_gpa entry;
};

/* Judges the ELF kernel itself. */
static lichen_status pvh_judge(const struct lichen_source *source, struct pvh_kernel *kernel,
			       struct lichen_why *why)
{
	uint8_t note[8] = { 0 };
	uint64_t size = 0;
	lichen_status status = lichen_elf_parse(source, &kernel->elf, why);

	if (status < 0)
		return status;
	if (lichen_elf_note(source, &kernel->elf, PVH_OWNER, PVH_NOTE_ENTRY, note, sizeof(note),
			    &size) < 0)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "kernel: no PVH entry, the ELF note %s %d is not there",
				     PVH_OWNER, PVH_NOTE_ENTRY);
	if (size != sizeof(uint32_t) && size != sizeof(uint64_t))
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "kernel: a PVH entry of %" PRIu64 " bytes, not 4 or 8",
				     size);
	memcpy(&kernel->entry, note, sizeof(note));
	if (lichen_elf_at(&kernel->elf, kernel->entry) == NULL)
		return lichen_refuse(why, -LICHEN_ENOEXEC,
				     "kernel: its PVH entry 0x%" PRIx64 " lies in no segment",
				     kernel->entry);
	return 0;
}

static lichen_status pvh_create(void *self)
{
	struct pvh *p = self;
	const struct lichen_host *host = p->dev.host;
	struct pvh_kernel kernel;
	struct lichen_why why;
	lichen_status status;

	p->boot = host->interface(p->dev.in, LICHEN_BOOT_HOST);
	if (p->boot == NULL) {
		host->error(p->dev.in, "the host does not offer %s", LICHEN_BOOT_HOST);
		return -LICHEN_ENOTSUP;
	}
	status = lichen_source_open(&p->dev, "kernel", p->kernel, &p->file);
	if (status < 0)
		return status;
	if (lichen_elf_is(&p->file))
		status = pvh_judge(&p->file, &kernel, &why);
	else
		status = lichen_payload_find(&p->file, &p->payload, &why);
	if (status < 0) {
		host->error(p->dev.in, "%s", why.text);
		return status;
	}
	if (p->payload.cmdline != 0 && strlen(p->cmdline) > p->payload.cmdline) {
		host->error(p->dev.in, "cmdline: %zu bytes, this kernel takes %u",
			    strlen(p->cmdline), p->payload.cmdline);
		return -LICHEN_E2BIG;
	}
	return p->initrd < 0 ? 0 : lichen_source_open(&p->dev, "initrd", p->initrd, &p->disk);
}

/* The start info, the module list, the memory map, the command line, the GDT. */
static lichen_status pvh_write_low(struct pvh *p, const struct lichen_e820 *map,
				   lichen_gpa initrd, lichen_gpa rsdp)
{
	const struct lichen_host *host = p->dev.host;
	const struct pvh_module module = { .at = initrd, .size = p->disk.size };
	const struct pvh_start start = {
		.magic = PVH_MAGIC,
		.version = PVH_VERSION,
		.modules = p->disk.size > 0,
		.modules_at = p->disk.size > 0 ? PVH_MODULES_AT : 0,
		.cmdline_at = PVH_CMDLINE_AT,
		.rsdp_at = rsdp,
		.map_at = PVH_MAP_AT,
		.map_entries = map->count,
	};
	struct pvh_range ranges[LICHEN_E820_RANGES] = { 0 };
	uint64_t gdt[LICHEN_X86_GDT_ENTRIES];
	lichen_status status;

	for (uint32_t i = 0; i < map->count; i++) {
		ranges[i].gpa = map->range[i].gpa;
		ranges[i].size = map->range[i].size;
		ranges[i].type = map->range[i].type;
	}
	lichen_x86_gdt(0, gdt);
	status = host->memory_write(p->dev.in, 0, PVH_GDT_AT, gdt, sizeof(gdt));
	if (status >= 0)
		status = host->memory_write(p->dev.in, 0, PVH_START_AT, &start, sizeof(start));
	if (status >= 0)
		status = host->memory_write(p->dev.in, 0, PVH_MODULES_AT, &module,
					    sizeof(module));
	if (status >= 0)
		status = host->memory_write(p->dev.in, 0, PVH_MAP_AT, ranges, sizeof(ranges));
	if (status >= 0)
		status = host->memory_write(p->dev.in, 0, PVH_CMDLINE_AT, p->cmdline,
					    strlen(p->cmdline) + 1);
	if (status < 0)
		host->error(p->dev.in, "guest memory below 0x%x cannot be written",
			    PVH_LOW_END);
	return status;
}

/* Loads the ELF kernel in `source`, and everything else beside it. */
static lichen_status pvh_load_elf(struct pvh *p, const struct lichen_source *source)
{
	const struct lichen_host *host = p->dev.host;
	struct pvh_kernel kernel;
	struct lichen_e820 map;
	struct lichen_why why;
	struct lichen_cpu cpu;
	lichen_gpa initrd = 0, rsdp = 0;
	lichen_status status = pvh_judge(source, &kernel, &why);

	if (status < 0) {
		host->error(p->dev.in, "%s", why.text);
		return status;
	}
	status = lichen_e820_read(&p->dev, PVH_GDT_AT, PVH_LOW_END, &map);
	if (status >= 0)
		status = lichen_elf_fits(&p->dev, source, &kernel.elf, &map);
	if (status < 0)
		return status;
	if (p->disk.size > 0 &&
	    lichen_e820_highest(&map, LICHEN_X86_REACH, kernel.elf.low, kernel.elf.high,
				p->disk.size, &initrd) < 0) {
		host->error(p->dev.in, "initrd: %" PRIu64 " bytes, no room beside the kernel",
			    p->disk.size);
		return -LICHEN_ENOSPC;
	}
	status = lichen_rsdp(&p->dev, p->acpi, &rsdp);
	if (status >= 0)
		status = lichen_elf_load(&p->dev, source, &kernel.elf);
	if (status >= 0)
		status = lichen_source_load(&p->dev, &p->disk, 0, p->disk.size, initrd);
	if (status >= 0)
		status = pvh_write_low(p, &map, initrd, rsdp);
	if (status < 0)
		return status;

	host->log(p->dev.in, LICHEN_LOG_DEBUG,
		  "kernel at 0x%" PRIx64 ", entry 0x%" PRIx64 ", initrd at 0x%" PRIx64
		  ", RSDP at 0x%" PRIx64,
		  kernel.elf.low, kernel.entry, initrd, rsdp);
	lichen_x86_protected(kernel.entry, PVH_GDT_AT, &cpu);
	cpu.rbx = PVH_START_AT;
	status = p->boot->set_cpu(p->dev.in, 0, &cpu);
	if (status < 0)
		host->error(p->dev.in, "the boot vCPU refuses the 32-bit entry state");
	return status;
}

static lichen_status pvh_load(void *self, uint64_t client)
{
	struct pvh *p = self;
	const struct lichen_host *host = p->dev.host;
	struct lichen_source unpacked;
	struct lichen_why why;
	lichen_status status;
	void *bytes;

	(void)client;
	if (p->payload.size == 0)
		return pvh_load_elf(p, &p->file);
	/* A mapping and not malloc(): pages that a damaged payload leaves out cost nothing. */
	bytes = mmap(NULL, (size_t)p->payload.unpacked, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bytes == MAP_FAILED) {
		host->error(p->dev.in, "kernel: out of memory for %" PRIu64 " bytes unpacked",
			    p->payload.unpacked);
		return -LICHEN_ENOMEM;
	}
	(void)madvise(bytes, (size_t)p->payload.unpacked, MADV_HUGEPAGE);
	status = lichen_payload_unpack(&p->file, &p->payload, bytes, &why);
	if (status < 0) {
		host->error(p->dev.in, "%s", why.text);
	} else {
		unpacked = lichen_source_of("kernel", bytes, p->payload.unpacked);
		status = pvh_load_elf(p, &unpacked);
	}
	(void)munmap(bytes, (size_t)p->payload.unpacked);
	return status;
}

static const struct lichen_boot_ops pvh_ops = {
	LICHEN_STRUCT(struct lichen_boot_ops),
	.load = pvh_load,
};

static const struct lichen_provide pvh_provides[] = {
	LICHEN_PROVIDE(LICHEN_BOOT, pvh_ops),
};

static const struct lichen_class pvh_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "starts an ELF kernel by its PVH entry",
	.instance_size = sizeof(struct pvh),
	.params = LICHEN_TABLE(pvh_params),
	.provides = LICHEN_TABLE(pvh_provides),
	.needs = LICHEN_TABLE(pvh_needs),
	.create = pvh_create,
};

LICHEN_BOOT_PLUGIN("pvh", "0.1", pvh_class);
