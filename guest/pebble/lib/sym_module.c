/* SPDX-License-Identifier: MIT */
/* sym_module.c: objects that the VMM links against lichen.symbols/1 and gives to us. */
#include "sym.h"

enum {
	OBJECTS = 4,
	OBJECT_PAGES = 16,
	ERRNO_NOENT = -2, /* the status words of the page are Linux's */
	ERRNO_NOMEM = -12,
	ERRNO_EXIST = -17,
	ERRNO_NOEXEC = -8,
};

struct object {
	char name[sizeof(((struct lichen_module_page *)0)->name)]; /* empty: free */
	int32_t (*leave)(void);
};

static struct lichen_module_page page __attribute__((aligned(LICHEN_GUEST_PAGE)));
static struct lichen_module_list list __attribute__((aligned(LICHEN_GUEST_PAGE)));
static uint8_t memory[OBJECTS][OBJECT_PAGES * LICHEN_GUEST_PAGE]
	__attribute__((aligned(LICHEN_GUEST_PAGE), section(".noinit")));
static struct object objects[OBJECTS];
static struct object *loading; /* what the bytes on their way are for */

static const struct {
	const char *name;
	uintptr_t address;
} exported[] = {
#define EXPORT(symbol)                          \
	{                                       \
#symbol, (uintptr_t) & (symbol) \
	}
	EXPORT(memcpy),
	EXPORT(memset),
	EXPORT(pebble_dec),
	EXPORT(pebble_exit),
	EXPORT(pebble_hex),
	EXPORT(pebble_puts),
	EXPORT(sym_add_function),
	EXPORT(sym_add_record),
	EXPORT(sym_begin),
	EXPORT(sym_end),
	EXPORT(sym_global),
	EXPORT(sym_remove_function),
	EXPORT(sym_remove_record),
#undef EXPORT
};

static void module_symbols(void)
{
	static struct lichen_spy_symbol *symbols;
	enum { COUNT = sizeof(exported) / sizeof(*exported) };

	if (symbols != NULL)
		return;
	symbols = sym_add_record(&sym_global, LICHEN_SPY_SYMBOLS, COUNT * sizeof(*symbols),
				 LICHEN_SPY_SYMBOLS_SCHEMA);
	if (symbols == NULL)
		return;
	sym_begin(symbols);
	for (uint32_t i = 0; i < COUNT; i++) {
		for (uint32_t at = 0; exported[i].name[at] != '\0'; at++)
			symbols[i].name[at] = exported[i].name[at];
		symbols[i].address = exported[i].address;
	}
	sym_end(symbols);
}

void sym_module_init(void)
{
	module_symbols();
	page.kinds = LICHEN_MODULE_OBJECT;
	page.policy = LICHEN_MODULE_ANY;
	(void)sym_write(LICHEN_MSR_MODULE_PAGE, LICHEN_AT((uintptr_t)&page, 1));
}

static void module_say(uint32_t state, int32_t status, const char *text)
{
	uint32_t serial = page.serial, size = 0;

	while (text[size] != '\0' && size < sizeof(page.text)) {
		page.text[size] = text[size];
		size++;
	}
	page.text_size = size;
	page.status = status;
	__atomic_store_n(&page.state, state, __ATOMIC_RELEASE);
	(void)sym_write(LICHEN_MSR_MODULE_ANSWER, serial);
}

static struct object *module_find(const char *name)
{
	for (uint32_t i = 0; i < OBJECTS; i++) {
		if (memcmp(objects[i].name, name, sizeof(objects[i].name)) == 0)
			return &objects[i];
	}
	return NULL;
}

static void module_offer(void)
{
	static const char none[sizeof(objects[0].name)];
	struct object *object = module_find(none);
	uint64_t address;

	if (page.kind != LICHEN_MODULE_OBJECT) {
		module_say(LICHEN_MODULE_REFUSED, ERRNO_NOEXEC, "only relocatable objects");
		return;
	}
	if (page.name[0] == '\0' || module_find(page.name) != NULL) {
		module_say(LICHEN_MODULE_REFUSED, ERRNO_EXIST, "one of this name is loaded");
		return;
	}
	if (object == NULL || page.size == 0 || page.size > sizeof(memory[0])) {
		module_say(LICHEN_MODULE_REFUSED, ERRNO_NOMEM, "no room");
		return;
	}
	loading = object;
	address = (uintptr_t)memory[object - objects];
	list.next = 0;
	for (uint32_t i = 0; i < OBJECT_PAGES; i++)
		list.pages[i] = address + i * LICHEN_GUEST_PAGE;
	page.list = (uintptr_t)&list;
	page.address = address;
	module_say(LICHEN_MODULE_ACCEPTED, 0, "");
}

static void module_start(void)
{
	int32_t (*enter)(void) = (int32_t(*)(void))(uintptr_t)page.entry, status = 0;
	struct object *object = loading;

	loading = NULL;
	if (object == NULL) {
		module_say(LICHEN_MODULE_FAILED, ERRNO_NOENT, "nothing was accepted");
		return;
	}
	if (enter != NULL)
		status = enter();
	if (status < 0) {
		module_say(LICHEN_MODULE_FAILED, status, "its init function failed");
		return;
	}
	memcpy(object->name, page.name, sizeof(object->name));
	object->leave = (int32_t(*)(void))(uintptr_t)page.leave;
	module_say(LICHEN_MODULE_LOADED, 0, "");
}

static void module_drop(void)
{
	struct object *object = module_find(page.name);
	int32_t status = 0;

	if (object == NULL || page.name[0] == '\0') {
		module_say(LICHEN_MODULE_FAILED, ERRNO_NOENT, "none of this name is loaded");
		return;
	}
	if (object->leave != NULL)
		status = object->leave();
	if (status < 0) {
		module_say(LICHEN_MODULE_FAILED, status, "its exit function failed");
		return;
	}
	memset(object, 0, sizeof(*object));
	module_say(LICHEN_MODULE_DROPPED, 0, "");
}

void sym_module_serve(void)
{
	switch (__atomic_load_n(&page.state, __ATOMIC_ACQUIRE)) {
	case LICHEN_MODULE_ASKED:
		if (page.request == LICHEN_MODULE_OFFER)
			module_offer();
		else if (page.request == LICHEN_MODULE_DROP)
			module_drop();
		return;
	case LICHEN_MODULE_COPIED:
		module_start();
		return;
	default:
		loading = NULL;
	}
}
