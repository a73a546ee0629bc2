/* SPDX-License-Identifier: MIT */
/* lichen/sdk/elf.h on good, hostile and random ELF files. */
#include <lichen/sdk/elf.h>

#include "tap.h"

enum { FILE_SIZE = 0x3000, HEADERS = 4 };

static union {
	uint8_t bytes[FILE_SIZE];
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr program[HEADERS];
	} wide;
	struct {
		Elf32_Ehdr header;
		Elf32_Phdr program[HEADERS];
	} narrow;
} file;

static struct lichen_why why;
static struct lichen_elf elf;

static void segment(uint32_t index, uint64_t offset, uint64_t gpa, uint64_t size, uint64_t room)
{
	file.wide.program[index] = (Elf64_Phdr){ .p_type = PT_LOAD,
						 .p_offset = offset,
						 .p_vaddr = 0xffffffff80000000 + gpa,
						 .p_paddr = gpa,
						 .p_filesz = size,
						 .p_memsz = room };
}

/* Two segments out of order, a note "Xen" 18 with 4 bytes after one of another owner. */
static void make(void)
{
	static const uint32_t notes[] = { 4, 4, 18, 0x554e47, 1, 4, 4, 18, 0x6e6558, 0x100010 };

	memset(&file, 0, sizeof(file));
	file.wide.header = (Elf64_Ehdr){ .e_ident = ELFMAG,
					 .e_type = ET_EXEC,
					 .e_machine = EM_X86_64,
					 .e_entry = 0x100010,
					 .e_phoff = sizeof(Elf64_Ehdr),
					 .e_phentsize = sizeof(Elf64_Phdr),
					 .e_phnum = HEADERS };
	file.bytes[EI_CLASS] = ELFCLASS64;
	file.bytes[EI_DATA] = ELFDATA2LSB;
	segment(0, 0x2000, 0x200000, 0x800, 0x1000);
	segment(1, 0x1000, 0x100000, 0x1000, 0x1000);
	file.wide.program[2] = (Elf64_Phdr){
		.p_type = PT_NOTE, .p_offset = 0x2800, .p_filesz = sizeof(notes), .p_align = 4
	};
	memcpy(file.bytes + 0x2800, notes, sizeof(notes));
}

static lichen_status parse(uint64_t size)
{
	const struct lichen_source source = lichen_source_of("kernel", file.bytes, size);

	return lichen_elf_parse(&source, &elf, &why);
}

/* What is in `file` must be refused for a reason with `text` in it; makes it good again. */
static void refused(const char *text)
{
	memset(&elf, 0x5a, sizeof(elf));
	CHECK_EQ(-LICHEN_ENOEXEC, parse(FILE_SIZE));
	if (strstr(why.text, text) == NULL)
		tap_fail("\"%s\" has no \"%s\"", why.text, text);
	CHECK_EQ(0x5a5a5a5a, elf.count);
	make();
}

static lichen_status note(uint32_t type, uint32_t *value, uint64_t *size)
{
	const struct lichen_source source = lichen_source_of("kernel", file.bytes, FILE_SIZE);

	return lichen_elf_note(&source, &elf, "Xen", type, value, sizeof(*value), size);
}

TEST(segments_come_out_sorted)
{
	make();
	CHECK_EQ(0, parse(FILE_SIZE));
	CHECK_EQ(64, elf.bits);
	CHECK_EQ(2, elf.count);
	CHECK_EQ(0x100000, elf.segment[0].gpa);
	CHECK_EQ(0x1000, elf.segment[0].offset);
	CHECK_EQ(0x800, elf.segment[1].file_size);
	CHECK_EQ(0x100000, elf.low);
	CHECK_EQ(0x201000, elf.high);
	CHECK(lichen_elf_at(&elf, 0x2007ff) == &elf.segment[1]);
	CHECK(lichen_elf_at(&elf, 0x200800) == NULL);
	CHECK(lichen_elf_at(&elf, 0xfffff) == NULL);
}

TEST(a_32_bit_file_is_read_as_well)
{
	make();
	memset(&file, 0, 0x1000);
	file.narrow.header = (Elf32_Ehdr){ .e_ident = ELFMAG,
					   .e_type = ET_EXEC,
					   .e_machine = EM_386,
					   .e_entry = 0x100000,
					   .e_phoff = sizeof(Elf32_Ehdr),
					   .e_phentsize = sizeof(Elf32_Phdr),
					   .e_phnum = 1 };
	file.bytes[EI_CLASS] = ELFCLASS32;
	file.bytes[EI_DATA] = ELFDATA2LSB;
	file.narrow.program[0] = (Elf32_Phdr){ .p_type = PT_LOAD,
					       .p_offset = 0x1000,
					       .p_paddr = 0x100000,
					       .p_filesz = 0x1000,
					       .p_memsz = 0x2000 };
	CHECK_EQ(0, parse(FILE_SIZE));
	CHECK_EQ(32, elf.bits);
	CHECK_EQ(1, elf.count);
	CHECK_EQ(0x102000, elf.high);
	file.narrow.header.e_machine = EM_X86_64;
	refused("ELF machine 62");
}

