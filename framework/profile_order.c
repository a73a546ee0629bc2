/* SPDX-License-Identifier: MIT */
/*
 * profile_order.c: ties needs to providers, and orders instances so that
 * providers come before those who need them; where nothing else decides, in the
 * order of the text: memory, backends, devices, boot, symbiotic.
 */
#include <stdlib.h>
#include <string.h>

#include "profile_tree.h"

enum { NAMED_MAX = 8 }; /* instances that one sentence names */

static struct fw_instance *tie_instance(const struct fw_load *load, const struct fw_spec *spec)
{
	for (uint32_t i = 0; i < load->p->instance_count; i++)
		if (&load->p->instances[i]->spec == spec)
			return load->p->instances[i];
	return NULL;
}

static int tie_provides(const struct fw_instance *instance, const char *id)
{
	const struct lichen_class *class = instance->spec.class;
	const struct lichen_provide *provides = class ? class->provides.items : NULL;

	for (uint32_t i = 0; class && i < class->provides.count; i++)
		if (strcmp(provides[i].id, id) == 0)
			return 1;
	return 0;
}

static void tie_set(struct fw_load *load, struct fw_tie *tie, struct fw_instance *provider)
{
	tie->providers = fw_arena_get(load->arena, sizeof(struct fw_spec *));
	if (!tie->providers)
		return;
	tie->providers[0] = &provider->spec;
	tie->count = 1;
}

/* Every instance but the consumer that provides the need's interface; room for more
 * where it is MANY. */
static void tie_all(struct fw_load *load, const struct fw_instance *consumer,
		    const struct lichen_need *need, struct fw_tie *tie)
{
	const struct fw_profile_private *p = load->p;

	const uint32_t room =
		need->flags & LICHEN_NEED_MANY ? FW_INSTANCES_MAX : p->instance_count;

	tie->providers = fw_arena_get(load->arena, room * sizeof(struct fw_spec *));
	for (uint32_t i = 0; tie->providers && i < p->instance_count; i++)
		if (p->instances[i] != consumer && p->instances[i] != consumer->twin &&
		    tie_provides(p->instances[i], need->id))
			tie->providers[tie->count++] = &p->instances[i]->spec;
}

static void tie_several(struct fw_load *load, const struct fw_instance *consumer,
			const struct lichen_need *need, const struct fw_tie *tie)
{
	char names[NAMED_MAX * (FW_ID_SIZE + 8) + 32];
	size_t used = 0;

	for (uint32_t i = 0; i < tie->count && i < NAMED_MAX; i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
					 i ? ", " : "", tie->providers[i]->id);
	if (tie->count > NAMED_MAX)
		(void)snprintf(names + used, sizeof(names) - used, " and %u more",
			       tie->count - NAMED_MAX);
	fw_diag(load->diags, tie->mark, "%s %s: needs one provider of %s, and there are %u: %s",
		consumer->spec.path, consumer->spec.id, need->id, tie->count, names);
}

/* A need that the entry does not speak of. */
static void tie_open(struct fw_load *load, const struct fw_instance *consumer,
		     const struct lichen_need *need, struct fw_tie *tie)
{
	tie_all(load, consumer, need, tie);
	if (tie->count > 1 && !(need->flags & LICHEN_NEED_MANY))
		tie_several(load, consumer, need, tie);
	else if (tie->count == 0 && !(need->flags & LICHEN_NEED_OPTIONAL) && !load->incomplete)
		fw_diag(load->diags, tie->mark, "%s %s: needs %s, which no instance provides",
			consumer->spec.path, consumer->spec.id, need->id);
}

/* The instance that the scalar names; NULL: told. */
static struct fw_instance *tie_named(struct fw_load *load, const struct fw_instance *consumer,
				     const struct lichen_need *need, const struct fw_node *node)
{
	struct fw_nearest nearest = { .word = node->text };
	char hint[FW_WHY_SIZE], brief[FW_BRIEF_SIZE];

	for (uint32_t i = 0; i < load->p->instance_count; i++) {
		struct fw_instance *instance = load->p->instances[i];

		if (strcmp(instance->spec.id, node->text) == 0)
			return instance;
		if (tie_provides(instance, need->id))
			fw_nearest_try(&nearest, instance->spec.id);
	}
	if (!load->incomplete || nearest.best)
		fw_diag(load->diags, node->mark, "%s %s: %s: no instance has the id \"%s\"%s",
			consumer->spec.path, consumer->spec.id, need->key,
			fw_brief(node->text, brief), fw_nearest_hint(&nearest, hint));
	return NULL;
}

