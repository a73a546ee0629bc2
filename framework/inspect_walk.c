/* SPDX-License-Identifier: MIT */
/* inspect_walk.c: see inspect.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "inspect.h"
#include "profile_tree.h"

static const char *const walk_paging[] = { "any", "nested", "shadow" };
static const char *const walk_policy[] = { "restart", "stop", "pause" };
static const char *const walk_registers[] = { "eax", "ebx", "ecx", "edx" };

struct walk {
	const struct fw_profile_private *p;
	const struct fw_teller *teller;
};

static void walk_open(const struct walk *walk, const char *key, int list)
{
	walk->teller->open(walk->teller->context, key, list);
}

static void walk_close(const struct walk *walk)
{
	walk->teller->close(walk->teller->context);
}

static struct fw_mark walk_mark(const struct fw_node *map, const char *key)
{
	const struct fw_node *node = fw_node_get(map, key);

	return node ? node->mark : (struct fw_mark){ 0 };
}

static void walk_text(const struct walk *walk, const char *key, const char *text,
		      struct fw_mark mark, const char *plugin)
{
	const struct fw_told told = {
		.key = key, .text = text, .type = LICHEN_TEXT, .mark = mark, .plugin = plugin
	};

	walk->teller->tell(walk->teller->context, &told);
}

static void walk_number(const struct walk *walk, const char *key, const char *text,
			uint64_t number, struct fw_mark mark)
{
	const struct fw_told told = {
		.key = key, .text = text, .type = LICHEN_U64, .number = number, .mark = mark
	};

	walk->teller->tell(walk->teller->context, &told);
}

/* A key at the top that holds text. */
static void walk_top(const struct walk *walk, const char *key, const char *text)
{
	walk_text(walk, key, text, walk_mark(walk->p->root, key), NULL);
}

static void walk_items(const struct walk *walk, const struct fw_told *told)
{
	const char *items = told->text;
	struct fw_told one = *told;
	char key[16], *item;

	walk_open(walk, told->key, 1);
	for (uint32_t i = 0; (item = fw_list_next(&items)); i++) {
		(void)snprintf(key, sizeof(key), "%" PRIu32, i);
		one.key = key;
		one.text = item;
		walk->teller->tell(walk->teller->context, &one);
		free(item);
	}
	walk_close(walk);
}

static void walk_values(const struct walk *walk, const struct fw_spec *spec)
{
	char text[FW_WHY_SIZE];

	for (uint32_t i = 0; i < spec->class->params.count; i++) {
		const struct lichen_param *param = fw_param(spec->class, i);
		const struct fw_value *value = &spec->values[i];
		struct fw_told told = { .key = param->name,
					.type = param->type,
					.number = value->number,
					.mark = value->mark,
					.plugin = ld_plugin_info(spec->plugin)->name };

		if (!fw_scalar_fits(param, value->number, value->text))
			continue;
		if (param->type == LICHEN_TEXT || param->type == LICHEN_FILE) {
			told.text = value->text;
		} else {
			fw_scalar_write(param, value->number, text);
			told.text = text;
		}
		if (param->type == LICHEN_CHOICE || param->type == LICHEN_FILE ||
		    param->unit == LICHEN_UNIT_NS)
			told.type = LICHEN_TEXT;
		if (param->flags & LICHEN_PARAM_LIST)
			walk_items(walk, &told);
		else
			walk->teller->tell(walk->teller->context, &told);
	}
}

static void walk_instance(const struct walk *walk, const char *key,
			  const struct fw_instance *instance);

static void walk_needs(const struct walk *walk, const struct fw_instance *instance)
{
	const struct fw_spec *spec = &instance->spec;

	for (uint32_t i = 0; i < spec->class->needs.count; i++) {
		const char *key = fw_need(spec->class, i)->key;

		if (!key || spec->ties[i].count == 0)
			continue;
		if (instance->nested[i])
			walk_instance(walk, key, instance->nested[i]);
		else
			walk_text(walk, key, spec->ties[i].providers[0]->id,
				  walk_mark(instance->node, key), NULL);
	}
}

