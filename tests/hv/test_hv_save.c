/* SPDX-License-Identifier: MIT */
/* A hypervisor: all that a vCPU is, saved, and loaded into another; clocks. */
#include "hv_guest.h"

#include "tap.h"

GUEST(guest_sums, "xor %eax, %eax\n1: in $0xe1, %al\n add $1, %eax\n out %eax, $0xf4\n jmp 1b");
SCRIPT(guest_sums, FAKE_MOVE(0), FAKE_IN(0xe1, 1), FAKE_ADD(1), FAKE_OUT_RAX(0xf4, 4),
       FAKE_JUMP(1));

/* Settles vCPU 0, saves it; the state is the caller's. */
static uint8_t *save(struct guest *guest, uint64_t *size)
{
	struct hv_exit exit = { 0 };
	uint8_t *state, little;

	CHECK_EQ(0, hv->vcpu_settle(guest->cpu[0], &exit));
	CHECK_EQ(HV_EXIT_KICK, exit.kind);
	CHECK_EQ(-LICHEN_E2BIG, hv->vcpu_save(guest->cpu[0], &little, 1, size));
	CHECK(*size > 1);
	state = malloc(*size);
	CHECK(state);
	CHECK_EQ(0, hv->vcpu_save(guest->cpu[0], state, *size, size));
	return state;
}

/* To where the guest has read `value` and not yet gone on. */
static void reads(struct guest *guest, uint8_t value)
{
	struct hv_exit exit;

	guest_run(guest, &exit);
	CHECK_EQ(HV_EXIT_IO, exit.kind);
	CHECK(!exit.io.write && exit.io.port == 0xe1);
	exit.io.data[0] = value;
}

TEST(a_saved_vcpu_goes_on_in_another_vm)
{
	struct guest first, second;
	uint64_t size = 0;
	uint8_t *state;

	guest_create(&first, 1, GUEST_IRQCHIP);
	GUEST_LOAD(&first, guest_sums);
	reads(&first, 0x41);
	state = save(&first, &size); /* what was read is in it */
	guest_create(&second, 1, GUEST_IRQCHIP);
	GUEST_LOAD(&second, guest_sums); /* its memory, and the thread */
	CHECK_EQ(0, hv->vcpu_load(second.cpu[0], state, size, &second.error));
	CHECK_EQ(0x42, guest_out(&second, 0xf4));
	CHECK_EQ(0x42, guest_out(&first, 0xf4)); /* and the first goes on as well */
	free(state);
	for (uint32_t i = 0; i < 1; i++)
		hv->vcpu_destroy(second.cpu[i]);
	second.cpus = 0;
	hv->vm_destroy(second.vm);
	guest_destroy(&first);
}

TEST(a_vcpu_that_was_loaded_is_saved_as_it_was)
{
	struct guest guest;
	uint64_t size = 0, again = 0;
	uint8_t *state, *other;

	guest_create(&guest, 1, GUEST_IRQCHIP);
	GUEST_LOAD(&guest, guest_sums);
	reads(&guest, 1);
	state = save(&guest, &size);
	CHECK_EQ(2, guest_out(&guest, 0xf4));
	CHECK_EQ(0, hv->vcpu_load(guest.cpu[0], state, size, &guest.error));
	other = save(&guest, &again);
	CHECK_EQ(size, again);
	CHECK_EQ(2, guest_out(&guest, 0xf4)); /* once more */
	free(state);
	free(other);
	guest_destroy(&guest);
}

TEST(bytes_that_are_no_state_are_refused_and_nothing_changes)
{
	struct lichen_cpu before, after;
	struct guest guest;
	uint64_t size = 0;
	uint8_t *state;

	guest_create(&guest, 1, GUEST_IRQCHIP);
	GUEST_LOAD(&guest, guest_sums);
	reads(&guest, 1);
	state = save(&guest, &size);
	CHECK_EQ(0, hv->vcpu_get(guest.cpu[0], &before));
	CHECK_EQ(-LICHEN_EBADMSG, hv->vcpu_load(guest.cpu[0], state, size - 1, &guest.error));
	CHECK(guest.error.text[0]);
	CHECK_EQ(-LICHEN_EBADMSG, hv->vcpu_load(guest.cpu[0], state, 0, &guest.error));
	state[0] ^= 0xff;
	CHECK_EQ(-LICHEN_EBADMSG, hv->vcpu_load(guest.cpu[0], state, size, &guest.error));
	CHECK_EQ(0, hv->vcpu_get(guest.cpu[0], &after));
	CHECK_EQ(0, memcmp(&before, &after, sizeof(before)));
	CHECK_EQ(2, guest_out(&guest, 0xf4));
	free(state);
	guest_destroy(&guest);
}

TEST(the_guests_clock_shows_what_it_was_set_to_and_goes_on)
{
	struct guest guest;
	uint64_t ns = 0;

	guest_create(&guest, 1, GUEST_IRQCHIP);
	CHECK_EQ(0, hv->clock_set(guest.vm, UINT64_C(5000000000)));
	CHECK_EQ(0, hv->clock_get(guest.vm, &ns));
	CHECK(ns >= UINT64_C(5000000000) && ns < UINT64_C(15000000000));
	guest_destroy(&guest);
}
