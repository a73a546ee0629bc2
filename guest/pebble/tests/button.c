/* SPDX-License-Identifier: MIT */
/* button: sleeps until the power button is pressed, which the SCI says; then powers off. */
#include <pebble/acpi.h>
#include <pebble/apic.h>

enum { SCI_VECTOR = 0x35 };

static struct acpi_pm pm;
static volatile uint32_t pressed;

static void sci(struct pebble_frame *frame)
{
	(void)frame;
	if (inw(pm.event) & PM1_PWRBTN) {
		outw(pm.event, PM1_PWRBTN);
		pressed = 1;
	}
	lapic_eoi();
}

int main(void)
{
	CHECK(1, acpi_find_pm(&pm));
	CHECK(2, acpi_enable(&pm));
	pic_init();
	pebble_on(SCI_VECTOR, sci);
	ioapic_route(pm.sci, SCI_VECTOR, lapic_id(), 1);
	outw(pm.event, PM1_PWRBTN);
	outw((uint16_t)(pm.event + pm.event_size / 2), PM1_PWRBTN);
	pebble_puts("pebble: waiting for the button\n");
	while (!pressed)
		irq_wait();
	pebble_puts("pebble: off\n");
	acpi_power_off(&pm);
	return 3; /* still there */
}
