/* SPDX-License-Identifier: MIT */
/* state.c: a whole VM, written; and what a stream of it must be made of.  See state.h. */
#include <stdlib.h>
#include <string.h>

#include "state.h"
#include "state_field.h"
#include "state_parts.h"
#include "status.h"
#include "vm.h"

enum { FW_CPU_ROOM = 1 << 15 }; /* bytes, a first guess at a vCPU's */

const uint8_t fw_state_magic[FW_STATE_MAGIC] = "LichenSt";

int fw_has_state(const struct lichen_instance *in)
{
	return in->class->state_version != 0;
}

/* --- sentences --- */

void fw_state_blame(struct lichen_instance *in, lichen_status status, struct ld_error *error)
{
	char said[sizeof(in->error.text)];

	pthread_mutex_lock(&in->error_lock);
	memcpy(said, in->error.text, sizeof(said));
	in->error.text[0] = '\0';
	pthread_mutex_unlock(&in->error_lock);
	ld_error_set(error, "state of %s: %s", in->spec->id,
		     said[0] ? said : fw_status_text(status));
}

void fw_state_prefix(struct lichen_instance *in, struct ld_error *error)
{
	char said[sizeof(error->text)];

	memcpy(said, error->text, sizeof(said));
	ld_error_set(error, "state of %s: %s", in->spec->id, said);
}

/* --- writing --- */

/* Where its size goes; fw_part_end() gets it. */
static uint64_t fw_part_begin(struct fw_buffer *out, enum fw_part tag)
{
	fw_put_u32(out, tag);
	fw_put_u64(out, 0);
	return out->size;
}

static void fw_part_end(struct fw_buffer *out, uint64_t start)
{
	const uint64_t size = out->size - start;

	if (!out->failed)
		memcpy(out->bytes + start - sizeof(size), &size, sizeof(size));
}

static lichen_status fw_save_machine(struct lichen_vm *vm, struct fw_buffer *out,
				     struct ld_error *error)
{
	const uint64_t part = fw_part_begin(out, FW_PART_MACHINE);
	uint64_t clock = 0;

	if (vm->hv->clock_get(vm->hvm, &clock) < 0) {
		ld_error_set(error, "state: the hypervisor does not tell the guest's clock");
		return -LICHEN_EIO;
	}
	fw_put_u32(out, vm->vcpu_count);
	fw_put_u64(out, vm->profile->memory_size);
	fw_put_u64(out, fw_clock_now(&vm->loop, LICHEN_CLOCK_GUEST));
	fw_put_u64(out, clock);
	fw_part_end(out, part);
	return 0;
}

static lichen_status fw_save_instance(struct lichen_instance *in, struct fw_buffer *out,
				      struct ld_error *error)
{
	const uint64_t part = fw_part_begin(out, FW_PART_INSTANCE);
	lichen_status status;

	fw_put_text(out, in->spec->id);
	fw_put_text(out, ld_plugin_info(in->spec->plugin)->name);
	fw_put_u32(out, in->class->state_version);
	fw_lock(in);
	status = fw_fields_save(&in->class->state, in->self, out, error);
	fw_unlock(in);
	fw_part_end(out, part);
	if (status < 0)
		fw_state_prefix(in, error);
	return status;
}

static void fw_save_memory(struct lichen_vm *vm, struct fw_buffer *out)
{
	const uint64_t part = fw_part_begin(out, FW_PART_MEMORY);
	struct fw_pages pages[FW_PIECES_MAX];
	const uint32_t count = fw_memory_pages(&vm->memory, pages);

	for (uint32_t i = 0; i < count; i++)
		fw_pages_save(&pages[i], out);
	fw_part_end(out, part);
}

static void fw_save_windows(struct lichen_vm *vm, struct fw_buffer *out)
{
	const uint32_t count = fw_windows_count(vm);

	for (uint32_t i = 0; i < count; i++) {
		const uint64_t part = fw_part_begin(out, FW_PART_WINDOW);
		const char *id, *name;
		const struct fw_pages pages = fw_windows_at(vm, i, &id, &name);

		fw_put_text(out, id);
		fw_put_text(out, name);
		fw_pages_save(&pages, out);
		fw_part_end(out, part);
	}
}

