/* SPDX-License-Identifier: MIT */
/* fixture.h: scratch folders, files with one thing changed, and what the kernel says. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "tap.h"

#include "loader.h"

/* PLUGINS: the folder of the plugins built for these tests (CMakeLists.txt). */

struct scratch {
	char folder[64]; /* mode 0700, in /tmp, so that no folder on the way can be replaced */
	struct ld_path path;
};

static inline struct ld_path path_of(const char *text)
{
	struct ld_path path;

	CHECK_EQ(0, ld_path_parse(&path, text));
	return path;
}

static inline struct scratch scratch_make(void)
{
	struct scratch s = { .folder = "/tmp/lichen-loader-XXXXXX" };

	CHECK(mkdtemp(s.folder) != NULL);
	s.path = path_of(s.folder);
	return s;
}

static inline int scratch_unlink(const char *path, const struct stat *st, int type,
				 struct FTW *walk)
{
	(void)st, (void)type, (void)walk;
	return remove(path);
}

static inline void scratch_remove(struct scratch *s)
{
	ld_path_clear(&s->path);
	CHECK_EQ(0, nftw(s->folder, scratch_unlink, 8, FTW_DEPTH | FTW_PHYS));
}

struct bytes {
	unsigned char *at;
	size_t size;
};

static inline struct bytes bytes_of(const char *file)
{
	struct bytes b;
	struct stat st;
	FILE *f = fopen(file, "re");

	CHECK(f != NULL && fstat(fileno(f), &st) == 0);
	b.size = (size_t)st.st_size;
	b.at = malloc(b.size);
	CHECK(b.at != NULL);
	CHECK_EQ(b.size, fread(b.at, 1, b.size, f));
	fclose(f);
	return b;
}

/*
 * Writes FOLDER/NAME, over what is there: in place, as file systems flush to disk
 * what is truncated and written again.
 */
static inline void bytes_put(const char *folder, const char *name, const void *at, size_t size)
{
	char file[PATH_MAX];
	int fd;

	snprintf(file, sizeof(file), "%s/%s", folder, name);
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	CHECK(fd >= 0);
	CHECK_EQ(size, write(fd, at, size));
	CHECK_EQ(0, ftruncate(fd, (off_t)size));
	close(fd);
}

static inline bool ran(void)
{
	return getenv("LOADER_TEST_RAN") != NULL;
}

/* Lines of the memory map that name a copy of a plugin. */
static inline int mappings(void)
{
	char line[PATH_MAX];
	int n = 0;
	FILE *maps = fopen("/proc/self/maps", "re");

	CHECK(maps != NULL);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, "/memfd:lichen:") != NULL;
	fclose(maps);
	return n;
}

/* Descriptors of copies of plugins. */
static inline int copies(void)
{
	int n = 0;

	for (int fd = 0; fd < TAP_FDS; fd++) {
		char link[64], target[128];
		ssize_t length;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		length = readlink(link, target, sizeof(target) - 1);
		if (length <= 0)
			continue;
		target[length] = '\0';
		n += strstr(target, "/memfd:lichen:") != NULL;
	}
	return n;
}

#define CHECK_SAYS(part, error)                                                \
	do {                                                                   \
		if (!strstr((error).text, part))                               \
			tap_fail("want \"%s\" in \"%s\"", part, (error).text); \
	} while (0)

/* Opens `name`, which must be refused so, with none of its code run and nothing kept. */
static inline struct ld_error refused(const struct ld_path *path, const char *name,
				      lichen_status want)
{
	struct ld_plugin *plugin = NULL;
	struct ld_error error = { "" };
	lichen_status got = ld_open(path, name, NULL, &plugin, &error);

	if (got != want)
		tap_fail("%s: want %d, got %d: %s", name, want, got, error.text);
	CHECK(plugin == NULL);
	CHECK(error.text[0] != '\0' && !strchr(error.text, '\n'));
	CHECK(strstr(error.text, name) != NULL);
	CHECK_EQ(0, mappings());
	return error;
}

static inline struct ld_plugin *opened(const struct ld_path *path, const char *name)
{
	struct ld_plugin *plugin = NULL;
	struct ld_error error = { "" };

	if (ld_open(path, name, NULL, &plugin, &error) != 0)
		tap_fail("%s", error.text);
	return plugin;
}

static inline void closed(struct ld_plugin *plugin)
{
	struct ld_error error = { "" };

	if (ld_close(plugin, &error) != 0)
		tap_fail("%s", error.text);
}

#endif
