/* SPDX-License-Identifier: MIT */
/*
 * sandbox.c: a child that may read, compute, and answer through one pipe.  No
 * network, no other program, no file written, no signal to anyone, little memory,
 * little time: system calls that are not listed do not exist for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <seccomp.h>

#include "cli.h"

enum {
	SANDBOX_MS = 2000,	    /* of time on the clock */
	SANDBOX_CPU_S = 4,	    /* of processor time, should we be gone */
	SANDBOX_TEXT_MAX = 4 << 20, /* bytes of answer */
	SANDBOX_MEMORY = 256 << 20, /* bytes beyond what the process has mapped */
	SANDBOX_FILES = 32,	    /* descriptors */
	SANDBOX_PIPE = 3,	    /* the child's end, after nothing else is open */
};

/* To read files, map them as code, allocate, tell the time, and end. */
static const int sandbox_calls[] = {
	SCMP_SYS(read),		  SCMP_SYS(pread64),	  SCMP_SYS(readv),
	SCMP_SYS(write),	  SCMP_SYS(writev),	  SCMP_SYS(close),
	SCMP_SYS(fstat),	  SCMP_SYS(newfstatat),	  SCMP_SYS(stat),
	SCMP_SYS(lstat),	  SCMP_SYS(statx),	  SCMP_SYS(lseek),
	SCMP_SYS(access),	  SCMP_SYS(faccessat),	  SCMP_SYS(faccessat2),
	SCMP_SYS(readlink),	  SCMP_SYS(readlinkat),	  SCMP_SYS(getcwd),
	SCMP_SYS(getdents64),	  SCMP_SYS(memfd_create), SCMP_SYS(ftruncate),
	SCMP_SYS(mmap),		  SCMP_SYS(mprotect),	  SCMP_SYS(munmap),
	SCMP_SYS(mremap),	  SCMP_SYS(madvise),	  SCMP_SYS(brk),
	SCMP_SYS(futex),	  SCMP_SYS(sched_yield),  SCMP_SYS(sched_getaffinity),
	SCMP_SYS(getpid),	  SCMP_SYS(gettid),	  SCMP_SYS(getuid),
	SCMP_SYS(geteuid),	  SCMP_SYS(getgid),	  SCMP_SYS(getegid),
	SCMP_SYS(clock_gettime),  SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(getrandom),	  SCMP_SYS(uname),	  SCMP_SYS(sysinfo),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),	  SCMP_SYS(exit),	  SCMP_SYS(exit_group),
};

/* Of fcntl, what copies, marks and seals descriptors; no owners, so no signals. */
static const int sandbox_fcntl[] = { F_GETFD,	      F_SETFD,	   F_GETFL,
				     F_DUPFD_CLOEXEC, F_ADD_SEALS, F_GET_SEALS };

/* 0, or a negative number of errno. */
static int sandbox_filter(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int failed = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < sizeof(sandbox_calls) / sizeof(sandbox_calls[0]) && !failed; i++)
		failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, sandbox_calls[i], 0);
	for (size_t i = 0; i < sizeof(sandbox_fcntl) / sizeof(sandbox_fcntl[0]) && !failed; i++)
		failed = seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
			SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)sandbox_fcntl[i], 0));
	if (!failed)
		failed = seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
	if (!failed)
		failed = seccomp_load(filter);
	if (filter)
		seccomp_release(filter);
	return failed;
}

/* Bytes of address space in use: sanitizers have reserved more than any fixed limit. */
static rlim_t sandbox_mapped(void)
{
	unsigned long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "re");

	if (statm) {
		if (fscanf(statm, "%lu", &pages) != 1)
			pages = 0;
		fclose(statm);
	}
	return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static int sandbox_limit(__rlimit_resource_t what, rlim_t limit)
{
	return setrlimit(what, &(struct rlimit){ limit, limit });
}

/* Nothing open but /dev/null three times and the pipe. */
static int sandbox_descriptors(int pipe)
{
	const int answer = fcntl(pipe, F_DUPFD_CLOEXEC, SANDBOX_PIPE + 1);
	const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (nothing < 0 || answer < 0)
		return -1;
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		if (dup2(nothing, i) < 0)
			return -1;
	if (dup2(answer, SANDBOX_PIPE) < 0)
		return -1;
	return close_range(SANDBOX_PIPE + 1, ~0u, 0);
}

/* In the child: gives up what it does not need; 0 when all of that is gone. */
static int sandbox_enter(int pipe, pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		return -1;
	if (sandbox_descriptors(pipe))
		return -1;
	if (sandbox_limit(RLIMIT_CPU, SANDBOX_CPU_S) || sandbox_limit(RLIMIT_CORE, 0) ||
	    sandbox_limit(RLIMIT_NOFILE, SANDBOX_FILES) ||
	    sandbox_limit(RLIMIT_FSIZE, SANDBOX_MEMORY) ||
	    sandbox_limit(RLIMIT_AS, sandbox_mapped() + SANDBOX_MEMORY))
		return -1;
	return sandbox_filter();
}

