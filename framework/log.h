/* SPDX-License-Identifier: MIT */
/* log.h: lines for the operator, and a limit on what a guest can make us say. */
#ifndef FW_LOG_H
#define FW_LOG_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>

#include <lichen/host.h>

struct fw_log {
	uint32_t level; /* the most detailed shown, enum lichen_level */
	void (*write)(void *context, const char *line); /* NULL: stderr */
	void *context;
	uint64_t start_ns; /* host clock; lines carry the time since */
	uint32_t strict;   /* 1: a line about misbehaviour is the last */
	/* Is told of each line about misbehaviour, too; NULL: nobody is.  [any] */
	void (*misbehaved)(void *teller, const char *line);
	void *teller;
};

/* A bucket of lines: FW_LOG_BURST at once, then FW_LOG_PER_SECOND. */
struct fw_log_limit {
	_Atomic uint64_t next_ns;    /* when the bucket is full again, host clock */
	_Atomic uint64_t suppressed; /* since the last line that passed */
};

void fw_log_init(struct fw_log *log, uint32_t level, void (*write)(void *, const char *),
		 void *context);

/* "   1.234567 warn [plugin/id] text"; plugin and id may be NULL.  [any] */
__attribute__((format(printf, 5, 6))) void fw_log(const struct fw_log *log, uint32_t level,
						  const char *plugin, const char *id,
						  const char *format, ...);
__attribute__((format(printf, 5, 0))) void fw_log_va(const struct fw_log *log, uint32_t level,
						     const char *plugin, const char *id,
						     const char *format, va_list args);

/* One line as it is, without time or level: what is printed for a bad profile.  [any] */
void fw_log_plain(const struct fw_log *log, const char *line);

/* 1: a line may be written; *suppressed lines were not since the last.  [any] */
int fw_log_allow(struct fw_log_limit *limit, uint64_t *suppressed);

/* ns of the host's monotonic clock. */
uint64_t fw_now_ns(void);

#endif
