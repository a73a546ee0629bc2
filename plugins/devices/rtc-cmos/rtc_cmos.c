/* SPDX-License-Identifier: MIT */
/*
 * rtc-cmos: the clock and the battery-backed memory of a PC, an MC146818A.
 *
 *	devices:
 *	  - { plugin: rtc-cmos }
 *
 * Ports (accesses of 1 byte, wider ones are split):
 *	0x70 W	index, bits 0 to 6; bit 7 masks NMI on a PC and is ignored
 *	0x71	the byte that the index names
 *
 * Bytes; names in quotes are headings of the MC146818A data sheet (Motorola, 1984):
 *	0x00, 0x02, 0x04, 0x06 to 0x09	"Time, Calendar, and Alarm Locations"
 *	0x01, 0x03, 0x05		alarm, there
 *	0x0a to 0x0d			"Register A" to "Register D"
 *	0x32				century, as on every PC; FADT says so
 *	the others, to 0x7f		memory
 *
 * The time is the host's in UTC plus what the guest made of it by setting it.
 * While the clock runs, the bytes of the time are made when they are read, and
 * flags when register C is: a timer is armed only for an interrupt that is enabled.
 *
 * Limits: no daylight saving (register B, DSE), no square wave; every divider
 * setting but reset counts as the 32768 Hz one; alarm without day or month.
 */
#include <string.h>

#include <lichen/acpi.h>
#include <lichen/device.h>
#include <lichen/hardware.h>

#include "rtc_cmos_time.h"

enum { RTC_PORT = 0x70, RTC_PORTS = 2, RTC_BYTES = 128 };

enum { /* offsets */
       RTC_INDEX = 0,
       RTC_DATA = 1,
};

enum { /* bytes; the others are in rtc_cmos_time.h */
       RTC_A = 0x0a,
       RTC_B = 0x0b,
       RTC_C = 0x0c,
       RTC_D = 0x0d,
};

enum {
	A_RATE = 0x0f,
	A_DIVIDER = 0x70,
	A_DIVIDER_RESET = 0x60, /* both bits */
	A_UPDATING = 0x80,
	A_FIRMWARE = 0x26, /* 32768 Hz, 1024 periods a second: how firmware leaves it */

	B_FIRMWARE = RTC_24H,

	/* enables in register B, flags in register C */
	RTC_UPDATE = 0x10,
	RTC_ALARM = 0x20,
	RTC_PERIODIC = 0x40,
	RTC_CAUSES = RTC_UPDATE | RTC_ALARM | RTC_PERIODIC,

	B_SET = 0x80,
	C_INTERRUPT = 0x80,
	D_VALID = 0x80,
};

#define SECOND_NS UINT64_C(1000000000)
#define RTC_HZ UINT64_C(32768)
/* UIP rises so long before the update ("Update Cycle", t_BUC). */
#define UPDATING_NS UINT64_C(244000)
/* Seconds that any eight bytes can be away from 1970, and then some. */
#define OFFSET_MAX INT64_C(1000000000000)

/* Of the guest's clock: periods and updates, which a step of the host's clock must not
 * delay.  Of the host's: alarms, which it must. */
enum { TIMER_GUEST = 0, TIMER_WALL = 1 };

struct rtc_cmos {
	struct lichen_dev dev;
	lichen_handle line;
	lichen_handle timers[2]; /* TIMER_... */
	uint32_t irq;

	/* Guarded by the instance lock, all that follows. */
	uint8_t index, a, b;
	uint8_t c; /* flags up to `seen` */

	/* Kept by the battery.  Bytes of the time are current only while it stands. */
	uint8_t cmos[RTC_BYTES];
	/* The clock reads (wall + phase_ns) / 1 s + offset_s seconds since 1970. */
	int64_t offset_s;
	uint32_t phase_ns;    /* below 1 s */
	uint8_t weekday_skew; /* days that the guest's day of the week is ahead, 0 to 6 */

	/* Up to where flags were raised; derived. */
	int64_t seen_s;	    /* second of the clock */
	uint64_t seen_tick; /* period */
};

static const struct lichen_param rtc_cmos_params[] = {
	LICHEN_PARAM(struct rtc_cmos, irq, .unit = LICHEN_UNIT_GSI, .fallback = 8,
		     .help = "interrupt line"),
};

