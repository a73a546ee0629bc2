/* SPDX-License-Identifier: MIT */
/* stage.c: the life of a staged instance.  See stage.h. */
#include <stdlib.h>

#include "stage.h"
#include "status.h"
#include "vm.h"

static struct fw_stage *fw_stage_new(struct lichen_instance *old, struct fw_rebind *rebind,
				     struct fw_diags *diags)
{
	struct fw_stage *stage = calloc(1, sizeof(*stage));
	struct lichen_instance *in;

	if (!stage) {
		fw_diag(diags, old->spec->mark, "%s %s: out of memory", old->spec->path,
			old->spec->id);
		return NULL;
	}
	in = fw_instance_new(old->vm, fw_rebind_spec(rebind), diags);
	if (!in) {
		free(stage);
		return NULL;
	}
	fw_places_inherit(in, old);
	in->stage = stage;
	in->heir = old->spec;
	in->start = FW_START_HELD;
	in->hidden = old->hidden;
	stage->in = in;
	stage->old = old;
	return stage;
}

static lichen_status fw_stage_create(struct fw_stage *stage, struct fw_diags *diags)
{
	struct lichen_instance *in = stage->in;
	lichen_status status = fw_stage_clients(stage, diags);

	if (status == 0)
		status = fw_stage_links(stage, diags);
	if (status < 0)
		return status;
	status = in->class->create ? in->class->create(in->self) : 0;
	if (status > 0)
		status = -LICHEN_ENOTSUP;
	if (status < 0) {
		fw_instance_blame(in, "cannot be created", status, diags);
		return status;
	}
	atomic_store(&in->state, FW_CREATED);
	fw_stage_clients_tell(stage);
	return fw_instance_realize(in, diags);
}

/* One that was not created: destroy is not called. */
static void fw_stage_undo(struct fw_stage *stage)
{
	struct lichen_instance *in = stage->in;

	fw_ledger_revoke(in);
	fw_links_break(in);
	fw_values_leave(in->spec, in->self, in->heir);
	fw_instance_free(in);
}

lichen_status fw_stage_make(struct lichen_instance *old, struct fw_rebind *rebind,
			    struct fw_stage **made, struct fw_diags *diags)
{
	struct fw_stage *stage = fw_stage_new(old, rebind, diags);
	struct fw_spec *spec = fw_rebind_spec(rebind);
	lichen_status status;

	if (!stage)
		return -LICHEN_ENOMEM;
	status = fw_values_inherit(spec, stage->in->self, old->spec, old->self, diags);
	if (status < 0) {
		fw_instance_free(stage->in);
		free(stage);
		return status;
	}
	status = fw_stage_create(stage, diags);
	if (status < 0) {
		if (atomic_load(&stage->in->state) == 0)
			fw_stage_undo(stage);
		else
			fw_instance_destroy(stage->in);
		free(stage);
		return status;
	}
	stage->rebind = rebind;
	stage->state_before = atomic_load(&old->state);
	old->successor = stage->in;
	*made = stage;
	return 0;
}

void fw_stage_discard(struct fw_stage *stage)
{
	if (!stage)
		return;
	stage->old->successor = NULL;
	fw_instance_destroy(stage->in);
	(void)fw_rebind_free(stage->rebind, NULL);
	free(stage);
}

void fw_stage_publish(struct fw_stage *stage)
{
	struct lichen_instance *in = stage->in, *old = stage->old;
	struct fw_spec *spec = old->spec;

	fw_stage_places_publish(stage);
	fw_stage_bells_publish(stage);
	fw_stage_claims_publish(stage);
	fw_stage_symbiotic_publish(stage);
	atomic_store(&old->replaced, 1);
	/* The spec stays where it is; the old one keeps what it was made of. */
	fw_rebind_swap(stage->rebind);
	in->spec = spec;
	in->heir = NULL;
	in->fixed = old->fixed;
	spec->instance = in;
	old->spec = fw_rebind_spec(stage->rebind);
	old->heir = spec;
	for (uint32_t i = 0; i < in->vm->instance_count; i++)
		if (in->vm->instances[i] == old)
			in->vm->instances[i] = in;
}

void fw_stage_settle(struct fw_stage *stage)
{
	struct lichen_instance *in = stage->in;

	in->stage = NULL;
	stage->old->successor = NULL;
	fw_stage_claims_settle(stage);
	atomic_store(&in->state, stage->state_before);
}

lichen_status fw_stage_finish(struct fw_stage *stage, struct ld_error *why)
{
	lichen_status status;

	fw_instance_destroy(stage->old);
	status = fw_rebind_free(stage->rebind, why);
	free(stage);
	return status;
}
