/* SPDX-License-Identifier: MIT */
/* Files that are cut short, flipped, of another machine, or whose note is wrong. */
#include <elf.h>
#include <stddef.h>

#include "fixture.h"
#include "note.h"

struct sample {
	struct scratch scratch;
	struct bytes bytes;
};

static struct sample sample_make(void)
{
	return (struct sample){ scratch_make(), bytes_of(PLUGINS "/good.so") };
}

static void sample_remove(struct sample *s)
{
	free(s->bytes.at);
	scratch_remove(&s->scratch);
}

/* Opens a good file of which `size` bytes at `offset` are `value`; puts the bytes back. */
static struct ld_error changed(struct sample *s, size_t offset, const void *value, size_t size,
			       lichen_status want)
{
	unsigned char kept[LICHEN_NAME_SIZE];
	struct ld_error error;

	CHECK(size <= sizeof(kept) && offset + size <= s->bytes.size);
	memcpy(kept, s->bytes.at + offset, size);
	memcpy(s->bytes.at + offset, value, size);
	bytes_put(s->scratch.folder, "good.so", s->bytes.at, s->bytes.size);
	memcpy(s->bytes.at + offset, kept, size);
	error = refused(&s->scratch.path, "good", want);
	CHECK(!ran());
	return error;
}

static size_t note_at(const struct sample *s)
{
	static const char entry[] = LICHEN_NOTE_OWNER "\0"
						      "\0"
						      "chen"; /* the owner, the magic number */
	const unsigned char *at = memmem(s->bytes.at, s->bytes.size, entry, sizeof(entry) - 1);

	CHECK(at != NULL);
	return (size_t)(at - s->bytes.at) + 8;
}

static struct ld_error changed_note(struct sample *s, size_t member, uint32_t value,
				    lichen_status want)
{
	return changed(s, note_at(s) + member, &value, sizeof(value), want);
}

#define CHANGED_NOTE(s, member, value, want) \
	changed_note(s, offsetof(struct lichen_note, member), value, want)

/* --- the note --- */

TEST(the_sample_opens_unchanged)
{
	struct sample s = sample_make();

	bytes_put(s.scratch.folder, "good.so", s.bytes.at, s.bytes.size);
	closed(opened(&s.scratch.path, "good"));
	CHECK(ran());
	sample_remove(&s);
}

TEST(another_major_is_refused_with_theirs_ours_and_the_cure)
{
	struct sample s = sample_make();
	struct ld_error error = CHANGED_NOTE(&s, abi_major, 7, -LICHEN_ENOTSUP);

	CHECK_SAYS("good 1.0", error);
	CHECK_SAYS("7.1", error);
	CHECK_SAYS("this host takes 0.1 to 0.1", error);
	CHECK_SAYS("build it with this host's headers", error);
	sample_remove(&s);
}

TEST(a_newer_or_too_old_minor_is_refused)
{
	struct sample s = sample_make();
	struct ld_error error =
		CHANGED_NOTE(&s, abi_minor, LICHEN_ABI_MINOR + 1, -LICHEN_ENOTSUP);

	CHECK_SAYS("needs plugin ABI 0.2, this host has 0.1", error);
	CHECK_SAYS("use a newer host", error);
	CHANGED_NOTE(&s, abi_minor, UINT32_MAX, -LICHEN_ENOTSUP);
	CHANGED_NOTE(&s, abi_minor, LICHEN_ABI_MINOR_OLDEST - 1, -LICHEN_ENOTSUP);
	sample_remove(&s);
}

TEST(kinds_that_this_host_does_not_load_are_refused)
{
	struct sample s = sample_make();
	struct ld_error error = CHANGED_NOTE(&s, kind, LICHEN_KIND_KERNEL, -LICHEN_ENOTSUP);

	CHECK_SAYS("kind kernel (6)", error);
	CHANGED_NOTE(&s, kind, 0, -LICHEN_ENOTSUP);
	CHANGED_NOTE(&s, kind, 0x80000001, -LICHEN_ENOTSUP);
	sample_remove(&s);
}

