/* SPDX-License-Identifier: MIT */
/*
 * plugin.c: `lichen plugin ...`.  What a plugin declares is read in a sandboxed
 * child, because that runs code of the plugin; its answer is not believed either.
 */
#include <stdlib.h>

#include <lichen/status.h>

#include "cli.h"

int cli_plugin_list(const struct cli_options *options)
{
	struct cli_paths paths;
	int status;

	if (cli_paths_find(&paths, options))
		return CLI_FAILED;
	status = lichen_plugin_list(paths.plugins, options->form, stdout);
	cli_paths_clear(&paths);
	if (status)
		cli_say("out of memory");
	return cli_flush(status ? CLI_FAILED : 0);
}

struct cli_asked {
	const char *path, *plugin;
};

/* In the child.  Its exit status is the command's. */
static int cli_describe(void *context, FILE *to)
{
	const struct cli_asked *asked = context;
	const int status = lichen_plugin_describe(asked->path, asked->plugin, to);

	if (status == -LICHEN_ENOENT)
		return LICHEN_VM_BAD_INPUT;
	return status ? CLI_FAILED : 0;
}

/* Where there is no description there is a sentence. */
static int cli_say_refusal(const char *plugin, const json_t *answer, int status)
{
	const char *error = json_string_value(json_object_get(answer, "error"));

	cli_say("%s%s%s", error ? "" : plugin, error ? "" : ": cannot be described",
		error ? error : "");
	return status == LICHEN_VM_BAD_INPUT ? status : CLI_FAILED;
}

static int cli_show(const char *plugin, const json_t *answer, uint32_t form)
{
	if (form == LICHEN_FORM_JSON) {
		(void)json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		putchar('\n');
		return 0;
	}
	if (cli_info_print(answer, stdout) == 0)
		return 0;
	cli_say("%s: what its child says is no description", plugin);
	return CLI_FAILED;
}

int cli_plugin_info(const struct cli_options *options)
{
	struct cli_asked asked = { .plugin = options->operand };
	char why[CLI_WHY_SIZE], *text = NULL;
	struct cli_paths paths;
	json_t *answer;
	size_t size = 0;
	int status;

	if (cli_paths_find(&paths, options))
		return CLI_FAILED;
	asked.path = paths.plugins;
	status = cli_sandbox_run(cli_describe, &asked, &text, &size, why);
	cli_paths_clear(&paths);
	if (status < 0) {
		cli_say("plugin %s: %s", asked.plugin, why);
		return CLI_FAILED;
	}
	answer = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	if (status || !answer)
		status = cli_say_refusal(asked.plugin, answer, status);
	else
		status = cli_show(asked.plugin, answer, options->form);
	json_decref(answer);
	return cli_flush(status);
}