static const struct lichen_field rtc_cmos_state[] = {
	LICHEN_FIELD(struct rtc_cmos, index, .since = 1),
	LICHEN_FIELD(struct rtc_cmos, a, .since = 1),
	LICHEN_FIELD(struct rtc_cmos, b, .since = 1),
	LICHEN_FIELD(struct rtc_cmos, c, .since = 1),
	LICHEN_FIELD_ARRAY(struct rtc_cmos, cmos, .since = 1, .flags = LICHEN_FIELD_STICKY),
	LICHEN_FIELD(struct rtc_cmos, offset_s, .since = 1, .flags = LICHEN_FIELD_STICKY,
		     .help = "seconds ahead of the host's clock"),
	LICHEN_FIELD(struct rtc_cmos, phase_ns, .since = 1, .flags = LICHEN_FIELD_STICKY,
		     .help = "nanoseconds ahead of the host's second"),
	LICHEN_FIELD(struct rtc_cmos, weekday_skew, .since = 1, .flags = LICHEN_FIELD_STICKY,
		     .help = "days ahead of the date's day of the week"),
};

static const struct lichen_need rtc_cmos_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .id = LICHEN_IRQCHIP, .offset = LICHEN_NO_MEMBER },
};

/* --- the clock --- */

static uint32_t rtc_cmos_divider_runs(const struct rtc_cmos *r)
{
	return (r->a & A_DIVIDER_RESET) != A_DIVIDER_RESET;
}

/* Updates take place, and the bytes of the time are not the guest's to hold. */
static uint32_t rtc_cmos_runs(const struct rtc_cmos *r)
{
	return rtc_cmos_divider_runs(r) && !(r->b & B_SET);
}

/* ns since 1970 of the host's clock, moved so that seconds begin where the guest's do. */
static uint64_t rtc_cmos_wall(const struct rtc_cmos *r)
{
	return r->dev.host->clock_now(r->dev.in, LICHEN_CLOCK_WALL) + r->phase_ns;
}

static int64_t rtc_cmos_second(const struct rtc_cmos *r)
{
	return (int64_t)(rtc_cmos_wall(r) / SECOND_NS) + r->offset_s;
}

static void rtc_cmos_latch(struct rtc_cmos *r, int64_t second)
{
	rtc_time_show(r->cmos, r->b, r->weekday_skew, second);
}

/* The clock goes on from what the bytes of the time say; the fraction stays. */
static void rtc_cmos_set_time(struct rtc_cmos *r)
{
	r->offset_s = rtc_time_told(r->cmos, r->b, &r->weekday_skew) -
		      (int64_t)(rtc_cmos_wall(r) / SECOND_NS);
	r->seen_s = rtc_cmos_second(r);
}

/* log2 of a period in units of 1 / 32768 s; 0: none ("Register A", table 5). */
static uint32_t rtc_cmos_period(const struct rtc_cmos *r)
{
	uint32_t rate = r->a & A_RATE;

	if (rate == 0 || !rtc_cmos_divider_runs(r))
		return 0;
	return rate < 3 ? rate + 6 : rate - 1;
}

/* Periods since power-on.  `period` is not 0. */
static uint64_t rtc_cmos_tick(const struct rtc_cmos *r, uint32_t period)
{
	uint64_t now = r->dev.host->clock_now(r->dev.in, LICHEN_CLOCK_GUEST);

	return (now / SECOND_NS * RTC_HZ + now % SECOND_NS * RTC_HZ / SECOND_NS) >> period;
}

/* When tick `tick` begins, in ns of the guest's clock, rounded up. */
static uint64_t rtc_cmos_tick_ns(uint64_t tick, uint32_t period)
{
	uint64_t units = tick << period;

	return units / RTC_HZ * SECOND_NS + (units % RTC_HZ * SECOND_NS + RTC_HZ - 1) / RTC_HZ;
}

/* --- flags and interrupts --- */

/* Raises the flags of what has happened since the last call ("Register C"). */
static void rtc_cmos_look(struct rtc_cmos *r)
{
	uint32_t period = rtc_cmos_period(r);
	int64_t second;

	if (period) {
		uint64_t tick = rtc_cmos_tick(r, period);

		if (tick != r->seen_tick)
			r->c |= RTC_PERIODIC;
		r->seen_tick = tick;
	}
	if (!rtc_cmos_runs(r))
		return;
	second = rtc_cmos_second(r);
	if (second != r->seen_s) /* less where the host's clock was set back */
		r->c |= RTC_UPDATE;
	if (second > r->seen_s && rtc_time_next_alarm(r->cmos, r->b, r->seen_s) <= second)
		r->c |= RTC_ALARM;
	r->seen_s = second;
}