TEST(a_note_is_found_by_owner_and_type)
{
	uint32_t value = 0;
	uint64_t size = 0;

	make();
	CHECK_EQ(0, parse(FILE_SIZE));
	CHECK_EQ(0, note(18, &value, &size));
	CHECK_EQ(0x100010, value);
	CHECK_EQ(4, size);
	CHECK_EQ(-LICHEN_ENOENT, note(17, &value, &size));
	file.wide.program[2].p_filesz -= 4;
	CHECK_EQ(0, parse(FILE_SIZE));
	CHECK_EQ(-LICHEN_ENOENT, note(18, &value, &size));
	file.wide.program[2].p_offset = UINT64_MAX;
	CHECK_EQ(0, parse(FILE_SIZE));
	CHECK_EQ(0, elf.note_count);
	make();
	memset(file.bytes + 0x2800, 0xff, 4); /* a name of 4 GiB */
	CHECK_EQ(0, parse(FILE_SIZE));
	CHECK_EQ(-LICHEN_ENOENT, note(18, &value, &size));
}

TEST(headers_that_are_not_of_an_x86_kernel_are_refused)
{
	make();
	file.bytes[0] = 'x';
	refused("not an ELF file");
	file.bytes[EI_CLASS] = 3;
	refused("ELF class 3");
	file.bytes[EI_DATA] = ELFDATA2MSB;
	refused("big-endian");
	file.wide.header.e_machine = EM_AARCH64;
	refused("ELF machine 183");
	file.wide.header.e_type = ET_REL;
	refused("ELF type 1");
	file.wide.header.e_phentsize = 8;
	refused("program headers of 8 bytes");
	file.wide.header.e_phnum = 0;
	refused("0 program headers");
	file.wide.header.e_phnum = 65;
	refused("65 program headers");
	file.wide.header.e_phoff = UINT64_MAX;
	refused("program header 0");
	file.wide.header.e_phoff = FILE_SIZE - 16;
	refused("program header 0");
	file.wide.program[0].p_type = file.wide.program[1].p_type = PT_NULL;
	refused("no segment");
}

TEST(segments_that_do_not_add_up_are_refused)
{
	make();
	segment(0, 0x2000, 0x100800, 0x800, 0x800);
	refused("overlaps");
	segment(0, 0x2000, 0xff801, 0x800, 0x800);
	refused("overlaps");
	segment(0, 0x2000, 0x80000, 0x800, 0x1000000);
	refused("overlaps");
	segment(0, 0x2000, 0x200000, 0x1001, 0x2000);
	refused("0x1001 bytes at 0x2000, the file has 0x3000");
	segment(0, UINT64_MAX, 0x200000, 1, 0x2000);
	refused("segment 0");
	segment(0, 0x2000, 0x200000, 0x800, 0x7ff);
	refused("0x800 bytes for 0x7ff of memory");
	segment(0, 0x2000, 0x200000, 0x800, UINT64_MAX);
	refused("past 4 GiB");
	segment(0, 0x2000, UINT64_MAX, 0, 1);
	refused("past 4 GiB");
	segment(0, 0x2000, UINT32_MAX, 0, 2);
	refused("past 4 GiB");
}

TEST(a_file_cut_anywhere_is_refused_or_good)
{
	make();
	for (uint64_t size = 0; size < 0x2800; size += size < 0x200 ? 1 : 0xf)
		CHECK_EQ(-LICHEN_ENOEXEC, parse(size));
	CHECK_EQ(0, parse(0x2800));
}

TEST(more_segments_than_there_is_room_for_are_refused)
{
	Elf64_Phdr *program = (Elf64_Phdr *)(void *)(file.bytes + 0x200);

	make();
	file.wide.header.e_phoff = 0x200;
	file.wide.header.e_phnum = LICHEN_ELF_SEGMENTS + 1;
	for (uint32_t i = 0; i <= LICHEN_ELF_SEGMENTS; i++)
		program[i] = (Elf64_Phdr){ .p_type = PT_LOAD,
					   .p_paddr = 0x900000 - i * 0x1000,
					   .p_memsz = 0x1000 };
	file.wide.header.e_phnum--;
	CHECK_EQ(0, parse(FILE_SIZE));
	CHECK_EQ(LICHEN_ELF_SEGMENTS, elf.count);
	file.wide.header.e_phnum++;
	refused("more than 16 segments");
}

/* What is accepted must hold what elf.h promises, whatever the file says. */
TEST(random_files_are_refused_or_add_up)
{
	uint64_t seed = 0x1badb002;
	uint32_t accepted = 0;

	for (uint32_t round = 0; round < TAP_ROUNDS(200000); round++) {
		make();
		for (uint32_t n = 0; n <= round % 4; n++) {
			uint64_t at, value;

			seed = seed * 6364136223846793005 + 1442695040888963407;
			at = (seed >> 33) % (sizeof(file.wide) - 8);
			value = seed * 0x9e3779b97f4a7c15;
			memcpy(file.bytes + at, &value, 1u << (seed >> 60) % 4);
		}
		if (parse(FILE_SIZE) < 0)
			continue;
		accepted++;
		for (uint32_t i = 0; i < elf.count; i++) {
			const struct lichen_elf_segment *s = &elf.segment[i];
			uint64_t end = i + 1 < elf.count ? s[1].gpa : LICHEN_ELF_REACH;

			CHECK(s->size > 0 && s->file_size <= s->size);
			CHECK(s->offset <= FILE_SIZE && s->file_size <= FILE_SIZE - s->offset);
			CHECK(s->gpa <= end && s->size <= end - s->gpa);
		}
		CHECK(elf.low == elf.segment[0].gpa && elf.high > elf.low);
		for (uint32_t i = 0; i < elf.note_count; i++)
			CHECK(elf.note[i].size <= FILE_SIZE - elf.note[i].offset);
	}
	CHECK(accepted > TAP_ROUNDS(1000));
}
