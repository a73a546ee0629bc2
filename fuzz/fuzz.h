/* SPDX-License-Identifier: MIT */
/* fuzz.h: what libFuzzer calls, and how targets take their input apart. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* What must hold whatever the input is. */
#define FUZZ_CHECK(condition)                                                                  \
	do {                                                                                   \
		if (!(condition)) {                                                            \
			(void)fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, \
				      #condition);                                             \
			abort();                                                               \
		}                                                                              \
	} while (0)

struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

static inline uint8_t fuzz_u8(struct fuzz_input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

/* `size` bytes, little-endian; zeroes past the end. */
static inline uint64_t fuzz_number(struct fuzz_input *in, uint32_t size)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < size; i++)
		value |= (uint64_t)fuzz_u8(in) << 8 * i;
	return value;
}

/* At most `size` bytes; how many there are goes to *size. */
static inline const uint8_t *fuzz_bytes(struct fuzz_input *in, size_t *size)
{
	const uint8_t *at = in->at;

	if (*size > in->left)
		*size = in->left;
	in->at += *size;
	in->left -= *size;
	return at;
}

/* Puts the bytes in the unnamed file `fd`, in place of what it has. */
static inline void fuzz_file(int fd, const void *bytes, size_t size)
{
	FUZZ_CHECK(ftruncate(fd, 0) == 0);
	FUZZ_CHECK(pwrite(fd, bytes, size, 0) == (ssize_t)size);
}

#endif
