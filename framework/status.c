/* SPDX-License-Identifier: MIT */
/* status.c: see status.h. */
#include "status.h"

const char *fw_status_text(lichen_status status)
{
	switch (-status) {
#define FW_STATUS_CASE(name, number, text) \
	case number:                       \
		return text;
		LICHEN_STATUS_MAP(FW_STATUS_CASE)
#undef FW_STATUS_CASE
	default:
		return status >= 0 ? "done" : "an error without a name";
	}
}
