/* SPDX-License-Identifier: MIT */
/* irq.c: interrupt lines; message.c has messages and the routing table.  See irq.h. */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "irq.h"

enum { FW_IRQCHIP_PARTS = LICHEN_IRQCHIP_IOAPIC + 1 };

void fw_irqs_init(struct fw_irqs *irqs, const struct hv_ops *hv, struct hv_vm *hvm)
{
	*irqs = (struct fw_irqs){ .hv = hv, .hvm = hvm };
	pthread_mutex_init(&irqs->routes_lock, NULL);
}

void fw_irqs_clear(struct fw_irqs *irqs)
{
	for (uint32_t i = 0; i < irqs->pin_count; i++)
		pthread_mutex_destroy(&irqs->pins[i].lock);
	free(irqs->pins);
	irqs->pins = NULL;
	irqs->pin_count = 0;
	pthread_mutex_destroy(&irqs->routes_lock);
}

lichen_status fw_irqs_pins(struct fw_irqs *irqs, uint32_t pins)
{
	struct hv_caps caps;

	if (pins == 0 || pins > FW_PINS_MAX)
		return -LICHEN_ERANGE;
	irqs->pins = calloc(pins, sizeof(*irqs->pins));
	if (!irqs->pins)
		return -LICHEN_ENOMEM;
	for (uint32_t i = 0; i < pins; i++)
		pthread_mutex_init(&irqs->pins[i].lock, NULL);
	irqs->pin_count = pins;
	irqs->hv->caps(irqs->hvm, &caps);
	irqs->route_count = caps.msi_routes > pins ? caps.msi_routes - pins : 0;
	if (irqs->route_count > FW_MESSAGE_ROUTES)
		irqs->route_count = FW_MESSAGE_ROUTES;
	return 0;
}

lichen_status fw_line_claim(struct fw_irqs *irqs, struct fw_line *line)
{
	const uint32_t known = LICHEN_LINE_LEVEL | LICHEN_LINE_SHARED;
	struct fw_pin *pin;
	lichen_status status;

	line->trigger = line->resample = -1;
	line->level = 0;
	if (irqs->pin_count == 0)
		return -LICHEN_ENODEV;
	if (line->flags & ~known)
		return -LICHEN_ENOTSUP;
	if (line->gsi >= irqs->pin_count)
		return -LICHEN_ERANGE;
	pin = &irqs->pins[line->gsi];
	pthread_mutex_lock(&pin->lock);
	if (pin->claims > 0)
		status = pin->flags == line->flags && (pin->flags & LICHEN_LINE_SHARED)
				 ? 0
				 : -LICHEN_EBUSY;
	else /* -LICHEN_ERANGE: a pin that devices cannot reach */
		status = irqs->hv->line(irqs->hvm, line->gsi, 0);
	if (status == 0) {
		pin->flags = line->flags;
		pin->claims++;
	}
	pthread_mutex_unlock(&pin->lock);
	return status;
}

/* Caller holds the pin's lock. */
static void fw_pin_drive(struct fw_irqs *irqs, const struct fw_line *line, uint32_t level)
{
	if (atomic_load_explicit(&irqs->held, memory_order_relaxed))
		return;
	/* The hypervisor refuses a line only when there is no irqchip: claims ensure one. */
	(void)irqs->hv->line(irqs->hvm, line->gsi, level);
}

void fw_line_set(struct fw_irqs *irqs, struct fw_line *line, uint32_t level)
{
	struct fw_pin *pin = &irqs->pins[line->gsi];

	level = level != 0;
	pthread_mutex_lock(&pin->lock);
	if (!(line->flags & LICHEN_LINE_LEVEL)) {
		if (level) {
			fw_pin_drive(irqs, line, 1);
			fw_pin_drive(irqs, line, 0);
		}
	} else if (line->level != level) {
		line->level = level;
		if (level && pin->asserted++ == 0)
			fw_pin_drive(irqs, line, 1);
		else if (!level && --pin->asserted == 0)
			fw_pin_drive(irqs, line, 0);
	}
	pthread_mutex_unlock(&pin->lock);
}

lichen_status fw_line_eventfd(struct fw_irqs *irqs, struct fw_line *line)
{
	lichen_status status;

	if (line->trigger >= 0)
		return 0;
	line->trigger = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (line->trigger < 0)
		return -errno;
	if (line->flags & LICHEN_LINE_LEVEL) {
		line->resample = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (line->resample < 0) {
			status = -errno;
			close(line->trigger);
			line->trigger = -1;
			return status;
		}
	}
	status = irqs->hv->irqfd(irqs->hvm, line->gsi, line->trigger, line->resample, 1);
	if (status < 0) {
		close(line->trigger);
		if (line->resample >= 0)
			close(line->resample);
		line->trigger = line->resample = -1;
	}
	return status;
}

