/* SPDX-License-Identifier: MIT */
/* sym_info.c: `lichen sym info`: what VM and guest agreed upon, and what was counted. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sym.h"

enum { INFO_BAR = 40 };

/* What is asked, and the member that has the answer. */
static const struct {
	const char *method, *member;
} info_parts[] = {
	{ "symbiotic.info", "symbiotic" },    { "symspy.info", "symspy" },
	{ "symspy.list", "records" },	      { "symcall.info", "symcall" },
	{ "symcall.functions", "functions" }, { "symmod.info", "symmod" },
	{ "symmod.list", "modules" },
};

enum { INFO_PARTS = sizeof(info_parts) / sizeof(info_parts[0]) };

/* --- features and causes --- */

static const char *const info_features[] = { "spy", "spy-host", "call", "call-deferred",
					     "module" };
static const char *const info_causes[] = { "features", "calls", "module", "spy-host" };

static void info_bits(const char *head, uint64_t bits, const char *const *names, uint32_t count)
{
	printf("%s", head);
	for (uint32_t bit = 0; bit < 64; bit++) {
		if (!(bits >> bit & 1))
			continue;
		if (bit < count)
			printf(" %s", names[bit]);
		else
			printf(" bit-%u", bit);
	}
	printf("%s\n", bits ? "" : " nothing");
}

static void info_block(const json_t *info)
{
	const json_t *line = json_object_get(info, "line");
	const uint64_t msrs = cli_hex(info, "msrs");
	const json_int_t count = json_integer_value(json_object_get(info, "msr_count"));

	printf("MSRs 0x%" PRIx64 " to 0x%" PRIx64 ", ", msrs, msrs + (uint64_t)count - 1);
	if (json_is_integer(line))
		printf("notifications on line %" JSON_INTEGER_FORMAT
		       ", to which the guest %s\n",
		       json_integer_value(line),
		       json_is_true(json_object_get(info, "listens")) ? "listens"
								      : "does not listen");
	else
		puts("no line for notifications: the guest polls");
	info_bits("offered:", cli_hex(info, "offered"), info_features,
		  sizeof(info_features) / sizeof(info_features[0]));
	info_bits("agreed: ", cli_hex(info, "agreed"), info_features,
		  sizeof(info_features) / sizeof(info_features[0]));
	info_bits("unread: ", cli_hex(info, "causes"), info_causes,
		  sizeof(info_causes) / sizeof(info_causes[0]));
}

/* --- counters --- */

/* Every 64-bit number of the object, which is what counters are. */
static void info_counters(const json_t *info)
{
	json_t *value;
	const char *name;
	int any = 0;

	json_object_foreach((json_t *)(uintptr_t)info, name, value)
	{
		if (!json_is_string(value) || strncmp(json_string_value(value), "0x", 2) != 0)
			continue;
		printf("%s%s %" PRIu64, any ? ", " : "  ", name, cli_hex(info, name));
		any = 1;
	}
	if (any)
		(void)putchar('\n');
}

static uint64_t info_number(const json_t *json)
{
	const char *text = json_string_value(json);

	return text ? strtoull(text, NULL, 16) : 0;
}

/* Bucket n counts what took 2^n ns and more. */
static void info_histogram(const char *head, const json_t *buckets)
{
	const json_t *bucket;
	uint64_t most = 0;
	size_t i;

	json_array_foreach(buckets, i, bucket)
	{
		const uint64_t count = info_number(bucket);

		most = count > most ? count : most;
	}
	if (!most)
		return;
	printf("  %s\n", head);
	json_array_foreach(buckets, i, bucket)
	{
		const uint64_t count = info_number(bucket);
		const int bar = (int)(count * INFO_BAR / most);

		if (count)
			printf("  %12.1f us and more %10" PRIu64 " %.*s\n",
			       (double)(UINT64_C(1) << i) / 1000, count, bar,
			       "########################################");
	}
}

/* --- what there is --- */

/* The sets that have a record of this name: "VM", "vCPUs", or both. */
static const char *info_where(const json_t *records, const char *name)
{
	const json_t *record;
	int vm = 0, vcpus = 0;
	size_t i;

	json_array_foreach(records, i, record)
	{
		const int own = json_is_integer(json_object_get(record, "vcpu"));

		if (strcmp(cli_text(record, "name"), name) != 0)
			continue;
		vm |= !own;
		vcpus |= own;
	}
	return vm && vcpus ? "VM, vCPUs" : vm ? "VM" : "vCPUs";
}

/* One row for all sets that have it. */
static void info_records(const json_t *records)
{
	static const char *const heads[] = { "RECORD", "OF", "BYTES", "SCHEMA" };
	struct cli_table table;
	const json_t *record;
	size_t i;

	cli_table_open_with(&table, heads, sizeof(heads) / sizeof(heads[0]));
	json_array_foreach(records, i, record)
	{
		if (cli_sym_named(records, cli_text(record, "name")) != record)
			continue;
		cli_table_add(
			&table, "%s",
			cli_text(record, json_object_get(record, "error") ? "error" : "name"));
		cli_table_add(&table, "%s", info_where(records, cli_text(record, "name")));
		cli_table_add(&table, "%" JSON_INTEGER_FORMAT,
			      json_integer_value(json_object_get(record, "size")));
		cli_table_add(&table, "%s", cli_text(record, "schema"));
	}
	cli_table_close(&table, 2);
}

