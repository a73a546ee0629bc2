/* SPDX-License-Identifier: MIT */
/*
 * Profiles that nobody would write: good ones changed at random, and good ones
 * read when memory runs out.  LICHEN_SEED=N repeats a run; the seed is printed.
 */
#include <errno.h>
#include <glob.h>
#include <time.h>

#include "config.h"

enum { CHANGES_MAX = 8, RUN_MS = 2000, SEED = 20240229 };

static uint64_t random_state;

/* xorshift64*: the same numbers on every machine. */
static uint32_t random_below(uint32_t limit)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t)((random_state * 0x2545f4914f6cdd1d) >> 33) % limit;
}

/* Pieces that mean something to the reader. */
static const char *const pieces[] = {
	"{",	  "}",		"[",	    "]",       ":",	    ": ",
	",",	  "\n",		"- ",	    "#",       "&a ",	    "*a",
	"!t ",	  "---\n",	"'",	    "\"",      "|\n",	    ">\n",
	"\t",	  "\xff",	"\xc3\xa9", "0x",      "-",	    "99999999999999999999",
	"plugin", "id: ",	"devices:", "backend", "include: ", "../",
	"%",	  "? ",		"1T",	    "sha256:", "boot",	    "chip",
	"ping",	  "peer: pong", "<<: ",	    "\\u0000",
};

