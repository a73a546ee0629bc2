/* SPDX-License-Identifier: MIT */
/* inspect_list.c: the plugins of a search path, by their notes. */
#include <inttypes.h>

#include <lichen/inspect.h>

#include "inspect.h"
#include "loader.h"

static void list_text(const struct ld_listing *item, FILE *to)
{
	if (item->why.text[0])
		fprintf(to, "%-16s refused: %s\n", item->info.name, item->why.text);
	else
		fprintf(to, "%-16s %-10s %-10s %s\n", item->info.name,
			ld_kind_name(item->info.kind), item->info.version, item->info.file);
}

static json_t *list_json(const struct ld_listing *item)
{
	const struct ld_info *info = &item->info;
	json_t *json = json_object();
	int failed = json_object_set_new(json, "name", fw_json_text(info->name));

	if (item->why.text[0]) {
		failed |= json_object_set_new(json, "refused", fw_json_text(item->why.text));
	} else {
		failed |= json_object_set_new(json, "kind",
					      fw_json_text(ld_kind_name(info->kind)));
		failed |= json_object_set_new(json, "version", fw_json_text(info->version));
		failed |= json_object_set_new(
			json, "abi",
			json_sprintf("%" PRIu32 ".%" PRIu32, info->abi_major, info->abi_minor));
		failed |= json_object_set_new(json, "sha256", fw_json_text(info->hash));
	}
	failed |= json_object_set_new(json, "file", fw_json_text(info->file));
	if (!failed)
		return json;
	json_decref(json);
	return NULL;
}

static int list_write_json(const struct ld_listing *list, uint32_t count, FILE *to)
{
	json_t *array = json_array();
	int failed = !array;

	for (uint32_t i = 0; i < count && !failed; i++)
		failed = json_array_append_new(array, list_json(&list[i]));
	if (!failed)
		failed = fw_json_write(array, to);
	json_decref(array);
	return failed;
}

int lichen_plugin_list(const char *plugin_path, uint32_t form, FILE *to)
{
	struct ld_listing *list = NULL;
	struct ld_path path = { 0 };
	uint32_t count = 0;
	lichen_status status = ld_path_parse(&path, plugin_path);

	if (status == 0)
		status = ld_list(&path, &list, &count);
	if (status == 0 && form == LICHEN_FORM_JSON) {
		if (list_write_json(list, count, to))
			status = -LICHEN_ENOMEM;
	} else {
		for (uint32_t i = 0; i < count; i++)
			list_text(&list[i], to);
	}
	ld_list_free(list, count);
	ld_path_clear(&path);
	return status == 0 ? 0 : LICHEN_VM_FAILED;
}
