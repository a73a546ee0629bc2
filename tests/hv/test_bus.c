/* SPDX-License-Identifier: MIT */
/* Which window answers which part of an access, and in what sizes. */
#include "bus.h"

#include "tap.h"

enum { CALLS_MAX = 64 };

/* Records every call; reads give each byte its own offset plus `salt`. */
struct device {
	struct lichen_window window;
	struct fw_target target;
	uint8_t salt;
	uint32_t calls;
	struct {
		uint64_t off, value;
		uint32_t size, write;
	} call[CALLS_MAX];
};

static void device_note(struct device *device, uint64_t off, uint32_t size, uint32_t write,
			uint64_t value)
{
	CHECK(off % size == 0 && off + size <= device->window.size);
	CHECK(device->calls < CALLS_MAX);
	device->call[device->calls].off = off;
	device->call[device->calls].size = size;
	device->call[device->calls].write = write;
	device->call[device->calls++].value = value;
}

static uint64_t device_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	struct device *device = self;
	uint64_t value = UINT64_C(0xdead) << 48; /* beyond the access, but for 8 bytes */

	CHECK_EQ(7, cookie);
	device_note(device, off, size, 0, 0);
	if (size == 8)
		value = 0;
	for (uint32_t i = 0; i < size; i++)
		value |= (uint64_t)(uint8_t)(off + i + device->salt) << 8 * i;
	return value;
}

static void device_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
			 uint64_t value)
{
	CHECK_EQ(7, cookie);
	device_note(self, off, size, 1, value);
}

static const struct lichen_io_ops device_ops = {
	LICHEN_STRUCT(struct lichen_io_ops),
	.read = device_read,
	.write = device_write,
};

static void device_init(struct device *device, uint64_t start, uint64_t size, uint32_t rank)
{
	memset(device, 0, sizeof(*device));
	device->window = (struct lichen_window){ LICHEN_STRUCT(struct lichen_window),
						 .kind = LICHEN_IO,
						 .size = size,
						 .ops = &device_ops,
						 .rank = rank,
						 .cookie = 7 };
	device->target = (struct fw_target){
		.window = &device->window, .self = device, .start = start, .owner = device
	};
}

static void device_place(struct fw_bus *bus, struct device *device, uint64_t start,
			 uint64_t size, uint32_t rank)
{
	device_init(device, start, size, rank);
	CHECK_EQ(0, fw_bus_insert(bus, &device->target, NULL));
}

static struct fw_bus *bus_new(uint64_t limit)
{
	struct fw_bus *bus = fw_bus_create(limit);

	CHECK(bus != NULL);
	fw_bus_thread_enter();
	return bus;
}

static void bus_done(struct fw_bus *bus)
{
	fw_bus_thread_leave();
	fw_bus_destroy(bus);
}

static uint64_t bus_read(struct fw_bus *bus, uint64_t address, uint32_t size)
{
	uint64_t value = 0;

	fw_bus_read(bus, address, size, &value);
	return value;
}

TEST(an_empty_bus_reads_all_ones_of_the_size_and_hits_nothing)
{
	struct fw_bus *bus = bus_new(0x10000);
	uint64_t value = 0;

	CHECK_EQ(0, fw_bus_read(bus, 0x80, 1, &value));
	CHECK_EQ(0xff, value);
	CHECK_EQ(0, fw_bus_read(bus, 0x80, 4, &value));
	CHECK_EQ(0xffffffff, value);
	CHECK_EQ(0, fw_bus_read(bus, 0x80, 8, &value));
	CHECK(value == UINT64_MAX);
	CHECK_EQ(0, fw_bus_write(bus, 0x80, 4, 1));
	bus_done(bus);
}

