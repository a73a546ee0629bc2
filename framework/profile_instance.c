/* SPDX-License-Identifier: MIT */
/* profile_instance.c: one instance: its plugin, its id, and what is nested in it. */
#include <string.h>
#include <unistd.h>

#include "profile_tree.h"

static int instance_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

int fw_id_valid(const char *text)
{
	size_t size = 0;

	for (; text[size]; size++)
		if (!instance_letter(text[size]) &&
		    (size == 0 || (text[size] != '-' && text[size] != '_')))
			return 0;
	return size > 0 && size < FW_ID_SIZE;
}

/* The text under `key`; NULL: absent, or told. */
static const char *instance_text(struct fw_load *load, const struct fw_instance *instance,
				 const char *key)
{
	const struct fw_node *node = fw_node_get(instance->node, key);

	if (node && node->type != FW_NODE_SCALAR)
		fw_diag(load->diags, node->mark, "%s: %s: %s, not a single value",
			instance->spec.path, key, fw_node_type_name(node));
	return fw_node_text(node);
}

/* `sha256:` as the loader takes it: 64 digits in lower case; NULL: none, or told. */
static const char *instance_pin(struct fw_load *load, const struct fw_instance *instance)
{
	const char *text = instance_text(load, instance, "sha256");
	const char *digits = text;
	char brief[FW_BRIEF_SIZE];
	char *pin;

	if (!text)
		return NULL;
	if (strncmp(text, "sha256:", 7) == 0)
		digits += 7;
	if (strlen(digits) != LD_HASH_TEXT_SIZE - 1 ||
	    strspn(digits, "0123456789abcdefABCDEF") != LD_HASH_TEXT_SIZE - 1) {
		fw_diag(load->diags, fw_node_get(instance->node, "sha256")->mark,
			"%s: sha256 %s: not 64 hexadecimal digits", instance->spec.path,
			text[0] ? fw_brief(text, brief) : "\"\"");
		return NULL;
	}
	pin = fw_arena_copy(load->arena, digits, LD_HASH_TEXT_SIZE - 1);
	for (char *c = pin; c && *c; c++)
		if (*c >= 'A' && *c <= 'F')
			*c = (char)(*c - 'A' + 'a');
	return pin;
}

static void instance_take_id(struct fw_load *load, struct fw_instance *instance)
{
	const char *id = instance_text(load, instance, "id");
	char brief[FW_BRIEF_SIZE];

	if (id && !fw_id_valid(id))
		fw_diag(load->diags, fw_node_get(instance->node, "id")->mark,
			"%s: id \"%s\": not a letter or digit and up to %d more of them, - and "
			"_",
			instance->spec.path, fw_brief(id, brief), FW_ID_SIZE - 2);
	else
		instance->id_given = id;
}

/* 1: one of those on offer is meant; opened->plugin is a use of it. */
static int instance_open_offer(const struct fw_load *load, struct fw_opened *opened)
{
	for (const struct fw_offer *at = load->offers; at; at = at->next) {
		const struct ld_info *info = ld_plugin_info(at->plugin);

		if (strcmp(info->name, opened->name) != 0 ||
		    (opened->pin && strcmp(info->hash, opened->pin) != 0))
			continue;
		opened->plugin = ld_share(at->plugin);
		return 1;
	}
	return 0;
}

/* The plugin, opened once for all instances of the load that name it with this pin. */
static const struct fw_opened *instance_open(struct fw_load *load, const char *name,
					     const char *pin)
{
	struct fw_opened *opened;
	struct ld_error error = { "" };

	for (uint32_t i = 0; i < load->opened_count; i++) {
		opened = &load->opened[i];
		if (strcmp(opened->name, name) == 0 &&
		    (pin ? opened->pin && strcmp(opened->pin, pin) == 0 : !opened->pin))
			return opened;
	}
	/* One an instance at most, so there is room. */
	opened = &load->opened[load->opened_count++];
	opened->name = name;
	opened->pin = pin;
	if (!instance_open_offer(load, opened))
		opened->status =
			ld_open(load->options->plugins, name, pin, &opened->plugin, &error);
	if (opened->status < 0)
		opened->plugin = NULL;
	if (opened->status == -LICHEN_ENOMEM)
		load->arena->failed = 1;
	opened->why = fw_arena_copy(load->arena, error.text, strlen(error.text));
	return opened->why ? opened : NULL;
}

static void instance_not_opened(struct fw_load *load, const struct fw_instance *instance,
				struct fw_mark mark, const struct fw_opened *opened)
{
	char buffer[LICHEN_NAME_SIZE];
	const char *nearest = NULL;

