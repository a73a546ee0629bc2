/* SPDX-License-Identifier: MIT */
/*
 * sym: a well-behaved symbiotic guest.  On a VMM that is not symbiotic it says so and
 * passes.  On one that is, each CPU registers; the boot CPU halts between notifications,
 * the others are always busy.  It ends when its function pebble.exit is called.
 */
#include <pebble/apic.h>
#include <pebble/symbiotic.h>

struct count { /* pebble.count/1: two numbers that are always equal */
	uint64_t one, other;
};
#define COUNT_SCHEMA "one:u64 other:u64"

static struct count *global_count;
static volatile int ended = -1;

static int32_t sum(struct sym_call *call)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < LICHEN_CALL_ARGUMENTS; i++)
		total += call->arguments[i];
	for (uint32_t i = 0; i < call->size; i++)
		total += call->data[i];
	call->results[0] = total;
	call->size = 0;
	return 0;
}

static int32_t loop(struct sym_call *call)
{
	for (volatile const uint32_t *size = &call->size; *size != UINT32_MAX;)
		;
	return 0;
}

static int32_t leave(struct sym_call *call)
{
	ended = (int)(call->arguments[0] & 127);
	call->size = 0;
	return 0;
}

static const struct sym_function functions[] = {
	{ "pebble.sum", "a:u64 b:u64 c:u64 d:u64 | data:data -> sum:u64",
	  LICHEN_CALL_DIRECT | LICHEN_CALL_DEFERRED, sum },
	{ "pebble.loop", "->", LICHEN_CALL_DIRECT, loop },
	{ "pebble.exit", "code:u64 ->", LICHEN_CALL_DEFERRED, leave },
};

static void add_one(struct count *count)
{
	if (count == NULL)
		return;
	sym_begin(count);
	count->one++;
	count->other++;
	sym_end(count);
}

static struct count *register_cpu(uint32_t number)
{
	sym_vcpu(number);
	return sym_add_record(&sym_cpu_sets[number], "pebble.count/1", sizeof(struct count),
			      COUNT_SCHEMA);
}

static void other_cpu(uint32_t number)
{
	struct count *count;
	uint64_t agreed = sym_agreed;

	if (number + 1 >= SYM_CPUS)
		return;
	count = register_cpu(number + 1);
	for (;;) {
		add_one(count);
		pebble_pause();
		if (agreed != sym_agreed) {
			agreed = sym_agreed;
			sym_vcpu(number + 1);
		}
	}
}

int main(void)
{
	struct count *count;
	uint64_t agreed;

	if (!sym_find()) {
		pebble_puts("pebble: no symbiotic VMM\n");
		return PEBBLE_PASS;
	}
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		CHECK(1, sym_add_function(&functions[i]) != 0);
	agreed = sym_agree(SYM_ALL);
	global_count = sym_add_record(&sym_global, "pebble.count/1", sizeof(struct count),
				      COUNT_SCHEMA);
	CHECK(2, global_count != NULL);
	count = register_cpu(0);
	CHECK(3, count != NULL);
	pebble_start_cpus(other_cpu);
	pebble_puts("pebble: symbiotic ");
	pebble_hex(agreed);
	pebble_puts("\n");
	while (ended < 0) {
		sym_wait();
		sym_serve();
		if (agreed != sym_agreed) {
			agreed = sym_agreed;
			sym_vcpu(0);
		}
		add_one(global_count);
		add_one(count);
	}
	return ended;
}