TEST(a_window_gets_offsets_from_its_start_and_results_are_cut_to_the_access)
{
	struct fw_bus *bus = bus_new(0x10000);
	struct device com;
	uint64_t value = 0;

	device_place(bus, &com, 0x3f8, 8, 0);
	CHECK_EQ(1, fw_bus_read(bus, 0x3fa, 2, &value));
	CHECK_EQ(0x0302, value);
	CHECK_EQ(1, fw_bus_write(bus, 0x3ff, 1, 0x1234));
	CHECK_EQ(2, com.calls);
	CHECK_EQ(7, com.call[1].off);
	CHECK_EQ(0x34, com.call[1].value);
	CHECK_EQ(0xff, bus_read(bus, 0x3f7, 1));
	CHECK_EQ(0xff, bus_read(bus, 0x400, 1));
	CHECK_EQ(2, com.calls);
	bus_done(bus);
}

TEST(an_access_that_straddles_windows_and_gaps_is_cut)
{
	struct fw_bus *bus = bus_new(0);
	struct device low, high;

	device_place(bus, &low, 0x1000, 2, 0);
	device_place(bus, &high, 0x1004, 0x10, 0);
	high.salt = 0x80;
	/* one byte before, two of low, two of nothing, three of high */
	CHECK(bus_read(bus, 0xfff, 8) == UINT64_C(0x828180ffff0100ff));
	CHECK_EQ(1, low.calls);
	CHECK_EQ(2, low.call[0].size);
	CHECK_EQ(2, high.calls); /* 2 and 1 */
	CHECK_EQ(1, fw_bus_write(bus, 0x1001, 4, 0x44332211));
	CHECK_EQ(2, low.calls);
	CHECK_EQ(0x11, low.call[1].value);
	CHECK_EQ(0x44, high.call[2].value);
	bus_done(bus);
}

TEST(unaligned_accesses_reach_handlers_aligned)
{
	struct fw_bus *bus = bus_new(0);
	struct device ram;

	device_place(bus, &ram, 0x2001, 0x20, 0); /* offsets count from the window's start */
	CHECK_EQ(0x04030201, bus_read(bus, 0x2002, 4));
	CHECK_EQ(3, ram.calls); /* 1 at 1, 2 at 2, 1 at 4 */
	CHECK_EQ(2, ram.call[1].off);
	CHECK_EQ(2, ram.call[1].size);
	CHECK_EQ(0x0504030201, bus_read(bus, 0x2002, 5));
	bus_done(bus);
}

TEST(wider_than_the_widest_is_cut_ascending)
{
	struct fw_bus *bus = bus_new(0);
	struct device device;

	device_place(bus, &device, 0x100, 0x10, 0);
	device.window.access_sizes = 1 | 2;
	fw_bus_write(bus, 0x104, 8, UINT64_C(0x8877665544332211));
	CHECK_EQ(4, device.calls);
	for (uint32_t i = 0; i < 4; i++) {
		CHECK_EQ(4 + 2 * i, device.call[i].off);
		CHECK_EQ(2, device.call[i].size);
	}
	CHECK_EQ(0x2211, device.call[0].value);
	CHECK_EQ(0x8877, device.call[3].value);
	bus_done(bus);
}

TEST(a_size_that_is_missing_in_the_middle_is_cut_to_the_next_below)
{
	struct fw_bus *bus = bus_new(0);
	struct device device;

	device_place(bus, &device, 0x100, 0x10, 0);
	device.window.access_sizes = 1 | 4;
	CHECK_EQ(0x0302, bus_read(bus, 0x102, 2));
	CHECK_EQ(2, device.calls);
	CHECK_EQ(0x07060504, bus_read(bus, 0x104, 4));
	CHECK_EQ(3, device.calls);
	bus_done(bus);
}

TEST(narrower_than_the_narrowest_reads_the_aligned_whole_and_drops_writes)
{
	struct fw_bus *bus = bus_new(0);
	struct device device;

	device_place(bus, &device, 0x100, 0x10, 0);
	device.window.access_sizes = 4;
	CHECK_EQ(0x07, bus_read(bus, 0x107, 1));
	CHECK_EQ(0x0706, bus_read(bus, 0x106, 2));
	CHECK_EQ(2, device.calls);
	CHECK_EQ(4, device.call[1].off);
	CHECK_EQ(4, device.call[1].size);
	CHECK_EQ(1, fw_bus_write(bus, 0x106, 2, 0xffff));
	CHECK_EQ(2, device.calls);
	bus_done(bus);
}

