/* SPDX-License-Identifier: MIT */
/* inspect_profile.c: a composed profile as JSON, and where its values came from. */
#include <inttypes.h>
#include <string.h>

#include "inspect.h"
#include "profile_tree.h"

/* Lists and mappings in one another: instances, the outermost mapping, a list, and to spare. */
enum { STACK_MAX = FW_INSTANCES_MAX + 4 };

struct profile_json {
	json_t *stack[STACK_MAX]; /* borrowed but for the first */
	uint32_t depth;
	int failed;
};

/* Takes `value`; NULL is a failure too. */
static void json_add(struct profile_json *to, const char *key, json_t *value)
{
	json_t *parent = to->stack[to->depth - 1];

	if (json_is_array(parent) ? json_array_append_new(parent, value)
				  : json_object_set_new(parent, key, value))
		to->failed = 1;
}

static void json_open(void *context, const char *key, int list)
{
	struct profile_json *to = context;
	json_t *value = list ? json_array() : json_object();

	json_add(to, key, value);
	if (to->failed || to->depth == STACK_MAX)
		to->failed = 1;
	else
		to->stack[to->depth++] = value;
}

static void json_close(void *context)
{
	struct profile_json *to = context;

	if (!to->failed)
		to->depth--;
}

/* A number past what JSON libraries take as an integer stays text. */
static void json_tell(void *context, const struct fw_told *told)
{
	struct profile_json *to = context;
	json_t *value;

	if (told->type == LICHEN_TEXT || (told->type == LICHEN_U64 && told->number > INT64_MAX))
		value = fw_json_text(told->text);
	else if (told->type == LICHEN_BOOL)
		value = json_boolean(told->number != 0);
	else
		value = json_integer((json_int_t)told->number);
	json_add(to, told->key, value);
}

json_t *fw_profile_json(const struct fw_profile *profile)
{
	struct profile_json to = { .stack = { json_object() }, .depth = 1 };
	const struct fw_teller teller = {
		.context = &to, .open = json_open, .tell = json_tell, .close = json_close
	};

	if (!to.stack[0])
		return NULL;
	fw_profile_walk(profile, &teller);
	if (!to.failed)
		return to.stack[0];
	json_decref(to.stack[0]);
	return NULL;
}

enum { PATH_SIZE = STACK_MAX * (FW_ID_SIZE + 1) };

/* The path of a value as --set takes it. */
struct origins {
	const struct fw_log *log;
	char path[PATH_SIZE];	     /* "devices.com1." */
	size_t sizes[STACK_MAX + 1]; /* of the path at each depth */
	uint32_t depth;
};

static void origin_open(void *context, const char *key, int list)
{
	struct origins *to = context;
	const size_t at = to->sizes[to->depth], room = sizeof(to->path) - at;

	(void)list;
	/* Keys and ids are shorter than FW_ID_SIZE, so there is room. */
	to->sizes[++to->depth] = at + strnlen(key, room - 2) + 1;
	(void)snprintf(to->path + at, room, "%.*s.", (int)(room - 2), key);
}

static void origin_close(void *context)
{
	struct origins *to = context;

	to->path[to->sizes[--to->depth]] = '\0';
}

static void origin_tell(void *context, const struct fw_told *told)
{
	const struct origins *to = context;

	if (told->mark.file == fw_set_file)
		fw_log(to->log, LICHEN_LOG_DEBUG, NULL, NULL, "%s%s: %s (--set %" PRIu32 ")",
		       to->path, told->key, told->text, told->mark.line);
	else if (told->mark.file)
		fw_log(to->log, LICHEN_LOG_DEBUG, NULL, NULL,
		       "%s%s: %s (%s:%" PRIu32 ":%" PRIu32 ")", to->path, told->key, told->text,
		       told->mark.file, told->mark.line, told->mark.column);
	else
		fw_log(to->log, LICHEN_LOG_DEBUG, NULL, NULL, "%s%s: %s (default%s%s)",
		       to->path, told->key, told->text, told->plugin ? " of " : "",
		       told->plugin ? told->plugin : "");
}

void fw_profile_tell(const struct fw_profile *profile, const struct fw_log *log)
{
	const struct fw_profile_private *p = profile->private_;
	struct origins origins = { .log = log };
	const struct fw_teller teller = { .context = &origins,
					  .open = origin_open,
					  .tell = origin_tell,
					  .close = origin_close };

	if (log->level < LICHEN_LOG_DEBUG)
		return;
	for (uint32_t i = 0; i < p->instance_count; i++) {
		const struct ld_plugin *plugin = p->instances[i]->spec.plugin;
		const struct ld_info *info = ld_plugin_info(plugin);
		uint32_t first = 0;

		while (p->instances[first]->spec.plugin != plugin)
			first++;
		if (first < i)
			continue;
		fw_log(log, LICHEN_LOG_DEBUG, NULL, NULL, "plugin %s %s: %s sha256:%s",
		       info->name, info->version, info->file, info->hash);
	}
	fw_profile_walk(profile, &teller);
}
