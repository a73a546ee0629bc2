/* SPDX-License-Identifier: MIT */
/*
 * state_load.c: a whole VM, read; see state.h.  First the stream is taken apart and all
 * of its form is checked, then it is taken over.
 */
#include <stdlib.h>
#include <string.h>

#include "state.h"
#include "state_field.h"
#include "state_parts.h"
#include "status.h"

/* One instance's part. */
struct fw_told {
	struct fw_reader fields;
	uint32_t version;
	uint32_t there;
};

/* The stream, taken apart; bytes are borrowed. */
struct fw_apart {
	uint64_t guest_clock, hv_clock; /* ns */
	struct fw_reader memory;
	struct fw_reader symbiotic; /* at NULL: not there */
	uint8_t levels[FW_PINS_MAX];
	uint32_t has_machine, has_memory, has_lines, ended;
	struct fw_told *instances; /* one an instance of the VM */
	struct fw_reader *vcpus;   /* one a vCPU; at NULL: not there */
	struct fw_reader *windows; /* the same, one a window of RAM */
};

/* --- taking apart --- */

static lichen_status fw_apart_machine(struct lichen_vm *vm, struct fw_reader in,
				      struct fw_apart *apart, struct ld_error *error)
{
	uint64_t memory;
	uint32_t vcpus;

	if (fw_take_u32(&in, &vcpus) < 0 || fw_take_u64(&in, &memory) < 0 ||
	    fw_take_u64(&in, &apart->guest_clock) < 0 ||
	    fw_take_u64(&in, &apart->hv_clock) < 0 || in.left) {
		ld_error_set(error, "state of the machine: not of its length");
		return -LICHEN_EBADMSG;
	}
	if (apart->guest_clock > INT64_MAX) {
		ld_error_set(error, "state of the machine: a guest clock of 0x%llx ns",
			     (unsigned long long)apart->guest_clock);
		return -LICHEN_EBADMSG;
	}
	if (vcpus != vm->vcpu_count || memory != vm->profile->memory_size) {
		ld_error_set(error,
			     "state of the machine: %u vCPUs and %llu bytes of memory, this "
			     "one has %u and %llu",
			     vcpus, (unsigned long long)memory, vm->vcpu_count,
			     (unsigned long long)vm->profile->memory_size);
		return -LICHEN_EBADMSG;
	}
	apart->has_machine = 1;
	return 0;
}

static uint32_t fw_instance_named(const struct lichen_vm *vm, const char *id)
{
	uint32_t i;

	for (i = 0; i < vm->instance_count; i++)
		if (fw_has_state(vm->instances[i]) &&
		    strcmp(vm->instances[i]->spec->id, id) == 0)
			break;
	return i;
}

static lichen_status fw_apart_instance(struct lichen_vm *vm, struct fw_reader in,
				       struct fw_apart *apart, struct ld_error *error)
{
	char id[FW_TEXT_SIZE], plugin[FW_TEXT_SIZE];
	const char *here;
	uint32_t version, index;

	if (fw_take_text(&in, id) < 0 || fw_take_text(&in, plugin) < 0 ||
	    fw_take_u32(&in, &version) < 0) {
		ld_error_set(error, "state of an instance: its head is malformed");
		return -LICHEN_EBADMSG;
	}
	index = fw_instance_named(vm, id);
	if (index == vm->instance_count) {
		ld_error_set(error,
			     "state of %s: this VM has no instance of that id with a "
			     "state",
			     id);
		return -LICHEN_EBADMSG;
	}
	here = ld_plugin_info(vm->instances[index]->spec->plugin)->name;
	if (strcmp(here, plugin) != 0) {
		ld_error_set(error, "state of %s: of plugin %s, here it is of %s", id, plugin,
			     here);
		return -LICHEN_EBADMSG;
	}
	if (apart->instances[index].there || version == 0) {
		ld_error_set(error, "state of %s: %s", id,
			     version ? "is there twice" : "version 0 has no state");
		return -LICHEN_EBADMSG;
	}
	apart->instances[index] =
		(struct fw_told){ .fields = in, .version = version, .there = 1 };
	return 0;
}

