/* SPDX-License-Identifier: MIT */
/*
 * tally: an object that is given to a running guest (SymMod): it adds the record
 * tally.count/1 and the function tally.add, and takes them away when it goes.
 */
#include <pebble/symbiotic.h>

int32_t lichen_module_init(void);
int32_t lichen_module_exit(void);

struct tally {
	uint64_t calls, sum;
};

static struct tally *tally;

static int32_t tally_add(struct sym_call *call)
{
	sym_begin(tally);
	tally->calls++;
	tally->sum += call->arguments[0];
	sym_end(tally);
	call->results[0] = tally->sum;
	call->size = 0;
	return 0;
}

static const struct sym_function add = { "tally.add", "n:u64 -> sum:u64",
					 LICHEN_CALL_DIRECT | LICHEN_CALL_DEFERRED, tally_add };

int32_t lichen_module_init(void)
{
	tally = sym_add_record(&sym_global, "tally.count/1", sizeof(*tally),
			       "calls:u64 sum:u64");
	if (tally == NULL)
		return -28; /* ENOSPC */
	return sym_add_function(&add) != 0 ? 0 : -28;
}

int32_t lichen_module_exit(void)
{
	sym_remove_function(&add);
	sym_remove_record(&sym_global, "tally.count/1");
	return 0;
}
