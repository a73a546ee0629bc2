/* SPDX-License-Identifier: MIT */
/*
 * detach.c: `lichen run --detach`.  The VM is put together in a child, whose errors go
 * where the caller sees them.  A pipe tells the caller that the guest runs; if it
 * closes without a word, the child's exit status is the command's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"

/* In the caller: until the guest runs, or the child has ended. */
static int detach_wait(pid_t child, int pipe)
{
	int status;
	char word;
	ssize_t n;

	do
		n = read(pipe, &word, 1);
	while (n < 0 && errno == EINTR);
	(void)close(pipe);
	if (n == 1)
		return 0;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return LICHEN_VM_FAILED;
	return WIFEXITED(status) ? WEXITSTATUS(status) : LICHEN_VM_FAILED;
}

int cli_detach(const struct cli_options *options, int *ready, int *status)
{
	int ends[2];
	pid_t child;

	(void)fflush(NULL);
	if (pipe2(ends, O_CLOEXEC) < 0 || (child = fork()) < 0) {
		cli_say("no process for the VM: %s", strerror(errno));
		*status = LICHEN_VM_FAILED;
		return -1;
	}
	if (child) {
		(void)close(ends[1]);
		*status = detach_wait(child, ends[0]);
		if (*status == 0 && options->form == LICHEN_FORM_JSON) {
			printf("{\"pid\": %d}\n", (int)child);
			*status = cli_flush(0);
		}
		return -1;
	}
	/* What else the caller has open is none of the VM's business. */
	(void)setsid();
	*ready = dup2(ends[1], 3) == 3 ? 3 : -1;
	if (*ready < 0 || fcntl(3, F_SETFD, FD_CLOEXEC) < 0 || close_range(4, ~0u, 0) < 0) {
		cli_say("no descriptor for the VM: %s", strerror(errno));
		_exit(LICHEN_VM_FAILED);
	}
	return 0;
}

int cli_detach_ready(int ready, const char *log_file)
{
	const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
	int log = nowhere, said;

	if (log_file) {
		log = open(log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (log < 0)
			cli_say("--log %s: %s: what the VM says is lost", log_file,
				strerror(errno));
		if (log < 0)
			log = nowhere;
	}
	(void)fflush(NULL);
	/* Before the caller goes: who reads its output to the end waits for no one else. */
	if (dup2(nowhere, STDIN_FILENO) < 0 || dup2(nowhere, STDOUT_FILENO) < 0 ||
	    dup2(log, STDERR_FILENO) < 0)
		return -1;
	if (log != nowhere)
		(void)close(log);
	(void)close(nowhere);
	said = write(ready, "r", 1) == 1 ? 0 : -1;
	(void)close(ready);
	return said;
}
