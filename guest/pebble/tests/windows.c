/* SPDX-License-Identifier: MIT */
/*
 * windows: windows of memory that registers at port 0x300 place (see the plugin `banks` of the
 * framework's tests), with code that runs out of them: an exit could not do that.
 */
#include <pebble/pebble.h>

enum {
	RAM = 1,
	ROM = 2,
	MAPPED = 3,
	HOLE = 4,
	CONTROL = 0x300,
	EDEAD = 0x9000, /* port: what lies between two writes to it is counted by the host */
	AT = 0x40000000,
	ROM_AT = 0x40100000,
	MOVED = 0x40200000,
	OVER_RAM = 0x100000,
	EEXIST = 17,
	EINVAL = 22,
};

typedef uint32_t (*function)(void);

static uint32_t place(uint32_t window, uint32_t gpa)
{
	outl((uint16_t)(CONTROL + 4 * (window - 1)), gpa);
	return inl(CONTROL);
}

/* Copies a function that returns `value`, and calls it there. */
static uint32_t run_at(uint64_t at, uint32_t value)
{
	volatile uint8_t *code = (volatile uint8_t *)(uintptr_t)at;

	code[0] = 0xb8; /* mov eax */
	for (uint32_t i = 0; i < 4; i++)
		code[1 + i] = (uint8_t)(value >> 8 * i);
	code[5] = 0xc3; /* ret */
	return ((function)(uintptr_t)at)();
}

static void quiet_part(void)
{
	outb(EDEAD, 1);
	for (uint32_t i = 0; i < 0x4000; i += 8)
		mmio_write64(AT + i, i);
	for (uint32_t i = 0; i < 0x4000; i += 8)
		CHECK(10, mmio_read64(AT + i) == i);
	for (uint32_t i = 0; i < 0x100; i++)
		CHECK(11, mmio_read8(ROM_AT + i) == (uint8_t)(i * 7));
	CHECK(12, ((function)(uintptr_t)(ROM_AT + 0x100))() == 0x1234);
	CHECK(13, run_at(AT + 0x2000, 0x12345678) == 0x12345678);
	outb(EDEAD, 0);
}

static void rom_part(void)
{
	const uint32_t before = inl(CONTROL + 4);

	mmio_write16(ROM_AT + 6, 0xbeef);
	CHECK(20, inl(CONTROL + 4) == before + 1);
	CHECK(21, inl(CONTROL + 8) == 0xbeef);
	CHECK(22, inl(CONTROL + 12) == 6);
	mmio_write32(ROM_AT + 8, 0x11223344); /* it takes 1 and 2 bytes */
	CHECK(23, inl(CONTROL + 4) == before + 3);
	CHECK(24, inl(CONTROL + 8) == 0x1122);
	CHECK(25, mmio_read16(ROM_AT + 6) == (uint16_t)(7 * 7 << 8 | 6 * 7));
}

static void hole_part(void)
{
	mmio_write32(AT + 0x17fc, 1);
	mmio_write32(AT + 0x1800, 2);
	CHECK(30, place(HOLE, AT + 0x1000) == 0);
	CHECK(31, mmio_read32(AT + 0x17fc) == 0x5a);
	CHECK(32, mmio_read32(AT + 0x1800) == 2);
	mmio_write32(AT + 0x1804, 3);
	CHECK(33, run_at(AT + 0x2000, 77) == 77); /* the pages after it are memory still */
	CHECK(34, place(HOLE, 0) == 0);
	CHECK(35, mmio_read32(AT + 0x17fc) == 1);
	CHECK(36, mmio_read32(AT + 0x1804) == 3);
}

static void moved_part(void)
{
	CHECK(40, place(RAM, MOVED) == 0);
	CHECK(41, mmio_read32(AT + 0x1804) == UINT32_MAX);
	CHECK(42, mmio_read32(MOVED + 0x1804) == 3);
	CHECK(43, run_at(MOVED + 0x3000, 99) == 99);
	CHECK(44, place(RAM, MOVED + 0x1000) == 0); /* over itself */
	CHECK(45, ((function)(uintptr_t)(MOVED + 0x4000))() == 99);
	CHECK(46, place(RAM, 0) == 0);
	CHECK(47, mmio_read32(MOVED + 0x2804) == UINT32_MAX);
	mmio_write32(MOVED + 0x2804, 0); /* lost */
	CHECK(48, place(RAM, AT) == 0);
	CHECK(49, mmio_read32(AT + 0x1804) == 3);
}

static void refused_part(void)
{
	CHECK(50, place(ROM, OVER_RAM) == EEXIST);
	CHECK(51, place(ROM, AT + 0x800) == EINVAL);
	CHECK(52, place(MAPPED, AT) == EEXIST);
	CHECK(53, mmio_read8(ROM_AT + 1) == 7); /* where it was */
	CHECK(54, mmio_read32(AT + 0x1804) == 3);
}

int main(void)
{
	CHECK(1, place(RAM, AT) == 0);
	CHECK(2, place(ROM, ROM_AT) == 0);
	quiet_part();
	rom_part();
	hole_part();
	moved_part();
	refused_part();
	CHECK(60, place(MAPPED, MOVED) == 0);
	mmio_write32(MOVED, 0x600df11e);
	return PEBBLE_PASS;
}