static void info_functions(const json_t *functions)
{
	static const char *const heads[] = { "FUNCTION", "HOW", "SCHEMA" };
	struct cli_table table;
	const json_t *function;
	size_t i;

	cli_table_open_with(&table, heads, sizeof(heads) / sizeof(heads[0]));
	json_array_foreach(functions, i, function)
	{
		const int direct = json_is_true(json_object_get(function, "direct"));
		const int deferred = json_is_true(json_object_get(function, "deferred"));

		cli_table_add(&table, "%s", cli_text(function, "name"));
		cli_table_add(&table, "%s%s%s", direct ? "direct" : "",
			      direct && deferred ? ", " : "", deferred ? "deferred" : "");
		cli_table_add(&table, "%s", cli_text(function, "schema"));
	}
	cli_table_close(&table, 2);
}

static void info_spy(const json_t *all)
{
	const json_t *info = json_object_get(all, "symspy");
	const json_t *records = json_object_get(all, "records");

	printf("symspy: sets of the VM %s, of %" JSON_INTEGER_FORMAT
	       " vCPUs, for the VMM's own %s\n",
	       json_is_true(json_object_get(info, "global")) ? "yes" : "no",
	       json_integer_value(json_object_get(info, "vcpus")),
	       json_is_true(json_object_get(info, "host")) ? "yes" : "no");
	info_counters(info);
	if (json_array_size(records))
		info_records(records);
}

static void info_call(const json_t *all)
{
	const json_t *info = json_object_get(all, "symcall");
	const json_t *vcpu, *functions = json_object_get(all, "functions");
	size_t i;

	printf("symcall: deferred calls %s; direct ones of each vCPU:",
	       json_is_true(json_object_get(info, "deferred")) ? "yes" : "no");
	json_array_foreach(json_object_get(info, "vcpus"), i, vcpu)
		printf(" %s", json_is_string(vcpu) ? json_string_value(vcpu) : "?");
	(void)putchar('\n');
	info_counters(info);
	fputs("  found: ", stdout);
	info_counters(json_object_get(info, "moments"));
	info_histogram("direct calls", json_object_get(info, "direct_log2_ns"));
	info_histogram("deferred calls", json_object_get(info, "deferred_log2_ns"));
	if (json_array_size(functions))
		info_functions(functions);
}

static void info_mod(const json_t *all)
{
	const json_t *info = json_object_get(all, "symmod");
	const json_t *why = json_object_get(info, "why_not");
	const json_t *modules = json_object_get(all, "modules"), *module;
	size_t i;

	printf("symmod: ");
	cli_put(json_is_string(why) ? json_string_value(why) : "the guest takes modules",
		stdout);
	(void)putchar('\n');
	info_counters(info);
	json_array_foreach(modules, i, module)
	{
		fputs(i ? ", " : "  modules: ", stdout);
		cli_put(cli_text(module, "name"), stdout);
	}
	if (json_array_size(modules))
		(void)putchar('\n');
}

static void info_print(const json_t *all)
{
	info_block(json_object_get(all, "symbiotic"));
	if (json_object_get(all, "symspy"))
		info_spy(all);
	if (json_object_get(all, "symcall"))
		info_call(all);
	if (json_object_get(all, "symmod"))
		info_mod(all);
}

/* --- asking --- */

static int info_has(const json_t *methods, const char *name)
{
	const json_t *method;
	size_t i;

	json_array_foreach(methods, i,
			   method) if (json_is_string(method) &&
				       strcmp(json_string_value(method), name) == 0) return 1;
	return 0;
}

/* Of plugins that the VM has; what one refuses, functions of a guest that has none, is left
 * out. */
static int info_ask(struct cli_remote *remote, json_t *all)
{
	json_t *hello = NULL, *answer;
	int status = cli_remote_call(remote, "hello", NULL, NULL, 0, &hello);
	const json_t *methods = json_object_get(hello, "methods");

	for (size_t i = 0; status == 0 && i < INFO_PARTS; i++) {
		if (!info_has(methods, info_parts[i].method))
			continue;
		remote->quiet = 1;
		answer = NULL;
		if (cli_remote_call(remote, info_parts[i].method, NULL, NULL, 0, &answer) == 0)
			(void)json_object_set_new(all, info_parts[i].member, answer);
	}
	remote->quiet = 0;
	json_decref(hello);
	return status;
}

int cli_sym_info(const struct cli_options *options)
{
	struct cli_remote remote;
	json_t *all = json_object();
	int status = cli_remote_open(&remote, options->operand, 0);

	if (status == 0) {
		status = info_ask(&remote, all);
		cli_remote_close(&remote);
	}
	if (status == 0 && options->form == LICHEN_FORM_JSON) {
		cli_print_json(all);
	} else if (status == 0 &&
		   !json_is_true(json_object_get(json_object_get(all, "symbiotic"), "block"))) {
		cli_say("%s: not symbiotic: its profile has no `symbiotic:`", options->operand);
		status = LICHEN_VM_BAD_INPUT;
	} else if (status == 0) {
		info_print(all);
	}
	json_decref(all);
	return cli_flush(status);
}
