/* SPDX-License-Identifier: MIT */
/* config.h: loads a profile of this folder as its comments say. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <unistd.h>

#include "profile.h"
#include "tap.h"

enum { CONFIG_SETS = 16, CONFIG_SIZE = 65536 };

struct config {
	struct ld_path plugins, fragments;
	const char *sets[CONFIG_SETS];
	uint32_t set_count;
	char text[CONFIG_SIZE]; /* the file; `sets` point into it */
	struct fw_profile *profile;
	struct fw_diags diags;
};

/* From here on names are relative to this folder, which keeps places short. */
static inline void config_begin(struct config *c)
{
	memset(c, 0, sizeof(*c));
	CHECK_EQ(0, chdir(CONFIG_SOURCE));
	CHECK_EQ(0, ld_path_parse(&c->plugins, CONFIG_PLUGINS));
	CHECK_EQ(0, ld_path_parse(&c->fragments, "fragments"));
}

static inline void config_clear(struct config *c)
{
	fw_profile_free(c->profile);
	c->profile = NULL;
	fw_diags_clear(&c->diags);
	c->set_count = 0;
}

static inline void config_end(struct config *c)
{
	config_clear(c);
	ld_path_clear(&c->plugins);
	ld_path_clear(&c->fragments);
}

static inline lichen_status config_load(struct config *c, const char *file)
{
	const struct fw_profile_options options = {
		.file = file,
		.sets = c->sets,
		.set_count = c->set_count,
		.plugins = &c->plugins,
		.fragments = &c->fragments,
	};

	return fw_profile_load(&options, &c->profile, &c->diags);
}

/* The whole of a small file as text; its size. */
static inline size_t config_read(const char *file, char text[static CONFIG_SIZE])
{
	FILE *from = fopen(file, "re");
	size_t size;

	if (!from)
		tap_fail("%s does not open", file);
	size = fread(text, 1, CONFIG_SIZE - 1, from);
	(void)fclose(from);
	text[size] = '\0';
	return size;
}

/* The next "# WORD REST" line from *text on, as REST, cut in place; NULL: no more. */
static inline char *config_comment(char **text, const char *word)
{
	const size_t size = strlen(word);

	while (**text) {
		char *line = *text, *end = strchr(line, '\n');

		*text = end ? end + 1 : line + strlen(line);
		if (strncmp(line, "# ", 2) != 0 || strncmp(line + 2, word, size) != 0 ||
		    line[2 + size] != ' ')
			continue;
		if (end)
			*end = '\0';
		return line + 3 + size;
	}
	return NULL;
}

/* Reads the file's "# set KEY=VALUE" lines. */
static inline void config_take_sets(struct config *c, const char *file)
{
	char *text = c->text, *set;

	(void)config_read(file, c->text);
	while ((set = config_comment(&text, "set")) && c->set_count < CONFIG_SETS)
		c->sets[c->set_count++] = set;
}

/* The composed profile as text; free() is owed. */
static inline char *config_print(const struct fw_profile *profile)
{
	char *text = calloc(1, CONFIG_SIZE);
	FILE *to = tmpfile();

	CHECK(text && to);
	fw_profile_print(profile, to);
	rewind(to);
	CHECK(fread(text, 1, CONFIG_SIZE - 1, to) > 0);
	CHECK_EQ(0, fclose(to));
	return text;
}

#endif