TEST(malformed_notes_are_refused)
{
	struct sample s = sample_make();
	const size_t note = note_at(&s), name = note + offsetof(struct lichen_note, name),
		     version = note + offsetof(struct lichen_note, version);
	char full[LICHEN_NAME_SIZE];
	struct ld_error error;

	memset(full, 'a', sizeof(full));
	error = CHANGED_NOTE(&s, magic, 0, -LICHEN_ENOEXEC);
	CHECK_SAYS("magic", error);
	CHANGED_NOTE(&s, _pad, 1, -LICHEN_ENOEXEC);
	error = CHANGED_NOTE(&s, class_size, 0, -LICHEN_ENOEXEC);
	CHECK_SAYS("LICHEN_PLUGIN", error);
	error = changed(&s, name, full, sizeof(full), -LICHEN_ENOEXEC);
	CHECK_SAYS("name that is not made of", error);
	changed(&s, name, "", 1, -LICHEN_ENOEXEC); /* empty, and "ood" after it */
	changed(&s, name, "Good", 4, -LICHEN_ENOEXEC);
	changed(&s, name, "g/od", 4, -LICHEN_ENOEXEC);
	changed(&s, name + 6, "x", 1, -LICHEN_ENOEXEC); /* after the NUL */
	memset(full, '1', sizeof(full));
	error = changed(&s, version, full, sizeof(full), -LICHEN_ENOEXEC);
	CHECK_SAYS("version that is not text", error);
	changed(&s, version, "1\n0", 3, -LICHEN_ENOEXEC);
	changed(&s, version,
		"\xc2\x9b"
		"0",
		3, -LICHEN_ENOEXEC);
	changed(&s, version, "\xc3(0", 3, -LICHEN_ENOEXEC);
	/* The entry's own header: the descriptor's size, the owner's. */
	error = changed(&s, note - 16, "\x54\0\0\0", 4, -LICHEN_ENOEXEC);
	CHECK_SAYS("wrong size", error);
	error = changed(&s, note - 16, "\xff\xff\xff\xff", 4, -LICHEN_ENOEXEC);
	CHECK_SAYS("ends past its segment", error);
	error = changed(&s, note - 20, "\xff\xff\xff\xff", 4, -LICHEN_ENOEXEC);
	error = changed(&s, note - 8, "lichen", 6, -LICHEN_ENOEXEC);
	CHECK_SAYS("no .note.lichen note", error);
	sample_remove(&s);
}

TEST(a_note_of_another_name_than_the_file_is_refused_with_the_right_one)
{
	struct sample s = sample_make();
	struct ld_error error;

	bytes_put(s.scratch.folder, "better.so", s.bytes.at, s.bytes.size);
	error = refused(&s.scratch.path, "better", -LICHEN_ENOEXEC);
	CHECK_SAYS("holds plugin good, so its name must be good.so", error);
	CHECK(!ran());
	sample_remove(&s);
}

TEST(another_class_size_than_the_note_says_is_refused)
{
	struct sample s = sample_make();
	uint32_t size = sizeof(struct lichen_class) + 8;
	struct ld_plugin *plugin = NULL;
	struct ld_error error;

	memcpy(s.bytes.at + note_at(&s) + offsetof(struct lichen_note, class_size), &size, 4);
	bytes_put(s.scratch.folder, "good.so", s.bytes.at, s.bytes.size);
	CHECK_EQ(-LICHEN_ENOEXEC, ld_open(&s.scratch.path, "good", NULL, &plugin, &error));
	CHECK_SAYS("its note says 2", error);
	CHECK_EQ(0, mappings());
	sample_remove(&s);
}

TEST(a_note_is_parsed_from_a_buffer)
{
	struct bytes b = bytes_of(PLUGINS "/good.so");
	struct ld_error error = { "" };
	struct lichen_note note;

	CHECK_EQ(0, ld_note_parse(b.at, b.size, "buffer", &note, &error));
	CHECK_STR("good", note.name);
	CHECK_EQ(-LICHEN_ENOEXEC, ld_note_parse(b.at, 0, "buffer", &note, &error));
	CHECK_SAYS("buffer: 0 bytes are too short", error);
	CHECK_EQ(-LICHEN_ENOEXEC, ld_note_parse(b.at, 64, "buffer", &note, NULL));
	free(b.at);
}

/* --- the ELF file --- */

TEST(another_machine_class_order_or_type_is_refused)
{
	static const unsigned char class32 = ELFCLASS32, big = ELFDATA2MSB;
	static const uint16_t arm = EM_AARCH64, executable = ET_EXEC;
	struct sample s = sample_make();
	struct ld_error error;

	error = changed(&s, EI_CLASS, &class32, 1, -LICHEN_ENOEXEC);
	CHECK_SAYS("a 32-bit little-endian ELF file", error);
	CHECK_SAYS("build it for x86-64", error);
	error = changed(&s, EI_DATA, &big, 1, -LICHEN_ENOEXEC);
	CHECK_SAYS("a 64-bit big-endian ELF file", error);
	error = changed(&s, offsetof(Elf64_Ehdr, e_machine), &arm, 2, -LICHEN_ENOEXEC);
	CHECK_SAYS("ELF machine 183, this host is 62 (x86-64)", error);
	error = changed(&s, offsetof(Elf64_Ehdr, e_type), &executable, 2, -LICHEN_ENOEXEC);
	CHECK_SAYS("not a shared object", error);
	error = changed(&s, 0,
			"\x7f"
			"FLE",
			4, -LICHEN_ENOEXEC);
	CHECK_SAYS("not an ELF file", error);
	sample_remove(&s);
}

