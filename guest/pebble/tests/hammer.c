/* SPDX-License-Identifier: MIT */
/*
 * hammer: CPUs write and read windows of memory (the plugin `banks` of the framework's tests)
 * that the first one moves, hides in part and takes away meanwhile.
 */
#include <pebble/apic.h>

enum {
	CONTROL = 0x300,
	RAM = 1,
	HOLE = 4,
	AT = 0x40000000,
	THERE = 0x40010000,
	ROUNDS = 300,
	MARK = 0x600d,
};

static uint32_t over, done;

static void place(uint32_t window, uint32_t gpa)
{
	outl((uint16_t)(CONTROL + 4 * (window - 1)), gpa);
}

/* Only what was written, what never was, or nothing. */
static int sane(uint32_t value)
{
	return value == MARK || value == 0 || value == UINT32_MAX;
}

static void hammer(uint32_t number)
{
	const uint64_t off = 0x2000 + 64 * number;

	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
		mmio_write32(AT + off, MARK);
		CHECK(2, sane(mmio_read32(AT + off)));
		CHECK(3, sane(mmio_read32(THERE + off)));
		CHECK(4, sane((uint32_t)mmio_read8(AT + 0x1000) == 0x5a
				      ? 0
				      : mmio_read32(AT + 0x1800)));
	}
	__atomic_add_fetch(&done, 1, __ATOMIC_RELEASE);
}

int main(void)
{
	pebble_start_cpus(hammer);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		place(RAM, AT);
		CHECK(1, inl(CONTROL) == 0);
		place(HOLE, AT + 0x1000);
		place(RAM, THERE);
		place(HOLE, 0);
		place(RAM, 0);
	}
	__atomic_store_n(&over, 1, __ATOMIC_RELEASE);
	CHECK(5, pebble_wait(&done, pebble_cpus_started(), PEBBLE_POLLS));
	return PEBBLE_PASS;
}
