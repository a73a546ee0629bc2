/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader.h"
#include "shelf.h"
#include "text.h"

void ld_path_clear(struct ld_path *path)
{
	for (uint32_t i = 0; i < path->count; i++)
		free(path->folders[i]);
	free(path->folders);
	ld_shelf_put(path->shelf);
	*path = (struct ld_path){ .count = 0 };
}

lichen_status ld_path_parse(struct ld_path *path, const char *text)
{
	struct ld_path made = { .shelf = ld_shelf_create() };
	size_t parts = 1;

	if (!text)
		text = "";
	for (const char *c = text; *c; c++)
		parts += *c == ':';
	made.folders = calloc(parts, sizeof(*made.folders));
	if (!made.shelf || !made.folders)
		goto fail;
	while (*text) {
		size_t n = strcspn(text, ":");

		if (n > 0) {
			made.folders[made.count] = strndup(text, n);
			if (!made.folders[made.count])
				goto fail;
			made.count++;
		}
		text += n + (text[n] == ':');
	}
	*path = made;
	return 0;
fail:
	ld_path_clear(&made);
	return -LICHEN_ENOMEM;
}

/* The length of NAME in an entry NAME.so that ld_list shows; 0: it does not. */
static size_t ld_stem(const char *entry)
{
	size_t n = strlen(entry);

	return n > 3 && entry[0] != '.' && !strcmp(entry + n - 3, ".so") ? n - 3 : 0;
}

/* Calls visit(folder, entry) for each NAME.so on the path until one returns < 0. */
static lichen_status ld_visit(const struct ld_path *path,
			      lichen_status (*visit)(void *context, const char *folder,
						     const char *entry),
			      void *context)
{
	lichen_status status = 0;

	for (uint32_t i = 0; i < path->count && status == 0; i++) {
		DIR *folder = opendir(path->folders[i]);
		struct dirent *entry;

		while (folder && status == 0 && (entry = readdir(folder)) != NULL)
			if (ld_stem(entry->d_name) > 0)
				status = visit(context, path->folders[i], entry->d_name);
		if (folder)
			closedir(folder);
	}
	return status;
}

struct ld_gather {
	struct ld_listing *list;
	uint32_t count, room;
};

static bool ld_is_listed(const struct ld_gather *g, const char *name)
{
	for (uint32_t i = 0; i < g->count; i++)
		if (!strcmp(g->list[i].info.name, name))
			return true;
	return false;
}

static lichen_status ld_gather_one(void *context, const char *folder, const char *entry)
{
	struct ld_gather *g = context;
	char name[LICHEN_NAME_SIZE], *file;
	struct ld_listing *item;
	lichen_status status;

	snprintf(name, sizeof(name), "%.*s", (int)ld_stem(entry), entry);
	if (ld_is_listed(g, name))
		return 0;
	if (g->count == g->room) {
		uint32_t room = g->room ? 2 * g->room : 16;
		struct ld_listing *list = reallocarray(g->list, room, sizeof(*list));

		if (!list)
			return -LICHEN_ENOMEM;
		g->list = list;
		g->room = room;
	}
	if (asprintf(&file, "%s/%s", folder, entry) < 0)
		return -LICHEN_ENOMEM;
	item = &g->list[g->count];
	memset(item, 0, sizeof(*item));
	status = ld_inspect(file, &item->info, &item->why);
	if (status < 0) {
		memcpy(item->info.name, name, sizeof(name));
		item->info.file = file;
	} else {
		free(file);
	}
	g->count++;
	return 0;
}

static int ld_by_name(const void *a, const void *b)
{
	return strcmp(((const struct ld_listing *)a)->info.name,
		      ((const struct ld_listing *)b)->info.name);
}

lichen_status ld_list(const struct ld_path *path, struct ld_listing **list, uint32_t *count)
{
	struct ld_gather g = { .list = NULL };
	lichen_status status = ld_visit(path, ld_gather_one, &g);

	if (status < 0) {
		ld_list_free(g.list, g.count);
		return status;
	}
	if (g.count > 1)
		qsort(g.list, g.count, sizeof(*g.list), ld_by_name);
	*list = g.list;
	*count = g.count;
	return 0;
}

void ld_list_free(struct ld_listing *list, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		ld_info_clear(&list[i].info);
	free(list);
}

/*
 * Edits that make `b` of `a`: insert, delete, replace, swap neighbours (optimal
 * string alignment).  Both are shorter than LICHEN_NAME_SIZE.
 */
static uint32_t ld_distance(const char *a, const char *b)
{
	uint32_t rows[3][LICHEN_NAME_SIZE + 1];
	uint32_t *two = rows[0], *one = rows[1], *now = rows[2], *spare;
	const uint32_t n = (uint32_t)strlen(a), m = (uint32_t)strlen(b);

	for (uint32_t j = 0; j <= m; j++)
		one[j] = two[j] = j;
	for (uint32_t i = 1; i <= n; i++) {
		now[0] = i;
		for (uint32_t j = 1; j <= m; j++) {
			uint32_t best = one[j - 1] + (a[i - 1] != b[j - 1]);

			if (one[j] + 1 < best)
				best = one[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    two[j - 2] + 1 < best)
				best = two[j - 2] + 1;
			now[j] = best;
		}
		spare = two;
		two = one;
		one = now;
		now = spare;
	}
	return one[m];
}

struct ld_nearest_search {
	const char *name;
	char *best;
	uint32_t distance; /* of best; before the first, one more than is near */
};

static lichen_status ld_nearest_one(void *context, const char *folder, const char *entry)
{
	struct ld_nearest_search *search = context;
	char name[LICHEN_NAME_SIZE];
	uint32_t distance;

	(void)folder;
	if (ld_stem(entry) >= sizeof(name))
		return 0;
	snprintf(name, sizeof(name), "%.*s", (int)ld_stem(entry), entry);
	if (!ld_is_name(name))
		return 0;
	distance = ld_distance(search->name, name);
	if (distance < search->distance || (distance == search->distance && search->best[0] &&
					    strcmp(name, search->best) < 0)) {
		memcpy(search->best, name, sizeof(name));
		search->distance = distance;
	}
	return 0;
}

const char *ld_nearest(const struct ld_path *path, const char *name,
		       char buffer[static LICHEN_NAME_SIZE])
{
	struct ld_nearest_search search = { .name = name, .best = buffer };
	size_t n = strnlen(name, LICHEN_NAME_SIZE);

	buffer[0] = '\0';
	if (n == LICHEN_NAME_SIZE)
		return NULL;
	search.distance = (uint32_t)n / 3 + 2; /* a third of it wrong and one more, at most */
	ld_visit(path, ld_nearest_one, &search);
	return buffer[0] ? buffer : NULL;
}
