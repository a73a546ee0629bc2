/* SPDX-License-Identifier: MIT */
/* host_module.c: code for the guest, by the loader.  See <lichen/draft/module.h>. */
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "vm.h"

/* Enters what was opened, or not for the reason `status`, in the ledger.  Owns the claim. */
static lichen_status fw_module_opened(struct fw_claim *claim, lichen_status status,
				      const struct ld_error *error,
				      const struct lichen_module_info **info,
				      lichen_handle *handle)
{
	struct fw_module *module = &claim->module;

	if (status < 0) {
		fw_host.error(claim->in, "%s", error->text);
		free(claim);
		return status;
	}
	module->info = (struct lichen_module_info){
		LICHEN_STRUCT(struct lichen_module_info),
		.kind = module->file.kind == LD_MODULE_LINUX ? LICHEN_MODULE_LINUX
							     : LICHEN_MODULE_OBJECT,
		.room = module->file.kind == LD_MODULE_LINUX ? module->file.size
							     : module->file.room,
	};
	memcpy(module->info.sha256, module->file.hash, sizeof(module->info.sha256));
	memcpy(module->info.name, module->file.name, sizeof(module->info.name));
	*handle = fw_claim_enter(claim);
	if (!*handle) {
		fw_module_close(module);
		free(claim);
		return -LICHEN_ENOMEM;
	}
	*info = &module->info;
	return 0;
}

static lichen_status fw_module_open(struct lichen_instance *in, int32_t descriptor,
				    const char *name, const struct lichen_module_info **info,
				    lichen_handle *handle)
{
	struct fw_claim *claim = fw_claim_new(in, FW_CLAIM_MODULE, 0);
	struct ld_error error = { "" };

	if (!claim)
		return -LICHEN_ENOMEM;
	return fw_module_opened(claim,
				ld_module_open(&claim->module.file, descriptor, name, &error),
				&error, info, handle);
}

static lichen_status fw_module_open_bytes(struct lichen_instance *in, const void *bytes,
					  uint64_t size, const char *name,
					  const struct lichen_module_info **info,
					  lichen_handle *handle)
{
	struct fw_claim *claim = fw_claim_new(in, FW_CLAIM_MODULE, 0);
	struct ld_error error = { "" };

	if (!claim)
		return -LICHEN_ENOMEM;
	return fw_module_opened(
		claim, ld_module_open_bytes(&claim->module.file, bytes, size, name, &error),
		&error, info, handle);
}

void fw_module_close(struct fw_module *module)
{
	ld_module_clear(&module->file);
	free(module->image);
	module->image = NULL;
}

/* Linear: a guest exports a few dozen, and objects ask for a few. */
static uint64_t fw_module_symbol(void *context, const char *name)
{
	const struct lichen_table *symbols = context;

	for (uint32_t i = 0; i < symbols->count; i++) {
		const struct lichen_spy_symbol *symbol =
			(const void *)((const uint8_t *)symbols->items +
				       (size_t)i * symbols->item_size);

		if (strcmp(symbol->name, name) == 0)
			return symbol->address;
	}
	return 0;
}

static lichen_status fw_module_link(struct lichen_instance *in, lichen_handle handle,
				    uint64_t address, const struct lichen_table *symbols,
				    uint64_t *entry, uint64_t *leave)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_MODULE, "link");
	struct lichen_table given = *symbols;
	struct ld_error error = { "" };
	struct fw_module *module;
	uint8_t *image;
	lichen_status status;

	if (!claim || claim->module.file.kind != LD_MODULE_OBJECT)
		return -LICHEN_EINVAL;
	module = &claim->module;
	image = malloc(module->file.room + 1);
	if (!image)
		return -LICHEN_ENOMEM;
	status = ld_module_link(&module->file, address, fw_module_symbol, &given, image, entry,
				leave, &error);
	if (status < 0) {
		fw_host.error(in, "%s", error.text);
		free(image);
		return status;
	}
	free(module->image);
	module->image = image;
	return 0;
}

static lichen_status fw_module_read(struct lichen_instance *in, lichen_handle handle,
				    uint64_t offset, void *to, uint64_t size)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_MODULE, "read");
	const struct fw_module *module;

	if (!claim)
		return -LICHEN_EINVAL;
	module = &claim->module;
	if (offset > module->info.room || size > module->info.room - offset ||
	    (module->file.kind == LD_MODULE_OBJECT && !module->image))
		return -LICHEN_ERANGE;
	memcpy(to, (module->image ? module->image : module->file.bytes) + offset, size);
	return 0;
}

static void fw_module_drop(struct lichen_instance *in, lichen_handle handle)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_MODULE, "close");

	if (claim)
		fw_claim_drop(claim);
}

const struct lichen_module_host fw_module_host = {
	LICHEN_STRUCT(struct lichen_module_host),
	.open = fw_module_open,
	.link = fw_module_link,
	.read = fw_module_read,
	.close = fw_module_drop,
	.open_bytes = fw_module_open_bytes,
};