static uint64_t now_ms(void)
{
	struct timespec now;

	CHECK_EQ(0, clock_gettime(CLOCK_MONOTONIC, &now));
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* One change of `text`; returns its new size, below CONFIG_SIZE. */
static size_t change(char *text, size_t size)
{
	const uint32_t at = random_below((uint32_t)size + 1);
	const char *piece = pieces[random_below(sizeof(pieces) / sizeof(pieces[0]))];
	size_t length = strlen(piece);

	switch (random_below(4)) {
	case 0: /* one byte another one */
		if (at < size)
			text[at] = (char)random_below(256);
		break;
	case 1: /* some bytes less */
		length = random_below(16);
		length = length < size - at ? length : size - at;
		memmove(text + at, text + at + length, size - at - length);
		return size - length;
	case 2: /* a stretch of it again elsewhere */
		piece = text + random_below((uint32_t)size + 1);
		length = random_below(64);
		length = length < (size_t)(text + size - piece) ? length
								: (size_t)(text + size - piece);
		if (size + length < CONFIG_SIZE) {
			char copy[64];

			memcpy(copy, piece, length);
			memmove(text + at + length, text + at, size - at);
			memcpy(text + at, copy, length);
			return size + length;
		}
		break;
	default: /* a piece more */
		if (size + length >= CONFIG_SIZE)
			break;
		memmove(text + at + length, text + at, size - at);
		memcpy(text + at, piece, length);
		return size + length;
	}
	return size;
}

static void write_text(const char *name, const char *text, size_t size)
{
	FILE *to = fopen(name, "we");

	CHECK(to && fwrite(text, 1, size, to) == size);
	CHECK_EQ(0, fclose(to));
}

/* Whatever it was: a profile that prints, or at least one fault. */
static void load_any(struct config *c, const char *name)
{
	lichen_status status = config_load(c, name);

	if (status == 0)
		free(config_print(c->profile));
	else
		CHECK(status == -LICHEN_EINVAL && c->diags.count > 0 && !c->profile);
	for (uint32_t i = 0; i < c->diags.count; i++)
		CHECK(c->diags.items[i].text[0] && !strchr(c->diags.items[i].text, '\n'));
	config_clear(c);
}

TEST(profiles_changed_at_random_load_or_are_refused)
{
	static struct config c;
	static char text[CONFIG_SIZE];
	const char *seed = getenv("LICHEN_SEED");
	const uint64_t end = now_ms() + RUN_MS;
	char name[] = "/tmp/lichen-hostile-XXXXXX";
	glob_t files;
	uint32_t runs = 0;

	config_begin(&c);
	random_state = seed ? strtoull(seed, NULL, 0) | 1 : SEED;
	printf("# seed %llu\n", (unsigned long long)random_state);
	CHECK_EQ(0, glob("good-*.yaml", 0, NULL, &files));
	CHECK(mkdtemp(name));
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/p.yaml", name);
	for (; now_ms() < end; runs++) {
		size_t size = config_read(
			files.gl_pathv[random_below((uint32_t)files.gl_pathc)], text);

		for (uint32_t i = random_below(CHANGES_MAX) + 1; i; i--)
			size = change(text, size);
		write_text(path, text, size);
		load_any(&c, path);
	}
	printf("# %u profiles\n", runs);
	CHECK(runs > 10);
	CHECK_EQ(0, unlink(path));
	CHECK_EQ(0, rmdir(name));
	globfree(&files);
	config_end(&c);
}

TEST(overrides_changed_at_random_apply_or_are_refused)
{
	static struct config c;
	static char text[CONFIG_SIZE];
	static const char *const sets[] = { "devices.com1.port=0x2f8", "cpus=3",
					    "devices.com1.backend={plugin: sink, id: x}",
					    "boot.cmdline=a b c", "devices=[{plugin: chip}]" };

	const uint64_t end = now_ms() + 5 * RUN_MS; /* ThreadSanitizer takes longer */

	config_begin(&c);
	random_state = SEED;
	for (uint32_t runs = 0; runs < 1000 && now_ms() < end; runs++) {
		const char *set = sets[random_below(sizeof(sets) / sizeof(sets[0]))];
		size_t size = strlen(set);

		memcpy(text, set, size);
		for (uint32_t i = random_below(4) + 1; i; i--)
			size = change(text, size);
		text[size] = '\0';
		c.sets[0] = text;
		c.set_count = 1;
		load_any(&c, "good-include.yaml");
	}
	config_end(&c);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *old);

/* Of this program and its libraries. */
static long allocations_left = -1; /* until all fail; < 0: none does */
static long allocations_held;	   /* and not yet freed */

static int out_of_memory(void)
{
	if (allocations_left > 0)
		allocations_left--;
	else if (allocations_left == 0)
		errno = ENOMEM;
	return allocations_left == 0;
}

void *malloc(size_t size)
{
	void *got = out_of_memory() ? NULL : __libc_malloc(size);

	allocations_held += got != NULL;
	return got;
}

void *calloc(size_t count, size_t size)
{
	void *got = out_of_memory() ? NULL : __libc_calloc(count, size);

	allocations_held += got != NULL;
	return got;
}

void *realloc(void *old, size_t size)
{
	void *got = out_of_memory() ? NULL : __libc_realloc(old, size);

	allocations_held += got && !old;
	return got;
}

void free(void *old)
{
	allocations_held -= old != NULL;
	__libc_free(old);
}

/* Loads with one allocation more each time until it comes out as it does with memory. */
static void load_with_little_memory(const char *name, lichen_status with_memory)
{
	static struct config c;
	lichen_status status = -LICHEN_ENOMEM;
	struct fw_profile *held;
	uint32_t rounds = 0;

	/* Its plugins stay open, so that the dynamic linker is not what is tested. */
	config_begin(&c);
	CHECK_EQ(0, config_load(&c, "good-full.yaml"));
	held = c.profile;
	c.profile = NULL;
	for (; status == -LICHEN_ENOMEM; rounds++) {
		const long held_before = allocations_held;

		allocations_left = rounds;
		status = config_load(&c, name);
		allocations_left = -1;
		if (status == -LICHEN_ENOMEM)
			CHECK(!c.profile);
		config_clear(&c);
		CHECK_EQ(held_before, allocations_held);
		CHECK(rounds < 100000);
	}
	CHECK_EQ(with_memory, status);
	CHECK(rounds > 10);
	fw_profile_free(held);
	config_end(&c);
}

TEST(a_good_profile_without_memory_is_refused_and_nothing_leaks)
{
	load_with_little_memory("good-full.yaml", 0);
}

TEST(a_bad_profile_without_memory_is_refused_and_nothing_leaks)
{
	load_with_little_memory("bad-include-broken.yaml", -LICHEN_EINVAL);
}

#endif
