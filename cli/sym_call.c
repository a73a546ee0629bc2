/* SPDX-License-Identifier: MIT */
/* sym_call.c: `lichen sym call`: functions of the guest. */
#include <string.h>

#include "sym.h"

enum { CALL_GRACE_MS = 30000, CALL_MS_MAX = 3600000 };

/* "repair" of "linux.repair": what is behind the first dot. */
static const char *call_short(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot ? dot + 1 : name;
}

/* By its name, or by what is behind the dot where only one has that.  NULL after a sentence. */
static const json_t *call_find(const struct cli_remote *remote, const json_t *functions,
			       const char *name)
{
	const json_t *found = cli_sym_named(functions, name), *one;
	const char *nearest;
	size_t i, count = 0;

	if (found)
		return found;
	json_array_foreach(functions, i, one)
	{
		if (strcmp(call_short(cli_text(one, "name")), name) != 0)
			continue;
		found = one;
		count++;
	}
	if (count == 1)
		return found;
	nearest = cli_sym_nearest(functions, name);
	cli_say("%s: function %s: the guest has %s%s%s%s", remote->vm, name,
		count ? "several of this name" : "no such function",
		nearest && !count ? ", did you mean \"" : "", nearest && !count ? nearest : "",
		nearest && !count ? "\"" : "");
	return NULL;
}

/* The name of argument `index` in a schema "a:u64 b:u64 | text:text -> ..."; 0: none. */
static int call_argument(const char *schema, size_t index, char name[static CLI_SYM_VALUE])
{
	while (*schema && strncmp(schema, "->", 2) != 0) {
		const size_t size = strcspn(schema, " ");
		const char *colon = memchr(schema, ':', size);

		if (colon && *schema != '_' && index-- == 0) {
			(void)snprintf(name, CLI_SYM_VALUE, "%.*s", (int)(colon - schema),
				       schema);
			return 1;
		}
		schema += size + (schema[size] == ' ');
	}
	return 0;
}

/* 1: `word` is NAME=VALUE, and NAME is one of the function's arguments. */
static int call_is_named(const char *schema, const char *word, char name[static CLI_SYM_VALUE])
{
	const char *equals = strchr(word, '=');

	for (size_t i = 0; equals && call_argument(schema, i, name); i++)
		if (strlen(name) == (size_t)(equals - word) &&
		    strncmp(name, word, strlen(name)) == 0)
			return 1;
	return 0;
}

/* Words of the command line as arguments, by name; NULL after a sentence. */
static json_t *call_arguments(const struct cli_remote *remote, const json_t *function,
			      const struct cli_options *options)
{
	const char *schema = cli_text(function, "schema");
	json_t *arguments = json_object();
	char name[CLI_SYM_VALUE];
	size_t next = 0;

	for (uint32_t i = 2; i < options->operand_count; i++) {
		const char *word = options->operands[i], *value = word, *wrong = NULL;

		if (call_is_named(schema, word, name))
			value = strchr(word, '=') + 1;
		else if (!call_argument(schema, next++, name))
			wrong = "one argument too many";
		if (!wrong && json_object_get(arguments, name))
			wrong = "this argument is there twice";
		if (!wrong && json_object_set_new(arguments, name, json_string(value))) {
			wrong = "not UTF-8";
			word = name;
		}
		if (wrong) {
			cli_say("%s: %s: %s: %s", remote->vm, cli_text(function, "name"), word,
				wrong);
			json_decref(arguments);
			return NULL;
		}
	}
	return arguments;
}

int cli_sym_invoke(struct cli_remote *remote, const char *function, json_t *arguments,
		   const struct cli_sym_how *how, json_t **result)
{
	json_t *params = json_pack("{s:s, s:o}", "function", function, "arguments", arguments);
	const uint64_t ms = how->deadline_ns / 1000000;

	if (how->vcpu >= 0)
		(void)json_object_set_new(params, "vcpu", json_integer(how->vcpu));
	if (how->deadline_ns)
		(void)json_object_set_new(params, "deadline_ns",
					  json_integer((json_int_t)how->deadline_ns));
	/* A direct call that cannot be is made again as a deferred one, with its own time. */
	return cli_remote_call_for(
		remote, "symcall.call", params, NULL, 0,
		how->deadline_ns ? (int)(2 * ms) + CALL_GRACE_MS : 2 * CLI_SYM_WAIT_MS, result);
}

int cli_sym_failed(const struct cli_remote *remote, const json_t *result)
{
	const int status = (int)json_integer_value(json_object_get(result, "status"));

	if (!status)
		return 0;
	cli_say("%s: %s: the guest says: %s (%d)", remote->vm, cli_text(result, "function"),
		strerror(-status), status);
	return CLI_FAILED;
}

static void call_how(const json_t *result)
{
	const json_t *vcpu = json_object_get(result, "vcpu");

	printf("%s: %s", cli_text(result, "function"), cli_text(result, "how"));
	if (json_is_integer(vcpu))
		printf(" on vCPU %" JSON_INTEGER_FORMAT, json_integer_value(vcpu));
	printf(", %.1f us\n", (double)cli_hex(result, "ns") / 1000);
}

static void call_results(const json_t *function, const json_t *result)
{
	const char *results = strstr(cli_text(function, "schema"), "->");

	cli_sym_print(json_object_get(result, "results"), results ? results : "", 2);
}

static int call_function(struct cli_remote *remote, const struct cli_options *options,
			 const json_t *function)
{
	const struct cli_sym_how how = { .vcpu = options->vcpu,
					 .deadline_ns = options->deadline_ns };
	const char *name = cli_text(function, "name");
	const int json = options->form == LICHEN_FORM_JSON;
	const int repair = strcmp(call_short(name), "repair") == 0;
	json_t *arguments = call_arguments(remote, function, options), *result = NULL;
	int status;

	if (!arguments)
		return LICHEN_VM_BAD_INPUT;
	if (repair)
		cli_sym_repair_arguments(function, arguments);
	status = cli_sym_invoke(remote, name, arguments, &how, &result);
	if (status == 0 && json)
		cli_print_json(result);
	if (status == 0)
		status = cli_sym_failed(remote, result);
	if (status == 0 && !json)
		call_how(result);
	if (status == 0 && !json && !repair)
		call_results(function, result);
	if (status == 0 && repair)
		status = cli_sym_repair_print(remote, result, json);
	json_decref(result);
	return status;
}

int cli_sym_call(const struct cli_options *options)
{
	struct cli_remote remote;
	const json_t *function;
	json_t *functions = NULL;
	int status;

	if (options->deadline_ns / 1000000 > CALL_MS_MAX) {
		cli_say("--deadline: more than an hour");
		return LICHEN_VM_BAD_INPUT;
	}
	status = cli_sym_open(&remote, options->operand, "symcall");
	if (status)
		return status;
	status = cli_remote_call(&remote, "symcall.functions", NULL, NULL, 0, &functions);
	if (status == 0) {
		function = call_find(&remote, functions, options->operands[1]);
		status = function ? call_function(&remote, options, function)
				  : LICHEN_VM_BAD_INPUT;
	}
	json_decref(functions);
	cli_remote_close(&remote);
	return cli_flush(status);
}
