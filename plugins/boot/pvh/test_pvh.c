/* SPDX-License-Identifier: MIT */
/* The pvh plugin through the ABI: what is refused, and what a load leaves in memory. */
#include "testhost.h"

#include <elf.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pvh_start.h"
#include "tap.h"

enum {
	RAM = TH_RAM_SIZE,
	CODE = 0x1000, /* offset of the first segment, which ends where the note starts */
	NOTE = 0x2000,
	SIZE = 0x3000,
	AT = 0x1000000, /* of the first segment in memory */
	ROOM = 0x5000,	/* of it, with its zeroed end */
	SETUP = 1024,	/* of a bzImage whose setup_sects is 1 */
	PACKED_MAX = SETUP + SIZE + 64,
};

/* An ELF kernel with one segment and the note, all of which tests change. */
static union {
	uint8_t bytes[SIZE];
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr program[2];
	} elf;
	struct {
		uint8_t before[NOTE];
		uint32_t owner_size, size, type;
		char owner[4];
		uint64_t entry;
	} note;
} file;

static uint8_t packed[PACKED_MAX], initrd[5000];

static void make_elf(void)
{
	memset(&file, 0, sizeof(file));
	file.elf.header = (Elf64_Ehdr){ .e_ident = ELFMAG,
					.e_type = ET_EXEC,
					.e_machine = EM_X86_64,
					.e_phoff = sizeof(Elf64_Ehdr),
					.e_phentsize = sizeof(Elf64_Phdr),
					.e_phnum = 2 };
	file.bytes[EI_CLASS] = ELFCLASS64;
	file.bytes[EI_DATA] = ELFDATA2LSB;
	file.elf.program[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
					    .p_offset = CODE,
					    .p_vaddr = 0xffffffff81000000,
					    .p_paddr = AT,
					    .p_filesz = NOTE - CODE,
					    .p_memsz = ROOM };
	file.elf.program[1] = (Elf64_Phdr){
		.p_type = PT_NOTE, .p_offset = NOTE, .p_filesz = 24, .p_align = 4
	};
	for (uint32_t i = CODE; i < NOTE; i++)
		file.bytes[i] = (uint8_t)(i * 7 + (i >> 8));
	file.note.owner_size = 4;
	file.note.size = 8;
	file.note.type = 18;
	memcpy(file.note.owner, "Xen", 4);
	file.note.entry = AT + 0x10;
}

/* A bzImage around `file`: one LZ4 block that is one run of literals.  Returns its size. */
static size_t make_bzimage(uint32_t unpacked)
{
	const uint32_t extra = SIZE - 15, words[] = { 0x184c2102, 1 + extra / 255 + 1 + SIZE };
	const uint32_t place[] = { 0, 8 + words[1] + 4 }; /* payload_offset, payload_length */
	uint8_t *p = packed + SETUP;

	memset(packed, 0, sizeof(packed));
	packed[0x1f1] = 1;
	memcpy(packed + 0x202, "HdrS\x0f\x02", 6);
	packed[0x238] = 200; /* cmdline_size */
	memcpy(packed + 0x248, place, sizeof(place));
	memcpy(p, words, sizeof(words));
	p += sizeof(words);
	*p++ = 0xf0;
	memset(p, 255, extra / 255);
	p += extra / 255;
	*p++ = extra % 255;
	memcpy(p, file.bytes, SIZE);
	memcpy(p + SIZE, &unpacked, sizeof(unpacked));
	return (size_t)(p + SIZE + sizeof(unpacked) - packed);
}

static int file_of(const void *bytes, size_t size)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
		abort();
	return fd;
}

static struct th *make(const void *bytes, size_t size)
{
	struct th *th = th_create("pvh");