TEST(a_whole_that_passes_the_windows_end_reads_all_ones)
{
	struct fw_bus *bus = bus_new(0);
	struct device device;

	device_place(bus, &device, 0x100, 6, 0);
	device.window.access_sizes = 4;
	CHECK_EQ(0xff, bus_read(bus, 0x105, 1));
	CHECK_EQ(0, device.calls);
	bus_done(bus);
}

TEST(refused_sizes_read_all_ones_and_drop_writes)
{
	struct fw_bus *bus = bus_new(0);
	struct device device;
	uint64_t value = 0;

	device_place(bus, &device, 0x100, 0x10, 0);
	device.window.access_sizes = 2;
	device.window.split = LICHEN_REFUSE;
	CHECK_EQ(1, fw_bus_read(bus, 0x104, 4, &value));
	CHECK_EQ(0xffffffff, value);
	CHECK_EQ(0xff, bus_read(bus, 0x104, 1));
	fw_bus_write(bus, 0x104, 8, 0);
	CHECK_EQ(0, device.calls);
	CHECK_EQ(0x0504, bus_read(bus, 0x104, 2));
	CHECK_EQ(1, device.calls);
	bus_done(bus);
}

TEST(absent_handlers_read_all_ones_and_drop_writes)
{
	static const struct lichen_io_ops none = { LICHEN_STRUCT(struct lichen_io_ops) };
	struct fw_bus *bus = bus_new(0);
	struct device device;
	uint64_t value = 0;

	device_place(bus, &device, 0x100, 0x10, 0);
	device.window.ops = &none;
	CHECK_EQ(1, fw_bus_read(bus, 0x100, 8, &value));
	CHECK(value == UINT64_MAX);
	CHECK_EQ(1, fw_bus_write(bus, 0x100, 8, 0));
	bus_done(bus);
}

TEST(the_higher_rank_hides_the_lower_and_uncovers_it_when_it_goes)
{
	struct fw_bus *bus = bus_new(0);
	struct device below, above, top;

	device_place(bus, &above, 0x104, 4, 1);
	device_place(bus, &below, 0x100, 0x10, 0);
	device_place(bus, &top, 0x105, 1, 2);
	above.salt = 0x40;
	top.salt = 0x90;
	CHECK(bus_read(bus, 0x102, 8) == UINT64_C(0x0908434290400302));
	CHECK_EQ(0, fw_bus_remove(bus, &above.target));
	CHECK(bus_read(bus, 0x102, 8) == UINT64_C(0x0908070690040302));
	CHECK_EQ(0, fw_bus_remove(bus, &top.target));
	CHECK(bus_read(bus, 0x102, 8) == UINT64_C(0x0908070605040302));
	bus_done(bus);
}

TEST(overlaps_of_the_same_rank_are_refused_and_named)
{
	static const struct {
		uint64_t start, size;
	} overlaps[] = {
		{ 0x100, 4 }, { 0xfd, 4 }, { 0x103, 1 }, { 0x80, 0x100 }, { 0x101, 2 }
	};
	struct fw_bus *bus = bus_new(0x10000);
	struct device first, second;
	const struct fw_target *clash = NULL;

	device_place(bus, &first, 0x100, 4, 3);
	for (uint32_t i = 0; i < sizeof(overlaps) / sizeof(overlaps[0]); i++) {
		clash = NULL;
		device_init(&second, overlaps[i].start, overlaps[i].size, 3);
		CHECK_EQ(-LICHEN_EEXIST, fw_bus_insert(bus, &second.target, &clash));
		CHECK(clash == &first.target);
		CHECK_EQ(-LICHEN_ENOENT, fw_bus_remove(bus, &second.target));
	}
	CHECK_EQ(-LICHEN_EEXIST, fw_bus_insert(bus, &first.target, NULL));
	device_place(bus, &second, 0x104, 4, 3);
	CHECK_EQ(0x00, bus_read(bus, 0x104, 1));
	bus_done(bus);
}

