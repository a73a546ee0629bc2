/* SPDX-License-Identifier: MIT */
/*
 * profile_extend.c: instances that join a profile which is in use, and leave it.
 *
 * What comes in one go, an entry and what is nested in it, has an arena of its own
 * and goes in one go, so that a VM may change for ever without growing.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profile_tree.h"

struct fw_extension {
	struct fw_arena arena;
};

enum { EXTEND_NAMED_MAX = 8 }; /* needs that one sentence names */

void fw_extension_free(struct fw_extension *extension)
{
	fw_arena_clear(&extension->arena);
	free(extension);
}

static struct fw_instance *extend_instance(struct fw_spec *spec)
{
	return (struct fw_instance *)spec;
}

static const struct fw_instance *extend_instance_of(const struct fw_spec *spec)
{
	return (const struct fw_instance *)spec;
}

/* --- joining --- */

static int extend_place(const char *section, enum fw_place *place)
{
	if (strcmp(section, "devices") == 0)
		*place = FW_PLACE_DEVICES;
	else if (strcmp(section, "backends") == 0)
		*place = FW_PLACE_BACKENDS;
	else if (strcmp(section, "symbiotic") == 0)
		*place = FW_PLACE_SYMBIOTIC;
	else
		return -1;
	return 0;
}

/* 1: the parameter is a FILE that the entry writes as `given->path`. */
static int extend_means(const struct fw_spec *spec, uint32_t param,
			const struct fw_given_file *given)
{
	const struct fw_value *value = &spec->values[param];

	return fw_param(spec->class, param)->type == LICHEN_FILE && value->written &&
	       strcmp(value->written, given->path) == 0;
}

/* Keeps a duplicate for each parameter that means the file; returns how many do. */
static uint32_t extend_give(struct fw_load *load, const struct fw_given_file *given)
{
	uint32_t taken = 0;

	for (uint32_t i = load->from; i < load->p->instance_count; i++) {
		const struct fw_spec *spec = &load->p->instances[i]->spec;

		for (uint32_t j = 0; spec->class && j < spec->class->params.count; j++) {
			if (!extend_means(spec, j, given) || spec->values[j].given)
				continue;
			taken++;
			/* 3 at least: 0 says that there is none. */
			spec->values[j].given = fcntl(given->descriptor, F_DUPFD_CLOEXEC, 3);
			if (spec->values[j].given >= 0)
				continue;
			spec->values[j].given = 0;
			fw_diag(load->diags, spec->values[j].mark,
				"%s %s: %s: the descriptor that came for it cannot be kept",
				spec->path, spec->id, fw_param(spec->class, j)->name);
		}
	}
	return taken;
}

static void extend_give_all(struct fw_load *load, const struct fw_extend_options *options)
{
	char brief[FW_BRIEF_SIZE];

	for (uint32_t i = 0; i < options->file_count; i++)
		if (extend_give(load, &options->files[i]) == 0 && !load->incomplete)
			fw_diag(load->diags, (struct fw_mark){ 0 },
				"%s: a descriptor came for %s, which no parameter names",
				options->origin, fw_brief(options->files[i].path, brief));
}

static struct fw_instance *extend_add(struct fw_load *load,
				      const struct fw_extend_options *options)
{
	const char *origin =
		fw_arena_copy(load->arena, options->origin, strlen(options->origin));
	struct fw_mark mark = { .file = origin, .line = 1, .column = 1 };
	enum fw_place place = FW_PLACE_DEVICES;
	struct fw_instance *instance;
	struct fw_node *node;

	if (extend_place(options->section, &place)) {
		fw_diag(load->diags, mark,
			"%s: only devices, backends and symbiotic plugins can be "
			"added to a VM",
			options->section);
		return NULL;
	}
	node = origin ? fw_yaml_parse(load, options->text, strlen(options->text), mark) : NULL;
	if (!node || load->arena->failed)
		return NULL;
	instance = fw_instance_add(load, node, place, options->section, NULL);
	if (!instance || load->arena->failed)
		return NULL;
	fw_instance_name_all(load);
	fw_param_bind_all(load);
	if (load->arena->failed)
		return NULL;
	extend_give_all(load, options);
	fw_tie_all(load);
	return instance;
}

/* Takes away the last instances down to `count`; the order is made anew. */
static void extend_undo(struct fw_load *load)
{
	struct fw_profile_private *p = load->p;

	while (p->instance_count > load->from) {
		struct fw_instance *instance = p->instances[--p->instance_count];

		fw_untie_many(p, &instance->spec);
		(void)fw_instance_close(instance, NULL);
	}
	fw_order(load); /* which it was before: nothing to tell */
}

lichen_status fw_profile_extend(struct fw_profile *profile,
				const struct fw_extend_options *options, struct fw_spec **added,
				struct fw_diags *diags)
{
	struct fw_profile_private *p = profile->private_;
	const uint64_t told = (uint64_t)diags->count + diags->more;
	const uint32_t lost = diags->lost;
	const struct fw_profile_options paths = { .plugins = options->plugins };
	struct fw_extension *extension = calloc(1, sizeof(*extension));
	struct fw_load load = { .options = &paths,
				.p = p,
				.offers = options->offers,
				.extension = extension,
				.from = p->instance_count,
				.diags = diags };
	struct fw_instance *instance = NULL;
	lichen_status status = 0;

