/* SPDX-License-Identifier: MIT */
/* The clock and CMOS memory as guests see them, and its calendar against the C library's. */
#include <time.h>

#include <testhost.h>

#include "rtc_cmos_time.h"
#include "tap.h"

enum { IRQ = 8 };
enum { A = 0x0a, B = 0x0b, C = 0x0c, D = 0x0d, RAM = 0x40 };
enum { UIE = 0x10, AIE = 0x20, PIE = 0x40, SET = 0x80 };

#define SECOND UINT64_C(1000000000)
#define MS UINT64_C(1000000)

static uint8_t get(struct th *th, uint8_t at)
{
	th_out(th, 0x70, 1, at);
	return (uint8_t)th_in(th, 0x71, 1);
}

static void put(struct th *th, uint8_t at, uint8_t value)
{
	th_out(th, 0x70, 1, at);
	th_out(th, 0x71, 1, value);
}

static struct th *rtc(void)
{
	struct th *th = th_create("rtc-cmos");

	CHECK_EQ(0, th_start(th));
	return th;
}

static void check_time(struct th *th, const char *want)
{
	char text[64];

	snprintf(text, sizeof(text), "%02x%02x-%02x-%02x %02x:%02x:%02x %x",
		 get(th, RTC_CENTURY), get(th, RTC_YEAR), get(th, RTC_MONTH), get(th, RTC_DAY),
		 get(th, RTC_HOUR), get(th, RTC_MINUTE), get(th, RTC_SECOND),
		 get(th, RTC_WEEKDAY));
	if (strcmp(want, text))
		tap_fail("want %s, got %s", want, text);
}

/* xorshift32 with a fixed seed: the same sequence in every run. */
static uint32_t dice(void)
{
	static uint32_t x = 0x146818;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

/* --- time --- */

TEST(it_starts_with_the_hosts_time_in_bcd)
{
	struct th *th = rtc();

	check_time(th, "2026-01-02 03:04:05 6");
	CHECK_EQ(0x26, get(th, A));
	CHECK_EQ(0x02, get(th, B));
	CHECK_EQ(0x00, get(th, C));
	CHECK_EQ(0x80, get(th, D));
	CHECK_EQ(0xff, th_in(th, 0x70, 1));
	th_advance(th, 55 * SECOND);
	check_time(th, "2026-01-02 03:05:00 6");
	th_destroy(th);
}

TEST(formats_are_those_of_register_b)
{
	static const struct {
		uint8_t b, hour_0, hour_12, hour_23, minute;
	} formats[] = {
		{ 0x02, 0x00, 0x12, 0x23, 0x59 },
		{ 0x06, 0, 12, 23, 59 },
		{ 0x00, 0x12, 0x92, 0x91, 0x59 },
		{ 0x04, 12, 0x80 | 12, 0x80 | 11, 59 },
	};
	struct th *th = rtc();

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		put(th, B, formats[i].b);
		th_set_wall(th, 59 * 60 * SECOND);
		CHECK_EQ(formats[i].hour_0, get(th, RTC_HOUR));
		CHECK_EQ(formats[i].minute, get(th, RTC_MINUTE));
		th_set_wall(th, 12 * 3600 * SECOND);
		CHECK_EQ(formats[i].hour_12, get(th, RTC_HOUR));
		th_set_wall(th, 23 * 3600 * SECOND);
		CHECK_EQ(formats[i].hour_23, get(th, RTC_HOUR));
	}
	th_destroy(th);
}

TEST(uip_is_set_for_244_us_before_each_second)
{
	struct th *th = rtc();

	CHECK_EQ(0x26, get(th, A));
	th_advance(th, SECOND - 244001);
	CHECK_EQ(0x26, get(th, A));
	th_advance(th, 1);
	CHECK_EQ(0xa6, get(th, A));
	CHECK_EQ(0x05, get(th, RTC_SECOND));
	th_advance(th, 244000);
	CHECK_EQ(0x26, get(th, A));
	CHECK_EQ(0x06, get(th, RTC_SECOND));
	put(th, B, SET | 0x02);
	th_advance(th, SECOND - 1);
	CHECK_EQ(0x26, get(th, A));
	th_destroy(th);
}

