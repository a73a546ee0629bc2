/* SPDX-License-Identifier: MIT */
/* vm.c: `lichen ps`, `stop`, `pause`, `resume`, `reset`: a running VM as a whole. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <lichen/control.h>

#include "cli.h"
#include "remote.h"

enum { PS_WAIT_MS = 2000, STOP_GRACE_MS = 10000 };

uint64_t cli_hex(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? strtoull(text, NULL, 16) : 0;
}

const char *cli_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "?";
}

/* "2d03h", "03:04:05" */
static const char *ps_time(uint64_t ns, char text[static 32])
{
	const uint64_t s = ns / 1000000000;

	if (s >= 86400)
		(void)snprintf(text, 32, "%" PRIu64 "d%02uh", s / 86400,
			       (unsigned)(s % 86400 / 3600));
	else
		(void)snprintf(text, 32, "%02u:%02u:%02u", (unsigned)(s / 3600),
			       (unsigned)(s % 3600 / 60), (unsigned)(s % 60));
	return text;
}

static void ps_line(const json_t *vm)
{
	char time[32];

	printf("%-20s %-9s %8" JSON_INTEGER_FORMAT " %5" JSON_INTEGER_FORMAT " %8" PRIu64
	       "M %9s\n",
	       cli_text(vm, "name"), cli_text(vm, "state"),
	       json_integer_value(json_object_get(vm, "pid")),
	       json_integer_value(json_object_get(vm, "cpus")), cli_hex(vm, "memory") >> 20,
	       ps_time(cli_hex(vm, "uptime_ns"), time));
}

/* One that listens and does not answer is there all the same. */
static json_t *ps_ask(const char *name)
{
	struct cli_remote remote;
	json_t *status = NULL;

	if (cli_remote_open(&remote, name, 1))
		return NULL; /* what a process that was killed has left */
	if (cli_remote_ask(&remote, "status", PS_WAIT_MS, &status))
		status = json_pack("{s:s, s:s}", "name", name, "state", "silent");
	cli_remote_close(&remote);
	return status;
}

int cli_ps(const struct cli_options *options)
{
	json_t *list;
	struct cli_names names;

	if (options->guest)
		return cli_ps_guest(options);
	list = json_array();
	if (cli_names_find(&names)) {
		cli_say("out of memory");
		json_decref(list);
		return CLI_FAILED;
	}
	for (uint32_t i = 0; i < names.count; i++) {
		json_t *status = ps_ask(names.names[i]);

		if (status)
			(void)json_array_append_new(list, status);
	}
	cli_names_clear(&names);
	if (options->form == LICHEN_FORM_JSON) {
		cli_print_json(list);
	} else {
		printf("%-20s %-9s %8s %5s %9s %9s\n", "NAME", "STATE", "PID", "CPUS", "MEMORY",
		       "UP");
		for (size_t i = 0; i < json_array_size(list); i++)
			ps_line(json_array_get(list, i));
	}
	json_decref(list);
	return cli_flush(0);
}

/* One call whose answer is printed as JSON or not at all. */
static int vm_call(const struct cli_options *options, const char *method, json_t *params)
{
	struct cli_remote remote;
	json_t *result = NULL;
	int status = cli_remote_open(&remote, options->operand, 0);

	if (status) {
		json_decref(params);
		return status;
	}
	status = cli_remote_call(&remote, method, params, NULL, 0, &result);
	if (status == 0 && options->form == LICHEN_FORM_JSON)
		cli_print_json(result);
	json_decref(result);
	cli_remote_close(&remote);
	return cli_flush(status);
}

int cli_pause(const struct cli_options *options)
{
	return vm_call(options, "pause", NULL);
}

int cli_resume(const struct cli_options *options)
{
	return vm_call(options, "resume", NULL);
}

int cli_reset(const struct cli_options *options)
{
	return vm_call(options, "reset",
		       json_pack("{s:s}", "kind", options->warm ? "warm" : "power-on"));
}

int cli_stop(const struct cli_options *options)
{
	const uint64_t ms = options->stop_timeout_ns / 1000000;
	struct cli_remote remote;
	json_t *result = NULL;
	int status = cli_remote_open(&remote, options->operand, 0);

	if (status)
		return status;
	if (ms > 86400000) {
		cli_say("--stop-timeout: more than a day");
		cli_remote_close(&remote);
		return LICHEN_VM_BAD_INPUT;
	}
	status = cli_remote_call(&remote, "stop",
				 json_pack("{s:I}", "timeout_ms", (json_int_t)ms), NULL, 0,
				 &result);
	if (status == 0 && cli_remote_wait_end(&remote, (int)ms + STOP_GRACE_MS) < 0) {
		cli_say("%s: still there", options->operand);
		status = CLI_FAILED;
	}
	if (status == 0 && options->form == LICHEN_FORM_JSON)
		cli_print_json(result);
	json_decref(result);
	cli_remote_close(&remote);
	return cli_flush(status);
}

int cli_schema(const struct cli_options *options)
{
	(void)options;
	if (lichen_control_schema(stdout)) {
		cli_say("out of memory");
		return CLI_FAILED;
	}
	return cli_flush(0);
}
