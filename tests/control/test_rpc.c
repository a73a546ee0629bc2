/* SPDX-License-Identifier: MIT */
/* Lines in, lines out: JSON-RPC without sockets, VMs or hypervisors. */
#include <stdarg.h>

#include "control/rpc.h"

#include "tap.h"

enum { SAID = 1 << 16 };

static struct {
	struct fw_peer peer; /* first */
	char said[SAID];     /* lines, each ended by a newline */
	size_t used;
	struct fw_call *kept[8];
	uint32_t kept_count, runs;
} me;

static void me_send(struct fw_peer *peer, const char *text, size_t size)
{
	(void)peer;
	CHECK(me.used + size + 2 < SAID);
	memcpy(me.said + me.used, text, size);
	me.used += size;
	me.said[me.used++] = '\n';
	me.said[me.used] = '\0';
}

/* --- methods of the test --- */

static const char *const colours[] = { "red", "green", NULL };
static const struct fw_member echo_params[] = {
	{ .name = "text", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "-" },
	{ .name = "colour", .kind = FW_TEXT, .choices = colours, .help = "-" },
	{ .name = "count", .kind = FW_NUMBER, .max = 9, .help = "-" },
	{ .name = "where", .kind = FW_HEX, .help = "-" },
	{ .name = "flag", .kind = FW_FLAG, .help = "-" },
	{ .name = "file", .kind = FW_FILE, .help = "-" },
	{ .name = "words", .kind = FW_LIST, .choices = colours, .help = "-" },
};

static void run_echo(struct fw_call *call)
{
	me.runs++;
	fw_call_answer(call, json_incref(call->params));
}

static void run_later(struct fw_call *call)
{
	me.kept[me.kept_count++] = call;
}

static void run_fails(struct fw_call *call)
{
	fw_call_fail(call, FW_RPC_FAILED, -16, "fails: a reason");
}

static void run_take(struct fw_call *call)
{
	const int file = fw_call_file(call, "file");

	fw_call_answer(call, json_pack("{s:i}", "file", file));
}

static const struct fw_member file_params[] = {
	{ .name = "file", .kind = FW_FILE, .help = "-" },
};
static const struct fw_method methods[] = {
	{ .name = "echo", .help = "-", FW_PARAMS(echo_params), .run = run_echo },
	{ .name = "later", .help = "-", .run = run_later },
	{ .name = "fails", .help = "-", .run = run_fails },
	{ .name = "take", .help = "-", FW_PARAMS(file_params), .run = run_take },
};
static const struct fw_methods group = { methods, 4 };
static const struct fw_methods *const groups[] = { &group, NULL };

static struct fw_files files;

static void begin(void)
{
	memset(&me, 0, sizeof(me));
	me.peer = (struct fw_peer){ .groups = groups, .send = me_send };
	files.count = 0;
}

static const char *asked(const char *line)
{
	me.used = 0;
	me.said[0] = '\0';
	fw_rpc_line(&me.peer, line, strlen(line), &files);
	return me.said;
}

/* The only answer is an error of that code with the words in it. */
static void refused(int code, const char *words, const char *line)
{
	char want[32];

	begin();
	(void)asked(line);
	(void)snprintf(want, sizeof(want), "\"code\":%d", code);
	if (!strstr(me.said, want) || !strstr(me.said, words))
		tap_fail("want %s, \"%s\", got %s", want, words, me.said);
	CHECK_EQ(0, me.runs);
	CHECK(me.peer.batches == NULL);
}

#define HEAD "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\","

TEST(a_call_is_answered_under_its_id)
{
	begin();
	CHECK_STR("{\"jsonrpc\":\"2.0\",\"result\":{\"text\":\"a\"},\"id\":\"x\"}\n",
		  asked("{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"echo\",\"params\":{"
			"\"text\":\"a\"}}"));
	CHECK_EQ(1, me.peer.calls);
}

TEST(what_is_said_is_ascii)
{
	begin();
	CHECK(strstr(asked(HEAD "\"params\":{\"text\":\"\xc2\x9b\"}}"), "\\u009B"));
	CHECK(strstr(asked(HEAD "\"params\":{\"text\":\"a\x7f\"}}"), "\"a?\""));
}

