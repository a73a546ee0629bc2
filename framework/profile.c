/* SPDX-License-Identifier: MIT */
/* profile.c: the life of a profile. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profile_tree.h"

const char *fw_profile_folder(struct fw_arena *arena)
{
	char *got = getcwd(NULL, 0);
	const char *folder = "";

	if (got && got[0] == '/')
		folder = fw_arena_print(arena, "%s%s", got, got[1] ? "/" : "");
	free(got);
	return folder;
}

static void profile_load(struct fw_load *load)
{
	struct fw_node *root = fw_compose(load);

	/* Without memory the tree has holes that the next step does not expect. */
	if (!root || load->arena->failed)
		return;
	load->p->root = root;
	fw_bind(load, root);
	if (!load->arena->failed)
		fw_tie_all(load);
	if (load->arena->failed)
		return;
	fw_clash(load);
	fw_order(load);
}

lichen_status fw_profile_load(const struct fw_profile_options *options,
			      struct fw_profile **profile, struct fw_diags *diags)
{
	const uint64_t told = (uint64_t)diags->count + diags->more;
	const uint32_t lost = diags->lost;
	struct fw_profile_private *p = calloc(1, sizeof(*p));
	struct fw_load load = { .options = options, .p = p, .diags = diags };
	lichen_status status = 0;

	if (!p)
		return -LICHEN_ENOMEM;
	p->profile.private_ = p;
	p->profile.specs = p->order;
	load.arena = &p->arena;
	load.folder = fw_profile_folder(load.arena);
	if (load.folder)
		profile_load(&load);
	fw_load_close(&load);
	if (load.arena->failed || diags->lost != lost)
		status = -LICHEN_ENOMEM;
	else if ((uint64_t)diags->count + diags->more != told)
		status = -LICHEN_EINVAL;
	if (status < 0)
		fw_profile_free(&p->profile);
	else
		*profile = &p->profile;
	return status;
}

void fw_profile_free(struct fw_profile *profile)
{
	struct fw_profile_private *p;

	if (!profile)
		return;
	p = profile->private_;
	while (p->instance_count) {
		struct fw_instance *instance = p->instances[--p->instance_count];

		fw_instance_close(instance, NULL);
		if (instance->extension && !instance->parent)
			fw_extension_free(instance->extension);
	}
	fw_arena_clear(&p->arena);
	free(p);
}
