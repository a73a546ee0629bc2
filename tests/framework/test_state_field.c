/* SPDX-License-Identifier: MIT */
/* Declared fields in a stream: all shapes, versions, and what must be refused by name. */
#include <stdlib.h>

#include "state_sample.h"
#include "tap.h"

static struct sample from, to;
static struct fw_buffer out;
static struct ld_error error;

static struct lichen_table table_of(const struct lichen_field *fields, uint32_t count)
{
	return (struct lichen_table){ fields, count, sizeof(*fields) };
}

static void save(const struct lichen_table *table)
{
	out.size = 0;
	CHECK_EQ(0, fw_fields_save(table, &from, &out, &error));
}

static lichen_status load(const struct lichen_table *table, uint32_t version)
{
	struct fw_reader in = { out.bytes, out.size };
	lichen_status status;

	error.text[0] = '\0';
	status = fw_fields_load(table, &to, version, 1, &in, &error);
	if (status == 0)
		CHECK_EQ(0, in.left);
	return status;
}

static void refused(const struct lichen_table *table, uint32_t version, const char *why)
{
	CHECK_EQ(-LICHEN_EBADMSG, load(table, version));
	if (!strstr(error.text, why))
		tap_fail("want \"%s\" in \"%s\"", why, error.text);
}

TEST(every_shape_comes_back_and_saves_the_same)
{
	struct fw_buffer again = { 0 };

	sample_fill(&from);
	from.routes[2].to = from.routes[3].to = 7; /* what is not in use gets fallbacks */
	sample_new(&to);
	save(&sample_table);
	CHECK_EQ(0, load(&sample_table, 2));
	from.blob_at = to.blob_at = 0;
	CHECK_EQ(0, memcmp(&from, &to, sizeof(from)));
	CHECK_EQ(0, fw_fields_save(&sample_table, &to, &again, &error));
	CHECK_EQ(out.size, again.size);
	CHECK_EQ(0, memcmp(out.bytes, again.bytes, out.size));
	fw_buffer_clear(&again);
	fw_buffer_clear(&out);
}

TEST(checking_alone_changes_nothing)
{
	static struct sample before;
	struct fw_reader in;

	sample_fill(&from);
	sample_new(&to);
	before = to;
	save(&sample_table);
	in = (struct fw_reader){ out.bytes, out.size };
	CHECK_EQ(0, fw_fields_load(&sample_table, &to, 2, 0, &in, &error));
	CHECK_EQ(0, in.left);
	CHECK_EQ(0, memcmp(&before, &to, sizeof(to)));
	fw_buffer_clear(&out);
}

TEST(an_older_stream_gives_younger_fields_their_fallback)
{
	const struct lichen_table old = table_of(sample_fields, SAMPLE_LATE);

	sample_fill(&from);
	sample_fill(&to);
	save(&old);
	to.blob_size = 0;
	CHECK_EQ(0, load(&sample_table, 1));
	CHECK_EQ(5, to.late);
	to.blob_size = 0;
	refused(&sample_table, 2, "field late: is missing");
	fw_buffer_clear(&out);
}

TEST(younger_fields_of_every_shape_get_fallbacks)
{
	struct lichen_field young[SAMPLE_FIELDS];
	const struct lichen_table none = table_of(sample_fields, 0);
	const struct lichen_table all = table_of(young, SAMPLE_FIELDS);

	memcpy(young, sample_fields, sizeof(young));
	for (uint32_t i = 0; i < SAMPLE_FIELDS; i++)
		young[i].since = 2;
	sample_fill(&to);
	save(&none);
	CHECK_EQ(0, load(&all, 1));
	CHECK_EQ(0, to.control);
	CHECK_EQ(-1, to.level);
	CHECK_EQ(9, to.table[3]);
	CHECK_EQ(0, to.fifo_used);
	CHECK_EQ(0, to.routes_used);
	CHECK_EQ(0xffff, to.queues[2].ring[1]);
	CHECK_EQ(7, to.fixed[1].to);
	CHECK_EQ(11, to.fixed[1].pin); /* keys stay */
	fw_buffer_clear(&out);
}

