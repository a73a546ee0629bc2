/* SPDX-License-Identifier: MIT */
/* log.c: see log.h.  A line is put together on the stack and written in one call. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

enum { FW_LOG_LINE = 1024, FW_LOG_BURST = 10, FW_LOG_PER_SECOND = 2 };

#define FW_SECOND_NS UINT64_C(1000000000)

uint64_t fw_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * FW_SECOND_NS + (uint64_t)now.tv_nsec;
}

void fw_log_init(struct fw_log *log, uint32_t level, void (*write)(void *, const char *),
		 void *context)
{
	log->level = level ? level : LICHEN_LOG_INFO;
	log->write = write;
	log->context = context;
	log->strict = 0;
	log->start_ns = fw_now_ns();
}

static const char *fw_log_level_name(uint32_t level)
{
	static const char *const names[] = {
		[LICHEN_LOG_ERROR] = "error",
		[LICHEN_LOG_WARN] = "warn",
		[LICHEN_LOG_INFO] = "info",
		[LICHEN_LOG_DEBUG] = "debug",
		[LICHEN_LOG_TRACE] = "trace",
		[LICHEN_LOG_HOST_MISBEHAVING] = "host misbehaves",
		[LICHEN_LOG_PLUGIN_MISBEHAVING] = "plugin misbehaves",
	};

	return level && level < sizeof(names) / sizeof(names[0]) ? names[level] : "?";
}

void fw_log_plain(const struct fw_log *log, const char *line)
{
	char text[FW_LOG_LINE + 2];
	int length;

	if (log->write) {
		log->write(log->context, line);
		return;
	}
	length = snprintf(text, FW_LOG_LINE, "%s", line);
	if (length < 0)
		return;
	if (length >= FW_LOG_LINE)
		length = FW_LOG_LINE - 1;
	text[length++] = '\n';
	/* A line that does not get out is lost: there is nowhere to say so. */
	if (write(STDERR_FILENO, text, (size_t)length) < 0)
		return;
}

/*
 * Lines may quote a guest and end up on a terminal: no C0 controls, no DEL, and no
 * C1 controls (U+0080 to U+009F, in UTF-8 C2 80 to C2 9F).
 */
static void fw_log_clean(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
		else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f)
			c[0] = c[1] = '?';
	}
}

void fw_log_va(const struct fw_log *log, uint32_t level, const char *plugin, const char *id,
	       const char *format, va_list args)
{
	const uint64_t since_us = (fw_now_ns() - log->start_ns) / 1000;
	char line[FW_LOG_LINE];
	size_t used;
	int n;

	if (level > log->level && level < LICHEN_LOG_HOST_MISBEHAVING)
		return;
	n = snprintf(line, sizeof(line), "%4" PRIu64 ".%06" PRIu64 " %s ", since_us / 1000000,
		     since_us % 1000000, fw_log_level_name(level));
	used = n < 0 ? 0 : (size_t)n;
	if (plugin && id) {
		n = snprintf(line + used, sizeof(line) - used, "[%s/%s] ", plugin, id);
		used += n < 0 ? 0 : (size_t)n;
	}
	if (used < sizeof(line))
		vsnprintf(line + used, sizeof(line) - used, format, args);
	fw_log_clean(line);
	fw_log_plain(log, line);
	if (level >= LICHEN_LOG_HOST_MISBEHAVING && log->misbehaved)
		log->misbehaved(log->teller, line);
	if (log->strict && level >= LICHEN_LOG_HOST_MISBEHAVING)
		abort();
}

void fw_log(const struct fw_log *log, uint32_t level, const char *plugin, const char *id,
	    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fw_log_va(log, level, plugin, id, format, args);
	va_end(args);
}

/*
 * next_ns runs ahead of the clock by one interval a line; a line is refused when
 * it would run ahead by more than the burst.
 */
int fw_log_allow(struct fw_log_limit *limit, uint64_t *suppressed)
{
	const uint64_t interval = FW_SECOND_NS / FW_LOG_PER_SECOND;
	const uint64_t now = fw_now_ns();
	uint64_t next = atomic_load_explicit(&limit->next_ns, memory_order_relaxed);
	uint64_t wanted;

	do {
		wanted = (next > now ? next : now) + interval;
		if (wanted - now > interval * FW_LOG_BURST) {
			atomic_fetch_add_explicit(&limit->suppressed, 1, memory_order_relaxed);
			return 0;
		}
	} while (!atomic_compare_exchange_weak_explicit(
		&limit->next_ns, &next, wanted, memory_order_relaxed, memory_order_relaxed));
	*suppressed = atomic_exchange_explicit(&limit->suppressed, 0, memory_order_relaxed);
	return 1;
}
