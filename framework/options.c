/* SPDX-License-Identifier: MIT */
/* options.c: see options.h. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

void fw_options_read(const struct lichen_vm_options *given, struct lichen_vm_options *options)
{
	const size_t size =
		given->struct_size < sizeof(*options) ? given->struct_size : sizeof(*options);

	*options = (struct lichen_vm_options){ .console_in = -1, .console_out = -1 };
	memcpy(options, given, size);
	options->struct_size = sizeof(*options);
	if (size < offsetof(struct lichen_vm_options, log) + sizeof(options->log))
		options->log = NULL; /* not half of it */
	if (size < offsetof(struct lichen_vm_options, control) + sizeof(options->control))
		options->control = NULL;
	if (size < offsetof(struct lichen_vm_options, control_folder) +
			   sizeof(options->control_folder))
		options->control_folder = NULL;
}

lichen_status fw_options_profile(const struct lichen_vm_options *given, struct ld_path *plugins,
				 struct ld_path *fragments, struct fw_profile **profile,
				 struct fw_diags *diags)
{
	struct lichen_vm_options options;
	struct fw_profile_options wanted = { .plugins = plugins, .fragments = fragments };
	lichen_status status;

	fw_options_read(given, &options);
	if (!options.profile || (options.set_count && !options.sets)) {
		fw_diag(diags, (struct fw_mark){ 0 },
			"options: no profile is named, overrides are missing, or struct_size "
			"is "
			"not set");
		return -LICHEN_EINVAL;
	}
	wanted.file = options.profile;
	wanted.sets = options.sets;
	wanted.set_count = options.set_count;
	status = ld_path_parse(plugins, options.plugin_path);
	if (status == 0)
		status = ld_path_parse(fragments, options.fragment_path);
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
	if (fclose(to) != 0)
		fw_log_plain(log, "out of memory");
	else
		for (char *line = strtok_r(text, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save))
			fw_log_plain(log, line);
	free(text);
}
