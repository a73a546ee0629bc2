/* SPDX-License-Identifier: MIT */
/* Declared fields of every shape, read from a stream; what is taken saves and loads again. */
#include "state_sample.h"

#include "patch.h"

static struct fw_buffer good, stream, once, twice;
static struct sample sample;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	sample_fill(&sample);
	sample.blob_size = 100;
	FUZZ_CHECK(fw_fields_save(&sample_table, &sample, &good, NULL) == 0);
	return 0;
}

static lichen_status load(const struct fw_buffer *from, uint32_t version, int store)
{
	struct fw_reader in = { from->bytes, from->size };

	sample_new(&sample);
	return fw_fields_load(&sample_table, &sample, version, store, &in, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const uint32_t version = size ? 1 + bytes[0] / 2 % 2 : 1;

	fuzz_patch(bytes, size, &good, &stream);
	(void)load(&stream, version, 0);
	if (load(&stream, version, 1) < 0)
		return 0;
	once.size = twice.size = 0;
	FUZZ_CHECK(fw_fields_save(&sample_table, &sample, &once, NULL) == 0);
	FUZZ_CHECK(load(&once, 2, 1) == 0);
	FUZZ_CHECK(fw_fields_save(&sample_table, &sample, &twice, NULL) == 0);
	FUZZ_CHECK(once.size == twice.size && !memcmp(once.bytes, twice.bytes, once.size));
	return 0;
}
