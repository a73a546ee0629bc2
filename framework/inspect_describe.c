/* SPDX-License-Identifier: MIT */
/* inspect_describe.c: opens a plugin and says what it is and declares. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <lichen/inspect.h>

#include "inspect.h"
#include "inspect_tables.h"
#include "loader.h"

/* "dir/NAME.so": the folder as a search path and the name; 0, -1 no memory, 1 with a sentence.
 */
static int describe_split(const char *file, char **folder, char **name, struct ld_error *error)
{
	const char *slash = strrchr(file, '/');
	const char *base = slash ? slash + 1 : file;
	const size_t size = strlen(base);

	if (size <= 3 || strcmp(base + size - 3, ".so") != 0) {
		ld_error_set(error, "%s: a plugin's file is named NAME.so", file);
		return 1;
	}
	if (slash && memchr(file, ':', (size_t)(slash - file))) {
		ld_error_set(error, "%s: ':' is in the name of its folder, and parts folders",
			     file);
		return 1;
	}
	if (!slash)
		*folder = strdup(".");
	else
		*folder = slash == file ? strdup("/") : strndup(file, (size_t)(slash - file));
	*name = strndup(base, size - 3);
	return *folder && *name ? 0 : -1;
}

static int describe_is_file(const char *plugin)
{
	const size_t size = strlen(plugin);

	return strchr(plugin, '/') || (size > 3 && strcmp(plugin + size - 3, ".so") == 0);
}

static json_t *describe_plugin(const struct ld_plugin *plugin)
{
	const struct ld_info *info = ld_plugin_info(plugin);
	const struct lichen_class *class = ld_plugin_class(plugin);
	json_t *json = json_object();
	int failed = json_object_set_new(json, "name", fw_json_text(info->name));

	failed |= json_object_set_new(json, "kind", fw_json_text(ld_kind_name(info->kind)));
	failed |= json_object_set_new(json, "version", fw_json_text(info->version));
	failed |= json_object_set_new(
		json, "abi",
		json_sprintf("%" PRIu32 ".%" PRIu32, info->abi_major, info->abi_minor));
	failed |= json_object_set_new(json, "summary", fw_json_text(class->summary));
	failed |= json_object_set_new(json, "file", fw_json_text(info->file));
	failed |= json_object_set_new(json, "sha256", fw_json_text(info->hash));
	failed |= json_object_set_new(json, "parallel",
				      json_boolean(class->flags & LICHEN_CLASS_PARALLEL));
	failed |= json_object_set_new(json, "parameters", fw_json_params(class));
	failed |= json_object_set_new(json, "windows", fw_json_windows(class));
	failed |=
		json_object_set_new(json, "state_version", json_integer(class->state_version));
	failed |= json_object_set_new(json, "state", fw_json_fields(&class->state));
	failed |= json_object_set_new(json, "provides", fw_json_provides(class));
	failed |= json_object_set_new(json, "needs", fw_json_needs(class));
	if (!failed)
		return json;
	json_decref(json);
	return NULL;
}

static json_t *describe_refusal(lichen_status status, const char *plugin,
				const struct ld_path *path, const struct ld_error *error)
{
	char buffer[LICHEN_NAME_SIZE];
	const char *nearest = NULL;

	/* The loader's sentence lists the folders, which is not what was got wrong. */
	if (status != -LICHEN_ENOENT || describe_is_file(plugin))
		return json_pack("{s:o}", "error", fw_json_text(error->text));
	nearest = ld_nearest(path, plugin, buffer);
	if (nearest)
		return json_pack("{s:o}", "error",
				 json_sprintf("plugin %s: not found, did you mean \"%s\"",
					      plugin, nearest));
	return json_pack("{s:o}", "error", fw_json_text(error->text));
}

static lichen_status describe_on(const char *folders, const char *name, const char *plugin,
				 FILE *to)
{
	struct ld_plugin *opened = NULL;
	struct ld_path path = { 0 };
	struct ld_error error = { "" };
	json_t *json;
	lichen_status status = ld_path_parse(&path, folders);

	if (status < 0)
		return status;
	status = ld_open(&path, name, NULL, &opened, &error);
	json = status == 0 ? describe_plugin(opened)
			   : describe_refusal(status, plugin, &path, &error);
	if (fw_json_write(json, to) && status == 0)
		status = -LICHEN_ENOMEM;
	json_decref(json);
	if (opened)
		(void)ld_close(opened, NULL); /* pinned or not: its tables have been read */
	ld_path_clear(&path);
	return status;
}

int lichen_plugin_describe(const char *plugin_path, const char *plugin, FILE *to)
{
	char *folder = NULL, *name = NULL;
	struct ld_error error = { "" };
	lichen_status status;
	int split;

	if (!describe_is_file(plugin))
		return describe_on(plugin_path, plugin, plugin, to);
	split = describe_split(plugin, &folder, &name, &error);
	if (split == 0) {
		status = describe_on(folder, name, plugin, to);
	} else {
		status = split < 0 ? -LICHEN_ENOMEM : -LICHEN_EINVAL;
		if (split > 0) {
			json_t *json = json_pack("{s:o}", "error", fw_json_text(error.text));

			(void)fw_json_write(json, to);
			json_decref(json);
		}
	}
	free(folder);
	free(name);
	return status;
}