static void rtc_cmos_arm(struct rtc_cmos *r, uint32_t timer, uint64_t deadline)
{
	if (deadline)
		r->dev.host->timer_arm(r->dev.in, r->timers[timer], deadline);
	else
		r->dev.host->timer_cancel(r->dev.in, r->timers[timer]);
}

/* When, by the guest's clock, an awaited period or update is due; 0: none is. */
static uint64_t rtc_cmos_next(const struct rtc_cmos *r, uint32_t awaited)
{
	uint32_t period = rtc_cmos_period(r);
	uint64_t next = 0, update;

	if (period && (awaited & RTC_PERIODIC))
		next = rtc_cmos_tick_ns(r->seen_tick + 1, period);
	if (rtc_cmos_runs(r) && (awaited & RTC_UPDATE)) {
		update = r->dev.host->clock_now(r->dev.in, LICHEN_CLOCK_GUEST) + SECOND_NS -
			 rtc_cmos_wall(r) % SECOND_NS;
		if (next == 0 || update < next)
			next = update;
	}
	return next;
}

/* After rtc_cmos_look(): the line, and timers for what is enabled and not yet raised. */
static void rtc_cmos_update(struct rtc_cmos *r)
{
	uint32_t awaited = r->b & ~r->c & RTC_CAUSES;
	int64_t alarm = RTC_NEVER;
	uint64_t deadline = 0;

	r->dev.host->line_set(r->dev.in, r->line, (r->b & r->c & RTC_CAUSES) != 0);
	rtc_cmos_arm(r, TIMER_GUEST, rtc_cmos_next(r, awaited));
	if (rtc_cmos_runs(r) && (awaited & RTC_ALARM))
		alarm = rtc_time_next_alarm(r->cmos, r->b, r->seen_s);
	if (alarm != RTC_NEVER)
		deadline = (uint64_t)(alarm - r->offset_s) * SECOND_NS - r->phase_ns;
	rtc_cmos_arm(r, TIMER_WALL, deadline);
}

/* [control, running] Either timer. */
static void rtc_cmos_timer(void *self, uint64_t cookie)
{
	(void)cookie;
	rtc_cmos_look(self);
	rtc_cmos_update(self);
}

/* --- registers --- */

/* Bit 7 is UIP: an update is near, and the time not to be read. */
static uint8_t rtc_cmos_read_a(const struct rtc_cmos *r)
{
	uint64_t left = SECOND_NS - rtc_cmos_wall(r) % SECOND_NS;

	return r->a | (rtc_cmos_runs(r) && left <= UPDATING_NS ? A_UPDATING : 0);
}

static uint8_t rtc_cmos_read_c(struct rtc_cmos *r)
{
	uint8_t flags;

	rtc_cmos_look(r);
	flags = r->c | (r->b & r->c & RTC_CAUSES ? C_INTERRUPT : 0);
	r->c = 0;
	rtc_cmos_update(r);
	return flags;
}

static uint8_t rtc_cmos_read_byte(struct rtc_cmos *r)
{
	switch (r->index) {
	case RTC_SECOND:
	case RTC_MINUTE:
	case RTC_HOUR:
	case RTC_WEEKDAY:
	case RTC_DAY:
	case RTC_MONTH:
	case RTC_YEAR:
	case RTC_CENTURY:
		if (rtc_cmos_runs(r))
			rtc_cmos_latch(r, rtc_cmos_second(r));
		return r->cmos[r->index];
	case RTC_A:
		return rtc_cmos_read_a(r);
	case RTC_B:
		return r->b;
	case RTC_C:
		return rtc_cmos_read_c(r);
	case RTC_D:
		return D_VALID;
	default:
		return r->cmos[r->index];
	}
}