static lichen_status fw_apart_memory(const struct lichen_vm *vm, struct fw_reader in,
				     struct fw_apart *apart, struct ld_error *error)
{
	struct fw_pages pages[FW_PIECES_MAX];
	const uint32_t count = fw_memory_pages(&vm->memory, pages);
	struct ld_error why = { "is there twice" };
	lichen_status status = -LICHEN_EBADMSG;

	if (!apart->has_memory)
		status = fw_pages_check(pages, count, in, &why);
	if (status < 0)
		ld_error_set(error, "state of memory: %s", why.text);
	apart->has_memory = 1;
	apart->memory = in;
	return status;
}

static lichen_status fw_apart_window(const struct lichen_vm *vm, struct fw_reader in,
				     struct fw_apart *apart, struct ld_error *error)
{
	struct ld_error why = { "is there twice" };
	const char *id, *name;
	struct fw_pages pages;
	uint32_t index;
	lichen_status status = fw_windows_find(vm, &in, &index, error);

	if (status < 0)
		return status;
	pages = fw_windows_at(vm, index, &id, &name);
	status = apart->windows[index].at ? -LICHEN_EBADMSG
					  : fw_pages_check(&pages, 1, in, &why);
	if (status < 0)
		ld_error_set(error, "state of %s: window %s: %s", id, name, why.text);
	apart->windows[index] = in;
	return status;
}

static lichen_status fw_apart_vcpu(const struct lichen_vm *vm, struct fw_reader in,
				   struct fw_apart *apart, struct ld_error *error)
{
	uint32_t index;

	if (fw_take_u32(&in, &index) < 0 || index >= vm->vcpu_count || apart->vcpus[index].at) {
		ld_error_set(error, "state of a vCPU: cut, or its index is wrong");
		return -LICHEN_EBADMSG;
	}
	apart->vcpus[index] = in;
	return 0;
}

static lichen_status fw_apart_lines(const struct lichen_vm *vm, struct fw_reader in,
				    struct fw_apart *apart, struct ld_error *error)
{
	if (apart->has_lines || in.left != vm->irqs.pin_count) {
		ld_error_set(error, "state of lines: %s",
			     apart->has_lines ? "is there twice" : "another number of them");
		return -LICHEN_EBADMSG;
	}
	for (uint32_t i = 0; i < vm->irqs.pin_count; i++) {
		apart->levels[i] = in.at[i];
		if (in.at[i] <= 1)
			continue;
		ld_error_set(error, "state of lines: %u at %u: not 0 or 1", in.at[i], i);
		return -LICHEN_EBADMSG;
	}
	apart->has_lines = 1;
	return 0;
}

static lichen_status fw_apart_symbiotic(const struct lichen_vm *vm, struct fw_reader in,
					struct fw_apart *apart, struct ld_error *error)
{
	if (!vm->symbiotic || apart->symbiotic.at) {
		ld_error_set(error, "symbiotic state: %s",
			     vm->symbiotic ? "is there twice"
					   : "this VM's profile has no `symbiotic:`");
		return -LICHEN_EBADMSG;
	}
	if (fw_symbiotic_load(vm->symbiotic, in, 0) < 0) {
		ld_error_set(error, "symbiotic state: malformed, or a feature that the guest "
				    "agreed to is not on offer here");
		return -LICHEN_EBADMSG;
	}
	apart->symbiotic = in;
	return 0;
}

static lichen_status fw_apart_part(struct lichen_vm *vm, uint32_t tag, struct fw_reader in,
				   struct fw_apart *apart, struct ld_error *error)
{
	if ((tag == FW_PART_MACHINE) == apart->has_machine) {
		ld_error_set(error, "state: the machine is not its first part");
		return -LICHEN_EBADMSG;
	}
	switch (tag) {
	case FW_PART_MACHINE:
		return fw_apart_machine(vm, in, apart, error);
	case FW_PART_INSTANCE:
		return fw_apart_instance(vm, in, apart, error);
	case FW_PART_MEMORY:
		return fw_apart_memory(vm, in, apart, error);
	case FW_PART_WINDOW:
		return fw_apart_window(vm, in, apart, error);
	case FW_PART_VCPU:
		return fw_apart_vcpu(vm, in, apart, error);
	case FW_PART_LINES:
		return fw_apart_lines(vm, in, apart, error);
	case FW_PART_SYMBIOTIC:
		return fw_apart_symbiotic(vm, in, apart, error);
	case FW_PART_END:
		apart->ended = in.left == 0;
		return 0;
	default:
		ld_error_set(error, "state: a part of kind %u is not known here", tag);
		return -LICHEN_EBADMSG;
	}
}

