/* SPDX-License-Identifier: MIT */
/* rpc.c: see rpc.h.  What comes in is hostile: depth and length are looked at before it is
 * parsed. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/rpc.h"
#include "status.h"

/* The calls of one line: their answers go out together. */
struct fw_batch {
	struct fw_batch *next;
	struct fw_peer *peer; /* NULL: gone */
	uint32_t waiting;     /* calls not yet answered, and one while the line is read */
	uint32_t is_array;
	json_t *answers; /* array */
};

/* --- answers --- */

static void rpc_send(struct fw_peer *peer, const json_t *message)
{
	/* ASCII only: what a guest or a plugin wrote cannot steer a terminal. */
	char *text = json_dumps(message, JSON_COMPACT | JSON_ENSURE_ASCII);

	for (char *c = text; c && *c; c++)
		if (*c == 0x7f) /* the one control character that JSON does not escape */
			*c = '?';
	if (text)
		peer->send(peer, text, strlen(text));
	free(text);
}

static void batch_free(struct fw_batch *batch)
{
	struct fw_batch **at;

	if (batch->peer) {
		for (at = &batch->peer->batches; *at != batch; at = &(*at)->next)
			;
		*at = batch->next;
	}
	json_decref(batch->answers);
	free(batch);
}

/* One fewer is waited for; the last sends what there is: of notifications alone nothing. */
static void batch_settle(struct fw_batch *batch)
{
	struct fw_peer *const peer = batch->peer;
	json_t *answers = NULL;

	if (--batch->waiting)
		return;
	if (peer && json_array_size(batch->answers))
		answers = json_incref(batch->answers);
	if (answers)
		rpc_send(peer, batch->is_array ? answers : json_array_get(answers, 0));
	json_decref(answers);
	batch_free(batch);
}

/* Takes `answer`, without its id; `id` NULL: null. */
static void batch_add(struct fw_batch *batch, const char *key, json_t *answer, json_t *id)
{
	json_t *message = json_object();

	if (!batch->peer) {
		json_decref(answer);
		json_decref(message);
		return;
	}
	if (!answer)
		answer = json_string("out of memory");
	(void)json_object_set_new(message, "jsonrpc", json_string("2.0"));
	(void)json_object_set_new(message, key, answer);
	(void)json_object_set(message, "id", id ? id : json_null());
	(void)json_array_append_new(batch->answers, message);
}

static json_t *rpc_error(enum fw_rpc_error code, lichen_status status, const char *sentence)
{
	json_t *text = json_string(sentence), *error;

	if (!text) /* not UTF-8 */
		text = json_string("a sentence that is not text");
	error = json_pack("{s:i, s:o}", "code", (int)code, "message", text);
	if (error && status < 0)
		(void)json_object_set_new(error, "data",
					  json_pack("{s:i, s:s}", "errno", (int)-status, "text",
						    fw_status_text(status)));
	return error;
}

static void call_free(struct fw_call *call)
{
	json_decref(call->params);
	json_decref(call->id);
	free(call);
}

struct fw_peer *fw_call_peer(const struct fw_call *call)
{
	return call->batch->peer;
}

void fw_call_answer(struct fw_call *call, json_t *result)
{
	struct fw_batch *batch = call->batch;

	if (!result) {
		fw_call_fail(call, FW_RPC_FAILED, -LICHEN_ENOMEM, "%s: out of memory",
			     call->method->name);
		return;
	}
	if (call->id)
		batch_add(batch, "result", result, call->id);
	else
		json_decref(result);
	call_free(call);
	batch_settle(batch);
}

void fw_call_fail(struct fw_call *call, enum fw_rpc_error code, lichen_status status,
		  const char *format, ...)
{
	struct fw_batch *batch = call->batch;
	char sentence[1024];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	if (call->id)
		batch_add(batch, "error", rpc_error(code, status, sentence), call->id);
	call_free(call);
	batch_settle(batch);
}

void fw_call_status(struct fw_call *call, lichen_status status, const char *sentence)
{
	enum fw_rpc_error code = FW_RPC_FAILED;

	switch (-status) {
	case LICHEN_EINVAL:
	case LICHEN_ENOENT:
	case LICHEN_EEXIST:
	case LICHEN_ERANGE:
	case LICHEN_ENOEXEC:
		code = FW_RPC_INPUT;
	}
	fw_call_fail(call, code, status, "%s", sentence);
}

int fw_call_take(struct fw_call *call, json_int_t number)
{
	int file;

	if (number < 0 || number >= call->files->count)
		return -1;
	file = call->files->files[number];
	call->files->files[number] = -1;
	return file;
}

int fw_call_file(struct fw_call *call, const char *name)
{
	const json_t *number = json_object_get(call->params, name);

	return number ? fw_call_take(call, json_integer_value(number)) : -1;
}

void fw_peer_gone(struct fw_peer *peer)
{
	struct fw_batch *next;

	for (struct fw_batch *batch = peer->batches; batch; batch = next) {
		next = batch->next;
		batch->peer = NULL;
	}
	peer->batches = NULL;
}

/* --- what comes in --- */

/* How deep it nests, as far as it is JSON at all. */
static uint32_t rpc_depth(const char *line, size_t size)
{
	uint32_t depth = 0, deepest = 0;
	int text = 0;

	for (size_t i = 0; i < size; i++) {
		if (text && line[i] == '\\') {
			i++;
		} else if (line[i] == '"') {
			text = !text;
		} else if (!text && (line[i] == '[' || line[i] == '{')) {
			if (++depth > deepest)
				deepest = depth;
		} else if (!text && (line[i] == ']' || line[i] == '}') && depth) {
			depth--;
		}
	}
	return deepest;
}

