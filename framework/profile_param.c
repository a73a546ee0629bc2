/* SPDX-License-Identifier: MIT */
/* profile_param.c: the parameters of instances, typed as their classes declare them. */
#include <string.h>

#include "profile_tree.h"

static const char *const param_words[] = { "plugin", "id", "sha256" };
enum { PARAM_WORDS = sizeof(param_words) / sizeof(param_words[0]) };

/* 1: a key of entries that is no parameter. */
static int param_is_word(const struct fw_instance *instance, const char *key)
{
	for (uint32_t i = 0; i < PARAM_WORDS; i++)
		if (strcmp(param_words[i], key) == 0)
			return 1;
	return instance->place == FW_PLACE_MEMORY && strcmp(key, "size") == 0;
}

/* The absolute path of a FILE as written in mark.file; NULL: no memory. */
static char *param_path(struct fw_load *load, const struct fw_node *node)
{
	const char *file = node->mark.file;
	const char *slash = file == fw_set_file ? NULL : strrchr(file, '/');
	int size = slash ? (int)(slash - file) : 0;

	if (node->text[0] == '/')
		return fw_arena_copy(load->arena, node->text, strlen(node->text));
	if (!slash)
		return fw_arena_print(load->arena, "%s%s", load->folder, node->text);
	return fw_arena_print(load->arena, "%s%.*s/%s", file[0] == '/' ? "" : load->folder,
			      size, file, node->text);
}

static int param_index(const struct lichen_class *class, const char *key, uint32_t *index)
{
	for (uint32_t i = 0; i < class->params.count; i++) {
		if (strcmp(fw_param(class, i)->name, key) != 0)
			continue;
		*index = i;
		return 1;
	}
	return 0;
}

static int param_is_need(const struct lichen_class *class, const char *key)
{
	for (uint32_t i = 0; i < class->needs.count; i++)
		if (fw_need(class, i)->key && strcmp(fw_need(class, i)->key, key) == 0)
			return 1;
	return 0;
}

static void param_unknown_key(struct fw_load *load, const struct fw_instance *instance,
			      const struct fw_pair *pair)
{
	const struct lichen_class *class = instance->spec.class;
	struct fw_nearest nearest = { .word = pair->key };
	char hint[FW_WHY_SIZE], brief[FW_BRIEF_SIZE];

	for (uint32_t i = 0; i < class->params.count; i++)
		fw_nearest_try(&nearest, fw_param(class, i)->name);
	for (uint32_t i = 0; i < class->needs.count; i++)
		if (fw_need(class, i)->key)
			fw_nearest_try(&nearest, fw_need(class, i)->key);
	for (uint32_t i = 0; i < PARAM_WORDS; i++)
		fw_nearest_try(&nearest, param_words[i]);
	if (instance->place == FW_PLACE_MEMORY)
		fw_nearest_try(&nearest, "size");
	fw_diag(load->diags, pair->mark, "%s %s: unknown key \"%s\"%s", instance->spec.path,
		instance->spec.id, fw_brief(pair->key, brief), fw_nearest_hint(&nearest, hint));
}

/*
 * The items of a LIST as one text, each ended by a newline; a single value is a list of
 * one.  NULL: told, or no memory.
 */
static char *param_list(struct fw_load *load, const struct fw_instance *instance,
			const struct lichen_param *param, const struct fw_node *node)
{
	const uint32_t count = node->type == FW_NODE_LIST ? node->count : 1;
	char *text = fw_arena_copy(load->arena, "", 0);

	for (uint32_t i = 0; text && i < count; i++) {
		const struct fw_node *item = node->type == FW_NODE_LIST ? node->items[i] : node;

		if (item->type == FW_NODE_SCALAR && item->text[0] &&
		    !strchr(item->text, '\n')) {
			text = fw_arena_print(load->arena, "%s%s\n", text, item->text);
			continue;
		}
		fw_diag(load->diags, item->mark, "%s %s: %s: an item is %s",
			instance->spec.path, instance->spec.id, param->name,
			item->type == FW_NODE_SCALAR ? "empty, or of several lines"
						     : fw_node_type_name(item));
		return NULL;
	}
	return text;
}