TEST(set_holds_the_time_and_letting_go_keeps_the_fraction)
{
	struct th *th = rtc();

	th_advance(th, 250 * MS);
	put(th, B, SET | UIE | 0x02);
	CHECK_EQ(SET | 0x02, get(th, B)); /* UIE goes */
	put(th, RTC_HOUR, 0x17);
	put(th, RTC_SECOND, 0x30);
	th_advance(th, 10 * SECOND);
	check_time(th, "2026-01-02 17:04:30 6");
	put(th, B, 0x02);
	check_time(th, "2026-01-02 17:04:30 6");
	th_advance(th, 749 * MS);
	CHECK_EQ(0x30, get(th, RTC_SECOND));
	th_advance(th, 1 * MS);
	CHECK_EQ(0x31, get(th, RTC_SECOND));
	th_destroy(th);
}

TEST(a_driver_sets_the_time_and_the_first_update_is_half_a_second_away)
{
	static const struct {
		uint8_t at, value;
	} time[] = {
		{ RTC_YEAR, 0x99 },    { RTC_MONTH, 0x12 },  { RTC_DAY, 0x31 },
		{ RTC_HOUR, 0x23 },    { RTC_MINUTE, 0x59 }, { RTC_SECOND, 0x58 },
		{ RTC_CENTURY, 0x19 }, { RTC_WEEKDAY, 6 },
	};
	struct th *th = rtc();

	th_advance(th, 123 * MS);
	put(th, B, SET | 0x02);
	put(th, A, 0x76);
	for (size_t i = 0; i < sizeof(time) / sizeof(time[0]); i++)
		put(th, time[i].at, time[i].value);
	th_advance(th, 777 * MS);
	put(th, B, 0x02);
	th_advance(th, 5 * SECOND);
	check_time(th, "1999-12-31 23:59:58 6");
	put(th, A, 0x26);
	th_advance(th, 499 * MS);
	check_time(th, "1999-12-31 23:59:58 6");
	th_advance(th, 1 * MS);
	check_time(th, "1999-12-31 23:59:59 6");
	th_advance(th, SECOND);
	check_time(th, "2000-01-01 00:00:00 7");
	th_advance(th, 59 * 86400 * SECOND);
	check_time(th, "2000-02-29 00:00:00 3");
	th_destroy(th);
}

TEST(the_day_of_the_week_is_the_guests_own)
{
	struct th *th = rtc();

	put(th, RTC_WEEKDAY, 1);
	check_time(th, "2026-01-02 03:04:05 1");
	th_advance(th, 86400 * SECOND);
	check_time(th, "2026-01-03 03:04:05 2");
	th_destroy(th);
}

TEST(a_byte_may_be_set_while_the_clock_runs)
{
	struct th *th = rtc();

	put(th, RTC_MINUTE, 0x59);
	th_advance(th, 55 * SECOND);
	check_time(th, "2026-01-02 04:00:00 6");
	th_destroy(th);
}

TEST(a_step_of_the_hosts_clock_is_followed_and_stalls_no_update)
{
	struct th *th = rtc();

	put(th, B, UIE | 0x02);
	th_set_wall(th, 1000 * SECOND);
	check_time(th, "1970-01-01 00:16:40 5");
	th_advance(th, SECOND);
	CHECK_EQ(1, th_line(th, IRQ));
	CHECK_EQ(UIE, get(th, C) & UIE);
	th_advance(th, SECOND);
	CHECK_EQ(2, th_edges(th, IRQ));
	th_destroy(th);
}

/* --- the calendar itself --- */

