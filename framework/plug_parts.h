/* SPDX-License-Identifier: MIT */
/* plug_parts.h: what plug.c, which makes instances, and plug_remove.c share. */
#ifndef FW_PLUG_PARTS_H
#define FW_PLUG_PARTS_H

#include "profile.h"

/* -LICHEN_EAGAIN: the VM is amid something that walks its instances. */
lichen_status fw_plug_busy(struct lichen_vm *vm, struct ld_error *error);
/* Makes vm->instances anew of what has become of the profile's specs. */
void fw_plug_list(struct lichen_vm *vm);

#endif
