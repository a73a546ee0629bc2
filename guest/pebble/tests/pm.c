/* SPDX-License-Identifier: MIT */
/* pm: the tables are there, the PM timer advances, and S5 powers the machine off. */
#include <pebble/acpi.h>

enum { TIMER_MASK = 0xffffff, PAUSES = 100 };

int main(void)
{
	struct acpi_pm pm;
	uint32_t start, ticks;

	CHECK(1, acpi_find_pm(&pm));
	CHECK(2, pm.event != 0 && pm.control != 0 && pm.timer != 0);
	CHECK(3, acpi_enable(&pm));
	start = inl(pm.timer);
	for (uint32_t i = 0; i < PAUSES; i++)
		pebble_pause();
	ticks = (inl(pm.timer) - start) & TIMER_MASK;
	CHECK(4, ticks > 0 && ticks < PM_TIMER_HZ);
	CHECK(5, acpi_s5() >= 0);
	pebble_puts("pebble: off\n");
	acpi_power_off(&pm);
	return 6; /* still there */
}
