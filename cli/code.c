/* SPDX-License-Identifier: MIT */
/*
 * code.c: `lichen plugin load | unload | reload`: plugin files of a running VM.  The file
 * is found and opened here, and travels as a descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "remote.h"

enum { CODE_NAME_SIZE = 64, CODE_GRACE_MS = 10000 };

/* "dir/NAME.so" or "NAME" as a name.  0, or -1: it is neither. */
static int code_name(const char *plugin, char name[static CODE_NAME_SIZE])
{
	const char *slash = strrchr(plugin, '/');
	const char *base = slash ? slash + 1 : plugin;
	size_t size = strlen(base);

	if (size > 3 && strcmp(base + size - 3, ".so") == 0)
		size -= 3;
	else if (slash)
		return -1;
	if (size == 0 || size >= CODE_NAME_SIZE)
		return -1;
	memcpy(name, base, size);
	name[size] = '\0';
	return 0;
}

/* From the first folder that has it; -1: none has, and errno says ENOENT. */
static int code_search(const char *folders, const char *name)
{
	char path[PATH_MAX];
	int file = -1;

	errno = ENOENT;
	while (file < 0 && errno == ENOENT && *folders) {
		const size_t length = strcspn(folders, ":");

		(void)snprintf(path, sizeof(path), "%.*s/%s.so", (int)length, folders, name);
		file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		folders += length + (folders[length] == ':');
	}
	return file;
}

/* The file that the operand means, and the plugin's name.  -1 after a sentence. */
static int code_open(const struct cli_options *options, char name[static CODE_NAME_SIZE])
{
	const char *plugin = options->operands[1];
	const size_t size = strlen(plugin);
	struct cli_paths paths;
	int file;

	if (code_name(plugin, name)) {
		cli_say("%s: a plugin's file is named NAME.so", plugin);
		return -1;
	}
	if (strchr(plugin, '/') || (size > 3 && strcmp(plugin + size - 3, ".so") == 0)) {
		file = open(plugin, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	} else {
		if (cli_paths_find(&paths, options))
			return -1;
		file = code_search(paths.plugins, name);
		cli_paths_clear(&paths);
	}
	if (file < 0)
		cli_say("plugin %s: %s", plugin, strerror(errno));
	return file;
}

/* "{plugin: NAME, KEY: VALUE, ...}"; free() is owed.  NULL after a sentence. */
static char *code_entry(const struct cli_options *options, const char *name)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to) {
		cli_say("out of memory");
		return NULL;
	}
	fprintf(to, "{plugin: %s", name);
	for (uint32_t i = 2; i < options->operand_count; i++) {
		const char *set = options->operands[i], *equals = strchr(set, '=');

		if (!equals || equals == set) {
			cli_say("%s: not of the form KEY=VALUE", set);
			(void)fclose(to);
			free(text);
			return NULL;
		}
		fprintf(to, ", %.*s: %s", (int)(equals - set), set, equals + 1);
	}
	fputc('}', to);
	if (fclose(to) == 0)
		return text;
	cli_say("out of memory");
	free(text);
	return NULL;
}

static int code_makes_instance(const json_t *loaded)
{
	const char *kind = cli_text(loaded, "kind");

	return strcmp(kind, "device") == 0 || strcmp(kind, "symbiotic") == 0;
}

/* Loads, then adds; what cannot be added is not loaded either. */
static int code_load(const struct cli_options *options, struct cli_remote *remote,
		     const char *name, int file, const char *entry)
{
	json_t *loaded = NULL, *added = NULL;
	int status = cli_remote_call(remote, "plugin.load",
				     json_pack("{s:s, s:i}", "name", name, "file", 0), &file, 1,
				     &loaded);

	if (status == 0 && !options->no_instance && code_makes_instance(loaded)) {
		status = cli_device_send(remote, entry,
					 strcmp(cli_text(loaded, "kind"), "symbiotic") == 0
						 ? "symbiotic"
						 : "devices",
					 &added);
		remote->quiet = status != 0; /* what is undone needs no sentence of its own */
		if (status)
			(void)cli_remote_call(remote, "plugin.unload",
					      json_pack("{s:s}", "name", name), NULL, 0, NULL);
		else
			(void)json_object_set(loaded, "id", json_object_get(added, "id"));
	}
	if (status == 0 && options->form == LICHEN_FORM_JSON)
		cli_print_json(loaded);
	else if (status == 0 && added)
		puts(cli_text(added, "id"));
	json_decref(loaded);
	json_decref(added);
	return status;
}

