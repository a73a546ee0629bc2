/* SPDX-License-Identifier: MIT */
/* paths.c: where our own plugins and fragments are. */
#include <limits.h>
#include <stdarg.h>
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

/* "FOLDER" + what follows; NULL: no memory. */
__attribute__((format(printf, 1, 2))) static char *cli_path(const char *format, ...)
{
	va_list args;
	char *path;

	va_start(args, format);
	if (vasprintf(&path, format, args) < 0)
		path = NULL;
	va_end(args);
	return path;
}

/* The folder of the running program; 0, or -1. */
static int cli_own_folder(char folder[static PATH_MAX])
{
	const ssize_t length = readlink("/proc/self/exe", folder, PATH_MAX - 1);
	char *slash;

	if (length < 0)
		return -1;
	folder[length] = '\0';
	slash = strrchr(folder, '/');
	if (!slash)
		return -1;
	*slash = '\0';
	return 0;
}

int cli_paths_find(struct cli_paths *paths, const struct cli_options *options)
{
	char self[PATH_MAX];

	*paths = (struct cli_paths){ 0 };
	if (cli_own_folder(self)) {
		cli_say("this program's own folder cannot be found");
		return LICHEN_VM_FAILED;
	}
	paths->plugins = cli_path("%s/plugins", self);
	if (paths->plugins && cli_is_folder(paths->plugins)) { /* the build tree */
		paths->fragments = cli_path("%s/profiles", self);
	} else {
		free(paths->plugins);
		paths->plugins = cli_path("%s/../" LICHEN_LIBDIR "/lichen/plugins", self);
		paths->fragments = cli_path("%s/../share/lichen/profiles", self);
	}
	if (options->plugin_path) {
		free(paths->plugins);
		paths->plugins = strdup(options->plugin_path);
	}
	if (paths->plugins && paths->fragments)
		return 0;
	cli_say("out of memory");
	cli_paths_clear(paths);
	return LICHEN_VM_FAILED;
}

void cli_paths_clear(struct cli_paths *paths)
{
	free(paths->plugins);
	free(paths->fragments);
	*paths = (struct cli_paths){ 0 };
}
