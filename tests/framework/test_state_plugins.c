/* SPDX-License-Identifier: MIT */
/*
 * Every device in the tree: what a guest did to it is saved, loaded into another instance,
 * and saved as the same bytes; a state with a bit changed is taken or refused.
 */
#include <stdlib.h>

#include "tap.h"
#include "testhost.h"

enum { ACCESSES = TAP_ROUNDS(2000), MUTATIONS = TAP_ROUNDS(2000) };

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % limit;
}

/* The first port of a window; 0: it has no fixed ports, or the host's core serves them. */
static uint16_t port_of(const struct lichen_class *class, const struct lichen_window *window)
{
	const struct lichen_param *params = class->params.items;

	if (window->place != LICHEN_PLACE_PORT || !window->ops->write)
		return 0;
	for (uint32_t i = 0; window->placed_by && i < class->params.count; i++)
		if (strcmp(params[i].name, window->placed_by) == 0)
			return (uint16_t)params[i].fallback;
	return (uint16_t)window->address;
}

static struct th *start(const char *name)
{
	struct th *th = th_create(name);
	const struct lichen_class *class = th_class(th);

	for (uint32_t i = 0; i < class->needs.count; i++)
		if (strcmp(((const struct lichen_need *)class->needs.items)[i].id,
			   LICHEN_CHAR) == 0)
			(void)th_peer(th);
	CHECK_EQ(0, th_start(th));
	return th;
}

/* A guest at all ports; those that end the VM are only requests here. */
static void guest(struct th *th)
{
	const struct lichen_class *class = th_class(th);
	const struct lichen_window *windows = class->windows.items;

	for (uint32_t i = 0; class->windows.count && i < ACCESSES; i++) {
		const struct lichen_window *window =
			&windows[random_below(class->windows.count)];
		const uint16_t port = port_of(class, window);
		const uint16_t at = (uint16_t)(port + random_below((uint32_t)window->size));

		if (port == 0)
			continue;
		if (random_below(3))
			th_out(th, at, 1, random_below(256));
		else
			(void)th_in(th, at, 1);
		if (i == ACCESSES / 2)
			th_advance(th, 1234567);
	}
}

static void goes_over(const char *name)
{
	for (uint32_t seed = 1; seed <= 5; seed++) {
		struct th *one, *two;
		uint8_t *state, *again;
		uint32_t size, size_again;

		random_state = seed;
		one = start(name);
		guest(one);
		CHECK_EQ(0, th_save(one, &state, &size));
		two = start(name);
		th_advance(two, 1234567);
		CHECK_EQ(0, th_restore(two, state, size));
		for (uint32_t gsi = 0; gsi < TH_PINS; gsi++)
			CHECK_EQ(th_line(one, gsi), th_line(two, gsi));
		CHECK_EQ(0, th_save(two, &again, &size_again));
		CHECK_EQ(size, size_again);
		for (uint32_t i = 0; i < size; i++)
			CHECK_EQ(state[i], again[i]);
		free(again);
		free(state);
		th_destroy(two);
		th_destroy(one);
	}
}

static void stands(const char *name)
{
	struct th *one = start(name);
	uint8_t *state;
	uint32_t size, refused = 0;

	random_state = 7;
	guest(one);
	CHECK_EQ(0, th_save(one, &state, &size));
	for (uint32_t n = 0; n < MUTATIONS; n++) {
		const uint32_t at = random_below(size), bit = 1u << random_below(8);

		/* The counts of counted fields are the host's to check, not the class's. */
		state[at] ^= (uint8_t)bit;
		refused += th_restore(one, state, size) < 0;
		state[at] ^= (uint8_t)bit;
	}
	CHECK_EQ(0, th_restore(one, state, size));
	printf("# %s: %u of %u refused\n", name, refused, (unsigned)MUTATIONS);
	free(state);
	th_destroy(one);
}

TEST(serial16550_goes_over)
{
	goes_over("serial16550");
}
TEST(rtc_cmos_goes_over)
{
	goes_over("rtc-cmos");
}
TEST(i8042_goes_over)
{
	goes_over("i8042");
}
TEST(acpi_goes_over)
{
	goes_over("acpi");
}
TEST(debug_exit_goes_over)
{
	goes_over("debug-exit");
}
TEST(kvm_irqchip_goes_over)
{
	goes_over("kvm-irqchip");
}
TEST(kvm_pit_goes_over)
{
	goes_over("kvm-pit");
}
TEST(pvpanic_goes_over)
{
	goes_over("pvpanic");
}
TEST(debug_port_goes_over)
{
	goes_over("debug-port");
}

TEST(rtc_cmos_stands_changed_states)
{
	stands("rtc-cmos");
}
TEST(acpi_stands_changed_states)
{
	stands("acpi");
}
TEST(debug_exit_stands_changed_states)
{
	stands("debug-exit");
}
TEST(kvm_irqchip_stands_changed_states)
{
	stands("kvm-irqchip");
}
TEST(kvm_pit_stands_changed_states)
{
	stands("kvm-pit");
}
