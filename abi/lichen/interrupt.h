/* SPDX-License-Identifier: MIT */
/*
 * interrupt.h: lines and messages, as handles.  The host owns the routing
 * table, ORs the levels of those who share a line, and drops an instance's
 * part of it when the instance goes.
 */
#ifndef LICHEN_INTERRUPT_H
#define LICHEN_INTERRUPT_H

#include <lichen/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

enum lichen_line_flag {
	LICHEN_LINE_LEVEL = 1 << 0,  /* level-triggered; without it, edge-triggered */
	LICHEN_LINE_SHARED = 1 << 1, /* others may claim it, if they say so as well */
};

struct lichen_line {
	uint32_t struct_size;
	uint32_t gsi;	/* global system interrupt, below the irqchip's pins */
	uint32_t flags; /* enum lichen_line_flag; others are refused (-LICHEN_ENOTSUP) */
	uint32_t _pad;
};

/* A message-signalled interrupt as the bus gives it (PCI 3.0, 6.8). */
struct lichen_message {
	uint32_t struct_size;
	uint32_t data;
	lichen_gpa address;
	uint32_t requester; /* bus << 8 | device << 3 | function; 0 where there is no bus */
	uint32_t _pad;
};

#ifdef __cplusplus
}
#endif

#endif