enum { SANDBOX_NO_ENTRY = 255 }; /* exit status of a child that could not be confined */

__attribute__((noreturn)) static void sandbox_child(int (*work)(void *context, FILE *to),
						    void *context, int pipe, pid_t parent)
{
	FILE *to;
	int status;

	if (sandbox_enter(pipe, parent))
		_exit(SANDBOX_NO_ENTRY);
	to = fdopen(SANDBOX_PIPE, "w");
	status = to ? work(context, to) : CLI_FAILED;
	if (to && fclose(to))
		status = CLI_FAILED;
	_exit(status);
}

static int64_t sandbox_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What the child has written so far. */
struct sandbox_text {
	char *text;
	size_t size, room;
};

/* 1: some was read; 0: the end; -1: no more is taken, and `why` says so. */
static int sandbox_read(int pipe, struct sandbox_text *got, char why[static CLI_WHY_SIZE])
{
	ssize_t n;

	if (got->size == got->room) {
		const size_t room = got->room ? 2 * got->room : 65536;
		char *text = room <= SANDBOX_TEXT_MAX ? realloc(got->text, room) : NULL;

		if (!text) {
			snprintf(why, CLI_WHY_SIZE, "its description is longer than %d MiB",
				 SANDBOX_TEXT_MAX >> 20);
			return -1;
		}
		got->text = text;
		got->room = room;
	}
	n = read(pipe, got->text + got->size, got->room - got->size);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	got->size += (size_t)n;
	return n > 0;
}

/* Until the child has ended: 0; else -1 and why. */
static int sandbox_wait(int pipe, int child, struct sandbox_text *got,
			char why[static CLI_WHY_SIZE])
{
	const int64_t deadline = sandbox_now_ms() + SANDBOX_MS;
	struct pollfd polled[] = { { .fd = pipe, .events = POLLIN },
				   { .fd = child, .events = POLLIN } };

	for (;;) {
		const int64_t left = deadline - sandbox_now_ms();
		int more = 1;

		polled[0].revents = polled[1].revents = 0;
		if (left <= 0 || (poll(polled, 2, (int)left) < 0 && errno != EINTR)) {
			snprintf(why, CLI_WHY_SIZE, "does not open within %d s",
				 SANDBOX_MS / 1000);
			return -1;
		}
		if (polled[0].revents)
			more = sandbox_read(pipe, got, why);
		if (more < 0)
			return -1;
		if (more == 0)
			polled[0].fd = -1;
		/* What it wrote before it ended is read first. */
		if (polled[0].fd < 0 && polled[1].revents)
			return 0;
	}
}

static int sandbox_verdict(const siginfo_t *end, char why[static CLI_WHY_SIZE])
{
	if (end->si_code != CLD_EXITED) {
		snprintf(why, CLI_WHY_SIZE, "crashes when it is opened: %s",
			 strsignal(end->si_status));
		return -1;
	}
	if (end->si_status != SANDBOX_NO_ENTRY)
		return end->si_status;
	snprintf(why, CLI_WHY_SIZE, "this system has no sandbox (seccomp) to read it in");
	return -1;
}

/* Waits, ends and reaps the child. */
static int sandbox_follow(pid_t pid, int pipe, struct sandbox_text *got,
			  char why[static CLI_WHY_SIZE])
{
	const int child = pidfd_open(pid, 0);
	siginfo_t end;
	int status = -1;

	if (child < 0)
		snprintf(why, CLI_WHY_SIZE, "its child cannot be watched: %s", strerror(errno));
	else
		status = sandbox_wait(pipe, child, got, why);
	if (status)
		(void)kill(pid, SIGKILL);
	while (waitid(P_PID, (id_t)pid, &end, WEXITED) < 0 && errno == EINTR)
		;
	if (child >= 0)
		close(child);
	return status ? status : sandbox_verdict(&end, why);
}

int cli_sandbox_run(int (*work)(void *context, FILE *to), void *context, char **text,
		    size_t *size, char why[static CLI_WHY_SIZE])
{
	const pid_t self = getpid();
	struct sandbox_text got = { 0 };
	int ends[2], status;
	pid_t pid = -1;

	if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		snprintf(why, CLI_WHY_SIZE, "no child to read it in: %s", strerror(errno));
		return -1;
	}
	if (pid == 0)
		sandbox_child(work, context, ends[1], self);
	close(ends[1]);
	status = sandbox_follow(pid, ends[0], &got, why);
	close(ends[0]);
	if (status < 0) {
		free(got.text);
		return -1;
	}
	*text = got.text;
	*size = got.size;
	return status;
}
