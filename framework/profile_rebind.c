/* SPDX-License-Identifier: MIT */
/*
 * profile_rebind.c: an instance's entry, bound to another file of its plugin.  The tree
 * that the profile was read into is still there, so that the entry is read as on the
 * first day: keys, values and ties are what it says, not what the class of then made of
 * it.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "profile_tree.h"

struct fw_rebind {
	struct fw_instance *instance; /* the profile's */
	struct fw_instance other;     /* what it is to be; then what it was */
};

static struct fw_instance *rebind_instance(const struct fw_profile_private *p,
					   const struct fw_spec *spec)
{
	for (uint32_t i = 0; i < p->instance_count; i++)
		if (&p->instances[i]->spec == spec)
			return p->instances[i];
	return NULL;
}

void fw_rebound_clear(struct fw_spec *spec)
{
	struct fw_arena *arena = spec->own;

	if (!arena)
		return;
	spec->own = NULL;
	fw_arena_clear(arena);
	free(arena);
}

/* The file that the entry pins must be this one; 0, or -1: told. */
static int rebind_pin(struct fw_load *load, const struct fw_instance *fresh)
{
	const struct fw_spec *spec = &fresh->spec;
	const struct ld_info *info = ld_plugin_info(spec->plugin);

	if (!fresh->pin || strcmp(fresh->pin, info->hash) == 0)
		return 0;
	fw_diag(load->diags, spec->mark, "%s %s: sha256 pins another %s.so than the one of %s",
		spec->path, spec->id, info->name, info->hash);
	return -1;
}

/* An instance that stands in the entry of this one stays what it is. */
static void rebind_nested(struct fw_load *load, struct fw_instance *fresh)
{
	const struct fw_profile_private *p = load->p;
	const struct lichen_class *class = fresh->spec.class;

	for (uint32_t i = 0; i < class->needs.count; i++) {
		const char *key = fw_need(class, i)->key;
		const struct fw_node *node = key ? fw_node_get(fresh->node, key) : NULL;

		for (uint32_t k = 0; node && k < p->instance_count; k++)
			if (p->instances[k]->parent == fresh->twin &&
			    p->instances[k]->node == node)
				fresh->nested[i] = p->instances[k];
		if (node && node->type == FW_NODE_MAP && !fresh->nested[i])
			fw_diag(load->diags, node->mark,
				"%s %s: %s: an instance of its own, which a reload does not "
				"make",
				fresh->spec.path, fresh->spec.id, key);
	}
}

/* Providers are there before those who need them, and go after them: this order stays. */
static void rebind_order(struct fw_load *load, const struct fw_instance *fresh)
{
	const struct fw_spec *spec = &fresh->spec;

	for (uint32_t i = 0; i < spec->class->needs.count; i++)
		for (uint32_t k = 0; k < spec->ties[i].count; k++) {
			const struct fw_spec *provider = spec->ties[i].providers[k];

			if (provider->index < spec->index)
				continue;
			fw_diag(load->diags, spec->ties[i].mark,
				"%s %s: needs %s of %s, which was made after it", spec->path,
				spec->id, fw_need(spec->class, i)->id, provider->id);
		}
}

/* The old FILE that is written in the same place of the text; NULL: none. */
static const struct fw_value *rebind_file(const struct fw_spec *old,
					  const struct fw_value *value)
{
	for (uint32_t i = 0; i < old->class->params.count; i++)
		if (fw_param(old->class, i)->type == LICHEN_FILE && old->values[i].text &&
		    old->values[i].written == value->written)
			return &old->values[i];
	return NULL;
}

/*
 * The current folder may be another by now, and a file may have been given: both are what
 * they were where the text is.
 */
static void rebind_files(struct fw_load *load, struct fw_instance *fresh)
{
	for (uint32_t i = 0; i < fresh->spec.class->params.count; i++) {
		struct fw_value *value = &fresh->spec.values[i];
		const struct fw_value *old = NULL;

		if (fw_param(fresh->spec.class, i)->type == LICHEN_FILE && value->written)
			old = rebind_file(&fresh->twin->spec, value);
		if (!old)
			continue;
		value->text = fw_arena_copy(load->arena, old->text, strlen(old->text));
		if (!old->given)
			continue;
		value->given = fcntl(old->given, F_DUPFD_CLOEXEC, 3);
		if (value->given >= 0)
			continue;
		value->given = 0;
		fw_diag(load->diags, value->mark, "%s %s: %s: the descriptor cannot be kept",
			fresh->spec.path, fresh->spec.id, value->written);
	}
}

static void rebind_bind(struct fw_load *load, struct fw_instance *fresh)
{
	if (rebind_pin(load, fresh) || fw_instance_room(load, fresh))
		return;
	fw_param_bind(load, fresh);
	rebind_nested(load, fresh);
	if (load->arena->failed)
		return;
	rebind_files(load, fresh);
	fw_tie_instance(load, fresh);
	if (!load->arena->failed)
		rebind_order(load, fresh);
}

lichen_status fw_rebind_make(struct fw_profile *profile, const struct fw_spec *spec,
			     struct ld_plugin *plugin, struct fw_rebind **made,
			     struct fw_diags *diags)
{
	struct fw_profile_private *p = profile->private_;
	const uint64_t told = (uint64_t)diags->count + diags->more;
	const uint32_t lost = diags->lost;
	struct fw_rebind *rebind = calloc(1, sizeof(*rebind));
	struct fw_arena *arena = calloc(1, sizeof(*arena));
	struct fw_load load = { .p = p, .diags = diags, .arena = arena };
	lichen_status status = 0;

	if (!rebind || !arena) {
		free(rebind);
		free(arena);
		return -LICHEN_ENOMEM;
	}
	rebind->instance = rebind_instance(p, spec);
	rebind->other = *rebind->instance;
	rebind->other.twin = rebind->instance;
	rebind->other.spec.values = NULL;
	rebind->other.spec.ties = NULL;
	rebind->other.spec.own = arena;
	rebind->other.spec.plugin = ld_share(plugin);
	rebind->other.spec.class = ld_plugin_class(plugin);
	load.folder = fw_profile_folder(arena);
	if (load.folder)
		rebind_bind(&load, &rebind->other);
	if (arena->failed || diags->lost != lost)
		status = -LICHEN_ENOMEM;
	else if ((uint64_t)diags->count + diags->more != told)
		status = -LICHEN_EINVAL;
	if (status < 0)
		(void)fw_rebind_free(rebind, NULL);
	else
		*made = rebind;
	return status;
}

struct fw_spec *fw_rebind_spec(struct fw_rebind *rebind)
{
	return &rebind->other.spec;
}

void fw_rebind_swap(struct fw_rebind *rebind)
{
	const struct fw_instance was = *rebind->instance;

	rebind->instance->spec = rebind->other.spec;
	rebind->instance->nested = rebind->other.nested;
	rebind->instance->values = rebind->other.values;
	rebind->instance->bad = rebind->other.bad;
	rebind->other = was;
}

lichen_status fw_rebind_free(struct fw_rebind *rebind, struct ld_error *why)
{
	lichen_status status;

	if (!rebind)
		return 0;
	status = fw_instance_close(&rebind->other, why);
	if (!rebind->other.spec.stuck)
		free(rebind);
	return status;
}
