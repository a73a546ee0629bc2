/* SPDX-License-Identifier: MIT */
/* guest_module.h: code for the guest, held by an instance (<lichen/draft/module.h>). */
#ifndef FW_GUEST_MODULE_H
#define FW_GUEST_MODULE_H

#include <lichen/draft/module.h>

#include "module.h"

struct fw_module {
	struct ld_module file;
	struct lichen_module_info info;
	uint8_t *image; /* of an object that was linked, owned; else NULL */
};

extern const struct lichen_module_host fw_module_host;

void fw_module_close(struct fw_module *module);

#endif
