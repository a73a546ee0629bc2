/* SPDX-License-Identifier: MIT */
/* status.h: the text of a status. */
#ifndef FW_STATUS_H
#define FW_STATUS_H

#include <lichen/status.h>

/* "not found" for -LICHEN_ENOENT; constant.  [any] */
const char *fw_status_text(lichen_status status);

#endif
