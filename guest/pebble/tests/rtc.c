/* SPDX-License-Identifier: MIT */
/* rtc: the time is a time, and the periodic interrupt arrives on line 8. */
#include "cmos.h"

static volatile uint32_t periodic;

static void irq(struct pebble_frame *frame)
{
	(void)frame;
	if (cmos_read(CMOS_C) & CMOS_B_PERIODIC)
		periodic++;
	pic_eoi(CMOS_IRQ);
}

int main(void)
{
	pic_init();
	CHECK(1, cmos_read(CMOS_D) & CMOS_D_VALID);
	CHECK(2, cmos_time(CMOS_SECONDS) < 60);
	CHECK(3, cmos_time(CMOS_MINUTES) < 60);
	CHECK(4, cmos_time(CMOS_DAY) >= 1 && cmos_time(CMOS_DAY) <= 31);
	CHECK(5, cmos_time(CMOS_MONTH) >= 1 && cmos_time(CMOS_MONTH) <= 12);
	CHECK(6, cmos_read(CMOS_B) & CMOS_B_24H);
	CHECK(7, cmos_time(CMOS_HOURS) < 24);

	pebble_on(PEBBLE_IRQ + CMOS_IRQ, irq);
	pic_unmask(CMOS_IRQ);
	cmos_write(CMOS_A, CMOS_A_1024HZ);
	cmos_write(CMOS_B, CMOS_B_24H | CMOS_B_PERIODIC);
	cmos_read(CMOS_C);
	CHECK(8, pebble_wait(&periodic, 3, PEBBLE_POLLS));
	cmos_write(CMOS_B, CMOS_B_24H);
	return PEBBLE_PASS;
}
