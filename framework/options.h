/* SPDX-License-Identifier: MIT */
/* options.h: from an embedder's options to a profile. */
#ifndef FW_OPTIONS_H
#define FW_OPTIONS_H

#include <lichen/vm.h>

#include "log.h"
#include "profile.h"

/*
 * The options as far as the embedder's struct_size goes; what is beyond has its
 * default, and there is no console.
 */
void fw_options_read(const struct lichen_vm_options *given, struct lichen_vm_options *options);
/*
 * Splits the search paths and loads the profile.  The paths are to be cleared by
 * the caller in any case, after the profile was freed; failures as
 * fw_profile_load().
 */
lichen_status fw_options_profile(const struct lichen_vm_options *options,
				 struct ld_path *plugins, struct ld_path *fragments,
				 struct fw_profile **profile, struct fw_diags *diags);

/* Every diagnostic as a line of the log. */
void fw_diags_tell(const struct fw_diags *diags, const struct fw_log *log);

#endif
