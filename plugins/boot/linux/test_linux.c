/* SPDX-License-Identifier: MIT */
/* The linux plugin through the ABI: what is refused, and what a load leaves in memory. */
#include "testhost.h"

#include <fcntl.h>

#include "tap.h"
#include "test_image.h"

enum {
	ZERO_PAGE = 0x7000,
	RAM = TH_RAM_SIZE,
};

static uint8_t image[IMAGE_SIZE];
static uint8_t elf[ELF_SIZE];
static uint8_t initrd[3 * 4096 + 17];

static const struct boot_params *zero_page(struct th *th)
{
	return (const struct boot_params *)(const void *)(th_ram(th) + ZERO_PAGE);
}

/* An instance with `image` as its kernel. */
static struct th *make(void)
{
	struct th *th = th_create("linux");

	th_set_file(th, "kernel", image_file(image, sizeof(image)));
	return th;
}

static lichen_status load(struct th *th)
{
	const struct lichen_boot_ops *ops = th_interface(th, LICHEN_BOOT);

	CHECK(ops != NULL);
	return ops->load(th_self(th), 0);
}

/* Starts with `image` as it is; it must be refused, for a reason with `text` in it. */
static void refused(const void *bytes, size_t size, const char *text)
{
	struct th *th = th_create("linux");

	th_set_file(th, "kernel", image_file(bytes, size));
	CHECK(th_start(th) < 0);
	if (strstr(th_error(th), text) == NULL)
		tap_fail("\"%s\" has no \"%s\"", th_error(th), text);
	th_destroy(th);
}

static void refused_image(const char *text)
{
	refused(image, sizeof(image), text);
	image_make(image);
}

TEST(files_that_are_no_bzimage_are_refused_by_what_they_are)
{
	static uint8_t bytes[8192];

	refused("", 0, "empty");
	refused("hello\n", 6, "truncated, 6 bytes");
	refused(bytes, sizeof(bytes), "no \"HdrS\"");
	refused("\177ELF", 4, "truncated, 4 bytes of an ELF header");
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, "MZ", 2);
	memcpy(bytes + 0x38, "ARM\x64", 4);
	refused(bytes, sizeof(bytes), "arm64");
	refused("\x1f\x8b\x08", 3, "gzip");
}

TEST(malformed_headers_are_refused_by_name)
{
	image_make(image);
	image_header(image)->version = 0x205;
	refused_image("boot protocol 2.05");
	image_header(image)->version = 0x20b;
	refused_image("boot protocol 2.11");
	image_header(image)->xloadflags = 0;
	refused_image("32-bit");
	image_header(image)->loadflags = 0;
	refused_image("zImage");
	image_header(image)->boot_flag = 0;
	refused_image("boot flag 0x0");
	image_header(image)->header = 0;
	refused_image("HdrS");
	image_header(image)->jump = 0x10eb;
	refused_image("header ends at 0x212");
	image_header(image)->kernel_alignment = 0;
	refused_image("alignment 0x0");
	image_header(image)->kernel_alignment = 3 << 20;
	refused_image("alignment 0x300000");
	image_header(image)->relocatable_kernel = 0;
	image_header(image)->pref_address = IMAGE_PREFERRED + 1;
	refused_image("bound to 0x1000001, not a multiple of its alignment 0x200000");
	image_header(image)->syssize = 0;
	refused_image("0 bytes of code");
	image_header(image)->syssize++;
	refused_image("66560 bytes of 66576");
	image_header(image)->syssize = UINT32_MAX;
	refused_image("truncated");
	refused(image, IMAGE_SETUP, "truncated, 1024 bytes of 66560");
}

TEST(a_directory_or_pipe_is_no_kernel)
{
	struct th *th = th_create("linux");
	int ends[2];

	CHECK_EQ(0, pipe2(ends, O_CLOEXEC));
	close(ends[1]);
	th_set_file(th, "kernel", ends[0]);
	CHECK_EQ(-LICHEN_EINVAL, th_start(th));
	CHECK(strstr(th_error(th), "not a regular file") != NULL);
	th_destroy(th);
}

