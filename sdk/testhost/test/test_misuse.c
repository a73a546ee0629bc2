/* SPDX-License-Identifier: MIT */
/* A plugin that misuses the host ends the program with a sentence that says how. */
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include <testhost.h>

#include "sample.h"
#include "tap.h"

static struct th *current;

/* Runs `misuse` in the read handler (or, with control, outside any) of an instance. */
static int run(void (*misuse)(struct sample *s), int control)
{
	struct th *th = th_create("sample");
	struct sample *s;

	current = th;
	(void)th_peer(th);
	CHECK_EQ(0, th_start(th));
	s = th_self(th);
	if (control) {
		misuse(s);
	} else {
		s->hook = misuse;
		th_in(th, SAMPLE_PORT, 1);
	}
	th_destroy(th);
	return 0;
}

/* Fails unless the child ends with status 1 and a sentence that has `words` in it. */
static void dies(void (*misuse)(struct sample *s), int control, const char *words)
{
	char text[4096];
	size_t used = 0;
	int ends[2], status = 0;
	ssize_t n;
	pid_t p;

	fflush(stdout);
	CHECK_EQ(0, pipe2(ends, O_CLOEXEC));
	p = fork();
	if (p == 0) {
		dup2(ends[1], STDOUT_FILENO);
		_exit(run(misuse, control));
	}
	close(ends[1]);
	while ((n = read(ends[0], text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	close(ends[0]);
	CHECK_EQ(p, waitpid(p, &status, 0));
	printf("# -> %s", used ? text : "(nothing)\n");
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	CHECK(strstr(text, "test host: plugin sample: "));
	CHECK(strstr(text, words));
}

#define DIES(name, control, words)                       \
	static void name##_misuse(struct sample *s);     \
	TEST(name)                                       \
	{                                                \
		dies(name##_misuse, (control), (words)); \
	}                                                \
	static void name##_misuse(struct sample *s)

DIES(an_unknown_handle, 1, "line_set: handle 0x77 is not one")
{
	s->dev.host->line_set(s->dev.in, 0x77, 1);
}

DIES(a_handle_of_another_kind, 1, "timer_arm: handle")
{
	lichen_handle handle = 0;

	s->dev.host->message_claim(s->dev.in, &handle);
	s->dev.host->timer_arm(s->dev.in, handle, 0);
}

DIES(a_handle_that_was_released, 1, "message_send: handle")
{
	lichen_handle handle = 0, next = 0;

	s->dev.host->message_claim(s->dev.in, &handle);
	s->dev.host->message_release(s->dev.in, handle);
	s->dev.host->message_claim(s->dev.in, &next);
	s->dev.host->message_send(s->dev.in, handle);
}

DIES(enter_without_leave, 0, "enter: returned without leave (in read)")
{
	s->dev.host->enter(s->dev.in, s->peer);
}

DIES(leave_without_enter, 1, "leave: lichen.char/1 was not entered")
{
	s->dev.host->leave(s->dev.in, s->peer);
}

DIES(entering_twice, 0, "enter: lichen.char/1 is entered already")
{
	s->dev.host->enter(s->dev.in, s->peer);
	s->dev.host->enter(s->dev.in, s->peer);
}

DIES(a_link_that_is_none, 1, "enter: the link is not one")
{
	const struct lichen_link mine = { LICHEN_STRUCT(struct lichen_link) };

	s->dev.host->enter(s->dev.in, &mine);
}

DIES(a_map_that_is_held, 0, "memory_map: returned without memory_unmap")
{
	struct lichen_map map;

	s->dev.host->memory_map(s->dev.in, 0, 0, 16, LICHEN_ACCESS_READ, &map);
}

DIES(writing_through_a_map_for_reading, 0, "memory_unmap: 1 bytes written of 16")
{
	struct lichen_map map;

	s->dev.host->memory_map(s->dev.in, 0, 0, 16, LICHEN_ACCESS_READ, &map);
	s->dev.host->memory_unmap(s->dev.in, &map, 1);
}

DIES(writing_more_than_was_mapped, 0, "memory_unmap: 17 bytes written of 16")
{
	struct lichen_map map;

	s->dev.host->memory_map(s->dev.in, 0, 0, 16, LICHEN_ACCESS_WRITE, &map);
	s->dev.host->memory_unmap(s->dev.in, &map, 17);
}

DIES(claiming_in_a_handler, 0, "line_claim: not allowed on this thread (in read)")
{
	const struct lichen_line line = { LICHEN_STRUCT(struct lichen_line), .gsi = 1 };
	lichen_handle handle;

	s->dev.host->line_claim(s->dev.in, &line, &handle);
}

DIES(logging_what_the_guest_causes, 0, "log: called where the guest can cause it")
{
	s->dev.host->log(s->dev.in, LICHEN_LOG_WARN, "again");
}

DIES(posting_to_nobody, 1, "post: client 2 did not join")
{
	s->dev.host->post(s->dev.in, 2, 0, NULL, 0);
}

DIES(an_error_with_a_newline, 1, "has a newline")
{
	s->dev.host->error(s->dev.in, "a\n");
}

DIES(an_error_with_a_capital, 1, "starts with a capital")
{
	s->dev.host->error(s->dev.in, "Cannot %s", "do");
}

DIES(an_error_with_a_full_stop, 1, "ends with a full stop")
{
	s->dev.host->error(s->dev.in, "port 1.");
}

DIES(reserving_too_late, 1, "memory_reserve: not allowed in the instance's state")
{
	s->dev.host->memory_reserve(s->dev.in, 0, 4096, LICHEN_RANGE_RESERVED);
}

DIES(completing_what_is_not_pending, 1, "complete: operation 3 is not pending")
{
	s->dev.host->complete(s->dev.in, LICHEN_OP_QUIESCE, 0);
}

DIES(closing_a_watched_descriptor, 1, "is watched and closed")
{
	lichen_handle handle;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return;
	s->dev.host->watch(s->dev.in, ends[0], LICHEN_WATCH_READ, 0, &handle);
	close(ends[0]);
	th_poll(current, 0);
}

DIES(a_vcpu_that_is_none, 1, "cpu_apic_id: there is no vCPU 1 of 1")
{
	s->dev.host->cpu_apic_id(s->dev.in, 1);
}

/* The same harness, without misuse: nothing dies. */
static void behave(struct sample *s)
{
	(void)s;
}

TEST_MUST_FAIL(a_plugin_that_behaves_does_not_die)
{
	dies(behave, 0, "");
}