/* `field` of the sender alone, the receiver having none. */
static void unknown(const struct lichen_field *field, const char *why)
{
	const struct lichen_table one = table_of(field, 1), none = table_of(field, 0);

	save(&one);
	if (why)
		refused(&none, 1, why);
	else
		CHECK_EQ(0, load(&none, 1));
}

TEST(an_unknown_field_is_dropped_only_where_it_says_nothing)
{
	const struct lichen_field *f = sample_fields;

	sample_new(&from);
	unknown(&f[0], NULL);
	from.control = 1;
	unknown(&f[0], "field control: is not known here, and holds 0x1");
	from.level = -1;
	unknown(&f[1], NULL);
	from.level = 1;
	unknown(&f[1], "field level: is not known here, and holds 0x1");
	from.table[0] = from.table[1] = from.table[2] = from.table[3] = 9;
	unknown(&f[4], NULL);
	from.table[3] = 8;
	unknown(&f[4], "field table: is not known here");
	unknown(&f[5], NULL);
	from.fifo_used = 1;
	unknown(&f[5], "field fifo: is not known here, and holds 1 elements");
	for (uint32_t i = 0; i < SAMPLE_QUEUES; i++)
		from.queues[i].ring[0] = from.queues[i].ring[1] = 0xffff;
	unknown(&f[6], NULL);
	from.queues[1].head = 4;
	unknown(&f[6], "head: is not known here, and holds 0x4");
	unknown(&f[7], NULL);
	from.routes_used = 1;
	unknown(&f[7], "field routes: is not known here");
	for (uint32_t i = 0; i < SAMPLE_ROUTES; i++)
		from.fixed[i].to = 7; /* the key may say what it likes */
	unknown(&f[8], NULL);
	from.fixed[0].to = 8;
	unknown(&f[8], "to: is not known here, and holds 0x8");
	unknown(&f[9], NULL);
	from.blob_size = 1;
	unknown(&f[9], "field blob: is not known here, and holds data");
	fw_buffer_clear(&out);
}

/* What the sender declares differently. */
static void declared(struct lichen_field field, const char *why)
{
	const struct lichen_table theirs = table_of(&field, 1);
	struct lichen_table ours = { 0 };

	for (uint32_t i = 0; i < SAMPLE_FIELDS; i++)
		if (strcmp(sample_fields[i].name, field.name) == 0)
			ours = table_of(&sample_fields[i], 1);
	save(&theirs);
	if (why)
		refused(&ours, 2, why);
	else
		CHECK_EQ(0, load(&ours, 2));
}

TEST(a_field_of_another_type_or_count_is_refused_by_name)
{
	struct lichen_field field = sample_fields[0];

	sample_fill(&from);
	sample_new(&to);
	field.type = LICHEN_S8;
	declared(field, "field control: is of type 5");
	field = sample_fields[5];
	field.flags = 0;
	declared(field, "field fifo: is of type 1, not counted");
	field = sample_fields[5];
	field.count = SAMPLE_FIFO + 4; /* reads on into what follows, which is the sample's */
	from.fifo_used = SAMPLE_FIFO + 1;
	declared(field, "field fifo: 9 elements, above 8");
	field = sample_fields[3];
	from.enabled = 2;
	declared(field, "field enabled: 2: not 0 or 1");
	fw_buffer_clear(&out);
}

TEST(an_array_may_be_longer_or_shorter_where_nothing_is_lost)
{
	struct lichen_field field = sample_fields[4];

	sample_fill(&from);
	sample_new(&to);
	field.count = 2;
	declared(field, NULL);
	CHECK_EQ(101, to.table[1]);
	CHECK_EQ(9, to.table[2]);
	field.count = 5; /* the fifth is the FIFO's first two bytes */
	declared(field, "field table: element 4 holds");
	memcpy(from.fifo, "\x09", 2);
	declared(field, NULL);
	field = sample_fields[6];
	field.count = 2;
	declared(field, NULL);
	CHECK_EQ(1, to.queues[1].head);
	CHECK_EQ(0, to.queues[2].head);
	CHECK_EQ(0xffff, to.queues[2].ring[0]);
	fw_buffer_clear(&out);
}