/* All that this VM consists of must be there. */
static lichen_status fw_apart_whole(const struct lichen_vm *vm, const struct fw_apart *apart,
				    struct ld_error *error)
{
	for (uint32_t i = 0; i < vm->instance_count; i++) {
		if (apart->instances[i].there || !fw_has_state(vm->instances[i]))
			continue;
		ld_error_set(error, "state of %s: is missing", vm->instances[i]->spec->id);
		return -LICHEN_EBADMSG;
	}
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		if (apart->vcpus[i].at)
			continue;
		ld_error_set(error, "state of vCPU %u: is missing", i);
		return -LICHEN_EBADMSG;
	}
	if (vm->symbiotic && !apart->symbiotic.at) {
		ld_error_set(error, "symbiotic state: is missing");
		return -LICHEN_EBADMSG;
	}
	for (uint32_t i = 0; i < fw_windows_count(vm); i++) {
		const char *id, *name;

		if (apart->windows[i].at)
			continue;
		(void)fw_windows_at(vm, i, &id, &name);
		ld_error_set(error, "state of %s: window %s: is missing", id, name);
		return -LICHEN_EBADMSG;
	}
	if (apart->has_memory && apart->has_lines)
		return 0;
	ld_error_set(error, "state of %s: is missing", apart->has_memory ? "lines" : "memory");
	return -LICHEN_EBADMSG;
}

static lichen_status fw_apart_all(struct lichen_vm *vm, struct fw_reader in,
				  struct fw_apart *apart, struct ld_error *error)
{
	const uint8_t *magic = fw_take(&in, FW_STATE_MAGIC);
	lichen_status status = 0;
	uint32_t version;

	if (!magic || memcmp(magic, fw_state_magic, FW_STATE_MAGIC) != 0 ||
	    fw_take_u32(&in, &version) < 0) {
		ld_error_set(error, "state: not the state of a VM");
		return -LICHEN_EBADMSG;
	}
	if (version != FW_STATE_VERSION) {
		ld_error_set(error, "state: of format %u, this host reads %d", version,
			     FW_STATE_VERSION);
		return -LICHEN_EBADMSG;
	}
	while (status == 0 && !apart->ended) {
		struct fw_reader part = { 0 };
		uint32_t tag;

		if (fw_take_u32(&in, &tag) < 0 || fw_take_u64(&in, &part.left) < 0 ||
		    part.left > in.left) {
			ld_error_set(error, "state: ends within a part");
			return -LICHEN_EBADMSG;
		}
		part.at = fw_take(&in, part.left);
		status = fw_apart_part(vm, tag, part, apart, error);
	}
	if (status == 0 && in.left) {
		ld_error_set(error, "state: %llu bytes after its end",
			     (unsigned long long)in.left);
		status = -LICHEN_EBADMSG;
	}
	return status < 0 ? status : fw_apart_whole(vm, apart, error);
}

/* --- instances --- */

/* store 0: checks only. */
static lichen_status fw_take_instances(struct lichen_vm *vm, const struct fw_apart *apart,
				       int store, struct ld_error *error)
{
	for (uint32_t i = 0; i < vm->instance_count; i++) {
		struct lichen_instance *in = vm->instances[i];
		struct fw_reader fields = apart->instances[i].fields;
		lichen_status status;

		if (!apart->instances[i].there)
			continue;
		fw_lock(in);
		status = fw_fields_load(&in->class->state, in->self,
					apart->instances[i].version, store, &fields, error);
		fw_unlock(in);
		if (status == 0 && fields.left) {
			ld_error_set(error, "%llu bytes after its fields",
				     (unsigned long long)fields.left);
			status = -LICHEN_EBADMSG;
		}
		if (status < 0) {
			fw_state_prefix(in, error);
			return status;
		}
	}
	return 0;
}

