/* SPDX-License-Identifier: MIT */
/* Schemas of records and functions: parsed, used both ways, refused. */
#include <lichen/guest/spy.h>
#include <lichen/sdk/schema.h>

#include "tap.h"

static struct lichen_why why;

static void same(const char *want, json_t *got)
{
	char *text = json_dumps(got, JSON_COMPACT);

	CHECK(got && text);
	if (strcmp(want, text) != 0)
		tap_fail("want %s, got %s", want, text);
	free(text);
	json_decref(got);
}

static json_t *parsed(const char *text)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);

	CHECK(json);
	return json;
}

TEST(a_record_is_decoded_field_by_field)
{
	const struct lichen_spy_task task = { .pid = 7,
					      .tgid = 6,
					      .comm = "sh\xff",
					      .cr3 = 0x1000,
					      .since_ns = 5,
					      .switches = 1 };
	struct lichen_schema schema;

	CHECK_EQ(0, lichen_schema_record(LICHEN_SPY_TASK_SCHEMA, &schema, &why));
	same("{\"pid\":7,\"tgid\":6,\"comm\":\"sh?\",\"cr3\":\"0x1000\",\"since\":\"0x5\","
	     "\"switches\":\"0x1\"}",
	     lichen_schema_decode(&schema, &task, sizeof(task)));
}

TEST(the_schemas_of_the_contract_fit_their_structs)
{
	static const struct {
		const char *text;
		uint32_t size, items;
	} all[] = {
		{ LICHEN_SPY_TASK_SCHEMA, sizeof(struct lichen_spy_task), 0 },
		{ LICHEN_SPY_MEM_SCHEMA, sizeof(struct lichen_spy_mem), 0 },
		{ LICHEN_SPY_LOAD_SCHEMA, sizeof(struct lichen_spy_load), 0 },
		{ LICHEN_SPY_BUILD_SCHEMA, sizeof(struct lichen_spy_build), 0 },
		{ LICHEN_SPY_HOST_SCHEMA, offsetof(struct lichen_spy_host, steal_ns), 8 },
		{ LICHEN_SPY_SYMBOLS_SCHEMA, 0, sizeof(struct lichen_spy_symbol) },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct lichen_schema schema;
		uint32_t fixed = 0, items = 0;

		CHECK_EQ(0, lichen_schema_record(all[i].text, &schema, &why));
		for (uint32_t k = 0; k < schema.count; k++)
			*(k < schema.repeat ? &fixed : &items) += schema.fields[k].size;
		CHECK_EQ(all[i].size, fixed);
		CHECK_EQ(all[i].items, items);
	}
}

TEST(a_part_repeats_to_the_end_and_a_cut_item_is_left_out)
{
	const uint8_t bytes[] = { 2, 0, 'a', 0, 9, 'b', 'c', 0xf7, 'd' };
	struct lichen_schema schema;

	CHECK_EQ(0, lichen_schema_record("n:u16 [ name:c2 v:s8", &schema, &why));
	same("{\"n\":2,\"items\":[{\"name\":\"a\",\"v\":9},{\"name\":\"bc\",\"v\":-9}]}",
	     lichen_schema_decode(&schema, bytes, sizeof(bytes)));
}

TEST(fields_past_the_end_are_left_out)
{
	struct lichen_schema schema;

	CHECK_EQ(0, lichen_schema_record("a:u32 b:u32", &schema, &why));
	same("{\"a\":1}", lichen_schema_decode(&schema, "\1\0\0\0\2", 5));
}

TEST(malformed_schemas_are_refused_with_the_word)
{
	static const char *const bad[] = {
		"a",	    "a:",    "a:u128", ":u8",		"A:u8",	    "a:c0",
		"a:c99999", "a:p-1", "a:u8x",  "a:text b:u8",	"[ a:text", "a:u8 [ [ b:u8",
		"a b:u8",   "a:c 4", "a-b:u8", "a:c4294967297",
	};
	struct lichen_schema schema;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why.text[0] = '\0';
		if (lichen_schema_record(bad[i], &schema, &why) != -LICHEN_EBADMSG)
			tap_fail("\"%s\" was taken", bad[i]);
		CHECK(why.text[0]);
	}
}

