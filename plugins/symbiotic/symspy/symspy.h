/* SPDX-License-Identifier: MIT */
/*
 * symspy.h: what the files of symspy share.  symspy.c has the MSRs and the life,
 * symspy_host.c the VMM's own set, symspy_control.c the methods.
 */
#ifndef SYMSPY_H
#define SYMSPY_H

#include <lichen/draft/symspy.h>
#include <lichen/guest/discovery.h>
#include <lichen/sdk/control.h>
#include <lichen/sdk/directory.h>
#include <lichen/sdk/symbiotic.h>
#include <lichen/symbiotic.h>

enum { SYMSPY_VCPUS = 32 };

/* All is guarded by the instance lock. */
struct symspy {
	struct lichen_dev dev;
	const struct lichen_symbiotic_host *symbiotic;
	const struct lichen_control_host *control; /* NULL: the VM has no control socket */
	/* As the guest wrote them; 0: not registered. */
	uint64_t global_at, host_at;
	uint64_t vcpu_at[SYMSPY_VCPUS];
	/* The same, judged. */
	struct lichen_shared global, host;
	struct lichen_shared vcpus[SYMSPY_VCPUS];
	uint64_t wish;	      /* bytes that the guest might do without */
	lichen_handle update; /* timer of the VMM's set */
	/* Since the instance was made. */
	uint64_t reads, retries, unsettled, malformed, refused;
};

extern const struct lichen_control_ops symspy_control;

/* Counts a read that ended with `status`; returns it. */
lichen_status symspy_counted(struct symspy *s, lichen_status status, uint32_t retries);

/* The guest gave room for the VMM's set, or took it back: makes it, and keeps it up to date.
 * -LICHEN_EFAULT: the room is no RAM any more.  [vcpu or control] */
lichen_status symspy_host_begin(struct symspy *s);
/* Writes what is true now, where there is a set.  [control or vcpu] */
void symspy_host_update(struct symspy *s);
/* [control] */
void symspy_host_due(struct symspy *s);

#endif
