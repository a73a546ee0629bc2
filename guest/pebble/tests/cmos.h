/* SPDX-License-Identifier: MIT */
/* cmos.h: the registers of an MC146818A at ports 0x70 and 0x71. */
#ifndef CMOS_H
#define CMOS_H

#include <pebble/apic.h>

enum {
	CMOS_SECONDS = 0,
	CMOS_MINUTES = 2,
	CMOS_HOURS = 4,
	CMOS_DAY = 7,
	CMOS_MONTH = 8,
	CMOS_A = 10,
	CMOS_B = 11,
	CMOS_C = 12,
	CMOS_D = 13,
	CMOS_A_UIP = 0x80,
	CMOS_A_1024HZ = 0x26,
	CMOS_B_PERIODIC = 0x40,
	CMOS_B_UPDATE = 0x10,
	CMOS_B_BINARY = 0x04,
	CMOS_B_24H = 0x02,
	CMOS_D_VALID = 0x80,
	CMOS_IRQ = 8,
};

static inline uint8_t cmos_read(uint8_t index)
{
	outb(0x70, index);
	return inb(0x71);
}

static inline void cmos_write(uint8_t index, uint8_t value)
{
	outb(0x70, index);
	outb(0x71, value);
}

/* Time registers, whatever the format. */
static inline uint32_t cmos_time(uint8_t index)
{
	uint32_t value = cmos_read(index);

	return cmos_read(CMOS_B) & CMOS_B_BINARY ? value : (value >> 4) * 10 + (value & 15);
}

#endif
