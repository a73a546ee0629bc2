/* SPDX-License-Identifier: MIT */
/* host_memory.c: guest memory, as an instance reaches it. */
#include "host.h"
#include "stage.h"
#include "vm.h"

lichen_status fw_host_memory_read(struct lichen_instance *in, lichen_space space,
				  lichen_gpa gpa, void *to, uint64_t size)
{
	struct lichen_vm *vm = in->vm;

	return space ? -LICHEN_ENOTSUP
		     : fw_layout_read(&vm->layout, &vm->memory, gpa, to, size);
}

lichen_status fw_host_memory_write(struct lichen_instance *in, lichen_space space,
				   lichen_gpa gpa, const void *from, uint64_t size)
{
	struct lichen_vm *vm = in->vm;

	return space ? -LICHEN_ENOTSUP
		     : fw_layout_write(&vm->layout, &vm->memory, gpa, from, size);
}

lichen_status fw_host_memory_map(struct lichen_instance *in, lichen_space space, lichen_gpa gpa,
				 uint64_t size, uint32_t access, struct lichen_map *map)
{
	struct fw_backing *backing = NULL;
	uint64_t offset;
	void *data;

	if (space || access & ~(uint32_t)(LICHEN_ACCESS_READ | LICHEN_ACCESS_WRITE))
		return -LICHEN_ENOTSUP;
	data = fw_memory_at(&in->vm->memory, gpa, size);
	if (!data)
		data = fw_layout_map(&in->vm->layout, gpa, size, access, &backing, &offset);
	if (!data)
		return -LICHEN_EFAULT;
	map->data = data;
	map->size = size;
	/* A window may go meanwhile: its memory stays until memory_unmap(). */
	map->handle = (uintptr_t)backing;
	return 0;
}

/* Of the system's RAM dirty pages are tracked by nobody yet. */
void fw_host_memory_unmap(struct lichen_instance *in, struct lichen_map *map, uint64_t written)
{
	/* What memory_map() put there. */
	struct fw_backing *backing = (struct fw_backing *)(uintptr_t)map->handle;

	(void)in;
	if (backing)
		fw_backing_mark(backing, (uint64_t)((uint8_t *)map->data - backing->host),
				written < map->size ? written : map->size);
	fw_backing_put(backing);
	map->data = NULL;
	map->size = 0;
	map->handle = 0;
}

lichen_status fw_host_memory_range(struct lichen_instance *in, uint32_t index,
				   struct lichen_range *range)
{
	return fw_memory_range(&in->vm->memory, index, range);
}

lichen_status fw_host_memory_reserve(struct lichen_instance *in, lichen_gpa gpa, uint64_t size,
				     uint32_t type)
{
	if (in->stage)
		return fw_stage_reserve(in, gpa, size, type);
	if (in->vm->loaded) {
		fw_host.error(in, "0x%llx to 0x%llx: the guest has this memory already",
			      (unsigned long long)gpa, (unsigned long long)(gpa + size - 1));
		return -LICHEN_EBUSY;
	}
	return fw_memory_reserve(&in->vm->memory, in, gpa, size, type);
}

lichen_status fw_host_memory_listen(struct lichen_instance *in, lichen_space space)
{
	return space ? -LICHEN_ENOTSUP : fw_listen_add(in);
}
