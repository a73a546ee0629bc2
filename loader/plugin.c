/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "class.h"
#include "copy.h"
#include "image.h"
#include "loader.h"
#include "note.h"
#include "proof.h"
#include "shelf.h"
#include "text.h"

struct ld_plugin {
	struct ld_info info;
	struct ld_shelf *shelf; /* owned in part; NULL: the path has none */
	struct ld_plugin *next; /* on the shelf */
	uint32_t uses;
	int file;     /* the sealed copy; its number is the name dlopen knows it by */
	void *opened; /* of dlopen */
	struct ld_class *class;
	bool nodelete;
};

struct ld_shelf *ld_shelf_create(void)
{
	struct ld_shelf *shelf = calloc(1, sizeof(*shelf));

	if (shelf)
		shelf->owners = 1;
	return shelf;
}

void ld_shelf_put(struct ld_shelf *shelf)
{
	if (shelf && --shelf->owners == 0)
		free(shelf);
}

void ld_info_clear(struct ld_info *info)
{
	free(info->file);
	*info = (struct ld_info){ .kind = 0 };
}

/* Everything that can be said of a copy without running it. */
static lichen_status ld_judge(const struct ld_copy *copy, struct ld_image *image,
			      struct lichen_note *note, struct ld_error *error)
{
	const char *subject = ld_short(copy->file);
	lichen_status status = ld_image_open(image, copy->bytes, copy->size, subject, error);

	if (status == 0)
		status = ld_note_find(image, note, error);
	if (status == 0)
		status = ld_note_judge(note, subject, error);
	if (status == 0 && strcmp(note->name, copy->name) != 0) {
		ld_error_set(error, "%s: holds plugin %s, so its name must be %s.so", subject,
			     note->name, note->name);
		status = -LICHEN_ENOEXEC;
	}
	if (status == 0)
		status = ld_image_dynamic(image, error);
	return status == 0 ? ld_image_class(image, note->class_size, error) : status;
}

/* Takes the file's name out of the copy. */
static void ld_info_fill(struct ld_info *info, const struct lichen_note *note,
			 struct ld_copy *copy)
{
	*info = (struct ld_info){ .kind = note->kind,
				  .abi_major = note->abi_major,
				  .abi_minor = note->abi_minor,
				  .file = copy->file };
	memcpy(info->name, note->name, sizeof(info->name));
	memcpy(info->version, note->version, sizeof(info->version));
	memcpy(info->hash, copy->hash, sizeof(info->hash));
	copy->file = NULL;
}

lichen_status ld_inspect(const char *file, struct ld_info *info, struct ld_error *error)
{
	struct ld_image image;
	struct lichen_note note = { .magic = 0 };
	struct ld_copy copy;
	lichen_status status = ld_copy_make(file, &copy, error);

	if (status < 0)
		return status;
	status = ld_judge(&copy, &image, &note, error);
	if (status == 0)
		ld_info_fill(info, &note, &copy);
	ld_copy_clear(&copy);
	return status;
}

static lichen_status ld_check_pin(const char *name, const char *pin, struct ld_error *error)
{
	size_t n = strlen(pin);

	if (n == LD_HASH_TEXT_SIZE - 1 && strspn(pin, "0123456789abcdefABCDEF") == n)
		return 0;
	ld_error_set(error,
		     "plugin %s: hash pin of %zu characters, want %d hex digits of SHA-256",
		     name, n, LD_HASH_TEXT_SIZE - 1);
	return -LICHEN_EINVAL;
}

/* The first folder's NAME.so, whatever it is.  *file is the caller's. */
static lichen_status ld_find(const struct ld_path *path, const char *name, char **file,
			     struct ld_error *error)
{
	char tried[LD_ERROR_SIZE / 2] = "the search path, which is empty";
	size_t n = 0;
	struct stat st;

