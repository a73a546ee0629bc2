/* SPDX-License-Identifier: MIT */
/*
 * sym_module.c: `lichen sym list`, `push`, `drop`: modules of the guest.  The file is opened
 * here, where the user's folder and rights are, and travels as a descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sym.h"

enum { MODULE_NAME = 64 };

static void module_print(const json_t *modules)
{
	static const char *const heads[] = { "NAME", "KIND", "SIZE", "SHA256" };
	char size[CLI_SYM_VALUE];
	struct cli_table table;
	const json_t *module;
	size_t i;

	cli_table_open_with(&table, heads, sizeof(heads) / sizeof(heads[0]));
	json_array_foreach(modules, i, module)
	{
		cli_table_add(&table, "%s", cli_text(module, "name"));
		cli_table_add(&table, "%s", cli_text(module, "kind"));
		cli_table_add(&table, "%s",
			      cli_sym_value(json_object_get(module, "size"), "b", size));
		cli_table_add(&table, "%s", cli_text(module, "sha256"));
	}
	cli_table_close(&table, 0);
}

int cli_sym_list(const struct cli_options *options)
{
	struct cli_remote remote;
	json_t *modules = NULL;
	int status = cli_sym_open(&remote, options->operand, "symmod");

	if (status)
		return status;
	status = cli_remote_call(&remote, "symmod.list", NULL, NULL, 0, &modules);
	if (status == 0 && options->form == LICHEN_FORM_JSON)
		cli_print_json(modules);
	else if (status == 0)
		module_print(modules);
	json_decref(modules);
	cli_remote_close(&remote);
	return cli_flush(status);
}

/* A plain file that is not empty, or -1 after a sentence. */
static int module_open(const char *path)
{
	const int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const char *wrong = NULL;
	struct stat about;

	if (file < 0 || fstat(file, &about) < 0)
		wrong = strerror(errno);
	else if (!S_ISREG(about.st_mode))
		wrong = "not a plain file";
	else if (about.st_size == 0)
		wrong = "an empty file";
	if (!wrong)
		return file;
	cli_say("module %s: %s", path, wrong);
	if (file >= 0)
		(void)close(file);
	return -1;
}

/* Of objects, which do not say it themselves: the file's, without ".o". */
static void module_name(const char *path, char name[static MODULE_NAME])
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	size_t size = strlen(base);

	if (size > 2 && strcmp(base + size - 2, ".o") == 0)
		size -= 2;
	(void)snprintf(name, MODULE_NAME, "%.*s",
		       (int)(size < MODULE_NAME ? size : MODULE_NAME), base);
}

/* As on insmod's command line: a value with spaces stands in quotes.  NULL after a sentence. */
static char *module_parameters(const struct cli_options *options)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	for (uint32_t i = 2; to && i < options->operand_count; i++) {
		const char *word = options->operands[i];
		const int spaces = strpbrk(word, " \t\n") != NULL;

		if (spaces && strchr(word, '"')) {
			cli_say("%s: a parameter with spaces and quotes", word);
			(void)fclose(to);
			free(text);
			return NULL;
		}
		fprintf(to, "%s%s%s%s", i > 2 ? " " : "", spaces ? "\"" : "", word,
			spaces ? "\"" : "");
	}
	if (to && fclose(to) == 0)
		return text;
	cli_say("out of memory");
	return NULL;
}

/* A request whose answer is the name alone. */
static int module_ask(const struct cli_options *options, const char *method, json_t *params,
		      const int *files, int file_count)
{
	struct cli_remote remote;
	json_t *result = NULL;
	int status = cli_sym_open(&remote, options->operand, "symmod");

	if (status) {
		json_decref(params);
		return status;
	}
	status = cli_remote_call_for(&remote, method, params, files, file_count,
				     CLI_SYM_WAIT_MS, &result);
	if (status == 0 && options->form == LICHEN_FORM_JSON) {
		cli_print_json(result);
	} else if (status == 0) {
		cli_put(cli_text(result, "name"), stdout);
		(void)putchar('\n');
	}
	json_decref(result);
	cli_remote_close(&remote);
	return cli_flush(status);
}

int cli_sym_push(const struct cli_options *options)
{
	char *parameters = module_parameters(options), name[MODULE_NAME];
	const int file = parameters ? module_open(options->operands[1]) : -1;
	int status = LICHEN_VM_BAD_INPUT;

	module_name(options->operands[1], name);
	if (file >= 0) {
		status = module_ask(
			options, "symmod.push",
			json_pack("{s:s, s:s}", "name", name, "parameters", parameters), &file,
			1);
		(void)close(file);
	}
	free(parameters);
	return status;
}

int cli_sym_drop(const struct cli_options *options)
{
	return module_ask(options, "symmod.drop",
			  json_pack("{s:s}", "name", options->operands[1]), NULL, 0);
}
