/* SPDX-License-Identifier: MIT */
/* sym_spy.c: `lichen sym spy`: records that the guest shares, once or live. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "sym.h"

enum { SPY_MS = 1000 };

/* 1: fields that repeat have no place in a row. */
static int spy_is_flat(const json_t *values)
{
	return !json_object_get(values, "items");
}

/* Of every vCPU that has it: a table, one row each. */
static void spy_vcpus(const json_t *read, const char *schema)
{
	json_t *first = NULL, *value;
	char type[CLI_SYM_VALUE], text[CLI_SYM_VALUE];
	struct cli_table table = { 0 };
	const json_t *one;
	const char *name;
	size_t i;

	json_array_foreach(read, i, one)
	{
		const json_t *vcpu = json_object_get(one, "vcpu");
		json_t *values = json_object_get(one, "values");

		if (!json_is_integer(vcpu) || !spy_is_flat(values))
			continue;
		if (!first) {
			first = values;
			cli_table_open(&table, 1 + json_object_size(first));
			cli_table_add(&table, "vcpu");
			json_object_foreach(first, name, value)
				cli_table_add(&table, "%s", name);
		}
		cli_table_add(&table, "%s", cli_sym_value(vcpu, "u32", text));
		json_object_foreach(first, name, value)
		{
			cli_sym_type(schema, name, type);
			cli_table_add(&table, "%s",
				      cli_sym_value(json_object_get(values, name), type, text));
		}
	}
	if (first)
		cli_table_close(&table, 2);
}

/* The VM's own and what is no row; then the vCPUs'. */
static void spy_print(const char *name, const char *schema, const json_t *read)
{
	const json_t *one;
	size_t i;

	cli_put(name, stdout);
	(void)putchar('\n');
	json_array_foreach(read, i, one)
	{
		const json_t *vcpu = json_object_get(one, "vcpu");
		const json_t *values = json_object_get(one, "values");

		if (!json_is_integer(vcpu)) {
			cli_sym_print(values, schema, 2);
		} else if (!spy_is_flat(values)) {
			printf("  vcpu %" JSON_INTEGER_FORMAT "\n", json_integer_value(vcpu));
			cli_sym_print(values, schema, 4);
		}
	}
	spy_vcpus(read, schema);
}

/* Reads one record into `all` where that is given, else prints it. */
static int spy_read(struct cli_remote *remote, const struct cli_options *options,
		    const char *name, const char *schema, json_t *all)
{
	json_t *params = json_pack("{s:s}", "record", name), *read = NULL;
	int status;

	if (options->vcpu >= 0)
		(void)json_object_set_new(params, "vcpu", json_integer(options->vcpu));
	status = cli_remote_call(remote, "symspy.read", params, NULL, 0, &read);
	if (status == 0 && all)
		(void)json_object_set(all, name, read);
	else if (status == 0)
		spy_print(name, schema, read);
	json_decref(read);
	return status;
}

/* 1: with --vcpu, only that one's. */
static int spy_is_wanted(const struct cli_options *options, const json_t *record)
{
	const json_t *vcpu = json_object_get(record, "vcpu");

	return options->vcpu < 0 ||
	       (json_is_integer(vcpu) && json_integer_value(vcpu) == options->vcpu);
}

/* All records, each name once.  One that cannot be read costs the status, not the others. */
static int spy_all(struct cli_remote *remote, const struct cli_options *options,
		   const json_t *list, json_t *all)
{
	json_t *seen = json_object();
	const json_t *record;
	int status = 0, one;
	size_t i;

	json_array_foreach(list, i, record)
	{
		const char *name = cli_text(record, "name");

		if (json_object_get(record, "error")) {
			cli_say("%s: %s", remote->vm, cli_text(record, "error"));
			status = CLI_FAILED;
			continue;
		}
		if (!spy_is_wanted(options, record) || json_object_get(seen, name))
			continue;
		(void)json_object_set_new(seen, name, json_true());
		one = spy_read(remote, options, name, cli_text(record, "schema"), all);
		status = one ? one : status;
	}
	if (status == 0 && json_object_size(seen) == 0) {
		cli_say("%s: the guest shares no records: "
			"it has no symbiotic side, or none that is ready",
			remote->vm);
		status = CLI_FAILED;
	}
	json_decref(seen);
	return status;
}

/* One record, by its name. */
static int spy_one(struct cli_remote *remote, const struct cli_options *options,
		   const json_t *list, json_t *all)
{
	const char *name = options->operands[1], *nearest = cli_sym_nearest(list, name);
	const json_t *record = cli_sym_named(list, name);

	if (record || !nearest) /* where there is none at all, the VM knows why */
		return spy_read(remote, options, name, cli_text(record, "schema"), all);
	cli_say("%s: record %s: the guest shares no such record, did you mean \"%s\"",
		remote->vm, name, nearest);
	return LICHEN_VM_BAD_INPUT;
}

static int spy_round(struct cli_remote *remote, const struct cli_options *options)
{
	const char *name = options->operand_count > 1 ? options->operands[1] : NULL;
	json_t *list = NULL, *all = options->form == LICHEN_FORM_JSON ? json_object() : NULL;
	int status = cli_remote_call(remote, "symspy.list", NULL, NULL, 0, &list);

	if (status == 0)
		status = (name ? spy_one : spy_all)(remote, options, list, all);
	if (all && options->follow && json_object_size(all)) {
		(void)json_dumpf(name ? json_object_get(all, name) : all, stdout,
				 JSON_COMPACT | JSON_ENSURE_ASCII);
		(void)putchar('\n');
	} else if (all && json_object_size(all)) {
		cli_print_json(name ? json_object_get(all, name) : all);
	}
	json_decref(all);
	json_decref(list);
	return cli_flush(status);
}

/* Until a signal, the VM's end or an error; on a terminal each round takes the last one's
 * place. */
static int spy_follow(struct cli_remote *remote, const struct cli_options *options)
{
	const int clear = isatty(STDOUT_FILENO) && options->form != LICHEN_FORM_JSON;
	struct pollfd signals = { .fd = cli_signals_open(0), .events = POLLIN };
	int status;

	if (signals.fd < 0) {
		cli_say("signals: %s", strerror(errno));
		return CLI_FAILED;
	}
	do {
		if (clear)
			fputs("\x1b[H\x1b[J", stdout);
		status = spy_round(remote, options);
		if (status == 0 && !clear && options->form != LICHEN_FORM_JSON)
			(void)putchar('\n');
	} while (status == 0 && poll(&signals, 1, SPY_MS) == 0);
	(void)close(signals.fd);
	return status;
}

int cli_sym_spy(const struct cli_options *options)
{
	struct cli_remote remote;
	int status = cli_sym_open(&remote, options->operand, "symspy");

	if (status)
		return status;
	status = options->follow ? spy_follow(&remote, options) : spy_round(&remote, options);
	cli_remote_close(&remote);
	return status;
}
