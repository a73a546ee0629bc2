/* SPDX-License-Identifier: MIT */
/*
 * hardware.h: parts of a machine that the hardware-virtualization core itself
 * implements, and that plugins switch on, describe and save:
 * host->interface(in, LICHEN_HV_IRQCHIP) or (in, LICHEN_HV_PIT).
 * NULL where the core has no such part.
 */
#ifndef LICHEN_HARDWARE_H
#define LICHEN_HARDWARE_H

#include <lichen/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lichen_instance;

/* Both PICs, one IOAPIC, a local APIC a vCPU. */
#define LICHEN_HV_IRQCHIP "lichen.hv-irqchip/1"

enum lichen_irqchip_part { /* sizes of their states below */
			   LICHEN_IRQCHIP_PIC_MASTER = 0,
			   LICHEN_IRQCHIP_PIC_SLAVE = 1,
			   LICHEN_IRQCHIP_IOAPIC = 2,
};
enum {
	LICHEN_IRQCHIP_STATE_SIZE = 512
}; /* bytes, of each part; opaque, the core's own format */

struct lichen_hv_irqchip {
	uint32_t struct_size;
	uint32_t _pad;
	/*
	 * Switches it on; *pins: lines of the IOAPIC, GSI 0 and up.  Before the
	 * first vCPU exists.  -LICHEN_EEXIST: there is one.  [control, created]
	 */
	lichen_status (*create)(struct lichen_instance *in, uint32_t *pins);
	/* state: LICHEN_IRQCHIP_STATE_SIZE bytes.  [control, realized or paused] */
	lichen_status (*get)(struct lichen_instance *in, uint32_t part, uint8_t *state);
	/* -LICHEN_EINVAL: the hardware refuses it.  [control, realized or paused] */
	lichen_status (*set)(struct lichen_instance *in, uint32_t part, const uint8_t *state);
};

/* An 8254 at ports 0x40 to 0x43, and port 0x61. */
#define LICHEN_HV_PIT "lichen.hv-pit/1"
enum { LICHEN_PIT_STATE_SIZE = 112 }; /* bytes; opaque */

struct lichen_hv_pit {
	uint32_t struct_size;
	uint32_t _pad;
	/* Needs the irqchip.  -LICHEN_EEXIST: there is one.  [control, created] */
	lichen_status (*create)(struct lichen_instance *in);
	/* state: LICHEN_PIT_STATE_SIZE bytes.  [control, realized or paused] */
	lichen_status (*get)(struct lichen_instance *in, uint8_t *state);
	/* -LICHEN_EINVAL: the hardware refuses it.  [control, realized or paused] */
	lichen_status (*set)(struct lichen_instance *in, const uint8_t *state);
};

/*
 * "lichen.irqchip/1": what makes interrupt lines work.  Instances that claim
 * lines declare it as a need, which also orders them after its provider.
 */
#define LICHEN_IRQCHIP "lichen.irqchip/1"

struct lichen_irqchip_ops {
	uint32_t struct_size;
	uint32_t _pad;
	/* Lines, GSI 0 and up.  [any, realized] */
	uint32_t (*pins)(void *self, uint64_t client);
};

#ifdef __cplusplus
}
#endif

#endif
