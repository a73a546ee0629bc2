/* SPDX-License-Identifier: MIT */
/*
 * check_link.c: interfaces of other instances, called through thunks.  A link's table is the
 * host's copy, in which each function is a thunk of that link's alone; so a table that was
 * kept, or a function out of it, is known for what it is when it is called, whoever's code is
 * behind it by then, or nobody's.
 */
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "check_parts.h"

enum {
	FW_THUNKS = 4096,
	FW_THUNK_SIZE = 16,
	FW_THUNK_NAME = 64,
	FW_TABLES = 512,
	FW_OPS_MAX = 64, /* words of an interface's struct */
};

/*
 * Thunk n: asks fw_thunk_target(n) where to go, and goes there with the arguments as they came,
 * those on the stack included.  Interfaces have no floating point.
 */
__asm__(".pushsection .text\n"
	".balign 16\n"
	".globl fw_thunk_code\n"
	".hidden fw_thunk_code\n"
	".type fw_thunk_code, @function\n"
	"fw_thunk_code:\n"
	".set fw_thunk_number, 0\n"
	".rept 4096\n"
	"	.balign 16, 0xcc\n"
	"	endbr64\n"
	"	movl $fw_thunk_number, %r11d\n"
	"	jmp fw_thunk_common\n"
	"	.set fw_thunk_number, fw_thunk_number + 1\n"
	".endr\n"
	".balign 16\n"
	"fw_thunk_common:\n"
	"	pushq %rbp\n"
	"	movq %rsp, %rbp\n"
	"	pushq %rdi\n"
	"	pushq %rsi\n"
	"	pushq %rdx\n"
	"	pushq %rcx\n"
	"	pushq %r8\n"
	"	pushq %r9\n"
	"	pushq %rax\n"
	"	pushq %r10\n"
	"	movl %r11d, %edi\n"
	"	call fw_thunk_target\n"
	"	movq %rax, %r11\n"
	"	popq %r10\n"
	"	popq %rax\n"
	"	popq %r9\n"
	"	popq %r8\n"
	"	popq %rcx\n"
	"	popq %rdx\n"
	"	popq %rsi\n"
	"	popq %rdi\n"
	"	popq %rbp\n"
	"	jmp *%r11\n"
	".size fw_thunk_code, . - fw_thunk_code\n"
	".popsection\n");

extern const uint8_t fw_thunk_code[] __attribute__((visibility("hidden")));
__attribute__((visibility("hidden"), used)) void *fw_thunk_target(uint32_t index);

/*
 * The table of one link for one life of its provider.  All of them are static: a stale one is
 * kept for as long as there is room, and who counts memory is not to find it.
 */
struct fw_table {
	const struct fw_link *link;	  /* NULL: free */
	struct lichen_instance *consumer; /* until it is stale */
	char consumer_id[FW_THUNK_NAME], provider_id[FW_THUNK_NAME];
	char interface[FW_THUNK_NAME];
	struct lichen_vm *vm;
	_Atomic uint64_t stale;	  /* when it became that; 0: it is not */
	uint64_t ops[FW_OPS_MAX]; /* the copy */
};

struct fw_thunk {
	_Atomic(struct fw_table *) table; /* NULL: free */
	_Atomic(void *) function;
	uint32_t offset; /* in the interface's struct */
};

static struct fw_table fw_tables[FW_TABLES];
static uint64_t fw_stale_count;
static struct fw_thunk fw_thunks[FW_THUNKS];
static uint32_t fw_thunk_next; /* where the search for a free one starts: the oldest last */
static pthread_mutex_t fw_thunk_lock = PTHREAD_MUTEX_INITIALIZER;

/* What stands for a function that must not be called.  Whatever it takes, this is refused. */
static lichen_status fw_thunk_refuse(void)
{
	return -LICHEN_ENODEV;
}

static void *fw_thunk_refusal(void)
{
	lichen_status (*function)(void) = fw_thunk_refuse;
	void *address;

	memcpy(&address, &function, sizeof(address));
	return address;
}

/* The caller is who is in a callback on this thread: a provider's code runs in its consumer's.
 */
static void fw_thunk_blame(const struct fw_table *table, uint32_t offset)
{
	struct fw_frame *frame = fw_frame_now();
	char text[512];

	(void)snprintf(text, sizeof(text),
		       "%s at offset %u called through a table of %s that it kept: %s has been "
		       "reloaded or has gone",
		       table->interface, offset, table->provider_id, table->provider_id);
	if (frame)
		fw_check_plugin(frame->in, "%s: %s", frame->function, text);
	else
		fw_log(&table->vm->log, LICHEN_LOG_PLUGIN_MISBEHAVING, NULL, table->consumer_id,
		       "%s: %s", table->consumer_id, text);
}

static int fw_thunk_is_entered(const struct fw_link *link)
{
	const struct fw_holding *held = fw_holding_now();

	for (uint32_t i = 0; i < held->entered_count; i++)
		if (held->entered[i].link == link)
			return 1;
	return 0;
}

void *fw_thunk_target(uint32_t index)
{
	struct fw_thunk *thunk = &fw_thunks[index];
	const struct fw_table *table = atomic_load(&thunk->table);

	if (!table) /* of a VM that has gone */
		return fw_thunk_refusal();
	if (!atomic_load(&table->stale) && fw_thunk_is_entered(table->link))
		return atomic_load(&thunk->function);
	/* Nothing holds the provider: it may go at any moment, or is about to. */
	if (atomic_load(&table->stale) || atomic_load(&table->link->closed) == FW_LINK_CLOSED)
		fw_thunk_blame(table, thunk->offset);
	else
		fw_check_plugin(table->consumer,
				"%s at offset %u of %s called outside of enter and leave",
				table->interface, thunk->offset, table->provider_id);
	return fw_thunk_refusal();
}

