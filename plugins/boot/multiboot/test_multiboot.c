/* SPDX-License-Identifier: MIT */
/* The multiboot plugin through the ABI: what is refused, and what a load leaves in memory. */
#include "testhost.h"

#include <elf.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "multiboot_info.h"
#include "tap.h"

enum {
	RAM = TH_RAM_SIZE,
	SIZE = 0x4000,
	HEADER = 0x1000, /* of Multiboot in the file */
	AT = 0x200000,
	ADDRESSES = 1 << 16,
};

static union {
	uint8_t bytes[SIZE];
	struct {
		Elf32_Ehdr header;
		Elf32_Phdr program[1];
	} elf;
	struct {
		uint8_t before[HEADER];
		uint32_t magic, flags, checksum;
		uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
	} boot;
} file;

static uint8_t module[5000];

static void make_header(uint32_t flags)
{
	file.boot.magic = 0x1badb002;
	file.boot.flags = flags;
	file.boot.checksum = 0u - 0x1badb002u - flags;
}

static void fill(void)
{
	for (uint32_t i = 0; i < SIZE; i++)
		file.bytes[i] = (uint8_t)(i * 5 + (i >> 8));
}

/* The file from 0x1000 on at AT, 0x2800 bytes and as many zeroed ones. */
static void make_elf(void)
{
	fill();
	memset(&file, 0, 0x1000);
	file.elf.header = (Elf32_Ehdr){ .e_ident = ELFMAG,
					.e_type = ET_EXEC,
					.e_machine = EM_386,
					.e_entry = 0xc0000020, /* virtual */
					.e_phoff = sizeof(Elf32_Ehdr),
					.e_phentsize = sizeof(Elf32_Phdr),
					.e_phnum = 1 };
	file.bytes[EI_CLASS] = ELFCLASS32;
	file.bytes[EI_DATA] = ELFDATA2LSB;
	file.elf.program[0] = (Elf32_Phdr){ .p_type = PT_LOAD,
					    .p_offset = 0x1000,
					    .p_vaddr = 0xc0000000,
					    .p_paddr = AT,
					    .p_filesz = 0x2800,
					    .p_memsz = 0x5000 };
	make_header(3);
}

/* No ELF file: the same as above said by the header. */
static void make_flat(void)
{
	fill();
	make_header(ADDRESSES | 3);
	file.boot.header_addr = AT;
	file.boot.load_addr = AT;
	file.boot.load_end_addr = AT + 0x2800;
	file.boot.bss_end_addr = AT + 0x5000;
	file.boot.entry_addr = AT + 0x20;
}

static int file_of(const void *bytes, size_t size)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
		abort();
	return fd;
}

static struct th *make(void)
{
	struct th *th = th_create("multiboot");

	th_set_file(th, "kernel", file_of(&file, SIZE));
	return th;
}

static lichen_status load(struct th *th)
{
	const struct lichen_boot_ops *ops = th_interface(th, LICHEN_BOOT);

	CHECK(ops != NULL);
	return ops->load(th_self(th), 0);
}

static void said(struct th *th, const char *text)
{
	if (strstr(th_error(th), text) == NULL)
		tap_fail("\"%s\" has no \"%s\"", th_error(th), text);
}

static void refused(const char *text)
{
	struct th *th = make();

	CHECK(th_start(th) < 0);
	said(th, text);
	th_destroy(th);
}

static const void *guest(struct th *th, uint64_t gpa)
{
	return th_ram(th) + gpa;
}

static void is_loaded(struct th *th)
{
	CHECK_EQ(0, memcmp(guest(th, AT), file.bytes + 0x1000, 0x2800));
	for (uint32_t i = 0x2800; i < 0x5000; i++)
		CHECK_EQ(0, th_ram(th)[AT + i]);
	CHECK_EQ(AT + 0x20, th_cpu(th)->rip);
}

TEST(an_elf_image_is_loaded_and_started)
{
	const struct lichen_cpu *cpu;
	struct th *th;

	make_elf();
	th = make();
	CHECK_EQ(0, th_start(th));
	CHECK(th_cpu(th) == NULL);
	CHECK_EQ(0, load(th));
	is_loaded(th);
	cpu = th_cpu(th);
	CHECK_EQ(0x2badb002, cpu->rax);
	CHECK_EQ(0x7000, cpu->rbx);
	CHECK_EQ(0x11, cpu->cr0);
	CHECK_EQ(2, cpu->rflags);
	CHECK(cpu->cs.db == 1 && cpu->cs.l == 0 && cpu->cs.type == 0xb);
	CHECK_EQ(UINT32_MAX, cpu->ss.limit);
	th_destroy(th);
}