	if (!extension)
		return -LICHEN_ENOMEM;
	load.arena = &extension->arena;
	load.folder = fw_profile_folder(load.arena);
	p->full = 0;
	if (load.folder)
		instance = extend_add(&load, options);
	fw_load_close(&load);
	if (instance && !load.arena->failed && (uint64_t)diags->count + diags->more == told) {
		fw_tie_many(&load);
		fw_clash(&load);
		fw_order(&load);
	}
	if (load.arena->failed || diags->lost != lost)
		status = -LICHEN_ENOMEM;
	else if (!instance || (uint64_t)diags->count + diags->more != told)
		status = -LICHEN_EINVAL;
	if (status < 0) {
		extend_undo(&load);
		fw_extension_free(extension);
		return status;
	}
	*added = &instance->spec;
	return 0;
}

/* --- who needs whom --- */

/* 1: `spec` is `head` or nested in it, however deep. */
static int extend_is_family(const struct fw_spec *head, const struct fw_spec *spec)
{
	const struct fw_instance *at = extend_instance_of(spec);

	while (at && &at->spec != head)
		at = at->parent;
	return at != NULL;
}

uint32_t fw_profile_family(const struct fw_profile *profile, const struct fw_spec *spec,
			   struct fw_spec **family)
{
	uint32_t count = 0;

	for (uint32_t i = profile->count; i-- > 0;)
		if (extend_is_family(spec, profile->specs[i]))
			family[count++] = profile->specs[i];
	return count;
}

/* How many providers of the tie are outside the family. */
static uint32_t extend_others(const struct fw_tie *tie, const struct fw_spec *head)
{
	uint32_t others = 0;

	for (uint32_t i = 0; i < tie->count; i++)
		others += !extend_is_family(head, tie->providers[i]);
	return others;
}

/* One who is needed, in the family, by this tie; NULL: nobody is. */
static const struct fw_spec *extend_held(const struct lichen_need *need,
					 const struct fw_tie *tie, const struct fw_spec *head)
{
	const uint32_t others = extend_others(tie, head);

	if (others == tie->count)
		return NULL;
	if ((need->flags & LICHEN_NEED_MANY) && !need->key &&
	    (others || (need->flags & LICHEN_NEED_OPTIONAL)))
		return NULL;
	for (uint32_t i = 0; i < tie->count; i++)
		if (extend_is_family(head, tie->providers[i]))
			return tie->providers[i];
	return NULL;
}

int fw_profile_needed(const struct fw_profile *profile, const struct fw_spec *spec,
		      struct ld_error *why)
{
	char names[LD_ERROR_SIZE];
	uint32_t found = 0;
	size_t used = 0;

	for (uint32_t i = 0; i < profile->count; i++) {
		const struct fw_spec *other = profile->specs[i];

		if (extend_is_family(spec, other))
			continue;
		for (uint32_t j = 0; j < other->class->needs.count; j++) {
			const struct lichen_need *need = fw_need(other->class, j);
			const struct fw_spec *held = extend_held(need, &other->ties[j], spec);
			int n;

			if (!held || found++ >= EXTEND_NAMED_MAX || used >= sizeof(names))
				continue;
			n = snprintf(names + used, sizeof(names) - used, "%s%s has %s of %s",
				     used ? ", " : "", other->id, need->id, held->id);
			used += n > 0 ? (size_t)n : 0;
		}
	}
	if (found == 0)
		return 0;
	if (found > EXTEND_NAMED_MAX)
		ld_error_set(why, "%s: is needed: %s and %u more", spec->id, names,
			     found - EXTEND_NAMED_MAX);
	else
		ld_error_set(why, "%s: is needed: %s", spec->id, names);
	return 1;
}

/* --- leaving --- */

static void extend_take_out(struct fw_profile_private *p, const struct fw_instance *instance)
{
	struct fw_profile *profile = &p->profile;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < profile->count; i++) {
		if (profile->specs[i] == &instance->spec)
			continue;
		profile->specs[kept] = profile->specs[i];
		profile->specs[kept]->index = kept;
		kept++;
	}
	profile->count = kept;
	kept = 0;
	for (uint32_t i = 0; i < p->instance_count; i++)
		if (p->instances[i] != instance)
			p->instances[kept++] = p->instances[i];
	p->instance_count = kept;
}

lichen_status fw_profile_shrink(struct fw_profile *profile, struct fw_spec *spec,
				struct ld_error *why)
{
	struct fw_profile_private *p = profile->private_;
	struct fw_extension *extension = extend_instance(spec)->extension;
	const int is_entry = !extend_instance(spec)->parent;
	struct fw_spec *family[FW_INSTANCES_MAX];
	const uint32_t count = fw_profile_family(profile, spec, family);
	lichen_status status = 0;
	uint32_t stuck = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct fw_instance *instance = extend_instance(family[i]);
		struct ld_error pinned = { "" };

		stuck |= family[i]->stuck;
		fw_untie_many(p, family[i]);
		extend_take_out(p, instance);
		if (fw_instance_close(instance, &pinned) < 0) {
			status = -LICHEN_EBUSY;
			*why = pinned;
		}
	}
	/* What is the profile's own stays in its memory, which is bounded. */
	if (extension && is_entry && !stuck)
		fw_extension_free(extension);
	return status;
}
