/* SPDX-License-Identifier: MIT */
/*
 * acpi.h: what instances tell the guest's ACPI tables, and what firmware
 * tables offer.  References are to the ACPI Specification 6.4.
 */
#ifndef LICHEN_ACPI_H
#define LICHEN_ACPI_H

#include <lichen/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * "lichen.acpi-node/1": an instance that wants to be described, by one node a
 * device of its.  The provider of the tables needs MANY such instances, so it
 * asks after all of them are realized.
 */
#define LICHEN_ACPI_NODE "lichen.acpi-node/1"

enum { LICHEN_ACPI_PORTS = 4, LICHEN_ACPI_GSIS = 4, LICHEN_ACPI_RANGES = 4 };
enum { LICHEN_ACPI_NODES_MAX = 16 }; /* of one instance */

struct lichen_acpi_ports {
	uint16_t base;
	uint16_t size; /* ports; 0: entry unused */
};

struct lichen_acpi_range {
	lichen_gpa base;
	uint64_t size; /* bytes; 0: entry unused */
};

enum lichen_acpi_gsi_flag { /* as in the Extended Interrupt Descriptor, 6.4.3.6 */
			    LICHEN_ACPI_GSI_EDGE = 1 << 1,
			    LICHEN_ACPI_GSI_ACTIVE_LOW = 1 << 2,
			    LICHEN_ACPI_GSI_SHARED = 1 << 3,
};

struct lichen_acpi_gsi {
	uint32_t gsi;
	uint32_t flags; /* enum lichen_acpi_gsi_flag, and USED */
};
#define LICHEN_ACPI_GSI_USED (1u << 31)

/* What a node adds to or takes from FADT's IAPC_BOOT_ARCH (5.2.9.3). */
enum lichen_acpi_boot_arch {
	LICHEN_ACPI_HAS_8042 = 1 << 1, /* sets bit 1 */
	LICHEN_ACPI_HAS_RTC = 1 << 5,  /* clears bit 5, "CMOS RTC not present" */
};

/*
 * One device in the DSDT.  The reader zero-fills it before the call; texts and
 * bytes must stay valid until the provider's destroy returns.
 */
struct lichen_acpi_node {
	uint32_t struct_size;
	uint32_t boot_arch; /* enum lichen_acpi_boot_arch */
	const char *hid;    /* "PNP0501"; NULL: no device, only what follows */
	const char *cid;    /* NULL: none */
	uint32_t uid;
	uint32_t madt_size;  /* bytes */
	const uint8_t *madt; /* interrupt controller structures (5.2.12), one after another */
	struct lichen_acpi_ports ports[LICHEN_ACPI_PORTS];
	struct lichen_acpi_gsi gsis[LICHEN_ACPI_GSIS];
	struct lichen_acpi_range ranges[LICHEN_ACPI_RANGES];
	/* Compiled terms (chapter 20) that go inside the device, of a node without hid into
	 * \_SB; NULL: none. */
	const uint8_t *aml;
	uint32_t aml_size; /* bytes */
	uint32_t _pad;
};

struct lichen_acpi_node_ops {
	uint32_t struct_size;
	uint32_t _pad;
	/*
	 * Fills *node with the instance's node number `index`.  [control, realized or paused]
	 *
	 * The reader asks for 0, 1, 2 and so on until -LICHEN_ENOENT, which is no error: the
	 * instance has no such node.  One without any gives it for 0.  Every other error ends
	 * the start of the VM.  An instance has at most LICHEN_ACPI_NODES_MAX nodes.
	 */
	lichen_status (*describe)(void *self, uint64_t client, uint32_t index,
				  struct lichen_acpi_node *node);
};

/* "lichen.acpi/1": the tables, for boot protocols. */
#define LICHEN_ACPI "lichen.acpi/1"

struct lichen_acpi_ops {
	uint32_t struct_size;
	uint32_t _pad;
	/* *rsdp: where the RSDP (5.2.5) lies once publish has returned.  [control, realized] */
	lichen_status (*rsdp)(void *self, uint64_t client, lichen_gpa *rsdp);
};

/* "lichen.power-button/1": how the host asks the guest to power itself off. */
#define LICHEN_POWER_BUTTON "lichen.power-button/1"

struct lichen_power_button_ops {
	uint32_t struct_size;
	uint32_t _pad;
	/* Presses and lets go.  -LICHEN_EAGAIN: no guest listens yet.  [control, running] */
	lichen_status (*press)(void *self, uint64_t client);
};

#ifdef __cplusplus
}
#endif

#endif
