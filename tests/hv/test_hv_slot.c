/* SPDX-License-Identifier: MIT */
/* A hypervisor: slots of guest memory. */
#include "hv_guest.h"

#include <sys/mman.h>

#include "tap.h"

GUEST(guest_touch, "1: mov 0x200000, %eax\n out %eax, $0xf4\n movl $0x77, 0x200000\n"
		   "out %al, $0xf5\n jmp 1b");
SCRIPT(guest_touch, FAKE_LOAD(0x200000, 4), FAKE_OUT_RAX(0xf4, 4),
       FAKE_STORE(0x200000, 4, 0x77), FAKE_OUT_RAX(0xf5, 1), FAKE_JUMP(0));

/* A page of its own at 2 MiB. */
static struct hv_slot slot_make(uint32_t flags)
{
	struct hv_slot slot = { .number = 1, .flags = flags, .gpa = 0x200000, .size = 0x4000 };

	slot.host = mmap(NULL, slot.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	CHECK(slot.host != MAP_FAILED);
	memset(slot.host, 0x33, slot.size);
	return slot;
}

TEST(a_slot_is_memory_while_it_is_mapped_and_mmio_afterwards)
{
	struct hv_slot slot = slot_make(0);
	struct guest guest;
	struct hv_exit exit;

	guest_create(&guest, 1, 0);
	CHECK_EQ(0, hv->map(guest.vm, &slot, &guest.error));
	GUEST_LOAD(&guest, guest_touch);
	CHECK_EQ(0x33333333, guest_out(&guest, 0xf4));
	guest_out(&guest, 0xf5);
	CHECK_EQ(0x77, *(uint8_t *)slot.host);
	hv->unmap(guest.vm, 1);
	hv->unmap(guest.vm, 1); /* nothing is there: nothing happens */
	guest_access(&guest, &exit, 0x200000, 4, 0);
	memset(exit.mmio.data, 0x44, 4);
	CHECK_EQ(0x44444444, guest_out(&guest, 0xf4));
	guest_access(&guest, &exit, 0x200000, 4, 1);
	guest_destroy(&guest);
	munmap(slot.host, slot.size);
}

TEST(a_read_only_slot_is_read_and_its_writes_arrive)
{
	struct hv_slot slot = slot_make(HV_SLOT_READ_ONLY);
	struct guest guest;
	struct hv_exit exit;

	guest_create(&guest, 1, 0);
	CHECK_EQ(0, hv->map(guest.vm, &slot, &guest.error));
	GUEST_LOAD(&guest, guest_touch);
	CHECK_EQ(0x33333333, guest_out(&guest, 0xf4));
	guest_access(&guest, &exit, 0x200000, 4, 1);
	CHECK_EQ(0x33, *(uint8_t *)slot.host);
	guest_destroy(&guest);
	munmap(slot.host, slot.size);
}

TEST(a_mapped_number_is_replaced_and_kept_where_the_new_one_is_refused)
{
	struct hv_slot slot = slot_make(0), other = slot_make(0);
	struct guest guest;

	guest_create(&guest, 1, 0);
	memset(other.host, 0x55, other.size);
	CHECK_EQ(0, hv->map(guest.vm, &slot, &guest.error));
	GUEST_LOAD(&guest, guest_touch);
	CHECK_EQ(0x33333333, guest_out(&guest, 0xf4));
	CHECK_EQ(0, hv->map(guest.vm, &other, &guest.error));
	guest_out(&guest, 0xf5);
	CHECK_EQ(0x33, *(uint8_t *)slot.host);
	CHECK_EQ(0x77, *(uint8_t *)other.host);
	slot.gpa = 0x1ff000; /* overlaps slot 0 */
	CHECK_EQ(-LICHEN_EEXIST, hv->map(guest.vm, &slot, &guest.error));
	CHECK(strstr(guest.error.text, "memory slot 1") != NULL);
	CHECK_EQ(0x77, guest_out(&guest, 0xf4));
	guest_destroy(&guest);
	munmap(slot.host, slot.size);
	munmap(other.host, other.size);
}

TEST(slots_that_cannot_be_are_refused)
{
	struct hv_slot good = slot_make(0), slot;
	struct guest guest;
	struct hv_caps caps;

	guest_create(&guest, 1, 0);
	hv->caps(guest.vm, &caps);
	slot = good;
	slot.number = caps.max_slots;
	CHECK_EQ(-LICHEN_ERANGE, hv->map(guest.vm, &slot, &guest.error));
	slot = good;
	slot.flags = 4;
	CHECK_EQ(-LICHEN_ENOTSUP, hv->map(guest.vm, &slot, &guest.error));
	slot = good;
	slot.gpa++;
	CHECK_EQ(-LICHEN_EINVAL, hv->map(guest.vm, &slot, &guest.error));
	slot = good;
	slot.size--;
	CHECK_EQ(-LICHEN_EINVAL, hv->map(guest.vm, &slot, &guest.error));
	slot = good;
	slot.size = 0;
	CHECK_EQ(-LICHEN_EINVAL, hv->map(guest.vm, &slot, &guest.error));
	slot = good;
	slot.gpa = UINT64_C(0) - 0x1000;
	CHECK_EQ(-LICHEN_EINVAL, hv->map(guest.vm, &slot, &guest.error));
	hv->unmap(guest.vm, UINT32_MAX);
	guest_destroy(&guest);
	munmap(good.host, good.size);
}

GUEST(guest_dirty, "movb $1, 0x200000\n movb $1, 0x202fff\n out %al, $0xf4\n"
		   "movb $1, 0x203000\n out %al, $0xf4\n hlt");
SCRIPT(guest_dirty, FAKE_STORE(0x200000, 1, 1), FAKE_STORE(0x202fff, 1, 1),
       FAKE_OUT(0xf4, 1, 0), FAKE_STORE(0x203000, 1, 1), FAKE_OUT(0xf4, 1, 0), FAKE_HALT());

TEST(dirty_pages_are_told_once)
{
	struct hv_slot slot = slot_make(HV_SLOT_TRACK_DIRTY);
	struct guest guest;
	uint64_t bits = 0;

	guest_create(&guest, 1, 0);
	CHECK_EQ(0, hv->map(guest.vm, &slot, &guest.error));
	GUEST_LOAD(&guest, guest_dirty);
	guest_out(&guest, 0xf4);
	CHECK_EQ(-LICHEN_EINVAL, hv->dirty(guest.vm, 1, &bits, 0));
	CHECK_EQ(0, hv->dirty(guest.vm, 1, &bits, 1));
	CHECK_EQ(5, bits);
	CHECK_EQ(0, hv->dirty(guest.vm, 1, &bits, 1));
	CHECK_EQ(0, bits);
	guest_out(&guest, 0xf4);
	CHECK_EQ(0, hv->dirty(guest.vm, 1, &bits, 1));
	CHECK_EQ(8, bits);
	CHECK_EQ(-LICHEN_EINVAL, hv->dirty(guest.vm, 0, &bits, 1)); /* not tracked */
	CHECK_EQ(-LICHEN_EINVAL, hv->dirty(guest.vm, 2, &bits, 1)); /* not mapped */
	guest_destroy(&guest);
	munmap(slot.host, slot.size);
}
