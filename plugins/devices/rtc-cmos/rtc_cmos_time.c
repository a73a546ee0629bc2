/* SPDX-License-Identifier: MIT */
/* rtc_cmos_time.c: bytes of the clock to seconds and back, and when an alarm is due. */
#include "rtc_cmos_time.h"

enum { ALARM_ANY = 0xc0 }; /* both bits: the alarm's part matches every value */

#define DAY_S INT64_C(86400)

static int64_t rtc_time_floor(int64_t value, int64_t by)
{
	return value / by - (value % by < 0);
}

static uint8_t rtc_time_encode(uint8_t format, uint32_t value)
{
	return (uint8_t)(format & RTC_BINARY ? value : value / 10 << 4 | value % 10);
}

/* Any byte means something, at most 255. */
static uint32_t rtc_time_decode(uint8_t format, uint32_t byte)
{
	return format & RTC_BINARY ? byte : (byte >> 4) * 10 + (byte & 0xf);
}

/* hour: 0 to 23.  In 12-hour mode bit 7 is PM and midnight is 12. */
static uint8_t rtc_time_encode_hour(uint8_t format, uint32_t hour)
{
	if (format & RTC_24H)
		return rtc_time_encode(format, hour);
	return rtc_time_encode(format, (hour + 11) % 12 + 1) | (hour >= 12 ? 0x80 : 0);
}

static uint32_t rtc_time_decode_hour(uint8_t format, uint32_t byte)
{
	if (format & RTC_24H)
		return rtc_time_decode(format, byte);
	return rtc_time_decode(format, byte & 0x7f) % 12 + (byte & 0x80 ? 12 : 0);
}

/*
 * Days since 1970-01-01 of a day in the Gregorian calendar, with years that begin
 * in March, so that the leap day is a year's last.  Month and day may lie outside
 * their ranges and are then counted on.
 */
static int64_t rtc_time_days(int64_t year, int64_t month, int64_t day)
{
	int64_t from_march = month - 3, in_year;

	year += rtc_time_floor(from_march, 12);
	from_march -= rtc_time_floor(from_march, 12) * 12;
	in_year = (from_march * 153 + 2) / 5 + day - 1; /* 153 days in March to July, and on */
	return year * 365 + rtc_time_floor(year, 4) - rtc_time_floor(year, 100) +
	       rtc_time_floor(year, 400) + in_year - 719468; /* 0000-03-01 to 1970-01-01 */
}

/* 0 is Sunday; 1970-01-01 was a Thursday. */
static uint32_t rtc_time_weekday(int64_t days)
{
	return (uint32_t)(days + 4 - rtc_time_floor(days + 4, 7) * 7);
}

void rtc_time_show(uint8_t *cmos, uint8_t format, uint32_t skew, int64_t second)
{
	int64_t days = rtc_time_floor(second, DAY_S);
	uint32_t of_day = (uint32_t)(second - days * DAY_S);
	/* The mean year has 365.2425 days: the guess is right or one off. */
	int64_t year = 1970 + rtc_time_floor(days * 10000, 3652425);
	uint32_t month = 12, year_of_400;

	if (days < rtc_time_days(year, 1, 1))
		year--;
	else if (days >= rtc_time_days(year + 1, 1, 1))
		year++;
	while (month > 1 && days < rtc_time_days(year, month, 1))
		month--;
	year_of_400 = (uint32_t)(year - rtc_time_floor(year, 10000) * 10000);

	cmos[RTC_SECOND] = rtc_time_encode(format, of_day % 60);
	cmos[RTC_MINUTE] = rtc_time_encode(format, of_day / 60 % 60);
	cmos[RTC_HOUR] = rtc_time_encode_hour(format, of_day / 3600);
	cmos[RTC_WEEKDAY] = rtc_time_encode(format, (rtc_time_weekday(days) + skew) % 7 + 1);
	cmos[RTC_DAY] =
		rtc_time_encode(format, (uint32_t)(days - rtc_time_days(year, month, 1)) + 1);
	cmos[RTC_MONTH] = rtc_time_encode(format, month);
	cmos[RTC_YEAR] = rtc_time_encode(format, year_of_400 % 100);
	cmos[RTC_CENTURY] = rtc_time_encode(format, year_of_400 / 100);
}

int64_t rtc_time_told(const uint8_t *cmos, uint8_t format, uint8_t *skew)
{
	int64_t year = (int64_t)rtc_time_decode(format, cmos[RTC_CENTURY]) * 100 +
		       rtc_time_decode(format, cmos[RTC_YEAR]);
	int64_t days = rtc_time_days(year, rtc_time_decode(format, cmos[RTC_MONTH]),
				     rtc_time_decode(format, cmos[RTC_DAY]));
	uint32_t weekday = rtc_time_decode(format, cmos[RTC_WEEKDAY]) + 6; /* 1 is Sunday */
	int64_t second = days * DAY_S;

	second += (int64_t)rtc_time_decode_hour(format, cmos[RTC_HOUR]) * 3600;
	second += (int64_t)rtc_time_decode(format, cmos[RTC_MINUTE]) * 60;
	second += rtc_time_decode(format, cmos[RTC_SECOND]);
	days = rtc_time_floor(second, DAY_S);
	*skew = (uint8_t)((weekday + 7 - rtc_time_weekday(days)) % 7);
	return second;
}

static uint32_t rtc_time_matches(const uint8_t *cmos, uint8_t format, uint32_t alarm,
				 uint32_t value)
{
	uint8_t byte = cmos[alarm];

	if ((byte & ALARM_ANY) == ALARM_ANY)
		return 1;
	if (alarm == RTC_HOUR_ALARM)
		return byte == rtc_time_encode_hour(format, value);
	return byte == rtc_time_encode(format, value);
}

/* Whether any value below `count` matches. */
static uint32_t rtc_time_can_match(const uint8_t *cmos, uint8_t format, uint32_t alarm,
				   uint32_t count)
{
	for (uint32_t value = 0; value < count; value++)
		if (rtc_time_matches(cmos, format, alarm, value))
			return 1;
	return 0;
}

/*
 * The first second after `second` that the alarm matches, RTC_NEVER for none.  As each
 * part can match, at most 25 steps go by hour, and within an hour that matches 120 by
 * minute and second, two hours at most being looked into.
 */
int64_t rtc_time_next_alarm(const uint8_t *cmos, uint8_t format, int64_t second)
{
	int64_t last = second + DAY_S;

	if (!rtc_time_can_match(cmos, format, RTC_SECOND_ALARM, 60) ||
	    !rtc_time_can_match(cmos, format, RTC_MINUTE_ALARM, 60) ||
	    !rtc_time_can_match(cmos, format, RTC_HOUR_ALARM, 24))
		return RTC_NEVER;
	for (second++; second <= last;) {
		uint32_t of_day = (uint32_t)(second - rtc_time_floor(second, DAY_S) * DAY_S);

		if (!rtc_time_matches(cmos, format, RTC_HOUR_ALARM, of_day / 3600))
			second += 3600 - of_day % 3600;
		else if (!rtc_time_matches(cmos, format, RTC_MINUTE_ALARM, of_day / 60 % 60))
			second += 60 - of_day % 60;
		else if (!rtc_time_matches(cmos, format, RTC_SECOND_ALARM, of_day % 60))
			second++;
		else
			return second;
	}
	return RTC_NEVER;
}