	th_set_file(th, "kernel", file_of(bytes, size));
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

/* `file` is refused before the VM is built, for a reason with `text` in it. */
static void refused(const char *text)
{
	struct th *th = make(&file, SIZE);

	CHECK(th_start(th) < 0);
	said(th, text);
	th_destroy(th);
	make_elf();
}

/* The bzImage is taken, and refused when it is loaded. */
static void refused_at_load(size_t size, const char *text)
{
	struct th *th = make(packed, size);

	CHECK_EQ(0, th_start(th));
	CHECK(load(th) < 0);
	said(th, text);
	CHECK(th_cpu(th) == NULL);
	th_destroy(th);
	make_elf();
}

static const void *guest(struct th *th, uint64_t gpa)
{
	return th_ram(th) + gpa;
}

static void is_loaded(struct th *th)
{
	CHECK_EQ(0, memcmp(guest(th, AT), file.bytes + CODE, NOTE - CODE));
	for (uint32_t i = NOTE - CODE; i < ROOM; i++)
		CHECK_EQ(0, th_ram(th)[AT + i]);
}

TEST(a_load_leaves_kernel_initrd_and_start_info)
{
	const struct pvh_module *module;
	const struct pvh_range *map;
	const struct pvh_start *start;
	struct th *th;

	make_elf();
	memset(initrd, 0x5a, sizeof(initrd));
	th = make(&file, SIZE);
	th_set_file(th, "initrd", file_of(initrd, sizeof(initrd)));
	th_set_text(th, "cmdline", "console=ttyS0");
	CHECK_EQ(0, th_start(th));
	CHECK(th_cpu(th) == NULL);
	CHECK_EQ(0, load(th));

	is_loaded(th);
	start = guest(th, th_cpu(th)->rbx);
	CHECK_EQ(0x336ec578, start->magic);
	CHECK_EQ(1, start->version);
	CHECK_EQ(0, start->flags);
	CHECK_EQ(1, start->modules);
	CHECK_EQ(0, start->rsdp_at);
	CHECK_EQ(0, strcmp(guest(th, start->cmdline_at), "console=ttyS0"));
	module = guest(th, start->modules_at);
	CHECK_EQ(RAM - 8192, module->at);
	CHECK_EQ(sizeof(initrd), module->size);
	CHECK_EQ(0, memcmp(guest(th, module->at), initrd, sizeof(initrd)));
	map = guest(th, start->map_at);
	CHECK_EQ(3, start->map_entries);
	CHECK_EQ(0x9fc00, map[0].size);
	CHECK_EQ(2, map[1].type);
	CHECK_EQ(0x100000, map[2].gpa);
	CHECK_EQ(RAM - 0x100000, map[2].size);
	th_destroy(th);
}

TEST(the_boot_vcpu_starts_in_flat_protected_mode)
{
	const struct lichen_cpu *cpu;
	struct th *th;

	make_elf();
	th = make(&file, SIZE);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	cpu = th_cpu(th);
	CHECK_EQ(AT + 0x10, cpu->rip);
	CHECK_EQ(0x7000, cpu->rbx);
	CHECK_EQ(2, cpu->rflags);
	CHECK_EQ(0x11, cpu->cr0);
	CHECK_EQ(0, cpu->cr4);
	CHECK_EQ(0, cpu->efer);
	CHECK(cpu->cs.db == 1 && cpu->cs.l == 0 && cpu->cs.type == 0xb && cpu->cs.base == 0);
	CHECK(cpu->ds.type == 3 && cpu->ds.limit == UINT32_MAX);
	CHECK(cpu->tr.type == 0xb && cpu->tr.limit == 0x67);
	CHECK_EQ(0x00cf9b000000ffff, *(const uint64_t *)guest(th, cpu->gdt_base + 0x10));
	CHECK_EQ(0, ((const struct pvh_start *)guest(th, cpu->rbx))->modules);
	th_destroy(th);
}

TEST(a_bzimage_is_unpacked)
{
	struct th *th;

	make_elf();
	th = make(packed, make_bzimage(SIZE));
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	is_loaded(th);
	CHECK_EQ(AT + 0x10, th_cpu(th)->rip);
	th_destroy(th);
}

TEST(a_bzimages_own_limit_of_the_command_line_counts)
{
	char text[202];
	struct th *th;

	make_elf();
	memset(text, 'a', sizeof(text));
	text[201] = '\0';
	th = make(packed, make_bzimage(SIZE));
	th_set_text(th, "cmdline", text);
	CHECK_EQ(-LICHEN_E2BIG, th_start(th));
	said(th, "cmdline: 201 bytes, this kernel takes 200");
	th_destroy(th);
}

TEST(a_second_load_undoes_what_the_guest_did)
{
	struct th *th;

	make_elf();
	th = make(packed, make_bzimage(SIZE));
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	memset(th_ram(th), 0xee, RAM);
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	CHECK_EQ(0, load(th));
	is_loaded(th);
	CHECK_EQ(0x336ec578, *(const uint32_t *)guest(th, 0x7000));
	th_destroy(th);
}

TEST(kernels_without_a_good_entry_are_refused)
{
	make_elf();
	file.note.type = 17;
	refused("the ELF note Xen 18 is not there");
	file.note.owner[0] = 'x';
	refused("not there");
	file.elf.program[1].p_filesz = 23;
	refused("not there");
	file.note.size = 5;
	refused("5 bytes, not 4 or 8");
	file.note.entry = AT + NOTE - CODE;
	refused("0x1001000 lies in no segment");
	file.note.entry = AT - 1;
	refused("lies in no segment");
	file.note.entry = UINT64_MAX;
	refused("lies in no segment");
	file.elf.program[0].p_memsz = UINT64_MAX;
	refused("past 4 GiB");
	file.bytes[0] = 0;
	refused("neither an ELF file nor a bzImage");
}

TEST(payloads_that_are_damaged_are_refused)
{
	size_t size;

	make_elf();
	refused_at_load(make_bzimage(SIZE - 1), "more than the 12287 bytes");
	refused_at_load(make_bzimage(SIZE + 1), "less than the 12289 bytes");
	refused_at_load(make_bzimage(512 << 20), "less than the 536870912 bytes");
	size = make_bzimage(SIZE);
	packed[SETUP + 4] = 0xff;
	refused_at_load(size, "damaged at byte 8");
	memset(&file, 'x', 4);
	refused_at_load(make_bzimage(SIZE), "not an ELF file");
	file.note.type = 1;
	refused_at_load(make_bzimage(SIZE), "no PVH entry");
	file.elf.program[0].p_filesz = SIZE;
	file.elf.program[0].p_memsz = SIZE;
	refused_at_load(make_bzimage(SIZE), "the file has 0x3000");
}

TEST(what_does_not_fit_into_guest_memory_is_refused_at_load)
{
	struct th *th;

	make_elf();
	file.elf.program[0].p_memsz = RAM;
	th = make(&file, SIZE);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(-LICHEN_ENOSPC, load(th));
	said(th, "needs 67108864 bytes at 0x1000000");
	th_destroy(th);

	make_elf();
	file.elf.program[0].p_paddr = 0x7000;
	file.note.entry = 0x7000;
	th = make(&file, SIZE);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(-LICHEN_ENOSPC, load(th));
	said(th, "at 0x7000, guest memory for it is from 0x100000");
	CHECK(th_cpu(th) == NULL);
	th_destroy(th);
}

TEST(an_initrd_must_not_be_empty_or_larger_than_memory)
{
	int fd = memfd_create("initrd", MFD_CLOEXEC);
	struct th *th;

	make_elf();
	th = make(&file, SIZE);
	th_set_file(th, "initrd", file_of("", 0));
	CHECK_EQ(-LICHEN_EINVAL, th_start(th));
	said(th, "initrd: the file is empty");
	th_destroy(th);

	CHECK_EQ(0, ftruncate(fd, RAM - AT - ROOM + 1));
	th = make(&file, SIZE);
	th_set_file(th, "initrd", fd);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(-LICHEN_ENOSPC, load(th));
	said(th, "no room beside the kernel");
	CHECK(th_cpu(th) == NULL);
	th_destroy(th);
}

static lichen_status test_rsdp(void *self, uint64_t client, lichen_gpa *rsdp)
{
	(void)client;
	*rsdp = *(const lichen_gpa *)self;
	return *rsdp == 0 ? -LICHEN_ENODEV : 0;
}

static const struct lichen_acpi_ops test_acpi = {
	LICHEN_STRUCT(struct lichen_acpi_ops),
	.rsdp = test_rsdp,
};

TEST(the_rsdp_is_handed_over)
{
	lichen_gpa rsdp = 0xe0000;
	struct th *th;

	make_elf();
	th = make(&file, SIZE);
	th_provide(th, LICHEN_ACPI, &test_acpi, &rsdp);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, load(th));
	CHECK_EQ(0xe0000, ((const struct pvh_start *)guest(th, 0x7000))->rsdp_at);
	rsdp = 0;
	CHECK_EQ(-LICHEN_ENODEV, load(th));
	th_destroy(th);
}

TEST(random_kernels_are_refused_or_start_in_ram)
{
	uint64_t seed = 0xbeefcafe;
	uint32_t loaded = 0;

	for (uint32_t round = 0; round < TAP_ROUNDS(400); round++) {
		struct th *th;

		make_elf();
		for (uint32_t n = 0; n <= round % 3; n++) {
			uint32_t at;

			seed = seed * 6364136223846793005 + 1442695040888963407;
			at = (uint32_t)(seed >> 33) % (uint32_t)(sizeof(file.elf) + 24);
			if (at >= sizeof(file.elf))
				at += NOTE - (uint32_t)sizeof(file.elf);
			file.bytes[at] = (uint8_t)(seed >> 56);
		}
		th = round % 2 == 0 ? make(&file, SIZE) : make(packed, make_bzimage(SIZE));
		if (th_start(th) >= 0 && load(th) >= 0) {
			loaded++;
			CHECK(th_cpu(th)->rip >= 0x100000 && th_cpu(th)->rip < RAM);
		} else {
			CHECK(th_error(th)[0] != '\0');
		}
		th_destroy(th);
	}
	CHECK(loaded > TAP_ROUNDS(10));
}