TEST(the_command_line_is_held_to_the_kernels_limit)
{
	struct th *th;
	char text[64];

	image_make(image);
	image_header(image)->cmdline_size = 10;
	memset(text, 'a', sizeof(text));
	text[11] = 0;
	th = make();
	th_set_text(th, "cmdline", text);
	CHECK_EQ(-LICHEN_E2BIG, th_start(th));
	CHECK(strstr(th_error(th), "cmdline: 11 bytes, this kernel takes 10") != NULL);
	th_destroy(th);

	text[10] = 0;
	th = make();
	th_set_text(th, "cmdline", text);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	CHECK_EQ(0x20000, zero_page(th)->hdr.cmd_line_ptr);
	CHECK_EQ(0, strcmp((const char *)th_ram(th) + 0x20000, text));
	th_destroy(th);
}

TEST(an_empty_initrd_is_refused)
{
	struct th *th;

	image_make(image);
	th = make();
	th_set_file(th, "initrd", image_file("", 0));
	CHECK_EQ(-LICHEN_EINVAL, th_start(th));
	CHECK(strstr(th_error(th), "initrd: the file is empty") != NULL);
	th_destroy(th);
}

TEST(a_load_puts_kernel_initrd_and_zero_page_in_place)
{
	const struct boot_params *page;
	struct th *th;

	image_make(image);
	memset(initrd, 0x5a, sizeof(initrd));
	th = make();
	th_set_file(th, "initrd", image_file(initrd, sizeof(initrd)));
	CHECK_EQ(0, th_start(th));
	CHECK(th_cpu(th) == NULL);
	CHECK_EQ(0, load(th));

	page = zero_page(th);
	CHECK_EQ(0, memcmp(th_ram(th) + IMAGE_PREFERRED, image + IMAGE_SETUP, IMAGE_CODE));
	CHECK_EQ(0, th_ram(th)[IMAGE_PREFERRED + IMAGE_CODE]);
	CHECK_EQ(RAM - 4 * 4096, page->hdr.ramdisk_image);
	CHECK_EQ(sizeof(initrd), page->hdr.ramdisk_size);
	CHECK_EQ(0, memcmp(th_ram(th) + page->hdr.ramdisk_image, initrd, sizeof(initrd)));
	CHECK_EQ(0xff, page->hdr.type_of_loader);
	CHECK_EQ(LOADED_HIGH, page->hdr.loadflags);
	CHECK_EQ(IMAGE_ROOM, page->hdr.init_size);
	CHECK_EQ(0x53726448, page->hdr.header);
	CHECK_EQ(IMAGE_PREFERRED, page->hdr.code32_start);
	CHECK_EQ(0, page->acpi_rsdp_addr);
	CHECK_EQ(3, page->e820_entries);
	CHECK_EQ(0x9fc00, page->e820_table[0].size);
	CHECK_EQ(1, page->e820_table[0].type);
	CHECK_EQ(2, page->e820_table[1].type);
	CHECK_EQ(0x100000, page->e820_table[2].addr);
	CHECK_EQ(RAM - 0x100000, page->e820_table[2].size);
	th_destroy(th);
}

TEST(the_boot_vcpu_starts_at_the_64_bit_entry)
{
	const struct lichen_cpu *cpu;
	struct th *th;

	image_make(image);
	th = make();
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	cpu = th_cpu(th);
	CHECK(cpu != NULL);
	CHECK_EQ(IMAGE_PREFERRED + 0x200, cpu->rip);
	CHECK_EQ(ZERO_PAGE, cpu->rsi);
	CHECK_EQ(2, cpu->rflags);
	CHECK_EQ(0x80000011, cpu->cr0);
	CHECK_EQ(0x20, cpu->cr4);
	CHECK_EQ(0x500, cpu->efer);
	CHECK_EQ(0x10, cpu->cs.selector);
	CHECK(cpu->cs.l == 1 && cpu->cs.db == 0 && cpu->cs.type == 0xb);
	CHECK_EQ(0x18, cpu->ds.selector);
	CHECK_EQ(0x18, cpu->ss.selector);
	CHECK_EQ(0x00af9b000000ffff, *(const uint64_t *)(th_ram(th) + cpu->gdt_base + 0x10));
	CHECK_EQ(0x00cf93000000ffff, *(const uint64_t *)(th_ram(th) + cpu->gdt_base + 0x18));
	CHECK_EQ(0xa003, *(const uint64_t *)(th_ram(th) + cpu->cr3));
	th_destroy(th);
}

