/* SPDX-License-Identifier: MIT */
/* trap.c: exceptions and interrupts. */
#include <pebble/pebble.h>

enum { TRAP_UNCLAIMED_PORT = 0x80, TRAP_EXCEPTIONS = 32 };

void pebble_trap(struct pebble_frame *frame); /* called by crt0.S */

static pebble_handler trap_handlers[PEBBLE_VECTORS];
static volatile uint64_t trap_fixup; /* where to go on after an expected exception; 0: none */
static volatile int trap_vector;     /* of the expected exception; -1: it did not come */

void pebble_on(uint32_t vector, pebble_handler handler)
{
	if (vector < PEBBLE_VECTORS)
		trap_handlers[vector] = handler;
}

void pebble_trap(struct pebble_frame *frame)
{
	if (trap_handlers[frame->vector] != NULL) {
		trap_handlers[frame->vector](frame);
		return;
	}
	if (frame->vector >= TRAP_EXCEPTIONS)
		return;
	if (trap_fixup != 0) {
		trap_vector = (int)frame->vector;
		frame->rip = trap_fixup;
		return;
	}
	pebble_puts("pebble: exception ");
	pebble_dec(frame->vector);
	pebble_puts(", error code ");
	pebble_hex(frame->error);
	pebble_puts(", at ");
	pebble_hex(frame->rip);
	pebble_puts("\n");
	pebble_exit(PEBBLE_EXCEPTION);
}

void pebble_pause(void)
{
	inb(TRAP_UNCLAIMED_PORT);
}

int pebble_wait(const volatile uint32_t *flag, uint32_t least, uint32_t polls)
{
	irq_enable();
	for (uint32_t i = 0; i < polls && *flag < least; i++)
		pebble_pause();
	irq_disable();
	return *flag >= least;
}

int pebble_rdmsr(uint32_t msr, uint64_t *value)
{
	uint32_t low, high;

	trap_vector = -1;
	__asm__ volatile("movq $1f, %2\n\t"
			 "rdmsr\n"
			 "1:\tmovq $0, %2"
			 : "=a"(low), "=d"(high), "+m"(trap_fixup)
			 : "c"(msr)
			 : "memory");
	if (trap_vector < 0)
		*value = (uint64_t)high << 32 | low;
	return trap_vector;
}

int pebble_wrmsr(uint32_t msr, uint64_t value)
{
	trap_vector = -1;
	__asm__ volatile("movq $1f, %0\n\t"
			 "wrmsr\n"
			 "1:\tmovq $0, %0"
			 : "+m"(trap_fixup)
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
	return trap_vector;
}
