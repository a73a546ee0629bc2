/* SPDX-License-Identifier: MIT */
/*
 * profile_merge.c: puts one profile over another, and overrides over all.
 *
 * Mappings merge key by key and lists join.  In the lists of instances an entry
 * whose id is there already goes over that entry: key by key, or, when it names
 * another plugin, in its whole.  An entry without an id has its plugin's name,
 * or the first of NAME-2, NAME-3, ... that is free when its file joins.
 *
 * `--set a.b.c=value` sets one key; devices and backends are named by id.  The
 * value is YAML; mappings merge, all else replaces.
 */
#include <stdlib.h>
#include <string.h>

#include "profile_tree.h"

static void merge_map(struct fw_load *load, struct fw_node *base, struct fw_node *over);

static int merge_is_instances(const char *key)
{
	return strcmp(key, "devices") == 0 || strcmp(key, "backends") == 0 ||
	       strcmp(key, "symbiotic") == 0;
}

static struct fw_node *merge_find(const struct fw_node *list, const char *id)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (list->items[i]->id && strcmp(list->items[i]->id, id) == 0)
			return list->items[i];
	return NULL;
}

static int merge_names_other_plugin(const struct fw_node *base, const struct fw_node *over)
{
	const char *was = fw_node_text(fw_node_get(base, "plugin"));
	const char *is = fw_node_text(fw_node_get(over, "plugin"));

	return was && is && strcmp(was, is) != 0;
}

/* The value of a key that both have. */
static struct fw_node *merge_value(struct fw_load *load, struct fw_node *base,
				   struct fw_node *over)
{
	if (base->type == FW_NODE_LIST && over->type == FW_NODE_LIST) {
		for (uint32_t i = 0; i < over->count; i++)
			(void)fw_node_add_item(load, base, over->items[i]);
		return base;
	}
	/* `devices:` with nothing behind it takes nothing away. */
	if (base->type != FW_NODE_SCALAR && fw_node_empty(over))
		return base;
	if (base->type != FW_NODE_MAP || over->type != FW_NODE_MAP ||
	    merge_names_other_plugin(base, over))
		return over;
	merge_map(load, base, over);
	return base;
}

static void merge_pair(struct fw_load *load, struct fw_node *base, const struct fw_pair *over)
{
	struct fw_pair *mine = fw_node_pair(base, over->key);

	if (!mine) {
		(void)fw_node_add_pair(load, base, over->key, over->mark, over->value);
		return;
	}
	mine->value = merge_value(load, mine->value, over->value);
	mine->mark = over->mark;
}

static void merge_map(struct fw_load *load, struct fw_node *base, struct fw_node *over)
{
	for (uint32_t i = 0; i < over->count; i++)
		merge_pair(load, base, &over->pairs[i]);
}

/* A default id that neither list has. */
static const char *merge_default_id(struct fw_load *load, const struct fw_node *base,
				    const struct fw_node *list, const char *plugin)
{
	const char *id = plugin;

	/* Each round either ends or meets another entry: at most both lists' entries. */
	for (uint32_t n = 2; id && (merge_find(base, id) || merge_find(list, id)); n++)
		id = fw_arena_print(load->arena, "%s-%u", plugin, n);
	return id;
}

/*
 * Ids of the entries of one list, those given first.  An id that is given twice
 * stays with the first entry; the second is told when all instances are named.
 */
static void merge_ids(struct fw_load *load, const struct fw_node *base, struct fw_node *list)
{
	/* Those of the include that the list comes from were free among its own. */
	for (uint32_t i = 0; i < list->count; i++)
		list->items[i]->id = NULL;
	for (uint32_t i = 0; i < list->count; i++) {
		const char *id = fw_node_text(fw_node_get(list->items[i], "id"));

		if (id && !merge_find(list, id))
			list->items[i]->id = id;
	}
	for (uint32_t i = 0; i < list->count; i++) {
		struct fw_node *entry = list->items[i];
		const char *plugin = fw_node_text(fw_node_get(entry, "plugin"));

		if (plugin && !fw_node_get(entry, "id"))
			entry->id = merge_default_id(load, base, list, plugin);
	}
}

static void merge_entry(struct fw_load *load, struct fw_node *list, struct fw_node *over)
{
	struct fw_node *mine = over->id ? merge_find(list, over->id) : NULL;

	if (!mine) {
		(void)fw_node_add_item(load, list, over);
		return;
	}
	if (merge_names_other_plugin(mine, over)) {
		*mine = *over;
		return;
	}
	merge_map(load, mine, over);
}

/* The list of instances `over` joins `base`, a list. */
static void merge_instances(struct fw_load *load, const char *key, struct fw_node *base,
			    struct fw_node *over)
{
	if (over->count > FW_INSTANCES_MAX) {
		fw_diag(load->diags, over->mark, "%s: %u entries: more than %d", key,
			over->count, FW_INSTANCES_MAX);
		over->count = FW_INSTANCES_MAX;
	}
	merge_ids(load, base, over);
	for (uint32_t i = 0; i < over->count; i++)
		merge_entry(load, base, over->items[i]);
}

