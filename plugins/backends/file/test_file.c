/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "testhost.h"

/* An anonymous file that holds `text`; the test keeps a duplicate, to look at it afterwards. */
static int file_with(const char *text)
{
	const int fd = memfd_create("test", MFD_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		tap_fail("no file");
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void check_holds(int fd, const char *text)
{
	char got[64];
	const ssize_t n = pread(fd, got, sizeof(got), 0);

	CHECK_EQ(strlen(text), n);
	CHECK(!memcmp(text, got, strlen(text)));
}

static uint32_t put(struct th *th, const char *text)
{
	const struct lichen_char_ops *ops = th_interface(th, LICHEN_CHAR);
	uint32_t taken = UINT32_MAX;

	CHECK_EQ(0, ops->write(th_self(th), 1, (const uint8_t *)text, (uint32_t)strlen(text),
			       &taken));
	return taken;
}

static void ask(struct th *th, uint32_t size)
{
	const struct lichen_char_ops *ops = th_interface(th, LICHEN_CHAR);

	ops->ask(th_self(th), 1, size);
}

/* A backend on `path`, and on `input` where that is a descriptor. */
static struct th *start(int path, int input)
{
	struct th *th = th_create("file");

	th_set_file(th, "path", dup(path));
	if (input >= 0)
		th_set_file(th, "input", dup(input));
	CHECK_EQ(0, th_start(th));
	return th;
}

TEST(output_replaces_what_the_file_held)
{
	const int path = file_with("something older and longer");
	struct th *th = start(path, -1);

	CHECK_EQ(6, put(th, "hello "));
	CHECK_EQ(5, put(th, "world"));
	check_holds(path, "hello world");
	th_destroy(th);
	check_holds(path, "hello world");
	close(path);
}

TEST(append_keeps_what_the_file_held)
{
	const int path = file_with("old ");
	struct th *th = th_create("file");

	th_set_file(th, "path", dup(path));
	th_set(th, "append", 1);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(3, put(th, "new"));
	th_destroy(th);
	check_holds(path, "old new");
	close(path);
}

TEST(a_file_that_cannot_grow_loses_output_and_nothing_else)
{
	const struct rlimit limit = { 8, 8 };
	const int path = file_with("");
	struct th *th = start(path, -1);

	signal(SIGXFSZ, SIG_IGN);
	CHECK_EQ(0, setrlimit(RLIMIT_FSIZE, &limit));
	CHECK_EQ(10, put(th, "0123456789"));
	CHECK_EQ(3, put(th, "abc"));
	check_holds(path, "01234567");
	th_destroy(th);
	close(path);
}

TEST(input_comes_as_it_is_asked_for)
{
	const int path = file_with(""), input = file_with("0123456789");
	struct th *th = start(path, input);
	struct th_posted posted;

	th_advance(th, 1);
	CHECK(!th_posted(th, &posted));
	ask(th, 4);
	CHECK(th_posted(th, &posted));
	CHECK_EQ(LICHEN_CHAR_RECEIVED, posted.event);
	CHECK_EQ(4, posted.size);
	CHECK(!memcmp("0123", posted.data, 4));
	th_advance(th, 1);
	CHECK(!th_posted(th, &posted));
	ask(th, 0);
	CHECK(!th_posted(th, &posted));
	ask(th, 100);
	CHECK(th_posted(th, &posted));
	CHECK_EQ(6, posted.size);
	CHECK(!memcmp("456789", posted.data, 6));
	th_destroy(th);
	close(path);
	close(input);
}

TEST(the_end_of_input_is_said_once)
{
	const int path = file_with(""), input = file_with("x");
	struct th *th = start(path, input);
	struct th_posted posted;

	ask(th, 100);
	th_advance(th, 1);
	CHECK(th_posted(th, &posted));
	CHECK_EQ(1, posted.size);
	CHECK(th_posted(th, &posted));
	CHECK_EQ(LICHEN_CHAR_CLOSED, posted.event);
	ask(th, 100);
	th_advance(th, 1);
	CHECK(!th_posted(th, &posted));
	th_destroy(th);
	close(path);
	close(input);
}

TEST(both_files_go_on_where_they_were_after_a_restore)
{
	const int path = file_with(""), input = file_with("0123456789");
	const int again = file_with("0123456789");
	struct th *other = start(path, again), *th = start(path, input);
	struct th_posted posted;
	uint8_t *state;
	uint32_t size;

	CHECK_EQ(3, put(th, "abc"));
	ask(th, 4);
	CHECK_EQ(0, th_save(th, &state, &size));
	CHECK_EQ(0, lseek(path, 0, SEEK_SET));
	CHECK_EQ(0, th_restore(other, state, size));
	CHECK_EQ(2, put(other, "de"));
	check_holds(path, "abcde");
	ask(other, 2);
	CHECK(th_posted(other, &posted));
	CHECK_EQ(2, posted.size);
	CHECK(!memcmp("45", posted.data, 2));
	free(state);
	th_destroy(th);
	th_destroy(other);
	close(path);
	close(input);
	close(again);
}

TEST(a_large_credit_is_served_in_order)
{
	enum { SIZE = 1 << 20 };
	const int path = file_with(""), input = memfd_create("test", MFD_CLOEXEC);
	struct th_posted posted;
	uint32_t got = 0;

	CHECK_EQ(0, ftruncate(input, SIZE));
	uint32_t *words = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, input, 0);
	for (uint32_t i = 0; i < SIZE / 4; i++)
		words[i] = i * 2654435761u;
	struct th *th = start(path, input);

	ask(th, SIZE);
	th_advance(th, 1);
	while (th_posted(th, &posted)) {
		CHECK_EQ(LICHEN_CHAR_RECEIVED, posted.event);
		CHECK(got + posted.size <= SIZE);
		CHECK(!memcmp((const uint8_t *)words + got, posted.data, posted.size));
		got += posted.size;
	}
	CHECK_EQ(SIZE, got);
	th_destroy(th);
	munmap(words, SIZE);
	close(path);
	close(input);
}

TEST(what_is_not_a_regular_file_is_refused)
{
	struct th *th = th_create("file");
	int ends[2];

	CHECK_EQ(0, pipe(ends));
	th_set_file(th, "path", dup(ends[1]));
	CHECK_EQ(-LICHEN_EINVAL, th_start(th));
	CHECK(strstr(th_error(th), "path: not a regular file"));
	th_destroy(th);

	const int path = file_with("kept");
	th = th_create("file");
	th_set_file(th, "path", dup(path));
	th_set_file(th, "input", dup(ends[0]));
	CHECK_EQ(-LICHEN_EINVAL, th_start(th));
	CHECK(strstr(th_error(th), "input: not a regular file"));
	th_destroy(th);
	check_holds(path, "kept");
	close(path);
	close(ends[0]);
	close(ends[1]);
}
