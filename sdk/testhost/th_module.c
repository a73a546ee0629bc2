/* SPDX-License-Identifier: MIT */
/* th_module.c: the loader of modules for the guest, for files that a test writes. */
#include "th.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TH_MODULE_MAX = 4 << 20 };

/* Owns the bytes, which end with a NUL. */
static lichen_status th_module_begin(struct th *th, uint8_t *bytes, ssize_t size,
				     const char *name, const struct lichen_module_info **info,
				     lichen_handle *handle)
{
	char kind[16], own[64];
	struct th_object *o;

	if (size <= 0 || sscanf((const char *)bytes, "%15s %63s", kind, own) != 2 ||
	    (strcmp(kind, "linux") != 0 && strcmp(kind, "object") != 0)) {
		free(bytes);
		return -LICHEN_ENOEXEC;
	}
	o = th_object_new(th, LICHEN_MODULE_HOST " open", TH_MODULE);
	o->module = bytes;
	o->size = (uint64_t)size;
	o->info = (struct lichen_module_info){ LICHEN_STRUCT(struct lichen_module_info),
					       .kind = strcmp(kind, "linux") == 0
							       ? LICHEN_MODULE_LINUX
							       : LICHEN_MODULE_OBJECT,
					       .room = (uint64_t)size };
	(void)snprintf(o->info.name, sizeof(o->info.name), "%s", name ? name : own);
	memset(o->info.sha256, own[0], sizeof(o->info.sha256));
	*info = &o->info;
	*handle = o->handle;
	return 0;
}

static lichen_status th_module_open(struct lichen_instance *in, int32_t descriptor,
				    const char *name, const struct lichen_module_info **info,
				    lichen_handle *handle)
{
	TH_GUARD(in, LICHEN_MODULE_HOST " open", TH_REALIZED | TH_FROM_RUNNING, TH_CONTROL);
	uint8_t *bytes = th_alloc(TH_MODULE_MAX + 1);

	return th_module_begin(th, bytes, pread(descriptor, bytes, TH_MODULE_MAX, 0), name,
			       info, handle);
}

static lichen_status th_module_open_bytes(struct lichen_instance *in, const void *from,
					  uint64_t size, const char *name,
					  const struct lichen_module_info **info,
					  lichen_handle *handle)
{
	TH_GUARD(in, LICHEN_MODULE_HOST " open_bytes", TH_REALIZED | TH_FROM_RUNNING,
		 TH_CONTROL);
	uint8_t *bytes = th_alloc(TH_MODULE_MAX + 1);

	if (size > TH_MODULE_MAX)
		size = 0;
	memcpy(bytes, from, size);
	return th_module_begin(th, bytes, (ssize_t)size, name, info, handle);
}

static lichen_status th_module_link(struct lichen_instance *in, lichen_handle handle,
				    uint64_t address, const struct lichen_table *symbols,
				    uint64_t *entry, uint64_t *leave)
{
	TH_GUARD(in, LICHEN_MODULE_HOST " link", TH_REALIZED | TH_FROM_RUNNING, TH_CONTROL);
	(void)th_object_of(th, LICHEN_MODULE_HOST " link", TH_MODULE, handle);
	if (symbols->count == 0)
		return -LICHEN_ENOENT;
	*entry = address + symbols->count;
	*leave = 0;
	return 0;
}

static lichen_status th_module_read(struct lichen_instance *in, lichen_handle handle,
				    uint64_t offset, void *to, uint64_t size)
{
	TH_GUARD(in, LICHEN_MODULE_HOST " read", TH_REALIZED | TH_FROM_RUNNING, TH_CONTROL);
	const struct th_object *o =
		th_object_of(th, LICHEN_MODULE_HOST " read", TH_MODULE, handle);

	if (offset > o->size || size > o->size - offset)
		return -LICHEN_ERANGE;
	memcpy(to, o->module + offset, size);
	return 0;
}

static void th_module_close(struct lichen_instance *in, lichen_handle handle)
{
	TH_GUARD(in, LICHEN_MODULE_HOST " close", TH_REALIZED | TH_FROM_RUNNING, TH_CONTROL);
	th_object_free(th_object_of(th, LICHEN_MODULE_HOST " close", TH_MODULE, handle));
}

const struct lichen_module_host th_module_host = {
	LICHEN_STRUCT(struct lichen_module_host),
	.open = th_module_open,
	.link = th_module_link,
	.read = th_module_read,
	.close = th_module_close,
	.open_bytes = th_module_open_bytes,
};
