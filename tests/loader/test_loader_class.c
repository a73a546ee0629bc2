/* SPDX-License-Identifier: MIT */
/* The host's copy of a class: what is checked in it, and how it grows. */
#include <stddef.h>

#include <lichen/boot.h>
#include <lichen/char.h>
#include <lichen/ram.h>

#include "class.h"
#include "fixture.h"

struct sample {
	struct lichen_dev dev;
	uint8_t bytes[8];
	uint16_t port;
	uint8_t on;
	int32_t level;
	uint32_t choice;
	int32_t file;
	uint64_t address;
	const char *text;
	const struct lichen_link *link;
	struct {
		uint32_t key, value;
	} list[4];
	uint32_t used;
};

static const char *const choices[] = { "wait", "drop" };
static const struct lichen_io_ops io = { LICHEN_STRUCT(struct lichen_io_ops) };
static const struct lichen_char_ops chars = { LICHEN_STRUCT(struct lichen_char_ops) };

static lichen_status blob_save(void *self, uint64_t cookie, uint8_t *to, uint32_t size,
			       uint32_t *written)
{
	(void)self, (void)cookie, (void)to, (void)size, (void)written;
	return 0;
}

static lichen_status blob_load(void *self, uint64_t cookie, const uint8_t *from, uint32_t size)
{
	(void)self, (void)cookie, (void)from, (void)size;
	return 0;
}

static const struct lichen_blob_ops blob = { LICHEN_STRUCT(struct lichen_blob_ops),
					     .save = blob_save, .load = blob_load };

/* A class with something in every table, to be spoilt in one place. */
struct tables {
	struct lichen_param params[6];
	struct lichen_window windows[2];
	struct lichen_field state[3], inner[2];
	struct lichen_provide provides[1];
	struct lichen_need needs[2];
	struct lichen_class class;
};

enum { PORT, ON, LEVEL, CHOICE, FILE_, TEXT };

static struct tables *tables_make(void)
{
	static struct tables t;

	t = (struct tables){
		.params = {
			LICHEN_PARAM(struct sample, port, .unit = LICHEN_UNIT_PORT,
				     .max = 0xfff8, .fallback = 0x3f8, .help = "ports"),
			LICHEN_PARAM_AS(LICHEN_BOOL, struct sample, on, .fallback = 1,
					.help = "on"),
			LICHEN_PARAM(struct sample, level, .min = (uint64_t)-5, .max = 5,
				     .fallback = (uint64_t)-1, .help = "level"),
			LICHEN_PARAM_AS(LICHEN_CHOICE, struct sample, choice,
					.choices = LICHEN_TABLE(choices), .fallback = 1,
					.help = "choice"),
			LICHEN_PARAM_AS(LICHEN_FILE, struct sample, file,
					.flags = LICHEN_PARAM_WRITE | LICHEN_PARAM_CREATE,
					.help = "file"),
			LICHEN_PARAM(struct sample, text, .min = 1, .max = 4,
				     .text_fallback = "abc", .help = "text"),
		},
		.windows = {
			{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "io",
			  .size = 8, .access_sizes = 1 | 2, .ops = &io,
			  .place = LICHEN_PLACE_PORT, .placed_by = "port" },
			{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO,
			  .name = "mmio", .size = 3, .ops = &io, .place = LICHEN_PLACE_GPA,
			  .address = 0xfed00000 },
		},
		.inner = {
			{ LICHEN_STRUCT(struct lichen_field), .type = LICHEN_U32, .name = "key",
			  .size = 4, .since = 1 },
			{ LICHEN_STRUCT(struct lichen_field), .type = LICHEN_U32, .name = "value",
			  .offset = 4, .size = 4, .since = 2 },
		},
		.state = {
			LICHEN_FIELD_ARRAY(struct sample, bytes, .since = 1),
			{ LICHEN_STRUCT(struct lichen_field), .type = LICHEN_LIST, .name = "list",
			  .offset = offsetof(struct sample, list), .size = 8, .count = 4,
			  .since = 1, .flags = LICHEN_FIELD_COUNTED,
			  .used = offsetof(struct sample, used) },
			{ LICHEN_STRUCT(struct lichen_field), .type = LICHEN_BLOB,
			  .name = "image", .since = 2, .blob = &blob },
		},
		.provides = { LICHEN_PROVIDE(LICHEN_CHAR, chars) },
		.needs = {
			{ LICHEN_STRUCT(struct lichen_need), .id = LICHEN_CHAR, .key = "backend",
			  .offset = offsetof(struct sample, link), .help = "where it goes" },
			{ LICHEN_STRUCT(struct lichen_need), .id = "org.example.bus/12",
			  .flags = LICHEN_NEED_MANY | LICHEN_NEED_OPTIONAL,
			  .offset = LICHEN_NO_MEMBER },
		},
		.class = { LICHEN_STRUCT(struct lichen_class), .summary = "a sample",
			   .instance_size = sizeof(struct sample), .state_version = 2 },
	};
	t.class.params = (struct lichen_table)LICHEN_TABLE(t.params);
	t.class.windows = (struct lichen_table)LICHEN_TABLE(t.windows);
	t.class.state = (struct lichen_table)LICHEN_TABLE(t.state);
	t.state[1].fields = (struct lichen_table)LICHEN_TABLE(t.inner);
	t.class.provides = (struct lichen_table)LICHEN_TABLE(t.provides);
	t.class.needs = (struct lichen_table)LICHEN_TABLE(t.needs);
	return &t;
}