int cli_plugin_load(const struct cli_options *options)
{
	char name[CODE_NAME_SIZE], *entry;
	const int file = code_open(options, name);
	struct cli_remote remote;
	int status;

	if (file < 0)
		return LICHEN_VM_BAD_INPUT;
	entry = code_entry(options, name);
	status = entry ? cli_remote_open(&remote, options->operand, 0) : LICHEN_VM_BAD_INPUT;
	if (status == 0) {
		status = code_load(options, &remote, name, file, entry);
		cli_remote_close(&remote);
	}
	free(entry);
	(void)close(file);
	return cli_flush(status);
}

/* Says what stays mapped, where something does. */
static void code_pinned(const struct cli_options *options, const json_t *result)
{
	if (json_object_get(result, "pinned"))
		fprintf(stderr, "%s: pinned: %s\n", options->operand,
			cli_text(result, "pinned"));
}

/* Its instances, one by one; *pinned is what the last of them said. */
static int code_remove_all(const struct cli_options *options, struct cli_remote *remote,
			   const char *name, uint32_t *removed)
{
	const int ms = (int)(options->timeout_ns / 1000000);
	json_t *list = NULL, *device;
	int status = cli_remote_call(remote, "device.list", NULL, NULL, 0, &list);
	size_t i;

	*removed = 0;
	json_array_foreach(json_object_get(list, "devices"), i, device)
	{
		json_t *result = NULL;

		if (status || strcmp(cli_text(device, "plugin"), name) != 0)
			continue;
		status = cli_remote_call_for(remote, "device.remove",
					     json_pack("{s:s, s:b, s:i}", "id",
						       cli_text(device, "id"), "force",
						       options->force, "timeout_ms", ms),
					     NULL, 0, ms + CODE_GRACE_MS, &result);
		if (status == 0)
			++*removed;
		code_pinned(options, result);
		json_decref(result);
	}
	json_decref(list);
	return status;
}

int cli_plugin_unload(const struct cli_options *options)
{
	const char *name = options->operands[1];
	struct cli_remote remote;
	json_t *result = NULL;
	uint32_t removed;
	int status;

	if (options->timeout_ns > UINT64_C(86400000000000)) {
		cli_say("--timeout: more than a day");
		return LICHEN_VM_BAD_INPUT;
	}
	status = cli_remote_open(&remote, options->operand, 0);
	if (status)
		return status;
	status = code_remove_all(options, &remote, name, &removed);
	if (status == 0)
		status = cli_remote_call(
			&remote, "plugin.unload",
			json_pack("{s:s, s:b}", "name", name, "if_loaded", removed > 0), NULL,
			0, &result);
	code_pinned(options, result);
	if (status == 0 && options->form == LICHEN_FORM_JSON)
		cli_print_json(result);
	json_decref(result);
	cli_remote_close(&remote);
	return cli_flush(status);
}

int cli_plugin_reload(const struct cli_options *options)
{
	char name[CODE_NAME_SIZE];
	const int file = code_open(options, name);
	struct cli_remote remote;
	json_t *result = NULL;
	int status;

	if (file < 0)
		return LICHEN_VM_BAD_INPUT;
	status = cli_remote_open(&remote, options->operand, 0);
	if (status == 0) {
		status = cli_remote_call(&remote, "plugin.reload",
					 json_pack("{s:s, s:i}", "name", name, "file", 0),
					 &file, 1, &result);
		code_pinned(options, result);
		if (status == 0 && options->form == LICHEN_FORM_JSON)
			cli_print_json(result);
		else if (status == 0)
			printf("%" JSON_INTEGER_FORMAT
			       " instances, vCPUs stood still for %" PRIu64 " us\n",
			       json_integer_value(json_object_get(result, "instances")),
			       cli_hex(result, "pause_ns") / 1000);
		json_decref(result);
		cli_remote_close(&remote);
	}
	(void)close(file);
	return cli_flush(status);
}
