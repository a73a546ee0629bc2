/* SPDX-License-Identifier: MIT */
/* inspect.c: see <lichen/inspect.h>. */
#include <inttypes.h>

#include <lichen/inspect.h>

#include "inspect.h"
#include "options.h"
#include "profile_tree.h"
#include "status.h"

/* An array of {file, line, column, text}; a fault without a place has its text only. */
static json_t *inspect_faults(const struct fw_diags *diags)
{
	json_t *list = json_array();
	int failed = !list;

	for (uint32_t i = 0; i < diags->count && !failed; i++) {
		const struct fw_diag *diag = &diags->items[i];
		json_t *fault = json_object();

		if (diag->mark.file)
			failed |= json_object_set_new(fault, "file",
						      fw_json_text(diag->mark.file));
		if (diag->mark.file && diag->mark.line) {
			failed |= json_object_set_new(fault, "line",
						      json_integer(diag->mark.line));
			failed |= json_object_set_new(fault, "column",
						      json_integer(diag->mark.column));
		}
		failed |= json_object_set_new(fault, "text", fw_json_text(diag->text));
		failed |= json_array_append_new(list, fault);
	}
	if (!failed)
		return list;
	json_decref(list);
	return NULL;
}

static int inspect_say_good(const struct fw_profile *profile, uint32_t form, FILE *to)
{
	json_t *json;
	int failed;

	if (form != LICHEN_FORM_JSON) {
		fw_profile_print(profile, to);
		return 0;
	}
	json = fw_profile_json(profile);
	failed = fw_json_write(json, to);
	json_decref(json);
	return failed;
}

static int inspect_say_bad(const struct fw_diags *diags, const struct fw_log *log,
			   uint32_t form, FILE *to)
{
	json_t *json;
	int failed;

	if (form != LICHEN_FORM_JSON) {
		fw_diags_tell(diags, log);
		return 0;
	}
	json = inspect_faults(diags);
	failed = fw_json_write(json, to);
	json_decref(json);
	return failed;
}

int lichen_check(const struct lichen_vm_options *given, uint32_t form, FILE *to)
{
	struct lichen_vm_options options;
	struct ld_path plugins = { 0 }, fragments = { 0 };
	struct fw_profile *profile = NULL;
	struct fw_diags diags = { 0 };
	struct fw_log log;
	lichen_status status;
	int failed;

	fw_options_read(given, &options);
	fw_log_init(&log, options.log_level, options.log, options.context);
	status = fw_options_profile(&options, &plugins, &fragments, &profile, &diags);
	if (status == 0) {
		fw_profile_tell(profile, &log);
		failed = inspect_say_good(profile, form, to);
	} else {
		if (diags.count == 0)
			fw_diag(&diags, (struct fw_mark){ 0 }, "%s: %s", options.profile,
				fw_status_text(status));
		failed = inspect_say_bad(&diags, &log, form, to);
	}
	fw_diags_clear(&diags);
	fw_profile_free(profile);
	ld_path_clear(&plugins);
	ld_path_clear(&fragments);
	if (failed)
		return LICHEN_VM_FAILED;
	return status == 0 ? 0 : LICHEN_VM_BAD_INPUT;
}

const char *lichen_nearest(const char *word, const char *const *words, uint32_t count)
{
	struct fw_nearest nearest = { .word = word };

	for (uint32_t i = 0; i < count; i++)
		fw_nearest_try(&nearest, words[i]);
	return nearest.best;
}
