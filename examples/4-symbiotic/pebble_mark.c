/* SPDX-License-Identifier: MIT */
/*
 * The guest's side of mark, for pebble: it marks "start" whenever the VMM begins to take marks,
 * and "here" when it is asked.  The fourth time it marks "end", and ends.
 */
#include <pebble/pebble.h>
#include <pebble/symbiotic.h>

#include "mark.h"

enum { GENERAL_PROTECTION = 13, ASKED = 4 };

/* The vector of the exception, -1: none. */
static int mark(const char *name)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < 8 && name[i] != '\0'; i++)
		value |= (uint64_t)(uint8_t)name[i] << 8 * i;
	return sym_write(MARK_MSR_MARK, value);
}

/* What the VMM must not take for a mark. */
static int refused(void)
{
	uint64_t count;

	return mark("") == GENERAL_PROTECTION && mark("UPPER") == GENERAL_PROTECTION &&
	       mark("quote\"") == GENERAL_PROTECTION &&
	       sym_write(MARK_MSR_MARK, 0x6100000061) == GENERAL_PROTECTION &&
	       sym_write(MARK_MSR_COUNT, 1) == GENERAL_PROTECTION &&
	       sym_read(MARK_MSR_MARK, &count) == GENERAL_PROTECTION;
}

int main(void)
{
	uint64_t agreed = 0, count;
	int asked = 0;

	if (!sym_find()) {
		pebble_puts("pebble: no symbiotic VMM\n");
		return PEBBLE_PASS;
	}
	CHECK(1, mark("early") == GENERAL_PROTECTION);
	(void)sym_agree(MARK_FEATURE);
	pebble_puts("pebble: makes marks\n");
	for (;;) {
		uint64_t causes;

		if (sym_agreed & ~agreed) {
			CHECK(2, refused());
			CHECK(3, mark("start") < 0);
			CHECK(4, sym_read(MARK_MSR_COUNT, &count) < 0 && count >= 1);
		}
		if (!sym_agreed)
			CHECK(5, sym_read(MARK_MSR_COUNT, &count) == GENERAL_PROTECTION);
		agreed = sym_agreed;
		sym_wait();
		causes = sym_serve();
		if (!(causes & MARK_CAUSE_ASKED))
			continue;
		if (++asked == ASKED) {
			CHECK(6, mark("end") < 0);
			return PEBBLE_PASS;
		}
		CHECK(7, mark("here") < 0);
	}
}