static void tie_key(struct fw_load *load, const struct fw_instance *consumer,
		    const struct lichen_need *need, struct fw_tie *tie,
		    struct fw_instance *nested)
{
	const struct fw_node *node = fw_node_get(consumer->node, need->key);
	const struct fw_spec *spec = &consumer->spec;
	struct fw_instance *provider = nested;

	if (!node) {
		if (!(need->flags & LICHEN_NEED_OPTIONAL))
			fw_diag(load->diags, tie->mark, "%s %s: %s is missing (%s)", spec->path,
				spec->id, need->key, need->help);
		return;
	}
	tie->mark = node->mark;
	if (node->type == FW_NODE_LIST) {
		fw_diag(load->diags, node->mark,
			"%s %s: %s: a list, not an id or a mapping with plugin: in it",
			spec->path, spec->id, need->key);
		return;
	}
	if (node->type == FW_NODE_SCALAR)
		provider = tie_named(load, consumer, need, node);
	if (!provider || !provider->spec.class)
		return; /* told */
	if (!tie_provides(provider, need->id))
		fw_diag(load->diags, node->mark, "%s %s: %s %s: plugin %s does not provide %s",
			spec->path, spec->id, need->key, provider->spec.id,
			ld_plugin_info(provider->spec.plugin)->name, need->id);
	else
		tie_set(load, tie, provider);
}

void fw_tie_instance(struct fw_load *load, struct fw_instance *instance)
{
	const struct lichen_class *class = instance->spec.class;

	for (uint32_t i = 0; i < class->needs.count; i++) {
		const struct lichen_need *need = fw_need(class, i);
		struct fw_tie *tie = &instance->spec.ties[i];

		tie->mark = instance->spec.mark;
		if (need->key)
			tie_key(load, instance, need, tie, instance->nested[i]);
		else
			tie_open(load, instance, need, tie);
	}
}

void fw_tie_all(struct fw_load *load)
{
	for (uint32_t i = load->from; i < load->p->instance_count; i++)
		if (load->p->instances[i]->spec.class)
			fw_tie_instance(load, load->p->instances[i]);
}

static int tie_is_many(const struct lichen_need *need)
{
	return (need->flags & LICHEN_NEED_MANY) && !need->key;
}

void fw_tie_many(struct fw_load *load)
{
	for (uint32_t i = 0; i < load->from; i++) {
		struct fw_spec *spec = &load->p->instances[i]->spec;

		for (uint32_t j = 0; j < spec->class->needs.count; j++) {
			const struct lichen_need *need = fw_need(spec->class, j);
			struct fw_tie *tie = &spec->ties[j];

			for (uint32_t k = load->from; k < load->p->instance_count; k++)
				if (tie_is_many(need) &&
				    tie_provides(load->p->instances[k], need->id))
					tie->providers[tie->count++] =
						&load->p->instances[k]->spec;
		}
	}
}

void fw_untie_many(struct fw_profile_private *p, const struct fw_spec *provider)
{
	for (uint32_t i = 0; i < p->instance_count; i++) {
		struct fw_spec *spec = &p->instances[i]->spec;

		for (uint32_t j = 0; spec->class && j < spec->class->needs.count; j++) {
			struct fw_tie *tie = &spec->ties[j];
			uint32_t kept = 0;

			if (!tie_is_many(fw_need(spec->class, j)))
				continue;
			for (uint32_t k = 0; k < tie->count; k++)
				if (tie->providers[k] != provider)
					tie->providers[kept++] = tie->providers[k];
			tie->count = kept;
		}
	}
}

/* How many of the instance's ties lead to `provider`. */
static uint32_t order_ties_to(const struct fw_instance *instance,
			      const struct fw_spec *provider)
{
	const struct lichen_class *class = instance->spec.class;
	uint32_t count = 0;

	for (uint32_t i = 0; class && i < class->needs.count; i++)
		for (uint32_t j = 0; j < instance->spec.ties[i].count; j++)
			count += instance->spec.ties[i].providers[j] == provider;
	return count;
}

static void order_place(struct fw_load *load, struct fw_instance *instance)
{
	struct fw_profile *profile = &load->p->profile;

	instance->placed = 1;
	instance->spec.index = profile->count;
	profile->specs[profile->count++] = &instance->spec;
	for (uint32_t i = 0; i < load->p->instance_count; i++)
		load->p->instances[i]->waiting -=
			order_ties_to(load->p->instances[i], &instance->spec);
}