	for (uint32_t i = 0; ld_is_name(name) && i < path->count; i++) {
		char *candidate;

		if (asprintf(&candidate, "%s/%s.so", path->folders[i], name) < 0) {
			ld_error_set(error, "plugin %s: no memory to look for it", name);
			return -LICHEN_ENOMEM;
		}
		/* A file that may not be looked at is refused by name when it is opened. */
		if (lstat(candidate, &st) == 0 || (errno != ENOENT && errno != ENOTDIR)) {
			*file = candidate;
			return 0;
		}
		free(candidate);
		if (n < sizeof(tried))
			n += (size_t)snprintf(tried + n, sizeof(tried) - n, "%s%s",
					      i ? ", " : "", ld_short(path->folders[i]));
	}
	if (ld_is_name(name))
		ld_error_set(error, "plugin %s: no %s.so in %s", name, name, tried);
	else
		ld_error_set(error,
			     "plugin %.64s: no such plugin: names are made of a-z, 0-9 and -, "
			     "at most %d",
			     name, LICHEN_NAME_SIZE - 1);
	return -LICHEN_ENOENT;
}

static struct ld_plugin *ld_find_open(const struct ld_path *path, const char *hash)
{
	struct ld_plugin *plugin = path->shelf ? path->shelf->first : NULL;

	while (plugin && strcmp(plugin->info.hash, hash) != 0)
		plugin = plugin->next;
	return plugin;
}

/*
 * Opens the copy by a path that other processes (debuggers) can follow too.
 * /proc/self says the number by which this /proc knows the process.  No two
 * open plugins have one path, because the descriptor stays open as long.
 */
static lichen_status ld_link(struct ld_plugin *plugin, struct ld_error *error)
{
	const char *subject = ld_short(plugin->info.file), *why;
	char self[32], path[96];
	ssize_t n = readlink("/proc/self", self, sizeof(self) - 1);

	if (n <= 0) {
		ld_error_set(error, "%s: cannot be opened without /proc: %s", subject,
			     strerrordesc_np(errno));
		return -LICHEN_EIO;
	}
	self[n] = '\0';
	snprintf(path, sizeof(path), "/proc/%s/fd/%d", self, plugin->file);
	errno = 0;
	plugin->opened = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (plugin->opened)
		return 0;
	/* The dynamic linker has many sentences for it, and dlerror() needs memory too. */
	if (errno == ENOMEM) {
		(void)dlerror();
		ld_error_set(error, "%s: does not open: out of memory", subject);
		return -LICHEN_ENOMEM;
	}
	why = dlerror();
	if (!why)
		why = "the dynamic linker does not say why";
	if (!strncmp(why, path, strlen(path)) && !strncmp(why + strlen(path), ": ", 2))
		why += strlen(path) + 2;
	ld_error_set(error, "%s: does not open: %s", subject, why);
	return -LICHEN_ENOEXEC;
}

static lichen_status ld_fetch_class(struct ld_plugin *plugin, const struct lichen_note *note,
				    struct ld_error *error)
{
	const char *subject = ld_short(plugin->info.file);
	const void *symbol = dlsym(plugin->opened, LICHEN_PLUGIN_SYMBOL);
	const struct lichen_class *class;
	lichen_plugin_fn entry;

	_Static_assert(sizeof(entry) == sizeof(symbol), "POSIX, dlsym");
	memcpy(&entry, &symbol, sizeof(entry));
	class = entry ? entry(0) : NULL;
	if (!class) {
		ld_error_set(error,
			     "%s: its entry " LICHEN_PLUGIN_SYMBOL " gives no class: "
			     "end its C file with LICHEN_PLUGIN",
			     subject);
		return -LICHEN_ENOEXEC;
	}
	return ld_class_copy(class, note->class_size, note->kind, subject, &plugin->class,
			     error);
}

/* Forgets what is ours; a descriptor of a file that is still mapped must stay open. */
static void ld_free(struct ld_plugin *plugin, bool mapped)
{
	if (!mapped)
		close(plugin->file);
	ld_class_free(plugin->class);
	ld_info_clear(&plugin->info);
	ld_shelf_put(plugin->shelf);
	free(plugin);
}

/* Closes the file unless a thread is in it.  0, or -LICHEN_EBUSY and the sentence. */
static lichen_status ld_unload(struct ld_plugin *plugin, struct ld_error *error)
{
	const char *subject = ld_short(plugin->info.file);
	pid_t thread = ld_thread_inside(plugin->file);

	if (thread) {
		ld_error_set(error,
			     "%s: pinned: thread %d, which the plugin started and did not end, "
			     "runs in it",
			     subject, (int)thread);
		return -LICHEN_EBUSY;
	}
	dlclose(plugin->opened);
	if (!ld_is_mapped(plugin->file))
		return 0;
	ld_error_set(error, "%s: pinned: %s", subject,
		     plugin->nodelete ? "it is linked with -z nodelete: link it without"
				      : "the dynamic linker keeps it mapped, because another "
					"object or a thread-local destructor refers to it");
	return -LICHEN_EBUSY;
}

