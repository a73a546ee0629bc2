/* SPDX-License-Identifier: MIT */
/*
 * banks: a window of each kind of memory, which the guest moves.  Registers, 4 bytes each, at
 * `port`: W 4 * (n - 1) places window n at that address, 0: nowhere; R 0 the outcome of the
 * last, 4 trapped writes, 8 the value of the last one, 12 its offset.
 *
 * ROM: byte i is i * 7; at 0x100 lies a function that returns 0x1234.
 */
#include <lichen/device.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BANKS_WINDOWS = 5, BANKS_ROM = 0x2000, BANKS_MAPPED = 0x2000, BANKS_CODE = 0x100 };

struct banks {
	struct lichen_dev dev;
	uint16_t port;
	uint8_t read_only; /* the descriptor is mapped for reading */
	uint8_t empty;	   /* nothing is mapped */
	uint64_t ram_at;   /* where realize puts the RAM; 0: nowhere */
	int descriptor;
	lichen_status outcome;
	uint32_t traps;
	uint64_t value, offset; /* of the last trapped */
};

static const struct lichen_param banks_params[] = {
	LICHEN_PARAM(struct banks, port, .unit = LICHEN_UNIT_PORT, .max = 0xffe0,
		     .fallback = 0x300, .help = "first of 32 ports"),
	LICHEN_PARAM_AS(LICHEN_BOOL, struct banks, read_only, .help = "map for reading"),
	LICHEN_PARAM_AS(LICHEN_BOOL, struct banks, empty, .help = "map nothing"),
	LICHEN_PARAM(struct banks, ram_at, .max = UINT64_MAX, .unit = LICHEN_UNIT_GPA,
		     .help = "where realize puts the RAM"),
};

static void banks_trap(void *self, uint64_t cookie, uint64_t off, uint32_t size, uint64_t value)
{
	struct banks *b = self;

	(void)cookie, (void)size;
	b->traps++;
	b->value = value;
	b->offset = off;
}

static void banks_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
			uint64_t value)
{
	struct banks *b = self;
	const uint32_t window = (uint32_t)off / 4 + 1;

	(void)cookie, (void)size;
	if (window > BANKS_WINDOWS)
		return;
	b->outcome = value ? b->dev.host->place_mmio(b->dev.in, window, 0, value)
			   : b->dev.host->unplace(b->dev.in, window);
}

static uint64_t banks_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	const struct banks *b = self;

	(void)cookie, (void)size;
	switch (off) {
	case 0:
		return (uint32_t)-b->outcome;
	case 4:
		return b->traps;
	case 8:
		return (uint32_t)b->value;
	case 12:
		return (uint32_t)b->offset;
	default:
		return 0;
	}
}

static uint64_t banks_hole(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	(void)self, (void)cookie, (void)off, (void)size;
	return 0x5a;
}

static lichen_status banks_create(void *self)
{
	static const uint8_t code[] = { 0xb8, 0x34, 0x12, 0, 0, 0xc3 }; /* mov, ret */
	struct banks *b = self;
	const struct lichen_host *host = b->dev.host;
	uint8_t rom[BANKS_ROM];
	lichen_status status;

	for (uint32_t i = 0; i < BANKS_ROM; i++)
		rom[i] = (uint8_t)(i * 7);
	memcpy(rom + BANKS_CODE, code, sizeof(code));
	status = host->window_write(b->dev.in, 2, 0, rom, sizeof(rom));
	b->descriptor = memfd_create("banks", MFD_CLOEXEC);
	if (status == 0 && ftruncate(b->descriptor, BANKS_MAPPED) < 0)
		status = -LICHEN_EIO;
	if (status == 0 && !b->empty)
		status = host->window_back(b->dev.in, 3, b->descriptor, 0x1000,
					   b->read_only
						   ? LICHEN_ACCESS_READ
						   : LICHEN_ACCESS_READ | LICHEN_ACCESS_WRITE);
	if (status < 0)
		close(b->descriptor);
	return status;
}

static lichen_status banks_realize(void *self)
{
	const struct banks *b = self;

	return b->ram_at ? b->dev.host->place_mmio(b->dev.in, 1, 0, b->ram_at) : 0;
}

static void banks_destroy(void *self)
{
	close(((const struct banks *)self)->descriptor);
}

static const struct lichen_io_ops banks_io = { LICHEN_STRUCT(struct lichen_io_ops),
					       .read = banks_read, .write = banks_write };
static const struct lichen_io_ops banks_rom = { LICHEN_STRUCT(struct lichen_io_ops),
						.write = banks_trap };
static const struct lichen_io_ops banks_hole_io = { LICHEN_STRUCT(struct lichen_io_ops),
						    .read = banks_hole, .write = banks_trap };

static const struct lichen_window banks_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "control", .size = 32,
	  .access_sizes = 4, .ops = &banks_io, .place = LICHEN_PLACE_PORT,
	  .placed_by = "port" },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_RAM, .name = "ram",
	  .size = 0x4000 },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_ROM, .name = "rom",
	  .size = BANKS_ROM, .access_sizes = 1 | 2, .ops = &banks_rom },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_MAPPED, .name = "mapped",
	  .size = 0x1000, .ops = &banks_rom },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "hole", .size = 0x800,
	  .rank = 1, .ops = &banks_hole_io },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_RAM, .name = "small",
	  .size = 0x1000, .rank = 2 },
};

static const struct lichen_class banks_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "has windows of memory",
	.instance_size = sizeof(struct banks),
	.params = LICHEN_TABLE(banks_params),
	.windows = LICHEN_TABLE(banks_windows),
	.create = banks_create,
	.realize = banks_realize,
	.destroy = banks_destroy,
};

LICHEN_DEVICE_PLUGIN("banks", "1.0", banks_class);
