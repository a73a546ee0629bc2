/* SPDX-License-Identifier: MIT */
/* Interrupt lines and messages over a hypervisor that only notes what it is told. */
#include <sys/eventfd.h>
#include <unistd.h>

#include "hv/fake/fake.h"
#include "irq.h"
#include "tap.h"

static struct hv_vm *vm;
static struct fw_irqs irqs;

static struct fake_view seen(void)
{
	struct fake_view view;

	fake_look(vm, &view);
	return view;
}

static void irqs_start(uint32_t pins)
{
	struct ld_error error = { "" };
	uint32_t made;

	CHECK_EQ(0, hv_fake.vm_create(-1, 1, &vm, &error));
	fw_irqs_init(&irqs, &hv_fake, vm);
	if (!pins)
		return;
	CHECK_EQ(0, hv_fake.irqchip_create(vm, &made));
	CHECK_EQ(pins, made);
	CHECK_EQ(0, fw_irqs_pins(&irqs, pins));
}

static void irqs_end(void)
{
	fw_irqs_clear(&irqs);
	hv_fake.vm_destroy(vm);
}

TEST(without_an_irqchip_no_line_can_be_claimed)
{
	struct fw_line line = { .gsi = 4 };

	irqs_start(0);
	CHECK_EQ(-LICHEN_ENODEV, fw_line_claim(&irqs, &line));
	irqs_end();
}

TEST(a_line_past_the_last_pin_is_refused)
{
	struct fw_line line = { .gsi = 24 };

	irqs_start(24);
	CHECK_EQ(-LICHEN_ERANGE, fw_line_claim(&irqs, &line));
	line.gsi = UINT32_MAX;
	CHECK_EQ(-LICHEN_ERANGE, fw_line_claim(&irqs, &line));
	irqs_end();
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
	irqs_end();
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
	CHECK_EQ(1, seen().level[9]);
	fw_line_set(&irqs, &two, 0);
	CHECK_EQ(0, seen().level[9]);
	fw_line_release(&irqs, &one);
	fw_line_release(&irqs, &two);
	irqs_end();
}

TEST(setting_the_level_it_has_does_not_reach_the_hypervisor)
{
	struct fw_line line = { .gsi = 4, .flags = LICHEN_LINE_LEVEL };
	uint32_t drives;

	irqs_start(24);
	CHECK_EQ(0, fw_line_claim(&irqs, &line));
	drives = seen().drives;
	fw_line_set(&irqs, &line, 1);
	fw_line_set(&irqs, &line, 1);
	CHECK_EQ(1, seen().drives - drives);
	fw_line_release(&irqs, &line);
	irqs_end();
}

TEST(release_drops_a_level_that_was_left_high)
{
	struct fw_line line = { .gsi = 4, .flags = LICHEN_LINE_LEVEL };

	irqs_start(24);
	CHECK_EQ(0, fw_line_claim(&irqs, &line));
	fw_line_set(&irqs, &line, 1);
	fw_line_release(&irqs, &line);
	CHECK_EQ(0, seen().level[4]);
	irqs_end();
}

TEST(an_edge_is_a_pulse)
{
	struct fw_line line = { .gsi = 4 };
	uint32_t drives;

	irqs_start(24);
	CHECK_EQ(0, fw_line_claim(&irqs, &line));
	drives = seen().drives;
	fw_line_set(&irqs, &line, 1);
	CHECK_EQ(2, seen().drives - drives);
	CHECK_EQ(0, seen().level[4]);
	fw_line_release(&irqs, &line);
	irqs_end();
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
	CHECK_EQ(0, seen().messages);
	CHECK_EQ(1, fw_message_pending(&message));
	fw_message_mask(&irqs, &message, 0);
	CHECK_EQ(1, seen().messages);
	CHECK_EQ(0, fw_message_pending(&message));
	fw_message_release(&irqs, &message);
	irqs_end();
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
	irqs_end();
}

TEST(an_eventfd_of_a_message_has_a_route_above_the_pins)
{
	const struct lichen_message to = { LICHEN_STRUCT(struct lichen_message), .data = 0x31,
					   .address = 0xfee01000 };
	struct fw_message message;

	irqs_start(24);
	CHECK_EQ(0, fw_message_claim(&irqs, &message));
	CHECK_EQ(0, fw_message_eventfd(&irqs, &message));
	CHECK_EQ(0, seen().route_count);
	CHECK_EQ(0, fw_message_update(&irqs, &message, &to));
	fw_message_mask(&irqs, &message, 0);
	CHECK_EQ(1, seen().route_count);
	CHECK_EQ(24, seen().routes[0].gsi);
	CHECK_EQ(0x31, seen().routes[0].data);
	CHECK_EQ(1, seen().irqfds);
	CHECK_EQ(0, fw_message_eventfd(&irqs, &message)); /* it has one */
	CHECK_EQ(1, seen().irqfds);
	fw_message_release(&irqs, &message);
	CHECK_EQ(0, seen().irqfds);
	CHECK_EQ(0, seen().route_count);
	irqs_end();
}