TEST(a_second_load_undoes_what_the_guest_did)
{
	struct th *th;

	image_make(image);
	th = make();
	th_set_text(th, "cmdline", "console=ttyS0");
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	memset(th_ram(th) + 0x1000, 0xee, RAM - 0x1000);
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	CHECK_EQ(0, load(th));
	CHECK_EQ(0, memcmp(th_ram(th) + IMAGE_PREFERRED, image + IMAGE_SETUP, IMAGE_CODE));
	CHECK_EQ(0, zero_page(th)->sentinel);
	CHECK_EQ(0, strcmp((const char *)th_ram(th) + 0x20000, "console=ttyS0"));
	th_destroy(th);
}

TEST(a_kernel_larger_than_memory_is_refused_at_load)
{
	struct th *th;

	image_make(image);
	image_header(image)->init_size = 49 << 20;
	th = make();
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(-LICHEN_ENOSPC, load(th));
	CHECK(strstr(th_error(th), "needs 51380224 bytes from 0x1000000") != NULL);
	CHECK(th_cpu(th) == NULL);
	th_destroy(th);
}

TEST(an_initrd_larger_than_memory_is_refused_at_load)
{
	int fd = memfd_create("initrd", MFD_CLOEXEC);
	struct th *th;

	image_make(image);
	CHECK_EQ(0, ftruncate(fd, RAM));
	th = make();
	th_set_file(th, "initrd", fd);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(-LICHEN_ENOSPC, load(th));
	CHECK(strstr(th_error(th), "initrd: 67108864 bytes") != NULL);
	CHECK(th_cpu(th) == NULL);
	th_destroy(th);
}

TEST(a_file_that_shrinks_after_create_is_an_error_at_load)
{
	int fd;
	struct th *th = th_create("linux");

	image_make(image);
	fd = image_file(image, sizeof(image));
	th_set_file(th, "kernel", fd);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, ftruncate(fd, 2000));
	CHECK_EQ(-LICHEN_EIO, load(th));
	CHECK(strstr(th_error(th), "kernel: shrank to 2000 bytes") != NULL);
	th_destroy(th);
}

/* A vmlinux that is refused, for a reason with `text` in it; made good again. */
static void refused_elf(const char *text)
{
	refused(elf, sizeof(elf), text);
	elf_make(elf);
}

TEST(a_vmlinux_goes_where_its_segments_say)
{
	const struct boot_params *page;
	struct th *th = th_create("linux");

	elf_make(elf);
	memset(initrd, 0x5a, sizeof(initrd));
	th_set_file(th, "kernel", image_file(elf, sizeof(elf)));
	th_set_file(th, "initrd", image_file(initrd, sizeof(initrd)));
	th_set_text(th, "cmdline", "console=ttyS0");
	CHECK_EQ(0, th_start(th));
	memset(th_ram(th), 0xee, RAM);
	CHECK_EQ(0, load(th));

	page = zero_page(th);
	CHECK_EQ(0, memcmp(th_ram(th) + ELF_AT, elf + ELF_TEXT, 4096));
	CHECK_EQ(0, memcmp(th_ram(th) + ELF_DATA_AT, elf + ELF_DATA, 4096));
	for (uint32_t at = ELF_DATA_AT + 4096; at < ELF_END; at++)
		CHECK_EQ(0, th_ram(th)[at]);
	CHECK_EQ(0x53726448, page->hdr.header);
	CHECK_EQ(0xaa55, page->hdr.boot_flag);
	CHECK_EQ(0xff, page->hdr.type_of_loader);
	CHECK_EQ(LOADED_HIGH, page->hdr.loadflags);
	CHECK_EQ(RAM - 4 * 4096, page->hdr.ramdisk_image);
	CHECK_EQ(0x20000, page->hdr.cmd_line_ptr);
	CHECK_EQ(3, page->e820_entries);
	CHECK_EQ(ELF_AT + 0x40, th_cpu(th)->rip);
	CHECK_EQ(ZERO_PAGE, th_cpu(th)->rsi);
	CHECK_EQ(0x500, th_cpu(th)->efer);
	th_destroy(th);
}

