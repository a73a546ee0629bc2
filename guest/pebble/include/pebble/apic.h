/* SPDX-License-Identifier: MIT */
/* pebble/apic.h: PICs, IOAPIC, local APIC, and the other CPUs. */
#ifndef PEBBLE_APIC_H
#define PEBBLE_APIC_H

#include <pebble/pebble.h>

enum { PEBBLE_CPUS = 33 }; /* the boot CPU and as many others as crt0.S has stacks for */

/* Both PICs: lines at vectors PEBBLE_IRQ and up, all masked; LINT0 passes them on. */
void pic_init(void);
void pic_unmask(uint32_t irq);
void pic_mask_all(void);
void pic_eoi(uint32_t irq);

/* Switches the local APIC on, PEBBLE_SPURIOUS as its spurious vector. */
void lapic_enable(void);
uint32_t lapic_id(void);
void lapic_eoi(void);

/* Edge or level (active high) line `pin` to `vector` on the CPU `apic_id`. */
void ioapic_route(uint32_t pin, uint32_t vector, uint32_t apic_id, uint32_t level);
void ioapic_mask(uint32_t pin);

/*
 * Starts all other CPUs at once (INIT, SIPI, SIPI); each calls `entry` with a
 * number from 0, in the order they come, and halts when it returns.
 */
void pebble_start_cpus(void (*entry)(uint32_t number));

/* How many other CPUs have come. */
uint32_t pebble_cpus_started(void);

#endif
