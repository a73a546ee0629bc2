/* SPDX-License-Identifier: MIT */
/* mmio: where nothing is, reads of every size give all ones and writes are lost. */
#include <pebble/pebble.h>

static const uint32_t holes[] = { 0xd0000000, 0xd0000ff8, 0xdffff000, 0xe1234560, 0xf0000000 };

static void touch(uint64_t at)
{
	uint64_t copy = 0;
	void *to = &copy;
	const void *from = (const void *)(uintptr_t)at;
	uint64_t count = 1;

	for (uint32_t round = 0; round < 2; round++) {
		CHECK(1, mmio_read8(at) == UINT8_MAX);
		CHECK(2, mmio_read16(at) == UINT16_MAX);
		CHECK(3, mmio_read32(at) == UINT32_MAX);
		CHECK(4, mmio_read64(at) == UINT64_MAX);
		CHECK(5, mmio_read16(at + 1) == UINT16_MAX);
		CHECK(6, mmio_read32(at + 3) == UINT32_MAX);
		CHECK(7, mmio_read64(at + 5) == UINT64_MAX); /* may cross a page */
		mmio_write8(at, 0);
		mmio_write16(at, 0);
		mmio_write32(at, 0);
		mmio_write64(at, 0);
		mmio_write64(at + 5, 0);
	}
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	CHECK(8, copy == UINT64_MAX);
}

int main(void)
{
	for (uint32_t i = 0; i < sizeof(holes) / sizeof(holes[0]); i++)
		touch(holes[i]);
	return PEBBLE_PASS;
}