/* --- tables --- */

struct fw_code_search {
	uintptr_t address;
	int found;
};

static int fw_code_visit(struct dl_phdr_info *info, size_t size, void *context)
{
	struct fw_code_search *search = context;

	(void)size;
	for (uint32_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		const uintptr_t start = info->dlpi_addr + part->p_vaddr;

		if (part->p_type == PT_LOAD && part->p_flags & PF_X &&
		    search->address >= start && search->address - start < part->p_memsz)
			search->found = 1;
	}
	return search->found;
}

/* Whether this is a function, and no number that an interface tells. */
static int fw_is_code(const void *address)
{
	struct fw_code_search search = { .address = (uintptr_t)address };

	(void)dl_iterate_phdr(fw_code_visit, &search);
	return search.found;
}

/* A thunk for `function`; NULL: all are in use.  Caller holds the lock. */
static const void *fw_thunk_make(struct fw_table *table, void *function, uint32_t offset)
{
	for (uint32_t i = 0; i < FW_THUNKS; i++) {
		const uint32_t index = (fw_thunk_next + i) % FW_THUNKS;
		struct fw_thunk *thunk = &fw_thunks[index];

		if (atomic_load(&thunk->table))
			continue;
		thunk->offset = offset;
		atomic_store(&thunk->function, function);
		atomic_store(&thunk->table, table);
		fw_thunk_next = index + 1;
		return fw_thunk_code + (size_t)index * FW_THUNK_SIZE;
	}
	return NULL;
}

static void fw_table_free(struct fw_table *table)
{
	for (uint32_t i = 0; i < FW_THUNKS; i++)
		if (atomic_load(&fw_thunks[i].table) == table)
			atomic_store(&fw_thunks[i].table, NULL);
	table->link = NULL;
}

/* Makes room at the cost of the one that has been stale for longest; 0: there is none. */
static int fw_table_recycle(void)
{
	struct fw_table *oldest = NULL;

	for (uint32_t i = 0; i < FW_TABLES; i++) {
		struct fw_table *table = &fw_tables[i];

		if (table->link && table->stale && (!oldest || table->stale < oldest->stale))
			oldest = table;
	}
	if (!oldest)
		return 0;
	fw_table_free(oldest);
	return 1;
}

static struct fw_table *fw_table_make(struct fw_link *link)
{
	do
		for (uint32_t i = 0; i < FW_TABLES; i++)
			if (!fw_tables[i].link) {
				fw_tables[i].link = link;
				atomic_store(&fw_tables[i].stale, 0);
				return &fw_tables[i];
			}
	while (fw_table_recycle());
	return NULL;
}

/* Where thunks run out, functions are the provider's own. */
static void fw_table_fill(struct fw_table *table, const struct lichen_provide *provide)
{
	memset(table->ops, 0, sizeof(table->ops));
	memcpy(table->ops, provide->ops, provide->ops_size);
	for (uint32_t i = 1; i < provide->ops_size / sizeof(table->ops[0]); i++) {
		void *function = (void *)(uintptr_t)table->ops[i];
		const uint32_t offset = i * (uint32_t)sizeof(table->ops[0]);
		const void *thunk;

		if (!function || !fw_is_code(function))
			continue;
		do
			thunk = fw_thunk_make(table, function, offset);
		while (!thunk && fw_table_recycle());
		if (thunk)
			table->ops[i] = (uintptr_t)thunk;
	}
}

const void *fw_check_ops(struct fw_link *link, const struct lichen_provide *provide)
{
	const struct lichen_instance *consumer = link->consumer;
	struct fw_table *table = NULL;

	if (provide->ops_size > sizeof(table->ops))
		return provide->ops;
	pthread_mutex_lock(&fw_thunk_lock);
	table = fw_table_make(link);
	if (table) {
		table->consumer = link->consumer;
		table->vm = consumer->vm;
		(void)snprintf(table->consumer_id, FW_THUNK_NAME, "%s", consumer->spec->id);
		(void)snprintf(table->provider_id, FW_THUNK_NAME, "%s",
			       link->provider->spec->id);
		(void)snprintf(table->interface, FW_THUNK_NAME, "%s", provide->id);
		fw_table_fill(table, provide);
	}
	pthread_mutex_unlock(&fw_thunk_lock);
	link->table = table;
	return table ? table->ops : provide->ops;
}

void fw_check_ops_stale(struct fw_link *link)
{
	struct fw_table *table = link->table;

	if (!table)
		return;
	link->table = NULL;
	pthread_mutex_lock(&fw_thunk_lock);
	atomic_store(&table->stale, ++fw_stale_count);
	pthread_mutex_unlock(&fw_thunk_lock);
}

void fw_check_clear(struct lichen_vm *vm)
{
	pthread_mutex_lock(&fw_thunk_lock);
	for (uint32_t i = 0; i < FW_TABLES; i++)
		if (fw_tables[i].link && fw_tables[i].vm == vm)
			fw_table_free(&fw_tables[i]);
	pthread_mutex_unlock(&fw_thunk_lock);
}
