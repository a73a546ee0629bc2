/* SPDX-License-Identifier: MIT */
/*
 * alloc.h: makes one allocation of a thread fail, and counts blocks.  For one file of a
 * program, which must not be built with a sanitizer: ALLOC_SANITIZED says that it is.
 *
 * libuv's own memory is spared: it ends the process where it cannot have its table of
 * descriptors.
 */
#ifndef TEST_ALLOC_H
#define TEST_ALLOC_H

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <uv.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define ALLOC_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ALLOC_SANITIZED
#endif

#ifndef ALLOC_SANITIZED

/* glibc's own, under the names that it keeps for those who replace malloc. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

static _Thread_local uint32_t failing; /* allocations until one fails; 0: none will */
static _Thread_local uint32_t armed, made;
static _Atomic int64_t live; /* blocks that were not freed */

static int refuse(void)
{
	if (!armed)
		return 0;
	made++;
	if (failing == 0 || --failing)
		return 0;
	errno = ENOMEM;
	return 1;
}

static void *count(void *memory)
{
	if (memory)
		atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
	return memory;
}

void *malloc(size_t size)
{
	return refuse() ? NULL : count(__libc_malloc(size));
}

void *calloc(size_t number, size_t size)
{
	return refuse() ? NULL : count(__libc_calloc(number, size));
}

void *realloc(void *memory, size_t size)
{
	void *moved;

	if (refuse())
		return NULL;
	moved = __libc_realloc(memory, size);
	return memory ? moved : count(moved);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return refuse() ? NULL : count(__libc_memalign(alignment, size));
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
	void *got = refuse() ? NULL : count(__libc_memalign(alignment, size));

	if (!got)
		return ENOMEM;
	*memory = got;
	return 0;
}

void free(void *memory)
{
	const int error = errno;

	if (memory)
		atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
	__libc_free(memory);
	errno = error;
}

/* --- libuv's, never refused --- */

static void *spare_malloc(size_t size)
{
	return count(__libc_malloc(size));
}

static void *spare_calloc(size_t number, size_t size)
{
	return count(__libc_calloc(number, size));
}

static void *spare_realloc(void *memory, size_t size)
{
	void *moved = __libc_realloc(memory, size);

	return memory ? moved : count(moved);
}

__attribute__((constructor(101))) static void spare_libuv(void)
{
	uv_replace_allocator(spare_malloc, spare_realloc, spare_calloc, free);
}

#endif
#endif
