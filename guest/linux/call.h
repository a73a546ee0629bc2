/* SPDX-License-Identifier: GPL-2.0-only */
/* call.h: what call.c and call_entry.S share: offsets in struct call_frame. */
#ifndef CALL_H
#define CALL_H

#define CALL_FRAME_SERIAL 0
#define CALL_FRAME_FUNCTION 8
#define CALL_FRAME_SIZE 16
#define CALL_FRAME_DONE 20
#define CALL_FRAME_STATUS 24
#define CALL_FRAME_ARGUMENTS 32
#define CALL_FRAME_RESULTS 64
#define CALL_FRAME_BYTES 80 /* a multiple of 16: the stack stays aligned */

#ifndef __ASSEMBLY__

#include <linux/types.h>

struct call_frame {
	u64 serial, function;
	u32 size; /* of the page: arguments', then results' */
	u32 done; /* the MSR that ends the call */
	u64 status;
	u64 arguments[4], results[2];
};

/* call_entry.S; entered by the VMM, never called. */
extern const char lichen_call_entry[], lichen_call_cleanup[];

/* call.c; called by call_entry.S. */
void lichen_call_direct(struct call_frame *frame);
void lichen_call_undo(struct call_frame *frame);

#endif
#endif