void fw_line_eventfd_close(struct fw_irqs *irqs, struct fw_line *line)
{
	if (line->trigger >= 0) {
		(void)irqs->hv->irqfd(irqs->hvm, line->gsi, line->trigger, line->resample, 0);
		close(line->trigger);
	}
	if (line->resample >= 0)
		close(line->resample);
	line->trigger = line->resample = -1;
}

int fw_line_alone(struct fw_irqs *irqs, const struct fw_line *line)
{
	struct fw_pin *pin = &irqs->pins[line->gsi];
	int alone;

	pthread_mutex_lock(&pin->lock);
	alone = pin->claims == 1;
	pthread_mutex_unlock(&pin->lock);
	return alone;
}

void fw_line_change(struct fw_irqs *irqs, struct fw_line *line, uint32_t flags)
{
	struct fw_pin *pin = &irqs->pins[line->gsi];

	if (line->flags == flags)
		return;
	if (line->flags & LICHEN_LINE_LEVEL)
		fw_line_set(irqs, line, 0);
	pthread_mutex_lock(&pin->lock);
	line->flags = pin->flags = flags;
	pthread_mutex_unlock(&pin->lock);
}

void fw_line_release(struct fw_irqs *irqs, struct fw_line *line)
{
	struct fw_pin *pin = &irqs->pins[line->gsi];

	if (line->flags & LICHEN_LINE_LEVEL)
		fw_line_set(irqs, line, 0);
	fw_line_eventfd_close(irqs, line);
	pthread_mutex_lock(&pin->lock);
	pin->claims--;
	pthread_mutex_unlock(&pin->lock);
}

void fw_lines_levels(struct fw_irqs *irqs, uint8_t levels[static FW_PINS_MAX])
{
	for (uint32_t i = 0; i < irqs->pin_count; i++) {
		struct fw_pin *pin = &irqs->pins[i];

		pthread_mutex_lock(&pin->lock);
		levels[i] = pin->asserted != 0;
		pthread_mutex_unlock(&pin->lock);
	}
}

void fw_lines_hold(struct fw_irqs *irqs)
{
	atomic_store(&irqs->held, 1);
}

/* Claimed by those who hold levels. */
static int fw_pin_has_level(const struct fw_pin *pin)
{
	return pin->claims && (pin->flags & LICHEN_LINE_LEVEL);
}

/* For all parts of the irqchip: get or set. */
static lichen_status fw_irqchip_parts(struct fw_irqs *irqs, int set,
				      uint8_t states[][LICHEN_IRQCHIP_STATE_SIZE])
{
	lichen_status status = 0;

	for (uint32_t part = 0; part < FW_IRQCHIP_PARTS && status == 0; part++)
		status = set ? irqs->hv->irqchip_set(irqs->hvm, part, states[part])
			     : irqs->hv->irqchip_get(irqs->hvm, part, states[part]);
	return status < 0 ? -LICHEN_EIO : 0;
}

/*
 * The irqchip keeps the levels of its inputs apart from its registers, which say
 * what was made of them.  A level that rises makes an interrupt of an edge that was
 * served long ago: so the registers are put back after it.
 */
lichen_status fw_lines_restore(struct fw_irqs *irqs, const uint8_t levels[static FW_PINS_MAX])
{
	uint8_t states[FW_IRQCHIP_PARTS][LICHEN_IRQCHIP_STATE_SIZE];
	lichen_status status;

	if (irqs->pin_count == 0)
		return 0;
	status = fw_irqchip_parts(irqs, 0, states);
	if (status < 0)
		return status;
	for (uint32_t i = 0; i < irqs->pin_count; i++) {
		struct fw_pin *pin = &irqs->pins[i];

		pthread_mutex_lock(&pin->lock);
		if (fw_pin_has_level(pin))
			(void)irqs->hv->line(irqs->hvm, i, levels[i] != 0);
		pthread_mutex_unlock(&pin->lock);
	}
	return fw_irqchip_parts(irqs, 1, states);
}

void fw_lines_release(struct fw_irqs *irqs, const uint8_t levels[static FW_PINS_MAX])
{
	atomic_store(&irqs->held, 0);
	for (uint32_t i = 0; i < irqs->pin_count; i++) {
		struct fw_pin *pin = &irqs->pins[i];
		const uint32_t was = levels[i] != 0;

		pthread_mutex_lock(&pin->lock);
		if (fw_pin_has_level(pin) && was != (pin->asserted != 0))
			(void)irqs->hv->line(irqs->hvm, i, !was);
		pthread_mutex_unlock(&pin->lock);
	}
}
