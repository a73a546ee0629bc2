/* SPDX-License-Identifier: MIT */
/*
 * console.c: descriptors for a console backend.  O_NONBLOCK belongs to the open
 * file description, which we share with the shell and whatever else has the
 * terminal; so terminals, pipes and character devices are opened again.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

static int cli_console_own(int descriptor, int access)
{
	char path[32];
	struct stat st;
	int own = -1;

	if (fstat(descriptor, &st) < 0)
		return -1;
	if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
		own = open(path, access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	}
	/* A plain file keeps its offset and O_APPEND; a socket cannot be opened again. */
	if (own < 0)
		own = fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
	if (own >= 0 && S_ISSOCK(st.st_mode))
		(void)fcntl(own, F_SETFL, fcntl(own, F_GETFL) | O_NONBLOCK);
	return own;
}

void cli_console_open(int32_t *input, int32_t *output)
{
	*input = cli_console_own(STDIN_FILENO, O_RDONLY);
	*output = cli_console_own(STDOUT_FILENO, O_WRONLY);
}
