/* SPDX-License-Identifier: MIT */
/* button: a power button whose guest listens after a while, and may then obey. */
#include <lichen/acpi.h>
#include <lichen/device.h>

struct button {
	struct lichen_dev dev;
	uint32_t deaf; /* presses that nobody hears */
	uint8_t obeys;
	uint32_t presses;
};

static const struct lichen_param button_params[] = {
	LICHEN_PARAM(struct button, deaf, .help = "presses that nobody hears"),
	LICHEN_PARAM_AS(LICHEN_BOOL, struct button, obeys, .fallback = 1,
			.help = "ends once it has heard"),
};

static lichen_status button_press(void *self, uint64_t client)
{
	struct button *b = self;

	(void)client;
	b->dev.host->log(b->dev.in, LICHEN_LOG_INFO, "press");
	if (b->presses++ < b->deaf)
		return -LICHEN_EAGAIN;
	if (b->obeys)
		b->dev.host->request_end(b->dev.in, LICHEN_END_POWER_OFF, 0);
	return 0;
}

static const struct lichen_power_button_ops button_ops = {
	LICHEN_STRUCT(struct lichen_power_button_ops),
	.press = button_press,
};

static const struct lichen_provide button_provides[] = {
	LICHEN_PROVIDE(LICHEN_POWER_BUTTON, button_ops),
};

static const struct lichen_class button_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "a power button of the framework's tests",
	.instance_size = sizeof(struct button),
	.params = LICHEN_TABLE(button_params),
	.provides = LICHEN_TABLE(button_provides),
};

LICHEN_DEVICE_PLUGIN("button", "1.0", button_class);
