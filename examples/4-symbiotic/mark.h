/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * mark.h: what the two sides of "mark" share: the guest says how far it has come, and the
 * VMM writes down when.
 *
 * Third parties have feature bits, causes and MSRs of their own (lichen/guest/discovery.h),
 * and choose from those as they like; two plugins that chose the same are not in one VM.
 */
#ifndef MARK_H
#define MARK_H

#include <lichen/guest/discovery.h>

#define MARK_FEATURE ((uint64_t)1 << (LICHEN_FEATURE_OTHERS_FIRST + 8))
/* A cause, from the VMM: it would like a mark soon, to see that the guest still lives. */
#define MARK_CAUSE_ASKED ((uint64_t)1 << (LICHEN_FEATURE_OTHERS_FIRST + 8))

/* MSRs, counted from the block's first. */
enum mark_msr {
	/*
	 * W: a mark: up to eight of a to z, 0 to 9, '-' and '.', the first in the lowest
	 * byte, zeros behind the last; else #GP.
	 */
	MARK_MSR_MARK = LICHEN_MSR_OTHERS,
	/* R: marks since the guest's start. */
	MARK_MSR_COUNT = LICHEN_MSR_OTHERS + 1,
	MARK_MSRS = 2,
};

#endif
