/* SPDX-License-Identifier: MIT */
/*
 * misuse: breaks the rules of the host, as the guest tells it by a number written
 * to its port; the two of them share what they should not.
 */
#include <lichen/acpi.h>
#include <lichen/boot.h>
#include <lichen/device.h>

enum misuse_how {
	MISUSE_STALE = 1,    /* arms a timer that it has released */
	MISUSE_FOREIGN = 2,  /* arms a timer of another instance's */
	MISUSE_NONE = 3,     /* arms handle 0 */
	MISUSE_KIND = 4,     /* takes a timer for a line */
	MISUSE_END = 5,	     /* asks for an end that there is none of */
	MISUSE_TERMINAL = 6, /* says what a terminal would obey */
	MISUSE_CPU = 7,	     /* sets the registers of a vCPU that runs */
};

struct misuse {
	struct lichen_dev dev;
	uint16_t port;
	lichen_handle timer, released;
	const struct lichen_boot_host *boot;
};

/* The last timer that any of them has made: what an honest plugin could not know. */
static lichen_handle misuse_foreign;

static const struct lichen_param misuse_params[] = {
	LICHEN_PARAM(struct misuse, port, .unit = LICHEN_UNIT_PORT, .max = 0xffff,
		     .fallback = 0x400, .help = "of numbers"),
};

static lichen_status misuse_realize(void *self)
{
	struct misuse *m = self;
	const struct lichen_host *host = m->dev.host;
	lichen_status status =
		host->timer_create(m->dev.in, LICHEN_CLOCK_HOST, 0, &m->released);

	if (status == 0) {
		host->timer_release(m->dev.in, m->released);
		status = host->timer_create(m->dev.in, LICHEN_CLOCK_HOST, 0, &m->timer);
	}
	misuse_foreign = m->timer;
	m->boot = host->interface(m->dev.in, LICHEN_BOOT_HOST);
	return status;
}

static void misuse_set_cpu(const struct misuse *m)
{
	const struct lichen_cpu cpu = { LICHEN_STRUCT(struct lichen_cpu) };

	if (m->boot->set_cpu(m->dev.in, 0, &cpu) == 0)
		m->dev.host->log_guest(m->dev.in, LICHEN_LOG_ERROR, "it was set");
}

static void misuse_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
			 uint64_t value)
{
	struct misuse *m = self;
	const struct lichen_host *host = m->dev.host;

	(void)cookie, (void)off, (void)size;
	switch ((enum misuse_how)value) {
	case MISUSE_STALE:
		host->timer_arm(m->dev.in, m->released, 0);
		break;
	case MISUSE_FOREIGN:
		host->timer_arm(m->dev.in, misuse_foreign, 0);
		break;
	case MISUSE_NONE:
		host->timer_arm(m->dev.in, 0, 0);
		break;
	case MISUSE_KIND:
		host->line_set(m->dev.in, m->timer, 1);
		break;
	case MISUSE_END:
		host->request_end(m->dev.in, 99, 0);
		break;
	case MISUSE_TERMINAL:
		host->log_guest(m->dev.in, LICHEN_LOG_INFO, "%s", "\x1b[2Jgone\nfake line");
		break;
	case MISUSE_CPU:
		misuse_set_cpu(m);
		break;
	}
}

static void misuse_timer(void *self, uint64_t cookie)
{
	const struct misuse *m = self;

	(void)cookie;
	m->dev.host->log(m->dev.in, LICHEN_LOG_INFO, "fired");
}

static const struct lichen_io_ops misuse_io = { LICHEN_STRUCT(struct lichen_io_ops),
						.write = misuse_write };

static const struct lichen_window misuse_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "number", .size = 1,
	  .ops = &misuse_io, .place = LICHEN_PLACE_PORT, .placed_by = "port" },
};

/* A power button that nobody can press. */
static const struct lichen_power_button_ops misuse_button = {
	LICHEN_STRUCT(struct lichen_power_button_ops),
};

static const struct lichen_provide misuse_provides[] = {
	LICHEN_PROVIDE(LICHEN_POWER_BUTTON, misuse_button),
};

static const struct lichen_class misuse_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "breaks rules for the framework's tests",
	.instance_size = sizeof(struct misuse),
	.params = LICHEN_TABLE(misuse_params),
	.windows = LICHEN_TABLE(misuse_windows),
	.provides = LICHEN_TABLE(misuse_provides),
	.realize = misuse_realize,
	.timer = misuse_timer,
};

LICHEN_DEVICE_PLUGIN("misuse", "1.0", misuse_class);