/* Providers first: a device finds its bus as it was. */
static lichen_status fw_post_load(struct lichen_vm *vm, const struct fw_apart *apart,
				  struct ld_error *error)
{
	for (uint32_t i = 0; i < vm->instance_count; i++) {
		struct lichen_instance *in = vm->instances[i];
		lichen_status status;

		if (!apart->instances[i].there || !in->class->post_load)
			continue;
		fw_lock(in);
		status = in->class->post_load(in->self, apart->instances[i].version);
		fw_unlock(in);
		if (status > 0)
			status = -LICHEN_ENOTSUP; /* LICHEN_PENDING */
		if (status < 0) {
			fw_state_blame(in, status, error);
			return status;
		}
	}
	return 0;
}

/* --- taking over --- */

static lichen_status fw_take_memory(struct lichen_vm *vm, const struct fw_apart *apart,
				    struct ld_error *error)
{
	struct fw_pages pages[FW_PIECES_MAX];
	const uint32_t count = fw_memory_pages(&vm->memory, pages);
	lichen_status status;

	fw_pages_load(pages, count, apart->memory);
	for (uint32_t i = 0; i < fw_windows_count(vm); i++) {
		const char *id, *name;

		pages[0] = fw_windows_at(vm, i, &id, &name);
		fw_pages_load(pages, 1, apart->windows[i]);
	}
	fw_windows_mark(vm);
	status = fw_memory_remap(&vm->memory, error);
	return status < 0 ? status : fw_layout_remap(&vm->layout, error);
}

/*
 * Memory before vCPUs, which look into it; the irqchip before local APICs, to which
 * it may send what they have long received, and which therefore come later.
 */
static lichen_status fw_take_over(struct lichen_vm *vm, const struct fw_apart *apart,
				  struct ld_error *error)
{
	lichen_status status;

	fw_clock_set(&vm->loop, apart->guest_clock);
	status = fw_take_memory(vm, apart, error);
	if (status < 0)
		return status;
	fw_lines_hold(&vm->irqs);
	/* Before instances, which may ask in post_load what is agreed. */
	if (vm->symbiotic)
		(void)fw_symbiotic_load(vm->symbiotic, apart->symbiotic, 1);
	status = fw_take_instances(vm, apart, 1, error);
	if (status == 0)
		status = fw_post_load(vm, apart, error);
	if (status == 0) {
		status = fw_lines_restore(&vm->irqs, apart->levels);
		if (status < 0)
			ld_error_set(error, "state: the interrupt controllers do not take it");
	}
	for (uint32_t i = 0; i < vm->vcpu_count && status == 0; i++)
		status = vm->hv->vcpu_load(vm->vcpus[i].hv, apart->vcpus[i].at,
					   apart->vcpus[i].left, error);
	fw_lines_release(&vm->irqs, apart->levels);
	if (status == 0 && vm->hv->clock_set(vm->hvm, apart->hv_clock) < 0) {
		ld_error_set(error, "state: the hypervisor does not take the guest's clock");
		status = -LICHEN_EIO;
	}
	return status;
}

lichen_status fw_state_load(struct lichen_vm *vm, const uint8_t *bytes, uint64_t size,
			    struct ld_error *error)
{
	struct fw_apart apart = { 0 };
	lichen_status status = -LICHEN_ENOMEM;

	/* What was on its way to a device is not in the state that comes. */
	fw_loop_drain(&vm->loop);
	apart.instances = calloc((size_t)vm->instance_count + 1, sizeof(*apart.instances));
	apart.vcpus = calloc((size_t)vm->vcpu_count + 1, sizeof(*apart.vcpus));
	apart.windows = calloc((size_t)fw_windows_count(vm) + 1, sizeof(*apart.windows));
	if (apart.instances && apart.vcpus && apart.windows)
		status = fw_apart_all(vm, (struct fw_reader){ bytes, size }, &apart, error);
	else
		ld_error_set(error, "state: out of memory");
	if (status == 0)
		status = fw_take_instances(vm, &apart, 0, error);
	if (status == 0)
		status = fw_take_over(vm, &apart, error);
	free(apart.instances);
	free(apart.vcpus);
	free(apart.windows);
	return status;
}
