/* SPDX-License-Identifier: MIT */
/*
 * th_alloc.c: allocations that fail when told to.  The program's malloc takes the
 * place of the C library's for the plugin too; the test host's own memory comes
 * from th_alloc() and is never refused.  With sanitizers, whose malloc this
 * would displace, th_fail_allocation() skips the test.
 */
#include "th.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define TH_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TH_SANITIZED
#endif

enum { TH_EXIT_SKIP = 77 }; /* tap.h's */

#ifdef TH_SANITIZED
#define TH_CALLOC calloc
#else
/* glibc's own, under the names that it keeps for those who replace malloc. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
#define TH_CALLOC __libc_calloc
#endif

void *th_alloc(uint64_t size)
{
	void *memory = TH_CALLOC(1, size ? size : 1);

	if (!memory)
		abort();
	return memory;
}

char *th_copy_text(const char *text)
{
	const size_t size = strlen(text) + 1;

	return memcpy(th_alloc(size), text, size);
}

#ifdef TH_SANITIZED

void th_fail_allocation(struct th *th, uint32_t nth)
{
	(void)th, (void)nth;
	printf("# skip: allocations cannot be failed under a sanitizer\n");
	fflush(stdout);
	_exit(TH_EXIT_SKIP);
}

#else

static _Atomic uint32_t th_failing; /* allocations until one fails; 0: none will */

void th_fail_allocation(struct th *th, uint32_t nth)
{
	(void)th;
	atomic_store(&th_failing, nth);
}

static int th_refuse(void)
{
	uint32_t left = atomic_load(&th_failing);

	while (left && !atomic_compare_exchange_weak(&th_failing, &left, left - 1))
		;
	if (left != 1)
		return 0;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t size)
{
	return th_refuse() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return th_refuse() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	return th_refuse() ? NULL : __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return th_refuse() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
	void *got = th_refuse() ? NULL : __libc_memalign(alignment, size);

	if (!got)
		return ENOMEM;
	*memory = got;
	return 0;
}

#endif