TEST(too_many_fields_are_refused)
{
	char text[LICHEN_SCHEMA_MAX + 2] = "";
	struct lichen_schema schema;

	for (uint32_t i = 0; i <= LICHEN_SCHEMA_FIELDS; i++)
		strcat(text, "a:u8 ");
	CHECK_EQ(-LICHEN_EBADMSG, lichen_schema_record(text, &schema, &why));
	memset(text, ' ', sizeof(text) - 1);
	CHECK_EQ(-LICHEN_EBADMSG, lichen_schema_record(text, &schema, &why));
}

TEST(arguments_come_by_name_or_in_order)
{
	struct lichen_schema_call call;
	uint64_t values[LICHEN_CALL_ARGUMENTS];
	uint8_t page[16];
	uint32_t size;
	json_t *json;

	CHECK_EQ(0, lichen_schema_function("at:x64 n:u8 | path:text -> a:s32 b:x64 | [ pid:u32",
					   &call, &why));
	json = parsed("{\"n\": 255, \"at\": \"0xffffffff81000000\", \"path\": \"/x\"}");
	CHECK_EQ(0, lichen_schema_encode(&call, json, values, page, sizeof(page), &size, &why));
	json_decref(json);
	CHECK(values[0] == 0xffffffff81000000 && values[1] == 255 && values[2] == 0);
	CHECK_EQ(2, size);
	CHECK_EQ(0, memcmp("/x", page, 2));
	json = parsed("[16]");
	CHECK_EQ(0, lichen_schema_encode(&call, json, values, page, sizeof(page), &size, &why));
	json_decref(json);
	CHECK(values[0] == 16 && values[1] == 0 && size == 0);
	same("{\"a\":-1,\"b\":\"0x2\"}",
	     lichen_schema_registers(&call.results, (const uint64_t[]){ 0xffffffff, 2 }, 2));
}

TEST(arguments_that_do_not_fit_are_refused)
{
	static const char *const bad[] = {
		"{\"x\": 1}",
		"[1, 2, \"abc\", 4]",
		"{\"n\": 256}",
		"{\"n\": \"0x\"}",
		"{\"n\": \"12a\"}",
		"{\"n\": -1}",
		"{\"n\": 1.5}",
		"{\"d\": \"abc\"}",
		"{\"d\": \"zz\"}",
		"{\"d\": 4}",
		"{\"d\": \"aabbccdd\"}",
		"3",
		"{\"n\": \"99999999999999999999\"}",
	};
	struct lichen_schema_call call;
	uint64_t values[LICHEN_CALL_ARGUMENTS];
	uint8_t page[3];
	uint32_t size;

	CHECK_EQ(0, lichen_schema_function("n:u8 s:s16 | d:data ->", &call, &why));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *json = parsed(bad[i]);
		const lichen_status status = lichen_schema_encode(&call, json, values, page,
								  sizeof(page), &size, &why);

		if (status != -LICHEN_EINVAL && status != -LICHEN_E2BIG)
			tap_fail("%s: %d", bad[i], status);
		json_decref(json);
	}
}

TEST(what_does_not_fit_a_call_is_refused)
{
	static const char *const bad[] = {
		"a:u8 b:u8 c:u8 d:u8 e:u8 ->", "-> a:u8 b:u8 c:u8", "a:c8 ->", "| a:u8 ->",
		"| a:text b:text ->",	       "[ a:u8 ->",
	};
	struct lichen_schema_call call;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (lichen_schema_function(bad[i], &call, &why) != -LICHEN_EBADMSG)
			tap_fail("\"%s\" was taken", bad[i]);
}