	if (opened->status == -LICHEN_ENOENT) {
		nearest = ld_nearest(load->options->plugins, opened->name, buffer);
		fw_diag(load->diags, mark, "%s: plugin %s: not found%s%s%s",
			instance->spec.path, opened->name, nearest ? ", did you mean \"" : "",
			nearest ? nearest : "", nearest ? "\"" : "");
	} else {
		fw_diag(load->diags, mark, "%s: %s", instance->spec.path,
			opened->why[0] ? opened->why : "the plugin does not open");
	}
}

static int instance_kind_fits(enum fw_place place, uint32_t kind)
{
	switch (place) {
	case FW_PLACE_MEMORY:
		return kind == LICHEN_KIND_MEMORY;
	case FW_PLACE_BOOT:
		return kind == LICHEN_KIND_BOOT;
	case FW_PLACE_BACKENDS:
		return kind == LICHEN_KIND_BACKEND;
	case FW_PLACE_DEVICES:
		return kind == LICHEN_KIND_DEVICE;
	case FW_PLACE_SYMBIOTIC:
		return kind == LICHEN_KIND_SYMBIOTIC;
	case FW_PLACE_NESTED:
		return kind == LICHEN_KIND_DEVICE || kind == LICHEN_KIND_BACKEND;
	}
	return 0;
}

static const char *instance_kind_wanted(enum fw_place place)
{
	switch (place) {
	case FW_PLACE_MEMORY:
		return "a memory plugin";
	case FW_PLACE_BOOT:
		return "a boot plugin";
	case FW_PLACE_BACKENDS:
		return "a backend";
	case FW_PLACE_DEVICES:
		return "a device";
	case FW_PLACE_SYMBIOTIC:
		return "a symbiotic plugin";
	case FW_PLACE_NESTED:
		break;
	}
	return "a backend or a device";
}

static int instance_plugin_name_valid(const char *name)
{
	size_t size = strlen(name);

	return size > 0 && size < LICHEN_NAME_SIZE &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == size;
}

/* 0: the class is there; -1: told. */
static int instance_take_plugin(struct fw_load *load, struct fw_instance *instance)
{
	struct fw_spec *spec = &instance->spec;
	const struct fw_node *node = fw_node_get(instance->node, "plugin");
	const char *name = instance_text(load, instance, "plugin");
	struct fw_mark mark = node ? node->mark : spec->mark;
	const struct fw_opened *opened;
	char brief[FW_BRIEF_SIZE];

	if (!node && instance->place == FW_PLACE_MEMORY)
		name = "anon";
	if (!node && !name)
		fw_diag(load->diags, mark, "%s: plugin is missing", spec->path);
	if (name && !instance_plugin_name_valid(name)) {
		fw_diag(load->diags, mark, "%s: plugin \"%s\": not the name of a plugin",
			spec->path, fw_brief(name, brief));
		name = NULL;
	}
	opened = name ? instance_open(load, name, instance->pin) : NULL;
	if (!opened)
		return -1;
	if (!opened->plugin) {
		instance_not_opened(load, instance, mark, opened);
		return -1;
	}
	spec->kind = ld_plugin_info(opened->plugin)->kind;
	if (!instance_kind_fits(instance->place, spec->kind)) {
		fw_diag(load->diags, mark,
			"%s: plugin %s: its kind is %s, but %s is wanted here", spec->path,
			name, ld_kind_name(spec->kind), instance_kind_wanted(instance->place));
		return -1;
	}
	spec->plugin = ld_share(opened->plugin);
	spec->class = ld_plugin_class(opened->plugin);
	return 0;
}

void fw_load_close(struct fw_load *load)
{
	/* One that stays mapped is no fault of the profile's; who cares asks the loader. */
	while (load->opened_count)
		if (load->opened[--load->opened_count].plugin)
			(void)ld_close(load->opened[load->opened_count].plugin, NULL);
}

lichen_status fw_instance_close(struct fw_instance *instance, struct ld_error *why)
{
	struct fw_spec *spec = &instance->spec;
	lichen_status status = 0;

	for (uint32_t i = 0;
	     spec->class && spec->values && !spec->stuck && i < spec->class->params.count; i++)
		if (spec->values[i].given > 0)
			(void)close(spec->values[i].given);
	if (spec->plugin && spec->stuck) {
		ld_error_set(why, "%s: pinned: a thread of %s has not ended",
			     ld_plugin_info(spec->plugin)->file, spec->id);
		return -LICHEN_EBUSY;
	}
	if (spec->plugin)
		status = ld_close(spec->plugin, why);
	spec->plugin = NULL;
	spec->class = NULL;
	fw_rebound_clear(spec);
	return status;
}

