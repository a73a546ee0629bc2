/* SPDX-License-Identifier: MIT */
/*
 * vector: a boot protocol of our own.  The image starts with a header that says
 * where it wants to be and where it starts; it is entered in long mode, the first
 * 4 GiB mapped to themselves.
 *
 *	boot: { plugin: vector, image: program.vec }
 *
 *	offset 0	"VECT"
 *	       4	u32, little-endian: where the file goes, 64 KiB to 1 GiB
 *	       8	u32, little-endian: first instruction, from there
 *
 * Limits: page tables and GDT lie from 0x1000 to 0x8fff.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lichen/boot.h>
#include <lichen/sdk/x86.h>

enum {
	VECTOR_HEADER = 12, /* bytes */
	VECTOR_TABLES = 0x1000,
	VECTOR_GDT = 0x8000,
	VECTOR_LOWEST = 0x10000,
	VECTOR_HIGHEST = 1 << 30,
};

struct vector {
	struct lichen_dev dev;
	int32_t image; /* the host's */
	uint32_t size; /* of the image, bytes */
	uint32_t address;
	uint32_t entry;
};

static const struct lichen_param vector_params[] = {
	LICHEN_PARAM_AS(LICHEN_FILE, struct vector, image, .flags = LICHEN_PARAM_REQUIRED,
			.help = "the program"),
};

static uint32_t vector_u32(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* [control, created] */
static lichen_status vector_create(void *self)
{
	struct vector *v = self;
	uint8_t header[VECTOR_HEADER];
	struct stat st;

	if (fstat(v->image, &st) ||
	    pread(v->image, header, sizeof(header), 0) != VECTOR_HEADER ||
	    memcmp(header, "VECT", 4) != 0) {
		v->dev.host->error(v->dev.in, "image: no vector program");
		return -LICHEN_ENOEXEC;
	}
	v->address = vector_u32(header + 4);
	v->entry = vector_u32(header + 8);
	if (st.st_size > VECTOR_HIGHEST || v->address < VECTOR_LOWEST ||
	    v->address > VECTOR_HIGHEST || v->entry >= st.st_size) {
		v->dev.host->error(v->dev.in,
				   "image: address 0x%x, entry 0x%x, %lld bytes: out of range",
				   v->address, v->entry, (long long)st.st_size);
		return -LICHEN_ENOEXEC;
	}
	v->size = (uint32_t)st.st_size;
	return 0;
}

/* Reads the image straight into the guest's memory. */
static lichen_status vector_read(struct vector *v)
{
	struct lichen_map map = { LICHEN_STRUCT(struct lichen_map) };
	lichen_status status = v->dev.host->memory_map(v->dev.in, 0, v->address, v->size,
						       LICHEN_ACCESS_WRITE, &map);

	if (status < 0) {
		v->dev.host->error(v->dev.in,
				   "image: %u bytes at 0x%x: not in the guest's memory",
				   v->size, v->address);
		return status;
	}
	if (pread(v->image, map.data, v->size, 0) != (ssize_t)v->size)
		status = -LICHEN_EIO;
	v->dev.host->memory_unmap(v->dev.in, &map, v->size);
	return status;
}

/* [control, realized or paused] */
static lichen_status vector_load(void *self, uint64_t client)
{
	struct vector *v = self;
	const struct lichen_boot_host *boot =
		v->dev.host->interface(v->dev.in, LICHEN_BOOT_HOST);
	uint64_t tables[LICHEN_X86_TABLES * LICHEN_X86_TABLE_ENTRIES];
	uint64_t gdt[LICHEN_X86_GDT_ENTRIES];
	struct lichen_cpu cpu;
	lichen_status status;

	(void)client;
	if (!boot)
		return -LICHEN_ENOTSUP;
	status = vector_read(v);
	if (status < 0)
		return status;
	lichen_x86_tables(VECTOR_TABLES, tables);
	lichen_x86_gdt(1, gdt);
	status = v->dev.host->memory_write(v->dev.in, 0, VECTOR_TABLES, tables, sizeof(tables));
	if (status == 0)
		status = v->dev.host->memory_write(v->dev.in, 0, VECTOR_GDT, gdt, sizeof(gdt));
	if (status < 0)
		return status;
	lichen_x86_long(v->address + v->entry, VECTOR_GDT, VECTOR_TABLES, &cpu);
	cpu.rsp = VECTOR_LOWEST;
	return boot->set_cpu(v->dev.in, 0, &cpu);
}

static const struct lichen_boot_ops vector_boot = {
	LICHEN_STRUCT(struct lichen_boot_ops),
	.load = vector_load,
};

static const struct lichen_provide vector_provides[] = {
	LICHEN_PROVIDE(LICHEN_BOOT, vector_boot),
};

static const struct lichen_class vector_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "boots a program that says itself where it goes",
	.instance_size = sizeof(struct vector),
	.params = LICHEN_TABLE(vector_params),
	.provides = LICHEN_TABLE(vector_provides),
	.create = vector_create,
};

LICHEN_BOOT_PLUGIN("vector", "1.0", vector_class);
