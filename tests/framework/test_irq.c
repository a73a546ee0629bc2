/* SPDX-License-Identifier: MIT */
/* Interrupt lines and messages over a hypervisor that only notes what it is told. */
#include <unistd.h>

#include "fake_hv.h"
#include "irq.h"
#include "tap.h"

static struct hv_vm vm;
static struct fw_irqs irqs;

static void irqs_start(uint32_t pins)
{
	fw_irqs_init(&irqs, &fake_hv, &vm);
	if (pins)
		CHECK_EQ(0, fw_irqs_pins(&irqs, pins));
}

TEST(without_an_irqchip_no_line_can_be_claimed)
{
	struct fw_line line = { .gsi = 4 };

	irqs_start(0);
	CHECK_EQ(-LICHEN_ENODEV, fw_line_claim(&irqs, &line));
	fw_irqs_clear(&irqs);
}

TEST(a_line_past_the_last_pin_is_refused)
{
	struct fw_line line = { .gsi = 24 };

	irqs_start(24);
	CHECK_EQ(-LICHEN_ERANGE, fw_line_claim(&irqs, &line));
	line.gsi = UINT32_MAX;
	CHECK_EQ(-LICHEN_ERANGE, fw_line_claim(&irqs, &line));
	fw_irqs_clear(&irqs);
}

TEST(an_exclusive_line_is_claimed_once)
{
	struct fw_line one = { .gsi = 4 }, two = { .gsi = 4 };
	struct fw_line shared = { .gsi = 4, .flags = LICHEN_LINE_LEVEL | LICHEN_LINE_SHARED };

	irqs_start(24);
	CHECK_EQ(0, fw_line_claim(&irqs, &one));
	CHECK_EQ(-LICHEN_EBUSY, fw_line_claim(&irqs, &two));
	CHECK_EQ(-LICHEN_EBUSY, fw_line_claim(&irqs, &shared));
	fw_line_release(&irqs, &one);
	CHECK_EQ(0, fw_line_claim(&irqs, &two));
	fw_line_release(&irqs, &two);
	fw_irqs_clear(&irqs);
}

TEST(levels_of_sharers_are_ored)
{
	const uint32_t flags = LICHEN_LINE_LEVEL | LICHEN_LINE_SHARED;
	struct fw_line one = { .gsi = 9, .flags = flags }, two = { .gsi = 9, .flags = flags };

	irqs_start(24);
	CHECK_EQ(0, fw_line_claim(&irqs, &one));
	CHECK_EQ(0, fw_line_claim(&irqs, &two));
	fw_line_set(&irqs, &one, 1);
	fw_line_set(&irqs, &two, 1);
	fw_line_set(&irqs, &one, 0);
	CHECK_EQ(1, vm.level[9]);
	fw_line_set(&irqs, &two, 0);
	CHECK_EQ(0, vm.level[9]);
	fw_line_release(&irqs, &one);
	fw_line_release(&irqs, &two);
	fw_irqs_clear(&irqs);
}

TEST(setting_the_level_it_has_does_not_reach_the_hypervisor)
{
	struct fw_line line = { .gsi = 4, .flags = LICHEN_LINE_LEVEL };

	irqs_start(24);
	CHECK_EQ(0, fw_line_claim(&irqs, &line));
	vm.drives = 0;
	fw_line_set(&irqs, &line, 1);
	fw_line_set(&irqs, &line, 1);
	CHECK_EQ(1, vm.drives);
	fw_line_release(&irqs, &line);
	fw_irqs_clear(&irqs);
}

TEST(release_drops_a_level_that_was_left_high)
{
	struct fw_line line = { .gsi = 4, .flags = LICHEN_LINE_LEVEL };

	irqs_start(24);
	CHECK_EQ(0, fw_line_claim(&irqs, &line));
	fw_line_set(&irqs, &line, 1);
	fw_line_release(&irqs, &line);
	CHECK_EQ(0, vm.level[4]);
	fw_irqs_clear(&irqs);
}

TEST(an_edge_is_a_pulse)
{
	struct fw_line line = { .gsi = 4 };

	irqs_start(24);
	CHECK_EQ(0, fw_line_claim(&irqs, &line));
	vm.drives = 0;
	fw_line_set(&irqs, &line, 1);
	CHECK_EQ(2, vm.drives);
	CHECK_EQ(0, vm.level[4]);
	fw_line_release(&irqs, &line);
	fw_irqs_clear(&irqs);
}

TEST(a_message_sent_while_masked_is_sent_on_unmask)
{
	const struct lichen_message to = { LICHEN_STRUCT(struct lichen_message), .data = 0x30,
					   .address = 0xfee00000 };
	struct fw_message message;

	irqs_start(24);
	CHECK_EQ(0, fw_message_claim(&irqs, &message));
	CHECK_EQ(0, fw_message_update(&irqs, &message, &to));
	fw_message_send(&irqs, &message);
	CHECK_EQ(0, vm.messages);
	CHECK_EQ(1, fw_message_pending(&message));
	fw_message_mask(&irqs, &message, 0);
	CHECK_EQ(1, vm.messages);
	CHECK_EQ(0, fw_message_pending(&message));
	fw_message_release(&irqs, &message);
	fw_irqs_clear(&irqs);
}

TEST(a_message_to_where_no_local_apic_listens_is_refused)
{
	struct lichen_message to = { LICHEN_STRUCT(struct lichen_message), .address = 0x1000 };
	struct fw_message message;

	irqs_start(24);
	CHECK_EQ(0, fw_message_claim(&irqs, &message));
	CHECK_EQ(-LICHEN_EINVAL, fw_message_update(&irqs, &message, &to));
	to.address = 0xfef00000;
	CHECK_EQ(-LICHEN_EINVAL, fw_message_update(&irqs, &message, &to));
	fw_message_release(&irqs, &message);
	fw_irqs_clear(&irqs);
}

TEST(an_eventfd_of_a_message_has_a_route_above_the_pins)
{
	const struct lichen_message to = { LICHEN_STRUCT(struct lichen_message), .data = 0x31,
					   .address = 0xfee01000 };
	struct fw_message message;

	irqs_start(24);
	CHECK_EQ(0, fw_message_claim(&irqs, &message));
	CHECK_EQ(0, fw_message_eventfd(&irqs, &message));
	CHECK_EQ(0, vm.route_count);
	CHECK_EQ(0, fw_message_update(&irqs, &message, &to));
	fw_message_mask(&irqs, &message, 0);
	CHECK_EQ(1, vm.route_count);
	CHECK_EQ(24, vm.routes[0].gsi);
	CHECK_EQ(0x31, vm.routes[0].data);
	CHECK_EQ(1, vm.irqfds);
	fw_message_release(&irqs, &message);
	CHECK_EQ(0, vm.irqfds);
	CHECK_EQ(0, vm.route_count);
	fw_irqs_clear(&irqs);
}
