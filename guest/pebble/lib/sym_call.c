/* SPDX-License-Identifier: MIT */
/* sym_call.c: the table of functions, direct calls behind sym_entry.S, deferred calls. */
#include "sym.h"

enum { SYM_TABLE_PAGES = 2 };

SYM_PAGES(table_memory, SYM_TABLE_PAGES);
SYM_PAGES(slot_memory, SYM_SLOTS);
static struct sym_set table;
static const struct sym_function *functions[SYM_FUNCTIONS]; /* by number - 1 */
uint64_t sym_cleanups;

static int32_t sym_null(struct sym_call *call)
{
	call->size = 0;
	return 0;
}

static int32_t sym_echo(struct sym_call *call)
{
	call->results[0] = call->arguments[0];
	call->results[1] = call->arguments[1];
	return 0;
}

static int32_t sym_start(struct sym_call *call)
{
	int32_t (*start)(void) = (int32_t(*)(void))(uintptr_t)call->arguments[0];

	call->size = 0;
	return start();
}

static const struct sym_function standard[] = {
	{ LICHEN_CALL_NULL, "->", LICHEN_CALL_DIRECT | LICHEN_CALL_DEFERRED, sym_null },
	{ LICHEN_CALL_ECHO, "a:u64 b:u64 | text:text -> a:u64 b:u64 | text:text",
	  LICHEN_CALL_DIRECT | LICHEN_CALL_DEFERRED, sym_echo },
	{ LICHEN_CALL_START, "function:x64 ->", LICHEN_CALL_DIRECT | LICHEN_CALL_DEFERRED,
	  sym_start },
};

uint32_t sym_add_function(const struct sym_function *function)
{
	struct lichen_directory_entry *entry;
	uint32_t i = 0;

	if (table.head == NULL)
		sym_set_init(&table, LICHEN_DIRECTORY_CALL, table_memory, SYM_TABLE_PAGES);
	while (i < SYM_FUNCTIONS && functions[i] != NULL)
		i++;
	if (i == SYM_FUNCTIONS ||
	    (entry = sym_add_entry(&table, function->name, function->schema)) == NULL)
		return 0;
	functions[i] = function;
	entry->number = i + 1;
	entry->flags = function->flags;
	sym_added(&table);
	return i + 1;
}

void sym_remove_function(const struct sym_function *function)
{
	sym_remove_record(&table, function->name);
	for (uint32_t i = 0; i < SYM_FUNCTIONS; i++) {
		if (functions[i] == function)
			functions[i] = NULL;
	}
}

void sym_call_init(void)
{
	static int added;

	for (size_t i = 0; !added && i < sizeof(standard) / sizeof(*standard); i++)
		(void)sym_add_function(&standard[i]);
	added = 1;
	if (sym_agreed & (LICHEN_FEATURE_CALL | LICHEN_FEATURE_CALL_DEFERRED))
		(void)sym_write(LICHEN_MSR_CALL_TABLE,
				LICHEN_AT((uintptr_t)table_memory, SYM_TABLE_PAGES));
	if (sym_agreed & LICHEN_FEATURE_CALL_DEFERRED)
		(void)sym_write(LICHEN_MSR_CALL_AREA,
				LICHEN_AT((uintptr_t)slot_memory, SYM_SLOTS));
}

static int32_t sym_invoke(uint64_t number, uint32_t kind, struct sym_call *call)
{
	const struct sym_function *function;

	if (number == 0 || number > SYM_FUNCTIONS)
		return -38; /* ENOSYS, as below */
	function = functions[number - 1];
	if (function == NULL || !(function->flags & kind))
		return -38;
	return function->call(call);
}

void sym_direct(struct sym_call *call, uint64_t function, uint64_t *status)
{
	call->direct = 1;
	*status = (uint32_t)sym_invoke(function, LICHEN_CALL_DIRECT, call);
}

static void sym_answer(struct lichen_call_slot *slot)
{
	struct sym_call call = { .data = slot->data, .size = slot->size };
	uint32_t serial = slot->serial;

	__atomic_store_n(&slot->state, LICHEN_CALL_TAKEN, __ATOMIC_RELEASE);
	memcpy(call.arguments, slot->arguments, sizeof(call.arguments));
	if (call.size > LICHEN_CALL_DATA)
		call.size = LICHEN_CALL_DATA;
	slot->status = sym_invoke(slot->function, LICHEN_CALL_DEFERRED, &call);
	memcpy(slot->results, call.results, sizeof(call.results));
	slot->size = call.size;
	__atomic_store_n(&slot->state, LICHEN_CALL_ANSWERED, __ATOMIC_RELEASE);
	(void)sym_write(LICHEN_MSR_CALL_ANSWER, serial);
}

void sym_call_serve(void)
{
	for (uint32_t i = 0; i < SYM_SLOTS; i++) {
		struct lichen_call_slot *slot =
			(struct lichen_call_slot *)(void *)slot_memory + i;

		if (__atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) == LICHEN_CALL_ASKED)
			sym_answer(slot);
	}
}