/* The list of instances under `key`; an empty one where there is none. */
static struct fw_node *merge_list(struct fw_load *load, struct fw_node *base,
				  const struct fw_pair *over)
{
	struct fw_pair *pair = fw_node_pair(base, over->key);
	struct fw_node *list;

	if (pair && pair->value->type == FW_NODE_LIST)
		return pair->value;
	list = fw_node_new(load, FW_NODE_LIST, over->value->mark);
	if (!list)
		return NULL;
	if (pair)
		*pair = (struct fw_pair){ over->key, over->mark, list };
	else if (fw_node_add_pair(load, base, over->key, over->mark, list))
		return NULL;
	return list;
}

void fw_merge_profile(struct fw_load *load, struct fw_node *base, struct fw_node *over)
{
	for (uint32_t i = 0; i < over->count; i++) {
		const struct fw_pair *pair = &over->pairs[i];
		struct fw_node *list;

		if (strcmp(pair->key, "include") == 0)
			continue;
		if (!merge_is_instances(pair->key) || pair->value->type != FW_NODE_LIST) {
			merge_pair(load, base, pair);
			continue;
		}
		list = merge_list(load, base, pair);
		if (list)
			merge_instances(load, pair->key, list, pair->value);
	}
}

/* One --set being applied. */
struct set {
	struct fw_load *load;
	const char *text, *value;
	struct fw_mark mark; /* of the part at hand */
};

static void set_missing(const struct set *set, const struct fw_node *list, const char *id)
{
	struct fw_nearest nearest = { .word = id };
	char hint[FW_WHY_SIZE], brief[FW_BRIEF_SIZE];

	for (uint32_t i = 0; i < list->count; i++)
		if (list->items[i]->id)
			fw_nearest_try(&nearest, list->items[i]->id);
	fw_diag(set->load->diags, set->mark, "no instance has the id \"%s\"%s",
		fw_brief(id, brief), fw_nearest_hint(&nearest, hint));
}

/* What `key` of `node` holds, made where it is missing; NULL: told, or no memory. */
static struct fw_node *set_step(const struct set *set, struct fw_node *node, const char *key)
{
	struct fw_node *next;

	if (node->type == FW_NODE_LIST) {
		next = merge_find(node, key);
		if (!next)
			set_missing(set, node, key);
		return next;
	}
	if (node->type != FW_NODE_MAP) {
		fw_diag(set->load->diags, set->mark, "key \"%s\" of what is %s, not a mapping",
			key, fw_node_type_name(node));
		return NULL;
	}
	next = fw_node_get(node, key);
	if (next && !fw_node_empty(next))
		return next;
	next = fw_node_new(set->load, FW_NODE_MAP, set->mark);
	if (next)
		merge_pair(set->load, node, &(struct fw_pair){ key, set->mark, next });
	return next;
}

static void set_value(const struct set *set, struct fw_node *node, const char *key, int top)
{
	struct fw_mark origin = set->mark;
	struct fw_pair pair = { .key = key, .mark = set->mark };
	struct fw_pair *mine;

	origin.column = (uint32_t)(set->value - set->text) + 1;
	if (node->type != FW_NODE_MAP) {
		fw_diag(set->load->diags, set->mark, "\"%s\" is a key of %s, not of a mapping",
			key, fw_node_type_name(node));
		return;
	}
	pair.value = fw_yaml_parse(set->load, set->value, strlen(set->value), origin);
	if (!pair.value)
		return;
	mine = fw_node_pair(node, key);
	if (mine && pair.value->type == FW_NODE_LIST)
		mine->value = fw_node_new(set->load, FW_NODE_LIST, origin);
	if (mine && !mine->value)
		return;
	if (top && merge_is_instances(key) && pair.value->type == FW_NODE_LIST) {
		struct fw_node *list = merge_list(set->load, node, &pair);

		if (list)
			merge_instances(set->load, key, list, pair.value);
		return;
	}
	merge_pair(set->load, node, &pair);
}

void fw_merge_set(struct fw_load *load, struct fw_node *root, const char *text, uint32_t number)
{
	struct set set = { load, text, NULL, { fw_set_file, number, 1 } };
	const char *equals = strchr(text, '=');
	struct fw_node *node = root;
	const char *from = text;

	if (!equals || equals == text || strlen(text) > FW_FILE_SIZE_MAX) {
		fw_diag(load->diags, set.mark, "an override is KEY.KEY=VALUE");
		return;
	}
	set.value = equals + 1;
	for (uint32_t depth = 0; node; depth++) {
		const char *end = from;
		char *key;

		while (end < equals && *end != '.')
			end++;
		set.mark.column = (uint32_t)(from - text) + 1;
		key = fw_arena_copy(load->arena, from, (size_t)(end - from));
		if (!key)
			return;
		if (end == from || end - from >= FW_ID_SIZE || depth >= FW_DEPTH_MAX) {
			fw_diag(load->diags, set.mark, "an override is KEY.KEY=VALUE");
			return;
		}
		if (depth == 0 && (strcmp(key, "include") == 0 || strcmp(key, "lichen") == 0)) {
			fw_diag(load->diags, set.mark, "%s cannot be overridden", key);
			return;
		}
		if (end == equals) {
			set_value(&set, node, key, depth == 0);
			return;
		}
		node = set_step(&set, node, key);
		from = end + 1;
	}
}