/* A provider without a place, and the tie that leads to it. */
static struct fw_instance *order_blocker(const struct fw_load *load,
					 const struct fw_instance *instance, uint32_t *need)
{
	const struct lichen_class *class = instance->spec.class;

	for (uint32_t i = 0; class && i < class->needs.count; i++) {
		for (uint32_t j = 0; j < instance->spec.ties[i].count; j++) {
			struct fw_instance *provider =
				tie_instance(load, instance->spec.ties[i].providers[j]);

			if (provider && !provider->placed) {
				*need = i;
				return provider;
			}
		}
	}
	return NULL;
}

/* Tells of the circle that `first` is in, and places its members so that the work goes on. */
static void order_tell_circle(struct fw_load *load, struct fw_instance *first)
{
	char text[NAMED_MAX * 512 + 64];
	struct fw_instance *instance = first, *next;
	const struct fw_mark *mark = NULL;
	size_t used = 0;
	uint32_t need = 0, length = 0;

	do {
		next = order_blocker(load, instance, &need);
		if (!next)
			return;
		if (!mark)
			mark = &instance->spec.ties[need].mark;
		if (length++ < NAMED_MAX)
			used += (size_t)snprintf(text + used, sizeof(text) - used,
						 "%s%s needs %.64s of %s at %.256s:%u:%u",
						 length > 1 ? ", " : "", instance->spec.id,
						 fw_need(instance->spec.class, need)->id,
						 next->spec.id,
						 instance->spec.ties[need].mark.file
							 ? instance->spec.ties[need].mark.file
							 : "",
						 instance->spec.ties[need].mark.line,
						 instance->spec.ties[need].mark.column);
		instance = next;
	} while (instance != first);
	if (length > NAMED_MAX)
		(void)snprintf(text + used, sizeof(text) - used, ", and so on through %u more",
			       length - NAMED_MAX);
	fw_diag(load->diags, *mark, "%s %s: needs itself in a circle: %s", first->spec.path,
		first->spec.id, text);
	do {
		next = order_blocker(load, instance, &need);
		order_place(load, instance);
		instance = next;
	} while (instance && instance != first && !instance->placed);
}

/* From one that waits, along what it waits for, until an instance comes up again. */
static struct fw_instance *order_find_circle(struct fw_load *load, struct fw_instance *from)
{
	struct fw_instance *instance = from;
	uint32_t need;

	for (uint32_t i = 0; i < load->p->instance_count; i++)
		load->p->instances[i]->visited = 0;
	while (instance && !instance->visited) {
		instance->visited = 1;
		instance = order_blocker(load, instance, &need);
	}
	return instance;
}

/* The first by text that waits for nobody; else the first that waits. */
static struct fw_instance *order_next(const struct fw_load *load)
{
	struct fw_instance *stuck = NULL;

	for (uint32_t i = 0; i < load->p->instance_count; i++) {
		struct fw_instance *instance = load->p->instances[i];

		if (instance->placed)
			continue;
		if (instance->waiting == 0)
			return instance;
		if (!stuck)
			stuck = instance;
	}
	return stuck;
}

static int order_compare(const void *a, const void *b)
{
	const struct fw_spec *const *one = a, *const *other = b;

	return ((*one)->index > (*other)->index) - ((*one)->index < (*other)->index);
}

static void order_ties(struct fw_spec *spec)
{
	for (uint32_t i = 0; spec->class && i < spec->class->needs.count; i++)
		if (spec->ties[i].count > 1)
			qsort(spec->ties[i].providers, spec->ties[i].count,
			      sizeof(struct fw_spec *), order_compare);
}

void fw_order(struct fw_load *load)
{
	struct fw_profile_private *p = load->p;
	struct fw_profile *profile = &p->profile;
	struct fw_instance *instance;

	profile->count = 0;
	for (uint32_t i = 0; i < p->instance_count; i++)
		p->instances[i]->placed = p->instances[i]->waiting = 0;
	for (uint32_t i = 0; i < p->instance_count; i++)
		for (uint32_t j = 0; j < p->instance_count; j++)
			p->instances[i]->waiting +=
				order_ties_to(p->instances[i], &p->instances[j]->spec);
	/* Each round places at least one. */
	while ((instance = order_next(load))) {
		if (instance->waiting) {
			instance = order_find_circle(load, instance);
			if (!instance)
				return;
			order_tell_circle(load, instance);
		} else {
			order_place(load, instance);
		}
	}
	for (uint32_t i = 0; i < profile->count; i++)
		order_ties(profile->specs[i]);
	profile->memory = p->memory ? &p->memory->spec : NULL;
	profile->boot = p->boot ? &p->boot->spec : NULL;
}
