/* SPDX-License-Identifier: MIT */
/* plug.c: instances that come.  See plug.h. */
#include <stdlib.h>
#include <string.h>

#include "plug.h"
#include "plug_parts.h"
#include "vm.h"

struct lichen_instance *fw_plug_find(struct lichen_vm *vm, const char *id)
{
	for (uint32_t i = 0; i < vm->instance_count; i++)
		if (strcmp(vm->instances[i]->spec->id, id) == 0)
			return vm->instances[i];
	return NULL;
}

void fw_plug_list(struct lichen_vm *vm)
{
	vm->instance_count = 0;
	for (uint32_t i = 0; i < vm->profile->count; i++)
		if (vm->profile->specs[i]->instance)
			vm->instances[vm->instance_count++] = vm->profile->specs[i]->instance;
}

lichen_status fw_plug_busy(struct lichen_vm *vm, struct ld_error *error)
{
	if (!vm->loop.waiting)
		return 0;
	ld_error_set(error, "the VM waits for an instance: not now");
	return -LICHEN_EAGAIN;
}

/* --- coming --- */

/* One that it would be tied to is about to go. */
static lichen_status fw_plug_check_ties(const struct fw_spec *spec, struct fw_diags *diags)
{
	for (uint32_t i = 0; i < spec->class->needs.count; i++) {
		for (uint32_t j = 0; j < spec->ties[i].count; j++) {
			const struct fw_spec *provider = spec->ties[i].providers[j];

			if (!provider->instance || !provider->instance->going)
				continue;
			fw_diag(diags, spec->ties[i].mark,
				"%s %s: needs %s, whose removal is under way", spec->path,
				spec->id, provider->id);
			return -LICHEN_EBUSY;
		}
	}
	return 0;
}

/* family: consumers before their providers. */
static lichen_status fw_plug_make(struct lichen_vm *vm, struct fw_spec **family, uint32_t count,
				  struct fw_diags *diags)
{
	lichen_status status = 0;

	for (uint32_t i = 0; i < count && status == 0; i++)
		status = fw_plug_check_ties(family[i], diags);
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
	struct ld_error busy = { "" };
	uint32_t count;
	lichen_status status = fw_plug_busy(vm, &busy);

	if (status < 0)
		fw_diag(diags, (struct fw_mark){ 0 }, "%s: %s", entry->origin, busy.text);
	else
		status = fw_profile_extend(vm->profile, &options, &spec, diags);
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