TEST(numbers_of_program_headers_out_of_reach_are_refused)
{
	static const uint16_t none = 0, many = 65, most = UINT16_MAX, size = 32;
	static const uint64_t far = UINT64_MAX - 8;
	struct sample s = sample_make();

	changed(&s, offsetof(Elf64_Ehdr, e_phnum), &none, 2, -LICHEN_ENOEXEC);
	changed(&s, offsetof(Elf64_Ehdr, e_phnum), &many, 2, -LICHEN_ENOEXEC);
	changed(&s, offsetof(Elf64_Ehdr, e_phnum), &most, 2, -LICHEN_ENOEXEC);
	changed(&s, offsetof(Elf64_Ehdr, e_phentsize), &size, 2, -LICHEN_ENOEXEC);
	changed(&s, offsetof(Elf64_Ehdr, e_phoff), &far, 8, -LICHEN_ENOEXEC);
	sample_remove(&s);
}

/* Where the last loaded segment ends in the file. */
static size_t loaded_end(const struct bytes *b)
{
	Elf64_Ehdr header;
	size_t end = 0;

	memcpy(&header, b->at, sizeof(header));
	for (uint32_t i = 0; i < header.e_phnum; i++) {
		Elf64_Phdr p;

		memcpy(&p, b->at + header.e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type == PT_LOAD && p.p_offset + p.p_filesz > end)
			end = p.p_offset + p.p_filesz;
	}
	return end;
}

/*
 * In a process of its own, so that a crash names the file that did it: opens
 * and closes what is in the scratch folder; true when it could be opened.
 */
static bool survives(const struct ld_path *path, const char *what, size_t number)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		struct ld_plugin *plugin;
		struct ld_error error = { "" };

		if (ld_open(path, "good", NULL, &plugin, &error) < 0)
			_exit(error.text[0] && !ran() ? 0 : 3);
		ld_close(plugin, &error);
		_exit(1);
	}
	CHECK_EQ(child, waitpid(child, &status, 0));
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		tap_fail("%s %zu: wait status 0x%x", what, number, (unsigned)status);
	return WEXITSTATUS(status) == 1;
}

TEST(a_file_cut_at_any_64th_opens_only_if_all_that_is_loaded_is_there)
{
	struct sample s = sample_make();
	const size_t end = loaded_end(&s.bytes);

	for (size_t i = 0; i < 64; i++) {
		size_t size = s.bytes.size * i / 64;

		bytes_put(s.scratch.folder, "good.so", s.bytes.at, size);
		CHECK_EQ(size >= end, survives(&s.scratch.path, "cut at byte", size));
	}
	bytes_put(s.scratch.folder, "good.so", s.bytes.at, end - 1);
	CHECK(!survives(&s.scratch.path, "cut at byte", end - 1));
	sample_remove(&s);
}

/* Flips each bit of the bytes [from, to), eight files in a process at a time. */
static void flip_all(struct sample *s, size_t from, size_t to)
{
	for (size_t byte = from; byte < to; byte++) {
		int status;
		pid_t child;

		fflush(stdout);
		child = fork();
		CHECK(child >= 0);
		for (int bit = 0; child == 0 && bit < 8; bit++) {
			struct ld_plugin *plugin;

			s->bytes.at[byte] ^= (unsigned char)(1 << bit);
			bytes_put(s->scratch.folder, "good.so", s->bytes.at, s->bytes.size);
			if (ld_open(&s->scratch.path, "good", NULL, &plugin, NULL) == 0)
				ld_close(plugin, NULL);
			s->bytes.at[byte] ^= (unsigned char)(1 << bit);
		}
		if (child == 0)
			_exit(0);
		CHECK_EQ(child, waitpid(child, &status, 0));
		if (status != 0)
			tap_fail("a flip in byte %zu: wait status 0x%x", byte,
				 (unsigned)status);
	}
}

TEST(a_flipped_bit_in_the_elf_header_is_refused_or_harmless)
{
	struct sample s = sample_make();

	flip_all(&s, 0, sizeof(Elf64_Ehdr));
	sample_remove(&s);
}

TEST(a_flipped_bit_in_the_program_headers_is_refused_or_harmless)
{
	struct sample s = sample_make();
	Elf64_Ehdr header;

	memcpy(&header, s.bytes.at, sizeof(header));
	alarm(120);
	flip_all(&s, header.e_phoff, header.e_phoff + header.e_phnum * sizeof(Elf64_Phdr));
	sample_remove(&s);
}

TEST(a_flipped_bit_in_the_note_is_refused_or_harmless)
{
	struct sample s = sample_make();
	const size_t note = note_at(&s);

	flip_all(&s, note - 20, note + sizeof(struct lichen_note));
	sample_remove(&s);
}

/* The dynamic section and what it leads to, without opening: no read past the buffer. */
TEST(flipped_bits_anywhere_are_judged_within_the_buffer)
{
	struct bytes b = bytes_of(PLUGINS "/good.so");
	const size_t end = loaded_end(&b);
	struct ld_image image;
	struct ld_error error;
	size_t whole = 0;

	b.at = realloc(b.at, end); /* so that a sanitizer sees a read past it */
	CHECK(b.at != NULL);
	for (size_t bit = 0; bit < end * 8; bit += 1 + bit / 4096) {
		b.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
		if (ld_image_open(&image, b.at, end, "buffer", &error) == 0)
			whole += ld_image_dynamic(&image, &error) == 0;
		b.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	CHECK(whole > 0);
	free(b.at);
}