/* Types one value; 0, or -1: told, or no memory. */
static int param_value(struct fw_load *load, const struct fw_instance *instance,
		       const struct lichen_param *param, const struct fw_node *node,
		       struct fw_value *value)
{
	const struct fw_spec *spec = &instance->spec;
	char why[FW_WHY_SIZE], brief[FW_BRIEF_SIZE];
	const char *text = node->text;

	value->mark = node->mark;
	if ((param->flags & LICHEN_PARAM_LIST) && node->type != FW_NODE_MAP) {
		text = param_list(load, instance, param, node);
		if (!text)
			return -1;
	} else if (node->type != FW_NODE_SCALAR) {
		fw_diag(load->diags, node->mark, "%s %s: %s: %s, not a single value",
			spec->path, spec->id, param->name, fw_node_type_name(node));
		return -1;
	}
	value->written = text;
	if (fw_scalar_read(param, text, &value->number, why)) {
		fw_diag(load->diags, node->mark, "%s %s: %s %s: %s", spec->path, spec->id,
			param->name, text[0] ? fw_brief(text, brief) : "\"\"", why);
		return -1;
	}
	if (param->type == LICHEN_TEXT)
		value->text = fw_arena_copy(load->arena, text, strlen(text));
	else if (param->type == LICHEN_FILE)
		value->text = param_path(load, node);
	else
		return 0;
	return value->text ? 0 : -1;
}

static void param_default(struct fw_load *load, const struct fw_instance *instance,
			  const struct lichen_param *param, struct fw_value *value)
{
	const struct fw_spec *spec = &instance->spec;

	if (param->flags & LICHEN_PARAM_REQUIRED)
		fw_diag(load->diags, spec->mark, "%s %s: %s is missing (%s)", spec->path,
			spec->id, param->name, param->help);
	value->number = param->fallback;
	if ((param->type == LICHEN_TEXT || param->type == LICHEN_FILE) && param->text_fallback)
		value->text = fw_arena_copy(load->arena, param->text_fallback,
					    strlen(param->text_fallback));
}

void fw_param_bind(struct fw_load *load, struct fw_instance *instance)
{
	const struct lichen_class *class = instance->spec.class;

	for (uint32_t i = 0; i < instance->node->count; i++) {
		const struct fw_pair *pair = &instance->node->pairs[i];
		uint32_t index;

		if (param_is_word(instance, pair->key))
			continue;
		if (param_index(class, pair->key, &index))
			instance->values[index] = pair->value;
		else if (!param_is_need(class, pair->key))
			param_unknown_key(load, instance, pair);
	}
	for (uint32_t i = 0; i < class->params.count; i++) {
		const struct lichen_param *param = fw_param(class, i);
		struct fw_value *value = &instance->spec.values[i];

		/* Such a parameter could not be set, and would be printed twice. */
		if (param_is_word(instance, param->name) || param_is_need(class, param->name))
			fw_diag(load->diags, instance->spec.mark,
				"%s %s: plugin %s declares a parameter \"%s\", which is taken",
				instance->spec.path, instance->spec.id,
				ld_plugin_info(instance->spec.plugin)->name, param->name);
		else if (instance->values[i])
			instance->bad[i] = param_value(load, instance, param,
						       instance->values[i], value) != 0;
		else
			param_default(load, instance, param, value);
	}
}

void fw_param_bind_all(struct fw_load *load)
{
	for (uint32_t i = load->from; i < load->p->instance_count; i++) {
		struct fw_instance *instance = load->p->instances[i];

		if (instance->spec.class && instance->spec.id)
			fw_param_bind(load, instance);
	}
}