TEST(nothing_is_placed_past_the_limit)
{
	struct fw_bus *bus = bus_new(0x10000);
	struct device device;

	device_init(&device, 0xfffd, 4, 0);
	CHECK_EQ(-LICHEN_ERANGE, fw_bus_insert(bus, &device.target, NULL));
	device_init(&device, 0x10000, 1, 0);
	CHECK_EQ(-LICHEN_ERANGE, fw_bus_insert(bus, &device.target, NULL));
	device_init(&device, 0, 0x10001, 0);
	CHECK_EQ(-LICHEN_ERANGE, fw_bus_insert(bus, &device.target, NULL));
	device_init(&device, 0, 0, 0);
	CHECK_EQ(-LICHEN_ERANGE, fw_bus_insert(bus, &device.target, NULL));
	device_place(bus, &device, 0xfffc, 4, 0);
	CHECK_EQ(0xffff0302, bus_read(bus, 0xfffe, 4)); /* ends past the last port */
	bus_done(bus);
}

TEST(the_end_of_a_64_bit_space_neither_wraps_nor_hits_address_0)
{
	struct fw_bus *bus = bus_new(0);
	struct device last, first;

	device_place(bus, &last, UINT64_MAX - 3, 4, 0);
	device_place(bus, &first, 0, 4, 0);
	CHECK(bus_read(bus, UINT64_MAX - 1, 8) == UINT64_C(0xffffffffffff0302));
	CHECK_EQ(0, first.calls);
	device_init(&last, UINT64_MAX, 2, 1);
	CHECK_EQ(-LICHEN_ERANGE, fw_bus_insert(bus, &last.target, NULL));
	bus_done(bus);
}

TEST(the_window_found_last_is_not_found_where_it_no_longer_is)
{
	struct fw_bus *bus = bus_new(0x10000);
	struct device device, other;

	device_place(bus, &device, 0, 8, 0);
	CHECK_EQ(0, bus_read(bus, 0, 1));
	CHECK_EQ(0xffff, bus_read(bus, 8, 2)); /* past its end, by itself */
	CHECK_EQ(0, fw_bus_remove(bus, &device.target));
	CHECK_EQ(0xff, bus_read(bus, 0, 1));
	device_place(bus, &other, 0x40, 8, 0);
	CHECK_EQ(0xff, bus_read(bus, 0, 1));
	CHECK_EQ(2, bus_read(bus, 0x42, 1));
	device_place(bus, &device, 0, 8, 0);
	CHECK_EQ(1, bus_read(bus, 1, 1));
	CHECK_EQ(1, other.calls);
	CHECK_EQ(0, fw_bus_remove(bus, &device.target));
	CHECK_EQ(0, fw_bus_remove(bus, &other.target));
	CHECK_EQ(0xff, bus_read(bus, 0x42, 1));
	bus_done(bus);
}

TEST(a_thousand_windows_are_each_found)
{
	enum { COUNT = 1000 };
	struct fw_bus *bus = bus_new(0);
	struct device *devices = calloc(COUNT, sizeof(*devices));

	CHECK(devices != NULL);
	for (uint32_t i = 0; i < COUNT; i++) /* 7 and COUNT are coprime: all, out of order */
		device_place(bus, &devices[i], i * 7 % COUNT * 0x10, 8, i % 3);
	for (uint32_t i = 0; i < COUNT; i++) {
		bus_read(bus, i * 7 % COUNT * 0x10 + 7, 2);
		CHECK_EQ(1, devices[i].calls);
	}
	for (uint32_t i = 0; i < COUNT; i++)
		CHECK_EQ(0, fw_bus_remove(bus, &devices[i].target));
	CHECK_EQ(0xff, bus_read(bus, 0, 1));
	bus_done(bus);
	free(devices);
}
