/* SPDX-License-Identifier: MIT */
/*
 * symspy.h (draft): the interface of plugin symspy, by which other plugins read what the
 * guest shares (<lichen/guest/spy.h>).
 */
#ifndef LICHEN_DRAFT_SYMSPY_H
#define LICHEN_DRAFT_SYMSPY_H

#include <lichen/abi.h>
#include <lichen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LICHEN_SYMSPY "lichen.symspy/1"

#define LICHEN_SYMSPY_VM UINT32_MAX /* as `vcpu`: the VM's set */

struct lichen_symspy_ops {
	uint32_t struct_size;
	uint32_t _pad;
	/*
	 * Copies record `name` of a set, whole, into `to`; *size: its bytes.  No exit, and
	 * the guest does not notice.  -LICHEN_ENOENT: there is no such set or record;
	 * -LICHEN_E2BIG: larger than `room`; -LICHEN_EAGAIN: its writer does not settle;
	 * -LICHEN_EBADMSG: the guest's directory is malformed; -LICHEN_EFAULT.
	 * [any, running]
	 */
	lichen_status (*read)(void *self, uint64_t client, uint32_t vcpu, const char *name,
			      void *to, uint32_t room, uint32_t *size);
};

#ifdef __cplusplus
}
#endif

#endif
