/* SPDX-License-Identifier: MIT */
/*
 * acpi: power management registers, and the tables by which a guest finds the
 * machine.  Full ACPI, not the hardware-reduced profile; ACPI Specification 6.4.
 *
 *	devices:
 *	  - { plugin: acpi, port: 0x600, sci: 9 }
 *
 * Registers (offset from `port`; accesses of 1, 2 or 4 bytes):
 *	0x0	PM1_STS	4.8.4.1.1	write 1 to clear
 *	0x2	PM1_EN	4.8.4.1.2
 *	0x4	PM1_CNT	4.8.4.2.1	SCI_EN reads 1; SLP_TYP 5 with SLP_EN powers off
 *	0x8	PM_TMR	4.8.4.3		32 bits, 3.579545 MHz
 *	0xc	RESET	4.8.3.6		writing 1 resets the machine
 *	others	read as zero, writes are ignored
 *
 * What the tables describe comes from the instances that provide
 * "lichen.acpi-node/1".  There is no sleep state but S5, no general-purpose
 * event and no embedded controller.
 */
#include "acpi_tables.h"

#include <lichen/hardware.h>

enum { /* PM1_STS and PM1_EN */
       ACPI_TMR = 1 << 0,
       ACPI_GBL = 1 << 5,
       ACPI_PWRBTN = 1 << 8,
       ACPI_SLPBTN = 1 << 9,
       ACPI_RTC = 1 << 10,
};

/*
 * Bits of PM1_EN that keep what is written.  Nothing sets the status bits of
 * GBL, SLPBTN and RTC, but guests report an enable bit that does not stick.
 */
enum { ACPI_ENABLES = ACPI_TMR | ACPI_GBL | ACPI_PWRBTN | ACPI_SLPBTN | ACPI_RTC };

enum { /* PM1_CNT */
       ACPI_SCI_EN = 1 << 0,
       ACPI_BM_RLD = 1 << 1,
       ACPI_SLP_TYP_SHIFT = 10,
       ACPI_SLP_TYP = 7 << ACPI_SLP_TYP_SHIFT,
       ACPI_SLP_EN = 1 << 13, /* reads as zero */
};

enum { ACPI_TIMER_HZ = 3579545, ACPI_TIMER_HALF = 31 }; /* TMR_STS: when bit 31 changes */
static const uint64_t ACPI_NS = 1000000000;

enum { ACPI_NEED_NODE = 0 };

struct acpi {
	struct lichen_dev dev;
	uint16_t port;
	uint32_t sci; /* GSI */
	/* guarded by the instance lock: */
	uint16_t sts; /* PM1_STS but for TMR_STS, which follows from half */
	uint16_t en;
	uint16_t cnt;
	uint64_t half;	/* half turns of the timer when TMR_STS was last cleared */
	uint32_t armed; /* 1: the timer below has a deadline */
	lichen_handle line;
	lichen_handle timer;
};

static const struct lichen_param acpi_params[] = {
	LICHEN_PARAM(struct acpi, port, .unit = LICHEN_UNIT_PORT, .min = ACPI_PORTS,
		     .max = 0x10000 - ACPI_PORTS, .fallback = 0x600,
		     .help = "first of sixteen I/O ports, a multiple of 16"),
	LICHEN_PARAM(struct acpi, sci, .unit = LICHEN_UNIT_GSI, .flags = LICHEN_PARAM_SHARED,
		     .min = 3, .max = 23, .fallback = 9,
		     .help = "line of the system control interrupt"),
};

static const struct lichen_field acpi_state[] = {
	LICHEN_FIELD(struct acpi, sts, .since = 1, .help = "PM1_STS without TMR_STS"),
	LICHEN_FIELD(struct acpi, en, .since = 1, .help = "PM1_EN"),
	LICHEN_FIELD(struct acpi, cnt, .since = 1, .help = "PM1_CNT without SCI_EN"),
	LICHEN_FIELD(struct acpi, half, .since = 1,
		     .help = "half turns of PM_TMR at the last clear of TMR_STS"),
};

static const struct lichen_need acpi_needs[] = {
	[ACPI_NEED_NODE] = { LICHEN_STRUCT(struct lichen_need),
			     .flags = LICHEN_NEED_MANY | LICHEN_NEED_OPTIONAL,
			     .id = LICHEN_ACPI_NODE, .offset = LICHEN_NO_MEMBER },
	{ LICHEN_STRUCT(struct lichen_need), .id = LICHEN_IRQCHIP, .offset = LICHEN_NO_MEMBER },
};