TEST(lists_go_by_their_keys)
{
	const struct lichen_table fixed = table_of(&sample_fields[8], 1);
	const struct lichen_table routes = table_of(&sample_fields[7], 1);

	sample_fill(&from);
	sample_new(&to);
	from.fixed[0].pin = 12;
	from.fixed[2].pin = 10;
	save(&fixed);
	CHECK_EQ(0, load(&fixed, 1));
	CHECK_EQ(1002, to.fixed[0].to);
	CHECK_EQ(1000, to.fixed[2].to);
	from.fixed[0].pin = 99;
	save(&fixed);
	refused(&fixed, 1, "field fixed[0].to: is not known here, and holds 0x3e8");
	from.fixed[0].to = 7; /* says nothing */
	save(&fixed);
	CHECK_EQ(0, load(&fixed, 1));
	CHECK_EQ(7, to.fixed[2].to); /* nobody told of it */
	from.fixed[0].pin = from.fixed[1].pin;
	save(&fixed);
	refused(&fixed, 1, "key 0xb is there twice");
	from.routes[1].pin = from.routes[0].pin;
	save(&routes);
	refused(&routes, 1, "field routes[1]: key 0x3 is there twice");
	fw_buffer_clear(&out);
}

TEST(a_count_above_its_maximum_is_not_saved)
{
	sample_fill(&from);
	from.fifo_used = SAMPLE_FIFO + 1;
	CHECK_EQ(-LICHEN_EINVAL, fw_fields_save(&sample_table, &from, &out, &error));
	CHECK_STR("field fifo: 9 elements, above 8", error.text);
	fw_buffer_clear(&out);
}

TEST(a_field_twice_is_refused)
{
	const struct lichen_field twice[] = { sample_fields[0], sample_fields[0] };
	const struct lichen_table theirs = table_of(twice, 2), ours = table_of(twice, 1);

	sample_new(&from);
	save(&theirs);
	refused(&ours, 1, "field control: is there twice");
	fw_buffer_clear(&out);
}

TEST(a_stream_cut_anywhere_is_refused)
{
	struct sample *s = &from;

	sample_fill(s);
	s->blob_size = 100;
	save(&sample_table);
	for (uint64_t size = 0; size < out.size; size++) {
		struct fw_reader in = { out.bytes, size };

		sample_new(&to);
		CHECK_EQ(-LICHEN_EBADMSG,
			 fw_fields_load(&sample_table, &to, 2, 1, &in, &error));
	}
	fw_buffer_clear(&out);
}

TEST(tables_nested_too_deep_are_refused_not_followed)
{
	/* A table of one NESTED field "a" of one element, which is such a table, ... */
	static const uint8_t level[] = { 1, 0, 0, 0, 1, 'a', LICHEN_NESTED, 0, 1, 0, 0, 0, 0, 0,
					 0, 0, 0, 0, 0, 0 };
	const struct lichen_table none = table_of(sample_fields, 0);

	for (uint32_t i = 0; i < 1000; i++)
		fw_put(&out, level, sizeof(level));
	refused(&none, 1, "nested deeper than");
	fw_buffer_clear(&out);
}

TEST(counts_that_no_stream_can_hold_are_refused_at_once)
{
	static const uint8_t huge[] = { 1,    0,    0, 0, 1, 'a', LICHEN_U64, 0, 0xff, 0xff,
					0xff, 0xff, 0, 0, 0, 0,	  0,	      0, 0,    0 };
	const struct lichen_table none = table_of(sample_fields, 0);

	fw_put(&out, huge, sizeof(huge));
	refused(&none, 1, "field a: 4294967295 elements: the state ends before");
	out.size = 0;
	fw_put_u32(&out, UINT32_MAX);
	refused(&none, 1, "4294967295 fields in it");
	fw_buffer_clear(&out);
}
