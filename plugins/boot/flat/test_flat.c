/* SPDX-License-Identifier: MIT */
/* The flat plugin through the ABI: where the image goes and how each mode starts. */
#include "testhost.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "tap.h"

enum { REAL = 0, PROTECTED = 1, LONG = 2, SIZE = 9000 };

static int image_file(size_t size)
{
	static uint8_t bytes[1 << 20];
	int fd = memfd_create("image", MFD_CLOEXEC);

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(i * 3 + (i >> 8));
	CHECK_EQ(size, write(fd, bytes, size));
	return fd;
}

static struct th *make(uint64_t address, uint64_t entry, uint32_t mode)
{
	struct th *th = th_create("flat");

	th_set_file(th, "image", image_file(SIZE));
	th_set(th, "address", address);
	th_set(th, "entry", entry);
	th_set(th, "mode", mode);
	return th;
}

static lichen_status load(struct th *th)
{
	const struct lichen_boot_ops *ops = th_interface(th, LICHEN_BOOT);

	CHECK(ops != NULL);
	return ops->load(th_self(th), 0);
}

static void refused(uint64_t address, uint64_t entry, uint32_t mode, const char *text)
{
	struct th *th = make(address, entry, mode);

	CHECK_EQ(-LICHEN_EINVAL, th_start(th));
	if (strstr(th_error(th), text) == NULL)
		tap_fail("\"%s\" has no \"%s\"", th_error(th), text);
	th_destroy(th);
}

TEST(by_default_the_image_starts_at_1_mib_in_long_mode)
{
	struct th *th = th_create("flat");
	const struct lichen_cpu *cpu;

	th_set_file(th, "image", image_file(SIZE));
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	cpu = th_cpu(th);
	CHECK_EQ(0x100000, cpu->rip);
	CHECK_EQ(0x90000, cpu->rsp);
	CHECK_EQ(TH_RAM_SIZE, cpu->rdi);
	CHECK_EQ(0, cpu->rsi);
	CHECK_EQ(2, cpu->rflags);
	CHECK_EQ(0x80000011, cpu->cr0);
	CHECK_EQ(0x20, cpu->cr4);
	CHECK_EQ(0x500, cpu->efer);
	CHECK_EQ(0x1000, cpu->cr3);
	CHECK(cpu->cs.l == 1 && cpu->cs.db == 0);
	CHECK_EQ(0x10, cpu->cs.selector);
	CHECK_EQ(0x18, cpu->ss.selector);
	CHECK_EQ(3, th_ram(th)[0x100001]);
	CHECK_EQ((uint8_t)((SIZE - 1) * 3 + ((SIZE - 1) >> 8)),
		 th_ram(th)[0x100000 + SIZE - 1]);
	CHECK_EQ(0, th_ram(th)[0x100000 + SIZE]);
	th_destroy(th);
}

TEST(long_mode_maps_every_address_below_4_gib_to_itself)
{
	const uint64_t frame = UINT64_C(0x000ffffffffff000);
	struct th *th = make(0x8000, 0, LONG);
	const uint64_t *pml4;

	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	pml4 = (const uint64_t *)(const void *)(th_ram(th) + th_cpu(th)->cr3);
	for (uint64_t gpa = 0; gpa < UINT64_C(1) << 32; gpa += 2 << 20) {
		const uint64_t *pdpt =
			(const uint64_t *)(const void *)(th_ram(th) + (pml4[0] & frame));
		const uint64_t *directory =
			(const uint64_t *)(const void *)(th_ram(th) +
							 (pdpt[gpa >> 30] & frame));

		CHECK_EQ(gpa | 0x83, directory[gpa >> 21 & 511]);
	}
	CHECK_EQ(0x8000, th_cpu(th)->rsp);
	CHECK_EQ(0x00af9b000000ffff,
		 *(const uint64_t *)(const void *)(th_ram(th) + th_cpu(th)->gdt_base + 0x10));
	th_destroy(th);
}

