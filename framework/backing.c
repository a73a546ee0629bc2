/* SPDX-License-Identifier: MIT */
/* backing.c: see backing.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backing.h"

/* Takes the descriptor over, also on failure. */
static lichen_status fw_backing_open(int descriptor, uint64_t offset, uint64_t size,
				     uint32_t kind, int protection, struct fw_backing **made)
{
	struct fw_backing *backing = calloc(1, sizeof(*backing));
	void *host;

	if (!backing) {
		close(descriptor);
		return -LICHEN_ENOMEM;
	}
	host = mmap(NULL, size, protection, MAP_SHARED, descriptor, (off_t)offset);
	if (host == MAP_FAILED) {
		const lichen_status status = -errno;

		free(backing);
		close(descriptor);
		return status;
	}
	/* Advice only, as for the guest's RAM. */
	madvise(host, size, MADV_DONTFORK);
	madvise(host, size, MADV_DONTDUMP);
	atomic_store(&backing->uses, 1);
	backing->kind = kind;
	backing->descriptor = descriptor;
	backing->offset = offset;
	backing->size = size;
	backing->host = host;
	pthread_mutex_init(&backing->dirty_lock, NULL);
	*made = backing;
	return 0;
}

struct fw_backing *fw_backing_new(uint32_t kind, uint64_t size)
{
	struct fw_backing *backing = NULL;
	int descriptor;

	if (size > INT64_MAX)
		return NULL;
	descriptor = memfd_create("lichen-window", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (descriptor < 0)
		return NULL;
	/* Who gets the descriptor to map it cannot pull it from under the guest. */
	if (ftruncate(descriptor, (off_t)size) < 0 ||
	    fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		close(descriptor);
		return NULL;
	}
	if (fw_backing_open(descriptor, 0, size, kind, PROT_READ | PROT_WRITE, &backing) < 0)
		return NULL;
	backing->writable = kind == LICHEN_RAM;
	return backing;
}

lichen_status fw_backing_map(int descriptor, uint64_t offset, uint64_t size, uint32_t access,
			     struct fw_backing **made)
{
	const int write = access & LICHEN_ACCESS_WRITE ? PROT_WRITE : 0;
	struct stat file;
	lichen_status status;
	int copy;

	if (fstat(descriptor, &file) < 0)
		return -errno;
	/* Past the end of its file it would be SIGBUS, for the guest and for us. */
	if (S_ISREG(file.st_mode) &&
	    (offset > (uint64_t)file.st_size || size > (uint64_t)file.st_size - offset))
		return -LICHEN_EINVAL;
	copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return -errno;
	status = fw_backing_open(copy, offset, size, LICHEN_MAPPED, PROT_READ | write, made);
	if (status == 0)
		(*made)->writable = write != 0;
	return status;
}

struct fw_backing *fw_backing_get(struct fw_backing *backing)
{
	atomic_fetch_add_explicit(&backing->uses, 1, memory_order_relaxed);
	return backing;
}

void fw_backing_put(struct fw_backing *backing)
{
	if (!backing || atomic_fetch_sub_explicit(&backing->uses, 1, memory_order_acq_rel) > 1)
		return;
	munmap(backing->host, backing->size);
	close(backing->descriptor);
	pthread_mutex_destroy(&backing->dirty_lock);
	free(atomic_load(&backing->dirty));
	free(backing);
}

/* Aligned, so that each is one access, as the guest's own would be. */
uint64_t fw_backing_load(const struct fw_backing *backing, uint64_t off, uint32_t size)
{
	const uint8_t *at = backing->host + off;

	switch (size) {
	case 1:
		return __atomic_load_n(at, __ATOMIC_RELAXED);
	case 2:
		return __atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_RELAXED);
	case 4:
		return __atomic_load_n((const uint32_t *)(const void *)at, __ATOMIC_RELAXED);
	default:
		return __atomic_load_n((const uint64_t *)(const void *)at, __ATOMIC_RELAXED);
	}
}

void fw_backing_store(struct fw_backing *backing, uint64_t off, uint32_t size, uint64_t value)
{
	uint8_t *at = backing->host + off;

	switch (size) {
	case 1:
		__atomic_store_n(at, (uint8_t)value, __ATOMIC_RELAXED);
		break;
	case 2:
		__atomic_store_n((uint16_t *)(void *)at, (uint16_t)value, __ATOMIC_RELAXED);
		break;
	case 4:
		__atomic_store_n((uint32_t *)(void *)at, (uint32_t)value, __ATOMIC_RELAXED);
		break;
	default:
		__atomic_store_n((uint64_t *)(void *)at, value, __ATOMIC_RELAXED);
		break;
	}
	fw_backing_mark(backing, off, size);
}

void fw_backing_zero(struct fw_backing *backing)
{
	if (fallocate(backing->descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)backing->offset, (off_t)backing->size) < 0)
		memset(backing->host, 0, backing->size);
	fw_backing_mark(backing, 0, backing->size);
}

lichen_status fw_backing_track(struct fw_backing *backing)
{
	lichen_status status = 0;

	pthread_mutex_lock(&backing->dirty_lock);
	if (!atomic_load(&backing->dirty)) {
		_Atomic uint64_t *bits = calloc(fw_backing_words(backing->size), sizeof(*bits));

		atomic_store(&backing->dirty, bits);
		if (bits)
			fw_backing_mark(backing, 0, backing->size);
		else
			status = -LICHEN_ENOMEM;
	}
	pthread_mutex_unlock(&backing->dirty_lock);
	return status;
}

void fw_backing_mark(struct fw_backing *backing, uint64_t off, uint64_t size)
{
	_Atomic uint64_t *bits = atomic_load_explicit(&backing->dirty, memory_order_acquire);
	uint64_t page;

	if (!bits || size == 0)
		return;
	for (page = off / LICHEN_WINDOW_PAGE; page <= (off + size - 1) / LICHEN_WINDOW_PAGE;
	     page++)
		atomic_fetch_or(&bits[page / 64], UINT64_C(1) << page % 64);
}
