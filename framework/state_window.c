/* SPDX-License-Identifier: MIT */
/* state_window.c: which windows of RAM a VM's state has.  See state.h. */
#include <string.h>

#include "state.h"
#include "vm.h"

/* The window of RAM with this number, or NULL past the last; *count: how many were passed. */
static const struct fw_memory_window *fw_windows_walk(const struct lichen_vm *vm,
						      uint32_t index, uint32_t *count,
						      const struct lichen_instance **owner)
{
	*count = 0;
	for (uint32_t i = 0; i < vm->instance_count; i++) {
		const struct lichen_instance *in = vm->instances[i];

		for (uint32_t k = 0; k < in->class->windows.count; k++) {
			const struct fw_memory_window *memory = &in->places[k].memory;

			if (!memory->backing || memory->backing->kind != LICHEN_RAM)
				continue;
			*owner = in;
			if ((*count)++ == index)
				return memory;
		}
	}
	return NULL;
}

uint32_t fw_windows_count(const struct lichen_vm *vm)
{
	const struct lichen_instance *owner;
	uint32_t count;

	(void)fw_windows_walk(vm, UINT32_MAX, &count, &owner);
	return count;
}

struct fw_pages fw_windows_at(const struct lichen_vm *vm, uint32_t index, const char **id,
			      const char **name)
{
	const struct lichen_instance *owner = NULL;
	uint32_t count;
	const struct fw_memory_window *memory = fw_windows_walk(vm, index, &count, &owner);

	*id = owner->spec->id;
	*name = memory->declared->name;
	return (struct fw_pages){ .host = memory->backing->host,
				  .size = memory->backing->size };
}

lichen_status fw_windows_find(const struct lichen_vm *vm, struct fw_reader *in, uint32_t *index,
			      struct ld_error *error)
{
	char id[FW_TEXT_SIZE], name[FW_TEXT_SIZE];
	const uint32_t count = fw_windows_count(vm);

	if (fw_take_text(in, id) < 0 || fw_take_text(in, name) < 0) {
		ld_error_set(error, "state of a window: its head is malformed");
		return -LICHEN_EBADMSG;
	}
	for (*index = 0; *index < count; ++*index) {
		const char *its_id, *its_name;

		(void)fw_windows_at(vm, *index, &its_id, &its_name);
		if (strcmp(its_id, id) == 0 && strcmp(its_name, name) == 0)
			return 0;
	}
	ld_error_set(error, "state of %s: window %s: this VM has no such window of RAM", id,
		     name);
	return -LICHEN_EBADMSG;
}

void fw_windows_mark(const struct lichen_vm *vm)
{
	const struct lichen_instance *owner;
	const struct fw_memory_window *memory;
	uint32_t count;

	for (uint32_t i = 0; (memory = fw_windows_walk(vm, i, &count, &owner)); i++)
		fw_backing_mark(memory->backing, 0, memory->backing->size);
}
