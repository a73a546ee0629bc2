/* SPDX-License-Identifier: MIT */
/* inspect.c: see <lichen/inspect.h>. */
#include <lichen/inspect.h>

#include "options.h"
#include "status.h"

int lichen_check(const struct lichen_vm_options *options, FILE *to)
{
	struct ld_path plugins = { 0 }, fragments = { 0 };
	struct fw_profile *profile = NULL;
	struct fw_diags diags = { 0 };
	struct fw_log log;
	lichen_status status;

	fw_log_init(&log, options->log_level, options->log, options->context);
	status = fw_options_profile(options, &plugins, &fragments, &profile, &diags);
	if (status == 0)
		fw_profile_print(profile, to);
	else if (diags.count == 0)
		fw_diag(&diags, (struct fw_mark){ 0 }, "%s: %s", options->profile,
			fw_status_text(status));
	fw_diags_tell(&diags, &log);
	fw_diags_clear(&diags);
	fw_profile_free(profile);
	ld_path_clear(&plugins);
	ld_path_clear(&fragments);
	return status == 0 ? 0 : LICHEN_VM_BAD_INPUT;
}

int lichen_plugin_list(const char *plugin_path, FILE *to)
{
	struct ld_listing *list = NULL;
	struct ld_path path = { 0 };
	uint32_t count = 0;
	lichen_status status = ld_path_parse(&path, plugin_path);

	if (status == 0)
		status = ld_list(&path, &list, &count);
	for (uint32_t i = 0; i < count; i++) {
		const struct ld_listing *item = &list[i];

		if (item->why.text[0])
			fprintf(to, "%-16s refused: %s\n", item->info.name, item->why.text);
		else
			fprintf(to, "%-16s %-10s %-10s %s\n", item->info.name,
				ld_kind_name(item->info.kind), item->info.version,
				item->info.file);
	}
	ld_list_free(list, count);
	ld_path_clear(&path);
	return status == 0 ? 0 : LICHEN_VM_FAILED;
}
