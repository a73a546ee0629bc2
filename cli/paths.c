/* SPDX-License-Identifier: MIT */
/* paths.c: where our own plugins and fragments are. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

static int cli_is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int cli_paths_find(struct cli_paths *paths)
{
	char self[PATH_MAX];
	char *slash;
	const ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	*paths = (struct cli_paths){ 0 };
	if (length < 0)
		return LICHEN_VM_FAILED;
	self[length] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return LICHEN_VM_FAILED;
	*slash = '\0';
	if (asprintf(&paths->plugins, "%s/plugins", self) < 0) {
		paths->plugins = NULL;
		return LICHEN_VM_FAILED;
	}
	if (cli_is_folder(paths->plugins)) { /* the build tree */
		if (asprintf(&paths->fragments, "%s/profiles", self) >= 0)
			return 0;
	} else {
		free(paths->plugins);
		if (asprintf(&paths->plugins, "%s/../" LICHEN_LIBDIR "/lichen/plugins", self) <
		    0)
			paths->plugins = NULL;
		else if (asprintf(&paths->fragments, "%s/../share/lichen/profiles", self) >= 0)
			return 0;
	}
	paths->fragments = NULL;
	cli_paths_clear(paths);
	return LICHEN_VM_FAILED;
}

void cli_paths_clear(struct cli_paths *paths)
{
	free(paths->plugins);
	free(paths->fragments);
	*paths = (struct cli_paths){ 0 };
}