/* Registers A and B start and stop the clock. */
static void rtc_cmos_control(struct rtc_cmos *r, uint8_t a, uint8_t b)
{
	uint32_t ran = rtc_cmos_runs(r), divided = rtc_cmos_divider_runs(r);

	if (b & B_SET)
		b &= (uint8_t)~RTC_UPDATE; /* "Register B", UIE */
	if (ran && ((b & B_SET) || (a & A_DIVIDER_RESET) == A_DIVIDER_RESET))
		rtc_cmos_latch(r, rtc_cmos_second(r));
	r->a = a & (A_DIVIDER | A_RATE);
	r->b = b;
	if (!divided && rtc_cmos_divider_runs(r)) /* the first update is half a second away */
		r->phase_ns = (uint32_t)((r->phase_ns + SECOND_NS * 3 / 2 -
					  rtc_cmos_wall(r) % SECOND_NS) %
					 SECOND_NS);
	if (!ran && rtc_cmos_runs(r))
		rtc_cmos_set_time(r);
	if (rtc_cmos_period(r))
		r->seen_tick = rtc_cmos_tick(r, rtc_cmos_period(r));
}

static void rtc_cmos_write_byte(struct rtc_cmos *r, uint8_t value)
{
	rtc_cmos_look(r);
	switch (r->index) {
	case RTC_SECOND:
	case RTC_MINUTE:
	case RTC_HOUR:
	case RTC_WEEKDAY:
	case RTC_DAY:
	case RTC_MONTH:
	case RTC_YEAR:
	case RTC_CENTURY:
		if (rtc_cmos_runs(r))
			rtc_cmos_latch(r, rtc_cmos_second(r));
		r->cmos[r->index] = value;
		if (rtc_cmos_runs(r))
			rtc_cmos_set_time(r);
		break;
	case RTC_A:
		rtc_cmos_control(r, value, r->b);
		break;
	case RTC_B:
		rtc_cmos_control(r, r->a, value);
		break;
	case RTC_C:
	case RTC_D:
		break; /* read only */
	default:
		r->cmos[r->index] = value;
		break;
	}
	rtc_cmos_update(r);
}

/* [vcpu, running] */
static uint64_t rtc_cmos_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	(void)cookie, (void)size;
	switch (off) {
	case RTC_DATA:
		return rtc_cmos_read_byte(self);
	case RTC_INDEX: /* write only */
	default:
		return 0xff;
	}
}

/* [vcpu, running] */
static void rtc_cmos_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
			   uint64_t value)
{
	struct rtc_cmos *r = self;

	(void)cookie, (void)size;
	switch (off) {
	case RTC_INDEX:
		r->index = value & (RTC_BYTES - 1);
		break;
	case RTC_DATA:
		rtc_cmos_write_byte(r, (uint8_t)value);
		break;
	default:
		break;
	}
}

static const struct lichen_io_ops rtc_cmos_io = {
	LICHEN_STRUCT(struct lichen_io_ops),
	.read = rtc_cmos_read,
	.write = rtc_cmos_write,
};

static const struct lichen_window rtc_cmos_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "rtc",
	  .size = RTC_PORTS, .access_sizes = 1, .ops = &rtc_cmos_io, .place = LICHEN_PLACE_PORT,
	  .address = RTC_PORT },
};

/* --- lifecycle --- */

/* From here flags tell of what happens from now on. */
static void rtc_cmos_begin(struct rtc_cmos *r)
{
	r->seen_s = rtc_cmos_second(r);
	if (rtc_cmos_period(r))
		r->seen_tick = rtc_cmos_tick(r, rtc_cmos_period(r));
}

/* [control, created] */
static lichen_status rtc_cmos_create(void *self)
{
	struct rtc_cmos *r = self;

	r->a = A_FIRMWARE;
	r->b = B_FIRMWARE;
	rtc_cmos_begin(r);
	return 0;
}

/* [control, created] */
static lichen_status rtc_cmos_realize(void *self)
{
	struct rtc_cmos *r = self;
	const struct lichen_host *host = r->dev.host;
	/* A level that falls when register C is read; the IOAPIC's input, edge-triggered
	 * for ISA, wants to see it rise. */
	const struct lichen_line line = { LICHEN_STRUCT(struct lichen_line), .gsi = r->irq,
					  .flags = LICHEN_LINE_LEVEL };
	lichen_status status = host->line_claim(r->dev.in, &line, &r->line);

	if (status < 0)
		return status;
	status = host->timer_create(r->dev.in, LICHEN_CLOCK_GUEST, TIMER_GUEST,
				    &r->timers[TIMER_GUEST]);
	if (status < 0)
		return status;
	return host->timer_create(r->dev.in, LICHEN_CLOCK_WALL, TIMER_WALL,
				  &r->timers[TIMER_WALL]);
}

