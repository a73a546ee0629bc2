/* SPDX-License-Identifier: MIT */
/*
 * pebble.h: a guest of a few kilobytes, without a C library.
 *
 *	int main(void)
 *	{
 *		CHECK(1, inb(0x60) == 0);
 *		return 0;
 *	}
 *
 * The result goes out through the port of the device debug-exit, 0xf4: main
 * returning 0 gives exit status 1, check N failing (N << 1 | 1) and one line on
 * the first serial port.  Keep the way through a test short: under 100,000
 * instructions, on machines that emulate each.
 */
#ifndef PEBBLE_H
#define PEBBLE_H

#include <stddef.h>

#include <pebble/io.h>

enum {
	PEBBLE_EXIT_PORT = 0xf4,
	PEBBLE_SERIAL = 0x3f8,
	PEBBLE_PASS = 0,
	PEBBLE_EXCEPTION = 127, /* the code of an exception that nobody expected */
	PEBBLE_VECTORS = 64,	/* 0 to 31 exceptions; 32 to 47 the PICs' lines */
	PEBBLE_IRQ = 32,	/* vector of the PICs' line 0 */
	PEBBLE_SPURIOUS = 63,
	PEBBLE_POLLS = 200000, /* pebble_wait(): about 0.4 to 24 s */
};

/* As crt0.S pushes it. */
struct pebble_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

typedef void (*pebble_handler)(struct pebble_frame *frame);

extern uint64_t pebble_ram; /* bytes of guest RAM, as the boot plugin says */

int main(void);

/* code: PEBBLE_PASS, or 1 to 127. */
__attribute__((noreturn)) void pebble_exit(int code);

/* Prints what failed and exits with `code`. */
__attribute__((noreturn)) void pebble_fail(int code, const char *what);

#define CHECK(code, condition)                           \
	do {                                             \
		if (!(condition))                        \
			pebble_fail((code), #condition); \
	} while (0)

/* The first serial port, polled; text without a device behind it is lost. */
void pebble_putc(char c);
void pebble_puts(const char *text);
void pebble_hex(uint64_t value);
void pebble_dec(uint64_t value);

/* Handler of a vector; NULL: an exception ends the guest, an interrupt is ignored. */
void pebble_on(uint32_t vector, pebble_handler handler);

/* One access to a port that no device has, which takes a microsecond or more. */
void pebble_pause(void);

/* Waits with interrupts on until *flag is at least `least`; 0: it is not after
 * `polls` pauses. */
int pebble_wait(const volatile uint32_t *flag, uint32_t least, uint32_t polls);

/* rdmsr and wrmsr that may fault: the exception's vector, -1 for none. */
int pebble_rdmsr(uint32_t msr, uint64_t *value);
int pebble_wrmsr(uint32_t msr, uint64_t value);

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);

#endif