static void walk_instance(const struct walk *walk, const char *key,
			  const struct fw_instance *instance)
{
	const struct fw_node *node = instance->node;
	const struct lichen_param bytes = { .type = LICHEN_U64, .unit = LICHEN_UNIT_BYTES };
	const uint64_t memory_size = walk->p->profile.memory_size;
	char size[FW_WHY_SIZE];

	walk_open(walk, key, 0);
	walk_text(walk, "plugin", ld_plugin_info(instance->spec.plugin)->name,
		  walk_mark(node, "plugin"), NULL);
	walk_text(walk, "id", instance->spec.id, walk_mark(node, "id"), NULL);
	if (instance->pin)
		walk_text(walk, "sha256", instance->pin, walk_mark(node, "sha256"), NULL);
	if (instance->place == FW_PLACE_MEMORY) {
		fw_scalar_write(&bytes, memory_size, size);
		walk_number(walk, "size", size, memory_size, walk_mark(node, "size"));
	}
	walk_values(walk, &instance->spec);
	walk_needs(walk, instance);
	walk_close(walk);
}

/* empty: 1: the list is there without entries, too. */
static void walk_list(const struct walk *walk, const char *key, enum fw_place place, int empty)
{
	int found = empty;

	if (empty)
		walk_open(walk, key, 1);
	for (uint32_t i = 0; i < walk->p->instance_count; i++) {
		const struct fw_instance *instance = walk->p->instances[i];

		if (instance->place != place)
			continue;
		if (!found++)
			walk_open(walk, key, 1);
		walk_instance(walk, instance->spec.id, instance);
	}
	if (found)
		walk_close(walk);
}

static void walk_hex(const struct walk *walk, const char *key, uint32_t value,
		     struct fw_mark mark)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "0x%" PRIx32, value);
	walk_number(walk, key, text, value, mark);
}

static void walk_masks(const struct walk *walk)
{
	const struct fw_profile *profile = &walk->p->profile;

	if (profile->mask_count == 0)
		return;
	walk_open(walk, "cpu", 0);
	walk_open(walk, "mask", 1);
	for (uint32_t i = 0; i < profile->mask_count; i++) {
		const struct fw_mask *mask = &profile->masks[i];
		char number[16];

		(void)snprintf(number, sizeof(number), "%" PRIu32, i);
		walk_open(walk, number, 0);
		walk_hex(walk, "leaf", mask->leaf, mask->mark);
		walk_hex(walk, "index", mask->index, mask->mark);
		walk_text(walk, "reg", walk_registers[mask->reg], mask->mark, NULL);
		walk_hex(walk, "and", mask->and_, mask->mark);
		walk_hex(walk, "or", mask->or_, mask->mark);
		walk_close(walk);
	}
	walk_close(walk);
	walk_close(walk);
}

void fw_profile_walk(const struct fw_profile *profile, const struct fw_teller *teller)
{
	const struct walk walk = { .p = profile->private_, .teller = teller };
	const struct fw_node *root = walk.p->root;
	char cpus[16];

	(void)snprintf(cpus, sizeof(cpus), "%" PRIu32, profile->cpus);
	walk_number(&walk, "lichen", "1", 1, walk_mark(root, "lichen"));
	walk_top(&walk, "name", profile->name);
	walk_number(&walk, "cpus", cpus, profile->cpus, walk_mark(root, "cpus"));
	walk_instance(&walk, "memory", walk.p->memory);
	walk_top(&walk, "paging", walk_paging[profile->paging]);
	walk_top(&walk, "on_reboot", walk_policy[profile->on_reboot]);
	walk_top(&walk, "on_crash", walk_policy[profile->on_crash]);
	walk_top(&walk, "on_panic", walk_policy[profile->on_panic]);
	walk_masks(&walk);
	walk_instance(&walk, "boot", walk.p->boot);
	walk_list(&walk, "backends", FW_PLACE_BACKENDS, 0);
	walk_list(&walk, "devices", FW_PLACE_DEVICES, 0);
	if (profile->symbiotic)
		walk_list(&walk, "symbiotic", FW_PLACE_SYMBIOTIC, 1);
}