/* [control, paused] Registers as firmware leaves them; the battery keeps time and memory. */
static lichen_status rtc_cmos_reset(void *self, uint32_t kind)
{
	struct rtc_cmos *r = self;

	if (kind == LICHEN_RESET_POWER_ON) {
		memset(r->cmos, 0, sizeof(r->cmos));
		r->offset_s = 0;
		r->phase_ns = 0;
		r->weekday_skew = 0;
		r->a = A_FIRMWARE; /* runs: no time is held */
		r->b = B_FIRMWARE;
	}
	rtc_cmos_control(r, A_FIRMWARE,
			 r->b & (uint8_t)~B_SET); /* by the format it was told in */
	r->b = B_FIRMWARE;
	r->c = 0;
	r->index = 0;
	rtc_cmos_begin(r);
	rtc_cmos_update(r);
	return 0;
}

/* [control, paused] */
static lichen_status rtc_cmos_pre_save(void *self)
{
	struct rtc_cmos *r = self;

	rtc_cmos_look(r);
	if (rtc_cmos_runs(r))
		rtc_cmos_latch(r, r->seen_s);
	return 0;
}

/* [control, realized or paused] What happened between save and load raises no flags. */
static lichen_status rtc_cmos_post_load(void *self, uint32_t from)
{
	struct rtc_cmos *r = self;
	const struct lichen_host *host = r->dev.host;

	(void)from;
	if (r->index >= RTC_BYTES || (r->a & A_UPDATING) || (r->c & ~RTC_CAUSES) ||
	    r->weekday_skew > 6) {
		host->error(r->dev.in, "registers: a value that the chip cannot hold");
		return -LICHEN_EBADMSG;
	}
	if (r->phase_ns >= SECOND_NS) {
		host->error(r->dev.in, "phase_ns %u: not below a second",
			    (unsigned)r->phase_ns);
		return -LICHEN_EBADMSG;
	}
	if (r->offset_s > OFFSET_MAX || r->offset_s < -OFFSET_MAX) {
		host->error(r->dev.in, "offset_s %lld: beyond any date",
			    (long long)r->offset_s);
		return -LICHEN_EBADMSG;
	}
	rtc_cmos_begin(r);
	rtc_cmos_update(r);
	return 0;
}

/* [control, realized or paused] */
static lichen_status rtc_cmos_describe(void *self, uint64_t client, uint32_t index,
				       struct lichen_acpi_node *node)
{
	const struct rtc_cmos *r = self;

	(void)client;
	if (index > 0)
		return -LICHEN_ENOENT;
	node->hid = "PNP0B00"; /* AT real-time clock */
	node->boot_arch = LICHEN_ACPI_HAS_RTC;
	node->ports[0] = (struct lichen_acpi_ports){ .base = RTC_PORT, .size = RTC_PORTS };
	node->gsis[0] = (struct lichen_acpi_gsi){
		.gsi = r->irq, .flags = LICHEN_ACPI_GSI_USED | LICHEN_ACPI_GSI_EDGE
	};
	return 0;
}

static const struct lichen_acpi_node_ops rtc_cmos_acpi_node = {
	LICHEN_STRUCT(struct lichen_acpi_node_ops),
	.describe = rtc_cmos_describe,
};

static const struct lichen_provide rtc_cmos_provides[] = {
	LICHEN_PROVIDE(LICHEN_ACPI_NODE, rtc_cmos_acpi_node),
};

static const struct lichen_class rtc_cmos_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "MC146818A clock and CMOS memory",
	.instance_size = sizeof(struct rtc_cmos),
	.state_version = 1,
	.params = LICHEN_TABLE(rtc_cmos_params),
	.windows = LICHEN_TABLE(rtc_cmos_windows),
	.state = LICHEN_TABLE(rtc_cmos_state),
	.provides = LICHEN_TABLE(rtc_cmos_provides),
	.needs = LICHEN_TABLE(rtc_cmos_needs),
	.create = rtc_cmos_create,
	.realize = rtc_cmos_realize,
	.reset = rtc_cmos_reset,
	.pre_save = rtc_cmos_pre_save,
	.post_load = rtc_cmos_post_load,
	.timer = rtc_cmos_timer,
};

LICHEN_DEVICE_PLUGIN("rtc-cmos", "0.1", rtc_cmos_class);
