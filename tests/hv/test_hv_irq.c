/* SPDX-License-Identifier: MIT */
/* Interrupt controllers in the kernel: lines, messages, eventfds, the PIT's wiring. */
#include "hv_guest.h"

#include <linux/kvm.h>
#include <sys/eventfd.h>

#include "tap.h"

#define MSI_BASE 0xfee00000u

/*
 * Reports the vector of each interrupt on port 0xf4: PIC lines 0 to 7 are vectors
 * 0x20 to 0x27, of which only 4 is let through; 0x40 is a message.
 * The local APIC is on; both controllers are told the end of each interrupt.
 */
GUEST(guest_irqs, "mov $0x11, %al\n out %al, $0x20\n mov $0x20, %al\n out %al, $0x21\n"
		  "mov $4, %al\n out %al, $0x21\n mov $1, %al\n out %al, $0x21\n"
		  "mov $0xef, %al\n out %al, $0x21\n" /* line 4 only */
		  "mov $0xfee000f0, %edi\n movl $0x1ff, (%rdi)\n"
		  "mov $1, %al\n out %al, $0xf5\n"
		  "sti\n"
		  "1: hlt\n jmp 1b\n"
		  ".org guest_irqs + 0x100\n mov $0x24, %al\n out %al, $0xf4\n"
		  "mov $0x20, %al\n out %al, $0x20\n iretq\n"
		  ".org guest_irqs + 0x200\n mov $0x40, %al\n out %al, $0xf4\n"
		  "mov $0xfee000b0, %edi\n movl $0, (%rdi)\n iretq\n");
SCRIPT(guest_irqs, FAKE_OUT(0xf5, 1, 1), FAKE_HALT(), FAKE_OUT_RAX(0xf4, 1), FAKE_JUMP(1));

static void irqs_start(struct guest *guest)
{
	guest_create(guest, 1, GUEST_IRQCHIP);
	guest_gate(guest, 0x24, 0x100);
	guest_gate(guest, 0x40, 0x200);
	GUEST_LOAD(guest, guest_irqs);
	CHECK_EQ(1, guest_out(guest, 0xf5));
}

TEST(a_line_interrupts_through_the_pic_as_often_as_it_rises)
{
	struct guest guest;

	irqs_start(&guest);
	for (uint32_t i = 0; i < 3; i++) {
		CHECK_EQ(0, hv->line(guest.vm, 4, 1));
		CHECK_EQ(0, hv->line(guest.vm, 4, 0));
		CHECK_EQ(0x24, guest_out(&guest, 0xf4));
	}
	guest_destroy(&guest);
}

TEST(a_message_interrupts_through_the_local_apic)
{
	struct guest guest;

	irqs_start(&guest);
	CHECK_EQ(0, hv->message(guest.vm, MSI_BASE, 0x40));
	CHECK_EQ(0x40, guest_out(&guest, 0xf4));
	CHECK_EQ(0, hv->message(guest.vm, MSI_BASE | 7 << 12, 0x40)); /* to nobody: lost */
	CHECK_EQ(0, hv->message(guest.vm, MSI_BASE, 0x40));
	CHECK_EQ(0x40, guest_out(&guest, 0xf4));
	guest_destroy(&guest);
}

static void ring(int descriptor)
{
	const uint64_t one = 1;

	CHECK_EQ(sizeof(one), write(descriptor, &one, sizeof(one)));
}