TEST(a_notification_is_run_and_not_answered)
{
	begin();
	CHECK_STR(
		"",
		asked("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":{\"text\":\"a\"}}"));
	CHECK_EQ(1, me.runs);
	CHECK_STR("", asked("{\"jsonrpc\":\"2.0\",\"method\":\"none\"}"));
	CHECK_STR("", asked("{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}"));
	CHECK_STR("", asked("{\"jsonrpc\":\"2.0\",\"method\":\"fails\"}"));
}

TEST(an_id_that_is_null_is_an_id)
{
	begin();
	CHECK(strstr(asked("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"fails\"}"),
		     "\"id\":null"));
}

TEST(malformed_lines_are_parse_errors)
{
	refused(-32700, "not JSON", "{");
	refused(-32700, "not JSON", "rubbish");
	refused(-32700, "not JSON", "\"text alone\"");
	refused(-32700, "not JSON", "{\"a\":1,\"a\":2}");
	refused(-32700, "not JSON", "{\"jsonrpc\":\"2.0\",\"id\":99999999999999999999}");
	refused(-32700, "not JSON", "{\"jsonrpc\":\"\xff\"}");
	refused(-32700, "not JSON", "{} {}");
}

TEST(depth_has_a_limit_and_text_is_no_depth)
{
	char line[512] =
		HEAD "\"params\":{\"text\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\"}}";

	begin();
	CHECK(strstr(asked(line), "result"));
	memset(line, '[', 33);
	line[33] = '\0';
	refused(-32700, "nested deeper than 32", line);
	memset(line, ']', 32);
	memset(line, '[', 32);
	memset(line + 32, ']', 32);
	line[64] = '\0';
	refused(-32600, "request: not an object", line);
}

TEST(what_is_no_request_is_refused)
{
	refused(-32600, "not \\\"2.0\\\"", "{}");
	refused(-32600, "not \\\"2.0\\\"", "{\"jsonrpc\":2.0,\"method\":\"echo\",\"id\":1}");
	refused(-32600, "id is neither", "{\"jsonrpc\":\"2.0\",\"id\":[],\"method\":\"echo\"}");
	refused(-32600, "method is not", "{\"jsonrpc\":\"2.0\",\"id\":1}");
	refused(-32600, "params is not an object", HEAD "\"params\":[1]}");
	refused(-32600, "batch: 0 calls", "[]");
	refused(-32601, "none: no such method",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"none\"}");
}

TEST(parameters_are_checked_by_their_table)
{
	refused(-32602, "\\\"text\\\" is missing", HEAD "\"params\":{}}");
	refused(-32602, "\\\"text\\\" is missing",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}");
	refused(-32602, "text: not text", HEAD "\"params\":{\"text\":1}}");
	refused(-32602, "did you mean \\\"text\\\"", HEAD "\"params\":{\"txet\":\"a\"}}");
	refused(-32602, "colour: not one of",
		HEAD "\"params\":{\"text\":\"\",\"colour\":\"blue\"}}");
	refused(-32602, "count: not a whole", HEAD "\"params\":{\"text\":\"\",\"count\":10}}");
	refused(-32602, "count: not a whole", HEAD "\"params\":{\"text\":\"\",\"count\":-1}}");
	refused(-32602, "count: not a whole", HEAD "\"params\":{\"text\":\"\",\"count\":1.5}}");
	refused(-32602, "where: not 64 bits",
		HEAD "\"params\":{\"text\":\"\",\"where\":\"31\"}}");
	refused(-32602, "where: not 64 bits",
		HEAD "\"params\":{\"text\":\"\",\"where\":\"0x\"}}");
	refused(-32602, "where: not 64 bits",
		HEAD "\"params\":{\"text\":\"\",\"where\":\"0x10000000000000000\"}}");
	refused(-32602, "flag: not true", HEAD "\"params\":{\"text\":\"\",\"flag\":1}}");
	refused(-32602, "file: not the number", HEAD "\"params\":{\"text\":\"\",\"file\":16}}");
	refused(-32602, "words: not an array",
		HEAD "\"params\":{\"text\":\"\",\"words\":[\"red\",\"x\"]}}");
	begin();
	CHECK(strstr(asked(HEAD "\"params\":{\"text\":\"\",\"where\":\"0xFFFFffffFFFFffff\","
				"\"words\":[\"red\"],\"count\":9,\"flag\":false}}"),
		     "result"));
}

TEST(numbers_of_64_bits_travel_as_text)
{
	json_t *hex = fw_json_hex(UINT64_MAX);
	uint64_t value = 0;

	CHECK_STR("0xffffffffffffffff", json_string_value(hex));
	CHECK_EQ(0, fw_hex_read(json_string_value(hex), &value));
	CHECK(value == UINT64_MAX);
	CHECK_EQ(-1, fw_hex_read("0x1g", &value));
	CHECK_EQ(-1, fw_hex_read("0X1", &value));
	json_decref(hex);
}

TEST(an_error_says_why_to_people_and_programs)
{
	begin();
	CHECK_STR("{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":\"fails: a "
		  "reason\","
		  "\"data\":{\"errno\":16,\"text\":\"in use\"}},\"id\":7}\n",
		  asked("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"fails\"}"));
}

TEST(the_answers_of_a_batch_come_together)
{
	begin();
	(void)asked("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"later\"},"
		    "{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":{\"text\":\"a\"}},3,"
		    "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"fails\"}]");
	CHECK_STR("", me.said);
	CHECK_EQ(1, me.kept_count);
	fw_call_answer(me.kept[0], json_object());
	CHECK(me.said[0] == '[');
	CHECK(strstr(me.said, "\"id\":1") && strstr(me.said, "\"id\":2") &&
	      strstr(me.said, "-32600"));
	CHECK(me.peer.batches == NULL);
}

TEST(a_batch_of_notifications_is_not_answered)
{
	begin();
	CHECK_STR("", asked("[{\"jsonrpc\":\"2.0\",\"method\":\"fails\"}]"));
}

TEST(a_batch_has_a_limit)
{
	char line[1024] = "[0";

	for (int i = 0; i < 64; i++)
		strcat(line, ",0");
	strcat(line, "]");
	refused(-32600, "batch: 65 calls", line);
}

TEST(a_call_of_one_who_has_gone_is_answered_to_nobody)
{
	begin();
	(void)asked("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"later\"}");
	fw_peer_gone(&me.peer);
	CHECK(fw_call_peer(me.kept[0]) == NULL);
	fw_call_answer(me.kept[0], json_object());
	CHECK_STR("", me.said);
}

TEST(without_memory_for_a_result_it_is_an_error)
{
	begin();
	(void)asked("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"later\"}");
	fw_call_answer(me.kept[0], NULL);
	CHECK(strstr(me.said, "out of memory"));
}

TEST(a_descriptor_is_taken_once)
{
	begin();
	files = (struct fw_files){ .files = { 77 }, .count = 1 };
	CHECK(strstr(asked("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"take\",\"params\":{"
			   "\"file\":0}}"),
		     "\"file\":77"));
	CHECK_EQ(-1, files.files[0]);
	CHECK(strstr(asked("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"take\",\"params\":{"
			   "\"file\":0}}"),
		     "\"file\":-1"));
	CHECK(strstr(asked("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"take\",\"params\":{"
			   "\"file\":3}}"),
		     "\"file\":-1"));
}

TEST(the_schema_has_every_method_with_its_parameters)
{
	const struct fw_methods none = { NULL, 0 };
	json_t *schema = fw_rpc_schema(groups, &none), *echo;
	int required = 0;

	CHECK_EQ(0, json_unpack(schema, "{s:{s:{s:{s:o, s:b}}}}", "methods", "echo", "params",
				"required", &echo, "additionalProperties", &required));
	CHECK_EQ(1, json_array_size(echo));
	CHECK_STR("text", json_string_value(json_array_get(echo, 0)));
	CHECK_EQ(0, required);
	CHECK_EQ(4, json_object_size(json_object_get(schema, "methods")));
	json_decref(schema);
}
