/* SPDX-License-Identifier: MIT */
/*
 * sdk/why.h: the sentence about a refusal, for functions that judge bytes and
 * have no host to tell.  Their caller hands it to host->error().
 */
#ifndef LICHEN_SDK_WHY_H
#define LICHEN_SDK_WHY_H

#include <stdarg.h>
#include <stdio.h>

#include <lichen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One sentence as host->error() wants it; written by failures only. */
struct lichen_why {
	char text[192];
};

/* Writes the sentence, cut at the end of its room; returns `status`.  [any, any] */
__attribute__((format(printf, 3, 4))) static inline lichen_status lichen_refuse(
	struct lichen_why *why, lichen_status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return status;
}

#ifdef __cplusplus
}
#endif

#endif
