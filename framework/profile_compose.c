/* SPDX-License-Identifier: MIT */
/*
 * profile_compose.c: reads a profile and what it includes, and joins them.
 *
 * `include: [pc]` is pc.yaml in the first folder of fragments that has it; a
 * name with a slash or that ends in .yaml is a path, relative to the file that
 * says it.  Includes come first, in their order, and the file's own keys go over
 * them (profile_merge.c).  A file that was read before is not read again, so
 * that two fragments may build on a third; one within itself is a fault.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profile_tree.h"

const char fw_set_file[] = "--set";

/* A file that is being read, and the one that includes it. */
struct frame {
	const struct frame *outer;
	const char *path;
	dev_t device;
	ino_t inode;
	uint32_t depth;
};

/* What a fault of opening says: the subject, and where it was named. */
struct subject {
	const char *word; /* "profile" or "include" */
	const char *name;
	struct fw_mark mark;
};

static struct fw_node *compose_file(struct fw_load *load, const struct subject *subject,
				    const char *path, const struct frame *outer);

static void compose_fault(struct fw_load *load, const struct subject *subject, const char *why)
{
	load->unread = load->incomplete = 1;
	fw_diag(load->diags, subject->mark, "%s %s: %s", subject->word, subject->name, why);
}

/* The file's content with a NUL; *size without it.  Told, or no memory: NULL. */
static char *compose_read(struct fw_load *load, const struct subject *subject, int file,
			  size_t *size)
{
	char *text = malloc(FW_FILE_SIZE_MAX + 1);
	ssize_t got;

	if (!text) {
		load->arena->failed = 1;
		return NULL;
	}
	*size = 0;
	do {
		got = read(file, text + *size, FW_FILE_SIZE_MAX + 1 - *size);
		if (got > 0)
			*size += (size_t)got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (got == 0 && *size <= FW_FILE_SIZE_MAX)
		return text;
	compose_fault(load, subject, got < 0 ? "cannot be read" : "larger than 1 MiB");
	free(text);
	return NULL;
}

/* A descriptor of a plain file, or -1: told. */
static int compose_open(struct fw_load *load, const struct subject *subject, const char *path,
			struct stat *status)
{
	const char *why = NULL;
	/* Not blocking: a fifo would keep us waiting for its other end. */
	int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (file < 0)
		why = errno == ENOENT || errno == ENOTDIR ? "not found"
		      : errno == EACCES			  ? "access denied"
		      : errno == ELOOP			  ? "a circle of symbolic links"
							  : "cannot be opened";
	else if (fstat(file, status) < 0)
		why = "cannot be read";
	else if (S_ISDIR(status->st_mode))
		why = "is a folder";
	else if (!S_ISREG(status->st_mode))
		why = "not a regular file";
	if (!why)
		return file;
	compose_fault(load, subject, why);
	if (file >= 0)
		(void)close(file);
	return -1;
}

/* 1: this version of the schema. */
static int compose_schema(struct fw_load *load, const struct fw_node *root)
{
	const struct fw_node *version = fw_node_get(root, "lichen");
	char brief[FW_BRIEF_SIZE];

	if (!version) {
		fw_diag(load->diags, root->mark,
			"lichen is missing: a profile says \"lichen: 1\", the schema's "
			"version");
		return 1;
	}
	if (version->type == FW_NODE_SCALAR && strcmp(version->text, "1") == 0)
		return 1;
	fw_diag(load->diags, version->mark,
		"lichen %s: this host knows version 1 of the schema",
		version->type == FW_NODE_SCALAR ? fw_brief(version->text, brief)
						: fw_node_type_name(version));
	return 0;
}

static char *compose_relative(struct fw_load *load, const char *to, const char *name)
{
	const char *slash = strrchr(to, '/');

	if (name[0] == '/' || !slash)
		return fw_arena_copy(load->arena, name, strlen(name));
	return fw_arena_print(load->arena, "%.*s/%s", (int)(slash - to), to, name);
}

/* Fragments are few: looked at only to name the nearest one. */
static void compose_fragment_missing(struct fw_load *load, const struct subject *subject)
{
	struct fw_nearest nearest = { .word = subject->name };
	const struct ld_path *fragments = load->options->fragments;
	char hint[FW_WHY_SIZE], why[FW_WHY_SIZE + 64];
	struct dirent *entry;

	for (uint32_t i = 0; fragments && i < fragments->count; i++) {
		DIR *folder = opendir(fragments->folders[i]);

		while (folder && (entry = readdir(folder))) {
			size_t size = strlen(entry->d_name);

			if (size <= 5 || strcmp(entry->d_name + size - 5, ".yaml") != 0)
				continue;
			fw_nearest_try(&nearest,
				       fw_arena_copy(load->arena, entry->d_name, size - 5));
		}
		if (folder)
			(void)closedir(folder);
	}
	(void)snprintf(why, sizeof(why), "no such fragment%s", fw_nearest_hint(&nearest, hint));
	compose_fault(load, subject, why);
}

/* The path that an include means; NULL: told, or no memory. */
static const char *compose_find(struct fw_load *load, const struct subject *subject,
				const char *including)
{
	const struct ld_path *fragments = load->options->fragments;
	size_t size = strlen(subject->name);

	if (strchr(subject->name, '/') ||
	    (size > 5 && strcmp(subject->name + size - 5, ".yaml") == 0))
		return compose_relative(load, including, subject->name);
	for (uint32_t i = 0; fragments && i < fragments->count; i++) {
		char *path = fw_arena_print(load->arena, "%s/%s.yaml", fragments->folders[i],
					    subject->name);

		if (!path || access(path, F_OK) == 0)
			return path;
	}
	compose_fragment_missing(load, subject);
	return NULL;
}

static void compose_include(struct fw_load *load, const struct fw_node *entry,
			    struct fw_node *base, const struct frame *frame)
{
	struct subject subject = { .word = "include", .mark = entry->mark };
	char brief[FW_BRIEF_SIZE];
	struct fw_node *included;
	const char *path;

	if (entry->type != FW_NODE_SCALAR || entry->text[0] == '\0') {
		fw_diag(load->diags, entry->mark,
			"include: not the name of a fragment or a path");
		return;
	}
	subject.name = fw_brief(entry->text, brief);
	if (frame->depth >= FW_INCLUDE_DEPTH_MAX) {
		compose_fault(load, &subject, "includes nested deeper than 8");
		return;
	}
	if (subject.name == entry->text)
		path = compose_find(load, &subject, frame->path);
	else
		path = compose_relative(load, frame->path, entry->text);
	included = path ? compose_file(load, &subject, path, frame) : NULL;
	if (included)
		fw_merge_profile(load, base, included);
}

/* The includes of `root`, joined, with its own keys over them. */
static struct fw_node *compose_includes(struct fw_load *load, struct fw_node *root,
					const struct frame *frame)
{
	const struct fw_node *include = fw_node_get(root, "include");
	struct fw_node *base = fw_node_new(load, FW_NODE_MAP, root->mark);

	if (!base)
		return NULL;
	if (include && include->type == FW_NODE_LIST) {
		for (uint32_t i = 0; i < include->count; i++)
			compose_include(load, include->items[i], base, frame);
	} else if (include && !fw_node_empty(include)) {
		compose_include(load, include, base, frame);
	}
	fw_merge_profile(load, base, root);
	return base;
}

/* The mapping that the text is, or NULL: told. */
static struct fw_node *compose_parse(struct fw_load *load, const struct subject *subject,
				     const char *path, const char *text, size_t size)
{
	struct fw_mark origin = { .file = path, .line = 1, .column = 1 };
	struct fw_node *root = fw_yaml_parse(load, text, size, origin);

	if (root && root->type != FW_NODE_MAP) {
		fw_diag(load->diags, root->mark, "%s is %s: a profile is a mapping of keys",
			subject->name, fw_node_empty(root) ? "empty" : fw_node_type_name(root));
		root = NULL;
	}
	if (root && !compose_schema(load, root))
		root = NULL;
	if (!root)
		load->unread = load->incomplete = 1;
	return root;
}

/* 1: this file was read before, or is being read (told). */
static int compose_known(struct fw_load *load, const struct subject *subject,
			 const struct stat *status, const struct frame *outer)
{
	for (const struct frame *f = outer; f; f = f->outer) {
		if (f->device != status->st_dev || f->inode != status->st_ino)
			continue;
		compose_fault(load, subject, "includes itself");
		return 1;
	}
	for (uint32_t i = 0; i < load->file_count; i++)
		if (load->files[i].device == status->st_dev &&
		    load->files[i].inode == status->st_ino)
			return 1;
	if (load->file_count == FW_FILES_MAX) {
		compose_fault(load, subject, "more than 64 files in one profile");
		return 1;
	}
	load->files[load->file_count].device = status->st_dev;
	load->files[load->file_count++].inode = status->st_ino;
	return 0;
}

static struct fw_node *compose_file(struct fw_load *load, const struct subject *subject,
				    const char *path, const struct frame *outer)
{
	struct stat status;
	struct frame frame = { .outer = outer, .path = path };
	struct fw_node *root = NULL;
	size_t size;
	char *text;
	int file = compose_open(load, subject, path, &status);

	if (file < 0)
		return NULL;
	if (compose_known(load, subject, &status, outer)) {
		(void)close(file);
		return NULL;
	}
	frame.device = status.st_dev;
	frame.inode = status.st_ino;
	frame.depth = outer ? outer->depth + 1 : 0;
	text = compose_read(load, subject, file, &size);
	(void)close(file);
	if (text)
		root = compose_parse(load, subject, path, text, size);
	free(text);
	return root ? compose_includes(load, root, &frame) : NULL;
}

struct fw_node *fw_compose(struct fw_load *load)
{
	struct subject subject = { .word = "profile", .name = load->options->file };
	char *path = fw_arena_copy(load->arena, subject.name, strlen(subject.name));
	struct fw_node *root = path ? compose_file(load, &subject, path, NULL) : NULL;

	for (uint32_t i = 0; root && i < load->options->set_count; i++)
		fw_merge_set(load, root, load->options->sets[i], i + 1);
	return root;
}