TEST(eventfds_raise_lines_and_messages)
{
	const struct hv_route route = {
		.gsi = 30, .is_message = 1, .address = MSI_BASE, .data = 0x40
	};
	int line = eventfd(0, EFD_CLOEXEC), message = eventfd(0, EFD_CLOEXEC);
	struct guest guest;

	irqs_start(&guest);
	CHECK_EQ(0, hv->routes(guest.vm, &route, 1));
	CHECK_EQ(0, hv->irqfd(guest.vm, 4, line, -1, 1));
	CHECK_EQ(0, hv->irqfd(guest.vm, 30, message, -1, 1));
	CHECK_EQ(-LICHEN_EBUSY, hv->irqfd(guest.vm, 5, line, -1, 1));
	ring(message);
	CHECK_EQ(0x40, guest_out(&guest, 0xf4));
	ring(line);
	CHECK_EQ(0x24, guest_out(&guest, 0xf4));
	CHECK_EQ(0, hv->irqfd(guest.vm, 4, line, -1, 0));
	CHECK_EQ(0, hv->irqfd(guest.vm, 30, message, -1, 0));
	ring(line);
	ring(message);
	CHECK_EQ(0, hv->line(guest.vm, 4, 1));
	CHECK_EQ(0x24, guest_out(&guest, 0xf4)); /* this one, not the message */
	close(line);
	close(message);
	guest_destroy(&guest);
}

#ifndef HV_FAKE /* which has lines, but no registers of controllers */

/* Pins whose interrupt is waiting at the IOAPIC, all of which are masked at first. */
static uint32_t ioapic_waiting(struct guest *guest)
{
	uint8_t state[LICHEN_IRQCHIP_STATE_SIZE];
	struct kvm_ioapic_state ioapic;

	CHECK_EQ(0, hv->irqchip_get(guest->vm, LICHEN_IRQCHIP_IOAPIC, state));
	memcpy(&ioapic, state, sizeof(ioapic));
	return ioapic.irr;
}

TEST(gsi_0_is_ioapic_pin_2_and_others_are_their_own_pin)
{
	const struct hv_route message = { .gsi = 24, .is_message = 1, .address = MSI_BASE };
	uint8_t masked[LICHEN_IRQCHIP_STATE_SIZE];
	struct guest guest;

	guest_create(&guest, 1, GUEST_IRQCHIP);
	CHECK_EQ(0, hv->irqchip_get(guest.vm, LICHEN_IRQCHIP_IOAPIC, masked));
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t gsi = 0; gsi < 24; gsi++) {
			if (gsi == 2)
				continue;
			CHECK_EQ(0, hv->line(guest.vm, gsi, 1));
			CHECK_EQ(1u << (gsi ? gsi : 2), ioapic_waiting(&guest));
			CHECK_EQ(0, hv->line(guest.vm, gsi, 0));
			CHECK_EQ(0, hv->irqchip_set(guest.vm, LICHEN_IRQCHIP_IOAPIC, masked));
		}
		/* Messages come and go; the pins stay. */
		CHECK_EQ(0, hv->routes(guest.vm, &message, 1));
	}
	CHECK_EQ(-LICHEN_ERANGE, hv->line(guest.vm, 2, 1));
	CHECK_EQ(-LICHEN_ERANGE, hv->line(guest.vm, 24, 1));
	guest_destroy(&guest);
}

/* The PIT at 1000 Hz, delivered by IOAPIC pin 2 as vector 0x50, the PIC being masked. */
GUEST(guest_ticks,
      "mov $0xff, %al\n out %al, $0x21\n mov $0xfee000f0, %edi\n movl $0x1ff, (%rdi)\n"
      "mov $0xfec00000, %edi\n"
      "movl $0x15, (%rdi)\n movl $0, 0x10(%rdi)\n"
      "movl $0x14, (%rdi)\n movl $0x50, 0x10(%rdi)\n"
      "mov $0x34, %al\n out %al, $0x43\n"
      "mov $0xa9, %al\n out %al, $0x40\n mov $4, %al\n out %al, $0x40\n"
      "sti\n1: hlt\n jmp 1b\n"
      ".org guest_ticks + 0x100\n mov $0x50, %al\n out %al, $0xf4\n"
      "mov $0xfee000b0, %edi\n movl $0, (%rdi)\n iretq\n");
SCRIPT(guest_ticks, FAKE_HALT());

TEST(the_pit_ticks_at_ioapic_pin_2_again_and_again)
{
	struct guest guest;

	guest_create(&guest, 1, GUEST_IRQCHIP | GUEST_PIT);
	guest_gate(&guest, 0x50, 0x100);
	GUEST_LOAD(&guest, guest_ticks);
	for (uint32_t i = 0; i < 5; i++)
		CHECK_EQ(0x50, guest_out(&guest, 0xf4));
	guest_destroy(&guest);
}