/* The timer since power-on, in its own ticks; exact, and without overflow for 2^64 ns. */
static uint64_t acpi_ticks(const struct acpi *a)
{
	const uint64_t now = a->dev.host->clock_now(a->dev.in, LICHEN_CLOCK_GUEST);

	return now / ACPI_NS * ACPI_TIMER_HZ + now % ACPI_NS * ACPI_TIMER_HZ / ACPI_NS;
}

/* The first ns at which acpi_ticks() is `ticks`. */
static uint64_t acpi_ticks_ns(uint64_t ticks)
{
	return ticks / ACPI_TIMER_HZ * ACPI_NS +
	       (ticks % ACPI_TIMER_HZ * ACPI_NS + ACPI_TIMER_HZ - 1) / ACPI_TIMER_HZ;
}

static uint16_t acpi_status(const struct acpi *a)
{
	return (uint16_t)(a->sts |
			  (acpi_ticks(a) >> ACPI_TIMER_HALF != a->half ? ACPI_TMR : 0));
}

/* The SCI's level, and a deadline for it where only the timer can raise it. */
static void acpi_update(struct acpi *a)
{
	const struct lichen_host *host = a->dev.host;
	const uint16_t sts = acpi_status(a);

	host->line_set(a->dev.in, a->line, (sts & a->en) != 0);
	if ((a->en & ACPI_TMR) && !(sts & ACPI_TMR)) {
		host->timer_arm(a->dev.in, a->timer,
				acpi_ticks_ns((a->half + 1) << ACPI_TIMER_HALF));
		a->armed = 1;
	} else if (a->armed) {
		host->timer_cancel(a->dev.in, a->timer);
		a->armed = 0;
	}
}

static void acpi_put_le(uint8_t *to, uint64_t value, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		to[i] = (uint8_t)(value >> 8 * i);
}

/* [vcpu, running] Accesses may cut registers or span them, so all are laid out as bytes. */
static uint64_t acpi_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	const struct acpi *a = self;
	uint8_t image[ACPI_PORTS] = { 0 };
	uint64_t value = 0;

	(void)cookie;
	acpi_put_le(image + ACPI_PM1_STS, acpi_status(a), 2);
	acpi_put_le(image + ACPI_PM1_EN, a->en, 2);
	acpi_put_le(image + ACPI_PM1_CNT, (uint32_t)a->cnt | ACPI_SCI_EN, 2);
	acpi_put_le(image + ACPI_PM_TMR, acpi_ticks(a), 4);
	for (uint32_t i = 0; i < size; i++)
		value |= (uint64_t)image[off + i] << 8 * i;
	return value;
}

/* value: a byte in its place in the 16-bit register; keep: the bits of the other byte. */
static void acpi_write_control(struct acpi *a, uint16_t value, uint16_t keep)
{
	const struct lichen_host *host = a->dev.host;

	a->cnt = (uint16_t)((a->cnt & keep) | (value & (ACPI_BM_RLD | ACPI_SLP_TYP)));
	if ((value & ACPI_SLP_EN) &&
	    (a->cnt & ACPI_SLP_TYP) >> ACPI_SLP_TYP_SHIFT == ACPI_SLP_TYP_S5)
		host->request_end(a->dev.in, LICHEN_END_POWER_OFF, 0);
}

static void acpi_write_byte(struct acpi *a, uint64_t off, uint8_t byte)
{
	const uint32_t high = off & 1;
	const uint16_t value = (uint16_t)(byte << 8 * high), keep = high ? 0x00ff : 0xff00;

	switch (off & ~(uint64_t)1) {
	case ACPI_PM1_STS:
		a->sts &= (uint16_t)~value;
		if (value & ACPI_TMR)
			a->half = acpi_ticks(a) >> ACPI_TIMER_HALF;
		break;
	case ACPI_PM1_EN:
		a->en = (uint16_t)((a->en & keep) | (value & ACPI_ENABLES));
		break;
	case ACPI_PM1_CNT:
		acpi_write_control(a, value, keep);
		break;
	case ACPI_RESET:
		if (!high && byte == ACPI_RESET_VALUE)
			a->dev.host->request_reset(a->dev.in, LICHEN_RESET_WARM);
		break;
	default: /* PM_TMR is read-only, the rest reserved */
		break;
	}
}

/* [vcpu, running] */
static void acpi_write(void *self, uint64_t cookie, uint64_t off, uint32_t size, uint64_t value)
{
	struct acpi *a = self;

	(void)cookie;
	for (uint32_t i = 0; i < size; i++)
		acpi_write_byte(a, off + i, (uint8_t)(value >> 8 * i));
	acpi_update(a);
}

static const struct lichen_io_ops acpi_io = {
	LICHEN_STRUCT(struct lichen_io_ops),
	.read = acpi_read,
	.write = acpi_write,
};

