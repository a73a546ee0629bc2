/* SPDX-License-Identifier: MIT */
/* A line of the control socket: taken apart, checked against tables, answered. */
#include "control/rpc.h"

#include "fuzz.h"

static const char *const words[] = { "red", "green", NULL };
static const struct fw_member inner[] = {
	{ .name = "path", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "-" },
	{ .name = "file", .kind = FW_FILE, .flags = FW_REQUIRED, .help = "-" },
};
static const struct fw_member params[] = {
	{ .name = "text", .kind = FW_TEXT, .flags = FW_REQUIRED, .help = "-" },
	{ .name = "word", .kind = FW_TEXT, .choices = words, .help = "-" },
	{ .name = "count", .kind = FW_NUMBER, .max = 9, .help = "-" },
	{ .name = "where", .kind = FW_HEX, .help = "-" },
	{ .name = "flag", .kind = FW_FLAG, .help = "-" },
	{ .name = "file", .kind = FW_FILE, .help = "-" },
	{ .name = "words", .kind = FW_LIST, .choices = words, .help = "-" },
	{ .name = "files", .kind = FW_LIST, FW_MEMBERS(inner), .help = "-" },
	{ .name = "object", .kind = FW_OBJECT, FW_MEMBERS(inner), .help = "-" },
};

static struct fw_call *kept;

static void run_echo(struct fw_call *call)
{
	FUZZ_CHECK(json_is_string(json_object_get(call->params, "text")));
	(void)fw_call_file(call, "file");
	fw_call_answer(call, json_incref(call->params));
}

/* Answered after the client has gone, or with the next. */
static void run_later(struct fw_call *call)
{
	if (kept)
		fw_call_fail(kept, FW_RPC_FAILED, -16, "%s", "late");
	kept = call;
}

static const struct fw_method methods[] = {
	{ .name = "echo", .help = "-", FW_PARAMS(params), .run = run_echo },
	{ .name = "later", .help = "-", .run = run_later },
};
static const struct fw_methods group = { methods, 2 };
static const struct fw_methods *const groups[] = { &group, NULL };

/* What goes out is JSON of ASCII, on one line. */
static void take(struct fw_peer *peer, const char *text, size_t size)
{
	json_t *json = json_loadb(text, size, 0, NULL);

	(void)peer;
	FUZZ_CHECK(json);
	for (size_t i = 0; i < size; i++)
		FUZZ_CHECK(text[i] >= ' ' && text[i] <= '~');
	json_decref(json);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fw_peer peer = { .groups = groups, .send = take };
	struct fw_files files = { .files = { 5, 6 }, .count = 2 };
	const char *line = (const char *)bytes;

	while (size) {
		const char *newline = memchr(line, '\n', size);
		const size_t length = newline ? (size_t)(newline - line) : size;

		fw_rpc_line(&peer, line, length, &files);
		line += length + (newline != NULL);
		size -= length + (newline != NULL);
	}
	fw_peer_gone(&peer);
	if (kept)
		fw_call_answer(kept, json_object());
	kept = NULL;
	return 0;
}
