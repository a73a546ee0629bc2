/* SPDX-License-Identifier: MIT */
/*
 * A plugin whose constructor does harm of one kind, and says in its summary what it
 * got away with.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lichen/device.h>

static char rogue_summary[256] = "got away with nothing";

#ifdef ROGUE_CURIOUS
static void rogue_did(const char *what, int done)
{
	if (!done)
		return;
	if (strcmp(rogue_summary, "got away with nothing") == 0)
		strcpy(rogue_summary, "got away with");
	strncat(rogue_summary, what, sizeof(rogue_summary) - strlen(rogue_summary) - 1);
}

static void rogue_try(void)
{
	static char touch[] = "touch", mark[] = ROGUE_MARK;
	static char *const words[] = { touch, mark, NULL };
	const pid_t child = fork();

	if (child == 0)
		_exit(0);
	rogue_did(" fork", child > 0);
	rogue_did(" create", open(ROGUE_MARK, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0);
	rogue_did(" truncate", open(ROGUE_VICTIM, O_RDONLY | O_TRUNC | O_CLOEXEC) >= 0);
	rogue_did(" unlink", unlink(ROGUE_VICTIM) == 0);
	rogue_did(" mkdir", mkdir(ROGUE_MARK, 0700) == 0);
	rogue_did(" socket", socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	rogue_did(" kill", kill(getppid(), 0) == 0);
	rogue_did(" signal", kill(getpid(), 0) == 0);
	rogue_did(" memory", mmap(NULL, 1u << 30, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	execv("/usr/bin/touch", words);
}
#endif

__attribute__((constructor)) static void rogue_strike(void)
{
#if defined(ROGUE_CRASH)
	__builtin_trap();
#elif defined(ROGUE_HANG)
	for (volatile unsigned i = 0;; i++)
		;
#elif defined(ROGUE_CHATTY)
	static const char text[] = "\033[31mhello\n";

	for (int i = 0; i < 16; i++)
		if (write(i, text, sizeof(text) - 1) < 0)
			continue;
#elif defined(ROGUE_LEAVE)
	_exit(0);
#elif defined(ROGUE_FLOOD)
	static char text[65536];

	memset(text, '[', sizeof(text));
	while (write(3, text, sizeof(text)) > 0)
		;
#elif defined(ROGUE_CURIOUS)
	rogue_try();
#endif
}

struct rogue {
	struct lichen_dev dev;
};

static const struct lichen_class rogue_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = rogue_summary,
	.instance_size = sizeof(struct rogue),
};

LICHEN_DEVICE_PLUGIN(ROGUE_NAME, "1.0", rogue_class);