static lichen_status copied(const struct tables *t, uint32_t kind, struct ld_class **copy,
			    struct ld_error *error)
{
	*copy = NULL;
	*error = (struct ld_error){ "" };
	return ld_class_copy(&t->class, sizeof(t->class), kind, "sample.so", copy, error);
}

static void wants(const struct tables *t, uint32_t kind, lichen_status want, const char *part,
		  int line)
{
	struct ld_class *copy;
	struct ld_error error;
	lichen_status got = copied(t, kind, &copy, &error);

	if (got != want || !strstr(error.text, part))
		tap_fail("line %d: want %d and \"%s\", got %d and \"%s\"", line, want, part,
			 got, error.text);
	CHECK(want == 0 || (copy == NULL && strstr(error.text, "sample.so: ") == error.text));
	ld_class_free(copy);
}

/* The sample, spoilt by `change` of t, is refused with `want` and a sentence that has `part`.
 */
#define SPOILT(change, want, part)                                              \
	do {                                                                    \
		struct tables *t = tables_make();                               \
		change;                                                         \
		wants(t, LICHEN_KIND_DEVICE, -(LICHEN_##want), part, __LINE__); \
	} while (0)

/* The sample changed so is taken. */
#define TAKEN(change)                                          \
	do {                                                   \
		struct tables *t = tables_make();              \
		change;                                        \
		wants(t, LICHEN_KIND_DEVICE, 0, "", __LINE__); \
	} while (0)

TEST(the_sample_is_copied_in_the_hosts_sizes)
{
	struct tables *t = tables_make();
	const struct lichen_class *class;
	const struct lichen_field *state;
	const struct lichen_window *windows;
	struct ld_class *copy;
	struct ld_error error;

	CHECK_EQ(0, copied(t, LICHEN_KIND_DEVICE, &copy, &error));
	class = ld_class_get(copy);
	CHECK(class != &t->class && class->params.items != t->class.params.items);
	CHECK_EQ(6, class->params.count);
	windows = class->windows.items;
	CHECK(windows[0].ops != &io);
	state = class->state.items;
	CHECK_EQ(8, state[0].count);
	CHECK_EQ(1, state[2].count); /* 0 as declared */
	CHECK(state[1].fields.items != t->inner);
	CHECK_EQ(sizeof(struct lichen_field), state[1].fields.item_size);
	ld_class_free(copy);
}

TEST(an_older_plugins_shorter_structs_are_filled_with_zeros)
{
	struct old_need {
		uint32_t struct_size;
		uint32_t flags;
		const char *id, *key;
		uint32_t offset, _pad;
	};
	const struct old_need needs[2] = {
		{ sizeof(needs[0]), 0, "lichen.one/1", NULL, LICHEN_NO_MEMBER, 0 },
		{ sizeof(needs[0]), LICHEN_NEED_OPTIONAL, "lichen.two/1", NULL,
		  LICHEN_NO_MEMBER, 0 },
	};
	struct tables *t = tables_make();
	const struct lichen_need *ours;
	struct ld_class *copy;
	struct ld_error error;
	const uint32_t shorter = offsetof(struct lichen_class, thread);

	t->class.needs = (struct lichen_table)LICHEN_TABLE(needs);
	t->class.struct_size = shorter;
	memset((unsigned char *)&t->class + shorter, 0xff, sizeof(t->class) - shorter);
	CHECK_EQ(0, ld_class_copy(&t->class, shorter, LICHEN_KIND_DEVICE, "sample.so", &copy,
				  &error));
	CHECK(ld_class_get(copy)->thread == NULL && ld_class_get(copy)->host_event == NULL);
	ours = ld_class_get(copy)->needs.items;
	CHECK_EQ(sizeof(*ours), ld_class_get(copy)->needs.item_size);
	CHECK_STR("lichen.two/1", ours[1].id);
	CHECK_EQ(LICHEN_NEED_OPTIONAL, ours[1].flags);
	CHECK_EQ(0, ours[1].cookie);
	CHECK(ours[0].help == NULL);
	ld_class_free(copy);
}

TEST(a_newer_plugins_longer_structs_are_cut)
{
	struct new_need {
		struct lichen_need need;
		uint64_t more[4];
	};
	const struct new_need needs[2] = {
		{ { .struct_size = sizeof(needs[0]),
		    .id = "lichen.one/1",
		    .offset = LICHEN_NO_MEMBER },
		  { 1, 2, 3, 4 } },
		{ { .struct_size = sizeof(needs[0]),
		    .id = "lichen.two/1",
		    .offset = LICHEN_NO_MEMBER },
		  { 1, 2, 3, 4 } },
	};
	struct tables *t = tables_make();
	const struct lichen_need *ours;
	struct ld_class *copy;
	struct ld_error error;

	t->class.needs = (struct lichen_table)LICHEN_TABLE(needs);
	CHECK_EQ(0, copied(t, LICHEN_KIND_DEVICE, &copy, &error));
	ours = ld_class_get(copy)->needs.items;
	CHECK_EQ(sizeof(*ours), ours[0].struct_size);
	CHECK_STR("lichen.two/1", ours[1].id);
	ld_class_free(copy);
}

TEST(a_class_says_what_it_is)
{
	SPOILT(t->class.struct_size = 0, ENOEXEC, "LICHEN_STRUCT(struct lichen_class)");
	SPOILT(t->class.struct_size -= 8, ENOEXEC, "its note says");
	SPOILT(t->class.flags = 2, ENOTSUP, "flags 0x2, this host knows 0x1");
	SPOILT(t->class.summary = NULL, ENOEXEC, "summary");
	SPOILT(t->class.summary = "", ENOEXEC, "summary");
	SPOILT(t->class.summary = "two\nlines", ENOEXEC, "summary");
	SPOILT(t->class.instance_size = 8, ENOEXEC, "its instances have 8 bytes");
	SPOILT(t->class.instance_size = UINT32_MAX, ENOEXEC, "its instances have");
	TAKEN(t->class.flags = LICHEN_CLASS_PARALLEL);
}

TEST(tables_are_bounded_and_their_items_have_sizes)
{
	SPOILT(t->class.params.items = NULL, ENOEXEC, "table params has 6 items");
	SPOILT(t->class.needs.count = UINT32_MAX, ENOEXEC, "LICHEN_TABLE");
	SPOILT(t->class.windows.item_size = 0, ENOEXEC, "table windows");
	SPOILT(t->class.windows.item_size = UINT32_MAX, ENOEXEC, "table windows");
	SPOILT(t->params[1].struct_size = 0, ENOEXEC, "params[1]: struct_size 0");
	SPOILT(t->needs[1].struct_size = UINT32_MAX, ENOEXEC,
	       "needs[1]: struct_size 4294967295");
	TAKEN(t->class.provides = ((struct lichen_table){ NULL, 0, 0 }));
	TAKEN(t->class.provides = ((struct lichen_table){ NULL, 0, 7 }));
}

TEST(parameters_have_names_types_and_places)
{
	SPOILT(t->params[PORT].name = NULL, ENOEXEC, "params[0]: its name");
	SPOILT(t->params[PORT].name = "", ENOEXEC, "params[0]");
	SPOILT(t->params[PORT].name = "Port", ENOEXEC, "params[0] Port");
	SPOILT(t->params[PORT].name = "io-port", ENOEXEC, "params[0] io-port");
	SPOILT(t->params[PORT].name = "plugin", ENOEXEC, "key that every instance has");
	SPOILT(t->params[PORT].name = "id", ENOEXEC, "key that every instance has");
	SPOILT(t->params[ON].name = "port", ENOEXEC, "is the name of params[0] too");
	SPOILT(t->params[PORT].type = 0, ENOEXEC, "type 0 is no type");
	SPOILT(t->params[PORT].type = LICHEN_BLOB, ENOEXEC, "type 15 is no type");
	SPOILT(t->params[PORT].type = 999, ENOEXEC, "type 999 is no type");
	SPOILT(t->params[PORT].size = 4, ENOEXEC, "4 bytes at offset");
	SPOILT(t->params[PORT].offset = 0, ENOEXEC, "at offset 0");
	SPOILT(t->params[PORT].offset = 15, ENOEXEC, "at offset 15");
	SPOILT(t->params[PORT].offset |= 1, ENOEXEC, "no member of its type");
	SPOILT(t->params[PORT].offset = sizeof(struct sample), ENOEXEC,
	       "no member of its type");
	SPOILT(t->params[PORT].offset = UINT32_MAX - 1, ENOEXEC, "no member of its type");
	SPOILT(t->params[ON].offset = t->params[PORT].offset + 1, ENOEXEC,
	       "is stored over params[0] port");
	SPOILT(t->params[PORT].help = NULL, ENOEXEC, "no line of help");
	SPOILT(t->params[PORT].help = "a\tb", ENOEXEC, "no line of help");
}

TEST(parameters_have_units_and_flags_of_their_type)
{
	SPOILT(t->params[PORT].unit = 6, ENOEXEC, "unit 6");
	SPOILT(t->params[LEVEL].unit = LICHEN_UNIT_BYTES, ENOEXEC, "unit 1");
	SPOILT(t->params[ON].unit = LICHEN_UNIT_PORT, ENOEXEC, "unit 3");
	SPOILT(t->params[PORT].flags = 1u << 31, ENOTSUP, "flags 0x80000000");
	SPOILT(t->params[PORT].flags = LICHEN_PARAM_SHARED, ENOEXEC, "SHARED");
	SPOILT(t->params[PORT].flags = LICHEN_PARAM_WRITE, ENOEXEC, "LICHEN_FILE");
	SPOILT(t->params[FILE_].flags = LICHEN_PARAM_APPEND, ENOEXEC, "go with WRITE");
	SPOILT(t->params[FILE_].flags |= LICHEN_PARAM_DIRECTORY, ENOEXEC, "DIRECTORY");
	SPOILT(t->params[PORT].flags = LICHEN_PARAM_LISTEN, ENOEXEC, "LICHEN_FILE");
	SPOILT(t->params[FILE_].flags = LICHEN_PARAM_SOCKET | LICHEN_PARAM_LISTEN, ENOEXEC,
	       "SOCKET and LISTEN");
	SPOILT(t->params[FILE_].flags = LICHEN_PARAM_SOCKET | LICHEN_PARAM_READ, ENOEXEC,
	       "SOCKET and LISTEN");
	TAKEN(t->params[FILE_].flags = LICHEN_PARAM_READ | LICHEN_PARAM_DEVICE);
	TAKEN(t->params[FILE_].flags = LICHEN_PARAM_SOCKET | LICHEN_PARAM_REQUIRED);
	TAKEN(t->params[FILE_].flags = LICHEN_PARAM_LISTEN);
	TAKEN(t->params[FILE_].flags = LICHEN_PARAM_DIRECTORY);
	TAKEN((t->params[PORT].unit = LICHEN_UNIT_GSI,
	       t->params[PORT].flags = LICHEN_PARAM_SHARED, t->windows[0].placed_by = NULL));
}

TEST(parameters_have_ranges_with_their_fallback_inside)
{
	SPOILT(t->params[PORT].max = 0x10000, ENOEXEC, "no range of its type");
	SPOILT(t->params[PORT].min = 0xfff9, ENOEXEC, "no range of its type");
	SPOILT(t->params[PORT].min = 0x3f9, ENOEXEC,
	       "fallback 0x3f8 is not in 0x3f9 to 0xfff8");
	SPOILT(t->params[PORT].fallback = 0xfff9, ENOEXEC, "fallback 0xfff9");
	SPOILT(t->params[LEVEL].fallback = (uint64_t)-6, ENOEXEC,
	       "fallback -6 is not in -5 to 5");
	SPOILT(t->params[LEVEL].min = (uint64_t)INT64_MIN, ENOEXEC, "no range of its type");
	SPOILT(t->params[LEVEL].max = (uint64_t)-6, ENOEXEC, "min -5 to max -6");
	SPOILT(t->params[ON].fallback = 2, ENOEXEC, "neither 0 nor 1");
	SPOILT(t->params[TEXT].min = 5, ENOEXEC, "min 5 is above max 4");
	SPOILT(t->params[TEXT].text_fallback = "abcde", ENOEXEC, "text_fallback has 5 bytes");
	SPOILT(t->params[TEXT].text_fallback = "", ENOEXEC, "text_fallback has 0 bytes");
	SPOILT(t->params[PORT].text_fallback = "0", ENOEXEC, "no LICHEN_TEXT or LICHEN_FILE");
	SPOILT(t->params[FILE_].text_fallback = "dev/null", ENOEXEC, "no absolute path");
	TAKEN(t->params[FILE_].text_fallback = "/dev/null");
	TAKEN(t->params[TEXT].text_fallback = NULL);
	TAKEN((t->params[PORT].min = 1, t->params[PORT].fallback = 0,
	       t->params[PORT].flags = LICHEN_PARAM_REQUIRED));
	TAKEN((t->params[LEVEL].min = (uint64_t)INT32_MIN, t->params[LEVEL].max = 0));
}

TEST(choices_are_named_once_and_hold_the_fallback)
{
	static const char *const twice[] = { "a", "b", "a" }, *const gap[] = { "a", NULL };

	SPOILT(t->params[CHOICE].choices.count = 0, ENOEXEC, "0 choices");
	SPOILT(t->params[CHOICE].choices.items = NULL, ENOEXEC, "2 choices");
	SPOILT(t->params[CHOICE].choices.item_size = 4, ENOEXEC, "of 4 bytes");
	SPOILT(t->params[CHOICE].choices = (struct lichen_table)LICHEN_TABLE(twice), ENOEXEC,
	       "choice a is there twice");
	SPOILT(t->params[CHOICE].choices = (struct lichen_table)LICHEN_TABLE(gap), ENOEXEC,
	       "choice 1 has no name");
	SPOILT(t->params[CHOICE].fallback = 2, ENOEXEC, "fallback 2 is none of 2");
	SPOILT(t->params[PORT].choices = t->params[CHOICE].choices, ENOEXEC,
	       "not a LICHEN_CHOICE");
}

TEST(windows_have_names_sizes_and_handlers)
{
	static const struct lichen_io_ops unsized = { .struct_size = 0 };

	SPOILT(t->windows[0].name = NULL, ENOEXEC, "windows[0]: has no name");
	SPOILT(t->windows[1].name = "io", ENOEXEC, "is the name of windows[0] too");
	SPOILT(t->windows[0].kind = 5, ENOEXEC, "kind 5");
	SPOILT(t->windows[0].kind = 0, ENOEXEC, "kind 0");
	SPOILT(t->windows[0].size = 0, ENOEXEC, "has size 0");
	SPOILT(t->windows[0].access_sizes = 16, ENOEXEC, "access_sizes 0x10");
	SPOILT(t->windows[0].split = 2, ENOEXEC, "split 2");
	SPOILT(t->windows[0].ops = NULL, ENOEXEC, "has no ops");
	SPOILT(t->windows[0].ops = &unsized, ENOEXEC, "LICHEN_STRUCT(struct lichen_io_ops)");
}

TEST(memory_is_whole_pages_at_whole_pages_and_not_on_ports)
{
	SPOILT(t->windows[1].kind = LICHEN_RAM, ENOEXEC, "memory of 3 bytes");
	SPOILT((t->windows[1].kind = LICHEN_ROM, t->windows[1].size = 0x1800), ENOEXEC,
	       "memory of 6144 bytes, which are no whole pages of 4096");
	SPOILT((t->windows[1].kind = LICHEN_RAM, t->windows[1].size = 0x1000,
		t->windows[1].address = 0xfed00800),
	       ENOEXEC, "memory at 0xfed00800, which is no multiple of 4096");
	SPOILT((t->windows[0].kind = LICHEN_MAPPED, t->windows[0].size = 0x1000), ENOEXEC,
	       "cannot be placed on ports");
	SPOILT((t->windows[1].kind = LICHEN_ROM, t->windows[1].size = 0x1000,
		t->windows[1].access_sizes = 16),
	       ENOEXEC, "access_sizes 0x10");
}

TEST(windows_are_placed_where_there_is_room_by_a_parameter_of_that_unit)
{
	SPOILT(t->windows[0].place = 3, ENOEXEC, "place 3");
	SPOILT(t->windows[0].size = 0x10001, ENOEXEC, "65537 ports, there are 65536");
	SPOILT(t->windows[0].placed_by = "prot", ENOEXEC, "placed_by prot is no parameter");
	SPOILT(t->windows[0].placed_by = "on", ENOEXEC, "placed_by on has unit 0");
	SPOILT(t->windows[1].placed_by = "port", ENOEXEC, "want 4 (LICHEN_UNIT_GPA)");
	SPOILT(t->windows[0].place = LICHEN_PLACE_LATER, ENOEXEC, "is placed later");
	SPOILT((t->windows[0].placed_by = NULL, t->windows[0].address = 0xfff9), ENOEXEC,
	       "ports from 0xfff9 go past 0xffff");
	SPOILT(t->windows[1].address = UINT64_MAX - 1, ENOEXEC, "go past the last one");
	TAKEN((t->windows[0].placed_by = NULL, t->windows[0].address = 0xfff8));
	TAKEN((t->windows[0].placed_by = NULL, t->windows[0].place = LICHEN_PLACE_LATER));
}

TEST(state_fields_have_names_versions_and_places)
{
	SPOILT(t->class.state_version = 0, ENOEXEC, "state_version 0");
	SPOILT(t->class.state_version = 1, ENOEXEC, "since 2 is not in 1 to state_version 1");
	SPOILT(t->state[0].since = 0, ENOEXEC, "state[0] bytes: since 0");
	SPOILT(t->state[0].name = "a b", ENOEXEC, "state[0] a b");
	SPOILT(t->state[1].name = "bytes", ENOEXEC, "is the name of field 0 too");
	SPOILT(t->state[0].flags = 4, ENOTSUP, "flags 0x4");
	SPOILT(t->state[0].type = 99, ENOEXEC, "type 99");
	SPOILT(t->state[0].type = LICHEN_TEXT, ENOEXEC, "no state");
	SPOILT(t->state[0].size = 2, ENOEXEC, "8 of 2 bytes at offset 16");
	SPOILT(t->state[0].count = UINT32_MAX, ENOEXEC, "no member of its type");
	SPOILT(t->state[0].offset = 8, ENOEXEC, "at offset 8");
	SPOILT(t->state[0].offset = UINT32_MAX, ENOEXEC, "no member of its type");
	SPOILT(t->state[1].used = sizeof(struct sample), ENOEXEC, "used, at offset");
	SPOILT(t->state[1].used |= 1, ENOEXEC, "used, at offset");
	SPOILT(t->state[2].help = "a\nb", ENOEXEC, "not one line");
}

TEST(nested_fields_stay_in_their_element_and_blobs_have_functions)
{
	static const struct lichen_blob_ops half = { LICHEN_STRUCT(struct lichen_blob_ops),
						     .save = blob_save };

	SPOILT(t->inner[1].offset = 8, ENOEXEC, "state[1] value: 1 of 4 bytes at offset 8");
	SPOILT(t->inner[1].since = 3, ENOEXEC, "since 3");
	SPOILT(t->state[1].key = 2, ENOEXEC, "key 2 is no integer");
	SPOILT(t->inner[0].type = LICHEN_FILE, ENOEXEC, "no state");
	SPOILT(t->state[1].fields.count = 0, ENOEXEC, "has no fields");
	SPOILT((t->inner[1].type = LICHEN_NESTED,
		t->inner[1].fields =
			(struct lichen_table){ t->inner + 1, 1, sizeof(t->inner[1]) },
		t->inner[1].offset = 0),
	       ENOEXEC, "nested deeper than 4");
	SPOILT(t->state[2].blob = NULL, ENOEXEC, "its blob has no functions");
	SPOILT(t->state[2].blob = &half, ENOEXEC, "lacks save or load");
}

TEST(interfaces_have_ids_and_functions)
{
	static const struct lichen_char_ops unsized = { .struct_size = 0 };

	SPOILT(t->provides[0].id = NULL, ENOEXEC, "provides[0]: not an interface's id");
	SPOILT(t->provides[0].id = "lichen.char", ENOEXEC, "provides[0] lichen.char");
	SPOILT(t->provides[0].id = "/1", ENOEXEC, "provides[0] /1");
	SPOILT(t->provides[0].id = "a/b/1", ENOEXEC, "provides[0] a/b/1");
	SPOILT(t->provides[0].id = "a/", ENOEXEC, "provides[0] a/");
	SPOILT(t->provides[0].ops = NULL, ENOEXEC, "LICHEN_PROVIDE");
	SPOILT(t->provides[0].ops_size = 4, ENOEXEC, "LICHEN_PROVIDE");
	SPOILT(t->provides[0].ops = &unsized, ENOEXEC, "struct_size 0, not");
	SPOILT(t->class.provides = ((struct lichen_table){
		       (struct lichen_provide[]){ t->provides[0], t->provides[0] }, 2,
		       sizeof(struct lichen_provide) }),
	       ENOEXEC, "provides[1] lichen.char/1: provided twice");
}

TEST(needs_have_ids_keys_and_links)
{
	SPOILT(t->needs[1].id = NULL, ENOEXEC, "needs[1]");
	SPOILT(t->needs[0].flags = 4, ENOTSUP, "flags 0x4");
	SPOILT(t->needs[0].offset = 0, ENOEXEC, "offset 0 is no pointer");
	SPOILT(t->needs[0].offset += 4, ENOEXEC, "is no pointer");
	SPOILT(t->needs[0].offset = sizeof(struct sample), ENOEXEC, "LICHEN_NO_MEMBER");
	SPOILT(t->needs[0].key = "Back", ENOEXEC, "key \"Back\"");
	SPOILT(t->needs[0].key = "port", ENOEXEC, "is taken");
	SPOILT(t->needs[0].key = "sha256", ENOEXEC, "is taken");
	SPOILT(t->needs[0].help = NULL, ENOEXEC, "no line of help");
	SPOILT((t->needs[1].key = "backend", t->needs[1].help = "x"), ENOEXEC,
	       "is that of needs[0] too");
}

TEST(kinds_owe_their_interface)
{
	static const struct lichen_boot_ops without = { LICHEN_STRUCT(struct lichen_boot_ops) };
	struct tables *t = tables_make();

	wants(t, LICHEN_KIND_BOOT, -LICHEN_ENOEXEC, "does not provide lichen.boot/1", __LINE__);
	wants(t, LICHEN_KIND_MEMORY, -LICHEN_ENOEXEC, "does not provide lichen.memory/1",
	      __LINE__);
	wants(t, LICHEN_KIND_BACKEND, -LICHEN_ENOEXEC, "but has windows", __LINE__);
	t->class.windows.count = 0;
	wants(t, LICHEN_KIND_BACKEND, 0, "", __LINE__);
	t->class.provides.count = 0;
	wants(t, LICHEN_KIND_BACKEND, -LICHEN_ENOEXEC, "provides nothing", __LINE__);

	t = tables_make();
	t->provides[0] = (struct lichen_provide)LICHEN_PROVIDE(LICHEN_BOOT, without);
	wants(t, LICHEN_KIND_BOOT, -LICHEN_ENOEXEC, "with a load", __LINE__);
}
