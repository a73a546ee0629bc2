/* SPDX-License-Identifier: MIT */
/* runtime.c: the folder in which running VMs have their names. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

void cli_runtime_path(char path[static PATH_MAX])
{
	const char *own = getenv("LICHEN_RUNTIME_DIR"), *user = getenv("XDG_RUNTIME_DIR");

	if (own && own[0])
		(void)snprintf(path, PATH_MAX, "%s", own);
	else if (user && user[0])
		(void)snprintf(path, PATH_MAX, "%s/lichen", user);
	else if (geteuid() == 0)
		(void)snprintf(path, PATH_MAX, "/run/lichen");
	else
		(void)snprintf(path, PATH_MAX, "/tmp/lichen-%u", (unsigned)geteuid());
}

int cli_runtime_make(char path[static PATH_MAX])
{
	struct stat st;
	char *slash;

	cli_runtime_path(path);
	/* Parents are such as others may use; the folder itself is the user's. */
	for (slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0755);
		*slash = '/';
	}
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -1;
	if (stat(path, &st) < 0)
		return -1;
	errno = ENOTDIR;
	return S_ISDIR(st.st_mode) ? 0 : -1;
}

static int runtime_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void cli_names_clear(struct cli_names *names)
{
	for (uint32_t i = 0; i < names->count; i++)
		free(names->names[i]);
	free(names->names);
	*names = (struct cli_names){ 0 };
}

static int runtime_add(struct cli_names *names, const char *name, size_t length)
{
	char **more = realloc(names->names, (names->count + 1) * sizeof(*more));

	if (!more)
		return -1;
	names->names = more;
	names->names[names->count] = strndup(name, length);
	if (!names->names[names->count])
		return -1;
	names->count++;
	return 0;
}

/* NAME.sock; what else is there is not ours to speak of. */
int cli_names_find(struct cli_names *names)
{
	char path[PATH_MAX];
	const struct dirent *entry;
	int failed = 0;
	DIR *folder;

	*names = (struct cli_names){ 0 };
	cli_runtime_path(path);
	folder = opendir(path);
	while (folder && !failed && (entry = readdir(folder))) {
		const size_t length = strlen(entry->d_name);

		if (length > 5 && strcmp(entry->d_name + length - 5, ".sock") == 0)
			failed = runtime_add(names, entry->d_name, length - 5);
	}
	if (folder)
		(void)closedir(folder);
	if (names->count)
		qsort(names->names, names->count, sizeof(*names->names), runtime_compare);
	if (failed)
		cli_names_clear(names);
	return failed;
}
