/* SPDX-License-Identifier: MIT */
/*
 * pending.h: operations that an instance may answer later, through host->complete().
 *
 *	fw_operation_open(in, LICHEN_OP_PAUSE);
 *	status = in->class->pause(in->self);
 *	status = fw_operation_settle(in, LICHEN_OP_PAUSE, status);
 *
 * One of a kind is open at a time.  The instance may complete it from any thread, also
 * before the callback has returned LICHEN_PENDING.
 */
#ifndef FW_PENDING_H
#define FW_PENDING_H

#include <lichen/host.h>

enum { FW_OPERATIONS = LICHEN_OP_UNPLUG_REQUEST + 1 };

/* How long the VM waits for one by itself, unless who asks says otherwise. */
#define FW_PENDING_NS UINT64_C(5000000000)

/* Before the callback.  [control] */
void fw_operation_open(struct lichen_instance *in, uint32_t operation);
/*
 * After it: what it returned, or LICHEN_PENDING where the answer is still to come.  Who
 * has answered and does not return LICHEN_PENDING misbehaves, and it is said.  [control]
 */
lichen_status fw_operation_returned(struct lichen_instance *in, uint32_t operation,
				    lichen_status status);
/* 1: the answer has come, and is in *status; it is asked for no more.  [control] */
int fw_operation_answered(struct lichen_instance *in, uint32_t operation,
			  lichen_status *status);
/* The host waits no longer; a later answer is ignored.  The class is told.  [control] */
void fw_operation_leave(struct lichen_instance *in, uint32_t operation);
/*
 * As fw_operation_returned(), but waits for the answer: timers, descriptors and events
 * of instances are served meanwhile, all else that the loop has is not.
 * -LICHEN_ETIMEDOUT after the VM's time, -LICHEN_ECANCELED: it has ended; both are left.
 * [control]
 */
lichen_status fw_operation_settle(struct lichen_instance *in, uint32_t operation,
				  lichen_status status);

/* host->complete().  [any] */
void fw_host_complete(struct lichen_instance *in, uint32_t operation, lichen_status status);

#endif
