/* SPDX-License-Identifier: MIT */
/*
 * rtc_cmos_time.h: the bytes of an MC146818A that hold time and alarm, and what
 * they mean ("Time, Calendar, and Alarm Locations" in its data sheet).
 *
 * format: register B, of which RTC_24H and RTC_BINARY count.  second: since
 * 1970-01-01 00:00 UTC, of a day without leap seconds; any within 300000 years.
 */
#ifndef RTC_CMOS_TIME_H
#define RTC_CMOS_TIME_H

#include <stdint.h>

enum { /* bytes */
       RTC_SECOND = 0x00,
       RTC_SECOND_ALARM = 0x01,
       RTC_MINUTE = 0x02,
       RTC_MINUTE_ALARM = 0x03,
       RTC_HOUR = 0x04,
       RTC_HOUR_ALARM = 0x05,
       RTC_WEEKDAY = 0x06, /* 1 is Sunday */
       RTC_DAY = 0x07,
       RTC_MONTH = 0x08,
       RTC_YEAR = 0x09,
       RTC_CENTURY = 0x32,
};

enum {
	RTC_24H = 0x02,
	RTC_BINARY = 0x04,
};

#define RTC_NEVER INT64_MAX

/* Makes the bytes of the time say `second`, with the day of the week `skew` days ahead. */
void rtc_time_show(uint8_t *cmos, uint8_t format, uint32_t skew, int64_t second);

/* The second that the bytes say, whatever they are; *skew: how many days (0 to 6) their
 * day of the week is ahead of their date's. */
int64_t rtc_time_told(const uint8_t *cmos, uint8_t format, uint8_t *skew);

/* The first second after `second` that the alarm matches; RTC_NEVER: none does. */
int64_t rtc_time_next_alarm(const uint8_t *cmos, uint8_t format, int64_t second);

#endif
