/* SPDX-License-Identifier: MIT */
/* States mutated at random, with fixed seeds: taken or refused, never more. */
#include <time.h>

#include "fuzz_state.h"
#include "tap.h"

enum { MUTATIONS = 100000, SECONDS = 3 };

static uint64_t random_state;

static uint32_t random_below(uint64_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((random_state >> 33) % limit);
}

/* Bytes, lengths, a stretch copied over another, a cut. */
static uint64_t mutate(uint8_t *to, const struct fw_buffer *from)
{
	static const uint32_t words[] = { 0,	      1,	  0x7fffffff,
					  0x80000000, UINT32_MAX, UINT32_MAX - 7,
					  0x100,      0x10000 };
	uint64_t size = from->size;

	memcpy(to, from->bytes, size);
	for (uint32_t n = 1 + random_below(4); n; n--) {
		const uint32_t at = random_below(size - 4), other = random_below(size - 4);
		const uint64_t last = size - (at > other ? at : other);

		switch (random_below(8)) {
		case 0:
			memcpy(to + at, &words[random_below(8)], 4);
			break;
		case 1:
			memmove(to + at, to + other, random_below(last < 64 ? last : 64));
			break;
		case 2:
			if (random_below(8) == 0 && at > 8)
				size = at;
			break;
		default:
			to[at] = (uint8_t)(random_below(2) ? to[at] ^ 1u << random_below(8)
							   : random_below(256));
			break;
		}
	}
	return size;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

TEST(mutated_states_are_taken_or_refused)
{
	const double until = seconds() + SECONDS;
	struct fw_buffer good = { 0 };
	uint8_t *bytes;
	uint32_t n;

	random_state = 1;
	CHECK_EQ(0, fuzz_save(&good));
	bytes = malloc(good.size);
	for (n = 0; n < MUTATIONS && seconds() < until; n++)
		(void)LLVMFuzzerTestOneInput(bytes, mutate(bytes, &good));
	printf("# %u mutations of %llu bytes, %u taken\n", n, (unsigned long long)good.size,
	       fuzz_taken);
	CHECK(fuzz_taken > 0 && fuzz_taken < n);
	fuzz_taken = 0;
	(void)LLVMFuzzerTestOneInput(good.bytes, good.size); /* still takes what is right */
	CHECK_EQ(1, fuzz_taken);
	free(bytes);
	fw_buffer_clear(&good);
	fuzz_end();
}

TEST(bytes_of_all_kinds_are_refused)
{
	uint8_t bytes[256];

	random_state = 2;
	(void)LLVMFuzzerTestOneInput(NULL, 0);
	for (uint32_t n = 0; n < 2000; n++) {
		for (uint32_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)random_below(256);
		memcpy(bytes, "LichenSt\1\0\0", 12);
		(void)LLVMFuzzerTestOneInput(bytes, random_below(sizeof(bytes)));
	}
	CHECK_EQ(0, fuzz_taken);
	fuzz_end();
}
