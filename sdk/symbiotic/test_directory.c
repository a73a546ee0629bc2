/* SPDX-License-Identifier: MIT */
/* Directories and records in memory that a guest may fill with anything. */
#include <pthread.h>

#include <lichen/guest/discovery.h>
#include <lichen/sdk/directory.h>

#include "tap.h"

enum { PAGES = 2, SIZE = PAGES * LICHEN_GUEST_PAGE, BASE = 0x10000, RECORD_AT = 512 };

static _Alignas(8) uint8_t memory[SIZE];
static struct lichen_directory *const head = (void *)memory;
static struct lichen_directory_entry *const list = (void *)(memory + 64);
static struct lichen_directory_entry entries[LICHEN_DIRECTORY_MAX];
static uint32_t count;

static lichen_status map(struct lichen_instance *in, lichen_space space, lichen_gpa gpa,
			 uint64_t size, uint32_t access, struct lichen_map *to)
{
	(void)in, (void)space, (void)access;
	if (gpa < BASE || gpa - BASE > SIZE || size > SIZE - (gpa - BASE))
		return -LICHEN_EFAULT;
	to->data = memory + (gpa - BASE);
	to->size = size;
	return 0;
}

static void unmap(struct lichen_instance *in, struct lichen_map *of, uint64_t written)
{
	(void)in, (void)written;
	of->data = NULL;
}

static lichen_status read_memory(struct lichen_instance *in, lichen_space space, lichen_gpa gpa,
				 void *to, uint64_t size)
{
	struct lichen_map from;
	const lichen_status status = map(in, space, gpa, size, 0, &from);

	if (status == 0)
		memcpy(to, from.data, size);
	return status;
}

static const struct lichen_host host = { .memory_map = map,
					 .memory_unmap = unmap,
					 .memory_read = read_memory };
static const struct lichen_dev dev = { .host = &host };
static struct lichen_shared shared;

/* One record "r/1" of 16 bytes. */
static void make(void)
{
	memset(memory, 0, sizeof(memory));
	*head = (struct lichen_directory){ .magic = LICHEN_DIRECTORY_SPY,
					   .version = 1,
					   .size = SIZE,
					   .entries = 64,
					   .count = 2 };
	list[1] = (struct lichen_directory_entry){
		.name = "r/1", .offset = RECORD_AT, .size = 16, .schema = 400, .schema_size = 4
	};
	memcpy(memory + 400, "a:u8", 4);
	CHECK_EQ(0, lichen_shared_at(&dev, LICHEN_AT(BASE, PAGES), PAGES, &shared));
}

static lichen_status look(void)
{
	return lichen_directory_read(&shared, LICHEN_DIRECTORY_SPY, entries, &count);
}

TEST(a_directory_is_read_without_its_nameless_entries)
{
	char text[LICHEN_SCHEMA_MAX + 1];

	make();
	CHECK_EQ(0, look());
	CHECK_EQ(1, count);
	CHECK_EQ(0, strcmp("r/1", entries[0].name));
	CHECK_EQ(0, lichen_directory_schema(&shared, &entries[0], text));
	CHECK_EQ(0, strcmp("a:u8", text));
	CHECK_EQ(-LICHEN_ENOENT,
		 lichen_directory_find(&shared, LICHEN_DIRECTORY_SPY, "r/2", &entries[1]));
}

TEST(a_registration_is_judged)
{
	struct lichen_shared other = { .size = 1 };

	make();
	CHECK_EQ(-LICHEN_EINVAL, lichen_shared_at(&dev, BASE, PAGES, &other));
	CHECK_EQ(-LICHEN_EINVAL, lichen_shared_at(&dev, LICHEN_AT(BASE, 3), PAGES, &other));
	CHECK_EQ(-LICHEN_EFAULT, lichen_shared_at(&dev, LICHEN_AT(BASE, 3), 64, &other));
	CHECK_EQ(-LICHEN_EFAULT,
		 lichen_shared_at(&dev, LICHEN_AT(UINT64_MAX << 12, 1), 1, &other));
	CHECK_EQ(1, other.size);
	CHECK_EQ(1, lichen_shared_at(&dev, 0, PAGES, &other));
	CHECK_EQ(0, other.size);
	CHECK_EQ(-LICHEN_ENOENT,
		 lichen_directory_read(&other, LICHEN_DIRECTORY_SPY, entries, &count));
}

TEST(lying_heads_are_refused)
{
	static const struct lichen_directory good = { .magic = LICHEN_DIRECTORY_SPY,
						      .version = 1,
						      .size = SIZE,
						      .entries = 64,
						      .count = 2 };
	struct lichen_directory bad[8];

	make();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		bad[i] = good;
	bad[0].magic++;
	bad[1].version = 2;
	bad[2].size = SIZE + 1;
	bad[3].size = 8;
	bad[4].entries = 60;
	bad[5].entries = UINT32_MAX - 7;
	bad[6].count = LICHEN_DIRECTORY_MAX + 1;
	bad[7].count = UINT32_MAX;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		*head = bad[i];
		CHECK_EQ(-LICHEN_EBADMSG, look());
	}
	*head = good;
	head->sequence = 1;
	CHECK_EQ(-LICHEN_EAGAIN, look());
}