TEST(a_vmlinux_that_cannot_be_started_is_refused_by_name)
{
	elf_make(elf);
	elf_file(elf)->header.e_entry = ELF_DATA_AT + 4096;
	refused_elf("its entry 0x1002000 lies in no segment");
	elf_file(elf)->header.e_entry = 0xffffffff81000040;
	refused_elf("lies in no segment");
	elf_file(elf)->program[0].p_paddr = 0xff000;
	refused_elf("a segment at 0xff000");
	elf_file(elf)->program[1].p_paddr = ELF_AT + 4095;
	refused_elf("overlaps");
	elf_file(elf)->program[1].p_offset = ELF_SIZE - 4095;
	refused_elf("the file has 0x203000");
	elf_file(elf)->program[1].p_memsz = UINT64_MAX;
	refused_elf("past 4 GiB");
	elf_file(elf)->header.e_machine = EM_AARCH64;
	refused_elf("ELF machine 183");
	memset(elf, 0, sizeof(elf));
	memcpy(elf, ELFMAG, SELFMAG);
	elf[EI_CLASS] = ELFCLASS32;
	elf[EI_DATA] = ELFDATA2LSB;
	refused_elf("ELF machine 0");
}

TEST(a_vmlinux_larger_than_memory_is_refused_at_load)
{
	struct th *th = th_create("linux");

	elf_make(elf);
	elf_file(elf)->program[1].p_memsz = RAM;
	th_set_file(th, "kernel", image_file(elf, sizeof(elf)));
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(-LICHEN_ENOSPC, load(th));
	CHECK(strstr(th_error(th), "needs 67108864 bytes at 0x1001000") != NULL);
	CHECK(th_cpu(th) == NULL);
	th_destroy(th);
}

TEST(random_vmlinuxes_are_refused_or_start_in_ram)
{
	uint64_t seed = 0xfeedbeef;
	uint32_t loaded = 0;

	for (uint32_t round = 0; round < TAP_ROUNDS(300); round++) {
		struct th *th = th_create("linux");

		elf_make(elf);
		for (uint64_t n = image_random(&seed) % 3 + 1; n > 0; n--)
			elf[image_random(&seed) % sizeof(struct elf_file)] =
				(uint8_t)image_random(&seed);
		th_set_file(th, "kernel", image_file(elf, sizeof(elf)));
		if (th_start(th) >= 0 && load(th) >= 0) {
			uint64_t rip = th_cpu(th)->rip;

			loaded++;
			CHECK(rip >= 0x100000 && rip < RAM);
		} else {
			CHECK(th_error(th)[0] != '\0');
		}
		th_destroy(th);
	}
	CHECK(loaded > TAP_ROUNDS(10));
}

enum { PAYLOAD = 0x400, PAYLOAD_SIZE = ELF_SIZE + 16 /* one relocation of each width */ };

/* A length of LZ4 past what the token says. */
static uint8_t *lz4_length(uint8_t *p, uint32_t extra)
{
	memset(p, 255, extra / 255);
	p[extra / 255] = (uint8_t)(extra % 255);
	return p + extra / 255 + 1;
}

/*
 * Puts a packed vmlinux into `image`, as one LZ4 block: its headers, the zeroes up to the
 * text as a match of the byte before, and the rest.
 */