TEST(calendar_agrees_with_gmtime_for_400_years)
{
	uint8_t cmos[128];

	for (uint32_t i = 0; i < TAP_ROUNDS(20000); i++) {
		const time_t t = (time_t)i * 631138 + 17; /* a bit over a week */
		struct tm tm;
		uint8_t skew = 9;

		CHECK(gmtime_r(&t, &tm));
		rtc_time_show(cmos, RTC_24H | RTC_BINARY, 0, t);
		CHECK_EQ(tm.tm_sec, cmos[RTC_SECOND]);
		CHECK_EQ(tm.tm_min, cmos[RTC_MINUTE]);
		CHECK_EQ(tm.tm_hour, cmos[RTC_HOUR]);
		CHECK_EQ(tm.tm_mday, cmos[RTC_DAY]);
		CHECK_EQ(tm.tm_mon + 1, cmos[RTC_MONTH]);
		CHECK_EQ(tm.tm_year + 1900, cmos[RTC_CENTURY] * 100 + cmos[RTC_YEAR]);
		CHECK_EQ(tm.tm_wday + 1, cmos[RTC_WEEKDAY]);
		CHECK_EQ(t, rtc_time_told(cmos, RTC_24H | RTC_BINARY, &skew));
		CHECK_EQ(0, skew);
	}
}

TEST(every_day_of_10000_years_is_told_as_shown)
{
	const int64_t first = -INT64_C(62167219200); /* 0000-01-01 */
	uint8_t cmos[128];

	for (int64_t day = 0; day < TAP_ROUNDS(3652425); day++) {
		const uint8_t format = (uint8_t)(day % 4 * 2); /* 12 or 24 h, BCD or binary */
		const int64_t t = first + day * 86400 + (day * 7919) % 86400;
		uint8_t skew;

		rtc_time_show(cmos, format, (uint32_t)(day % 7), t);
		CHECK_EQ(t, rtc_time_told(cmos, format, &skew));
		CHECK_EQ(day % 7, skew);
		CHECK(cmos[RTC_DAY] >= 1 && cmos[RTC_MONTH] >= 1);
	}
}

TEST(any_bytes_are_some_time)
{
	uint8_t cmos[128], shown[128], skew;

	for (uint32_t i = 0; i < TAP_ROUNDS(100000); i++) {
		const uint8_t format = (uint8_t)(dice() & 6);
		int64_t t;

		for (uint32_t at = 0; at < sizeof(cmos); at++)
			cmos[at] = (uint8_t)dice();
		t = rtc_time_told(cmos, format, &skew);
		CHECK(t > -INT64_C(100000000000) && t < INT64_C(1000000000000));
		CHECK(skew < 7);
		rtc_time_show(shown, RTC_24H | RTC_BINARY, skew, t);
		CHECK(shown[RTC_SECOND] < 60 && shown[RTC_MINUTE] < 60 && shown[RTC_HOUR] < 24);
		CHECK(shown[RTC_DAY] >= 1 && shown[RTC_DAY] <= 31);
		CHECK(shown[RTC_MONTH] >= 1 && shown[RTC_MONTH] <= 12);
		CHECK(shown[RTC_YEAR] < 100 && shown[RTC_CENTURY] < 100);
	}
}

/* The same as the plugin's, second by second, through the bytes shown. */
static int64_t slow_next_alarm(const uint8_t *alarm, uint8_t format, int64_t t)
{
	static const uint8_t parts[] = { RTC_SECOND, RTC_MINUTE, RTC_HOUR };
	const int64_t last = t + 86400;
	uint8_t cmos[128];

	while (++t <= last) {
		uint32_t matched = 0;

		rtc_time_show(cmos, format, 0, t);
		for (size_t i = 0; i < sizeof(parts); i++) {
			const uint8_t want = alarm[parts[i] + 1];

			matched += want >= 0xc0 || want == cmos[parts[i]];
		}
		if (matched == sizeof(parts))
			return t;
	}
	return RTC_NEVER;
}

