/* SPDX-License-Identifier: MIT */
/*
 * churn: every CPU works without end with a device that comes and goes, and fails where
 * its windows are not of one generation.  tests/framework/plugins/churn.h has the device;
 * who runs it ends the VM.  PEBBLE_STAYS: it is there all the time, and what is in its RAM
 * is kept, while its generation changes.
 */
#include <pebble/apic.h>

enum {
	FIRST = 0x600,
	SECOND = 0x700,
	HUB = 0x7f0,
	STAY_US = 50,
	BELL = 8,
	ASK = 16,
};
#define THIRD UINT64_C(0xd0000000)
#define RAM UINT64_C(0xd0010000)
#ifndef PEBBLE_STAYS
#define PEBBLE_STAYS 0
#endif

static const uint32_t gone = UINT32_MAX; /* what is read where nothing is */

/* Where `first` shows the same before and after `second`, nothing came between. */
static void check_pair(uint16_t first, uint16_t second)
{
	const uint32_t before = inl(first), other = inl(second), after = inl(first);

	CHECK(1, before != after || before == gone || before == other);
}

static void check_memory(void)
{
	const uint32_t before = inl(FIRST), other = mmio_read32(THIRD), after = inl(FIRST);

	/* Ports and memory come and go one after the other, but change together. */
	CHECK(2, before != after || before == gone || other == gone || before == other);
}

/*
 * Registers and RAM are on one bus.  `mine`: a word of this CPU's alone, which is as it was
 * written for as long as the device is the same.
 */
static void check_ram(uint64_t mine, uint32_t round)
{
	const uint32_t before = mmio_read32(THIRD), other = mmio_read32(RAM);
	uint32_t now, after = mmio_read32(THIRD);

	CHECK(4, before != after || before == gone || before == other);
	CHECK(6, !PEBBLE_STAYS || round == 0 || mmio_read32(mine) == round - 1);
	mmio_write32(mine, round);
	now = mmio_read32(mine);
	after = mmio_read32(THIRD);
	CHECK(5, before != after || before == gone || now == round);
	CHECK(7, !PEBBLE_STAYS || (before != gone && after != gone && now == round));
}

/* A generation is never followed by an earlier one. */
static void check_order(uint32_t *last)
{
	const uint32_t now = inl(SECOND);

	CHECK(3, now == gone || now >= *last);
	if (now != gone)
		*last = now;
}

static void work(uint32_t number)
{
	uint32_t last = 0;

	for (uint32_t round = 0;; round++) {
		check_pair(FIRST, SECOND);
		check_pair(SECOND, FIRST);
		check_memory();
		check_ram(RAM + 4 + 4 * (uint64_t)number, round);
		check_order(&last);
		if ((round + number) % 4 == 0)
			outl(FIRST + 4, STAY_US);
		if ((round + number) % 4 == 1)
			outl(SECOND, round >> 2);
		if ((round + number) % 4 == 2)
			mmio_write32(THIRD + BELL, round);
		if ((round + number) % 4 == 3)
			mmio_write32(THIRD + ASK, round);
		(void)inl(HUB);
	}
}

int main(void)
{
	pebble_start_cpus(work);
	work(PEBBLE_CPUS);
	return PEBBLE_PASS;
}