static void make_payload(uint32_t unpacked)
{
	const uint32_t relocs[] = { 0, 0x81000100, 0, 0x81000200 }, magic = 0x184c2102;
	const uint32_t head = 4096, rest = PAYLOAD_SIZE - ELF_TEXT;
	uint8_t *start = image + IMAGE_SETUP + PAYLOAD, *p = start + 8;
	uint32_t block;

	image_make(image);
	elf_make(elf);
	elf_file(elf)->header.e_shoff = ELF_SIZE; /* where the ELF file ends */
	*p++ = 0xff;
	p = lz4_length(p, head - 15);
	memcpy(p, elf, head);
	p += head;
	*p++ = 1;
	*p++ = 0;
	p = lz4_length(p, ELF_TEXT - head - 4 - 15);
	*p++ = 0xf0;
	p = lz4_length(p, rest - 15);
	memcpy(p, elf + ELF_TEXT, ELF_SIZE - ELF_TEXT);
	memcpy(p + ELF_SIZE - ELF_TEXT, relocs, sizeof(relocs));
	p += rest;
	block = (uint32_t)(p - start - 8);
	memcpy(start, &magic, sizeof(magic));
	memcpy(start + 4, &block, sizeof(block));
	memcpy(p, &unpacked, sizeof(unpacked));
	image_header(image)->payload_offset = PAYLOAD;
	image_header(image)->payload_length = (uint32_t)(p + sizeof(unpacked) - start);
}

/* Where a load put the kernel, checked against what it must look like there. */
static uint64_t unpacked_at(struct th *th)
{
	const struct lichen_cpu *cpu = th_cpu(th);
	uint64_t at = cpu->rip - 0x40, was, is;
	const uint8_t *text = th_ram(th) + at;
	uint32_t narrow, moved;

	CHECK(at >= ELF_AT && at % (2 << 20) == 0 && at <= RAM - IMAGE_ROOM);
	CHECK_EQ(0, memcmp(text, elf + ELF_TEXT, 0x100));
	CHECK_EQ(0, memcmp(text + 4096, elf + ELF_DATA, 4096));
	CHECK_EQ(0, text[8192]);
	memcpy(&was, elf + ELF_TEXT + 0x100, 8);
	memcpy(&is, text + 0x100, 8);
	memcpy(&narrow, elf + ELF_TEXT + 0x200, 4);
	memcpy(&moved, text + 0x200, 4);
	CHECK_EQ(is - was, (uint32_t)(moved - narrow));
	CHECK(is - was < 1 << 30 && (is - was) % (2 << 20) == 0);
	return at;
}

TEST(a_bzimage_is_unpacked_at_random_addresses)
{
	uint64_t first_text = 0, first_gpa = 0, texts = 0, gpas = 0;
	struct th *th;

	make_payload(PAYLOAD_SIZE);
	th = make();
	th_set_file(th, "initrd", image_file(initrd, sizeof(initrd)));
	CHECK_EQ(0, th_start(th));
	for (uint32_t i = 0; i < 20; i++) {
		uint64_t at, text;

		CHECK_EQ(0, load(th));
		at = unpacked_at(th);
		memcpy(&text, th_ram(th) + at + 0x100, 8);
		CHECK_EQ(LOADED_HIGH | KASLR_FLAG, zero_page(th)->hdr.loadflags);
		CHECK_EQ(0, memcmp(th_ram(th) + zero_page(th)->hdr.ramdisk_image, initrd,
				   sizeof(initrd)));
		CHECK(at + IMAGE_ROOM <= zero_page(th)->hdr.ramdisk_image);
		if (i == 0)
			first_gpa = at, first_text = text;
		gpas += at != first_gpa;
		texts += text != first_text;
	}
	CHECK(gpas > 0 && texts > 0);
	th_destroy(th);
}