#endif

TEST(there_is_one_irqchip_and_one_pit_on_it)
{
	uint8_t state[LICHEN_IRQCHIP_STATE_SIZE], pit[LICHEN_PIT_STATE_SIZE];
	struct guest guest;
	uint32_t pins = 0;

	guest_create(&guest, 0, 0);
	CHECK_EQ(-LICHEN_ENODEV, hv->pit_create(guest.vm));
	CHECK_EQ(-LICHEN_ENODEV, hv->pit_get(guest.vm, pit));
	CHECK_EQ(-LICHEN_ENODEV, hv->line(guest.vm, 4, 1));
	CHECK_EQ(-LICHEN_ENODEV, hv->message(guest.vm, MSI_BASE, 0x40));
	CHECK_EQ(-LICHEN_ENODEV, hv->routes(guest.vm, NULL, 0));
	CHECK_EQ(-LICHEN_ENODEV, hv->irqchip_get(guest.vm, 0, state));
	CHECK_EQ(0, hv->irqchip_create(guest.vm, &pins));
	CHECK_EQ(24, pins);
	CHECK_EQ(-LICHEN_EEXIST, hv->irqchip_create(guest.vm, &pins));
	CHECK_EQ(0, hv->pit_create(guest.vm));
	CHECK_EQ(-LICHEN_EEXIST, hv->pit_create(guest.vm));
	guest_destroy(&guest);
}

TEST(states_of_controllers_are_read_back_as_they_were_set)
{
	uint8_t state[LICHEN_IRQCHIP_STATE_SIZE], again[LICHEN_IRQCHIP_STATE_SIZE];
	uint8_t pit[LICHEN_PIT_STATE_SIZE];
	struct guest guest;

	guest_create(&guest, 1, GUEST_IRQCHIP | GUEST_PIT);
	for (uint32_t part = 0; part < 3; part++) {
		CHECK_EQ(0, hv->irqchip_get(guest.vm, part, state));
		if (part < 2)
			((struct kvm_pic_state *)(void *)state)->imr = 0x5a;
		CHECK_EQ(0, hv->irqchip_set(guest.vm, part, state));
		CHECK_EQ(0, hv->irqchip_get(guest.vm, part, again));
		CHECK_EQ(0, memcmp(state, again, sizeof(state)));
	}
	CHECK_EQ(-LICHEN_EINVAL, hv->irqchip_get(guest.vm, 3, state));
	CHECK_EQ(-LICHEN_EINVAL, hv->irqchip_set(guest.vm, 3, state));
	CHECK_EQ(0, hv->pit_get(guest.vm, pit));
	CHECK_EQ(0, hv->pit_set(guest.vm, pit));
	guest_destroy(&guest);
}

TEST(routes_that_cannot_be_are_refused_and_the_old_ones_stay)
{
	struct hv_route route = { .gsi = 4, .is_message = 1, .address = MSI_BASE };
	struct guest guest;
	struct hv_caps caps;

	irqs_start(&guest);
	hv->caps(guest.vm, &caps);
	CHECK_EQ(-LICHEN_EINVAL, hv->routes(guest.vm, &route, 1)); /* a pin's */
	route.gsi = caps.msi_routes;
	CHECK_EQ(-LICHEN_EINVAL, hv->routes(guest.vm, &route, 1));
	CHECK_EQ(-LICHEN_ERANGE, hv->irqfd(guest.vm, caps.msi_routes, 0, -1, 1));
	route = (struct hv_route){ .gsi = 24 }; /* no pin, no message */
	CHECK_EQ(-LICHEN_EINVAL, hv->routes(guest.vm, &route, 1));
	CHECK_EQ(-LICHEN_ENOSPC, hv->routes(guest.vm, &route, UINT32_MAX));
	CHECK_EQ(0, hv->line(guest.vm, 4, 1));
	CHECK_EQ(0x24, guest_out(&guest, 0xf4));
	guest_destroy(&guest);
}