/* Opens what is copied and judged.  Takes the copy's descriptor and file name on success. */
static lichen_status ld_start(const struct ld_path *path, struct ld_copy *copy,
			      const struct ld_image *image, const struct lichen_note *note,
			      struct ld_plugin **made, struct ld_error *error)
{
	struct ld_plugin *plugin = calloc(1, sizeof(*plugin));
	lichen_status status;
	bool mapped = false;

	if (!plugin) {
		ld_error_set(error, "%s: no memory to open it", ld_short(copy->file));
		return -LICHEN_ENOMEM;
	}
	ld_info_fill(&plugin->info, note, copy);
	plugin->file = copy->descriptor;
	copy->descriptor = -1;
	plugin->uses = 1;
	plugin->nodelete = image->nodelete;

	status = ld_link(plugin, error);
	if (status == 0) {
		status = ld_fetch_class(plugin, note, error);
		if (status < 0)
			mapped = ld_unload(plugin, NULL) < 0;
	}
	if (status < 0) {
		ld_free(plugin, mapped);
		return status;
	}
	plugin->shelf = path->shelf;
	if (plugin->shelf) {
		plugin->shelf->owners++;
		plugin->next = plugin->shelf->first;
		plugin->shelf->first = plugin;
	}
	*made = plugin;
	return 0;
}

static lichen_status ld_open_copy(const struct ld_path *path, struct ld_copy *copy,
				  const char *pin, struct ld_plugin **plugin,
				  struct ld_error *error)
{
	struct ld_plugin *open;
	struct ld_image image;
	struct lichen_note note = { .magic = 0 };
	lichen_status status;

	if (pin && strcasecmp(pin, copy->hash) != 0) {
		ld_error_set(
			error,
			"%s: its hash is %s, the profile pins %s: check who changed the file",
			ld_short(copy->file), copy->hash, pin);
		return -LICHEN_EACCES;
	}
	open = ld_find_open(path, copy->hash);
	if (open && !strcmp(open->info.name, copy->name)) {
		open->uses++;
		*plugin = open;
		return 0;
	}
	status = ld_judge(copy, &image, &note, error);
	if (status < 0)
		return status;
	ld_copy_unmap(copy);
	return ld_start(path, copy, &image, &note, plugin, error);
}

lichen_status ld_open(const struct ld_path *path, const char *name, const char *pin,
		      struct ld_plugin **plugin, struct ld_error *error)
{
	struct ld_copy copy;
	lichen_status status;
	char *file;

	status = ld_find(path, name, &file, error);
	if (status < 0)
		return status;
	status = pin ? ld_check_pin(name, pin, error) : 0;
	if (status == 0)
		status = ld_copy_make(file, &copy, error);
	free(file);
	if (status < 0)
		return status;
	status = ld_open_copy(path, &copy, pin, plugin, error);
	ld_copy_clear(&copy);
	return status;
}

lichen_status ld_open_file(const struct ld_path *path, const char *name, int descriptor,
			   struct ld_plugin **plugin, struct ld_error *error)
{
	struct ld_copy copy;
	lichen_status status = ld_copy_open(name, descriptor, &copy, error);

	if (status < 0)
		return status;
	status = ld_open_copy(path, &copy, NULL, plugin, error);
	ld_copy_clear(&copy);
	return status;
}

struct ld_plugin *ld_share(struct ld_plugin *plugin)
{
	plugin->uses++;
	return plugin;
}

const struct ld_info *ld_plugin_info(const struct ld_plugin *plugin)
{
	return &plugin->info;
}

const struct lichen_class *ld_plugin_class(const struct ld_plugin *plugin)
{
	return ld_class_get(plugin->class);
}

lichen_status ld_close(struct ld_plugin *plugin, struct ld_error *error)
{
	lichen_status status;

	if (--plugin->uses > 0)
		return 0;
	if (plugin->shelf) {
		struct ld_plugin **at = &plugin->shelf->first;

		while (*at != plugin)
			at = &(*at)->next;
		*at = plugin->next;
	}
	status = ld_unload(plugin, error);
	ld_free(plugin, status < 0);
	return status;
}