TEST(a_record_is_read_whole_and_only_inside)
{
	struct lichen_directory_entry entry;
	uint8_t bytes[16];
	uint32_t retries;

	make();
	memset(memory + RECORD_AT + 8, 0x5a, 16);
	CHECK_EQ(0, lichen_directory_find(&shared, LICHEN_DIRECTORY_SPY, "r/1", &entry));
	CHECK_EQ(0, lichen_record_read(&shared, &entry, bytes, sizeof(bytes), &retries));
	CHECK_EQ(0x5a, bytes[15]);
	CHECK_EQ(0, retries);
	CHECK_EQ(-LICHEN_E2BIG, lichen_record_read(&shared, &entry, bytes, 15, &retries));
	memory[RECORD_AT] = 1;
	CHECK_EQ(-LICHEN_EAGAIN, lichen_record_read(&shared, &entry, bytes, 16, &retries));
	entry.offset = SIZE - 16;
	CHECK_EQ(-LICHEN_EBADMSG, lichen_record_read(&shared, &entry, bytes, 16, &retries));
	entry.offset = UINT32_MAX - 7;
	CHECK_EQ(-LICHEN_EBADMSG, lichen_record_read(&shared, &entry, bytes, 16, &retries));
	entry.offset = RECORD_AT + 4;
	CHECK_EQ(-LICHEN_EBADMSG, lichen_record_read(&shared, &entry, bytes, 16, &retries));
	entry.offset = RECORD_AT;
	entry.size = UINT32_MAX;
	CHECK_EQ(-LICHEN_EBADMSG,
		 lichen_record_read(&shared, &entry, bytes, UINT32_MAX, &retries));
}

TEST(a_record_is_found_and_read_at_once)
{
	const char long_name[] = "0123456789012345678901234567890123456789"
				 "0123456789012345678901234567890123456789";
	uint32_t retries = 7, size = 0;
	uint8_t bytes[16];

	make();
	memset(memory + RECORD_AT + 8, 0x5a, 16);
	CHECK_EQ(0, lichen_record_find(&shared, "r/1", bytes, sizeof(bytes), &size, &retries));
	CHECK_EQ(16, size);
	CHECK_EQ(0, retries);
	CHECK_EQ(0x5a, bytes[15]);
	CHECK_EQ(-LICHEN_ENOENT, lichen_record_find(&shared, "", bytes, 16, &size, &retries));
	CHECK_EQ(-LICHEN_ENOENT, lichen_record_find(&shared, "r/", bytes, 16, &size, &retries));
	CHECK_EQ(-LICHEN_ENOENT,
		 lichen_record_find(&shared, "r/12", bytes, 16, &size, &retries));
	CHECK_EQ(-LICHEN_ENOENT,
		 lichen_record_find(&shared, long_name, bytes, 16, &size, &retries));
	CHECK_EQ(-LICHEN_E2BIG, lichen_record_find(&shared, "r/1", bytes, 15, &size, &retries));
	memory[RECORD_AT] = 1;
	CHECK_EQ(-LICHEN_EAGAIN,
		 lichen_record_find(&shared, "r/1", bytes, 16, &size, &retries));
	list[1].offset = SIZE - 16;
	CHECK_EQ(-LICHEN_EBADMSG,
		 lichen_record_find(&shared, "r/1", bytes, 16, &size, &retries));
	CHECK_EQ(0, retries);
	retries = 7;
	head->sequence = 1;
	CHECK_EQ(-LICHEN_EAGAIN,
		 lichen_record_find(&shared, "r/1", bytes, 16, &size, &retries));
	head->magic = 0;
	head->sequence = 0;
	CHECK_EQ(-LICHEN_EBADMSG,
		 lichen_record_find(&shared, "r/1", bytes, 16, &size, &retries));
	CHECK_EQ(7, retries); /* of a record that was not found */
}

static _Atomic int stop;

/* Writes the same value into all words of the record, as the contract says. */
static void *writer(void *unused)
{
	uint32_t *sequence = (void *)(memory + RECORD_AT);
	uint64_t *words = (void *)(memory + RECORD_AT + 8);

	for (uint64_t n = 1; !stop; n++) {
		__atomic_store_n(sequence, *sequence + 1, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_RELEASE);
		__atomic_store_n(&words[0], n, __ATOMIC_RELAXED);
		__atomic_store_n(&words[1], n, __ATOMIC_RELAXED);
		__atomic_store_n(sequence, *sequence + 1, __ATOMIC_RELEASE);
		for (volatile int i = 0; i < 200; i++)
			;
	}
	return unused;
}

TEST(no_record_is_torn_while_it_is_written)
{
	struct lichen_directory_entry entry;
	uint64_t words[2], seen = 0;
	uint32_t retries, changes = 0;
	pthread_t thread;

#if TAP_OWN_THREADS
	SKIP("the guest's writes are no C11 atomics, and ThreadSanitizer says so");
#endif
	make();
	CHECK_EQ(0, lichen_directory_find(&shared, LICHEN_DIRECTORY_SPY, "r/1", &entry));
	CHECK_EQ(0, pthread_create(&thread, NULL, writer, NULL));
	while (changes < 1000) {
		const lichen_status status =
			lichen_record_read(&shared, &entry, words, sizeof(words), &retries);

		if (status == -LICHEN_EAGAIN)
			continue;
		CHECK_EQ(0, status);
		CHECK(words[0] == words[1] && words[0] >= seen);
		changes += words[0] != seen;
		seen = words[0];
	}
	stop = 1;
	pthread_join(thread, NULL);
}
