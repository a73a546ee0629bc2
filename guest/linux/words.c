// SPDX-License-Identifier: GPL-2.0-only
/* words.c: what the kernel's log says about something, from a moment on. */
#include <linux/kmsg_dump.h>
#include <linux/string.h>

#include "guest.h"

enum { WORDS_LINE = 256 };

#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 12, 0)

static void words_start(struct kmsg_dump_iter *log)
{
	kmsg_dump_rewind(log);
}

#else /* the iterator was part of a dumper, which has to be active */

#define kmsg_dump_iter kmsg_dumper
static void words_start(struct kmsg_dumper *log)
{
	memset(log, 0, sizeof(*log));
	log->active = true;
	kmsg_dump_rewind(log);
}

#endif

u64 guest_words_mark(void)
{
	struct kmsg_dump_iter log;

	words_start(&log);
	return log.next_seq;
}

/* Behind the time that a line may start with. */
static char *words_text(char *line)
{
	char *end = *line == '[' ? strstr(line, "] ") : NULL;

	return end ? end + 2 : line;
}

static bool words_concern(const char *line, const char *about)
{
	return strstr(line, about) || strstr(line, "module") || strstr(line, "Lockdown");
}

u32 guest_words(u64 since, const char *about, char *text, u32 room)
{
	struct kmsg_dump_iter log;
	char line[WORDS_LINE];
	size_t size;
	u32 used = 0;

	words_start(&log);
	log.cur_seq = max(log.cur_seq, since);
	while (kmsg_dump_get_line(&log, false, line, sizeof(line) - 1, &size)) {
		char *from;

		line[size] = '\0';
		from = words_text(line);
		size = strlen(from);
		if (!words_concern(from, about) || used + size > room)
			continue;
		memcpy(text + used, from, size);
		used += size;
	}
	while (used && text[used - 1] == '\n')
		used--;
	return used;
}
