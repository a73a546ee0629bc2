/* SPDX-License-Identifier: MIT */
/* plug.c: instances that come and go.  See plug.h. */
#include <stdlib.h>
#include <string.h>

#include "plug.h"
#include "vm.h"

struct lichen_instance *fw_plug_find(struct lichen_vm *vm, const char *id)
{
	for (uint32_t i = 0; i < vm->instance_count; i++)
		if (strcmp(vm->instances[i]->spec->id, id) == 0)
			return vm->instances[i];
	return NULL;
}

/* vm->instances from what the profile's specs have become. */
static void fw_plug_list(struct lichen_vm *vm)
{
	vm->instance_count = 0;
	for (uint32_t i = 0; i < vm->profile->count; i++)
		if (vm->profile->specs[i]->instance)
			vm->instances[vm->instance_count++] = vm->profile->specs[i]->instance;
}

/* --- coming --- */

/* family: consumers before their providers. */
static lichen_status fw_plug_make(struct lichen_vm *vm, struct fw_spec **family, uint32_t count,
				  struct fw_diags *diags)
{
	lichen_status status = 0;

	for (uint32_t i = count; i-- > 0 && status == 0;) {
		struct lichen_instance *in;

		status = fw_instance_create(vm, family[i], &in, diags);
		if (status < 0)
			return status;
		status = fw_links_offer(in);
		if (status < 0)
			fw_instance_blame(in, "cannot be tied", status, diags);
	}
	for (uint32_t i = count; i-- > 0 && status == 0;)
		status = fw_instance_realize(family[i]->instance, diags);
	return status;
}

lichen_status fw_plug_add(struct lichen_vm *vm, const struct fw_plug_entry *entry,
			  struct lichen_instance **in, struct fw_diags *diags)
{
	const struct fw_extend_options options = { .section = entry->section,
						   .text = entry->text,
						   .origin = entry->origin,
						   .plugins = &vm->plugins,
						   .offers = vm->offers,
						   .files = entry->files,
						   .file_count = entry->file_count };
	struct fw_spec *family[FW_INSTANCES_MAX], *spec;
	uint32_t count;
	lichen_status status = fw_profile_extend(vm->profile, &options, &spec, diags);

	if (status < 0)
		return status;
	count = fw_profile_family(vm->profile, spec, family);
	status = fw_plug_make(vm, family, count, diags);
	if (status < 0) {
		struct ld_error pinned = { "" };

		for (uint32_t i = 0; i < count; i++)
			fw_instance_destroy(family[i]->instance);
		if (fw_profile_shrink(vm->profile, spec, &pinned) < 0)
			fw_log(&vm->log, LICHEN_LOG_WARN, NULL, NULL, "%s", pinned.text);
		return status;
	}
	fw_plug_list(vm);
	for (uint32_t i = count; i-- > 0 && vm->resumed;)
		fw_instance_resume(family[i]->instance);
	*in = spec->instance;
	return 0;
}

/* --- going --- */

static lichen_status fw_plug_may_go(struct lichen_vm *vm, struct lichen_instance *in,
				    struct ld_error *error)
{
	const char *fixed = in->fixed;

	if (in->spec == vm->profile->memory)
		fixed = "the guest's memory is its own";
	if (in->spec == vm->profile->boot)
		fixed = "the VM starts the guest with it, after each reset";
	if (fixed) {
		ld_error_set(error, "%s: cannot go while the VM lives: %s", in->spec->id,
			     fixed);
		return -LICHEN_EPERM;
	}
	return fw_profile_needed(vm->profile, in->spec, error) ? -LICHEN_EBUSY : 0;
}

/* Destroys the family of `in`, and forgets it. */
static lichen_status fw_plug_take(struct lichen_vm *vm, struct lichen_instance *in,
				  struct ld_error *error)
{
	struct fw_spec *family[FW_INSTANCES_MAX], *spec = in->spec;
	const uint32_t count = fw_profile_family(vm->profile, spec, family);

	for (uint32_t i = 0; i < count; i++)
		fw_instance_destroy(family[i]->instance);
	fw_plug_list(vm);
	if (fw_profile_shrink(vm->profile, spec, error) < 0)
		fw_log(&vm->log, LICHEN_LOG_WARN, NULL, NULL, "%s", error->text);
	return 0;
}

lichen_status fw_plug_remove(struct lichen_vm *vm, struct lichen_instance *in, uint32_t force,
			     uint64_t timeout_ns, fw_plug_done_fn done, void *context,
			     struct ld_error *error)
{
	lichen_status status = fw_plug_may_go(vm, in, error);

	(void)timeout_ns, (void)done, (void)context, (void)force;
	if (status < 0)
		return status;
	return fw_plug_take(vm, in, error);
}

void fw_plug_clear(struct lichen_vm *vm)
{
	struct fw_offer *next;

	for (struct fw_offer *at = vm->offers; at; at = next) {
		next = at->next;
		(void)ld_close(at->plugin, NULL); /* the process's end unmaps what stays */
		free(at);
	}
	vm->offers = NULL;
}