TEST(protected_mode_has_flat_32_bit_segments)
{
	struct th *th = make(0x100000, 0x100020, PROTECTED);
	const struct lichen_cpu *cpu;

	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	cpu = th_cpu(th);
	CHECK_EQ(0x100020, cpu->rip);
	CHECK_EQ(0x11, cpu->cr0);
	CHECK_EQ(0, cpu->efer);
	CHECK(cpu->cs.l == 0 && cpu->cs.db == 1 && cpu->cs.base == 0);
	CHECK_EQ(UINT32_MAX, cpu->cs.limit);
	CHECK_EQ(0x00cf9b000000ffff,
		 *(const uint64_t *)(const void *)(th_ram(th) + cpu->gdt_base + 0x10));
	th_destroy(th);
}

TEST(real_mode_starts_at_segment_and_offset)
{
	struct th *th = make(0x7c00, 0, REAL);
	const struct lichen_cpu *cpu;

	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	cpu = th_cpu(th);
	CHECK_EQ(0x7c00, cpu->rip);
	CHECK_EQ(0, cpu->cs.selector);
	CHECK_EQ(0x7c00, cpu->rsp);
	CHECK_EQ(0x10, cpu->cr0);
	th_destroy(th);

	th = make(0x2fff0, 0x31000, REAL);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	cpu = th_cpu(th);
	CHECK_EQ(0x1000, cpu->rip);
	CHECK_EQ(0x3000, cpu->cs.selector);
	CHECK_EQ(0x30000, cpu->cs.base);
	CHECK_EQ(0x3000, cpu->ds.selector);
	CHECK_EQ(0, cpu->rsp);
	th_destroy(th);
}

TEST(addresses_that_make_no_sense_are_refused)
{
	refused(0x7000, 0, LONG, "address: 0x7000, long mode");
	refused(0x7fff, 0, PROTECTED, "address: 0x7fff, protected mode");
	refused(0x100000, 0xfffff, LONG, "entry: 0xfffff, outside");
	refused(0x100000, 0x100000 + SIZE, LONG, "outside the image's 9000 bytes");
	refused(0x100000, 0, REAL, "entry: 0x100000, real mode starts below 0x100000");
}

TEST(an_empty_image_or_a_pipe_is_refused)
{
	struct th *th = th_create("flat");
	int ends[2];

	th_set_file(th, "image", image_file(0));
	CHECK_EQ(-LICHEN_EINVAL, th_start(th));
	CHECK(strstr(th_error(th), "empty") != NULL);
	th_destroy(th);

	th = th_create("flat");
	CHECK_EQ(0, pipe2(ends, O_CLOEXEC));
	close(ends[1]);
	th_set_file(th, "image", ends[0]);
	CHECK_EQ(-LICHEN_EINVAL, th_start(th));
	CHECK(strstr(th_error(th), "not a regular file") != NULL);
	th_destroy(th);
}

TEST(an_image_that_does_not_fit_is_refused_at_load)
{
	struct th *th = make(TH_RAM_SIZE - SIZE + 1, 0, LONG);

	CHECK_EQ(0, th_start(th));
	CHECK_EQ(-LICHEN_ENOSPC, load(th));
	CHECK(strstr(th_error(th), "9000 bytes at 0x3ffdcd9 do not fit") != NULL);
	CHECK(th_cpu(th) == NULL);
	th_destroy(th);

	th = make(TH_RAM_SIZE - SIZE, 0, LONG);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	th_destroy(th);
}

TEST(a_file_that_shrinks_after_create_is_an_error_at_load)
{
	struct th *th = th_create("flat");
	int fd = image_file(SIZE);

	th_set_file(th, "image", fd);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, ftruncate(fd, 5));
	CHECK_EQ(-LICHEN_EIO, load(th));
	CHECK(strstr(th_error(th), "image: shrank to 5 bytes") != NULL);
	th_destroy(th);
}

TEST(a_reset_loads_the_image_again)
{
	struct th *th = make(0x100000, 0, LONG);

	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	memset(th_ram(th), 0xee, 0x100000 + SIZE);
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	CHECK_EQ(0, load(th));
	CHECK_EQ(3, th_ram(th)[0x100001]);
	CHECK_EQ(0x2003, *(const uint64_t *)(const void *)(th_ram(th) + 0x1000));
	th_destroy(th);
}
