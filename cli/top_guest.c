/* SPDX-License-Identifier: MIT */
/* top_guest.c: what `lichen top` knows of the guest itself, by SymSpy.  See top.h. */
#include <inttypes.h>
#include <string.h>

#include "sym.h"
#include "top.h"

static json_t *guest_record(struct cli_remote *remote, const char *record)
{
	json_t *read = NULL;

	remote->quiet = 1; /* most guests are not symbiotic */
	(void)cli_remote_call(remote, "symspy.read", json_pack("{s:s}", "record", record), NULL,
			      0, &read);
	remote->quiet = 0;
	return read;
}

static const json_t *guest_values(const json_t *read)
{
	return json_object_get(json_array_get(read, 0), "values");
}

void cli_top_guest_ask(struct cli_remote *remote, struct cli_top_guest *guest)
{
	guest->tasks = guest_record(remote, "linux.task/1");
	guest->memory = guest_record(remote, "linux.mem/1");
	guest->load = guest_record(remote, "linux.load/1");
}

void cli_top_guest_clear(struct cli_top_guest *guest)
{
	json_decref(guest->tasks);
	json_decref(guest->memory);
	json_decref(guest->load);
	*guest = (struct cli_top_guest){ 0 };
}

static double guest_load(const json_t *load, const char *member)
{
	return (double)json_integer_value(json_object_get(load, member)) / 100;
}

int cli_top_guest_line(const struct cli_top_guest *guest)
{
	const json_t *memory = guest_values(guest->memory), *load = guest_values(guest->load);

	if (!memory && !load)
		return 0;
	fputs("guest:", stdout);
	if (memory)
		printf(" %" PRIu64 " of %" PRIu64 " MiB available  ",
		       cli_hex(memory, "available") >> 20, cli_hex(memory, "total") >> 20);
	if (load)
		printf(" load %.2f %.2f %.2f   %" JSON_INTEGER_FORMAT
		       " of %" JSON_INTEGER_FORMAT " run",
		       guest_load(load, "load1"), guest_load(load, "load5"),
		       guest_load(load, "load15"),
		       json_integer_value(json_object_get(load, "running")),
		       json_integer_value(json_object_get(load, "threads")));
	return 1;
}

void cli_top_guest_task(const struct cli_top_guest *guest, size_t vcpu,
			char text[static CLI_TOP_TASK])
{
	const json_t *one, *values;
	size_t i;

	text[0] = '\0';
	json_array_foreach(guest->tasks, i, one)
	{
		const json_t *number = json_object_get(one, "vcpu");

		if (!json_is_integer(number) || (size_t)json_integer_value(number) != vcpu)
			continue;
		values = json_object_get(one, "values");
		if (json_integer_value(json_object_get(values, "pid")) == 0)
			(void)snprintf(text, CLI_TOP_TASK, "idle");
		else
			(void)snprintf(text, CLI_TOP_TASK, "%s", cli_text(values, "comm"));
	}
}
