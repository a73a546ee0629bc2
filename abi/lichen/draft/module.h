/* SPDX-License-Identifier: MIT */
/*
 * module.h (draft): code for the guest, by the host's loader:
 * host->interface(in, LICHEN_MODULE_HOST).
 */
#ifndef LICHEN_DRAFT_MODULE_H
#define LICHEN_DRAFT_MODULE_H

#include <lichen/abi.h>
#include <lichen/guest/module.h>
#include <lichen/guest/spy.h>
#include <lichen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lichen_instance;

struct lichen_module_info {
	uint32_t struct_size;
	uint32_t kind;	    /* enum lichen_module_kind */
	uint64_t room;	    /* bytes that it takes in the guest: the file, or the image */
	uint8_t sha256[32]; /* of the file */
	char name[64];	    /* its own, or as given */
};

#define LICHEN_MODULE_HOST "lichen.module-host/1"

struct lichen_module_host {
	uint32_t struct_size;
	uint32_t _pad;
	/*
	 * Reads and judges the file behind `descriptor`, which stays the caller's.  name:
	 * for objects, which have none of their own; else NULL.  *info is the host's until
	 * close.  -LICHEN_ENOEXEC, -LICHEN_E2BIG, -LICHEN_EINVAL (the name), -LICHEN_EIO,
	 * -LICHEN_ENOMEM, with a sentence of host->error.  [control, realized to running]
	 */
	lichen_status (*open)(struct lichen_instance *in, int32_t descriptor, const char *name,
			      const struct lichen_module_info **info, lichen_handle *handle);
	/*
	 * Links an object that is to lie at linear address `address` against `symbols` of
	 * struct lichen_spy_symbol, whose names end within their room; read() then gives
	 * the image.  *entry, *leave: linear addresses; *leave 0: it has none.
	 * -LICHEN_ENOENT: a symbol is missing; -LICHEN_ERANGE: one is out of reach;
	 * -LICHEN_ENOEXEC; -LICHEN_ENOMEM; with a sentence.  [control, realized to running]
	 */
	lichen_status (*link)(struct lichen_instance *in, lichen_handle handle,
			      uint64_t address, const struct lichen_table *symbols,
			      uint64_t *entry, uint64_t *leave);
	/* Bytes [offset, offset + size) of the file, or of the image.  -LICHEN_ERANGE: past
	 * its end.  [control, realized to running] */
	lichen_status (*read)(struct lichen_instance *in, lichen_handle handle, uint64_t offset,
			      void *to, uint64_t size);
	/* [control, realized to running] */
	void (*close)(struct lichen_instance *in, lichen_handle handle);
	/* open(), of a file whose `size` bytes are here; they are copied.  The same errors.
	 * [control, realized to running] */
	lichen_status (*open_bytes)(struct lichen_instance *in, const void *bytes,
				    uint64_t size, const char *name,
				    const struct lichen_module_info **info,
				    lichen_handle *handle);
};

#ifdef __cplusplus
}
#endif

#endif
