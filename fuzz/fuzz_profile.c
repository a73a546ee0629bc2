/* SPDX-License-Identifier: MIT */
/* A profile, whole: read, composed, typed by plugins, ordered, printed. */
#include "profile.h"

#include "fuzz.h"

static struct ld_path plugins, fragments;
static int file;

/* Plugins stay open: each opening would be another module to libFuzzer, which has room for few.
 */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct ld_listing *list;
	uint32_t count;

	(void)argc, (void)argv;
	FUZZ_CHECK(ld_path_parse(&plugins, FUZZ_PLUGINS) == 0);
	FUZZ_CHECK(ld_path_parse(&fragments, FUZZ_FRAGMENTS) == 0);
	FUZZ_CHECK(ld_list(&plugins, &list, &count) == 0);
	for (uint32_t i = 0; i < count; i++) {
		struct ld_plugin *plugin;

		(void)ld_open(&plugins, list[i].info.name, NULL, &plugin, NULL);
	}
	ld_list_free(list, count);
	file = memfd_create("profile", MFD_CLOEXEC);
	FUZZ_CHECK(file >= 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char name[32];
	const struct fw_profile_options options = {
		.file = name,
		.plugins = &plugins,
		.fragments = &fragments,
	};
	struct fw_diags diags = { 0 };
	struct fw_profile *profile = NULL;

	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
	fuzz_file(file, bytes, size);
	if (fw_profile_load(&options, &profile, &diags) == 0) {
		static FILE *nowhere;

		if (!nowhere)
			nowhere = fopen("/dev/null", "we");
		FUZZ_CHECK(nowhere && diags.count == 0);
		fw_profile_print(profile, nowhere);
		fw_profile_free(profile);
	} else {
		FUZZ_CHECK(diags.count > 0 && !profile);
	}
	fw_diags_clear(&diags);
	return 0;
}