TEST(next_alarm_agrees_with_looking_at_every_second)
{
	for (uint32_t i = 0; i < 60; i++) {
		const uint8_t format = (uint8_t)(dice() & 6);
		const int64_t t = dice();
		uint8_t cmos[128] = { 0 };

		rtc_time_show(cmos, format, 0, dice());
		cmos[RTC_SECOND_ALARM] = dice() & 3 ? cmos[RTC_SECOND] : (uint8_t)dice();
		cmos[RTC_MINUTE_ALARM] = dice() & 3 ? cmos[RTC_MINUTE] : 0xc5;
		cmos[RTC_HOUR_ALARM] = dice() & 3 ? cmos[RTC_HOUR] : 0xff;
		CHECK_EQ(slow_next_alarm(cmos, format, t),
			 rtc_time_next_alarm(cmos, format, t));
	}
}

/* --- interrupts --- */

TEST(update_ended_interrupts_come_each_second_and_end_with_reading_c)
{
	struct th *th = rtc();

	put(th, B, UIE | 0x02);
	th_advance(th, SECOND - 1);
	CHECK_EQ(0, th_line(th, IRQ));
	th_advance(th, 1);
	CHECK_EQ(1, th_line(th, IRQ));
	th_advance(th, 3 * SECOND);
	CHECK_EQ(1, th_edges(th, IRQ));
	CHECK_EQ(0x90 | PIE, get(th, C)); /* PF is raised whether enabled or not */
	CHECK_EQ(0, th_line(th, IRQ));
	CHECK_EQ(0x00, get(th, C));
	th_advance(th, SECOND);
	CHECK_EQ(2, th_edges(th, IRQ));
	th_destroy(th);
}

TEST(alarm_rings_once_a_day_at_its_time)
{
	struct th *th = rtc();

	put(th, RTC_HOUR_ALARM, 0x04);
	put(th, RTC_MINUTE_ALARM, 0x00);
	put(th, RTC_SECOND_ALARM, 0x10);
	put(th, B, AIE | 0x02);
	th_advance(th, (56 * 60 + 4) * SECOND);
	CHECK_EQ(0, th_line(th, IRQ));
	th_advance(th, SECOND);
	CHECK_EQ(1, th_line(th, IRQ));
	CHECK_EQ(0xa0, get(th, C) & 0xa0);
	th_advance(th, 86399 * SECOND);
	CHECK_EQ(0, th_line(th, IRQ));
	th_advance(th, SECOND);
	CHECK_EQ(1, th_line(th, IRQ));
	th_destroy(th);
}

TEST(alarm_with_any_values_rings_each_second)
{
	struct th *th = rtc();

	put(th, RTC_HOUR_ALARM, 0xff);
	put(th, RTC_MINUTE_ALARM, 0xc0);
	put(th, RTC_SECOND_ALARM, 0xd5);
	put(th, B, AIE | 0x02);
	for (uint32_t i = 1; i <= 5; i++) {
		th_advance(th, SECOND);
		CHECK_EQ(i, th_edges(th, IRQ));
		CHECK_EQ(AIE, get(th, C) & AIE);
	}
	th_destroy(th);
}

TEST(an_alarm_that_no_time_matches_never_rings)
{
	struct th *th = rtc();

	put(th, RTC_HOUR_ALARM, 0xff);
	put(th, RTC_MINUTE_ALARM, 0x7f);
	put(th, RTC_SECOND_ALARM, 0xff);
	put(th, B, AIE | 0x02);
	th_advance(th, 100000 * SECOND);
	CHECK_EQ(0, th_edges(th, IRQ));
	CHECK_EQ(0, get(th, C) & AIE);
	th_destroy(th);
}

TEST(flags_rise_without_being_enabled)
{
	struct th *th = rtc();

	put(th, RTC_HOUR_ALARM, 0xff);
	put(th, RTC_MINUTE_ALARM, 0xff);
	put(th, RTC_SECOND_ALARM, 0x06);
	CHECK_EQ(0x00, get(th, C));
	th_advance(th, SECOND);
	CHECK_EQ(UIE | AIE | PIE, get(th, C));
	CHECK_EQ(0, th_edges(th, IRQ));
	put(th, B, AIE | 0x02); /* too late for that one */
	CHECK_EQ(0, th_line(th, IRQ));
	th_destroy(th);
}