static const struct fw_method *rpc_method(struct fw_peer *peer, const char *name)
{
	for (uint32_t g = 0; peer->groups[g]; g++)
		for (uint32_t i = 0; i < peer->groups[g]->count; i++)
			if (strcmp(peer->groups[g]->methods[i].name, name) == 0)
				return &peer->groups[g]->methods[i];
	return peer->find ? peer->find(peer, name) : NULL;
}

/* An error that no method says. */
static void rpc_refuse(struct fw_batch *batch, enum fw_rpc_error code, json_t *id,
		       const char *sentence)
{
	batch_add(batch, "error", rpc_error(code, 0, sentence), id);
}

/* 0; else a sentence: it is no request. */
static const char *rpc_form(const json_t *request)
{
	const char *version = json_string_value(json_object_get(request, "jsonrpc"));
	const json_t *id = json_object_get(request, "id");
	const json_t *params = json_object_get(request, "params");

	if (!json_is_object(request))
		return "request: not an object";
	if (!version || strcmp(version, "2.0") != 0)
		return "request: jsonrpc is not \"2.0\"";
	if (id && !json_is_string(id) && !json_is_number(id) && !json_is_null(id))
		return "request: id is neither text nor a number";
	if (!json_is_string(json_object_get(request, "method")))
		return "request: method is not text";
	if (params && !json_is_object(params))
		return "request: params is not an object; parameters go by name";
	return NULL;
}

static json_t *rpc_id(const json_t *request)
{
	json_t *id = json_object_get(request, "id");

	return json_is_string(id) || json_is_number(id) ? id : NULL;
}

static void rpc_one(struct fw_batch *batch, const json_t *request, struct fw_files *files)
{
	json_t *given = json_object_get(request, "params"), *id = rpc_id(request);
	const char *wrong = rpc_form(request), *name;
	const struct fw_method *method;
	char why[FW_RPC_WHY];
	struct fw_call *call;

	if (wrong) {
		rpc_refuse(batch, FW_RPC_REQUEST, id, wrong);
		return;
	}
	batch->peer->calls++;
	id = json_object_get(request, "id"); /* null is one, too */
	name = json_string_value(json_object_get(request, "method"));
	method = rpc_method(batch->peer, name);
	if (!method) {
		(void)snprintf(why, sizeof(why), "%.64s: no such method; hello lists them",
			       name);
		if (id)
			rpc_refuse(batch, FW_RPC_METHOD, id, why);
		return;
	}
	if (given && !method->open && fw_params_check(method, given, why)) {
		if (id)
			rpc_refuse(batch, FW_RPC_PARAMS, id, why);
		return;
	}
	call = calloc(1, sizeof(*call));
	if (!call) {
		if (id)
			rpc_refuse(batch, FW_RPC_FAILED, id, "out of memory");
		return;
	}
	*call = (struct fw_call){ .batch = batch,
				  .method = method,
				  .params = given ? json_incref(given) : json_object(),
				  .id = json_incref(id),
				  .files = files,
				  .name = name };
	batch->waiting++;
	if (!given && !method->open && fw_params_check(method, call->params, why))
		fw_call_fail(call, FW_RPC_PARAMS, 0, "%s", why);
	else
		method->run(call);
}

static struct fw_batch *batch_new(struct fw_peer *peer)
{
	struct fw_batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return NULL;
	batch->answers = json_array();
	if (!batch->answers) {
		free(batch);
		return NULL;
	}
	batch->peer = peer;
	batch->waiting = 1;
	batch->next = peer->batches;
	peer->batches = batch;
	return batch;
}

static void rpc_parsed(struct fw_batch *batch, const json_t *message, struct fw_files *files)
{
	const size_t count = json_array_size(message);
	char why[FW_RPC_WHY];

	if (!json_is_array(message)) {
		rpc_one(batch, message, files);
		return;
	}
	if (count == 0 || count > FW_RPC_BATCH_MAX) {
		(void)snprintf(why, sizeof(why), "batch: %zu calls: 1 to %d may be in one",
			       count, (int)FW_RPC_BATCH_MAX);
		rpc_refuse(batch, FW_RPC_REQUEST, NULL, why);
		return;
	}
	batch->is_array = 1;
	for (size_t i = 0; i < count && batch->peer; i++)
		rpc_one(batch, json_array_get(message, i), files);
}

void fw_rpc_line(struct fw_peer *peer, const char *line, size_t size, struct fw_files *files)
{
	struct fw_batch *batch = batch_new(peer);
	json_error_t error;
	json_t *message;
	char why[FW_RPC_WHY];

	if (!batch)
		return;
	if (rpc_depth(line, size) > FW_RPC_DEPTH_MAX) {
		(void)snprintf(why, sizeof(why), "line: nested deeper than %d",
			       (int)FW_RPC_DEPTH_MAX);
		rpc_refuse(batch, FW_RPC_PARSE, NULL, why);
		batch_settle(batch);
		return;
	}
	message = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);
	if (message) {
		rpc_parsed(batch, message, files);
	} else {
		(void)snprintf(why, sizeof(why), "line: not JSON: column %d: %s", error.column,
			       error.text);
		rpc_refuse(batch, FW_RPC_PARSE, NULL, why);
	}
	json_decref(message);
	batch_settle(batch);
}

void fw_rpc_too_long(struct fw_peer *peer)
{
	struct fw_batch *batch = batch_new(peer);
	char why[FW_RPC_WHY];

	if (!batch)
		return;
	(void)snprintf(why, sizeof(why), "line: longer than %d bytes", (int)FW_RPC_LINE_MAX);
	rpc_refuse(batch, FW_RPC_PARSE, NULL, why);
	batch_settle(batch);
}
