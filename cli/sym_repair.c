/* SPDX-License-Identifier: MIT */
/*
 * sym_repair.c: `lichen sym call VM repair`, for a machine that was restored, copied or moved:
 * in one call the guest's clock is set, its random generator gets bytes of the host's, and
 * its own program puts the network right (guest/linux, linux.repair).
 */
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "sym.h"

enum { REPAIR_SEED = 64 };

static void repair_now(json_t *arguments)
{
	struct timespec now;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &now);
	(void)snprintf(text, sizeof(text), "%" PRIu64,
		       (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
	(void)json_object_set_new(arguments, "now", json_string(text));
}

/* The bytes are for the guest alone. */
static void repair_seed(json_t *arguments)
{
	unsigned char seed[REPAIR_SEED];
	char text[2 * REPAIR_SEED + 1];

	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return;
	for (size_t i = 0; i < sizeof(seed); i++)
		(void)snprintf(text + 2 * i, 3, "%02x", seed[i]);
	(void)json_object_set_new(arguments, "seed", json_string(text));
	explicit_bzero(seed, sizeof(seed));
	explicit_bzero(text, sizeof(text));
}

void cli_sym_repair_arguments(const json_t *function, json_t *arguments)
{
	const char *schema = cli_text(function, "schema");
	char type[CLI_SYM_VALUE];

	cli_sym_type(schema, "seed", type);
	if (strcmp(type, "data") == 0 && !json_object_get(arguments, "seed"))
		repair_seed(arguments);
	cli_sym_type(schema, "now", type);
	if (strcmp(type, "ns") == 0 && !json_object_get(arguments, "now"))
		repair_now(arguments);
}

int cli_sym_repair_print(const struct cli_remote *remote, const json_t *result, int quiet)
{
	static const char *const words[] = { "clock", "random generator", "network" };
	const json_t *results = json_object_get(result, "results");
	const int error = (int)json_integer_value(json_object_get(results, "status"));
	const uint64_t done = cli_hex(results, "done");

	for (size_t i = 0; !quiet && i < sizeof(words) / sizeof(words[0]); i++)
		printf("  %s: %s\n", words[i], done >> i & 1 ? "repaired" : "left as it was");
	if (!error)
		return 0;
	cli_say("%s: not all is repaired: %s (%d)", remote->vm, strerror(-error), error);
	return CLI_FAILED;
}