TEST(nokaslr_leaves_an_unpacked_kernel_where_it_was_linked)
{
	struct th *th;

	make_payload(PAYLOAD_SIZE);
	th = make();
	th_set_text(th, "cmdline", "quiet nokaslr");
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	CHECK_EQ(ELF_AT, unpacked_at(th));
	CHECK_EQ(0, memcmp(th_ram(th) + ELF_AT, elf + ELF_TEXT, 4096));
	CHECK_EQ(LOADED_HIGH, zero_page(th)->hdr.loadflags);
	th_destroy(th);
}

/* `image` with these parameters is loaded as it is. */
static void left_to_the_guest(uint32_t unpack, const char *cmdline)
{
	struct th *th = make();

	th_set(th, "unpack", unpack);
	th_set_text(th, "cmdline", cmdline);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	CHECK_EQ(IMAGE_PREFERRED + 0x200, th_cpu(th)->rip);
	CHECK_EQ(0, memcmp(th_ram(th) + IMAGE_PREFERRED, image + IMAGE_SETUP, IMAGE_CODE));
	CHECK_EQ(LOADED_HIGH, zero_page(th)->hdr.loadflags);
	th_destroy(th);
}

TEST(the_guest_unpacks_what_it_must_or_is_told_to)
{
	make_payload(PAYLOAD_SIZE);
	left_to_the_guest(1, "");
	left_to_the_guest(0, "mem=40M");
	make_payload(PAYLOAD_SIZE - 1);
	left_to_the_guest(0, "");
	make_payload(PAYLOAD_SIZE);
	image_header(image)->relocatable_kernel = 0;
	left_to_the_guest(0, "");
	make_payload(PAYLOAD_SIZE);
	image_header(image)->init_size = 2 << 20; /* less than what is inside */
	left_to_the_guest(0, "");
	make_payload(PAYLOAD_SIZE);
	image[IMAGE_SETUP + PAYLOAD] = 0x1f;
	left_to_the_guest(0, "");
}

TEST(what_the_host_is_told_to_unpack_and_cannot_is_refused)
{
	struct th *th;

	make_payload(PAYLOAD_SIZE - 1);
	th = make();
	th_set(th, "unpack", 2);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(-LICHEN_EBADMSG, load(th));
	CHECK(strstr(th_error(th), "unpacks to more") != NULL);
	CHECK(th_cpu(th) == NULL);
	th_destroy(th);
}

static lichen_status test_rsdp(void *self, uint64_t client, lichen_gpa *rsdp)
{
	(void)client;
	if (*(const lichen_gpa *)self == 0)
		return -LICHEN_ENODEV;
	*rsdp = *(const lichen_gpa *)self;
	return 0;
}

static const struct lichen_acpi_ops test_acpi = {
	LICHEN_STRUCT(struct lichen_acpi_ops),
	.rsdp = test_rsdp,
};

TEST(the_rsdp_is_handed_over)
{
	lichen_gpa rsdp = 0xe0000;
	struct th *th;

	image_make(image);
	th = make();
	th_provide(th, LICHEN_ACPI, &test_acpi, &rsdp);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	CHECK_EQ(0xe0000, zero_page(th)->acpi_rsdp_addr);
	rsdp = 0;
	CHECK_EQ(-LICHEN_ENODEV, load(th));
	th_destroy(th);
}

TEST(random_headers_are_refused_or_loaded_inside_ram)
{
	uint64_t seed = 0xfeedbeef;
	uint32_t loaded = 0;

	for (uint32_t round = 0; round < TAP_ROUNDS(300); round++) {
		struct th *th;

		image_make(image);
		for (uint64_t n = image_random(&seed) % 3 + 1; n > 0; n--)
			image[0x1f1 + image_random(&seed) % 0x80] =
				(uint8_t)image_random(&seed);
		th = make();
		if (th_start(th) >= 0 && load(th) >= 0) {
			uint64_t rip = th_cpu(th)->rip;

			loaded++;
			CHECK(rip >= 0x100200 && rip < RAM);
		} else {
			CHECK(th_error(th)[0] != '\0');
		}
		th_destroy(th);
	}
	CHECK(loaded > TAP_ROUNDS(10));
}