int fw_instance_room(struct fw_load *load, struct fw_instance *instance)
{
	const struct lichen_class *class = instance->spec.class;
	struct fw_arena *arena = load->arena;

	instance->spec.values =
		fw_arena_get(arena, class->params.count * sizeof(*instance->spec.values));
	instance->spec.ties =
		fw_arena_get(arena, class->needs.count * sizeof(*instance->spec.ties));
	instance->nested = fw_arena_get(arena, class->needs.count * sizeof(*instance->nested));
	instance->values = fw_arena_get(arena, class->params.count * sizeof(*instance->values));
	instance->bad = fw_arena_get(arena, class->params.count);
	return instance->spec.values && instance->spec.ties && instance->nested &&
			       instance->values && instance->bad
		       ? 0
		       : -1;
}

static void instance_add_nested(struct fw_load *load, struct fw_instance *instance)
{
	const struct lichen_class *class = instance->spec.class;

	for (uint32_t i = 0; i < class->needs.count; i++) {
		const char *key = fw_need(class, i)->key;
		struct fw_node *node = key ? fw_node_get(instance->node, key) : NULL;
		char *path;

		if (!node || node->type != FW_NODE_MAP)
			continue;
		path = fw_arena_print(load->arena, "%s.%s", instance->spec.path, key);
		if (path)
			instance->nested[i] =
				fw_instance_add(load, node, FW_PLACE_NESTED, path, instance);
	}
}

struct fw_instance *fw_instance_add(struct fw_load *load, struct fw_node *node,
				    enum fw_place place, const char *path,
				    struct fw_instance *parent)
{
	struct fw_profile_private *p = load->p;
	struct fw_instance *instance;

	if (node->type != FW_NODE_MAP) {
		fw_diag(load->diags, node->mark, "%s: %s, not a mapping with plugin: in it",
			path, fw_node_type_name(node));
		load->incomplete = 1;
		return NULL;
	}
	if (p->instance_count == FW_INSTANCES_MAX) {
		if (!p->full)
			fw_diag(load->diags, node->mark, "%s: more than %d instances", path,
				FW_INSTANCES_MAX);
		p->full = load->incomplete = 1;
		return NULL;
	}
	instance = fw_arena_get(load->arena, sizeof(*instance));
	if (!instance)
		return NULL;
	instance->place = place;
	instance->parent = parent;
	instance->extension = load->extension;
	instance->node = node;
	instance->spec.mark = node->mark;
	instance->spec.path = fw_arena_copy(load->arena, path, strlen(path));
	if (!instance->spec.path)
		return NULL;
	p->instances[p->instance_count++] = instance;
	instance->pin = instance_pin(load, instance);
	instance_take_id(load, instance);
	if (instance_take_plugin(load, instance)) {
		load->incomplete = 1;
		return instance;
	}
	if (fw_instance_room(load, instance)) {
		instance->spec.class = NULL;
		return instance;
	}
	instance_add_nested(load, instance);
	return instance;
}

static const struct fw_instance *instance_of_id(const struct fw_load *load, const char *id)
{
	for (uint32_t i = 0; i < load->p->instance_count; i++) {
		const struct fw_instance *instance = load->p->instances[i];

		if (instance->spec.id && strcmp(instance->spec.id, id) == 0)
			return instance;
	}
	return NULL;
}

static void instance_name_given(struct fw_load *load, struct fw_instance *instance)
{
	const struct fw_instance *first;

	if (!instance->id_given)
		return;
	first = instance_of_id(load, instance->id_given);
	if (first)
		fw_diag(load->diags, fw_node_get(instance->node, "id")->mark,
			"%s: id %s is taken by %s at %s:%u:%u", instance->spec.path,
			instance->id_given, first->spec.path, first->spec.mark.file,
			first->spec.mark.line, first->spec.mark.column);
	else
		instance->spec.id = fw_arena_copy(load->arena, instance->id_given,
						  strlen(instance->id_given));
}

/* The id from joining where it is free, so that --set and errors use one word. */
static void instance_name_default(struct fw_load *load, struct fw_instance *instance)
{
	const char *plugin = "instance";
	const char *id = instance->node->id;

	if (instance->spec.id)
		return;
	if (instance->spec.plugin)
		plugin = ld_plugin_info(instance->spec.plugin)->name;
	if (!id || instance->id_given || fw_node_get(instance->node, "id") || !fw_id_valid(id))
		id = plugin;
	/* Each round meets another instance: at most FW_INSTANCES_MAX. */
	for (uint32_t n = 2; id && instance_of_id(load, id); n++)
		id = fw_arena_print(load->arena, "%s-%u", plugin, n);
	if (id)
		instance->spec.id = fw_arena_copy(load->arena, id, strlen(id));
}

void fw_instance_name_all(struct fw_load *load)
{
	struct fw_profile_private *p = load->p;

	for (uint32_t i = load->from; i < p->instance_count; i++)
		instance_name_given(load, p->instances[i]);
	for (uint32_t i = load->from; i < p->instance_count; i++)
		instance_name_default(load, p->instances[i]);
}