static const struct lichen_window acpi_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "pm",
	  .size = ACPI_PORTS, .access_sizes = 1 | 2 | 4, .ops = &acpi_io,
	  .place = LICHEN_PLACE_PORT, .placed_by = "port" },
};

/* [control or io, running] Bit 31 of PM_TMR has changed. */
static void acpi_timer(void *self, uint64_t cookie)
{
	struct acpi *a = self;

	(void)cookie;
	a->armed = 0;
	acpi_update(a);
}

/* [control, running] 4.8.2.2.1.1 */
static lichen_status acpi_press(void *self, uint64_t client)
{
	struct acpi *a = self;

	(void)client;
	if (!(a->en & ACPI_PWRBTN))
		return -LICHEN_EAGAIN;
	a->sts |= ACPI_PWRBTN;
	acpi_update(a);
	return 0;
}

/* [control, realized] */
static lichen_status acpi_rsdp_gpa(void *self, uint64_t client, lichen_gpa *rsdp)
{
	(void)self, (void)client;
	*rsdp = ACPI_TABLES_GPA;
	return 0;
}

static const struct lichen_acpi_ops acpi_ops = {
	LICHEN_STRUCT(struct lichen_acpi_ops),
	.rsdp = acpi_rsdp_gpa,
};

static const struct lichen_power_button_ops acpi_button_ops = {
	LICHEN_STRUCT(struct lichen_power_button_ops),
	.press = acpi_press,
};

static const struct lichen_provide acpi_provides[] = {
	LICHEN_PROVIDE(LICHEN_ACPI, acpi_ops),
	LICHEN_PROVIDE(LICHEN_POWER_BUTTON, acpi_button_ops),
};

/* [control, created] */
static lichen_status acpi_create(void *self)
{
	const struct acpi *a = self;

	/* So that no access that is aligned by port crosses a register. */
	if (a->port % ACPI_PORTS) {
		a->dev.host->error(a->dev.in, "port 0x%x: not a multiple of %u", a->port,
				   (unsigned)ACPI_PORTS);
		return -LICHEN_EINVAL;
	}
	return 0;
}

/* [control, created] */
static lichen_status acpi_realize(void *self)
{
	struct acpi *a = self;
	const struct lichen_host *host = a->dev.host;
	const struct lichen_line line = { LICHEN_STRUCT(struct lichen_line), .gsi = a->sci,
					  .flags = LICHEN_LINE_LEVEL | LICHEN_LINE_SHARED };
	lichen_status status = host->line_claim(a->dev.in, &line, &a->line);

	if (status < 0)
		return status;
	status = host->timer_create(a->dev.in, LICHEN_CLOCK_GUEST, 0, &a->timer);
	if (status < 0)
		return status;
	a->half = acpi_ticks(a) >> ACPI_TIMER_HALF;
	return acpi_tables_reserve(&a->dev);
}

/* [control, realized or paused] */
static lichen_status acpi_publish(void *self)
{
	const struct acpi *a = self;

	return acpi_tables_publish(&a->dev, ACPI_NEED_NODE, a->port, a->sci);
}

/* [control, paused] kind: every reset is the same to us. */
static lichen_status acpi_reset(void *self, uint32_t kind)
{
	struct acpi *a = self;

	(void)kind;
	a->sts = a->en = a->cnt = 0;
	a->half = acpi_ticks(a) >> ACPI_TIMER_HALF;
	acpi_update(a);
	return 0;
}

/* [control, realized or paused] */
static lichen_status acpi_post_load(void *self, uint32_t from)
{
	struct acpi *a = self;

	(void)from;
	if ((a->sts & ~ACPI_PWRBTN) || (a->en & ~ACPI_ENABLES) ||
	    (a->cnt & ~(ACPI_BM_RLD | ACPI_SLP_TYP)) || a->half > UINT64_MAX >> ACPI_TIMER_HALF)
		return -LICHEN_EBADMSG;
	acpi_update(a);
	return 0;
}

static const struct lichen_class acpi_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "power management registers and the ACPI tables",
	.instance_size = sizeof(struct acpi),
	.state_version = 1,
	.params = LICHEN_TABLE(acpi_params),
	.windows = LICHEN_TABLE(acpi_windows),
	.state = LICHEN_TABLE(acpi_state),
	.provides = LICHEN_TABLE(acpi_provides),
	.needs = LICHEN_TABLE(acpi_needs),
	.create = acpi_create,
	.realize = acpi_realize,
	.publish = acpi_publish,
	.reset = acpi_reset,
	.post_load = acpi_post_load,
	.timer = acpi_timer,
};

LICHEN_DEVICE_PLUGIN("acpi", "0.1", acpi_class);