TEST(a_header_with_addresses_needs_no_elf)
{
	struct th *th;

	make_flat();
	th = make();
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	is_loaded(th);
	th_destroy(th);

	file.boot.load_end_addr = 0; /* all of the file */
	file.boot.bss_end_addr = 0;
	th = make();
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	CHECK_EQ(0, memcmp(guest(th, AT), file.bytes + 0x1000, SIZE - 0x1000));
	CHECK_EQ(0, th_ram(th)[AT + SIZE - 0x1000]);
	th_destroy(th);

	file.boot.load_addr -= 0x1000; /* from the start of the file */
	th = make();
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	CHECK_EQ(0, memcmp(guest(th, AT - 0x1000), file.bytes, SIZE));
	th_destroy(th);
}

TEST(the_information_says_memory_module_and_command_lines)
{
	const struct multiboot_module *mods;
	const struct multiboot_range *map;
	const struct multiboot_info *info;
	struct th *th;

	make_elf();
	memset(module, 0x5a, sizeof(module));
	th = make();
	th_set_text(th, "cmdline", "console=com1");
	th_set_file(th, "module", file_of(module, sizeof(module)));
	th_set_text(th, "module_cmdline", "root=/dev/vda");
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	info = guest(th, th_cpu(th)->rbx);
	CHECK_EQ(0x24d, info->flags);
	CHECK_EQ(639, info->mem_lower);
	CHECK_EQ(0, memcmp(guest(th, 0x40e), "\xc0\x9f", 2));
	CHECK_EQ(0, memcmp(guest(th, 0x413), "\x7f\x02", 2));
	CHECK_EQ((RAM >> 10) - 1024, info->mem_upper);
	CHECK_EQ(0, strcmp(guest(th, info->cmdline), "kernel console=com1"));
	CHECK_EQ(0, strcmp(guest(th, info->boot_loader_name), "Lichen"));
	CHECK_EQ(1, info->mods_count);
	mods = guest(th, info->mods_addr);
	CHECK_EQ(AT + 0x5000, mods->start);
	CHECK_EQ(AT + 0x5000 + sizeof(module), mods->end);
	CHECK_EQ(0, memcmp(guest(th, mods->start), module, sizeof(module)));
	CHECK_EQ(0, strcmp(guest(th, mods->cmdline), "module root=/dev/vda"));
	CHECK_EQ(3 * 24, info->mmap_length);
	map = guest(th, info->mmap_addr);
	CHECK_EQ(20, map[0].size);
	CHECK_EQ(0x9fc00, map[0].size_low);
	CHECK_EQ(2, map[1].type);
	CHECK_EQ(0x100000, map[2].gpa_low);
	CHECK_EQ(RAM - 0x100000, map[2].size_low);
	th_destroy(th);
}

TEST(a_second_load_undoes_what_the_guest_did)
{
	struct th *th;

	make_elf();
	th = make();
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	memset(th_ram(th), 0xee, RAM);
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	CHECK_EQ(0, load(th));
	is_loaded(th);
	CHECK_EQ(0, ((const struct multiboot_info *)guest(th, 0x7000))->mods_count);
	CHECK_EQ(0, strcmp(guest(th, 0x20000), "kernel "));
	th_destroy(th);
}

TEST(the_header_is_looked_for_in_8192_bytes)
{
	make_elf();
	memmove(file.bytes + 8192 - 12, file.bytes + HEADER, 12);
	file.boot.magic = 0;
	{
		struct th *th = make();

		CHECK_EQ(0, th_start(th));
		th_destroy(th);
	}
	memmove(file.bytes + 8192 - 8, file.bytes + 8192 - 12, 12);
	file.bytes[8192 - 12] = 0;
	refused("no Multiboot header in its first 8192 bytes");
	make_elf();
	file.boot.checksum++;
	refused("no Multiboot header");
	make_elf();
	memmove(file.bytes + HEADER + 2, file.bytes + HEADER, 12);
	refused("no Multiboot header");
}

