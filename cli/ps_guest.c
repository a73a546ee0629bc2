/* SPDX-License-Identifier: MIT */
/*
 * ps_guest.c: `lichen ps --guest`: the processes of a guest, from outside.  The list comes by
 * a deferred call of linux.ps, a page at a time; who runs on which vCPU by SymSpy.
 */
#include <inttypes.h>
#include <string.h>

#include "cli.h"
#include "sym.h"

/* Pages of the list: 62 processes each, of at most 4194304. */
enum { GUEST_PAGES = 70000 };

/* Appends all to `list`. */
static int guest_list(struct cli_remote *remote, json_t *list)
{
	const struct cli_sym_how how = { .vcpu = -1 };
	uint64_t from = 0, next;

	for (uint32_t page = 0; page < GUEST_PAGES; page++) {
		const json_t *results, *items;
		json_t *answer = NULL;
		int status = cli_sym_invoke(remote, "linux.ps",
					    json_pack("[I]", (json_int_t)from), &how, &answer);

		if (status == 0)
			status = cli_sym_failed(remote, answer);
		results = json_object_get(answer, "results");
		items = json_object_get(results, "items");
		next = (uint64_t)json_integer_value(json_object_get(results, "next"));
		if (json_is_array(items))
			(void)json_array_extend(list, (json_t *)(uintptr_t)items);
		json_decref(answer);
		if (status || next == 0)
			return status;
		if (next <= from)
			break;
		from = next;
	}
	cli_say("%s: linux.ps: the guest's list does not come to an end", remote->vm);
	return CLI_FAILED;
}

/* The vCPU on which a thread of the process runs, of those that tell; or NULL. */
static const json_t *guest_vcpu(const json_t *tasks, const json_t *process)
{
	const json_int_t pid = json_integer_value(json_object_get(process, "pid"));
	const json_t *task;
	size_t i;

	json_array_foreach(tasks, i, task)
	{
		const json_t *tgid = json_object_get(json_object_get(task, "values"), "tgid");

		if (pid && json_integer_value(tgid) == pid)
			return json_object_get(task, "vcpu");
	}
	return NULL;
}

static void guest_print(const json_t *list)
{
	static const char *const heads[] = { "PID",	 "PARENT", "UID",  "THREADS", "STATE",
					     "RESIDENT", "CPU",	   "VCPU", "COMMAND" };
	static const struct {
		const char *name, *type;
	} fields[] = { { "pid", "u32" },     { "parent", "u32" }, { "uid", "u32" },
		       { "threads", "u32" }, { "state", "" },	  { "resident", "b" },
		       { "cpu", "ns" },	     { "vcpu", "u32" },	  { "comm", "" } };
	enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };
	char text[CLI_SYM_VALUE];
	struct cli_table table;
	const json_t *process;
	size_t i;

	cli_table_open_with(&table, heads, FIELDS);
	json_array_foreach(list, i, process)
	{
		for (size_t f = 0; f < FIELDS; f++)
			cli_table_add(&table, "%s",
				      cli_sym_value(json_object_get(process, fields[f].name),
						    fields[f].type, text));
	}
	cli_table_close(&table, 0);
}

int cli_ps_guest(const struct cli_options *options)
{
	json_t *list = json_array(), *tasks = NULL, *process;
	struct cli_remote remote;
	size_t i;
	int status = cli_sym_open(&remote, options->guest, "symcall");

	if (status == 0) {
		status = guest_list(&remote, list);
		remote.quiet = 1; /* without symspy nobody says where a process runs */
		(void)cli_remote_call(&remote, "symspy.read",
				      json_pack("{s:s}", "record", "linux.task/1"), NULL, 0,
				      &tasks);
		cli_remote_close(&remote);
	}
	json_array_foreach(list, i, process)
	{
		json_t *vcpu = (json_t *)(uintptr_t)guest_vcpu(tasks, process);

		(void)json_object_set(process, "vcpu", vcpu ? vcpu : json_null());
	}
	if (status == 0 && options->form == LICHEN_FORM_JSON)
		cli_print_json(list);
	else if (status == 0)
		guest_print(list);
	json_decref(tasks);
	json_decref(list);
	return cli_flush(status);
}
