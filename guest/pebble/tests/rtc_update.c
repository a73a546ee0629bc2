/* SPDX-License-Identifier: MIT */
/* rtc_update: the second changes, and the update-ended interrupt says so.  Takes up to 2 s. */
#include "cmos.h"

enum { POLLS = 50 * PEBBLE_POLLS }; /* a second or more even where a pause is short */

static volatile uint32_t updates;

static void irq(struct pebble_frame *frame)
{
	(void)frame;
	if (cmos_read(CMOS_C) & CMOS_B_UPDATE)
		updates++;
	pic_eoi(CMOS_IRQ);
}

int main(void)
{
	uint32_t before, after;

	pic_init();
	pebble_on(PEBBLE_IRQ + CMOS_IRQ, irq);
	pic_unmask(CMOS_IRQ);
	cmos_write(CMOS_B, CMOS_B_24H | CMOS_B_UPDATE);
	cmos_read(CMOS_C);
	CHECK(1, pebble_wait(&updates, 1, POLLS));
	CHECK(2, !(cmos_read(CMOS_A) & CMOS_A_UIP));
	before = cmos_time(CMOS_SECONDS);
	CHECK(3, pebble_wait(&updates, 2, POLLS));
	after = cmos_time(CMOS_SECONDS);
	CHECK(4, after == (before + 1) % 60);
	cmos_write(CMOS_B, CMOS_B_24H);
	return PEBBLE_PASS;
}
