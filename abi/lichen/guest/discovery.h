/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * discovery.h: how a guest finds out that its VMM is symbiotic, what is on offer,
 * and how it is told of changes.  docs/symbiotic-abi.md specifies all of it.
 *
 * A CPUID block in the hypervisor range says where the MSRs are; it never changes.
 * MSRs are the doorbells: the processor keeps user code from them.  A write of a
 * value that is malformed, or of something that was not agreed upon, gets #GP and
 * has no effect.  A guest that finds no exact match does nothing else.
 */
#ifndef LICHEN_GUEST_DISCOVERY_H
#define LICHEN_GUEST_DISCOVERY_H

#include <lichen/guest/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What this header describes.  Another major is another contract: do nothing. */
#define LICHEN_GUEST_MAJOR 1u
#define LICHEN_GUEST_MINOR 0u

/*
 * CPUID.  The block starts at one of FIRST, FIRST + STEP, ... LAST, the one whose
 * EBX, ECX, EDX are the signature, all three; leaves that a processor does not have
 * may echo others.  EAX of it is the last leaf of the block, at least its own + 1.
 */
#define LICHEN_GUEST_CPUID_FIRST 0x40000000u
#define LICHEN_GUEST_CPUID_STEP 0x100u
#define LICHEN_GUEST_CPUID_LAST 0x4000ff00u
#define LICHEN_GUEST_CPUID_EBX 0x6863694cu /* "Lich" */
#define LICHEN_GUEST_CPUID_ECX 0x79536e65u /* "enSy" */
#define LICHEN_GUEST_CPUID_EDX 0x6f69626du /* "mbio" */

/*
 * Leaf block + 1.  EAX: major << 16 | minor.  EBX: the first MSR.  ECX: how many
 * there are.  EDX: the notification line, a GSI (edge, active high), or NO_LINE.
 */
#define LICHEN_GUEST_NO_LINE 0x80000000u

/* MSRs, counted from the first. */
enum lichen_guest_msr {
	LICHEN_MSR_OFFERED = 0x00, /* R: enum lichen_guest_feature on offer now */
	LICHEN_MSR_AGREED = 0x01,  /* RW, one for the VM: those that the guest wants too.
				      #GP: one that is not on offer.  Taking a feature out
				      takes back all that was registered for it. */
	LICHEN_MSR_NOTIFY = 0x02,  /* R: enum lichen_guest_cause since the last read,
				      which clears them */
	LICHEN_MSR_LISTEN = 0x03, /* RW: 1: the line is pulsed for each new cause; 0 at reset */
	/* SymSpy, spy.h */
	LICHEN_MSR_SPY_GLOBAL = 0x10, /* RW: where the VM's set is */
	LICHEN_MSR_SPY_VCPU = 0x11,   /* RW, one a vCPU: where this vCPU's set is */
	LICHEN_MSR_SPY_HOST = 0x12,   /* RW: where the VMM may write its own set */
	/* SymCall, call.h */
	LICHEN_MSR_CALL_VCPU = 0x20,   /* RW, one a vCPU: where its registration is */
	LICHEN_MSR_CALL_DONE = 0x21,   /* W, one a vCPU: the direct call is over */
	LICHEN_MSR_CALL_TABLE = 0x22,  /* RW: where the table of functions is */
	LICHEN_MSR_CALL_AREA = 0x23,   /* RW: where the slots of deferred calls are */
	LICHEN_MSR_CALL_ANSWER = 0x24, /* W: the deferred call of this serial is answered */
	/* SymMod, module.h */
	LICHEN_MSR_MODULE_PAGE = 0x30,	 /* RW: where the page for pushes is */
	LICHEN_MSR_MODULE_ANSWER = 0x31, /* W: the request of this serial is answered */
	/* For interfaces of third parties. */
	LICHEN_MSR_OTHERS = 0x40,
	LICHEN_MSR_COUNT = 0x100,
};

enum lichen_guest_feature { /* bits */
			    LICHEN_FEATURE_SPY = 1 << 0,
			    LICHEN_FEATURE_SPY_HOST = 1 << 1,
			    LICHEN_FEATURE_CALL = 1 << 2,
			    LICHEN_FEATURE_CALL_DEFERRED = 1 << 3,
			    LICHEN_FEATURE_MODULE = 1 << 4,
			    /* 5 to 31: later minors; 32 to 63: third parties */
};
#define LICHEN_FEATURE_OTHERS_FIRST 32

enum lichen_guest_cause {				  /* bits of LICHEN_MSR_NOTIFY */
			  LICHEN_CAUSE_FEATURES = 1 << 0, /* what is on offer has changed */
			  LICHEN_CAUSE_CALLS = 1 << 1,	  /* a deferred call is in its slot */
			  LICHEN_CAUSE_MODULE = 1 << 2,	  /* the module page has a request */
			  LICHEN_CAUSE_SPY_HOST = 1 << 3, /* the VMM wants its set read soon */
							  /* 32 to 63: third parties */
};

/*
 * How an MSR says where something is: a page-aligned guest-physical address, in bits
 * 11:1 the number of pages less 1, in bit 0 a 1.  0 takes it back.  All of it must be
 * RAM; the VMM trusts none of what is in it.
 */
#define LICHEN_AT(gpa, pages) ((uint64_t)(gpa) | ((uint64_t)(pages)-1) << 1 | 1)
#define LICHEN_AT_GPA(value) ((uint64_t)(value) & ~(uint64_t)0xfff)
#define LICHEN_AT_PAGES(value) (((uint32_t)(value) >> 1 & 0x7ff) + 1)
enum { LICHEN_GUEST_PAGE = 4096 };

#ifdef __cplusplus
}
#endif

#endif
