/* SPDX-License-Identifier: MIT */
/* Code for a guest: judged, linked (and run here, as the guest would), and spoilt. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "module.h"
#include "tap.h"

static struct ld_module module;
static struct ld_error error;
static uint64_t entry, leave;

static uint8_t *bytes;
static uint64_t size;

static void read_object(void)
{
	FILE *file = fopen(OBJECT, "rb");

	CHECK(file);
	bytes = malloc(1 << 20);
	size = fread(bytes, 1, 1 << 20, file);
	fclose(file);
}

static lichen_status opens(const char *name)
{
	const int descriptor = memfd_create("module", MFD_CLOEXEC);
	lichen_status status;

	CHECK_EQ((ssize_t)size, write(descriptor, bytes, size));
	status = ld_module_open(&module, descriptor, name, &error);
	close(descriptor);
	return status;
}

static int guest_add(int a, int b)
{
	return a + b;
}

static uint64_t symbol(void *context, const char *name)
{
	(void)context;
	return strcmp(name, "guest_add") == 0 ? (uint64_t)(uintptr_t)&guest_add : 0;
}

static uint64_t no_symbol(void *context, const char *name)
{
	(void)context, (void)name;
	return 0;
}

static void says(const char *part)
{
	if (!strstr(error.text, part))
		tap_fail("\"%s\" is not in \"%s\"", part, error.text);
}

TEST(an_object_is_linked_and_runs)
{
	uint8_t *memory, *image;
	int (*init)(void);

	read_object();
	CHECK_EQ(0, opens("mine"));
	CHECK_EQ(LD_MODULE_OBJECT, module.kind);
	CHECK_EQ(0, strcmp("mine", module.name));
	image = malloc(module.room);
	memory = mmap(NULL, module.room, PROT_READ | PROT_WRITE | PROT_EXEC,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(image && memory != MAP_FAILED);
	CHECK_EQ(0, ld_module_link(&module, (uint64_t)(uintptr_t)memory, symbol, NULL, image,
				   &entry, &leave, &error));
	memcpy(memory, image, module.room);
	CHECK(leave);
	init = (int (*)(void))(uintptr_t)entry;
	CHECK_EQ(42, init());
	CHECK_EQ(44, init());
	munmap(memory, module.room);
	free(image);
	free(bytes);
	ld_module_clear(&module);
}

TEST(a_missing_symbol_is_named)
{
	uint8_t *image;

	read_object();
	CHECK_EQ(0, opens("mine"));
	image = malloc(module.room);
	CHECK_EQ(-LICHEN_ENOENT, ld_module_link(&module, 0x1000, no_symbol, NULL, image, &entry,
						&leave, &error));
	says("guest_add");
	free(image);
	free(bytes);
	ld_module_clear(&module);
}

TEST(names_are_judged)
{
	char name[LD_MODULE_NAME + 1];

	read_object();
	memset(name, 'a', LD_MODULE_NAME);
	name[LD_MODULE_NAME] = '\0';
	CHECK_EQ(-LICHEN_EINVAL, opens(NULL));
	CHECK_EQ(-LICHEN_EINVAL, opens(""));
	CHECK_EQ(-LICHEN_EINVAL, opens("../a"));
	CHECK_EQ(-LICHEN_EINVAL, opens(name));
	free(bytes);
}

TEST(what_is_no_module_is_refused)
{
	Elf64_Ehdr *h;

	read_object();
	h = (void *)bytes;
	h->e_type = ET_DYN;
	CHECK_EQ(-LICHEN_ENOEXEC, opens("a"));
	says("ELF type 3");
	h->e_type = ET_REL;
	h->e_machine = EM_AARCH64;
	CHECK_EQ(-LICHEN_ENOEXEC, opens("a"));
	says("machine 183");
	h->e_machine = EM_X86_64;
	h->e_shnum = 0;
	CHECK_EQ(-LICHEN_ENOEXEC, opens("a"));
	bytes[0] = 0;
	CHECK_EQ(-LICHEN_ENOEXEC, opens("a"));
	says("not an ELF file");
	size = 10;
	CHECK_EQ(-LICHEN_ENOEXEC, opens("a"));
	says("too short");
	size = 0;
	CHECK_EQ(-LICHEN_ENOEXEC, opens("a"));
	says("empty");
	free(bytes);
}

TEST(a_file_cut_anywhere_is_refused_or_whole)
{
	uint64_t whole;

	read_object();
	whole = size;
	for (size = 0; size < whole; size += 13) {
		if (opens("a") == 0)
			tap_fail("%llu of %llu bytes were taken", (unsigned long long)size,
				 (unsigned long long)whole);
	}
	free(bytes);
}

/* Under AddressSanitizer above all: nothing is read or written out of place. */
TEST(files_with_changed_bytes_do_no_harm)
{
	uint32_t taken = 0, linked = 0;
	uint64_t random = 1;
	uint8_t *copy;

	read_object();
	copy = malloc(size);
	memcpy(copy, bytes, size);
	for (uint32_t n = 0; n < 4000; n++) {
		memcpy(bytes, copy, size);
		for (uint32_t k = 0; k < 1 + n % 3; k++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			bytes[(random >> 33) % size] = (uint8_t)(random >> 56);
		}
		if (opens("a") < 0)
			continue;
		taken++;
		if (module.room < 1 << 20) {
			uint8_t *image = malloc(module.room + 1);

			linked += ld_module_link(&module, 0x7f0000000000, symbol, NULL, image,
						 &entry, &leave, &error) == 0;
			free(image);
		}
		ld_module_clear(&module);
	}
	printf("# %u of 4000 taken, %u linked\n", taken, linked);
	CHECK(taken && linked);
	free(copy);
	free(bytes);
}
