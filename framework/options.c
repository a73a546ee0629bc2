/* SPDX-License-Identifier: MIT */
/* options.c: see options.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

lichen_status fw_options_profile(const struct lichen_vm_options *options,
				 struct ld_path *plugins, struct ld_path *fragments,
				 struct fw_profile **profile, struct fw_diags *diags)
{
	const struct fw_profile_options wanted = {
		.file = options->profile,
		.sets = options->sets,
		.set_count = options->set_count,
		.plugins = plugins,
		.fragments = fragments,
	};
	lichen_status status = ld_path_parse(plugins, options->plugin_path);

	if (status == 0)
		status = ld_path_parse(fragments, options->fragment_path);
	return status < 0 ? status : fw_profile_load(&wanted, profile, diags);
}

void fw_diags_tell(const struct fw_diags *diags, const struct fw_log *log)
{
	char *text = NULL, *save = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to) {
		fw_log_plain(log, "out of memory");
		return;
	}
	fw_diags_print(diags, to);
	if (fclose(to) == 0)
		for (char *line = strtok_r(text, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save))
			fw_log_plain(log, line);
	free(text);
}