static const struct lichen_message to_0x31 = { LICHEN_STRUCT(struct lichen_message),
					       .data = 0x31, .address = 0xfee00000 };

/* Waits up to a second for the fake's thread, which serves eventfds. */
static int came(uint32_t messages)
{
	for (int i = 0; i < 1000 && seen().messages < messages; i++)
		usleep(1000);
	return seen().messages == messages;
}

TEST(what_an_eventfd_sends_while_masked_is_pending_and_sent_on_unmask)
{
	struct fw_message message;

	irqs_start(24);
	CHECK_EQ(0, fw_message_claim(&irqs, &message));
	CHECK_EQ(0, fw_message_update(&irqs, &message, &to_0x31));
	CHECK_EQ(0, fw_message_eventfd(&irqs, &message));
	CHECK_EQ(0, fw_message_pending(&message));
	CHECK_EQ(0, eventfd_write(message.trigger, 1)); /* masked from the start */
	CHECK_EQ(1, fw_message_pending(&message));
	CHECK_EQ(0, fw_message_mask(&irqs, &message, 0));
	CHECK(came(1));
	CHECK_EQ(0, fw_message_pending(&message));
	CHECK_EQ(0, eventfd_write(message.trigger, 1));
	CHECK(came(2));
	CHECK_EQ(0, fw_message_mask(&irqs, &message, 1));
	CHECK_EQ(0, eventfd_write(message.trigger, 1));
	CHECK_EQ(1, fw_message_pending(&message));
	CHECK_EQ(0, seen().lost);
	CHECK_EQ(2, seen().messages);
	fw_message_release(&irqs, &message);
	CHECK_EQ(0, seen().irqfds);
	irqs_end();
}

TEST(an_eventfd_that_is_refused_leaves_no_route)
{
	struct fw_message message;

	irqs_start(24);
	CHECK_EQ(0, fw_message_claim(&irqs, &message));
	CHECK_EQ(0, fw_message_update(&irqs, &message, &to_0x31));
	CHECK_EQ(0, fw_message_mask(&irqs, &message, 0));
	fake_fail(FAKE_IRQFD, 1, -LICHEN_ENOMEM);
	CHECK_EQ(-LICHEN_ENOMEM, fw_message_eventfd(&irqs, &message));
	CHECK_EQ(-1, message.trigger);
	CHECK_EQ(0, seen().route_count);
	fake_fail(FAKE_ROUTES, 1, -LICHEN_EINVAL);
	CHECK_EQ(-LICHEN_EINVAL, fw_message_eventfd(&irqs, &message));
	CHECK_EQ(0, seen().route_count);
	CHECK_EQ(0, fw_message_eventfd(&irqs, &message));
	CHECK_EQ(1, seen().route_count);
	fw_message_release(&irqs, &message);
	irqs_end();
}

TEST(there_are_as_many_eventfds_as_the_hypervisor_has_routes)
{
	enum { ROOM = FAKE_GSIS - 24 };
	static struct fw_message messages[ROOM + 1];

	irqs_start(24);
	for (uint32_t i = 0; i <= ROOM; i++) {
		CHECK_EQ(0, fw_message_claim(&irqs, &messages[i]));
		CHECK_EQ(0, fw_message_update(&irqs, &messages[i], &to_0x31));
		CHECK_EQ(i < ROOM ? 0 : -LICHEN_ENOSPC,
			 fw_message_eventfd(&irqs, &messages[i]));
	}
	fw_message_release(&irqs, &messages[0]);
	CHECK_EQ(0, fw_message_eventfd(&irqs, &messages[ROOM]));
	for (uint32_t i = 1; i <= ROOM; i++)
		fw_message_release(&irqs, &messages[i]);
	CHECK_EQ(0, seen().route_count);
	irqs_end();
}

TEST(a_level_line_with_an_eventfd_is_high_until_the_guest_is_done)
{
	struct fw_line line = { .gsi = 9, .flags = LICHEN_LINE_LEVEL };
	uint64_t times = 0;

	irqs_start(24);
	CHECK_EQ(0, fw_line_claim(&irqs, &line));
	CHECK_EQ(0, fw_line_eventfd(&irqs, &line));
	CHECK_EQ(0, eventfd_write(line.trigger, 1));
	for (int i = 0; i < 1000 && !seen().level[9]; i++)
		usleep(1000);
	CHECK_EQ(1, seen().level[9]);
	fake_eoi(vm, 9);
	CHECK_EQ(0, seen().level[9]);
	CHECK_EQ(0, eventfd_read(line.resample, &times));
	CHECK_EQ(1, times);
	fw_line_release(&irqs, &line);
	CHECK_EQ(0, seen().irqfds);
	irqs_end();
}

TEST(the_cascade_is_no_line)
{
	struct fw_line line = { .gsi = 2 };

	irqs_start(24);
	CHECK_EQ(-LICHEN_ERANGE, fw_line_claim(&irqs, &line));
	irqs_end();
}