TEST(enabling_a_raised_flag_interrupts_at_once)
{
	struct th *th = rtc();

	th_advance(th, SECOND);
	put(th, B, UIE | 0x02);
	CHECK_EQ(1, th_line(th, IRQ));
	put(th, B, 0x02);
	CHECK_EQ(0, th_line(th, IRQ));
	th_destroy(th);
}

TEST(periodic_interrupts_come_at_each_rate)
{
	static const uint32_t hz[16] = { 0,   256, 128, 8192, 4096, 2048, 1024, 512,
					 256, 128, 64,	32,   16,   8,	  4,	2 };

	for (uint8_t rate = 0; rate < TAP_ROUNDS(16); rate++) {
		struct th *th = rtc();
		uint32_t count = 0;

		put(th, A, 0x20 | rate);
		put(th, B, PIE | 0x02);
		(void)get(th, C);
		for (uint32_t us = 0; us < 1000000; us += 50) {
			th_advance(th, 50000);
			if (th_line(th, IRQ)) {
				count++;
				CHECK_EQ(0x80 | PIE, get(th, C) & (0x80 | PIE));
			}
		}
		CHECK_EQ(hz[rate], count);
		th_destroy(th);
	}
}

TEST(a_divider_in_reset_stops_periods_and_updates)
{
	struct th *th = rtc();

	put(th, A, 0x66);
	put(th, B, PIE | UIE | AIE | 0x02);
	(void)get(th, C);
	th_advance(th, 10 * SECOND);
	CHECK_EQ(0x00, get(th, C));
	CHECK_EQ(0, th_edges(th, IRQ));
	check_time(th, "2026-01-02 03:04:05 6");
	th_destroy(th);
}

/* --- memory, reset, state, description --- */

TEST(memory_keeps_its_bytes_and_the_index_ignores_the_nmi_bit)
{
	struct th *th = rtc();

	for (uint8_t at = 0x0e; at < 128; at++)
		if (at != RTC_CENTURY)
			put(th, at | 0x80, at ^ 0x5a);
	for (uint8_t at = 0x0e; at < 128; at++)
		if (at != RTC_CENTURY)
			CHECK_EQ(at ^ 0x5a, get(th, at));
	th_destroy(th);
}

TEST(c_and_d_and_uip_are_read_only)
{
	struct th *th = rtc();

	put(th, C, 0xff);
	put(th, D, 0x00);
	put(th, A, 0xff);
	CHECK_EQ(0x00, get(th, C));
	CHECK_EQ(0x80, get(th, D));
	CHECK_EQ(0x7f, get(th, A));
	th_destroy(th);
}

TEST(a_warm_reset_keeps_memory_and_time_and_ends_interrupts)
{
	struct th *th = rtc();

	put(th, RAM, 0x77);
	put(th, RTC_HOUR, 0x15);
	put(th, B, UIE | 0x04);
	th_advance(th, SECOND);
	CHECK_EQ(1, th_line(th, IRQ));
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	CHECK_EQ(0, th_line(th, IRQ));
	CHECK_EQ(0x02, get(th, B));
	CHECK_EQ(0x26, get(th, A));
	CHECK_EQ(0x00, get(th, C));
	CHECK_EQ(0x77, get(th, RAM));
	check_time(th, "2026-01-02 15:04:06 6");
	th_destroy(th);
}

TEST(a_warm_reset_in_the_midst_of_setting_keeps_what_was_set)
{
	struct th *th = rtc();

	put(th, B, SET | 0x06);
	put(th, RTC_CENTURY, 20);
	put(th, RTC_YEAR, 31);
	put(th, RTC_HOUR, 12);
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	CHECK_EQ(0x02, get(th, B));
	check_time(th, "2031-01-02 12:04:05 6");
	th_destroy(th);
}