static void fw_save_lines(struct lichen_vm *vm, struct fw_buffer *out)
{
	const uint64_t part = fw_part_begin(out, FW_PART_LINES);
	uint8_t levels[FW_PINS_MAX] = { 0 };

	fw_lines_levels(&vm->irqs, levels);
	fw_put(out, levels, vm->irqs.pin_count);
	fw_part_end(out, part);
}

static lichen_status fw_save_vcpu(struct lichen_vm *vm, uint32_t index, struct fw_buffer *out,
				  struct ld_error *error)
{
	const uint64_t part = fw_part_begin(out, FW_PART_VCPU);
	uint64_t room = FW_CPU_ROOM, size = 0;
	lichen_status status = -LICHEN_E2BIG;
	uint8_t *to;

	fw_put_u32(out, index);
	while (status == -LICHEN_E2BIG) {
		const uint64_t start = out->size;

		to = fw_buffer_extend(out, room);
		if (!to)
			return -LICHEN_ENOMEM;
		status = vm->hv->vcpu_save(vm->vcpus[index].hv, to, room, &size);
		out->size = start + (status == 0 ? size : 0);
		room = size;
	}
	fw_part_end(out, part);
	if (status < 0)
		ld_error_set(error, "state of vCPU %u: %s", index, fw_status_text(status));
	return status;
}

/* All are asked before the first is written, and consumers first: what a device does to its
 * line is to be in the irqchip's state. */
static lichen_status fw_pre_save(struct lichen_vm *vm, struct ld_error *error)
{
	for (uint32_t i = vm->instance_count; i-- > 0;) {
		struct lichen_instance *in = vm->instances[i];
		lichen_status status;

		if (!fw_has_state(in) || !in->class->pre_save)
			continue;
		fw_operation_open(in, LICHEN_OP_SAVE);
		fw_lock(in);
		status = in->class->pre_save(in->self);
		fw_unlock(in);
		status = fw_operation_settle(in, LICHEN_OP_SAVE, status);
		if (status < 0) {
			fw_state_blame(in, status, error);
			return status;
		}
	}
	return 0;
}

static lichen_status fw_save_all(struct lichen_vm *vm, struct fw_buffer *out,
				 struct ld_error *error)
{
	lichen_status status = fw_save_machine(vm, out, error);

	for (uint32_t i = 0; i < vm->instance_count && status == 0; i++)
		if (fw_has_state(vm->instances[i]))
			status = fw_save_instance(vm->instances[i], out, error);
	if (status < 0)
		return status;
	fw_save_lines(vm, out);
	if (vm->symbiotic) {
		const uint64_t part = fw_part_begin(out, FW_PART_SYMBIOTIC);

		fw_symbiotic_save(vm->symbiotic, out);
		fw_part_end(out, part);
	}
	fw_save_memory(vm, out);
	fw_save_windows(vm, out);
	for (uint32_t i = 0; i < vm->vcpu_count && status == 0; i++)
		status = fw_save_vcpu(vm, i, out, error);
	fw_part_end(out, fw_part_begin(out, FW_PART_END));
	return status;
}

lichen_status fw_state_save(struct lichen_vm *vm, struct fw_buffer *out, struct ld_error *error)
{
	const uint64_t before = out->size;
	lichen_status status;

	/* What a backend has handed over and its device has not yet taken. */
	fw_loop_drain(&vm->loop);
	status = fw_pre_save(vm, error);
	fw_put(out, fw_state_magic, sizeof(fw_state_magic));
	fw_put_u32(out, FW_STATE_VERSION);
	if (status == 0)
		status = fw_save_all(vm, out, error);
	if (out->failed || status == -LICHEN_ENOMEM) {
		ld_error_set(error, "state: out of memory");
		status = -LICHEN_ENOMEM;
	}
	if (status < 0)
		out->size = before;
	return status;
}
