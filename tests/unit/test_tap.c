/* SPDX-License-Identifier: MIT */
/* Tests of the harness: each way in which a test can fail, fails; and the program says so. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

#include "tap.h"

TEST_MUST_FAIL(a_false_check_fails)
{
	CHECK(1 == 2);
}

TEST_MUST_FAIL(unequal_numbers_fail)
{
	CHECK_EQ(1, 2);
}

TEST_MUST_FAIL(unequal_texts_fail)
{
	CHECK_STR("a", "b");
}

TEST_MUST_FAIL(a_missing_text_fails)
{
	CHECK_STR("a", NULL);
}

TEST_MUST_FAIL(a_crash_fails)
{
	raise(SIGSEGV);
}

TEST_MUST_FAIL(a_leaked_descriptor_fails)
{
	CHECK(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
}

TEST_MUST_FAIL(closing_a_foreign_descriptor_fails)
{
	close(STDIN_FILENO);
}

static void *sleep_for_ever(void *argument)
{
	for (;;)
		pause();
	return argument;
}

TEST_MUST_FAIL(a_leaked_thread_fails)
{
	pthread_t thread;

	CHECK_EQ(0, pthread_create(&thread, NULL, sleep_for_ever, NULL));
}

TEST_MUST_FAIL(a_plugin_that_stays_mapped_fails)
{
	int fd = memfd_create("plugin", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_EQ(0, ftruncate(fd, 4096));
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED);
	close(fd);
}

static void *do_nothing(void *argument)
{
	return argument;
}

TEST(a_joined_thread_is_no_leak)
{
	for (int i = 0; i < 20; i++) {
		pthread_t thread;

		CHECK_EQ(0, pthread_create(&thread, NULL, do_nothing, NULL));
		CHECK_EQ(0, pthread_join(thread, NULL));
	}
}

TEST(equal_things_pass)
{
	CHECK(1);
	CHECK_EQ(-1, (int8_t)0xff);
	CHECK_STR("a", "a");
}

/* Runs this program for the one test `name`; its exit status, and what it prints. */
static int run_self(const char *name, char *text, size_t size)
{
	size_t used = 0;
	int ends[2], status = 0;
	ssize_t n;
	pid_t p;

	CHECK_EQ(0, pipe2(ends, O_CLOEXEC));
	p = fork();
	if (p == 0) {
		dup2(ends[1], STDOUT_FILENO);
		execl("/proc/self/exe", "tap", name, (char *)NULL);
		_exit(errno);
	}
	close(ends[1]);
	while ((n = read(ends[0], text + used, size - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	close(ends[0]);
	CHECK_EQ(p, waitpid(p, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(a_test_can_be_chosen_by_name)
{
	char text[8192];

	CHECK_EQ(0, run_self("equal_things_pass", text, sizeof(text)));
	CHECK(strstr(text, "- equal_things_pass\n"));
	CHECK(strstr(text, "- a_crash_fails # SKIP not selected\n"));
}

TEST(a_name_that_is_none_is_an_error)
{
	char text[8192];

	CHECK_EQ(TAP_USAGE, run_self("no_such_test", text, sizeof(text)));
	CHECK(strstr(text, "Bail out! there is no test no_such_test\n"));
}

/* The three below are what the tests after them look at; alone they say nothing. */
static int chosen(const char *name)
{
	char line[4096] = "";
	FILE *f = fopen("/proc/self/cmdline", "re");
	const size_t n = f ? fread(line, 1, sizeof(line) - 1, f) : 0;

	if (f)
		fclose(f);
	return n > strlen(line) + 1 && !strcmp(line + strlen(line) + 1, name);
}

TEST(fails_when_chosen)
{
	CHECK(!chosen("fails_when_chosen"));
}

TEST_MUST_FAIL(passes_when_chosen)
{
	CHECK(chosen("passes_when_chosen"));
}

TEST(skips_when_chosen)
{
	if (chosen("skips_when_chosen"))
		SKIP("it was chosen");
}

TEST(a_failure_shows_in_the_line_and_the_status)
{
	char text[8192];

	CHECK_EQ(1, run_self("fails_when_chosen", text, sizeof(text)));
	CHECK(strstr(text, "\nnot ok "));
	CHECK(strstr(text, "CHECK(!chosen(\"fails_when_chosen\"))"));
}

TEST(a_test_that_must_fail_and_passes_is_a_failure)
{
	char text[8192];

	CHECK_EQ(1, run_self("passes_when_chosen", text, sizeof(text)));
	CHECK(strstr(text, "- passes_when_chosen\n"));
	CHECK(strstr(text, "\nnot ok "));
}

TEST(a_skip_is_no_failure)
{
	char text[8192];

	CHECK_EQ(0, run_self("skips_when_chosen", text, sizeof(text)));
	CHECK(strstr(text, "- skips_when_chosen # SKIP\n"));
	CHECK(strstr(text, "# skip: it was chosen\n"));
}

/* Position in the file is the order, whatever the linker did. */
TEST(tests_run_in_the_order_of_the_file)
{
	char text[8192];

	CHECK_EQ(0, run_self("equal_things_pass", text, sizeof(text)));
	CHECK(strstr(text, "1 - a_false_check_fails"));
	CHECK(strstr(text, "a_leaked_thread_fails") < strstr(text, "equal_things_pass"));
}