TEST(power_on_forgets_everything)
{
	struct th *th = rtc();

	put(th, RAM, 0x77);
	put(th, RTC_YEAR, 0x01);
	put(th, B, SET | 0x02);
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_POWER_ON));
	CHECK_EQ(0x00, get(th, RAM));
	check_time(th, "2026-01-02 03:04:05 6");
	th_destroy(th);
}

static void poke(struct th *th, const char *name, uint64_t value)
{
	const struct lichen_table *t = &th_class(th)->state;

	for (uint32_t i = 0; i < t->count; i++) {
		const struct lichen_field *f =
			(const void *)((const char *)t->items + i * (size_t)t->item_size);

		if (strcmp(f->name, name))
			continue;
		memcpy((char *)th_self(th) + f->offset, &value, f->size);
		return;
	}
	tap_fail("no field %s", name);
}

TEST(a_state_that_lies_is_refused)
{
	static const struct {
		const char *field;
		uint64_t value;
	} lies[] = {
		{ "index", 128 },
		{ "a", 0xa6 },
		{ "c", 0x80 },
		{ "weekday_skew", 7 },
		{ "phase_ns", 1000000000 },
		{ "offset_s", INT64_MAX },
		{ "offset_s", 1ull << 63 },
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct th *th = rtc();

		CHECK_EQ(0, th_class(th)->post_load(th_self(th), 1));
		poke(th, lies[i].field, lies[i].value);
		CHECK_EQ(-LICHEN_EBADMSG, th_class(th)->post_load(th_self(th), 1));
		CHECK(th_error(th)[0]);
		th_destroy(th);
	}
}

TEST(acpi_describes_it_and_fadt_learns_of_it)
{
	struct th *th = rtc();
	struct lichen_acpi_node node = { LICHEN_STRUCT(struct lichen_acpi_node) };
	const struct lichen_acpi_node_ops *ops = th_interface(th, LICHEN_ACPI_NODE);

	CHECK(ops);
	CHECK_EQ(-LICHEN_ENOENT, ops->describe(th_self(th), 0, 1, &node));
	CHECK_EQ(0, ops->describe(th_self(th), 0, 0, &node));
	CHECK_EQ(0, strcmp("PNP0B00", node.hid));
	CHECK_EQ(LICHEN_ACPI_HAS_RTC, node.boot_arch);
	CHECK_EQ(0x70, node.ports[0].base);
	CHECK_EQ(2, node.ports[0].size);
	CHECK_EQ(8, node.gsis[0].gsi);
	CHECK_EQ(LICHEN_ACPI_GSI_USED | LICHEN_ACPI_GSI_EDGE, node.gsis[0].flags);
	th_destroy(th);
}

/* 50000 random accesses and moves of time; after each, what must always hold. */
TEST(random_accesses_break_no_invariant)
{
	struct th *th = rtc();

	for (uint32_t i = 0; i < TAP_ROUNDS(50000); i++) {
		const uint32_t d = dice();
		uint8_t flags, enabled;

		switch (d & 3) {
		case 0:
			th_advance(th, (uint64_t)(d >> 8) * 100);
			break;
		case 1:
			(void)get(th, d >> 8 & 0x7f);
			break;
		case 2:
			put(th, d >> 8 & 0x0f, d >> 16 & 0xff);
			break;
		default:
			put(th, d >> 8 & 0x7f, d >> 16 & 0xff);
			break;
		}
		CHECK_EQ(0, th_class(th)->pre_save(th_self(th)));
		CHECK_EQ(0, th_class(th)->post_load(th_self(th), 1));
		if (i % 16)
			continue;
		enabled = get(th, B) & (PIE | AIE | UIE);
		flags = get(th, C);
		CHECK_EQ((flags & enabled) != 0, flags >> 7);
		CHECK_EQ(0, th_line(th, IRQ));
	}
	th_destroy(th);
}