TEST(what_is_asked_for_and_not_here_is_refused)
{
	make_elf();
	make_header(7);
	refused("asks for a video mode");
	make_header(0x8003);
	refused("asks for 0x8000");
	make_header(0x20003); /* above bit 16: may be ignored */
	{
		struct th *th = make();

		CHECK_EQ(0, th_start(th));
		th_destroy(th);
	}
	make_flat();
	make_header(3);
	refused("not an ELF file");
}

TEST(addresses_that_do_not_add_up_are_refused)
{
	make_flat();
	file.boot.load_addr = AT + 1;
	refused("does not go with a start at 0x200001");
	make_flat();
	file.boot.load_addr = AT - 0x1001;
	refused("does not go with");
	make_flat();
	file.boot.load_end_addr = AT;
	refused("is not in its file");
	file.boot.load_end_addr = AT + SIZE - 0x1000 + 1;
	refused("is not in its file");
	make_flat();
	file.boot.bss_end_addr = AT + 0x27ff;
	refused("its zeroed memory ends at 0x2027ff");
	make_flat();
	file.boot.entry_addr = AT + 0x2800;
	refused("its entry 0x202800 is not in what is loaded");
	file.boot.entry_addr = AT - 1;
	refused("is not in what is loaded");
	make_flat();
	file.boot.header_addr = file.boot.load_addr = UINT32_MAX;
	file.boot.load_end_addr = 0;
	refused("past 4 GiB");
	make_elf();
	file.elf.header.e_entry = 0xc0002800;
	refused("its entry 0xc0002800 is not in what is loaded");
	make_elf();
	file.elf.program[0].p_filesz = SIZE;
	file.elf.program[0].p_memsz = SIZE;
	refused("the file has 0x4000");
}

TEST(what_does_not_fit_is_refused_at_load)
{
	int fd = memfd_create("module", MFD_CLOEXEC);
	struct th *th;

	make_flat();
	file.boot.bss_end_addr = RAM + 1;
	th = make();
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(-LICHEN_ENOSPC, load(th));
	said(th, "needs 65011713 bytes at 0x200000");
	th_destroy(th);

	make_flat();
	file.boot.header_addr = file.boot.load_addr = 0x7000;
	file.boot.load_end_addr = file.boot.bss_end_addr = 0;
	file.boot.entry_addr = 0x7000;
	th = make();
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(-LICHEN_ENOSPC, load(th));
	said(th, "at 0x7000, guest memory for it is from 0x100000");
	th_destroy(th);

	make_flat();
	CHECK_EQ(0, ftruncate(fd, RAM - AT - 0x5000 + 1));
	th = make();
	th_set_file(th, "module", fd);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(-LICHEN_ENOSPC, load(th));
	said(th, "module: 64991233 bytes, no room");
	CHECK(th_cpu(th) == NULL);
	th_destroy(th);
}

TEST(a_command_line_without_its_module_is_refused)
{
	struct th *th;

	make_elf();
	th = make();
	th_set_text(th, "module_cmdline", "x");
	CHECK_EQ(-LICHEN_EINVAL, th_start(th));
	said(th, "module_cmdline: there is no module");
	th_destroy(th);
}

TEST(random_images_are_refused_or_start_in_ram)
{
	uint64_t seed = 0x5eed;
	uint32_t loaded = 0;

	for (uint32_t round = 0; round < 600; round++) {
		struct th *th;

		(round % 2 == 0 ? make_elf : make_flat)();
		for (uint32_t n = 0; n <= round % 3; n++) {
			uint32_t at;

			seed = seed * 6364136223846793005 + 1442695040888963407;
			at = (uint32_t)(seed >> 33) % 84;
			if (round % 2 != 0)
				at = HEADER + 12 + at % 20;
			file.bytes[at] = (uint8_t)(seed >> 56);
		}
		th = make();
		if (th_start(th) >= 0 && load(th) >= 0) {
			loaded++;
			CHECK(th_cpu(th)->rip >= 0x100000 && th_cpu(th)->rip < RAM);
		} else {
			CHECK(th_error(th)[0] != '\0');
		}
		th_destroy(th);
	}
	CHECK(loaded > 10);
}
